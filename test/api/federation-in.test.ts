import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { must } from '../../src/base/assert.ts'
import type { FederationEvent } from '../../src/federation/observe.ts'
import { createOwnKeys } from '../../src/federation/own-keys.ts'
import { createServerAuth } from '../../src/federation/server-auth.ts'
import { queryRoutes } from '../../src/http/federation/query.ts'
import { serverKeysRoutes } from '../../src/http/federation/server-keys.ts'
import { transactionRoutes } from '../../src/http/federation/transactions.ts'
import { versionRoutes } from '../../src/http/federation/version.ts'
import type { LimitName } from '../../src/http/route.ts'
import { HTTP_BOUNDS, type HttpServerDeps } from '../../src/http/server.ts'
import { refuse } from '../../src/matrix/errors.ts'
import { parseServerName, type ServerName } from '../../src/matrix/ids.ts'
import type { Json, JsonObject } from '../../src/matrix/json.ts'
import { readServerKeys } from '../../src/matrix/server-keys.ts'
import { SigningKey, VerifyKey, verifyJson } from '../../src/matrix/signing.ts'
import { signRequest } from '../../src/matrix/x-matrix.ts'
import { createRateLimits, type RateLimit, type RateLimits } from '../../src/service/rate-limit.ts'
import { connectRaw, listenHttp, type TestHttp } from '../support/http.ts'
import { ManualClock, settle, until } from '../support/manual-clock.ts'

const server = (name: string): ServerName => must(parseServerName(name), name)
const keyOf = (name: string): SigningKey =>
  new SigningKey({ seed: createHash('sha256').update(name).digest(), version: '1' })

const home = server('home.example')
const remote = server('remote.example')
const KEYS = new Map([
  [home, keyOf('home')],
  [remote, keyOf('remote')],
])
const PROFILES = new Map<string, JsonObject>([
  ['@alice:home.example', { displayname: 'Alice', avatar_url: 'mxc://home.example/a' }],
])

let http: TestHttp
let events: Json[]
let receivedBytes: number
let observed: FederationEvent[]
let outcome: () => Promise<JsonObject>
const clock = new ManualClock()

async function start(deps: Partial<HttpServerDeps> = {}): Promise<void> {
  const ownKeys = createOwnKeys({ serverName: home, key: keyOf('home'), clock })
  const routes = [
    ...serverKeysRoutes({ serverName: home, ownKeys }),
    ...versionRoutes({ version: '1.2.3' }),
    ...queryRoutes({
      serverName: home,
      profiles: {
        async get(userId) {
          events.push(['profile', userId])
          return PROFILES.get(userId) ?? null
        },
      },
    }),
    ...transactionRoutes({
      inbound: {
        async receive(origin, txnId, body, bodyBytes) {
          events.push(['transaction', origin, txnId, body])
          receivedBytes = bodyBytes
          return outcome()
        },
      },
    }),
  ]
  const servers = createServerAuth({
    serverName: home,
    keys: {
      async keyFor(name, keyId) {
        events.push(['key', name, keyId])
        await settle(1)
        const key = KEYS.get(name)
        return key === undefined || key.keyId !== keyId ? null : VerifyKey.parse(key.publicKey)
      },
    },
    sinks: { heardFrom: (origin) => void events.push(['heard', origin]) },
    observe: (event) => void observed.push(event),
  })
  http = await listenHttp(routes, { servers, ...deps }, { resources: ['federation'] })
}

beforeEach(async () => {
  events = []
  observed = []
  outcome = async () => ({ pdus: {} })
  await start()
})

afterEach(() => http.server.close())

interface Sent {
  readonly method?: string
  readonly uri?: string
  readonly content?: JsonObject | undefined
  /** What is sent in place of the content that is signed. */
  readonly body?: string
  readonly origin?: ServerName
  readonly destination?: ServerName
  readonly key?: SigningKey
  readonly change?: (authorization: string) => string | null
}

/** Limits of one a second, and nothing ahead. */
function strictLimits(): RateLimits<LimitName> {
  const names = ['federation'] as const
  const limits = Object.fromEntries(names.map((name) => [name, { burst: 1, perSecond: 1 }]))
  return createRateLimits({
    clock,
    limits: limits as Record<LimitName, RateLimit>,
    enabled: true,
    keysMax: 10,
  })
}

interface Received {
  readonly status: number
  readonly body: JsonObject
  readonly headers: Headers
}

const TRANSACTION = { origin: 'remote.example', origin_server_ts: 1, pdus: [], edus: [] }
const SEND = '/_matrix/federation/v1/send/t1'

