import {
  createServer as createPlainServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock, Millis } from '../base/clock.ts'
import { randomText, type Random } from '../base/random.ts'
import { refuse, type MatrixError } from '../matrix/errors.ts'
import type { Log } from '../ports/log.ts'
import { clientAddress } from './address.ts'
import { ClientGone, readBody } from './body.ts'
import { toAnswer } from './errors.ts'
import { answerHeaders, respond, type PipelineDeps, type Trace } from './pipeline.ts'
import { Answer, BODY_BYTES_MAX, type Resource, type Route } from './route.ts'
import { createRouter, type Router } from './router.ts'

/** What a listener lets a client take up. The times count real time, not a manual clock's, except `drainMs`. */
interface HttpBounds {
  readonly connectionsMax: number
  readonly headerBytesMax: number
  readonly headersMax: number
  /** Of all bodies above the usual size together, from before they are read until they are answered; beyond it is 429. */
  readonly largeBodiesBytesMax: number
  /** For receiving a request's headers, and the whole request; answering may take longer. */
  readonly headersTimeoutMs: Millis
  readonly requestTimeoutMs: Millis
  /** Above the idle time of common proxies: a proxy must never find a connection closed under it (502). */
  readonly keepAliveTimeoutMs: Millis
  /** A socket without a byte either way; longer than the longest poll. */
  readonly silentSocketMs: Millis
  /** How long `close` waits for answers before it cuts. */
  readonly drainMs: Millis
}

export const HTTP_BOUNDS: HttpBounds = {
  connectionsMax: 100_000,
  headerBytesMax: 16_384,
  headersMax: 100,
  largeBodiesBytesMax: 268_435_456,
  headersTimeoutMs: 20_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 75_000,
  silentSocketMs: 600_000,
  drainMs: 10_000,
}

export interface HttpServerDeps extends PipelineDeps {
  readonly routes: readonly Route[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly bounds: HttpBounds
  /** Called once for each request, after its answer or its client is gone. */
  readonly observe: (done: Done) => void
}

export interface Done {
  readonly method: string
  /** The route's path with its `:names`, or `unknown`. */
  readonly pattern: string
  /** 499 if the client left before the answer. */
  readonly status: number
  readonly durationMs: Millis
}

export interface Listener {
  /** 0 lets the system choose. */
  readonly port: number
  readonly bind: string
  readonly resources: readonly Resource[]
  /** The nearest proxy appends the client's address to X-Forwarded-For, and nobody else reaches this port. */
  readonly xForwarded: boolean
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | null
}

/** Where a listener really listens. */
export interface ListenAddress {
  readonly url: string
  readonly host: string
  readonly port: number
  readonly resources: readonly Resource[]
}

export interface HttpServer {
  /** @throws the system's error if the address cannot be had */
  listen(listener: Listener): Promise<ListenAddress>
  /** Requests being received, parked or answered. */
  readonly inFlight: number
  /**
   * Stops accepting, aborts every call so that parked requests answer at once, waits for the answers to leave, and after
   * `drainMs` cuts what is left.
   */
  close(): Promise<void>
}

export function createHttpServer(deps: HttpServerDeps): HttpServer {
  return new NodeHttpServer(deps)
}

/** Why a call's signal fires when the server stops. */
class ServerClosing extends Error {
  override readonly name = 'ServerClosing'
}

const CLIENT_CLOSED_REQUEST = 499
/** When there may be room again for a large body. */
const ROOM_RETRY_MS = 1_000

class NodeHttpServer implements HttpServer {
  readonly #deps: HttpServerDeps
  readonly #servers: Server[] = []
  readonly #exchanges = new Map<ServerResponse, AbortController>()
  readonly #bySocket = new WeakMap<object, ServerResponse>()
  /** Tells request ids of one process from those of another in the same log. */
  readonly #run: string
  #requests = 0
  #largeBodiesBytes = 0
  #drained: (() => void) | null = null
  #closed: Promise<void> | null = null

  constructor(deps: HttpServerDeps) {
    this.#deps = deps
    this.#run = randomText(deps.random, 'abcdefghijkmnpqrstuvwxyz23456789', 6)
  }

  get inFlight(): number {
    return this.#exchanges.size
  }

