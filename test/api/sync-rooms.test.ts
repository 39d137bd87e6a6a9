import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { eventsOf, joinedRoom, type Actor } from '../support/actors.ts'
import { startServer, type ServerOptions, type TestServer } from '../support/server.ts'

let server: TestServer
afterEach(() => server.close())

/** A client that says nothing of its presence and hears of none, so that only rooms answer it. */
const QUIET = { set_presence: 'offline', filter: '{"presence":{"types":[]}}' }

async function aRoomOfTwo(
  options: ServerOptions = {},
): Promise<{ alice: Actor; bob: Actor; roomId: string }> {
  server = await startServer(options)
  const [alice, bob] = [await server.registers('alice'), await server.registers('bob')]
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  return { alice, bob, roomId }
}

function sections(body: JsonObject, name: string): Record<string, JsonObject> {
  return (body['rooms'] as Record<string, Record<string, JsonObject>> | undefined)?.[name] ?? {}
}

function bodies(events: readonly JsonObject[]): unknown[] {
  return events.map((event) => (event['content'] as JsonObject)['body'] ?? event['type'])
}

describe('the rooms part of /sync', () => {
  test('R-194 every answer has next_batch, and a malformed since is refused', async () => {
    const { alice } = await aRoomOfTwo()
    for (const surface of ['r0', 'v3'])
      expect(await alice.syncs({}, surface)).toMatchObject({ next_batch: expect.any(String) as string })
    for (const since of ['nonsense', 's1_2_3', 't5']) {
      const reply = await alice.request('GET', '/v3/sync', { query: { since } })
      expect(reply).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
    }
  })

  test('R-195 an initial sync has the room with state, events, counts and data, the push rules and open invites', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    await alice.says(roomId, 'hello')
    const other = await alice.creates()
    await alice.invites(other, bob)
    const body = await bob.syncs(QUIET)
    const room = joinedRoom(body, roomId)
    expect(bodies(eventsOf(room, 'timeline')).at(-1)).toBe('hello')
    const all = [...eventsOf(room, 'state'), ...eventsOf(room, 'timeline')]
    expect(all.map((event) => event['type'])).toContain('m.room.create')
    expect(room?.['unread_notifications']).toEqual({ notification_count: 1, highlight_count: 0 })
    expect(Object.keys(sections(body, 'invite'))).toEqual([other])
    expect(eventsOf(body, 'account_data').map((event) => event['type'])).toContain('m.push_rules')
    expect(body['device_one_time_keys_count']).toEqual({ signed_curve25519: 0 })
    expect(body['device_unused_fallback_key_types']).toEqual([])
  })

  test('R-196 R-197 R-203 following tokens over HTTP: each event once, unchanged rooms absent', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    await alice.says(roomId, 'one')
    expect(bodies(eventsOf(joinedRoom(await bob.syncs(QUIET), roomId), 'timeline'))).toEqual(['one'])
    expect(sections(await bob.syncs(QUIET), 'join')).toEqual({})
    const other = await alice.creates({ preset: 'public_chat' })
    await bob.joins(other)
    const joined = joinedRoom(await bob.syncs(QUIET), other)
    expect(joined?.['timeline']).toMatchObject({ limited: true })
    const told = [...eventsOf(joined, 'state'), ...eventsOf(joined, 'timeline')]
    expect(told.map((event) => event['type'])).toContain('m.room.create')
  })

  test('R-198 a limited timeline is completed by /messages from prev_batch', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    for (let i = 0; i < 15; i += 1) await alice.says(roomId, `m${i}`)
    const { timeline } = joinedRoom(await bob.syncs(QUIET), roomId) as { timeline: JsonObject }
    expect(timeline['limited']).toBe(true)
    expect(bodies(timeline['events'] as JsonObject[])).toEqual(
      Array.from({ length: 10 }, (_, i) => `m${i + 5}`),
    )
    const query = { dir: 'b', limit: 5, from: timeline['prev_batch'] as string }
    const page = await bob.ok('GET', `/v3/rooms/${encodeURIComponent(roomId)}/messages`, { query })
    expect(bodies(page['chunk'] as JsonObject[])).toEqual(['m4', 'm3', 'm2', 'm1', 'm0'])
  })

  test('R-201 R-202 state_after and full_state by their parameters', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    const full = await bob.syncs({ ...QUIET, full_state: true })
    expect(eventsOf(joinedRoom(full, roomId), 'state').map((event) => event['type'])).toContain(
      'm.room.create',
    )
    const since = bob.since ?? ''
    await alice.ok('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.topic`, {
      body: { topic: 'tea' },
    })
    for (const [parameter, key] of [
      ['use_state_after', 'state_after'],
      ['org.matrix.msc4222.use_state_after', 'org.matrix.msc4222.state_after'],
    ] as const) {
      bob.since = since
      const room = joinedRoom(await bob.syncs({ ...QUIET, [parameter]: true }), roomId)
      expect(eventsOf(room, key)).toMatchObject([{ type: 'm.room.topic' }])
      expect(room).not.toHaveProperty('state')
    }
    const bad = await bob.request('GET', '/v3/sync', { query: { full_state: 'maybe' } })
    expect(bad).toMatchObject({ status: 400, body: { errcode: 'M_INVALID_PARAM' } })
  })

  test('R-204 R-206 R-207 leaving, being invited and rejecting', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    await bob.leaves(roomId)
    expect(Object.keys(sections(await bob.syncs(QUIET), 'leave'))).toEqual([roomId])
    expect(sections(await bob.syncs(QUIET), 'leave')).toEqual({})
    const other = await alice.creates()
    await alice.invites(other, bob)
    const invite = sections(await bob.syncs(QUIET), 'invite')[other]
    expect(eventsOf(invite, 'invite_state').map((event) => event['type'])).toContain('m.room.create')
    await bob.leaves(other)
    expect(Object.keys(sections(await bob.syncs(QUIET), 'leave'))).toEqual([other])
    bob.since = null
    expect(sections(await bob.syncs(QUIET), 'leave')).toEqual({})
    bob.since = null
    const all = await bob.syncs({
      ...QUIET,
      filter: '{"room":{"include_leave":true},"presence":{"types":[]}}',
    })
    expect(Object.keys(sections(all, 'leave')).sort()).toEqual([roomId, other].sort())
  })
})

