import { afterEach, expect, test } from 'vitest'
import { presenceOf, type Actor, type PresenceEvent } from '../support/actors.ts'
import { startServer, type ServerOptions, type TestServer } from '../support/server.ts'

/*
 * What other servers got wrong and no other file shows on a whole server (test/tidy/lessons.test.ts has the list of all).
 */

const SECOND = 1_000
const OFF = { set_presence: 'offline' } as const

let server: TestServer

afterEach(() => server.close())

interface Company {
  alice: Actor
  bob: Actor
  room: string
}

async function company(options: ServerOptions = {}): Promise<Company> {
  server = await startServer(options)
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const room = await alice.creates({ preset: 'public_chat' })
  await bob.joins(room)
  await bob.syncs(OFF)
  return { alice, bob, room }
}

async function told(bob: Actor, alice: Actor): Promise<PresenceEvent['content'][]> {
  return presenceOf(await bob.syncs(OFF))
    .filter(({ sender }) => sender === alice.userId)
    .map(({ content }) => content)
}

test('P-018 P-092 P-141 L-04 no device, no sync, no restart wipes the text; only saying so does', async () => {
  const { alice, bob } = await company({ store: 'sqlite' })
  const phone = await server.logsIn(alice)
  await alice.sets('online', 'writing a novel')
  const textOf = async (): Promise<unknown> => (await bob.status(alice)).body['status_msg']
  for (const does of [
    () => phone.sets('unavailable'),
    () => alice.sets('online'),
    () => phone.syncs({ set_presence: 'online' }),
    () => phone.syncs(),
    () => phone.ok('POST', '/v3/logout', { body: {} }),
    () => server.clock.advance(40 * SECOND),
    () => server.restarts({ end: 'clean' }),
    () => server.restarts({ end: 'unclean' }),
    () => alice.syncs(),
  ]) {
    await does()
    expect(await textOf()).toBe('writing a novel')
  }
  await alice.sets('online', '')
  expect(await textOf()).toBeUndefined()
})

test.each([
  [
    'an encrypted message',
    (alice: Actor, room: string) =>
      alice.ok('PUT', `/v3/rooms/${encodeURIComponent(room)}/send/m.room.encrypted/t`, {
        body: { algorithm: 'm.megolm.v1.aes-sha2', ciphertext: 'AwgA', session_id: 's' },
      }),
  ],
  [
    'a reaction',
    (alice: Actor, room: string, eventId: string) =>
      alice.ok('PUT', `/v3/rooms/${encodeURIComponent(room)}/send/m.reaction/t`, {
        body: { 'm.relates_to': { rel_type: 'm.annotation', event_id: eventId, key: '👍' } },
      }),
  ],
  [
    'a receipt',
    (alice: Actor, room: string, eventId: string) =>
      alice.ok('POST', `/v3/rooms/${encodeURIComponent(room)}/receipt/m.read/${eventId}`, { body: {} }),
  ],
  [
    'a private receipt',
    (alice: Actor, room: string, eventId: string) =>
      alice.ok('POST', `/v3/rooms/${encodeURIComponent(room)}/receipt/m.read.private/${eventId}`, {
        body: {},
      }),
  ],
] as const)('P-124 P-128 P-130 L-07 %s is activity', async (_, does) => {
  const { alice, bob, room } = await company()
  const eventId = await bob.says(room, 'look')
  await alice.syncs({ set_presence: 'unavailable' })
  await server.clock.advance(10 * SECOND)
  await told(bob, alice)
  await does(alice, room, eventId)
  expect(await told(bob, alice)).toEqual([
    expect.objectContaining({ presence: 'online', last_active_ago: 0, currently_active: true }),
  ])
})

test.each<[string, (alice: Actor, room: string) => Promise<unknown>]>([
  ['account data', (alice) => alice.ok('PUT', `/v3/user/${alice.userId}/account_data/x`, { body: {} })],
  ['a filter', (alice) => alice.ok('POST', `/v3/user/${alice.userId}/filter`, { body: {} })],
  ['keys', (alice) => alice.ok('POST', '/v3/keys/upload', { body: {} })],
  ['reading', (alice, room) => alice.ok('GET', `/v3/rooms/${room}/messages?dir=b`)],
])('P-127 L-07 %s is none', async (_, does) => {
  const { alice, bob, room } = await company()
  await alice.syncs({ set_presence: 'unavailable' })
  await server.clock.advance(10 * SECOND)
  await told(bob, alice)
  await does(alice, room)
  expect(await told(bob, alice)).toEqual([])
  expect((await bob.status(alice)).body).toMatchObject({
    presence: 'unavailable',
    last_active_ago: 10 * SECOND,
  })
})

test('P-017 P-020 L-08 a made-up state or a text of a megabyte is refused, stored nowhere and told to nobody', async () => {
  const { alice, bob } = await company()
  await alice.sets('unavailable', 'as it was')
  await told(bob, alice)
  const { commits } = server.writes
  const path = `/v3/presence/${encodeURIComponent(alice.userId)}/status`
  for (const [body, status] of [
    [{ presence: 'banana' }, 400],
    [{ presence: ['online'] }, 400],
    [{ presence: 'online', status_msg: 'x'.repeat(1_000_000) }, 413],
    [{ presence: 'online', status_msg: 'x'.repeat(1_025) }, 413],
    [{ presence: 'online', status_msg: { text: 'x' } }, 400],
  ] as const)
    expect((await alice.request('PUT', path, { body })).status).toBe(status)
  expect(await told(bob, alice)).toEqual([])
  expect((await bob.status(alice)).body).toMatchObject({ presence: 'unavailable', status_msg: 'as it was' })
  expect(server.writes.commits).toBe(commits)
})

test('L-18 a client that opens polls without end keeps three, and the server nothing of the rest', async () => {
  const { bob } = await company()
  await bob.syncs(OFF)
  const polls = []
  for (let opened = 1; opened <= 20; opened += 1) {
    polls.push(bob.polls(OFF))
    await server.parked(Math.min(opened, 3))
  }
  await server.quiet()
  const { timers } = server.clock
  // The older ones were answered, as if their time were over.
  for (const poll of polls.slice(0, -3)) expect(presenceOf(await poll.body)).toEqual([])
  for (const poll of polls.slice(-3)) poll.abort()
  await server.parked(0)
  await server.quiet()
  expect(timers - server.clock.timers).toBe(3)
})
