import { isIP, type LookupFunction, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  getCACertificates,
  type ConnectionOptions,
  type SecureContext,
} from 'node:tls'
import { LRUCache } from 'lru-cache'
import { Pool, type buildConnector, type Dispatcher } from 'undici'
import type { Clock } from '../base/clock.ts'
import type { TransportBounds } from './bounds.ts'
import type { Dns } from './dns.ts'

/** A machine to connect to. */
export interface Target {
  /** Name or address, the latter without brackets. */
  readonly host: string
  readonly port: number
}

/** Where a server is reached, and as whom (PRESENCE-SPEC §5.1). */
export interface ServerAddress {
  /** In the order in which they are tried. */
  readonly targets: readonly Target[]
  /** Whose certificate it must show: a host name or an IP address. */
  readonly tlsName: string
  readonly hostHeader: string
}

export interface HttpsRequest {
  readonly address: ServerAddress
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | null
}

export type HttpsOutcome =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** Lower-case names; of a doubled header the first. */
      readonly headers: ReadonlyMap<string, string>
      /** Null if it is longer than allowed. */
      readonly body: Uint8Array | null
    }
  | { readonly kind: 'failed'; readonly reason: string }

export interface HttpsClientDeps {
  readonly clock: Clock
  readonly dns: Dns
  /** Certificates (PEM) of authorities to trust beside those that Node.js knows. */
  readonly extraAuthorities: string | null
  readonly verifyTls: boolean
  readonly bounds: TransportBounds
}

/**
 * HTTPS requests to a given address: connecting, TLS and bounds, nothing of Matrix. Follows no redirects, keeps connections, and
 * waits for nothing longer than the signal of the request lets it.
 */
export class HttpsClient {
  readonly #deps: HttpsClientDeps
  readonly #pools: LRUCache<string, Pool>
  /** Sockets that are not handed to a pool yet. */
  readonly #connecting = new Set<Socket>()
  readonly #lookup: LookupFunction
  readonly #secureContext: SecureContext
  #exchanges = 0
  #closed = false

  constructor(deps: HttpsClientDeps) {
    this.#deps = deps
    this.#lookup = lookupIn(deps.dns)
    this.#secureContext = secureContext(deps.extraAuthorities)
    this.#pools = new LRUCache({
      maxSize: deps.bounds.poolsMax,
      sizeCalculation: () => 1,
      // What is under way ends well.
      dispose: (pool) => void pool.close().catch(() => {}),
    })
  }

  /** Requests that have no answer yet. */
  get underWay(): number {
    return this.#exchanges
  }

  async exchange(request: HttpsRequest, signal: AbortSignal): Promise<HttpsOutcome> {
    if (this.#closed) return { kind: 'failed', reason: 'the server is stopping' }
    if (this.#exchanges >= this.#deps.bounds.exchangesMax)
      return { kind: 'failed', reason: 'too many requests are on their way' }
    this.#exchanges += 1
    try {
      return await this.#exchange(request, signal)
    } catch (error) {
      return { kind: 'failed', reason: reasonOf(signal.aborted ? signal.reason : error) }
    } finally {
      this.#exchanges -= 1
    }
  }

  /** Ends every request and every connection. */
  async close(): Promise<void> {
    this.#closed = true
    for (const socket of this.#connecting) socket.destroy()
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()))
  }

  async #exchange(request: HttpsRequest, signal: AbortSignal): Promise<HttpsOutcome> {
    const { address, method, path, headers, body } = request
    const answer = await this.#poolOf(address).request({
      method,
      path,
      headers: { ...headers, host: address.hostHeader },
      body,
      signal,
    })
    return {
      kind: 'answered',
      status: answer.statusCode,
      headers: headerMap(answer.headers),
      body: await bounded(answer.body, this.#deps.bounds.responseBytesMax),
    }
  }

  #poolOf(address: ServerAddress): Pool {
    const key = JSON.stringify(address)
    const known = this.#pools.get(key)
    if (known !== undefined) return known
    const { connectionsPerServerMax, keepAliveMs, keepAliveMaxMs } = this.#deps.bounds
    // The name is nobody's: the connector knows where to go, and the Host header is given with each request.
    const pool = new Pool('https://server.invalid', {
      connect: this.#connector(address),
      connections: connectionsPerServerMax,
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: keepAliveMs,
      keepAliveMaxTimeout: keepAliveMaxMs,
      // Time is the caller's, by the signal.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#pools.set(key, pool)
    return pool
  }

  #connector(address: ServerAddress): buildConnector.connector {
    return (_options, callback) => {
      this.#connectAny(address).then(
        (socket) => callback(null, socket),
        (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
      )
    }
  }

  async #connectAny(address: ServerAddress): Promise<Socket> {
    let failure: unknown = new Error('it has no address')
    for (const target of address.targets.slice(0, this.#deps.bounds.targetsMax)) {
      try {
        return await this.#connect(target, address.tlsName)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  #connect(target: Target, tlsName: string): Promise<Socket> {
    const { clock, bounds } = this.#deps
    const socket = connect({ ...this.#tlsOptions(tlsName), ...target, lookup: this.#lookup })
    this.#connecting.add(socket)
    if (this.#closed) socket.destroy(new Error('the server is stopping'))
    const bound = clock.after(bounds.connectMs, () =>
      socket.destroy(new Error(`${target.host}:${target.port} did not answer in time`)),
    )
    return new Promise((resolve, reject) => {
      socket.setNoDelay(true)
      socket.setKeepAlive(true, bounds.keepAliveMaxMs)
      socket.once('secureConnect', () => resolve(socket))
      // It stays: until the pool listens, an error must not be nobody's.
      socket.on('error', reject)
      socket.once('close', () => reject(new Error(`${target.host}:${target.port} closed the connection`)))
    }).finally(() => {
      bound.cancel()
      this.#connecting.delete(socket)
    }) as Promise<Socket>
  }

  #tlsOptions(tlsName: string): ConnectionOptions {
    return {
      secureContext: this.#secureContext,
      rejectUnauthorized: this.#deps.verifyTls,
      // An address is never sent as SNI.
      servername: isIP(tlsName) === 0 ? tlsName : '',
      // Not what was connected to: that may be a fixed route, or the target of an SRV record.
      checkServerIdentity: (_connectedTo, certificate) => checkServerIdentity(tlsName, certificate),
      ALPNProtocols: ['http/1.1'],
    }
  }
}

/** Made once: reading all the authorities takes longer than a handshake. */
function secureContext(extraAuthorities: string | null): SecureContext {
  return createSecureContext(
    extraAuthorities === null ? {} : { ca: [...getCACertificates('default'), extraAuthorities] },
  )
}

function lookupIn(dns: Dns): LookupFunction {
  return (host, options, callback) => {
    dns.addresses(host).then(
      (found) => {
        const [first] = found
        if (options.all === true) callback(null, found)
        else if (first !== undefined) callback(null, first.address, first.family)
        else callback(new Error(`${host} has no address`), '')
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, ''),
    )
  }
}

function headerMap(headers: Dispatcher.ResponseData['headers']): ReadonlyMap<string, string> {
  const map = new Map<string, string>()
  for (const [name, value] of Object.entries(headers)) {
    const first = Array.isArray(value) ? value[0] : value
    if (first !== undefined) map.set(name.toLowerCase(), first)
  }
  return map
}

/** Null if it is longer: the rest is not read, and its connection is given up. */
async function bounded(body: Dispatcher.ResponseData['body'], bytesMax: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > bytesMax) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Connecting to all of a host's addresses gives several errors in one, and that one has no message. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}
