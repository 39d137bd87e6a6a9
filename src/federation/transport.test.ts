import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { certificateAuthority, selfSigned, type Certificate } from '../../test/support/certificate.ts'
import { ManualClock, settle, until } from '../../test/support/manual-clock.ts'
import { listenTls, type Answered, type Received, type TlsHost } from '../../test/support/tls-host.ts'
import { must } from '../base/assert.ts'
import type { ServerName } from '../matrix/ids.ts'
import { SigningKey, VerifyKey } from '../matrix/signing.ts'
import { isRequestSigned, parseXMatrix } from '../matrix/x-matrix.ts'
import { RESOLVER_BOUNDS, TRANSPORT_BOUNDS } from './bounds.ts'
import type { Dns } from './dns.ts'
import { createTransport, type Outcome, type Transport } from './transport.ts'

const HOME = 'home.example' as ServerName
const REMOTE = 'remote.example' as ServerName
const KEY = new SigningKey({ seed: new Uint8Array(32).fill(7), version: 'a_1' })
const authority = certificateAuthority()
const NO_DNS: Dns = {
  services: () => Promise.reject(new Error('no name server')),
  addresses: () => Promise.reject(new Error('no name server')),
}

let clock: ManualClock
let received: Received[]
let handle: (request: Received) => Answered | null | Promise<Answered | null>
const closing: (() => Promise<unknown>)[] = []

beforeEach(() => {
  clock = new ManualClock()
  received = []
  handle = () => ok({})
})
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const ok = (body: object, headers: Record<string, string> = {}): Answered => ({
  status: 200,
  headers,
  body: JSON.stringify(body),
})

async function aHost(certificate: Certificate = authority.issue([REMOTE])): Promise<TlsHost> {
  const host = await listenTls(certificate, async (request) => {
    received.push(request)
    return handle(request)
  })
  closing.push(() => host.close())
  return host
}

interface Given {
  readonly routes?: Record<string, string>
  readonly dns?: Dns
  readonly verifyTls?: boolean
  readonly extraAuthorities?: string | null
  readonly bounds?: Partial<{ [Name in keyof typeof TRANSPORT_BOUNDS]: number }>
}

function aTransport(given: Given = {}): Transport {
  const transport = createTransport({
    serverName: HOME,
    signingKey: KEY,
    clock,
    random: seededRandom(1),
    dns: given.dns ?? NO_DNS,
    routes: new Map(Object.entries(given.routes ?? {})) as Map<ServerName, string>,
    extraAuthorities: given.extraAuthorities === undefined ? authority.cert : given.extraAuthorities,
    verifyTls: given.verifyTls ?? true,
    requestTimeoutMs: 60_000,
    userAgent: 'Adsum/test',
    bounds: { ...TRANSPORT_BOUNDS, ...RESOLVER_BOUNDS, ...given.bounds },
  })
  closing.push(() => transport.close())
  return transport
}

const toHost = ({ port }: TlsHost, name: string = REMOTE): Record<string, string> => ({
  [name]: `127.0.0.1:${port}`,
})

function put(transport: Transport, destination: string = REMOTE): Promise<Outcome> {
  return transport.signedRequest({
    destination: destination as ServerName,
    method: 'PUT',
    path: '/_matrix/federation/v1/send/1?a=%40b&c',
    content: { b: [1, 'é'], a: {} },
  })
}

