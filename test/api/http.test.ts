import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { refuse } from '../../src/matrix/errors.ts'
import { userIdParam } from '../../src/http/params.ts'
import { Answer, EVERYWHERE, ROOT, route, V3, type Call, type Route } from '../../src/http/route.ts'
import { HTTP_BOUNDS } from '../../src/http/server.ts'
import { settle, until } from '../support/manual-clock.ts'
import { selfSigned } from '../support/certificate.ts'
import { connectRaw, listenHttp, type TestHttp } from '../support/http.ts'

let http: TestHttp
const servers: TestHttp[] = []
let calls: Call[] = []

async function start(...args: Parameters<typeof listenHttp>): Promise<TestHttp> {
  http = await listenHttp(...args)
  servers.push(http)
  calls = []
  return http
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map(({ server }) => server.close()))
})

const note = (call: Call): object => {
  calls.push(call)
  return { params: call.params, body: call.body, surface: call.surface }
}

const jsonObject = z.custom<object>((value) => typeof value === 'object' && value !== null)

const ROUTES: Route[] = [
  route({
    method: 'GET',
    path: '/profile/:userId',
    under: EVERYWHERE,
    auth: 'none',
    handle: (call) => ({ userId: userIdParam(call.params.userId), ...note(call) }),
  }),
  route({
    method: 'GET',
    path: '/whoami',
    under: EVERYWHERE,
    auth: 'user',
    handle: ({ requester }) => requester,
  }),
  route({
    method: 'PUT',
    path: '/presence/:userId/status',
    under: EVERYWHERE,
    auth: 'member',
    limit: 'presence',
    body: z.object({ presence: z.enum(['online', 'offline']), status_msg: z.string().optional() }),
    handle: note,
  }),
  route({
    method: 'POST',
    path: '/rooms/:roomId/leave',
    under: V3,
    auth: 'user',
    body: z.object({ reason: z.string().optional() }),
    emptyBody: true,
    handle: note,
  }),
  route({
    method: 'PUT',
    path: '/rooms/:roomId/state/:eventType/:stateKey',
    under: V3,
    auth: 'user',
    body: jsonObject,
    strictJson: true,
    handle: note,
  }),
  route({
    method: 'PUT',
    path: '/rooms/:roomId/state/:eventType',
    under: V3,
    auth: 'user',
    body: jsonObject,
    strictJson: true,
    handle: note,
  }),
  route({
    method: 'POST',
    path: '/echo',
    under: V3,
    auth: 'none',
    limit: 'login',
    body: jsonObject,
    handle: ({ body }) => body,
  }),
  route({
    method: 'POST',
    path: '/keys',
    under: V3,
    auth: 'none',
    body: z.record(z.string(), z.string()),
    handle: note,
  }),
  route({ method: 'GET', path: '/pushrules/*', under: V3, auth: 'none', handle: note }),
  route({ method: 'GET', path: '/pushrules/', under: V3, auth: 'none', handle: note }),
  route({
    method: 'GET',
    path: '/fault',
    under: V3,
    auth: 'none',
    handle: () => {
      throw new Error('the secret of the house')
    },
  }),
  route({
    method: 'GET',
    path: '/busy',
    under: V3,
    auth: 'none',
    handle: () => {
      throw refuse.limitExceeded(undefined, { retry_after_ms: 1_001 })
    },
  }),
  route({
    method: 'GET',
    path: '/picture',
    under: V3,
    auth: 'none',
    handle: () => new Answer(202, Buffer.from([0, 255, 1]), { 'content-type': 'image/x' }),
  }),
  route({ method: 'GET', path: '/nothing', under: V3, auth: 'none', handle: () => undefined }),
  route({ method: 'GET', path: '/metrics', under: ROOT, auth: 'none', resource: 'metrics', handle: () => 1 }),
]

interface Reply {
  readonly status: number
  readonly body: Record<string, unknown>
  readonly headers: Headers
}

const V3_PREFIX = '/_matrix/client/v3'