  async listen(listener: Listener): Promise<ListenAddress> {
    const server = this.#create(listener)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port: listener.port, host: listener.bind }, () => {
        server.off('error', reject)
        resolve()
      })
    })
    this.#servers.push(server)
    server.on('error', (err) => this.#deps.log.error({ err }, 'a listener failed'))
    const { address, port, family } = server.address() as AddressInfo
    const host = family === 'IPv6' ? `[${address}]` : address
    const scheme = listener.tls === null ? 'http' : 'https'
    return { url: `${scheme}://${host}:${port}`, host: address, port, resources: listener.resources }
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close())
  }

  async #close(): Promise<void> {
    const { clock, bounds, log } = this.#deps
    const drained = new Promise<void>((resolve) => (this.#drained = resolve))
    const closed = this.#servers.map((server) => new Promise((resolve) => server.close(resolve)))
    for (const controller of this.#exchanges.values())
      controller.abort(new ServerClosing('the server is closing'))
    const bound = clock.after(bounds.drainMs, () => {
      log.warn({ requests: this.inFlight }, 'requests were cut off: they did not end in time')
      this.#drained?.()
    })
    if (this.inFlight > 0) await drained
    bound.cancel()
    // What is left has nothing to be answered: connections without a request, and those past the bound.
    for (const server of this.#servers) server.closeAllConnections()
    await Promise.all(closed)
  }

  #create(listener: Listener): Server {
    const { routes, bounds } = this.#deps
    const router = createRouter(routes, listener.resources)
    const options = {
      maxHeaderSize: bounds.headerBytesMax,
      headersTimeout: bounds.headersTimeoutMs,
      requestTimeout: bounds.requestTimeoutMs,
      keepAliveTimeout: bounds.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.ceil(Math.min(bounds.headersTimeoutMs, bounds.requestTimeoutMs) / 2),
      requireHostHeader: false,
    }
    const server =
      listener.tls === null ? createPlainServer(options) : createTlsServer({ ...options, ...listener.tls })
    server.maxConnections = bounds.connectionsMax
    server.timeout = bounds.silentSocketMs
    const onRequest = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#serve(request, response, { listener, router, expectsContinue: false })
    server.on('request', onRequest)
    server.on('checkExpectation', onRequest)
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
      void this.#serve(request, response, { listener, router, expectsContinue: true })
    })
    server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
      this.#refuseRaw(error, socket as Socket),
    )
    return server
  }

  async #serve(request: IncomingMessage, response: ServerResponse, at: Arrival): Promise<void> {
    const { clock, log } = this.#deps
    const started = clock.now()
    const rawPath = pathOf(request)
    const requestId = `${this.#run}-${(this.#requests += 1)}`
    const trace: Trace = { pattern: 'unknown', requester: null, origin: null }
    const controller = new AbortController()
    this.#open(request, response, controller, () => {
      const status = response.writableFinished ? response.statusCode : CLIENT_CLOSED_REQUEST
      const durationMs = clock.now() - started
      const method = request.method ?? ''
      this.#deps.observe({ method, pattern: trace.pattern, status, durationMs })
      const fields = { request: requestId, method, path: rawPath, status, durationMs }
      const who = { user: trace.requester?.userId, origin: trace.origin ?? undefined }
      log.debug({ ...fields, ...who }, 'answered')
    })
    const answer = await this.#answer(request, response, at, { controller, requestId, rawPath, trace })
    if (answer !== null) this.#send(request, response, answer, requestId)
  }

  #open(
    request: IncomingMessage,
    response: ServerResponse,
    controller: AbortController,
    done: () => void,
  ): void {
    this.#exchanges.set(response, controller)
    this.#bySocket.set(request.socket, response)
    response.on('close', () => {
      this.#exchanges.delete(response)
      if (!response.writableFinished) controller.abort(new ClientGone('the client went away'))
      done()
      if (this.#exchanges.size === 0) this.#drained?.()
    })
  }

  /** Null if there is nobody left to answer. */
  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { listener, router, expectsContinue }: Arrival,
    { controller, requestId, rawPath, trace }: Exchange,
  ): Promise<Answer | null> {
    const { signal } = controller
    try {
      if (this.#drained !== null) throw refuse.notReady('The server is stopping')
      if (request.rawHeaders.length / 2 > this.#deps.bounds.headersMax) throw refuse.headersTooLarge()
      const received = {
        method: request.method ?? '',
        rawPath,
        uri: targetOf(request),
        query: queryOf(request),
        headers: request.headers,
        ip: clientAddress(
          request.socket.remoteAddress,
          listener.xForwarded ? request.headers['x-forwarded-for'] : undefined,
        ),
        signal,
        readBody: (bytesMax: number): Promise<Buffer> => {
          const declared = request.headers['content-length']
          const declaredBytes = Number(declared ?? 0)
          if (declaredBytes <= bytesMax) {
            this.#makeRoom(response, declared === undefined ? bytesMax : declaredBytes)
            if (expectsContinue) response.writeContinue()
          }
          return readBody(request, { bytesMax, declaredBytes, signal })
        },
      }
      return await respond(received, router, trace, this.#deps)
    } catch (thrown) {
      // A handler may let the abort through, as its own reason or as what fetch and timers make of it.
      const cause: unknown = isAbort(thrown, signal) ? signal.reason : thrown
      if (cause instanceof ClientGone) return null
      const refusal = cause instanceof ServerClosing ? refuse.notReady('The server is stopping') : cause
      return toAnswer(refusal, { log: this.#deps.log, requestId })
    }
  }

  /** Servers may send ten megabytes before they have shown who they are; small bodies always find room. */
  #makeRoom(response: ServerResponse, bytes: number): void {
    if (bytes <= BODY_BYTES_MAX) return
    if (this.#largeBodiesBytes + bytes > this.#deps.bounds.largeBodiesBytesMax)
      throw refuse.limitExceeded('Too many large requests at once', { retry_after_ms: ROOM_RETRY_MS })
    this.#largeBodiesBytes += bytes
    response.once('close', () => (this.#largeBodiesBytes -= bytes))
  }

  #send(request: IncomingMessage, response: ServerResponse, answer: Answer, requestId: string): void {
    if (response.destroyed || response.headersSent) return
    let payload: string | Buffer
    let { status } = answer
    try {
      payload = Buffer.isBuffer(answer.body) ? answer.body : JSON.stringify(answer.body)
    } catch (error) {
      const failure = toAnswer(error, { log: this.#deps.log, requestId })
      payload = JSON.stringify(failure.body)
      status = failure.status
    }
    const headers = answerHeaders(answer, Buffer.byteLength(payload))
    if (this.#drained !== null) headers['connection'] = 'close'
    response.writeHead(status, headers)
    if (request.method === 'HEAD') response.end()
    else response.end(payload)
  }

  /** What the parser refuses never becomes a request; the client is told in the same form all the same. */
  #refuseRaw(error: NodeJS.ErrnoException, socket: Socket): void {
    const response = this.#bySocket.get(socket)
    const isAnswering = response !== undefined && response.headersSent && !response.writableFinished
    if (!socket.writable || isAnswering) {
      socket.destroy()
      return
    }
    const refusal = parserRefusal(error.code)
    const body = JSON.stringify(refusal.toBody())
    const headers = answerHeaders(new Answer(refusal.status, body), Buffer.byteLength(body))
    const lines = Object.entries({ ...headers, connection: 'close' }).map(
      ([name, value]) => `${name}: ${value}`,
    )
    socket.write([`HTTP/1.1 ${refusal.status} Refused`, ...lines, '', body].join('\r\n'))
    socket.destroySoon()
  }
}

interface Arrival {
  readonly listener: Listener
  readonly router: Router
  readonly expectsContinue: boolean
}

interface Exchange {
  readonly controller: AbortController
  readonly requestId: string
  readonly rawPath: string
  readonly trace: Trace
}

function parserRefusal(code: string | undefined): MatrixError {
  if (code === 'HPE_HEADER_OVERFLOW') return refuse.headersTooLarge()
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return refuse.tooSlow()
  return refuse.notHttp()
}

function isAbort(thrown: unknown, signal: AbortSignal): boolean {
  return signal.aborted && thrown instanceof Error && thrown.name === 'AbortError'
}

/** Path and query, without the origin that requests through a forward proxy carry. */
function targetOf(request: IncomingMessage): string {
  return (request.url ?? '').replace(/^https?:\/\/[^/?#]*/i, '')
}

function pathOf(request: IncomingMessage): string {
  const target = targetOf(request)
  const end = target.indexOf('?')
  return (end < 0 ? target : target.slice(0, end)) || '/'
}

function queryOf(request: IncomingMessage): URLSearchParams {
  const target = request.url ?? ''
  const start = target.indexOf('?')
  return new URLSearchParams(start < 0 ? '' : target.slice(start + 1))
}