describe('a signed request', () => {
  test('P-155 carries origin, destination, key and a signature over exactly what is sent', async () => {
    const host = await aHost()
    expect(await put(aTransport({ routes: toHost(host) }))).toMatchObject({ kind: 'answered', status: 200 })
    const [request] = received
    expect(request).toMatchObject({
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/1?a=%40b&c',
      headers: { host: REMOTE, 'content-type': 'application/json', 'user-agent': 'Adsum/test' },
    })
    expect(request?.body.toString()).toBe('{"b":[1,"é"],"a":{}}')
    const claim = parseXMatrix(String(request?.headers['authorization']))
    expect(claim).toMatchObject({ origin: HOME, destination: REMOTE, keyId: 'ed25519:a_1' })
    const signed = {
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/1?a=%40b&c',
      origin: HOME,
      destination: REMOTE,
      content: { a: {}, b: [1, 'é'] },
    }
    const key = must(VerifyKey.parse(KEY.publicKey), 'key')
    expect(isRequestSigned(signed, claim?.signature ?? '', key)).toBe(true)
    expect(isRequestSigned({ ...signed, uri: '/other' }, claim?.signature ?? '', key)).toBe(false)
  })

  test('P-155 without content it has no body, and none is signed', async () => {
    const host = await aHost()
    const path = '/_matrix/federation/v1/query/profile?user_id=x'
    await aTransport({ routes: toHost(host) }).signedRequest({
      destination: REMOTE,
      method: 'GET',
      path,
      content: null,
    })
    const [request] = received
    expect(request?.body).toHaveLength(0)
    expect(request?.headers).not.toHaveProperty('content-type')
    const claim = parseXMatrix(String(request?.headers['authorization']))
    const key = must(VerifyKey.parse(KEY.publicKey), 'key')
    const signed = { method: 'GET', uri: path, origin: HOME, destination: REMOTE }
    expect(isRequestSigned(signed, claim?.signature ?? '', key)).toBe(true)
  })

  test('an unsigned one carries nothing of us', async () => {
    const host = await aHost()
    handle = () => ok({ server_name: REMOTE })
    const transport = aTransport({ routes: toHost(host) })
    const answer = await transport.unsignedGet(REMOTE, '/_matrix/key/v2/server', { timeoutMs: 1_000 })
    expect(answer).toEqual({
      kind: 'answered',
      status: 200,
      body: { server_name: REMOTE },
      retryAfterMs: null,
    })
    expect(received[0]).toMatchObject({ method: 'GET', uri: '/_matrix/key/v2/server' })
    expect(received[0]?.headers).not.toHaveProperty('authorization')
  })

  test.each<[string, Answered, Outcome]>([
    ['no JSON', { status: 502, headers: {}, body: '<html>' }, answered(502, null, null)],
    ['no object', { status: 200, headers: {}, body: '[]' }, answered(200, null, null)],
    ['nothing', { status: 204, headers: {}, body: '' }, answered(204, null, null)],
    ['seconds', ok({}, { 'retry-after': '7' }), answered(200, {}, 7_000)],
    ['a date', ok({}, { 'retry-after': 'Fri, 02 Oct 2015 12:01:00 GMT' }), answered(200, {}, 60_000)],
    ['a past date', ok({}, { 'retry-after': 'Fri, 02 Oct 2015 11:00:00 GMT' }), answered(200, {}, 0)],
    ['milliseconds', ok({ retry_after_ms: 1_500 }), answered(200, { retry_after_ms: 1_500 }, 1_500)],
    [
      'nonsense',
      ok({ retry_after_ms: -1 }, { 'retry-after': 'soon' }),
      answered(200, { retry_after_ms: -1 }, null),
    ],
    [
      'a redirect',
      { status: 302, headers: { location: 'https://remote.example/x' }, body: '' },
      answered(302, null, null),
    ],
  ])('an answer with %s is read as what it is', async (_what, answer, outcome) => {
    const host = await aHost()
    handle = () => answer
    expect(await put(aTransport({ routes: toHost(host) }))).toEqual(outcome)
    expect(received).toHaveLength(1)
  })

  test('of an answer that is too long the status counts', async () => {
    const host = await aHost()
    handle = () => ok({ x: 'x'.repeat(TRANSPORT_BOUNDS.responseBytesMax) })
    const transport = aTransport({ routes: toHost(host) })
    expect(await put(transport)).toEqual(answered(200, null, null))
    handle = () => ok({})
    expect(await put(transport)).toEqual(answered(200, {}, null))
  })
})

function answered(status: number, body: object | null, retryAfterMs: number | null): Outcome {
  return { kind: 'answered', status, body, retryAfterMs } as Outcome
}

