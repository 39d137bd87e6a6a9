import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Actor } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
let alice: Actor

beforeAll(async () => {
  server = await startServer()
  alice = await server.registers('alice')
})

afterAll(() => server.close())

const R0_V3 = ['r0', 'v3']
const ALL = ['api/v1', ...R0_V3]
const USER = '@alice:home.example'
const ROOM = '!room:home.example'

/** PRESENCE-SPEC §2.1–§2.10 as far as they are served, and what surrounds them. */
const WITH_TOKEN: readonly (readonly [method: string, path: string, versions: readonly string[]])[] = [
  ['PUT', `presence/${USER}/status`, ALL],
  ['GET', `presence/${USER}/status`, ALL],
  ['GET', 'sync', R0_V3],
  ['GET', 'events', ALL],
  ['GET', 'initialSync', ALL],
  ['GET', `rooms/${ROOM}/initialSync`, ALL],
  ['POST', `user/${USER}/filter`, R0_V3],
  ['GET', `user/${USER}/filter/1`, R0_V3],
  ['PUT', `profile/${USER}/displayname`, ALL],
  ['PUT', `profile/${USER}/avatar_url`, ALL],
  ['GET', 'account/whoami', R0_V3],
  ['POST', 'logout', R0_V3],
  ['POST', 'createRoom', ALL],
  ['POST', `rooms/${ROOM}/join`, ALL],
  ['POST', `rooms/${ROOM}/leave`, ALL],
  ['POST', `rooms/${ROOM}/invite`, ALL],
  ['PUT', `rooms/${ROOM}/send/m.room.message/1`, ALL],
  ['GET', `rooms/${ROOM}/members`, ALL],
  ['GET', `rooms/${ROOM}/messages`, ALL],
  ['PUT', `rooms/${ROOM}/state/m.room.name`, ALL],
  ['PUT', `rooms/${ROOM}/typing/${USER}`, ALL],
  ['POST', `rooms/${ROOM}/receipt/m.read/$x`, R0_V3],
  ['POST', `rooms/${ROOM}/read_markers`, R0_V3],
  ['PUT', `user/${USER}/account_data/m.direct`, R0_V3],
  ['GET', 'pushrules/', R0_V3],
  ['GET', 'capabilities', R0_V3],
  ['GET', 'joined_rooms', R0_V3],
  ['POST', 'keys/upload', R0_V3],
  ['POST', 'keys/query', R0_V3],
]

const endpoints = WITH_TOKEN.flatMap(([method, path, versions]) =>
  versions.map((version) => [method, `/_matrix/client/${version}/${path}`] as const),
)

for (const [method, path] of endpoints) {
  test(`P-001 P-002 P-006 P-010 P-011 ${method} ${path}: tokens, methods, OPTIONS`, async () => {
    const body = method === 'GET' ? {} : { rawBody: '{}' }
    const missing = await server.request(method, path, body)
    expect([missing.status, missing.body['errcode']]).toEqual([401, 'M_MISSING_TOKEN'])
    expect(missing.body['error']).toEqual(expect.any(String))
    const unknown = await server.request(method, path, { token: 'nobody', ...body })
    expect([unknown.status, unknown.body['errcode']]).toEqual([401, 'M_UNKNOWN_TOKEN'])
    const wrong = await server.request('PATCH', path, { token: alice.token, rawBody: '{}' })
    expect([wrong.status, wrong.body['errcode']]).toEqual([405, 'M_UNRECOGNIZED'])
    expect(wrong.headers.get('allow')).toContain(method)
    const options = await server.request('OPTIONS', path)
    expect([options.status, options.text]).toEqual([200, '{}'])
    expect(options.headers.get('access-control-allow-origin')).toBe('*')
  })
}

test('P-010 what the old or the new surface does not have is an unknown path there', async () => {
  for (const path of [
    'api/v1/sync',
    'v1/sync',
    'v1/events',
    'v1/initialSync',
    `v1/presence/${USER}/status`,
    `v3/presence/list/${USER}`,
  ]) {
    const reply = await server.request('GET', `/_matrix/client/${path}`, { token: alice.token })
    expect([path, reply.status, reply.body['errcode']]).toEqual([path, 404, 'M_UNRECOGNIZED'])
  }
})

