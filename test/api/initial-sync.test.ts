import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor } from '../support/actors.ts'
import { startServer, type ServerOptions, type TestServer } from '../support/server.ts'

const SURFACES = ['api/v1', 'r0', 'v3'] as const

let server: TestServer

afterEach(() => server.close())

async function begins(
  who: Actor,
  surface = 'r0',
  query: Record<string, string | number> = {},
): Promise<JsonObject> {
  return who.ok('GET', `/${surface}/initialSync`, { query })
}

async function opens(who: Actor, roomId: string, surface = 'r0'): Promise<JsonObject> {
  return who.ok('GET', `/${surface}/rooms/${encodeURIComponent(roomId)}/initialSync`)
}

function contentsOf(body: JsonObject): JsonObject[] {
  return (body['presence'] as JsonObject[]).map((event) => event['content'] as JsonObject)
}

function usersIn(body: JsonObject): string[] {
  return contentsOf(body)
    .map((content) => content['user_id'] as string)
    .toSorted()
}

function roomsIn(body: JsonObject): JsonObject[] {
  return body['rooms'] as JsonObject[]
}

async function company(options: ServerOptions = {}): Promise<{ alice: Actor; bob: Actor; roomId: string }> {
  server = await startServer(options)
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  return { alice, bob, roomId }
}

describe.each(SURFACES)('on %s', (surface) => {
  test('P-076 it has end, presence and rooms', async () => {
    const { bob, roomId } = await company()
    const body = await begins(bob, surface)
    expect(body).toMatchObject({
      end: expect.any(String) as string,
      presence: expect.any(Array) as unknown[],
      rooms: [{ room_id: roomId, membership: 'join', visibility: 'private' }],
      receipts: [],
      account_data: [],
    })
  })

  test('P-077 P-078 a new account has its own entry, with user_id, presence and last_active_ago', async () => {
    server = await startServer()
    const alice = await server.registers('alice')
    await server.clock.advance(1_500)
    expect(contentsOf(await begins(alice, surface))).toEqual([
      { user_id: alice.userId, presence: 'offline', last_active_ago: 1_500 },
    ])
  })

  test('P-078 P-099 A-33 others are there unless they are offline or strangers', async () => {
    const { alice, bob } = await company()
    const carol = await server.registers('carol')
    await carol.sets('online', 'a stranger')
    await alice.sets('offline', 'gone')
    expect(usersIn(await begins(bob, surface))).toEqual([bob.userId])
    await alice.names('Alice')
    await alice.sets('unavailable', 'reading')
    const body = await begins(bob, surface)
    expect(usersIn(body)).toEqual([alice.userId, bob.userId])
    const event = (body['presence'] as JsonObject[]).find(
      ({ content }) => (content as JsonObject)['user_id'] === alice.userId,
    )
    expect(event).toEqual({
      type: 'm.presence',
      ...(surface === 'api/v1'
        ? { event_id: expect.stringContaining('$presence_') as string }
        : { sender: alice.userId }),
      content: {
        user_id: alice.userId,
        presence: 'unavailable',
        last_active_ago: 0,
        status_msg: 'reading',
        displayname: 'Alice',
      },
    })
  })

  test('P-079 that of a room has the presence of its members only', async () => {
    const { alice, bob, roomId } = await company()
    const carol = await server.registers('carol')
    await carol.joins(await bob.creates({ preset: 'public_chat' }))
    for (const actor of [alice, bob, carol]) await actor.sets('online')
    expect(usersIn(await begins(bob, surface))).toEqual([alice, bob, carol].map(({ userId }) => userId))
    const room = await opens(bob, roomId, surface)
    expect(usersIn(room)).toEqual([alice.userId, bob.userId])
    expect(room).toMatchObject({ room_id: roomId, membership: 'join', receipts: [] })
    const key = surface === 'api/v1' ? 'event_id' : 'sender'
    for (const event of room['presence'] as JsonObject[]) expect(event).toHaveProperty(key)
  })

  test('P-111 of who hides there is nothing, for themselves the word of the surface', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('hidden', 'not for others')
    await bob.sets('online')
    for (const body of [await begins(bob, surface), await opens(bob, roomId, surface)])
      expect(usersIn(body)).toEqual([bob.userId])
    const own = surface === 'api/v1' ? 'hidden' : 'offline'
    for (const body of [await begins(alice, surface), await opens(alice, roomId, surface)])
      expect(contentsOf(body)).toContainEqual(
        expect.objectContaining({ user_id: alice.userId, presence: own, status_msg: 'not for others' }),
      )
  })
})