async function ask(
  path: string,
  init: RequestInit & { token?: string; raw?: string | Buffer } = {},
): Promise<Reply> {
  const { token, raw, ...rest } = init
  const headers: Record<string, string> = { ...(rest.headers as Record<string, string>) }
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`
  const body = raw === undefined ? {} : { body: typeof raw === 'string' ? raw : new Uint8Array(raw) }
  const response = await fetch(http.address.url + path, { ...rest, ...body, headers })
  const text = await response.text()
  return {
    status: response.status,
    body: JSON.parse(text) as Record<string, unknown>,
    headers: response.headers,
  }
}

function put(path: string, raw: string | Buffer, token = 'alice-token'): Promise<Reply> {
  return ask(path, { method: 'PUT', raw, token })
}

function expectError(reply: Reply, status: number, errcode: string): void {
  expect([reply.status, reply.body['errcode'], typeof reply.body['error']]).toEqual([
    status,
    errcode,
    'string',
  ])
  expect(reply.headers.get('access-control-allow-origin')).toBe('*')
  expect(reply.headers.get('content-type')).toBe('application/json')
}

const STATUS = '/presence/@alice:hs/status'
const ONLINE = '{"presence":"online"}'

describe('tokens', () => {
  test('P-001 P-006 a request without a token is 401 M_MISSING_TOKEN and reaches no handler', async () => {
    await start(ROUTES)
    for (const version of ['api/v1', 'r0', 'v3']) {
      expectError(await ask(`/_matrix/client/${version}/whoami`), 401, 'M_MISSING_TOKEN')
    }
    const empty = await ask(`${V3_PREFIX}/whoami`, { headers: { authorization: 'Bearer ' } })
    expectError(empty, 401, 'M_MISSING_TOKEN')
    const basic = await ask(`${V3_PREFIX}/whoami`, { headers: { authorization: 'Basic alice-token' } })
    expectError(basic, 401, 'M_MISSING_TOKEN')
    expectError(await ask('/_matrix/client/r0/whoami?access_token='), 401, 'M_MISSING_TOKEN')
    expect(calls).toEqual([])
  })

  test('P-002 an unknown token is 401 M_UNKNOWN_TOKEN, on api/v1 too', async () => {
    await start(ROUTES)
    for (const version of ['api/v1', 'r0', 'v3']) {
      expectError(await ask(`/_matrix/client/${version}/whoami`, { token: 'nobody' }), 401, 'M_UNKNOWN_TOKEN')
    }
    expectError(await ask('/_matrix/client/r0/whoami?access_token=nobody'), 401, 'M_UNKNOWN_TOKEN')
  })

  test('P-003 the Authorization header is accepted on every surface, its scheme in any case', async () => {
    await start(ROUTES)
    for (const version of ['api/v1', 'r0', 'v3']) {
      const reply = await ask(`/_matrix/client/${version}/whoami`, { token: 'alice-token' })
      expect(reply.body['userId']).toBe('@alice:hs')
    }
    const lower = await ask(`${V3_PREFIX}/whoami`, { headers: { authorization: 'bearer alice-token' } })
    expect(lower.status).toBe(200)
  })

  test('P-004 P-005 ?access_token= authenticates on api/v1 and r0 only, by default', async () => {
    await start(ROUTES)
    expect((await ask('/_matrix/client/api/v1/whoami?access_token=alice-token')).body['userId']).toBe(
      '@alice:hs',
    )
    expect((await ask('/_matrix/client/r0/whoami?access_token=alice-token')).body['userId']).toBe('@alice:hs')
    expectError(await ask('/_matrix/client/v3/whoami?access_token=alice-token'), 401, 'M_MISSING_TOKEN')
  })

  test('P-004 ?access_token= is accepted nowhere with never, everywhere with always', async () => {
    await start(ROUTES, { queryAccessToken: 'never' })
    expectError(await ask('/_matrix/client/r0/whoami?access_token=alice-token'), 401, 'M_MISSING_TOKEN')
    await start(ROUTES, { queryAccessToken: 'always' })
    expect((await ask('/_matrix/client/v3/whoami?access_token=alice-token')).status).toBe(200)
  })

  test('if both are sent, the header wins', async () => {
    await start(ROUTES)
    const reply = await ask('/_matrix/client/r0/whoami?access_token=bob-token', { token: 'alice-token' })
    expect(reply.body['userId']).toBe('@alice:hs')
    expectError(
      await ask('/_matrix/client/r0/whoami?access_token=bob-token', { token: 'nobody' }),
      401,
      'M_UNKNOWN_TOKEN',
    )
  })

  test('guests are refused where members only may', async () => {
    await start(ROUTES)
    expectError(await put(V3_PREFIX + STATUS, ONLINE, 'guest-token'), 403, 'M_GUEST_ACCESS_FORBIDDEN')
    expect((await ask(`${V3_PREFIX}/whoami`, { token: 'guest-token' })).status).toBe(200)
    expect(calls).toEqual([])
  })

  test('tokens do not reach the log', async () => {
    await start(ROUTES)
    await ask('/_matrix/client/r0/whoami?access_token=alice-token')
    await ask('/_matrix/client/r0/whoami', { token: 'bob-token' })
    await until(() => http.logged.length === 2, 'both requests are logged')
    expect(JSON.stringify(http.logged)).not.toMatch(/alice-token|bob-token|access_token/)
    expect(http.logged[0]?.fields).toMatchObject({
      path: '/_matrix/client/r0/whoami',
      status: 200,
      user: '@alice:hs',
    })
  })
})

describe('paths and methods', () => {
  test('P-009 a path user ID without @ or without : is 400 M_INVALID_PARAM', async () => {
    await start(ROUTES)
    for (const id of ['alice', 'alice:hs', '@alice']) {
      expectError(await ask(`${V3_PREFIX}/profile/${id}`), 400, 'M_INVALID_PARAM')
    }
  })

  test('P-010 an unknown path is 404 M_UNRECOGNIZED, whatever the method', async () => {
    await start(ROUTES)
    for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH']) {
      expectError(await ask('/_matrix/client/v3/none', { method }), 404, 'M_UNRECOGNIZED')
    }
    expectError(await ask('/'), 404, 'M_UNRECOGNIZED')
    expectError(await ask('/_MATRIX/client/v3/whoami', { token: 'alice-token' }), 404, 'M_UNRECOGNIZED')
    expectError(await ask('/_matrix/client/r0/pushrules/'), 404, 'M_UNRECOGNIZED')
  })

  test('P-010 a known path with a wrong method is 405 M_UNRECOGNIZED and says which are right', async () => {
    await start(ROUTES)
    const reply = await ask(`${V3_PREFIX}/rooms/!a:hs/state/m.room.name/`, { method: 'DELETE' })
    expectError(reply, 405, 'M_UNRECOGNIZED')
    expect(reply.headers.get('allow')).toBe('PUT, OPTIONS')
    expectError(await ask(`${V3_PREFIX}/echo`), 405, 'M_UNRECOGNIZED')
    expectError(await ask(`${V3_PREFIX}/echo`, { method: 'PATCH' }), 405, 'M_UNRECOGNIZED')
  })

  test('P-011 OPTIONS is 200 with CORS headers for any path, before auth, limits and handlers', async () => {
    await start(ROUTES)
    for (const path of [V3_PREFIX + STATUS, `${V3_PREFIX}/echo`, '/none', '/%ff']) {
      const reply = await ask(path, { method: 'OPTIONS' })
      expect([reply.status, reply.body]).toEqual([200, {}])
      expect(reply.headers.get('access-control-allow-origin')).toBe('*')
      expect(reply.headers.get('access-control-allow-methods')).toBe('GET, POST, PUT, DELETE, OPTIONS')
      expect(reply.headers.get('access-control-allow-headers')).toBe(
        'X-Requested-With, Content-Type, Authorization',
      )
    }
    expect([calls, http.limited]).toEqual([[], []])
  })

  test('CORS headers are on answers too, and a handler may answer anything', async () => {
    await start(ROUTES)
    const response = await fetch(`${http.address.url}${V3_PREFIX}/picture`)
    expect([response.status, response.headers.get('content-type')]).toEqual([202, 'image/x'])
    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(new Uint8Array([0, 255, 1]))
    expect((await ask(`${V3_PREFIX}/nothing`)).body).toEqual({})
  })

  test('HEAD is answered like GET, without the body', async () => {
    await start(ROUTES)
    const response = await fetch(`${http.address.url}${V3_PREFIX}/picture`, { method: 'HEAD' })
    expect([response.status, response.headers.get('content-length')]).toEqual([202, '3'])
  })

  test('each segment is percent-decoded once', async () => {
    await start(ROUTES)
    const user = async (segment: string): Promise<unknown> =>
      (await ask(`${V3_PREFIX}/profile/${segment}`)).body['userId']
    expect(await user('@alice:hs')).toBe('@alice:hs')
    expect(await user('%40alice%3Ahs')).toBe('@alice:hs')
    expect(await user('@al%2Fice:hs')).toBe('@al/ice:hs')
    expect(await user('%40al%2541ice:hs')).toBe('@al%41ice:hs')
    expect(await user('%2540alice:hs')).toBe(undefined)
    expect(await user('@%E2%98%83:hs')).toBe('@☃:hs')
    expect(await user('@a+b:hs')).toBe('@a+b:hs')
    expect((await ask(`${V3_PREFIX}/%70rofile/@alice:hs`)).body['userId']).toBe('@alice:hs')
  })

  test('a badly encoded path is 400 M_INVALID_PARAM', async () => {
    await start(ROUTES)
    for (const segment of ['%', '%zz', '%ff', '%c3%28', '%ed%a0%80', `@${'a'.repeat(3_000)}:hs`]) {
      expectError(await ask(`${V3_PREFIX}/profile/${segment}`), 400, 'M_INVALID_PARAM')
    }
  })

  test('a legal user ID of 255 bytes is served, also when every byte is percent-encoded', async () => {
    await start(ROUTES)
    const longest = `@${'é'.repeat(125)}a:hs`
    expect(Buffer.byteLength(longest)).toBe(255)
    expect((await ask(`${V3_PREFIX}/profile/${encodeURIComponent(longest)}`)).body['userId']).toBe(longest)
    expectError(
      await ask(`${V3_PREFIX}/profile/${encodeURIComponent(`@b${longest.slice(1)}`)}`),
      400,
      'M_INVALID_PARAM',
    )
  })

  test('R-151 a path is the same with and without a trailing slash', async () => {
    await start(ROUTES)
    for (const path of ['state/m.room.name', 'state/m.room.name/']) {
      const reply = await put(`${V3_PREFIX}/rooms/!a:hs/${path}`, '{}')
      expect(reply.body['params']).toEqual({ roomId: '!a:hs', eventType: 'm.room.name' })
    }
    const keyed = await put(`${V3_PREFIX}/rooms/!a:hs/state/m.room.name/%40a%3Ab`, '{}')
    expect(keyed.body['params']).toEqual({ roomId: '!a:hs', eventType: 'm.room.name', stateKey: '@a:b' })
    expect((await ask(`${V3_PREFIX}/pushrules`)).status).toBe(200)
  })

  test('a last segment * takes the rest, slashes included', async () => {
    await start(ROUTES)
    const reply = await ask(`${V3_PREFIX}/pushrules/global/override/.m.rule.master`)
    expect(reply.body['params']).toEqual({ '*': 'global/override/.m.rule.master' })
  })

  test('a # in a path is data: an alias that was not encoded', async () => {
    await start(ROUTES)
    const raw = await connectRaw(http.address)
    raw.write(`GET ${V3_PREFIX}/pushrules/#a:hs HTTP/1.1\r\nHost: hs\r\nConnection: close\r\n\r\n`)
    await until(() => raw.closed, 'the answer is complete')
    expect(raw.text).toContain('"*":"#a:hs"')
  })

  test('requests as proxies and odd clients write them are served', async () => {
    await start(ROUTES)
    const heads = [
      `GET http://elsewhere${V3_PREFIX}/profile/@alice:hs?a=b HTTP/1.1\r\nHost: hs\r\n`,
      `GET ${V3_PREFIX}/nothing HTTP/1.1\r\n`,
      `GET ${V3_PREFIX}/nothing HTTP/1.1\r\nHost: hs\r\nExpect: banana\r\n`,
      `GET ${V3_PREFIX}/nothing HTTP/1.0\r\n`,
    ]
    for (const head of heads) {
      const raw = await connectRaw(http.address)
      raw.write(`${head}Connection: close\r\n\r\n`)
      await until(() => raw.closed, 'it was answered')
      expect(raw.text).toMatch(/^HTTP\/1\.1 200 /)
    }
    expect(calls.map(({ rawPath }) => rawPath)).toEqual([`${V3_PREFIX}/profile/@alice:hs`])
  })

  test('routes of a resource that the listener does not have are unknown on it', async () => {
    await start(ROUTES)
    expectError(await ask('/metrics'), 404, 'M_UNRECOGNIZED')
    const other = await http.server.listen({
      port: 0,
      bind: '127.0.0.1',
      resources: ['metrics'],
      xForwarded: false,
      tls: null,
    })
    expect((await fetch(`${other.url}/metrics`)).status).toBe(200)
    expect((await fetch(`${other.url}${V3_PREFIX}/nothing`)).status).toBe(404)
  })

  test('the surface, the path as sent and the address are handed on', async () => {
    await start(ROUTES)
    await ask('/_matrix/client/r0/profile/%40alice:hs?a=%20b&a=c')
    expect(calls[0]).toMatchObject({
      surface: 'r0',
      method: 'GET',
      rawPath: '/_matrix/client/r0/profile/%40alice:hs',
      ip: '127.0.0.1',
    })
    expect(calls[0]?.query.getAll('a')).toEqual([' b', 'c'])
  })

  test('the address comes from X-Forwarded-For only where a proxy is known to be', async () => {
    const forwarded = { 'x-forwarded-for': '10.0.0.1, 192.0.2.7' }
    await start(ROUTES)
    await ask(`${V3_PREFIX}/profile/@alice:hs`, { headers: forwarded })
    expect(calls[0]?.ip).toBe('127.0.0.1')
    await start(ROUTES, {}, { xForwarded: true })
    await ask(`${V3_PREFIX}/profile/@alice:hs`, { headers: forwarded })
    await ask(`${V3_PREFIX}/profile/@alice:hs`)
    expect(calls.map(({ ip }) => ip)).toEqual(['192.0.2.7', '127.0.0.1'])
  })
})

