import type { Clock, Millis, Timer } from './clock.ts'
import { BUSY } from './guards.ts'
import { RequestError, type Request } from './request.ts'
import { backOffMs } from './sync-loop.ts'
import type { Features, OwnState, SetPresence } from './types.ts'

/** P-213: at most one presence write in this time. */
export const WRITE_INTERVAL_MS: Millis = 5_000

/** What was chosen: the state, and the text if anyone knows it (null: there is none; undefined: nobody asked yet). */
export interface Choice {
  readonly state: OwnState
  readonly statusMsg: string | null | undefined
}

export interface OwnPresenceOptions {
  readonly path: string
  readonly request: Request
  readonly clock: Clock
  readonly random: () => number
  readonly initial: OwnState
  readonly features: () => Features
  /** The server refused the state as unknown to it. */
  readonly onUnsupported: (state: OwnState) => void
  /** What every sync says from now on. */
  readonly onSetPresence: (value: string) => void
  /** Anything in `choice`, `isSaving`, `error` differs. */
  readonly onChange: () => void
  /** Chosen here, to be told to other tabs. */
  readonly onChosen: (choice: Choice) => void
}

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/**
 * The own side. Choices become `set_presence` of the sync, where being idle goes too, and `PUT …/status`: one write at a
 * time, at most one in `WRITE_INTERVAL_MS`, only the latest.
 */
export class OwnPresence {
  readonly #options: OwnPresenceOptions
  #choice: Choice
  /** What the server has stored, as far as this client knows; a refused choice falls back to it. */
  #stored: Choice
  #isIdle = false
  #background = false
  /** What the next PUT says of the text; null: no PUT is due. */
  #due: 'keep' | 'set' | null = null
  #error: Error | undefined
  #told: string
  #waiters: Waiter[] = []
  #isWriting = false
  /** Until it rings nothing is written. A timer and not a time of day, which may jump. */
  #gate: Timer | null = null
  #failures = 0
  #revision = 0
  #life: AbortController | null = null

  constructor(options: OwnPresenceOptions) {
    this.#options = options
    this.#choice = this.#stored = { state: options.initial, statusMsg: undefined }
    this.#told = this.#setPresence
  }

  get choice(): Choice {
    return this.#choice
  }

  get isSaving(): boolean {
    return this.#due !== null || this.#isWriting
  }

  get isIdle(): boolean {
    return this.#isIdle
  }

  get error(): Error | undefined {
    return this.#error
  }

  start(): void {
    this.#life = new AbortController()
    this.#tell()
  }

  stop(): void {
    if (this.isSaving) this.#choice = this.#stored
    this.#life?.abort()
    this.#life = null
    this.#release()
    this.#due = null
    this.#isWriting = false
    settle(this.#waiters, stopped())
    this.#waiters = []
    this.#options.onChange()
  }

  choose({ state = this.#choice.state, statusMsg }: SetPresence): Promise<void> {
    if (this.#life === null) return Promise.reject(stopped())
    const text = statusMsg === undefined ? this.#choice.statusMsg : statusMsg === '' ? null : statusMsg
    this.#choice = { state, statusMsg: text }
    if (statusMsg !== undefined) this.#due = 'set'
    this.#due ??= 'keep'
    this.#error = undefined
    this.#failures = 0
    this.#revision += 1
    const done = new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }))
    this.#options.onChosen(this.#choice)
    this.#options.onChange()
    this.#schedule()
    return done
  }