test('it is no stream: nobody comes online by it', async () => {
  const { alice, bob, roomId } = await company()
  await begins(bob)
  await opens(bob, roomId)
  expect((await alice.status(bob)).body['presence']).toBe('offline')
})

test('limit is how many messages of each room there are, 10 if it is not said', async () => {
  const { alice, bob, roomId } = await company()
  for (let i = 0; i < 12; i += 1) await alice.says(roomId, `m${i}`)
  const countOf = (room: JsonObject | undefined): number | undefined =>
    (room?.['messages'] as { chunk: unknown[] } | undefined)?.chunk.length
  expect(countOf(roomsIn(await begins(bob))[0])).toBe(10)
  expect(countOf(roomsIn(await begins(bob, 'r0', { limit: 3 }))[0])).toBe(3)
  expect(countOf(await opens(bob, roomId))).toBe(10)
  for (const query of ['limit=-1', 'limit=many', 'archived=perhaps']) {
    const reply = await bob.request('GET', `/r0/initialSync?${query}`)
    expect([query, reply.status, reply.body['errcode']]).toEqual([query, 400, 'M_INVALID_PARAM'])
  }
})

test('invites are there with the inviter; what was left is if archived says so', async () => {
  const { alice, bob, roomId } = await company()
  const secret = await alice.creates({ preset: 'private_chat' })
  await alice.invites(secret, bob)
  await bob.leaves(roomId)
  const invited = { room_id: secret, membership: 'invite', inviter: alice.userId }
  expect(roomsIn(await begins(bob))).toMatchObject([invited])
  const archived = roomsIn(await begins(bob, 'r0', { archived: 'true' }))
  expect(archived.map((room) => room['membership'] as string).toSorted()).toEqual(['invite', 'leave'])
})

test('R-158 the form for one room is refused to who never was in it, and to nobody who left', async () => {
  const { bob, roomId } = await company()
  const carol = await server.registers('carol')
  for (const unknown of [roomId, '!nowhere:home.example']) {
    const reply = await carol.request('GET', `/r0/rooms/${encodeURIComponent(unknown)}/initialSync`)
    expect([reply.status, reply.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
  }
  await bob.leaves(roomId)
  expect(await opens(bob, roomId)).toMatchObject({ room_id: roomId, membership: 'leave', presence: [] })
})

test('P-075 where a room’s messages end, the stream goes on', async () => {
  const { alice, bob, roomId } = await company()
  await bob.sets('online')
  const room = await opens(bob, roomId)
  const { end } = room['messages'] as { end: string }
  const eventId = await alice.says(roomId, 'hello')
  const { chunk } = await bob.ok('GET', '/r0/events', { query: { from: end, timeout: 0 } })
  expect(chunk).toMatchObject([{ event_id: eventId }])
})

test('guests may begin and follow', async () => {
  server = await startServer()
  const guest = await server.registersGuest()
  const { end } = await begins(guest)
  await guest.ok('GET', '/r0/events', { query: { from: end as string, timeout: 0 } })
})

test('P-037 while presence is off there is none, and the rest as ever', async () => {
  const { alice, bob, roomId } = await company({ config: { presence: { enabled: false } } })
  const body = await begins(bob)
  expect(body).toMatchObject({ presence: [], rooms: [{ room_id: roomId }] })
  const eventId = await alice.says(roomId, 'hello')
  const { chunk } = await bob.ok('GET', '/r0/events', { query: { from: body['end'] as string, timeout: 0 } })
  expect(chunk).toMatchObject([{ event_id: eventId }])
})
