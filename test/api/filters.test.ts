import { afterEach, describe, expect, test } from 'vitest'
import { presenceOf, type Actor, type Reply } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

afterEach(() => server.close())

async function someone(): Promise<Actor> {
  server = await startServer()
  return await server.registers('alice')
}

function filterPath(of: Actor, filterId?: string, surface = 'v3'): string {
  const path = `/${surface}/user/${encodeURIComponent(of.userId)}/filter`
  return filterId === undefined ? path : `${path}/${encodeURIComponent(filterId)}`
}

async function uploads(who: Actor, filter: unknown, surface = 'v3'): Promise<string> {
  const { filter_id } = await who.ok('POST', filterPath(who, undefined, surface), { body: filter })
  expect(filter_id).toEqual(expect.any(String))
  return filter_id as string
}

function outcome({ status, body }: Reply): [number, unknown] {
  return [status, body['errcode']]
}

/** Each is wrong in one place. */
const MALFORMED = [
  { presence: [] },
  { presence: 'all' },
  { presence: null },
  { presence: { types: 'm.presence' } },
  { presence: { senders: ['alice'] } },
  { presence: { limit: 0 } },
  { presence: { limit: 1.5 } },
  { event_fields: 'type' },
  { event_format: 'xml' },
  { account_data: 1 },
  { room: 'x' },
  { room: { rooms: ['not a room ID'] } },
  { room: { timeline: { limit: '10' } } },
  { room: { timeline: { types: [1] } } },
  { room: { state: { lazy_load_members: 'yes' } } },
]

describe('uploading', () => {
  test('P-102 R-181 a malformed filter is 400 M_BAD_JSON', async () => {
    const alice = await someone()
    for (const body of [...MALFORMED, [], 'filter'])
      expect(outcome(await alice.request('POST', filterPath(alice), { body })), JSON.stringify(body)).toEqual(
        [400, 'M_BAD_JSON'],
      )
    for (const rawBody of ['', '{"presence":', 'NaN'])
      expect(outcome(await alice.request('POST', filterPath(alice), { rawBody })), rawBody).toEqual([
        400,
        'M_NOT_JSON',
      ])
  })

  test('R-182 a stored filter is returned unchanged, on both surfaces and after a crash', async () => {
    const alice = await someone()
    const text =
      '{"org.example.more":{"deep":[1.5]},"__proto__":{"limit":1},"room":{"timeline":{"limit":7,"unknown":true}},"presence":{"not_types":["*"]}}'
    const { body } = await alice.request('POST', filterPath(alice), { rawBody: text })
    const filterId = body['filter_id'] as string
    for (const surface of ['r0', 'v3'])
      expect((await alice.request('GET', filterPath(alice, filterId, surface))).text).toBe(text)
    await server.crashes()
    expect((await alice.request('GET', filterPath(alice, filterId))).text).toBe(text)
    expect(filterId).not.toMatch(/^\{/)
    expect(await uploads(alice, JSON.parse(text), 'r0')).toBe(filterId)
  })

  test('R-182 an unknown ID is 404, another user’s filter 403', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const filterId = await uploads(alice, {})
    for (const unknown of ['0', 'unknown', '{}', '__proto__'])
      expect(outcome(await alice.request('GET', filterPath(alice, unknown))), unknown).toEqual([
        404,
        'M_NOT_FOUND',
      ])
    expect(outcome(await bob.request('GET', filterPath(bob, filterId)))).toEqual([404, 'M_NOT_FOUND'])
    expect(outcome(await bob.request('GET', filterPath(alice, filterId)))).toEqual([403, 'M_FORBIDDEN'])
    const upload = await bob.request('POST', filterPath(alice), { body: {} })
    expect(outcome(upload)).toEqual([403, 'M_FORBIDDEN'])
  })
})

describe('using', () => {
  test('P-100 R-182 sync takes a stored filter by its ID and an inline one alike', async () => {
    const alice = await someone()
    const none = { presence: { types: [] } }
    const filterId = await uploads(alice, none)
    for (const filter of [filterId, JSON.stringify(none)]) {
      alice.since = null
      expect(presenceOf(await alice.syncs({ filter }))).toEqual([])
    }
    alice.since = null
    expect(presenceOf(await alice.syncs({ filter: await uploads(alice, {}) }))).toHaveLength(1)
  })

  test('P-102 R-181 a malformed inline filter, or an unknown ID, is 400 M_INVALID_PARAM', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const ofAlice = await uploads(alice, {})
    const values = [...MALFORMED.map((filter) => JSON.stringify(filter)), 'unknown', '[]', '"x"', ofAlice]
    for (const filter of values)
      expect(outcome(await bob.request('GET', '/v3/sync', { query: { filter } })), filter).toEqual([
        400,
        'M_INVALID_PARAM',
      ])
  })

  test('R-181 an inline filter that is not JSON is 400 M_NOT_JSON', async () => {
    const alice = await someone()
    for (const filter of ['{', '{"presence":}', '{"a":1} more'])
      expect(outcome(await alice.request('GET', '/v3/sync', { query: { filter } })), filter).toEqual([
        400,
        'M_NOT_JSON',
      ])
  })
})
