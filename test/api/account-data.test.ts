import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { eventsOf, joinedRoom, presenceOf, type Actor, type Reply } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

const OFF = { set_presence: 'offline' } as const

let server: TestServer

afterEach(() => server.close())

async function someone(): Promise<Actor> {
  server = await startServer()
  return await server.registers('alice')
}

function dataPath(of: Actor | string, type: string, roomId?: string, surface = 'v3'): string {
  const user = `/${surface}/user/${encodeURIComponent(typeof of === 'string' ? of : of.userId)}`
  const room = roomId === undefined ? '' : `/rooms/${encodeURIComponent(roomId)}`
  return `${user}${room}/account_data/${encodeURIComponent(type)}`
}

function tagsPath(of: Actor, roomId: string, tag?: string): string {
  const path = `/v3/user/${encodeURIComponent(of.userId)}/rooms/${encodeURIComponent(roomId)}/tags`
  return tag === undefined ? path : `${path}/${encodeURIComponent(tag)}`
}

/** Makes this Alice's whole ignore list. */
async function ignores(who: Actor, ...others: readonly Actor[]): Promise<void> {
  const users = Object.fromEntries(others.map(({ userId }) => [userId, {}]))
  await who.ok('PUT', dataPath(who, 'm.ignored_user_list'), { body: { ignored_users: users } })
}

/** The global data of a sync answer by type, default push rules left out. */
function globalData(body: JsonObject): Record<string, unknown> {
  const events = eventsOf(body, 'account_data').filter(({ type }) => type !== 'm.push_rules')
  return Object.fromEntries(events.map(({ type, content }) => [type as string, content]))
}

function roomData(body: JsonObject, roomId: string): Record<string, unknown> {
  const events = eventsOf(joinedRoom(body, roomId), 'account_data')
  return Object.fromEntries(events.map(({ type, content }) => [type as string, content]))
}

function outcome({ status, body }: Reply): [number, unknown] {
  return [status, body['errcode']]
}