/** A signed request of remote.example, with whatever is wrong with it. */
async function send(sent: Sent = {}): Promise<Received> {
  const { method = 'PUT', uri = SEND, origin = remote, destination = home, key = keyOf('remote') } = sent
  const content = 'content' in sent ? sent.content : TRANSACTION
  const request = { method, uri, origin, destination, ...(content !== undefined && { content }) }
  const authorization = (sent.change ?? String)(signRequest(request, key))
  const body = sent.body ?? (content === undefined ? undefined : JSON.stringify(content))
  const response = await fetch(`${http.address.url}${uri}`, {
    method,
    headers: authorization === null ? {} : { authorization },
    ...(body !== undefined && { body }),
  })
  return { status: response.status, body: (await response.json()) as JsonObject, headers: response.headers }
}

const get = (uri: string, sent: Sent = {}): Promise<Received> =>
  send({ method: 'GET', uri, content: undefined, ...sent })

async function plain(uri: string, init: RequestInit = {}): Promise<Received> {
  const response = await fetch(`${http.address.url}${uri}`, init)
  return { status: response.status, body: (await response.json()) as JsonObject, headers: response.headers }
}

const UNAUTHORIZED = { status: 401, body: { errcode: 'M_UNAUTHORIZED' } }
const KEY_ASKED = ['key', remote, 'ed25519:1']

describe('signed requests', () => {
  test('P-158 P-161 a transaction of a server that signs reaches the handler with its origin', async () => {
    expect(await send()).toMatchObject({ status: 200, body: { pdus: {} } })
    expect(events).toEqual([KEY_ASKED, ['heard', remote], ['transaction', remote, 't1', TRANSACTION]])
    expect(receivedBytes).toBe(JSON.stringify(TRANSACTION).length)
  })

  test('P-157 without destination in the header, as servers of 2015 send it', async () => {
    const change = (header: string): string => header.replace(/destination="[^"]*",/, '')
    expect((await send({ change })).status).toBe(200)
  })

  test('§5.2 in any of the forms of the header', async () => {
    const change = (header: string): string =>
      header.replace('X-Matrix origin="remote.example",', 'x-matrix unknown=1, ORIGIN = remote.example ,')
    expect((await send({ change })).status).toBe(200)
  })

  test('P-164 with a trailing slash', async () => {
    expect((await send({ uri: `${SEND}/` })).status).toBe(200)
    expect(events.at(-1)).toEqual(['transaction', remote, 't1', TRANSACTION])
    expect(observed).toEqual([])
  })

  test('§5.2 the signature covers path and query as they were sent', async () => {
    expect((await send({ uri: '/_matrix/federation/v1/send/t%31?a=%62&a' })).status).toBe(200)
    expect(events.at(-1)).toEqual(['transaction', remote, 't1', TRANSACTION])
  })

  test('P-158 the log names the server that asked', async () => {
    await send()
    await until(() => http.logged.length > 0, 'the request is logged')
    expect(http.logged[0]?.fields).toMatchObject({ origin: remote, path: SEND })
  })
})

