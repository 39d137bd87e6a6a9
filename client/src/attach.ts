import { PresenceClient } from './client.ts'
import { chance, systemClock, type Clock, type Millis } from './clock.ts'
import { fields, presenceNews, type PresenceNews, type SyncNews } from './guards.ts'
import type { SharedOptions } from './options.ts'
import { RequestError, type Request } from './request.ts'
import type { Sink, Source } from './source.ts'

/** The part of matrix-js-sdk's `MatrixClient` that is used. */
export interface MatrixClientLike {
  getUserId(): string | null
  getUsers(): readonly MatrixUserLike[]
  getSyncState(): string | null
  setSyncPresence(presence: never): unknown
  on(event: never, listener: (...args: never[]) => void): unknown
  off(event: never, listener: (...args: never[]) => void): unknown
  readonly http: {
    authedRequest(method: never, path: string, query: never, body: never, options: never): Promise<unknown>
  }
}

export interface MatrixUserLike {
  readonly userId: string
  /** When its presence was heard. */
  readonly lastPresenceTs: number
  readonly events: { readonly presence?: MatrixEventLike | null }
}

export interface MatrixEventLike {
  getType(): string
  getSender(): string | null | undefined
  getContent(): unknown
}

export type AttachOptions = SharedOptions

/** Lists and invites are looked up this often at most: matrix-js-sdk does not pass on their events. */
const LISTS_INTERVAL_MS: Millis = 30_000

/**
 * A client on the sync of a matrix-js-sdk client, which the app starts and stops. A changed `set_presence` is told with
 * its next poll.
 */
export function attachTo(matrixClient: MatrixClientLike, options: AttachOptions = {}): PresenceClient {
  const { clock = systemClock, random = chance } = options
  const userId = matrixClient.getUserId()
  if (userId === null) throw new Error('The matrix-js-sdk client has no user')
  const source = new SdkSource(matrixClient, clock)
  return new PresenceClient({
    ...options,
    userId,
    clock,
    random,
    source,
    members: false,
    background: false,
    rereadsLists: true,
  })
}

/** The words of matrix-js-sdk for a sync that works. */
const WORKING: ReadonlySet<string> = new Set(['PREPARED', 'SYNCING', 'CATCHUP'])

/** Its own listeners' view of the client, whose types name every event. */
interface Events {
  on(event: string, listener: (...args: never[]) => void): unknown
  off(event: string, listener: (...args: never[]) => void): unknown
  setSyncPresence(value: string): unknown
}

class SdkSource implements Source {
  readonly request: Request
  readonly #matrixClient: MatrixClientLike
  readonly #clock: Clock
  #sink: Sink | null = null
  #setPresence = 'online'
  /** `told`: everything known was passed on, and what comes is news. */
  #phase: 'none' | 'telling' | 'told' = 'none'
  #readTs: Millis = 0
  readonly #onEvent = (event: MatrixEventLike): void => {
    const news = asNews(event)
    if (this.#phase === 'told' && news !== null) this.#sink?.heard(only([news]), false)
  }
  readonly #onSync = (state: string): void => {
    if (WORKING.has(state)) this.#working()
    else if (state === 'ERROR' || state === 'RECONNECTING') this.#sink?.failed(false)
    else if (state === 'STOPPED') this.#sink?.failed(true)
  }

  constructor(matrixClient: MatrixClientLike, clock: Clock) {
    this.#matrixClient = matrixClient
    this.#clock = clock
    this.request = sdkRequest(matrixClient)
  }

  start(sink: Sink): void {
    this.#sink = sink
    this.#phase = 'none'
    this.#events.on('event', this.#onEvent)
    this.#events.on('sync', this.#onSync)
    this.#onSync(this.#matrixClient.getSyncState() ?? '')
  }

  stop(): void {
    this.#sink = null
    this.#events.off('event', this.#onEvent)
    this.#events.off('sync', this.#onSync)
  }

  setPresence(value: string): void {
    this.#setPresence = value
    this.#events.setSyncPresence(value)
  }

  forget(): void {
    this.#phase = 'none'
  }

  retryNow(): void {}

  get #events(): Events {
    return this.#matrixClient
  }

  #working(): void {
    // It forgets the value whenever it is started.
    this.#events.setSyncPresence(this.#setPresence)
    if (this.#phase === 'none') void this.#tellAll()
    if (this.#phase !== 'told') return
    this.#sink?.heard(only([]), false)
    const now = this.#clock.now()
    if (Math.abs(now - this.#readTs) < LISTS_INTERVAL_MS) return
    this.#readTs = now
    this.#sink?.reread()
  }

  /** What matrix-js-sdk heard so far stands for an initial sync. */
  async #tellAll(): Promise<void> {
    const sink = this.#sink
    this.#phase = 'telling'
    try {
      await sink?.prepare()
    } catch {
      if (this.#sink === sink) this.#phase = 'none'
      sink?.failed(false)
      return
    }
    if (this.#sink !== sink || this.#phase !== 'telling') return
    this.#phase = 'told'
    this.#readTs = this.#clock.now()
    sink?.heard(only(this.#known()), true)
  }

  /** Ages are turned into those of this moment. */
  #known(): PresenceNews[] {
    const now = this.#clock.now()
    return this.#matrixClient.getUsers().flatMap(({ events, lastPresenceTs }) => {
      const news = events.presence ? asNews(events.presence) : null
      if (news === null) return []
      const { lastActiveAgoMs: ago } = news
      return [{ ...news, lastActiveAgoMs: ago === undefined ? ago : ago + Math.max(0, now - lastPresenceTs) }]
    })
  }
}

function asNews(event: MatrixEventLike): PresenceNews | null {
  return presenceNews({
    type: event.getType(),
    sender: event.getSender() ?? undefined,
    content: event.getContent(),
  })
}

function only(presence: readonly PresenceNews[]): SyncNews {
  return { nextBatch: '', presence, invites: [], rooms: [] }
}

interface Http {
  authedRequest(method: string, path: string, query: object, body: unknown, options: object): Promise<unknown>
}

function sdkRequest(matrixClient: MatrixClientLike): Request {
  const http: Http = matrixClient.http
  return async (method, path, { query = {}, body, signal, timeoutMs } = {}) => {
    try {
      return await http.authedRequest(method, path, query, body, {
        prefix: '',
        ...(signal !== undefined && { abortSignal: signal }),
        ...(timeoutMs !== undefined && { localTimeoutMs: timeoutMs }),
      })
    } catch (error) {
      if (signal?.aborted === true) throw error
      const { httpStatus, errcode, data } = fields(error)
      const { error: sentence, retry_after_ms: retryAfterMs } = fields(data)
      throw new RequestError(
        typeof httpStatus === 'number' ? httpStatus : 0,
        typeof errcode === 'string' ? errcode : '',
        typeof sentence === 'string' ? sentence : String(error),
        typeof retryAfterMs === 'number' ? retryAfterMs : undefined,
      )
    }
  }
}