describe('bodies', () => {
  test('P-007 a body that is not JSON is 400 M_NOT_JSON', async () => {
    await start(ROUTES)
    const broken = [
      '',
      ' ',
      '{',
      '{"presence":NaN}',
      '{"presence":Infinity}',
      "{'presence':'online'}",
      '{"a":1}x',
      '\u0000',
    ]
    for (const raw of broken) expectError(await put(V3_PREFIX + STATUS, raw), 400, 'M_NOT_JSON')
    for (const bytes of [[0xff], [0x22, 0xc3, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xff, 0xfe, 0x7b, 0]]) {
      expectError(await put(V3_PREFIX + STATUS, Buffer.from(bytes)), 400, 'M_NOT_JSON')
    }
    expect(calls).toEqual([])
  })

  test('P-008 JSON of the wrong shape is 400 M_BAD_JSON and names the key, not the value', async () => {
    await start(ROUTES)
    for (const raw of ['[]', 'null', '"online"', '1', '{}', '{"presence":1}', '{"presence":"Online"}']) {
      expectError(await put(V3_PREFIX + STATUS, raw), 400, 'M_BAD_JSON')
    }
    const reply = await put(V3_PREFIX + STATUS, '{"presence":"online","status_msg":["hunter2"]}')
    expectError(reply, 400, 'M_BAD_JSON')
    expect(reply.body['error']).toContain('"status_msg"')
    expect(reply.body['error']).not.toContain('hunter2')
    const keys = await ask(`${V3_PREFIX}/keys`, { method: 'POST', raw: `{"${'k'.repeat(9_999)}":1}` })
    expectError(keys, 400, 'M_BAD_JSON')
    expect(String(keys.body['error']).length).toBeLessThan(200)
    expect(calls).toEqual([])
  })

  test('P-013 unknown keys are ignored', async () => {
    await start(ROUTES)
    const reply = await put(V3_PREFIX + STATUS, '{"presence":"online","colour":"red","__proto__":{"a":1}}')
    expect([reply.status, reply.body['body']]).toEqual([200, { presence: 'online' }])
  })

  test('a body is read whatever its content type', async () => {
    await start(ROUTES)
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'nonsense',
      'application/json; charset=x',
    ]) {
      const headers = { 'content-type': type }
      const reply = await ask(V3_PREFIX + STATUS, {
        method: 'PUT',
        raw: ONLINE,
        token: 'alice-token',
        headers,
      })
      expect(reply.status).toBe(200)
    }
  })

  test('a byte order mark before the JSON is ignored', async () => {
    await start(ROUTES)
    expect((await put(V3_PREFIX + STATUS, `\uFEFF${ONLINE}`)).status).toBe(200)
  })

  test('an empty body counts as {} where the route says so, and not elsewhere', async () => {
    await start(ROUTES)
    const leave = await ask(`${V3_PREFIX}/rooms/!a:hs/leave`, { method: 'POST', token: 'alice-token' })
    expect([leave.status, leave.body['body']]).toEqual([200, {}])
    expectError(await ask(`${V3_PREFIX}/echo`, { method: 'POST' }), 400, 'M_NOT_JSON')
  })

  test('lone surrogates are 400 M_BAD_JSON, in keys as in values', async () => {
    await start(ROUTES)
    for (const raw of ['{"a":"\\ud800"}', '{"\\udc00":1}', '{"a":["x\\udc00\\ud800"]}']) {
      expectError(await ask(`${V3_PREFIX}/echo`, { method: 'POST', raw }), 400, 'M_BAD_JSON')
    }
    const pair = await ask(`${V3_PREFIX}/echo`, { method: 'POST', raw: '{"a":"\\ud83d\\ude00"}' })
    expect(pair.body).toEqual({ a: '😀' })
  })

  test('prototype keys are data and change nothing', async () => {
    await start(ROUTES)
    const raw = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'
    const reply = await fetch(`${http.address.url}${V3_PREFIX}/echo`, { method: 'POST', body: raw })
    expect(await reply.text()).toBe(raw)
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined)
  })

  test('very deep nesting is refused, and breaks nothing', async () => {
    await start(ROUTES)
    for (const depth of [101, 30_000]) {
      const raw = `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`
      expectError(await ask(`${V3_PREFIX}/echo`, { method: 'POST', raw }), 400, 'M_BAD_JSON')
    }
  })

  test('event content is held to canonical JSON', async () => {
    await start(ROUTES)
    const state = `${V3_PREFIX}/rooms/!a:hs/state/m.room.name/x`
    for (const raw of ['{"a":1.5}', '{"a":1e3}', '{"a":9007199254740992}', '{"a":1,"a":2}', '{"a":-0}']) {
      expectError(await put(state, raw), 400, 'M_BAD_JSON')
    }
    expectError(await put(state, '{"a":01}'), 400, 'M_NOT_JSON')
    expect((await put(state, '{"a":1}')).status).toBe(200)
  })
})

