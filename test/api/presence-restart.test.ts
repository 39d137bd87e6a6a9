import { afterEach, describe, expect, test } from 'vitest'
import { presenceOf, type Actor, type PresenceEvent } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

const SECOND = 1_000
const OFFLINE_GRACE = 30 * SECOND
const OFF = { set_presence: 'offline' } as const

let server: TestServer

afterEach(() => server.close())

async function company(): Promise<{ alice: Actor; bob: Actor; roomId: string }> {
  server = await startServer()
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  return { alice, bob, roomId }
}

async function told(who: Actor): Promise<PresenceEvent[]> {
  return presenceOf(await who.syncs(OFF))
}

describe.each(['clean', 'unclean'] as const)('a %s restart', (end) => {
  const restart = (): Promise<void> => server.restarts({ end })

  test('P-097 P-151 P-141 R-214 keeps tokens, state, text, hiding and last activity', async () => {
    const { alice, bob } = await company()
    const carol = await server.registers('carol')
    await carol.sets('hidden', 'not for others')
    await alice.sets('unavailable', 'before the restart')
    await told(bob)
    await server.clock.advance(2 * SECOND)
    const before = (await bob.status(alice)).body
    expect(before).toMatchObject({ status_msg: 'before the restart', last_active_ago: 2 * SECOND })
    await restart()
    expect((await bob.status(alice)).body).toEqual(before)
    expect((await carol.status(carol, 'api/v1')).body).toMatchObject({
      presence: 'hidden',
      status_msg: 'not for others',
    })
    const reply = await bob.request('GET', '/v3/sync', { query: { since: bob.since ?? '', ...OFF } })
    expect(reply.status).toBe(200)
  })

  test('P-152 P-135 who comes back within the grace was never away; who does not goes offline, and this is told', async () => {
    const { alice, bob, roomId } = await company()
    const carol = await server.registers('carol')
    await carol.joins(roomId)
    await alice.syncs({ set_presence: 'online' })
    await carol.syncs({ set_presence: 'online' })
    await told(bob)
    // What was not acknowledged by PUT is written a second later.
    await server.clock.advance(SECOND)
    await restart()
    await told(bob)
    expect((await bob.status(alice)).body['presence']).toBe('online')
    await server.clock.advance(OFFLINE_GRACE - SECOND)
    await carol.syncs({ set_presence: 'online' })
    expect((await told(bob)).filter(({ content }) => content.presence === 'offline')).toEqual([])
    await server.clock.advance(5 * SECOND)
    const events = await told(bob)
    expect(events.find(({ sender }) => sender === alice.userId)?.content.presence).toBe('offline')
    expect(events.find(({ sender }) => sender === carol.userId)?.content.presence ?? 'online').toBe('online')
    expect((await bob.status(carol)).body['presence']).toBe('online')
  })

  test('P-021a P-151 the device that hid is still the one that may end it', async () => {
    const { alice, bob } = await company()
    const laptop = await server.logsIn(alice)
    await laptop.sets('hidden')
    await restart()
    await alice.sets('online')
    expect((await bob.status(alice)).body).toEqual({ presence: 'offline' })
    await laptop.sets('online')
    expect((await bob.status(alice)).body['presence']).toBe('online')
  })
})

test('P-097 a shutdown answers who waits, at once and with a token to go on from', async () => {
  const { alice, bob } = await company()
  await told(bob)
  const poll = bob.polls(OFF)
  await server.parked(1)
  await server.restarts()
  expect(presenceOf(await poll.body)).toEqual([])
  await alice.sets('online', 'after')
  expect(await told(bob)).toMatchObject([{ sender: alice.userId, content: { status_msg: 'after' } }])
})

test('P-097 P-087 after a clean restart nothing is told again', async () => {
  const { alice, bob } = await company()
  await alice.sets('online', 'told')
  await told(bob)
  await server.restarts()
  expect(await told(bob)).toEqual([])
})

test('P-097 what changed while a client was away is told after a clean restart', async () => {
  const { alice, bob } = await company()
  await told(bob)
  await alice.sets('online', 'missed')
  await server.restarts()
  expect(await told(bob)).toMatchObject(
    expect.arrayContaining([expect.objectContaining({ sender: alice.userId })]) as PresenceEvent[],
  )
})

test('P-097 R-214 after an unclean end an old token gets everyone’s presence, the recently offline included, once', async () => {
  const { alice, bob } = await company()
  await alice.sets('offline', 'gone fishing')
  await told(bob)
  await server.restarts({ end: 'unclean' })
  const events = await told(bob)
  expect(events.map(({ sender }) => sender).toSorted()).toEqual([alice.userId, bob.userId])
  expect(await told(bob)).toEqual([])
})

test('P-024 a PUT that was acknowledged is on disk, whatever happens next', async () => {
  const { alice, bob } = await company()
  await alice.sets('unavailable', 'acknowledged')
  await server.restarts({ end: 'unclean' })
  expect((await bob.status(alice)).body).toMatchObject({
    presence: 'unavailable',
    status_msg: 'acknowledged',
  })
})

test('P-029 P-152 switching presence off tells one last offline', async () => {
  const { alice, bob } = await company()
  await alice.syncs({ set_presence: 'online' })
  await told(bob)
  await server.restarts({ config: { presence: { enabled: false } } })
  expect(await told(bob)).toMatchObject([{ sender: alice.userId, content: { presence: 'offline' } }])
  expect(await told(bob)).toEqual([])
  await alice.syncs({ set_presence: 'online' })
  expect(await told(bob)).toEqual([])
})
