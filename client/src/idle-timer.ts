import { systemClock, type Clock, type Millis, type Timer } from './clock.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { fields } from './guards.ts'
import { openChannel, type TabChannel } from './tabs.ts'

export type IdleState = 'active' | 'idle'

export const IDLE_TIMEOUT_MIN_MS: Millis = 60_000
export const IDLE_TIMEOUT_MAX_MS: Millis = 300_000
export const IDLE_TIMEOUT_MS: Millis = 180_000

/** What only a person does. Mere visibility of a page is looked at in `visibilitychange`. */
const ACTIVITY = ['pointerdown', 'pointermove', 'keydown', 'touchstart', 'wheel', 'focus', 'visibilitychange']

/** How often an active tab says so to the others, which must know before their time is up. */
const TELL_INTERVAL_MS: Millis = 5_000
/** How often the clock is looked at. Browsers let the timers of hidden pages wait up to a minute. */
const LOOK_INTERVAL_MS: Millis = 30_000
/** Between two looks no more than this passes, unless the machine slept or somebody set its clock. */
const JUMP_MS: Millis = LOOK_INTERVAL_MS + 90_000
/** How long the other tabs may take to say that it was only this one that slept. */
const ASK_MS: Millis = 1_000

/** The part of `window` that is used. */
export interface IdleTarget {
  addEventListener(type: string, listener: () => void, options?: object): void
  removeEventListener(type: string, listener: () => void, options?: object): void
}

/** The part of `navigator.locks` that is used. */
export interface Locks {
  request(name: string, options: { signal: AbortSignal }, held: () => Promise<void>): Promise<unknown>
}

export interface IdleTimerOptions {
  /** 3 minutes; held between 1 and 5. */
  readonly timeoutMs?: Millis
  /** The state that all tabs agree on, in every tab. */
  readonly onChange?: (state: IdleState) => void
  /** The same, in exactly one of the tabs. */
  readonly onReport?: (state: IdleState) => void
  /** Tabs of one origin with the same name agree. */
  readonly name?: string
  readonly target?: IdleTarget
  readonly isVisible?: () => boolean
  readonly clock?: Clock
  /** null: do without, and every tab reports. */
  readonly locks?: Locks | null
  /** null: do without, and each tab is alone. */
  readonly channel?: TabChannel | null
}

/**
 * Tells when nobody has touched this machine for a while (PRESENCE-SPEC §6.1, P-205). Activity in any tab keeps all of them
 * active; the tab whose time is up first tells the others, whose timers may be throttled. A machine that slept is idle until
 * somebody touches it.
 */
export class IdleTimer {
  readonly #timeoutMs: Millis
  readonly #clock: Clock
  readonly #target: IdleTarget | undefined
  readonly #isVisible: () => boolean
  readonly #channel: TabChannel | null
  readonly #changes = new Emitter<IdleState>()
  readonly #onReport: ((state: IdleState) => void) | undefined
  readonly #lock = new AbortController()
  readonly #onEvent = (): void => {
    if (this.#isVisible()) this.activity()
  }
  #state: IdleState = 'active'
  #activeTs: Millis
  #toldTs: Millis = -Infinity
  #lookedTs: Millis
  #timer: Timer | null = null
  #tellTimer: Timer | null = null
  #isReporter: boolean
  #isStopped = false
  #release: (() => void) | null = null

  constructor(options: IdleTimerOptions = {}) {
    const {
      timeoutMs = IDLE_TIMEOUT_MS,
      name = 'adsum-idle',
      clock = systemClock,
      onChange,
      onReport,
    } = options
    const { target, locks, isVisible } = browser()
    this.#timeoutMs = Math.min(IDLE_TIMEOUT_MAX_MS, Math.max(IDLE_TIMEOUT_MIN_MS, timeoutMs))
    this.#clock = clock
    this.#target = options.target ?? target
    this.#isVisible = options.isVisible ?? isVisible
    this.#onReport = onReport
    if (onChange !== undefined) this.#changes.on(onChange)
    this.#channel = options.channel === undefined ? openChannel(name) : options.channel
    this.#channel?.listen((message) => this.#hear(message))
    const lockManager = options.locks === undefined ? locks : options.locks
    this.#isReporter = lockManager === null
    if (lockManager !== null) this.#becomeReporter(lockManager, name)
    for (const type of ACTIVITY) this.#target?.addEventListener(type, this.#onEvent, LISTEN)
    this.#activeTs = this.#lookedTs = clock.now()
    this.#tell()
    this.#arm()
  }

  get state(): IdleState {
    return this.#state
  }

  /** Whether this is the tab that reports. */
  get isReporter(): boolean {
    return this.#isReporter
  }

  subscribe(listener: (state: IdleState) => void): Unsubscribe {
    return this.#changes.on(listener)
  }

