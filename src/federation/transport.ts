import type { Clock, Millis } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import { isJsonObject, own, type JsonObject } from '../matrix/json.ts'
import type { SigningKey } from '../matrix/signing.ts'
import { parseJson } from '../matrix/strict-json.ts'
import { signRequest } from '../matrix/x-matrix.ts'
import type { ResolverBounds, TransportBounds } from './bounds.ts'
import type { Dns } from './dns.ts'
import { HttpsClient, type HttpsOutcome, type HttpsRequest } from './https-client.ts'
import { Resolver } from './resolver.ts'
import { addressOfPage } from './well-known.ts'

export interface SignedRequest {
  readonly destination: ServerName
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Path and query, exactly as they are to be sent and signed. */
  readonly path: string
  readonly content: JsonObject | null
}

export type Outcome =
  | {
      readonly kind: 'answered'
      readonly status: number
      /** Null if it is no JSON object, or too long. */
      readonly body: JsonObject | null
      /** What `Retry-After`, or the error's `retry_after_ms`, asks for. */
      readonly retryAfterMs: Millis | null
    }
  | { readonly kind: 'failed'; readonly reason: string }

/** Requests to other servers. They do not reject, follow no redirects, and end within `federation.request_timeout`. */
export interface Transport {
  /** What is signed is the canonical form of the content (P-155); what is sent is the same at every repeat (P-162). */
  signedRequest(request: SignedRequest): Promise<Outcome>
  unsignedGet(
    destination: ServerName,
    path: string,
    options: { readonly timeoutMs: Millis },
  ): Promise<Outcome>
  /** Requests that have no answer yet. */
  readonly underWay: number
  /** Ends what is under way. */
  close(): Promise<void>
}

export interface TransportDeps {
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  readonly clock: Clock
  readonly random: Random
  readonly dns: Dns
  /** Fixed routes (`federation.destinations`). */
  readonly routes: ReadonlyMap<ServerName, string>
  /** The content of `federation.ca_file`. */
  readonly extraAuthorities: string | null
  readonly verifyTls: boolean
  /** For a whole exchange, from the look-up to the last byte of the answer. */
  readonly requestTimeoutMs: Millis
  /** As in `User-Agent`. */
  readonly userAgent: string
  readonly bounds: TransportBounds & ResolverBounds
}

export function createTransport(deps: TransportDeps): Transport {
  return new HttpsTransport(deps)
}

class HttpsTransport implements Transport {
  readonly #deps: TransportDeps
  readonly #client: HttpsClient
  readonly #resolver: Resolver

  constructor(deps: TransportDeps) {
    this.#deps = deps
    this.#client = new HttpsClient(deps)
    this.#resolver = new Resolver({ ...deps, fetchPage: (url) => this.#fetchPage(url) })
  }

  async signedRequest({ destination, method, path, content }: SignedRequest): Promise<Outcome> {
    const { serverName, signingKey, requestTimeoutMs } = this.#deps
    const signed = {
      method,
      uri: path,
      origin: serverName,
      destination,
      ...(content !== null && { content }),
    }
    return this.#ask(destination, requestTimeoutMs, {
      method,
      path,
      headers: {
        authorization: signRequest(signed, signingKey),
        ...(content !== null && { 'content-type': 'application/json' }),
      },
      body: content === null ? null : JSON.stringify(content),
    })
  }

  unsignedGet(
    destination: ServerName,
    path: string,
    { timeoutMs }: { readonly timeoutMs: Millis },
  ): Promise<Outcome> {
    return this.#ask(destination, timeoutMs, { method: 'GET', path, headers: {}, body: null })
  }

  get underWay(): number {
    return this.#client.underWay
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #ask(
    destination: ServerName,
    timeoutMs: Millis,
    request: Omit<HttpsRequest, 'address'>,
  ): Promise<Outcome> {
    const outcome = await this.#within(timeoutMs, async (signal) => {
      const address = await unlessAborted(this.#resolver.resolve(destination), signal)
      if (address === null) return { kind: 'failed', reason: 'its name leads nowhere' }
      const headers = { ...request.headers, 'user-agent': this.#deps.userAgent }
      return this.#client.exchange({ ...request, headers, address }, signal)
    })
    return outcome.kind === 'failed' ? outcome : read(outcome, this.#deps.clock.now())
  }

  #fetchPage(url: URL): Promise<HttpsOutcome> {
    const address = addressOfPage(url)
    if (address === null) return Promise.resolve({ kind: 'failed', reason: 'its name leads nowhere' })
    return this.#within(this.#deps.bounds.wellKnownTimeoutMs, (signal) =>
      this.#client.exchange(
        {
          address,
          method: 'GET',
          path: `${url.pathname}${url.search}`,
          headers: { 'user-agent': this.#deps.userAgent },
          body: null,
        },
        signal,
      ),
    )
  }

  async #within(
    timeoutMs: Millis,
    ask: (signal: AbortSignal) => Promise<HttpsOutcome>,
  ): Promise<HttpsOutcome> {
    const aborting = new AbortController()
    const bound = this.#deps.clock.after(timeoutMs, () =>
      aborting.abort(new Error(`no answer within ${timeoutMs} ms`)),
    )
    try {
      return await ask(aborting.signal)
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
    } finally {
      bound.cancel()
    }
  }
}

/** The look-up itself goes on: others may wait for it. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    work.then(resolve, reject)
  })
}

function read({ status, headers, body }: HttpsOutcome & { kind: 'answered' }, now: Millis): Outcome {
  const json = body === null ? null : jsonObject(body)
  return { kind: 'answered', status, body: json, retryAfterMs: retryAfter(headers, json, now) }
}

function jsonObject(body: Uint8Array): JsonObject | null {
  try {
    const json = parseJson(Buffer.from(body).toString('utf8'))
    return isJsonObject(json) ? json : null
  } catch {
    return null
  }
}

/** Seconds or a date in the header; milliseconds in the errors of older servers. */
function retryAfter(
  headers: ReadonlyMap<string, string>,
  body: JsonObject | null,
  now: Millis,
): Millis | null {
  const header = headers.get('retry-after')?.trim()
  if (header !== undefined && /^\d{1,9}$/.test(header)) return Number(header) * 1_000
  const untilTs = header === undefined ? Number.NaN : Date.parse(header)
  if (!Number.isNaN(untilTs)) return Math.max(0, untilTs - now)
  const inBody = body === null ? undefined : own(body, 'retry_after_ms')
  return typeof inBody === 'number' && inBody >= 0 ? inBody : null
}