describe('certificates and names', () => {
  test('a fixed route changes where, not whom: SNI, Host and certificate are the server’s', async () => {
    const host = await aHost(authority.issue([REMOTE]))
    const transport = aTransport({ routes: { ...toHost(host), ...toHost(host, 'remote.example:8448') } })
    await put(transport)
    await put(transport, 'remote.example:8448')
    expect(received.map(({ sni, headers }) => [sni, headers['host']])).toEqual([
      [REMOTE, REMOTE],
      [REMOTE, 'remote.example:8448'],
    ])
  })

  test.each<[string, () => Certificate, Given, boolean]>([
    ['its own', () => authority.issue([REMOTE]), {}, true],
    ['a shared', () => authority.issue(['another.example', REMOTE]), {}, true],
    ['that of where it was found', () => authority.issue(['127.0.0.1', 'localhost']), {}, false],
    ['an expired one', () => authority.issue([REMOTE], { isExpired: true }), {}, false],
    ['one of an unknown authority', () => certificateAuthority().issue([REMOTE]), {}, false],
    ['one that nobody signed', () => selfSigned(), {}, false],
    ['one that only the file makes good', () => authority.issue([REMOTE]), { extraAuthorities: null }, false],
    ['anybody’s, unchecked', () => selfSigned(), { verifyTls: false }, true],
  ])('a server with %s certificate', async (_whose, certificate, given, isTrusted) => {
    const host = await aHost(certificate())
    const outcome = await put(aTransport({ ...given, routes: toHost(host) }))
    expect(outcome.kind).toBe(isTrusted ? 'answered' : 'failed')
    expect(received).toHaveLength(isTrusted ? 1 : 0)
  })

  test('an address is asked for without SNI and must be in the certificate', async () => {
    const host = await aHost(authority.issue(['127.0.0.1']))
    const transport = aTransport()
    expect(await put(transport, `127.0.0.1:${host.port}`)).toMatchObject({ status: 200 })
    expect(received[0]).toMatchObject({ sni: null, headers: { host: `127.0.0.1:${host.port}` } })
    const other = await aHost(authority.issue(['127.0.0.2', 'localhost']))
    expect(await put(transport, `127.0.0.1:${other.port}`)).toMatchObject({ kind: 'failed' })
  })

  test('services and addresses come from DNS; a target that refuses is passed over', async () => {
    const host = await aHost()
    const dns: Dns = {
      services: async (name) =>
        name === '_matrix-fed._tcp.remote.example'
          ? [
              { host: 'first.example', port: 1, priority: 1, weight: 1 },
              { host: 'second.example', port: host.port, priority: 2, weight: 1 },
            ]
          : [],
      addresses: async () => [{ address: '127.0.0.1', family: 4 }],
    }
    expect(await put(aTransport({ dns }))).toMatchObject({ kind: 'answered', status: 200 })
    expect(received[0]).toMatchObject({ sni: REMOTE, headers: { host: REMOTE } })
  })

  test.each(['unknown.example', 'remote.example:99999'])('%s cannot be reached', async (name) => {
    expect(await put(aTransport(), name)).toMatchObject({ kind: 'failed' })
  })
})