describe('limits', () => {
  const tooBig = `{"presence":"online","status_msg":"${'x'.repeat(65_536)}"}`

  test('a body over its limit is 413 M_TOO_LARGE, and the connection goes on', async () => {
    await start(ROUTES)
    const raw = await connectRaw(http.address)
    const head = `PUT ${V3_PREFIX}${STATUS} HTTP/1.1\r\nHost: hs\r\nAuthorization: Bearer alice-token\r\n`
    raw.write(`${head}Content-Length: ${tooBig.length}\r\n\r\n${tooBig}`)
    raw.write(`${head}Content-Length: ${ONLINE.length}\r\nConnection: close\r\n\r\n${ONLINE}`)
    await until(() => raw.closed, 'both are answered')
    expect([...raw.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])).toEqual(['413', '200'])
    expect(raw.text).toContain('"errcode":"M_TOO_LARGE"')
    expect(calls.length).toBe(1)
  })

  test('a body of exactly the limit is read', async () => {
    await start(ROUTES)
    const padding = ' '.repeat(65_536 - ONLINE.length)
    expect((await put(V3_PREFIX + STATUS, ONLINE + padding)).status).toBe(200)
    expectError(await put(V3_PREFIX + STATUS, `${ONLINE}${padding} `), 413, 'M_TOO_LARGE')
  })

  test('a declared length over the limit is refused before the body comes', async () => {
    await start(ROUTES)
    const raw = await connectRaw(http.address)
    raw.write(
      `PUT ${V3_PREFIX}${STATUS} HTTP/1.1\r\nHost: hs\r\nAuthorization: Bearer alice-token\r\nContent-Length: 1000000000\r\n\r\n`,
    )
    await until(() => raw.text.includes('M_TOO_LARGE'), 'the refusal came')
    raw.destroy()
  })

  test('a client that waits for 100-continue is told to go on, or refused', async () => {
    await start(ROUTES)
    const head = `PUT ${V3_PREFIX}${STATUS} HTTP/1.1\r\nHost: hs\r\nAuthorization: Bearer alice-token\r\nExpect: 100-continue\r\nConnection: close\r\n`
    const good = await connectRaw(http.address)
    good.write(`${head}Content-Length: ${ONLINE.length}\r\n\r\n`)
    await until(() => good.text.includes('100 Continue'), 'the client may go on')
    good.write(ONLINE)
    await until(() => good.closed, 'it is answered')
    expect(good.text).toContain('HTTP/1.1 200')
    const bad = await connectRaw(http.address)
    bad.write(`${head}Content-Length: 70000\r\n\r\n`)
    await until(() => bad.text.includes('M_TOO_LARGE'), 'it is refused')
    expect(bad.text).not.toContain('100 Continue')
    bad.destroy()
  })

  test('a chunked body without length is held to the limit too', async () => {
    await start(ROUTES)
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(new Uint8Array(16_384).fill(0x20))
        if ((sent += 1) === 20) controller.close()
      },
    })
    let sent = 0
    const init = { method: 'PUT', body, duplex: 'half', headers: { authorization: 'Bearer alice-token' } }
    const response = await fetch(`${http.address.url}${V3_PREFIX}${STATUS}`, init)
    expect([response.status, ((await response.json()) as { errcode: string }).errcode]).toEqual([
      413,
      'M_TOO_LARGE',
    ])
  })

  test('a body without end is cut off after its refusal', async () => {
    await start(ROUTES)
    const raw = await connectRaw(http.address)
    raw.write(
      `PUT ${V3_PREFIX}${STATUS} HTTP/1.1\r\nHost: hs\r\nAuthorization: Bearer alice-token\r\nTransfer-Encoding: chunked\r\n\r\n`,
    )
    const megabyte = Buffer.concat([
      Buffer.from('100000\r\n'),
      Buffer.alloc(1_048_576, 0x20),
      Buffer.from('\r\n'),
    ])
    for (let i = 0; i < 18; i += 1) raw.write(megabyte)
    await until(() => raw.closed, 'the connection was cut')
  })

  test('headers over their size, or too many, are 431 M_TOO_LARGE', async () => {
    await start(ROUTES)
    for (const headers of [`X: ${'a'.repeat(20_000)}\r\n`, 'X: a\r\n'.repeat(200)]) {
      const raw = await connectRaw(http.address)
      raw.write(`GET ${V3_PREFIX}/nothing HTTP/1.1\r\nHost: hs\r\nConnection: close\r\n${headers}\r\n`)
      await until(() => raw.closed, 'it was refused')
      expect(raw.text).toMatch(/^HTTP\/1\.1 431 /)
      expect(raw.text).toContain('"errcode":"M_TOO_LARGE"')
      expect(raw.text).toContain('access-control-allow-origin: *')
    }
  })

  test('the bounds of a listener are those it was given', async () => {
    const bounds = { ...HTTP_BOUNDS, headerBytesMax: 1_000, connectionsMax: 2, keepAliveTimeoutMs: 33_000 }
    await start(ROUTES, { bounds })
    const kept = await connectRaw(http.address)
    kept.write(`GET ${V3_PREFIX}/nothing HTTP/1.1\r\nHost: hs\r\n\r\n`)
    await until(() => kept.text.endsWith('{}'), 'it was answered')
    expect(kept.text).toMatch(/keep-alive: timeout=33\r\n/i)
    const long = await connectRaw(http.address)
    const third = await connectRaw(http.address)
    await until(() => third.closed, 'a third connection was refused')
    long.write(`GET ${V3_PREFIX}/nothing HTTP/1.1\r\nX: ${'a'.repeat(1_000)}\r\n\r\n`)
    await until(() => long.closed, 'long headers were refused')
    expect(long.text).toMatch(/^HTTP\/1\.1 431 /)
    expect(kept.closed).toBe(false)
  })

  test('a connection on which nothing moves is given up', async () => {
    const { routes, signals } = parking('answer')
    await start(routes, { bounds: { ...HTTP_BOUNDS, silentSocketMs: 50 } })
    const raw = await connectRaw(http.address)
    raw.write(`GET ${V3_PREFIX}/sync HTTP/1.1\r\nHost: hs\r\n\r\n`)
    await until(() => raw.closed, 'it was cut', 10_000_000)
    expect(signals[0]?.aborted).toBe(true)
  })

  test('what is not HTTP is refused in the form of every error', async () => {
    await start(ROUTES)
    const raw = await connectRaw(http.address)
    raw.write('banana\r\n\r\n')
    await until(() => raw.closed, 'it was refused')
    expect(raw.text).toMatch(/^HTTP\/1\.1 400 [^]*"errcode":"M_UNKNOWN","error":/)
  })

  test('a client that sends too slowly is cut off, in its headers and in its body', async () => {
    await start(ROUTES, { bounds: { ...HTTP_BOUNDS, headersTimeoutMs: 50, requestTimeoutMs: 100 } })
    const headers = await connectRaw(http.address)
    headers.write(`GET ${V3_PREFIX}/nothing HTTP/1.1\r\nHo`)
    const body = await connectRaw(http.address)
    body.write(
      `PUT ${V3_PREFIX}${STATUS} HTTP/1.1\r\nHost: hs\r\nAuthorization: Bearer alice-token\r\nContent-Length: 9\r\n\r\n{`,
    )
    await until(() => headers.closed && body.closed, 'both were cut off', 10_000_000)
    expect([headers.text.slice(0, 12), body.text.slice(0, 12)]).toEqual(['HTTP/1.1 408', 'HTTP/1.1 408'])
    await until(() => http.server.inFlight === 0, 'the call has ended')
  })

  test('P-012 a 429 carries retry_after_ms, and Retry-After in seconds, rounded up', async () => {
    await start(ROUTES)
    const reply = await ask(`${V3_PREFIX}/busy`)
    expectError(reply, 429, 'M_LIMIT_EXCEEDED')
    expect([reply.body['retry_after_ms'], reply.headers.get('retry-after')]).toEqual([1_001, '2'])
  })

  test('P-012 a route’s limit counts per user, or per address without a token, before the body is read', async () => {
    await start(ROUTES)
    await put(V3_PREFIX + STATUS, 'not json')
    await ask(`${V3_PREFIX}/echo`, { method: 'POST', raw: '{}' })
    expect(http.limited).toEqual([
      ['presence', '@alice:hs'],
      ['login', '127.0.0.1'],
    ])
    const refusing = {
      take: () => {
        throw refuse.limitExceeded(undefined, { retry_after_ms: 5 })
      },
      check: () => {},
    }
    await start(ROUTES, { limits: refusing })
    expectError(await put(V3_PREFIX + STATUS, 'not json'), 429, 'M_LIMIT_EXCEEDED')
    expectError(await put(V3_PREFIX + STATUS, ONLINE, 'nobody'), 401, 'M_UNKNOWN_TOKEN')
    expect(calls).toEqual([])
  })
})