  /** Chosen in another tab, which writes it; or heard from the server. Does not overrule what is yet to be written here. */
  follow(choice: Partial<Choice>): void {
    if (this.isSaving) return
    const next = { ...this.#choice, ...choice }
    if (next.state === this.#choice.state && next.statusMsg === this.#choice.statusMsg) return
    this.#choice = this.#stored = next
    this.#options.onChange()
    this.#schedule()
  }

  /** `reports`: of several tabs this is the one that writes. */
  idle(isIdle: boolean, reports: boolean): void {
    if (isIdle === this.#isIdle) return
    this.#isIdle = isIdle
    // A sync can say `online`, but not that: after having been idle it is to be put again.
    if (!isIdle && reports && this.#shown === 'free_for_chat') this.#due ??= 'keep'
    this.#options.onChange()
    this.#schedule()
  }

  /** P-212: in the background every sync says `offline`. */
  set background(background: boolean) {
    this.#background = background
    this.#schedule()
  }

  /** After `features` changed, or the server may have forgotten this device. */
  review(): void {
    if (this.#choice.state === 'free_for_chat' && !this.#isIdle) this.#due ??= 'keep'
    this.#schedule()
  }

  /** The chosen state, as far as this server has it. */
  get #shown(): OwnState {
    const { busy, hidden, freeForChat } = this.#options.features()
    const { state } = this.#choice
    if (state === 'busy' && !busy) return 'unavailable'
    if (state === 'hidden' && !hidden) return 'offline'
    if (state === 'free_for_chat' && !freeForChat) return 'online'
    return state
  }

  get #setPresence(): string {
    if (this.#background) return 'offline'
    const state = this.#shown
    if (state === 'online' || state === 'free_for_chat') return this.#isIdle ? 'unavailable' : 'online'
    if (state === 'busy') return BUSY
    return state === 'hidden' ? 'offline' : state
  }

  #schedule(): void {
    if (this.#life === null || this.#isWriting || this.#gate !== null) return
    if (this.#due === null && this.#setPresence === this.#told) return
    this.#hold(WRITE_INTERVAL_MS)
    this.#tell()
    if (this.#due !== null) void this.#write(this.#life)
  }

  #hold(ms: Millis): void {
    this.#release()
    this.#gate = this.#options.clock.after(ms, () => {
      this.#gate = null
      this.#schedule()
    })
  }

  #release(): void {
    this.#gate?.cancel()
    this.#gate = null
  }

  #tell(): void {
    this.#told = this.#setPresence
    this.#options.onSetPresence(this.#told)
  }

  async #write(life: AbortController): Promise<void> {
    const [due, waiters, revision] = [this.#due, this.#waiters, this.#revision]
    const sent = this.#choice
    const state = this.#shown
    this.#isWriting = true
    this.#due = null
    this.#waiters = []
    try {
      await this.#put(state, due === 'set', life.signal)
      this.#stored = revision === this.#revision ? this.#choice : sent
      this.#failures = 0
      settle(waiters)
    } catch (error) {
      if (life !== this.#life) {
        settle(waiters, stopped())
        return
      }
      if (this.#isWorthAnother(error, state)) {
        this.#waiters = [...waiters, ...this.#waiters]
        this.#due = due === 'set' ? 'set' : (this.#due ?? due)
      } else {
        this.#fallBack(error as Error, sent, revision)
        settle(waiters, error as Error)
      }
    } finally {
      if (life === this.#life) {
        this.#isWriting = false
        this.#options.onChange()
        this.#schedule()
      }
    }
  }

  /** P-210: a write that is meant for the state leaves the text out, which keeps it; other servers would wipe it, so it is repeated there. */
  async #put(state: OwnState, setsText: boolean, signal: AbortSignal): Promise<void> {
    const { path, request, features } = this.#options
    const repeats = !setsText && !features().lists
    if (repeats && this.#choice.statusMsg === undefined) await this.#learnText(signal)
    const text = this.#choice.statusMsg
    const isAutomatic = state === 'online' || state === 'free_for_chat'
    const body = {
      presence: state === 'busy' ? BUSY : isAutomatic && this.#isIdle ? 'unavailable' : state,
      ...((setsText || (repeats && typeof text === 'string')) && { status_msg: text ?? '' }),
    }
    await request('PUT', path, { body, signal })
  }

  async #learnText(signal: AbortSignal): Promise<void> {
    const answer = await this.#options.request('GET', this.#options.path, { signal })
    const text = (answer as { status_msg?: unknown } | undefined)?.status_msg
    if (this.#choice.statusMsg === undefined)
      this.#choice = { ...this.#choice, statusMsg: typeof text === 'string' && text !== '' ? text : null }
  }

  /** Whether to try again, and when. */
  #isWorthAnother(error: unknown, state: OwnState): boolean {
    const { random, onUnsupported } = this.#options
    if (!(error instanceof RequestError)) return false
    if (error.status === 400 && (state === 'busy' || state === 'hidden' || state === 'free_for_chat')) {
      onUnsupported(state)
      // Nothing was written, and who wants to hide does not want to wait.
      this.#release()
      return true
    }
    if (error.status !== 0 && error.status !== 429 && error.status < 500) return false
    this.#failures += 1
    this.#hold(Math.max(WRITE_INTERVAL_MS, backOffMs({ failures: this.#failures, error, random })))
    return true
  }

  /** The refused choice gives way to what is stored, unless another one has taken its place. */
  #fallBack(error: Error, sent: Choice, revision: number): void {
    if (revision === this.#revision) {
      this.#choice = this.#stored
      this.#error = error
      this.#options.onChosen(this.#choice)
    } else if (this.#due === 'keep' && this.#choice.statusMsg === sent.statusMsg)
      this.#choice = { ...this.#choice, statusMsg: this.#stored.statusMsg }
  }
}

function settle(waiters: readonly Waiter[], error?: Error): void {
  for (const { resolve, reject } of waiters) {
    if (error === undefined) resolve()
    else reject(error)
  }
}

function stopped(): RequestError {
  return new RequestError(0, '', 'The presence client does not run')
}
