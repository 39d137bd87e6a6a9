import type { Clock, Millis } from './clock.ts'
import { fields } from './guards.ts'

/** The server refused, or (`status` 0) could not be reached. `message` is the server's sentence. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly status: number
  /** `M_FORBIDDEN` and the like; empty if the server gave none. */
  readonly errcode: string
  readonly retryAfterMs?: Millis

  constructor(status: number, errcode: string, message: string, retryAfterMs?: Millis) {
    super(message)
    this.status = status
    this.errcode = errcode
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs
  }
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
  readonly signal?: AbortSignal
  /** Given up after this long: 30 s unless told. */
  readonly timeoutMs?: Millis
}

/** Answers the decoded JSON; throws `RequestError` for everything but an abort by `signal`. `path` begins with `/_matrix`. */
export type Request = (method: string, path: string, options?: RequestOptions) => Promise<unknown>

/** The part of the global `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

/** `({ softLogout })` → a new access token, or null to stop. */
export type OnUnauthorized = (refusal: {
  readonly softLogout: boolean
}) => string | null | Promise<string | null>

export interface RequestsOptions {
  readonly baseUrl: string
  readonly accessToken: string
  readonly onUnauthorized: OnUnauthorized
  readonly fetch: Fetch
  readonly clock: Clock
}

export const CLIENT_API = '/_matrix/client/v3'

export function statusPath(userId: string, surface: string = CLIENT_API): string {
  return `${surface}/presence/${encodeURIComponent(userId)}/status`
}

const TIMEOUT_MS: Millis = 30_000
/** A server may not send us away for longer. */
const RETRY_AFTER_MAX_MS: Millis = 3_600_000

export function createRequest({
  baseUrl,
  accessToken,
  onUnauthorized,
  fetch,
  clock,
}: RequestsOptions): Request {
  const base = baseUrl.replace(/\/+$/, '')
  let token = accessToken
  let renewing: Promise<boolean> | null = null

  /** Whether there is another token than the refused one; asked once however many requests were refused. */
  const renewed = async (refused: string, softLogout: boolean): Promise<boolean> => {
    if (token !== refused) return true
    renewing ??= Promise.resolve({ softLogout })
      .then(onUnauthorized)
      .then((next) => {
        if (next === null || next === refused) return false
        token = next
        return true
      })
      .finally(() => (renewing = null))
    return renewing
  }

  const send = async (method: string, path: string, options: RequestOptions): Promise<unknown> => {
    const query = new URLSearchParams(options.query)
    const timeout = new AbortController()
    const timer = clock.after(options.timeoutMs ?? TIMEOUT_MS, () => timeout.abort())
    const forward = (): void => timeout.abort()
    options.signal?.addEventListener('abort', forward)
    if (options.signal?.aborted === true) forward()
    try {
      const response = await fetch(`${base}${path}${query.size > 0 ? `?${query}` : ''}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(options.body !== undefined && { 'content-type': 'application/json' }),
        },
        body: options.body === undefined ? null : JSON.stringify(options.body),
        signal: timeout.signal,
        // Else a browser lets the poll of one tab wait for the same poll of another, to answer both from its cache.
        cache: 'no-store',
      })
      const text = await response.text()
      if (!response.ok) throw refusal(response, asJson(text), clock.now())
      return asJson(text)
    } catch (error) {
      if (error instanceof RequestError) throw error
      if (options.signal?.aborted === true) throw error
      const why = timeout.signal.aborted ? 'The server did not answer in time' : String(error)
      throw new RequestError(0, timeout.signal.aborted ? TIMED_OUT : '', why)
    } finally {
      timer.cancel()
      options.signal?.removeEventListener('abort', forward)
    }
  }

  return async (method, path, options = {}) => {
    const used = token
    try {
      return await send(method, path, options)
    } catch (error) {
      if (!(error instanceof RequestError) || error.status !== 401) throw error
      if (!(await renewed(used, error instanceof Refusal && error.softLogout))) throw error
      return send(method, path, options)
    }
  }
}

/** `errcode` of a request that was given up: not the server's word, so not `M_`. */
export const TIMED_OUT = 'TIMED_OUT'

/** A `RequestError` that keeps what only the token renewal wants to know. */
class Refusal extends RequestError {
  readonly softLogout: boolean

  constructor(status: number, body: unknown, retryAfterMs: Millis | undefined) {
    const { errcode, error, soft_logout: softLogout } = fields(body)
    super(
      status,
      typeof errcode === 'string' ? errcode : '',
      typeof error === 'string' ? error : `The server answered ${status}`,
      retryAfterMs,
    )
    this.softLogout = softLogout === true
  }
}

function refusal(response: Response, body: unknown, now: Millis): RequestError {
  const inBody = fields(body)['retry_after_ms']
  const after = retryAfterMs(response.headers.get('retry-after'), now) ?? inBody
  const known = typeof after === 'number' && Number.isFinite(after) && after >= 0
  return new Refusal(response.status, body, known ? Math.min(after, RETRY_AFTER_MAX_MS) : undefined)
}

/** The header holds seconds or a date. */
function retryAfterMs(header: string | null, now: Millis): Millis | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  const ms = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1000
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