describe('faults', () => {
  test('P-006 a fault is 500 M_UNKNOWN with an id that the log has, and nothing else', async () => {
    await start(ROUTES)
    const reply = await ask(`${V3_PREFIX}/fault`)
    expectError(reply, 500, 'M_UNKNOWN')
    expect(JSON.stringify(reply.body)).not.toContain('secret')
    const line = http.logged.find(({ level }) => level === 'error')
    expect(reply.body['error']).toContain(String(line?.fields['request']))
    expect(line?.fields['err']).toEqual(new Error('the secret of the house'))
  })

  test('an answer that JSON cannot say is a fault too', async () => {
    await start([route({ method: 'GET', path: '/big', under: V3, auth: 'none', handle: () => ({ a: 1n }) })])
    expectError(await ask(`${V3_PREFIX}/big`), 500, 'M_UNKNOWN')
  })

  test('each request is counted once, by its pattern', async () => {
    await start(ROUTES)
    await put(V3_PREFIX + STATUS, ONLINE)
    await ask('/none')
    await until(() => http.done.length === 2, 'both were counted')
    expect(http.done).toEqual([
      { method: 'PUT', pattern: '/_matrix/client/v3/presence/:userId/status', status: 200, durationMs: 0 },
      { method: 'GET', pattern: 'unknown', status: 404, durationMs: 0 },
    ])
  })
})

