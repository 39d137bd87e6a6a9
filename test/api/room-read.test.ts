import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor, Reply } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
afterEach(() => server.close())

async function people<const Names extends readonly string[]>(
  ...names: Names
): Promise<{ [Key in keyof Names]: Actor }> {
  server = await startServer()
  const actors: Actor[] = []
  for (const name of names) actors.push(await server.registers(name))
  return actors as { [Key in keyof Names]: Actor }
}

const inRoom = (roomId: string, rest: string, surface = 'v3'): string =>
  `/${surface}/rooms/${encodeURIComponent(roomId)}/${rest}`

async function refused(reply: Promise<Reply>, status: number, errcode: string): Promise<void> {
  expect(await reply).toMatchObject({ status, body: { errcode, error: expect.any(String) as string } })
}

function bodies(chunk: unknown): unknown[] {
  return (chunk as JsonObject[]).map((event) => (event['content'] as JsonObject)['body'] ?? event['type'])
}

describe('history', () => {
  test('R-156 R-157 messages are paged in both directions; the last page has no end', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.creates({ preset: 'public_chat' })
    for (let i = 0; i < 5; i += 1) await alice.says(roomId, `m${i}`)
    for (const surface of ['api/v1', 'r0', 'v3']) {
      const path = inRoom(roomId, 'messages', surface)
      const back = await alice.ok('GET', path, { query: { dir: 'b', limit: 3 } })
      expect(bodies(back['chunk'])).toEqual(['m4', 'm3', 'm2'])
      const from = back['end'] as string
      const more = await alice.ok('GET', path, { query: { dir: 'b', limit: 2, from } })
      expect(more['start']).toBe(from)
      expect(bodies(more['chunk'])).toEqual(['m1', 'm0'])
      const last = await alice.ok('GET', path, {
        query: { dir: 'b', limit: 100, from: more['end'] as string },
      })
      expect(bodies(last['chunk']).at(-1)).toBe('m.room.create')
      expect(last).not.toHaveProperty('end')
      // Without a direction: forwards (AR-16), ten at a time.
      expect(bodies((await alice.ok('GET', path))['chunk'])[0]).toBe('m.room.create')
    }
  })

  test('R-156 a page may begin at a sync token', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.creates()
    await alice.says(roomId, 'one')
    await alice.syncs()
    await alice.says(roomId, 'two')
    const query = { from: alice.since ?? '', dir: 'f' }
    const page = await alice.ok('GET', inRoom(roomId, 'messages'), { query })
    expect(bodies(page['chunk'])).toEqual(['two'])
  })

  test('§5.7 bad parameters of messages and context are refused', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.creates()
    const eventId = encodeURIComponent(await alice.says(roomId, 'one'))
    const get = (rest: string, query: Record<string, string>): Promise<Reply> =>
      alice.request('GET', inRoom(roomId, rest), { query })
    await refused(get('messages', { dir: 'x' }), 400, 'M_INVALID_PARAM')
    await refused(get('messages', { limit: '-1' }), 400, 'M_INVALID_PARAM')
    await refused(get('messages', { limit: 'many' }), 400, 'M_INVALID_PARAM')
    await refused(get('messages', { from: 'nonsense' }), 400, 'M_INVALID_PARAM')
    await refused(get('messages', { filter: '{' }), 400, 'M_NOT_JSON')
    await refused(get('messages', { filter: '[]' }), 400, 'M_INVALID_PARAM')
    await refused(get('messages', { filter: '{"types":"m.room.message"}' }), 400, 'M_INVALID_PARAM')
    await refused(get('messages', { filter: '{"lazy_load_members":"yes"}' }), 400, 'M_INVALID_PARAM')
    await refused(get(`context/${eventId}`, { limit: '-1' }), 400, 'M_INVALID_PARAM')
    await refused(alice.request('GET', '/v3/rooms/nonsense/messages'), 400, 'M_INVALID_PARAM')
  })

  test('R-158 R-162 a stranger reads nothing, whether the room exists or not', async () => {
    const [alice, eve] = await people('alice', 'eve')
    const roomId = await alice.creates({ preset: 'public_chat' })
    const eventId = encodeURIComponent(await alice.says(roomId, 'one'))
    for (const room of [roomId, '!unknown:home.example']) {
      for (const rest of [
        'messages',
        'state',
        'members',
        'joined_members',
        'state/m.room.name',
        `context/${eventId}`,
      ])
        await refused(eve.request('GET', inRoom(room, rest)), 403, 'M_FORBIDDEN')
      await refused(eve.request('GET', inRoom(room, `event/${eventId}`)), 404, 'M_NOT_FOUND')
    }
    await refused(alice.request('GET', inRoom(roomId, 'event/$unknown')), 404, 'M_NOT_FOUND')
    await refused(
      server.request('GET', `/_matrix/client${inRoom(roomId, 'messages')}`),
      401,
      'M_MISSING_TOKEN',
    )
  })

  test('R-159 who was kicked reads up to the kick: messages, state and members', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const roomId = await alice.creates({ preset: 'public_chat', name: 'then' })
    await bob.joins(roomId)
    await alice.says(roomId, 'before')
    await alice.ok('POST', inRoom(roomId, 'kick'), { body: { user_id: bob.userId } })
    await alice.says(roomId, 'after')
    await alice.ok('PUT', inRoom(roomId, 'state/m.room.name'), { body: { name: 'now' } })
    const page = await bob.ok('GET', inRoom(roomId, 'messages'), { query: { dir: 'b', limit: 2 } })
    expect(bodies(page['chunk'])).toEqual(['m.room.member', 'before'])
    expect(await bob.ok('GET', inRoom(roomId, 'state/m.room.name'))).toEqual({ name: 'then' })
    const members = (await bob.ok('GET', inRoom(roomId, 'members')))['chunk'] as JsonObject[]
    expect(members.map((event) => (event['content'] as JsonObject)['membership'] as string).sort()).toEqual([
      'join',
      'leave',
    ])
    await refused(bob.request('GET', inRoom(roomId, 'joined_members')), 403, 'M_FORBIDDEN')
  })

  test('R-160 R-161 R-168 R-169 context and filters, in client format', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.creates({ topic: 'one' })
    await alice.says(roomId, 'a')
    const topic = (await alice.ok('PUT', inRoom(roomId, 'state/m.room.topic'), { body: { topic: 'two' } }))[
      'event_id'
    ]
    await alice.says(roomId, 'b')
    const path = inRoom(roomId, `context/${encodeURIComponent(topic as string)}`)
    const context = await alice.ok('GET', path, { query: { limit: 2 } })
    expect(context['event']).toMatchObject({
      event_id: topic,
      room_id: roomId,
      unsigned: { prev_content: { topic: 'one' } },
    })
    expect(context['event']).not.toHaveProperty('signatures')
    expect([bodies(context['events_before']), bodies(context['events_after'])]).toEqual([['a'], ['b']])
    expect(Object.keys(context).sort()).toEqual([
      'end',
      'event',
      'events_after',
      'events_before',
      'start',
      'state',
    ])
    const alone = await alice.ok('GET', path, { query: { limit: 0 } })
    expect(alone).toMatchObject({ event: { event_id: topic }, events_before: [], events_after: [] })
    const query = { dir: 'b', filter: '{"types":["m.room.topic"]}', limit: 1 }
    const filtered = await alice.ok('GET', inRoom(roomId, 'messages'), { query })
    expect((filtered['chunk'] as JsonObject[]).map((event) => event['event_id'])).toEqual([topic])
  })

  test('R-170 events tell the reader his membership at them', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const roomId = await alice.creates({ preset: 'public_chat' })
    const eventId = await alice.says(roomId, 'before')
    await bob.joins(roomId)
    const path = inRoom(roomId, `event/${encodeURIComponent(eventId)}`)
    expect(await bob.ok('GET', path)).toMatchObject({ unsigned: { membership: 'leave' } })
    expect(await alice.ok('GET', path)).toMatchObject({ unsigned: { membership: 'join' } })
  })

  test('R-167 history that is for members only stays closed to who joins later', async () => {
    const [alice, bob] = await people('alice', 'bob')
    const initial = {
      type: 'm.room.history_visibility',
      state_key: '',
      content: { history_visibility: 'joined' },
    }
    const roomId = await alice.creates({ preset: 'public_chat', initial_state: [initial] })
    const secret = await alice.says(roomId, 'secret')
    await bob.joins(roomId)
    await alice.says(roomId, 'open')
    const page = await bob.ok('GET', inRoom(roomId, 'messages'), { query: { dir: 'b', limit: 100 } })
    expect(bodies(page['chunk']).slice(0, 2)).toEqual(['open', 'm.room.member'])
    expect(bodies(page['chunk'])).not.toContain('secret')
    await refused(
      bob.request('GET', inRoom(roomId, `event/${encodeURIComponent(secret)}`)),
      404,
      'M_NOT_FOUND',
    )
  })
})