  /** A person did something, here and now. */
  activity(): void {
    if (this.#isStopped) return
    const now = this.#clock.now()
    // Even after a sleep: being idle would end this very moment.
    this.#lookedTs = now
    this.#active(now)
    this.#tell()
  }

  stop(): void {
    this.#isStopped = true
    for (const type of ACTIVITY) this.#target?.removeEventListener(type, this.#onEvent, LISTEN)
    this.#timer?.cancel()
    this.#tellTimer?.cancel()
    this.#timer = this.#tellTimer = null
    this.#channel?.close()
    this.#lock.abort()
    this.#release?.()
    this.#isReporter = false
  }

  #active(ts: Millis): void {
    this.#activeTs = Math.max(this.#activeTs, ts)
    if (this.#state === 'active') return
    this.#become('active')
    this.#arm()
  }

  #become(state: IdleState): void {
    this.#state = state
    if (state === 'idle') {
      // The next activity is told at once.
      this.#tellTimer?.cancel()
      this.#tellTimer = null
      this.#toldTs = -Infinity
    }
    this.#changes.emit(state)
    if (this.#isReporter) this.#onReport?.(state)
  }

  /** Whether time jumped since the last look. Then what was known of activity is over, unless another tab knows better. */
  #look(): boolean {
    const now = this.#clock.now()
    const passedMs = Math.abs(now - this.#lookedTs)
    this.#lookedTs = now
    if (passedMs <= JUMP_MS || this.#state === 'idle') return false
    this.#activeTs = Math.min(this.#activeTs, now - this.#timeoutMs)
    this.#channel?.post({ ask: true })
    this.#arm(this.#channel === null ? 0 : ASK_MS)
    return true
  }

  get #isTimeUp(): boolean {
    return this.#clock.now() - this.#activeTs >= this.#timeoutMs
  }

  #arm(soonestMs: Millis = 0): void {
    this.#timer?.cancel()
    const leftMs = this.#activeTs + this.#timeoutMs - this.#clock.now()
    const waitMs = this.#state === 'idle' ? LOOK_INTERVAL_MS : Math.max(soonestMs, leftMs)
    this.#timer = this.#clock.after(Math.min(LOOK_INTERVAL_MS, waitMs), () => {
      if (this.#look()) return
      if (this.#state === 'active' && this.#isTimeUp) {
        this.#become('idle')
        this.#channel?.post({ idle: this.#activeTs })
      }
      this.#arm()
    })
  }

  /** At once, then at most every few seconds, and never not at all. */
  #tell(): void {
    if (this.#channel === null || this.#tellTimer !== null) return
    const waitMs = this.#toldTs + TELL_INTERVAL_MS - this.#clock.now()
    if (waitMs <= 0) {
      this.#toldTs = this.#clock.now()
      this.#channel.post({ active: this.#activeTs })
      return
    }
    this.#tellTimer = this.#clock.after(Math.min(waitMs, TELL_INTERVAL_MS), () => {
      this.#tellTimer = null
      this.#toldTs = -Infinity
      this.#look()
      if (!this.#isTimeUp) this.#tell()
    })
  }

  #hear(message: unknown): void {
    if (this.#isStopped) return
    const { active, idle, ask } = fields(message)
    this.#look()
    const now = this.#clock.now()
    if (typeof active === 'number' && now - active < this.#timeoutMs) this.#active(Math.min(active, now))
    if (this.#state === 'idle') return
    // Another tab's time is up; ours is too, unless we know of something later.
    if (typeof idle === 'number' && idle >= this.#activeTs) this.#become('idle')
    else if ((ask !== undefined || idle !== undefined) && !this.#isTimeUp)
      this.#channel?.post({ active: this.#activeTs })
  }

  #becomeReporter(locks: Locks, name: string): void {
    const held = (): Promise<void> => {
      this.#isReporter = !this.#lock.signal.aborted
      return new Promise((release) => {
        this.#release = release
        if (this.#lock.signal.aborted) release()
      })
    }
    // Rejected when stopped before it was our turn, and where locks are forbidden; then everyone reports.
    locks.request(name, { signal: this.#lock.signal }, held).catch(() => {
      this.#isReporter = !this.#lock.signal.aborted
    })
  }
}

const LISTEN = { capture: true, passive: true }

interface Browser {
  readonly target: IdleTarget | undefined
  readonly locks: Locks | null
  readonly isVisible: () => boolean
}

function browser(): Browser {
  const { window, document, navigator } = globalThis as {
    window?: IdleTarget
    document?: { readonly visibilityState: string }
    navigator?: { readonly locks?: Locks }
  }
  return {
    target: window,
    locks: window === undefined ? null : (navigator?.locks ?? null),
    isVisible: () => document === undefined || document.visibilityState !== 'hidden',
  }
}