/** Parks until its signal fires, as /sync does. */
function parking(onAbort: 'answer' | 'throw' | 'ignore'): { routes: Route[]; signals: AbortSignal[] } {
  const signals: AbortSignal[] = []
  const park = route({
    method: 'GET',
    path: '/sync',
    under: V3,
    auth: 'none',
    handle: async ({ signal }) => {
      signals.push(signal)
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => {
          if (onAbort === 'answer') resolve()
          if (onAbort === 'throw') reject(signal.reason as Error)
        })
      })
      return { next_batch: 'x' }
    },
  })
  return { routes: [park], signals }
}

describe('the end', () => {
  test('a client that goes away aborts its call, and nothing is left of it', async () => {
    for (const onAbort of ['answer', 'throw'] as const) {
      const { routes, signals } = parking(onAbort)
      await start(routes)
      const raw = await connectRaw(http.address)
      raw.write(`GET ${V3_PREFIX}/sync HTTP/1.1\r\nHost: hs\r\n\r\n`)
      await until(() => signals.length === 1, 'it is parked')
      expect([http.server.inFlight, signals[0]?.aborted]).toEqual([1, false])
      raw.destroy()
      await until(() => http.server.inFlight === 0, 'the call has ended')
      expect(signals[0]?.aborted).toBe(true)
      expect(http.done.map(({ status }) => status)).toEqual([499])
      expect(http.logged.filter(({ level }) => level === 'error')).toEqual([])
    }
  })

  test('a client that goes away in the middle of its body is no fault', async () => {
    await start(ROUTES)
    const raw = await connectRaw(http.address)
    raw.write(`POST ${V3_PREFIX}/echo HTTP/1.1\r\nHost: hs\r\nContent-Length: 9\r\n\r\n{`)
    await until(() => http.limited.length === 1, 'the body is awaited')
    raw.destroy()
    await until(() => http.done.length === 1, 'the call has ended')
    expect(http.done[0]?.status).toBe(499)
    await settle()
    expect(http.logged.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('what comes while the server closes is answered 503', async () => {
    const { routes, signals } = parking('ignore')
    await start([...routes, ...ROUTES])
    const [parked, late] = [await connectRaw(http.address), await connectRaw(http.address)]
    late.write(`GET ${V3_PREFIX}/nothing HTTP/1.1\r\n`)
    parked.write(`GET ${V3_PREFIX}/sync HTTP/1.1\r\nHost: hs\r\n\r\n`)
    await until(() => signals.length === 1, 'it is parked')
    const closed = http.server.close()
    late.write('Host: hs\r\n\r\n')
    await until(() => late.closed, 'it was answered')
    expect(late.text).toMatch(/^HTTP\/1\.1 503 [^]*connection: close/i)
    await http.clock.advance(HTTP_BOUNDS.drainMs)
    await closed
  })

  test('closing answers what is parked at once, with connection: close', async () => {
    const { routes, signals } = parking('answer')
    await start(routes)
    const raws = await Promise.all(Array.from({ length: 50 }, () => connectRaw(http.address)))
    for (const raw of raws) raw.write(`GET ${V3_PREFIX}/sync HTTP/1.1\r\nHost: hs\r\n\r\n`)
    await until(() => signals.length === 50, 'all are parked')
    await http.server.close()
    await until(() => raws.every(({ closed }) => closed), 'all connections ended')
    for (const { text } of raws) {
      expect(text).toMatch(/^HTTP\/1\.1 200 [^]*connection: close[^]*{"next_batch":"x"}$/i)
    }
    expect(http.clock.timers).toBe(0)
  })

  test('a call that lets the abort through is answered 503 when the server closes', async () => {
    const { routes, signals } = parking('throw')
    await start(routes)
    const raw = await connectRaw(http.address)
    raw.write(`GET ${V3_PREFIX}/sync HTTP/1.1\r\nHost: hs\r\n\r\n`)
    await until(() => signals.length === 1, 'it is parked')
    await http.server.close()
    await until(() => raw.closed, 'the connection ended')
    expect(raw.text).toMatch(/^HTTP\/1\.1 503 [^]*"errcode":"M_UNKNOWN"/)
    expect(http.logged.filter(({ level }) => level === 'error')).toEqual([])
  })

  test('a call that does not end is cut after the bound, and said', async () => {
    const { routes, signals } = parking('ignore')
    await start(routes)
    const raw = await connectRaw(http.address)
    raw.write(`GET ${V3_PREFIX}/sync HTTP/1.1\r\nHost: hs\r\n\r\n`)
    await until(() => signals.length === 1, 'it is parked')
    const closed = http.server.close()
    await http.clock.advance(HTTP_BOUNDS.drainMs - 1)
    expect(raw.closed).toBe(false)
    await http.clock.advance(1)
    await closed
    await until(() => raw.closed, 'the connection was cut')
    expect(http.logged.map(({ level }) => level)).toContain('warn')
  })

  test('closing does not wait for connections without a request, nor for a body that does not come', async () => {
    await start(ROUTES)
    const silent = await connectRaw(http.address)
    const half = await connectRaw(http.address)
    half.write(
      `PUT ${V3_PREFIX}${STATUS} HTTP/1.1\r\nHost: hs\r\nAuthorization: Bearer alice-token\r\nContent-Length: 9\r\n\r\n{`,
    )
    await until(() => http.server.inFlight === 1, 'the body is awaited')
    await until(() => http.limited.length === 1, 'the body is awaited')
    await http.server.close()
    await until(() => silent.closed && half.closed, 'both ended')
    expect(half.text).toMatch(/^HTTP\/1\.1 503 /)
    await http.server.close()
  })

  test('a port that is taken is an error of listen', async () => {
    await start(ROUTES)
    const again = { port: http.address.port, bind: '127.0.0.1', resources: [], xForwarded: false, tls: null }
    await expect(http.server.listen(again)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

describe('TLS', () => {
  test('a listener with a certificate serves HTTPS, and survives what is not', async () => {
    await start(ROUTES, {}, { tls: selfSigned() })
    expect(http.address.url).toMatch(/^https:/)
    const plain = await connectRaw(http.address)
    plain.write('GET / HTTP/1.1\r\n\r\n')
    await until(() => plain.closed, 'plain HTTP was refused')
    const raw = await connectRaw(http.address, true)
    raw.write(`GET ${V3_PREFIX}/nothing HTTP/1.1\r\nHost: hs\r\nConnection: close\r\n\r\n`)
    await until(() => raw.closed, 'it was answered')
    expect(raw.text).toMatch(/^HTTP\/1\.1 200 /)
    expect(http.logged.filter(({ level }) => level === 'error')).toEqual([])
  })
})

describe('anything at all', () => {
  const unexpected = (): string[] =>
    http.logged.filter(({ level }) => level === 'error').map((line) => String(line.fields['err']))

  test('random bytes as bodies are never a fault', async () => {
    await start(ROUTES)
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .string({
          unit: fc.constantFrom('{', '}', '[', '"', '\\', 'u', 'd', '8', ':', ',', '-', 'e', '.', '1'),
        })
        .map((text) => Buffer.from(text)),
    )
    const paths = fc.constantFrom(STATUS, '/rooms/!a:hs/leave', '/rooms/!a:hs/state/a/b')
    await fc.assert(
      fc.asyncProperty(bodies, paths, async (body, path) => {
        const method = path.endsWith('leave') ? 'POST' : 'PUT'
        const reply = await ask(V3_PREFIX + path, { method, raw: body, token: 'alice-token' })
        expect(reply.status).toBeLessThan(500)
        if (reply.status !== 200)
          expect(reply.body).toMatchObject({ errcode: expect.any(String), error: expect.any(String) })
      }),
      { numRuns: 300 },
    )
    expect(unexpected()).toEqual([])
  })

  test('random paths, methods and headers are never a fault', async () => {
    await start(ROUTES)
    const paths = fc.string({
      unit: fc.constantFrom(
        '/',
        '%',
        '2',
        'F',
        'f',
        '0',
        '?',
        '#',
        ';',
        ':',
        '@',
        'a',
        '..',
        '_matrix',
        'client',
        'v3',
        'profile',
      ),
      maxLength: 40,
    })
    const prefixes = fc.constantFrom(
      '',
      `${V3_PREFIX}/profile/`,
      `${V3_PREFIX}/rooms/`,
      `${V3_PREFIX}/pushrules/`,
      'http://x',
    )
    const methods = fc.constantFrom('GET', 'PUT', 'DELETE', 'PATCH', 'PROPFIND')
    await fc.assert(
      fc.asyncProperty(prefixes, paths, methods, async (prefix, path, method) => {
        const raw = await connectRaw(http.address)
        raw.write(`${method} ${prefix || '/'}${path} HTTP/1.1\r\nHost: hs\r\nConnection: close\r\n\r\n`)
        await until(() => raw.closed, 'it was answered')
        expect(raw.text).toMatch(/^HTTP\/1\.1 [24]\d\d /)
      }),
      { numRuns: 200 },
    )
    expect(unexpected()).toEqual([])
  })

  test('random bytes instead of HTTP never bring the server down', async () => {
    await start(ROUTES)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
        const raw = await connectRaw(http.address)
        raw.write(Buffer.from(bytes))
        raw.end()
        await until(() => raw.closed, 'it ended')
      }),
      { numRuns: 100 },
    )
    expect((await ask(`${V3_PREFIX}/nothing`)).status).toBe(200)
    expect(unexpected()).toEqual([])
  })
})