describe('requests that are not properly signed', () => {
  test('P-156 for another server', async () => {
    expect(await send({ destination: server('third.example') })).toMatchObject(UNAUTHORIZED)
    expect(events).toEqual([])
    expect(observed).toEqual([{ kind: 'request refused', by: 'header' }])
  })

  test.each<[string, Sent]>([
    ['without Authorization', { change: () => null }],
    ['with a token', { change: () => 'Bearer alice-token' }],
    ['with a header that is none', { change: (header) => header.replace('origin', 'from') }],
    ['of this server itself', { origin: home, key: keyOf('home') }],
  ])('P-158 %s', async (_, sent) => {
    expect(await send(sent)).toMatchObject(UNAUTHORIZED)
    expect(events).toEqual([])
    expect(observed).toEqual([{ kind: 'request refused', by: 'header' }])
  })

  test.each<[string, Sent]>([
    ['with the key of another', { key: keyOf('else') }],
    [
      'signed for another method',
      {
        change: () =>
          signRequest(
            { method: 'POST', uri: SEND, origin: remote, destination: home, content: TRANSACTION },
            keyOf('remote'),
          ),
      },
    ],
    ['whose signature is no base64', { change: (header) => header.replace(/sig="[^"]*"/, 'sig="!"') }],
    ['whose body was changed', { body: JSON.stringify({ ...TRANSACTION, origin_server_ts: 2 }) }],
    [
      'signed for another path',
      {
        change: () =>
          signRequest(
            { method: 'PUT', uri: `${SEND}0`, origin: remote, destination: home, content: TRANSACTION },
            keyOf('remote'),
          ),
      },
    ],
    [
      'signed for another server, without saying so',
      {
        destination: server('third.example'),
        change: (header) => header.replace(/destination="[^"]*",/, ''),
      },
    ],
    [
      'signed without its body',
      {
        change: () =>
          signRequest({ method: 'PUT', uri: SEND, origin: remote, destination: home }, keyOf('remote')),
      },
    ],
  ])('P-158 %s', async (_, sent) => {
    expect(await send(sent)).toMatchObject(UNAUTHORIZED)
    expect(events).toEqual([KEY_ASKED])
    expect(observed).toEqual([{ kind: 'request refused', by: 'signature' }])
    expect(http.limited).toEqual([['federation', '127.0.0.1']])
  })

  test('P-158 of a server whose key cannot be had, and its body is not waited for', async () => {
    const connection = await connectRaw(http.address)
    const authorization = `X-Matrix origin="gone.example",key="ed25519:1",sig="c2ln"`
    connection.write(
      `PUT ${SEND} HTTP/1.1\r\nhost: home.example\r\nauthorization: ${authorization}\r\ncontent-length: 5000000\r\n\r\n`,
    )
    await until(() => connection.text.includes('M_UNAUTHORIZED'), 'it is refused')
    expect(connection.text).toMatch(/^HTTP\/1\.1 401 /)
    expect(events).toEqual([['key', 'gone.example', 'ed25519:1']])
    expect(observed).toEqual([{ kind: 'request refused', by: 'key' }])
    connection.destroy()
  })

  test.each<[string, string, string]>([
    ['nothing', '', 'M_NOT_JSON'],
    ['no JSON', '{"origin":', 'M_NOT_JSON'],
    ['an array', '[]', 'M_BAD_JSON'],
    ['a doubled key', '{"origin":"a","origin":"b"}', 'M_BAD_JSON'],
    ['a fraction', '{"a":1.0}', 'M_BAD_JSON'],
    ['a lone surrogate', '{"a":"\\ud800"}', 'M_BAD_JSON'],
    ['101 levels', `${'{"a":'.repeat(101)}1${'}'.repeat(101)}`, 'M_BAD_JSON'],
  ])('P-007 P-008 P-158 a body that is %s has no effect', async (_, body, errcode) => {
    expect(await send({ body })).toMatchObject({ status: 400, body: { errcode } })
    expect(events).toEqual([KEY_ASKED])
  })

  test('a body beyond the bound is refused', async () => {
    const body = JSON.stringify({ ...TRANSACTION, padding: 'x'.repeat(10_000_000) })
    expect(await send({ body })).toMatchObject({ status: 413, body: { errcode: 'M_TOO_LARGE' } })
    expect(events).toEqual([KEY_ASKED])
  })

  test.each([
    ['values', '1,', 500_000],
    ['lists', '[],', 250_000],
    ['objects', '{},', 250_000],
    ['escapes', '"\\n\\n\\n",', 125_000],
  ])('a body of more %s than presence can have is refused before it is parsed', async (_, part, count) => {
    expect(await send({ body: `[${part.repeat(count)}1]` })).toMatchObject({
      status: 413,
      body: { errcode: 'M_TOO_LARGE' },
    })
    expect(await send({ body: `[${part.repeat(count - 1)}1]` })).toMatchObject({ status: 400 })
    expect(events).toEqual([KEY_ASKED, KEY_ASKED])
  })

  test('a body of five megabytes is read, if it is signed', async () => {
    const content = { ...TRANSACTION, padding: 'x'.repeat(5_000_000) }
    expect((await send({ content })).status).toBe(200)
  })
})

describe('whoever has nothing left', () => {
  const profile = '/_matrix/federation/v1/query/profile?user_id=@alice:home.example'
  const limited = { status: 429, body: { errcode: 'M_LIMIT_EXCEEDED' } }
  const large = 'x'.repeat(10_240)

  beforeEach(async () => {
    await http.server.close()
    await start({ limits: strictLimits() })
  })

  test('P-158 what nobody signed is paid by its address, by its size, and not by the server that it names', async () => {
    expect(await send({ body: JSON.stringify({ a: large }) })).toMatchObject(UNAUTHORIZED)
    events = []
    expect(await send()).toMatchObject({ ...limited, body: { retry_after_ms: 11_000 } })
    expect(events).toEqual([KEY_ASKED])
    await clock.advance(11_000)
    expect((await get(profile)).status).toBe(200)
  })

  test('what is no JSON is paid in the same way', async () => {
    expect((await send({ body: large })).status).toBe(400)
    expect(await send()).toMatchObject({ ...limited, body: { retry_after_ms: 11_000 } })
  })

  test('of a server that has nothing left no body is read', async () => {
    expect((await get(profile)).status).toBe(200)
    events = []
    expect(await send({ body: '{' })).toMatchObject({ ...limited, body: { retry_after_ms: 1_000 } })
    expect(events).toEqual([KEY_ASKED])
  })
})

describe('large bodies', () => {
  const large = { ...TRANSACTION, padding: 'x'.repeat(100_000) }

  test('share a bounded room; small ones always find some', async () => {
    await http.server.close()
    await start({ bounds: { ...HTTP_BOUNDS, largeBodiesBytesMax: 150_000 } })
    const gates: (() => void)[] = []
    outcome = () => new Promise((resolve) => gates.push(() => resolve({ pdus: {} })))
    const first = send({ content: large })
    await until(() => gates.length === 1, 'the first is under way')
    expect(await send({ content: large })).toMatchObject({
      status: 429,
      body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: expect.any(Number) },
    })
    const small = send()
    await until(() => gates.length === 2, 'the small one is under way')
    for (const open of gates) open()
    expect([(await first).status, (await small).status]).toEqual([200, 200])
    await until(() => http.server.inFlight === 0, 'the room is free again')
    outcome = async () => ({ pdus: {} })
    expect((await send({ content: large })).status).toBe(200)
  })

  test('without a length count as much as they may have', async () => {
    await http.server.close()
    await start({ bounds: { ...HTTP_BOUNDS, largeBodiesBytesMax: 9_000_000 } })
    const connection = await connectRaw(http.address)
    const request = { method: 'PUT', uri: SEND, origin: remote, destination: home, content: TRANSACTION }
    const authorization = signRequest(request, keyOf('remote'))
    connection.write(
      `PUT ${SEND} HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\ntransfer-encoding: chunked\r\n\r\n`,
    )
    await until(() => connection.text.includes('M_LIMIT_EXCEEDED'), 'it is refused')
    connection.destroy()
  })
})

describe('paths', () => {
  test('§5.2 an unknown one is 404, whoever asks', async () => {
    const unknown = { status: 404, body: { errcode: 'M_UNRECOGNIZED' } }
    expect(await plain('/_matrix/federation/v1/nothing')).toMatchObject(unknown)
    expect(await get('/_matrix/federation/v3/version')).toMatchObject(unknown)
  })

  test('§5.2 a known one with another method is 405', async () => {
    const wrong = { status: 405, body: { errcode: 'M_UNRECOGNIZED' } }
    expect(await plain(SEND)).toMatchObject(wrong)
    expect(await plain('/_matrix/federation/v1/query/profile', { method: 'POST' })).toMatchObject(wrong)
    expect(await plain('/_matrix/key/v2/server', { method: 'PUT' })).toMatchObject(wrong)
  })

  test('what a handler refuses is answered so', async () => {
    outcome = () => Promise.reject(refuse.limitExceeded(undefined, { retry_after_ms: 1_500 }))
    const answer = await send()
    expect(answer).toMatchObject({
      status: 429,
      body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1_500 },
    })
    expect(answer.headers.get('retry-after')).toBe('2')
    outcome = () => Promise.reject(new Error('the disk'))
    expect((await send()).status).toBe(500)
  })

  test('the software says its version', async () => {
    expect((await plain('/_matrix/federation/v1/version')).body).toEqual({
      server: { name: 'Adsum', version: '1.2.3' },
    })
  })
})