describe('time and bounds', () => {
  /** Everything that may be due while I/O goes on; nothing of it takes real time. */
  async function after(ms: number, pending: Promise<Outcome>): Promise<Outcome> {
    await clock.advance(ms)
    return pending
  }

  test('an answer that does not come has failed after the time-out, and not before', async () => {
    const host = await aHost()
    handle = () => new Promise(() => {})
    const pending = put(aTransport({ routes: toHost(host) }))
    let isOver = false
    void pending.then(() => (isOver = true))
    await until(() => received.length === 1, 'the request')
    await clock.advance(59_999)
    expect(isOver).toBe(false)
    expect(await after(1, pending)).toEqual({ kind: 'failed', reason: 'no answer within 60000 ms' })
    expect(clock.timers).toBe(0)
  })

  test('a body that drips counts as no answer', async () => {
    const host = await listenTls(authority.issue([REMOTE]), (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{')
      received.push(_request)
      return new Promise(() => {})
    })
    closing.push(() => host.close())
    const pending = put(aTransport({ routes: toHost(host) }))
    await until(() => received.length === 1, 'the request')
    expect(await after(60_000, pending)).toMatchObject({ kind: 'failed' })
  })

  test('a machine that accepts and never greets has failed after ten seconds', async () => {
    const sockets: Socket[] = []
    const silent = await listenTcp((socket) => sockets.push(socket))
    const pending = put(aTransport({ routes: { [REMOTE]: `127.0.0.1:${portOf(silent)}` } }))
    await until(() => sockets.length === 1, 'the connection')
    expect(await after(10_000, pending)).toMatchObject({ kind: 'failed' })
    expect(clock.timers).toBe(0)
  })

  test('a machine that cuts the connection, or answers no HTTP, has failed', async () => {
    const cutting = await listenTcp((socket) => socket.destroy())
    const talking = await listenTcp((socket) => socket.end('SSH-2.0-x\r\n'))
    const host = await aHost()
    handle = () => null
    const routes = {
      'cut.example': `127.0.0.1:${portOf(cutting)}`,
      'ssh.example': `127.0.0.1:${portOf(talking)}`,
      ...toHost(host),
    }
    const transport = aTransport({ routes })
    for (const name of ['cut.example', 'ssh.example', REMOTE])
      expect(await put(transport, name), name).toMatchObject({ kind: 'failed' })
  })

  test('connections are kept, and bounded for each server', async () => {
    const host = await aHost()
    const transport = aTransport({ routes: toHost(host) })
    await put(transport)
    await settle()
    await put(transport)
    expect(host.connections).toBe(1)
    await Promise.all(Array.from({ length: 20 }, () => put(transport)))
    expect(host.connections).toBeLessThanOrEqual(TRANSPORT_BOUNDS.connectionsPerServerMax)
  })

  test('a server that is started anew is reached again', async () => {
    const host = await aHost()
    const transport = aTransport({ routes: toHost(host) })
    await put(transport)
    host.cut()
    await until(() => host.connections === 1, 'the end of the connection')
    const outcomes = [await put(transport), await put(transport)]
    expect(outcomes[1]).toMatchObject({ kind: 'answered', status: 200 })
  })

  test('servers with connections are bounded: an old one is asked over a new connection', async () => {
    const host = await aHost(authority.issue(['a.example', 'b.example']))
    const routes = { ...toHost(host, 'a.example'), ...toHost(host, 'b.example') }
    const transport = aTransport({ routes, bounds: { poolsMax: 1 } })
    for (const name of ['a.example', 'b.example', 'a.example'])
      expect(await put(transport, name)).toMatchObject({ kind: 'answered' })
    expect(host.connections).toBe(3)
  })

  test('requests on their way are bounded', async () => {
    const host = await aHost()
    handle = () => new Promise(() => {})
    const transport = aTransport({ routes: toHost(host), bounds: { exchangesMax: 2 } })
    void put(transport)
    void put(transport)
    await until(() => received.length === 2, 'two requests')
    expect(await put(transport)).toEqual({ kind: 'failed', reason: 'too many requests are on their way' })
  })

  test('closing ends what is under way, at every stage, and lets nothing begin', async () => {
    const host = await aHost()
    handle = () => new Promise(() => {})
    const silent = await listenTcp(() => {})
    const routes = { ...toHost(host), 'silent.example': `127.0.0.1:${portOf(silent)}` }
    const transport = aTransport({ routes })
    const pending = [put(transport), put(transport, 'silent.example')]
    await until(() => received.length === 1, 'the request')
    await transport.close()
    for (const outcome of await Promise.all(pending)) expect(outcome).toMatchObject({ kind: 'failed' })
    expect(await put(transport)).toEqual({ kind: 'failed', reason: 'the server is stopping' })
    await settle()
    expect(clock.timers).toBe(0)
  })
})

async function listenTcp(onConnection: (socket: Socket) => void): Promise<Server> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  closing.push(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise((closed) => server.close(closed))
  })
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