describe('state and members', () => {
  test('R-163 state is read whole and by entry, with and without a trailing slash, as content or event', async () => {
    const [alice] = await people('alice')
    const roomId = await alice.creates({ name: 'garden' })
    await alice.ok('PUT', inRoom(roomId, 'state/org.example/a%2Fb'), { body: { n: 1 } })
    for (const surface of ['api/v1', 'r0', 'v3']) {
      const whole = JSON.parse(
        (await alice.request('GET', inRoom(roomId, 'state', surface))).text,
      ) as JsonObject[]
      expect(whole.map((event) => event['type'])).toContain('m.room.create')
      expect(whole.every((event) => event['room_id'] === roomId)).toBe(true)
      expect(await alice.ok('GET', inRoom(roomId, 'state/m.room.name', surface))).toEqual({ name: 'garden' })
      expect(await alice.ok('GET', inRoom(roomId, 'state/m.room.name/', surface))).toEqual({ name: 'garden' })
      expect(await alice.ok('GET', inRoom(roomId, 'state/org.example/a%2Fb', surface))).toEqual({ n: 1 })
    }
    const event = await alice.ok('GET', inRoom(roomId, 'state/m.room.name'), { query: { format: 'event' } })
    expect(event).toMatchObject({
      type: 'm.room.name',
      state_key: '',
      content: { name: 'garden' },
      sender: alice.userId,
    })
    await refused(alice.request('GET', inRoom(roomId, 'state/m.room.topic')), 404, 'M_NOT_FOUND')
    await refused(alice.request('GET', inRoom(roomId, 'state/m.room.name/x')), 404, 'M_NOT_FOUND')
    const bad = alice.request('GET', inRoom(roomId, 'state/m.room.name'), { query: { format: 'xml' } })
    await refused(bad, 400, 'M_INVALID_PARAM')
  })

  test('R-164 R-165 R-166 members, joined members and joined rooms', async () => {
    const [alice, bob] = await people('alice', 'bob')
    await bob.names('Bob')
    const roomId = await alice.creates({ preset: 'public_chat' })
    const other = await alice.creates()
    await bob.joins(roomId)
    await bob.syncs()
    const at = bob.since ?? ''
    const before = await bob.ok('GET', inRoom(roomId, 'joined_members'))
    expect(before).toEqual({
      joined: {
        [alice.userId]: { display_name: null, avatar_url: null },
        [bob.userId]: { display_name: 'Bob', avatar_url: null },
      },
    })
    await bob.leaves(roomId)
    const members = async (query: Record<string, string>): Promise<string[]> => {
      const { chunk } = await alice.ok('GET', inRoom(roomId, 'members'), { query })
      return (chunk as JsonObject[]).map((event) => event['state_key'] as string).sort()
    }
    expect(await members({})).toEqual([alice.userId, bob.userId])
    expect(await members({ membership: 'join' })).toEqual([alice.userId])
    expect(await members({ not_membership: 'join' })).toEqual([bob.userId])
    expect(await members({ at, membership: 'join' })).toEqual([alice.userId, bob.userId])
    expect(await bob.ok('GET', '/v3/joined_rooms')).toEqual({ joined_rooms: [] })
    const rooms = (await alice.ok('GET', '/r0/joined_rooms'))['joined_rooms'] as string[]
    expect(rooms.toSorted()).toEqual([roomId, other].sort())
  })
})