describe('account data', () => {
  test('R-180 round-trips on both surfaces, global and by room, joined or not', async () => {
    const alice = await someone()
    const roomId = await alice.creates()
    for (const [surface, other] of [
      ['v3', 'r0'],
      ['r0', 'v3'],
    ] as const) {
      for (const room of [undefined, roomId, '!elsewhere:else.where', `!${'x'.repeat(43)}`]) {
        const content = { surface, room: room ?? 'none', deep: [1.5, { a: null }] }
        const put = await alice.ok('PUT', dataPath(alice, 'org.example.data', room, surface), {
          body: content,
        })
        expect(put).toEqual({})
        expect(await alice.ok('GET', dataPath(alice, 'org.example.data', room, other))).toEqual(content)
      }
    }
  })

  test('R-180 appears in sync once per change, on every device of the user and of no other', async () => {
    const alice = await someone()
    const tablet = await server.logsIn(alice)
    const bob = await server.registers('bob')
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    for (const who of [alice, tablet, bob]) await who.syncs(OFF)
    await alice.ok('PUT', dataPath(alice, 'm.direct'), { body: { '@bob:home.example': [roomId] } })
    await alice.ok('PUT', dataPath(alice, 'org.example.data', roomId), { body: { a: 1 } })
    for (const who of [alice, tablet]) {
      const body = await who.syncs(OFF)
      expect(globalData(body)).toEqual({ 'm.direct': { '@bob:home.example': [roomId] } })
      expect(roomData(body, roomId)).toEqual({ 'org.example.data': { a: 1 } })
      const next = await who.syncs(OFF)
      expect([globalData(next), joinedRoom(next, roomId)]).toEqual([{}, undefined])
    }
    const ofBob = await bob.syncs(OFF)
    expect([globalData(ofBob), joinedRoom(ofBob, roomId)]).toEqual([{}, undefined])
  })

  test('R-180 an initial sync has all of it, each type once with the newest content', async () => {
    const alice = await someone()
    const roomId = await alice.creates()
    for (const a of [1, 2]) {
      await alice.ok('PUT', dataPath(alice, 'org.example.data'), { body: { a } })
      await alice.ok('PUT', dataPath(alice, 'org.example.data', roomId), { body: { room: a } })
    }
    const body = await alice.syncs(OFF)
    expect(globalData(body)).toEqual({ 'org.example.data': { a: 2 } })
    expect(roomData(body, roomId)).toEqual({ 'org.example.data': { room: 2 } })
    expect(eventsOf(body, 'account_data').map(({ type }) => type)).toEqual(
      expect.arrayContaining(['m.push_rules', 'org.example.data']),
    )
  })

  test('R-180 a change, also to the same, ends a wait at once', async () => {
    const alice = await someone()
    const tablet = await server.logsIn(alice)
    for (let i = 0; i < 2; i += 1) {
      await tablet.syncs(OFF)
      const { body } = tablet.polls(OFF)
      await server.parked(1)
      await alice.ok('PUT', dataPath(alice, 'org.example.data'), { body: { a: 1 } })
      expect(globalData(await body)).toEqual({ 'org.example.data': { a: 1 } })
    }
  })

  test('R-180 m.fully_read and m.push_rules are 405 M_BAD_JSON', async () => {
    const alice = await someone()
    const roomId = await alice.creates()
    for (const type of ['m.fully_read', 'm.push_rules']) {
      for (const room of [undefined, roomId])
        expect(outcome(await alice.request('PUT', dataPath(alice, type, room), { body: {} }))).toEqual([
          405,
          'M_BAD_JSON',
        ])
    }
  })

  test('R-180 data of another user is 403, unset data 404', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const roomId = await alice.creates()
    await alice.ok('PUT', dataPath(alice, 'org.example.data'), { body: {} })
    for (const of of [alice, '@nobody:home.example']) {
      for (const room of [undefined, roomId]) {
        for (const [method, options] of [
          ['GET', {}],
          ['PUT', { body: {} }],
        ] as const)
          expect(outcome(await bob.request(method, dataPath(of, 'org.example.data', room), options))).toEqual(
            [403, 'M_FORBIDDEN'],
          )
      }
    }
    for (const path of [dataPath(bob, 'org.example.data'), dataPath(bob, 'org.example.data', roomId)])
      expect(outcome(await bob.request('GET', path))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('R-180 what is not an object is 400, a bad room ID M_INVALID_PARAM', async () => {
    const alice = await someone()
    for (const rawBody of ['[]', 'null', '"x"', '1'])
      expect(outcome(await alice.request('PUT', dataPath(alice, 'org.example'), { rawBody }))).toEqual([
        400,
        'M_BAD_JSON',
      ])
    for (const rawBody of ['', '{', 'x'])
      expect(outcome(await alice.request('PUT', dataPath(alice, 'org.example'), { rawBody }))).toEqual([
        400,
        'M_NOT_JSON',
      ])
    for (const room of ['room', '@room:home.example', '!'])
      expect(outcome(await alice.request('PUT', dataPath(alice, 'x', room), { body: {} }))).toEqual([
        400,
        'M_INVALID_PARAM',
      ])
    expect(outcome(await alice.request('GET', dataPath(alice, 'org.example')))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('R-180 prototype keys are data like other data', async () => {
    const alice = await someone()
    const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":2}}'
    await alice.ok('PUT', dataPath(alice, '__proto__'), { rawBody: text })
    expect((await alice.request('GET', dataPath(alice, '__proto__'))).text).toBe(text)
    const { text: sync } = await alice.request('GET', '/v3/sync')
    expect(sync).toContain(`{"type":"__proto__","content":${text}}`)
    expect(server.complaints).toEqual([])
  })

  test('R-180 survives a crash after its 200', async () => {
    const alice = await someone()
    await alice.ok('PUT', dataPath(alice, 'org.example.data'), { body: { a: 1 } })
    await server.crashes()
    expect(await alice.ok('GET', dataPath(alice, 'org.example.data'))).toEqual({ a: 1 })
  })
})

describe('the ignore list', () => {
  test('P-148 R-217 hides presence and messages of who is on it, from the next sync on', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    /** What a sync shows of Bob: his states, and how many messages. */
    const shown = async (): Promise<[string[], number]> => {
      const body = await alice.syncs(OFF)
      const events = eventsOf(joinedRoom(body, roomId), 'timeline')
      return [
        presenceOf(body)
          .filter(({ sender }) => sender === bob.userId)
          .map(({ content }) => content.presence),
        events.filter(({ type, sender }) => type === 'm.room.message' && sender === bob.userId).length,
      ]
    }
    await shown()
    await bob.sets('unavailable')
    await bob.says(roomId, 'hello')
    expect(await shown()).toEqual([['online'], 1])
    await ignores(alice, bob)
    await shown()
    await bob.sets('unavailable', 'look at me')
    await bob.says(roomId, 'hello?')
    expect(await shown()).toEqual([[], 0])
    await ignores(alice)
    await bob.says(roomId, 'thanks')
    expect(await shown()).toEqual([['online'], 1])
  })

  test('P-148 still acts after a restart', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    await ignores(alice, bob)
    await alice.syncs(OFF)
    await server.restarts()
    await bob.sets('online', 'look at me')
    const seen = presenceOf(await alice.syncs(OFF))
    expect(seen.filter(({ sender }) => sender === bob.userId)).toEqual([])
  })
})

describe('tags', () => {
  test('R-180 are set, listed and removed, and are the m.tag of the room in sync', async () => {
    const alice = await someone()
    const roomId = await alice.creates()
    await alice.syncs(OFF)
    expect(await alice.ok('GET', tagsPath(alice, roomId))).toEqual({ tags: {} })
    await alice.ok('PUT', tagsPath(alice, roomId, 'm.favourite'), { body: { order: 0.25 } })
    await alice.ok('PUT', tagsPath(alice, roomId, 'u.with/slash é'), { rawBody: '' })
    const tags = { 'm.favourite': { order: 0.25 }, 'u.with/slash é': {} }
    expect(await alice.ok('GET', tagsPath(alice, roomId))).toEqual({ tags })
    expect(roomData(await alice.syncs(OFF), roomId)).toEqual({ 'm.tag': { tags } })
    expect(await alice.ok('DELETE', tagsPath(alice, roomId, 'm.favourite'))).toEqual({})
    expect(await alice.ok('DELETE', tagsPath(alice, roomId, 'm.favourite'))).toEqual({})
    expect(roomData(await alice.syncs(OFF), roomId)).toEqual({ 'm.tag': { tags: { 'u.with/slash é': {} } } })
  })

  test('R-180 an order outside 0 to 1 is 400, another user’s tags are 403', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const roomId = await alice.creates()
    for (const order of [-0.1, 1.1, '0.5', null])
      expect(
        outcome(await alice.request('PUT', tagsPath(alice, roomId, 'u.x'), { body: { order } })),
        String(order),
      ).toEqual([400, 'M_BAD_JSON'])
    for (const order of [0, 1]) await alice.ok('PUT', tagsPath(alice, roomId, 'u.x'), { body: { order } })
    for (const [method, tag] of [['GET'], ['PUT', 'u.x'], ['DELETE', 'u.x']] as const) {
      const options = method === 'PUT' ? { body: {} } : {}
      expect(outcome(await bob.request(method, tagsPath(alice, roomId, tag), options))).toEqual([
        403,
        'M_FORBIDDEN',
      ])
    }
  })
})
