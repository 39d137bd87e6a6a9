import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { eventsOf, joinedRoom, type Actor, type Reply } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
afterEach(() => server.close())

/** A client that says nothing of its presence and hears of none, so that only rooms answer it. */
const QUIET = { set_presence: 'offline', filter: '{"presence":{"types":[]}}' }

async function aRoomOfTwo(): Promise<{ alice: Actor; bob: Actor; roomId: string }> {
  server = await startServer()
  const [alice, bob] = [await server.registers('alice'), await server.registers('bob')]
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  await alice.syncs()
  await bob.syncs()
  return { alice, bob, roomId }
}

const inRoom = (roomId: string, rest: string, surface = 'v3'): string =>
  `/${surface}/rooms/${encodeURIComponent(roomId)}/${rest}`

const typing = (roomId: string, who: Actor, surface = 'v3'): string =>
  inRoom(roomId, `typing/${encodeURIComponent(who.userId)}`, surface)

const receipt = (roomId: string, type: string, eventId: string): string =>
  inRoom(roomId, `receipt/${type}/${encodeURIComponent(eventId)}`)

async function refused(reply: Promise<Reply>, status: number, errcode: string): Promise<void> {
  expect(await reply).toMatchObject({ status, body: { errcode, error: expect.any(String) as string } })
}

async function ephemeral(actor: Actor, roomId: string): Promise<JsonObject[]> {
  return eventsOf(joinedRoom(await actor.syncs(), roomId), 'ephemeral')
}

describe('typing', () => {
  test('R-175 R-211 typing wakes the others, has no room_id, and ends by itself', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    const poll = bob.polls({ ...QUIET, timeout: 60_000 })
    await server.parked(1)
    await alice.ok('PUT', typing(roomId, alice), { body: { typing: true, timeout: 5_000 } })
    const events = eventsOf(joinedRoom(await poll.body, roomId), 'ephemeral')
    expect(events).toEqual([{ type: 'm.typing', content: { user_ids: [alice.userId] } }])
    expect(await ephemeral(bob, roomId)).toEqual([])
    await server.clock.advance(5_000)
    expect(await ephemeral(bob, roomId)).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
    await alice.ok('PUT', typing(roomId, alice, 'api/v1'), { body: { typing: true } })
    await alice.ok('PUT', typing(roomId, alice, 'r0'), { body: { typing: false } })
    expect(await ephemeral(bob, roomId)).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
  })

  test('R-176 nobody types for another, or in a room he is not in', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    const body = { typing: true }
    await refused(alice.request('PUT', typing(roomId, bob), { body }), 403, 'M_FORBIDDEN')
    const carol = await server.registers('carol')
    await refused(carol.request('PUT', typing(roomId, carol), { body }), 403, 'M_FORBIDDEN')
    await refused(alice.request('PUT', typing('!unknown:home.example', alice), { body }), 403, 'M_FORBIDDEN')
    await refused(alice.request('PUT', inRoom(roomId, 'typing/alice'), { body }), 400, 'M_INVALID_PARAM')
    for (const wrong of [
      {},
      { typing: 'yes' },
      { typing: true, timeout: 'long' },
      { typing: true, timeout: -1 },
    ])
      await refused(alice.request('PUT', typing(roomId, alice), { body: wrong }), 400, 'M_BAD_JSON')
    expect(await ephemeral(bob, roomId)).toEqual([])
  })
})