describe('own keys', () => {
  test.each([
    '/_matrix/key/v2/server',
    '/_matrix/key/v2/server/',
    '/_matrix/key/v2/server/ed25519%3A1',
    '/_matrix/key/v2/server/ed25519:gone',
  ])('P-153 %s answers the signed key object to anybody', async (path) => {
    const { status, body } = await plain(path)
    expect(status).toBe(200)
    expect(readServerKeys(body, home)).toEqual({
      keys: [{ keyId: 'ed25519:1', publicKey: keyOf('home').publicKey, expiredTs: null }],
      validUntilTs: body['valid_until_ts'],
    })
    expect(body['old_verify_keys']).toEqual({})
  })

  test('P-153 it holds for twelve hours or more, and is signed anew only when it must be', async () => {
    const until = async (): Promise<number> =>
      (await plain('/_matrix/key/v2/server')).body['valid_until_ts'] as number
    const first = await until()
    expect(first).toBe(clock.now() + 24 * 3_600_000)
    await clock.advance(12 * 3_600_000)
    expect(await until()).toBe(first)
    await clock.advance(1)
    expect(await until()).toBe(clock.now() + 24 * 3_600_000)
  })

  test('a notary answers for itself, and is silent of others', async () => {
    const own = (await plain('/_matrix/key/v2/server')).body
    for (const path of ['/_matrix/key/v2/query/home.example', '/_matrix/key/v2/query/home.example/ed25519:1'])
      expect((await plain(path)).body).toEqual({ server_keys: [own] })
    expect((await plain('/_matrix/key/v2/query/remote.example')).body).toEqual({ server_keys: [] })
    const ask = async (body: Json): Promise<Received> =>
      plain('/_matrix/key/v2/query', { method: 'POST', body: JSON.stringify(body) })
    const wanted = { 'ed25519:1': { minimum_valid_until_ts: 1 } }
    const both = { 'home.example': wanted, 'remote.example': {} }
    expect((await ask({ server_keys: both })).body).toEqual({ server_keys: [own] })
    expect((await ask({ server_keys: { 'remote.example': {} } })).body).toEqual({ server_keys: [] })
    expect((await ask({ server_keys: {} })).body).toEqual({ server_keys: [] })
    for (const bad of [{}, { server_keys: [] }, []])
      expect(await ask(bad)).toMatchObject({ status: 400, body: { errcode: 'M_BAD_JSON' } })
    const verify = VerifyKey.parse(keyOf('home').publicKey)
    expect(verifyJson(own, home, () => verify)).toBe(true)
  })

  test('asking for keys is limited by address', async () => {
    await plain('/_matrix/key/v2/server')
    expect(http.limited).toEqual([['federation', '127.0.0.1']])
  })
})

