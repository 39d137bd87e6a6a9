import type { Clock, Millis, Timer } from './clock.ts'
import { CLIENT_API, RequestError, TIMED_OUT, type Request } from './request.ts'

export interface SyncLoopOptions {
  readonly request: Request
  readonly clock: Clock
  /** 0 ≤ x < 1, for the jitter. */
  readonly random: () => number
  readonly filter: string
  /** Called before the first request and after each loss; may throw like a request. */
  readonly prepare: () => Promise<void>
  /** Applies one answer, whole, and says what came; only then its token is kept. */
  readonly apply: (body: unknown, isInitial: boolean) => Applied
  /** A request failed and will be tried again. `isSilence`: it hung, so nothing was heard for a whole poll. */
  readonly onFailure: (isSilence: boolean) => void
  readonly onUnauthorized: () => void
}

export interface Applied {
  readonly nextBatch: string
  /** Nothing in it for us. */
  readonly isEmpty: boolean
}

export const POLL_MS: Millis = 30_000
/** What a poll may take beyond its timeout before it counts as hung. */
export const POLL_MARGIN_MS: Millis = 15_000
export const BACK_OFF_MIN_MS: Millis = 1_000
export const BACK_OFF_MAX_MS: Millis = 30_000
/** A server that answers nothing at once, again and again, is asked this often. */
export const EMPTY_PAUSE_MS: Millis = 1_000

/** The long poll. One request at a time, and never a tight loop. */
export class SyncLoop {
  readonly #options: SyncLoopOptions
  #life = 0
  #since: string | null = null
  #isPrepared = false
  #setPresence = 'online'
  #poll: AbortController | null = null
  #pause: { readonly timer: Timer; readonly end: () => void } | null = null

  constructor(options: SyncLoopOptions) {
    this.#options = options
  }

  start(): void {
    this.stop()
    this.forget()
    void this.#run(this.#life)
  }

  stop(): void {
    this.#life += 1
    this.#poll?.abort()
    this.#poll = null
    this.retryNow()
  }

  /** The next sync is an initial one. */
  forget(): void {
    this.#since = null
    this.#isPrepared = false
  }

  /** §6.1: a poll that is open with another value is aborted and begun again, else the change would wait for it. */
  set setPresence(value: string) {
    if (value === this.#setPresence) return
    this.#setPresence = value
    this.#poll?.abort()
  }

  /** Ends a pause. */
  retryNow(): void {
    this.#pause?.timer.cancel()
    this.#pause?.end()
    this.#pause = null
  }

  async #run(life: number): Promise<void> {
    const { clock, apply, onFailure, onUnauthorized } = this.#options
    // A poll waits only after an answer: the first, and the first after a failure, come back at once.
    let waits = false
    let empties = 0
    for (let failures = 0; life === this.#life;) {
      const isInitial = this.#since === null
      const begun = clock.now()
      const poll = (this.#poll = new AbortController())
      try {
        const body = await this.#ask(waits && !isInitial ? POLL_MS : 0, poll.signal)
        if (life !== this.#life) return
        // Forgotten while it was under way: it continues from what is not known any more.
        if (isInitial !== (this.#since === null)) continue
        const { nextBatch, isEmpty } = apply(body, isInitial)
        this.#since = nextBatch
        failures = 0
        empties = waits && isEmpty && clock.now() - begun < EMPTY_PAUSE_MS ? empties + 1 : 0
        if (empties > 1) await this.#wait(EMPTY_PAUSE_MS)
        waits = true
      } catch (error) {
        if (life !== this.#life) return
        if (poll.signal.aborted) continue
        if (error instanceof RequestError && error.status === 401) {
          onUnauthorized()
          return
        }
        waits = false
        failures += 1
        onFailure(error instanceof RequestError && error.errcode === TIMED_OUT)
        await this.#wait(this.#backOffMs(failures, error))
      }
    }
  }

  async #ask(timeoutMs: Millis, signal: AbortSignal): Promise<unknown> {
    const { request, prepare, filter } = this.#options
    if (!this.#isPrepared) await prepare()
    this.#isPrepared = true
    return request('GET', `${CLIENT_API}/sync`, {
      query: {
        filter,
        set_presence: this.#setPresence,
        timeout: String(timeoutMs),
        ...(this.#since !== null && { since: this.#since }),
      },
      signal,
      timeoutMs: timeoutMs + POLL_MARGIN_MS,
    })
  }

  #backOffMs(failures: number, error: unknown): Millis {
    const { random } = this.#options
    return backOffMs({ failures, error, random })
  }

  #wait(ms: Millis): Promise<void> {
    return new Promise((end) => {
      const timer = this.#options.clock.after(ms, () => {
        this.#pause = null
        end()
      })
      this.#pause = { timer, end }
    })
  }
}

/** Exponential, with half of it left to chance; what `Retry-After` says is the least. */
export function backOffMs({
  failures,
  error,
  random,
}: {
  readonly failures: number
  readonly error: unknown
  readonly random: () => number
}): Millis {
  const exponential = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS * 2 ** (failures - 1))
  const told = error instanceof RequestError ? error.retryAfterMs : undefined
  return Math.round((told ?? exponential / 2) + (random() * exponential) / 2)
}