test('P-004 P-005 the token in the query opens a session on api/v1 and r0, not on v3', async () => {
  const query = { access_token: alice.token }
  const status = `presence/${USER}/status`
  expect((await server.request('GET', `/_matrix/client/api/v1/${status}`, { query })).status).toBe(200)
  expect((await server.request('GET', `/_matrix/client/r0/${status}`, { query })).status).toBe(200)
  const v3 = await server.request('GET', `/_matrix/client/v3/${status}`, { query })
  expect([v3.status, v3.body['errcode']]).toEqual([401, 'M_MISSING_TOKEN'])
})

test('P-009 a malformed user ID in a path is 400 M_INVALID_PARAM', async () => {
  for (const id of ['alice', '@alice', 'alice:home.example', '%00', '@a%00:home.example']) {
    const reply = await server.request('GET', `/_matrix/client/v3/presence/${id}/status`, {
      token: alice.token,
    })
    expect([id, reply.status, reply.body['errcode']]).toEqual([id, 400, 'M_INVALID_PARAM'])
  }
})

test('P-007 P-008 P-013 bodies of PUT status: not JSON, wrong shape, unknown keys', async () => {
  const put = (rawBody: string | Uint8Array): Promise<readonly [number, unknown]> =>
    server
      .request('PUT', `/_matrix/client/v3/presence/${USER}/status`, { token: alice.token, rawBody })
      .then(({ status, body }) => [status, body['errcode']] as const)
  for (const text of ['', '{', '{"presence":NaN}', 'presence=online'])
    expect(await put(text)).toEqual([400, 'M_NOT_JSON'])
  expect(await put(new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toEqual([400, 'M_NOT_JSON'])
  for (const text of [
    '[]',
    '"online"',
    'null',
    '{"presence":1}',
    '{"presence":"banana"}',
    '{"presence":"online","status_msg":1}',
  ]) {
    expect(await put(text)).toEqual([400, 'M_BAD_JSON'])
  }
  expect(await put('{"presence":"online","colour":{"__proto__":1}}')).toEqual([200, undefined])
  expect(await put(`{"presence":"online","status_msg":"${'x'.repeat(1_000_000)}"}`)).toEqual([
    413,
    'M_TOO_LARGE',
  ])
})

test('anything at all as a body is never a fault, on any endpoint', async () => {
  const writes = endpoints.filter(([method, path]) => method !== 'GET' && !path.endsWith('/logout'))
  const known = fc.constantFrom(
    'presence',
    'status_msg',
    'displayname',
    'avatar_url',
    'room',
    'user_id',
    'typing',
    'timeout',
    'preset',
    'initial_state',
    'content',
    'type',
    'device_keys',
    'one_time_keys',
    'm.read',
    '__proto__',
    'constructor',
    'auth',
  )
  const value = fc.jsonValue({ maxDepth: 3 })
  const bodies = fc.oneof(
    fc.dictionary(known, value).map((body) => JSON.stringify(body)),
    value.map((body) => JSON.stringify(body)),
    fc.string({ unit: 'binary', maxLength: 50 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...writes), bodies, async ([method, path], rawBody) => {
      const reply = await server.request(method, path, { token: alice.token, rawBody })
      expect(reply.status).toBeLessThan(500)
      if (reply.status >= 400) expect(reply.body['errcode']).toEqual(expect.any(String))
    }),
    { numRuns: 500 },
  )
  expect(server.complaints).toEqual([])
})

test('anything at all as a query is never a fault', async () => {
  const reads = endpoints.filter(([method]) => method === 'GET')
  const name = fc.constantFrom(
    'since',
    'from',
    'to',
    'dir',
    'limit',
    'filter',
    'full_state',
    'set_presence',
    'at',
    'membership',
    'access_token',
    'use_state_after',
  )
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.json({ maxDepth: 2 }),
    fc.integer().map(String),
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...reads), fc.dictionary(name, value), async ([method, path], query) => {
      const reply = await server.request(method, path, {
        token: alice.token,
        query: { ...query, timeout: 0 },
      })
      expect(reply.status).toBeLessThan(500)
      if (reply.status >= 400) expect(reply.body['errcode']).toEqual(expect.any(String))
    }),
    { numRuns: 500 },
  )
  expect(server.complaints).toEqual([])
})