describe('waiting', () => {
  test('R-211 R-213 a waiting sync is answered by a message, without time passing', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    const before = server.clock.now()
    const poll = bob.polls(QUIET)
    await server.parked(1)
    await alice.says(roomId, 'hello')
    expect(bodies(eventsOf(joinedRoom(await poll.body, roomId), 'timeline'))).toEqual(['hello'])
    expect(server.clock.now()).toBe(before)
  })

  test('R-211 with nothing to tell it is answered empty at its time-out', async () => {
    const { bob } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    const poll = bob.polls({ ...QUIET, timeout: 10_000 })
    await server.parked(1)
    await server.clock.advance(10_000)
    expect(sections(await poll.body, 'join')).toEqual({})
  })

  test('R-212 events that the filter keeps out do not end the wait', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    const filter = JSON.stringify({
      presence: { types: [] },
      room: { timeline: { not_types: ['m.room.message'] } },
    })
    await bob.syncs({ ...QUIET, filter })
    const poll = bob.polls({ ...QUIET, filter, timeout: 20_000 })
    await server.parked(1)
    await alice.says(roomId, 'hidden')
    await server.quiet()
    await server.parked(1)
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.topic`
    await alice.ok('PUT', path, { body: { topic: 'tea' } })
    expect(bodies(eventsOf(joinedRoom(await poll.body, roomId), 'timeline'))).toEqual(['m.room.topic'])
  })

  test('R-211 invites, account data and keys end the wait too', async () => {
    const { alice, bob } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    const woken = async (act: () => Promise<unknown>): Promise<JsonObject> => {
      const poll = bob.polls(QUIET)
      await server.parked(1)
      await act()
      return poll.body
    }
    const other = await alice.creates()
    expect(sections(await woken(() => alice.invites(other, bob)), 'invite')).toHaveProperty([other])
    const data = `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.direct`
    const withData = await woken(() => bob.ok('PUT', data, { body: { a: [] } }))
    expect(eventsOf(withData, 'account_data')).toEqual([{ type: 'm.direct', content: { a: [] } }])
    const keys = { one_time_keys: { 'signed_curve25519:AAAA': { key: 'x', signatures: {} } } }
    const withKeys = await woken(() => bob.ok('POST', '/v3/keys/upload', { body: keys }))
    expect(withKeys['device_one_time_keys_count']).toEqual({ signed_curve25519: 1 })
  })

  test('§6.11 somebody else’s rooms do not wake a waiting sync', async () => {
    const { alice, bob } = await aRoomOfTwo()
    await bob.syncs(QUIET)
    const poll = bob.polls({ ...QUIET, timeout: 20_000 })
    await server.parked(1)
    const other = await alice.creates()
    await alice.says(other, 'private')
    await server.quiet()
    await server.parked(1)
    await server.clock.advance(20_000)
    expect(sections(await poll.body, 'join')).toEqual({})
  })
})

describe.each(['memory', 'sqlite'] as const)('on the %s store', (store) => {
  test.each(['clean', 'unclean'] as const)(
    'R-214 tokens stay valid across a restart (%s), and nothing is lost',
    async (end) => {
      const { alice, bob, roomId } = await aRoomOfTwo({ store })
      await bob.syncs(QUIET)
      await alice.says(roomId, 'before')
      await server.restarts({ end })
      expect(bodies(eventsOf(joinedRoom(await bob.syncs(QUIET), roomId), 'timeline'))).toEqual(['before'])
      expect(sections(await bob.syncs(QUIET), 'join')).toEqual({})
      await alice.says(roomId, 'after')
      expect(bodies(eventsOf(joinedRoom(await bob.syncs(QUIET), roomId), 'timeline'))).toEqual(['after'])
    },
  )

  test('R-209 R-210 a lazily loading client', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo({ store })
    const filter = JSON.stringify({ presence: { types: [] }, room: { state: { lazy_load_members: true } } })
    for (let i = 0; i < 10; i += 1) await alice.says(roomId, `m${i}`)
    const room = joinedRoom(await bob.syncs({ ...QUIET, filter }), roomId)
    expect(room?.['summary']).toEqual({
      'm.joined_member_count': 2,
      'm.invited_member_count': 0,
      'm.heroes': [alice.userId],
    })
    const members = eventsOf(room, 'state').filter((event) => event['type'] === 'm.room.member')
    expect(members.map((event) => event['state_key'] as string).sort()).toEqual([alice.userId, bob.userId])
  })
})

test('R-217 an ignored user’s messages and invites are absent over HTTP', async () => {
  const { alice, bob, roomId } = await aRoomOfTwo()
  const path = `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`
  await bob.ok('PUT', path, { body: { ignored_users: { [alice.userId]: {} } } })
  await bob.syncs(QUIET)
  await alice.says(roomId, 'noise')
  const other = await alice.creates()
  await alice.invites(other, bob)
  const body = await bob.syncs(QUIET)
  expect(sections(body, 'join')).toEqual({})
  expect(sections(body, 'invite')).toEqual({})
})