describe('profiles', () => {
  const query = (text: string): Promise<Received> => get(`/_matrix/federation/v1/query/profile${text}`)
  const alice = '?user_id=%40alice%3Ahome.example'

  test('P-204 all that there is, or one field', async () => {
    expect(await query(alice)).toMatchObject({ status: 200 })
    expect((await query(alice)).body).toEqual(PROFILES.get('@alice:home.example'))
    expect((await query(`${alice}&field=displayname`)).body).toEqual({ displayname: 'Alice' })
    expect((await query(`${alice}&field=avatar_url`)).body).toEqual({ avatar_url: 'mxc://home.example/a' })
  })

  test.each([
    '?user_id=@bob:home.example',
    `${alice}&field=m.tz`,
    `${alice}&field=`,
    `${alice}&field=constructor`,
  ])('P-204 %s is not found', async (text) => {
    expect(await query(text)).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } })
  })

  test.each([
    ['', 'M_MISSING_PARAM'],
    ['?user_id=alice', 'M_INVALID_PARAM'],
    ['?user_id=@alice:remote.example', 'M_INVALID_PARAM'],
    ['?user_id=@alice:home.example:8448', 'M_INVALID_PARAM'],
  ])('P-204 %j is refused without a look', async (text, errcode) => {
    expect(await query(text)).toMatchObject({ status: 400, body: { errcode } })
    expect(events.filter((event) => (event as Json[])[0] === 'profile')).toEqual([])
  })

  test('P-158 it is for servers that sign, and limited by server', async () => {
    expect(await plain(`/_matrix/federation/v1/query/profile${alice}`)).toMatchObject(UNAUTHORIZED)
    const change = (header: string): string => header.replace(/sig=".{5}/, 'sig="AAAAA')
    const uri = `/_matrix/federation/v1/query/profile${alice}`
    expect(await get(uri, { change })).toMatchObject(UNAUTHORIZED)
    expect(http.limited).toEqual([['federation', '127.0.0.1']])
    await query(alice)
    expect(http.limited.slice(1)).toEqual([['federation', remote]])
    expect(events).toContainEqual(['heard', remote])
  })
})

describe('anything at all', () => {
  test('as Authorization or as body is never a fault', async () => {
    const text = fc.stringMatching(/^[ -~]{0,40}$/)
    const authorization = fc.oneof(
      text,
      text.map((rest) => `X-Matrix origin="remote.example",${rest}`),
    )
    await fc.assert(
      fc.asyncProperty(authorization, fc.string(), async (header, body) => {
        const { status } = await send({ change: () => header.trim() || 'x', body })
        expect(status).toBe(401)
        expect([400, 401]).toContain((await send({ body })).status)
      }),
      { numRuns: 50 },
    )
    expect(events.every((event) => (event as Json[])[0] === 'key')).toBe(true)
    expect(http.logged.filter(({ level }) => level === 'error')).toEqual([])
  })
})