describe('receipts', () => {
  test('R-177 R-211 m.read reaches the others, m.read.private only own devices', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    const eventId = await alice.says(roomId, 'hello')
    await alice.syncs()
    await bob.ok('POST', receipt(roomId, 'm.read.private', eventId), { body: {} })
    expect(await ephemeral(alice, roomId)).toEqual([])
    const poll = alice.polls({ ...QUIET, timeout: 60_000 })
    await server.parked(1)
    // An empty body is none.
    await bob.ok('POST', receipt(roomId, 'm.read', eventId))
    const events = eventsOf(joinedRoom(await poll.body, roomId), 'ephemeral')
    expect(events).toEqual([
      {
        type: 'm.receipt',
        content: { [eventId]: { 'm.read': { [bob.userId]: { ts: server.clock.now() } } } },
      },
    ])
    const [own] = await ephemeral(bob, roomId)
    expect(own?.['content']).toMatchObject({ [eventId]: { 'm.read': {}, 'm.read.private': {} } })
  })

  test('R-178 bad receipts are refused', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    const eventId = await alice.says(roomId, 'hello')
    const post = (type: string, body: unknown = {}): Promise<Reply> =>
      bob.request('POST', receipt(roomId, type, eventId), { body })
    await refused(post('m.unknown'), 400, 'M_INVALID_PARAM')
    for (const threadId of ['', 1, null, {}, 'x'.repeat(256)])
      await refused(post('m.read', { thread_id: threadId }), 400, 'M_INVALID_PARAM')
    await refused(post('m.fully_read', { thread_id: 'main' }), 400, 'M_INVALID_PARAM')
    await refused(
      bob.request('POST', receipt(roomId, 'm.read', 'nonsense'), { body: {} }),
      400,
      'M_INVALID_PARAM',
    )
    const carol = await server.registers('carol')
    for (const type of ['m.read', 'm.fully_read'])
      await refused(carol.request('POST', receipt(roomId, type, eventId), { body: {} }), 403, 'M_FORBIDDEN')
    await bob.ok('POST', receipt(roomId, 'm.read', eventId), { body: { thread_id: 'main' } })
    await bob.ok('POST', receipt(roomId, 'm.read', '$unknown'), { body: {} })
  })

  test('R-179 m.fully_read becomes room account data, by either endpoint', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    const [one, two] = [await alice.says(roomId, 'one'), await alice.says(roomId, 'two')]
    await bob.syncs()
    await bob.ok('POST', receipt(roomId, 'm.fully_read', one), { body: {} })
    const data = eventsOf(joinedRoom(await bob.syncs(), roomId), 'account_data')
    expect(data).toEqual([{ type: 'm.fully_read', content: { event_id: one } }])
    const body = { 'm.fully_read': two, 'm.read': two, 'm.read.private': two }
    await bob.ok('POST', inRoom(roomId, 'read_markers'), { body })
    const room = joinedRoom(await bob.syncs(), roomId)
    expect(eventsOf(room, 'account_data')).toEqual([{ type: 'm.fully_read', content: { event_id: two } }])
    expect(eventsOf(room, 'ephemeral')).toHaveLength(1)
    expect(room?.['unread_notifications']).toEqual({ highlight_count: 0, notification_count: 0 })
    const path = `/v3/user/${encodeURIComponent(bob.userId)}/rooms/${encodeURIComponent(roomId)}/account_data/m.fully_read`
    expect(await bob.ok('GET', path)).toEqual({ event_id: two })
    await bob.ok('POST', inRoom(roomId, 'read_markers'), { body: { 'm.fully_read': one } })
    expect(await bob.ok('GET', path)).toEqual({ event_id: two })
    await bob.ok('POST', inRoom(roomId, 'read_markers'))
    for (const wrong of [{ 'm.read': 1 }, { 'm.fully_read': null }, { 'm.read.private': 'nonsense' }])
      await refused(bob.request('POST', inRoom(roomId, 'read_markers'), { body: wrong }), 400, 'M_BAD_JSON')
  })

  test('a receipt is still there after the server was killed', async () => {
    const { alice, bob, roomId } = await aRoomOfTwo()
    const eventId = await alice.says(roomId, 'hello')
    await bob.ok('POST', receipt(roomId, 'm.read', eventId), { body: {} })
    await server.restarts({ end: 'unclean' })
    const [event] = await ephemeral(alice, roomId)
    expect(event?.['content']).toMatchObject({ [eventId]: { 'm.read': {} } })
  })
})
