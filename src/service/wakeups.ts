import type { Clock, Millis, Timer } from '../base/clock.ts'
import { refuse } from '../matrix/errors.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import type { Wake, WakeTopic } from '../ports/wake.ts'

/**
 * How a wait ended. `woken`: there may be something new. `timeout`: the time is over, or the device has too many
 * requests waiting and this was its oldest. `ended`: the device was logged out. `closed`: the server stops. `aborted`:
 * the client went away.
 */
export type WakeOutcome = 'woken' | 'timeout' | 'ended' | 'closed' | 'aborted'

/** A request that may wait. Register, read, wait, read: a wake after `register` is never lost. */
export interface Parked {
  /** One wait at a time. Once the outcome is not `woken` it stays what it is. */
  wait(timeoutMs: Millis): Promise<WakeOutcome>
  /** Takes the request out of the registry; must be called, whatever happened. */
  end(): void
}

export interface ParkRequest {
  readonly userId: UserId
  readonly deviceId: DeviceId
  /** What to wake for; a request that filters presence out is not woken for it. */
  readonly topics: readonly WakeTopic[]
  readonly signal: AbortSignal
}

export interface Wakeups extends Wake {
  register(request: ParkRequest): Parked
  /** Requests that wait now; those being answered are not among them. */
  readonly parked: number
  /** Answers every waiting request with `closed`, and every later one at once. */
  close(): void
}

export interface WakeupsOptions {
  readonly clock: Clock
  /** More requests than this are refused with 429: the server is full. */
  readonly parkedMax: number
  /** Beyond this many of one device the oldest ends as if its time were over. */
  readonly parkedPerDeviceMax: number
}

/** Requests released in one turn of the event loop, so that a big room does not stall everybody else. */
const RELEASE_SLICE = 128
/** How soon to come back when too many requests are waiting. */
const FULL_RETRY_MS = 5_000

interface Counts {
  registered: number
  waiting: number
}

export function createWakeups(options: WakeupsOptions): Wakeups {
  return new Registry(options)
}

class Registry implements Wakeups {
  readonly #clock: Clock
  readonly #parkedMax: number
  readonly #parkedPerDeviceMax: number
  readonly #byUser = new Map<UserId, Set<ParkedRequest>>()
  readonly #counts: Counts = { registered: 0, waiting: 0 }
  #isClosed = false
  /** Woken and waiting for their slice; bounded by `parkedMax`. */
  #releasing: ParkedRequest[] = []
  #isReleaseScheduled = false

  constructor({ clock, parkedMax, parkedPerDeviceMax }: WakeupsOptions) {
    this.#clock = clock
    this.#parkedMax = parkedMax
    this.#parkedPerDeviceMax = parkedPerDeviceMax
  }

  get parked(): number {
    return this.#counts.waiting
  }

  register(request: ParkRequest): Parked {
    if (this.#counts.registered >= this.#parkedMax)
      throw refuse.limitExceeded('Too many requests are waiting', { retry_after_ms: FULL_RETRY_MS })
    const ofUser = this.#byUser.get(request.userId) ?? new Set()
    this.#endOldest(ofUser, request.deviceId)
    const parked = new ParkedRequest(request, this.#clock, this.#counts, () => this.#forget(parked))
    ofUser.add(parked)
    this.#byUser.set(request.userId, ofUser)
    this.#counts.registered += 1
    if (this.#isClosed) parked.settle('closed')
    return parked
  }

  users(userIds: Iterable<UserId>, topic: WakeTopic): void {
    for (const userId of userIds) {
      const ofUser = this.#byUser.get(userId)
      if (ofUser === undefined) continue
      for (const parked of ofUser) {
        if (parked.topics.includes(topic) && parked.mark('woken')) this.#releasing.push(parked)
      }
    }
    this.#release()
  }

  ended(userId: UserId, deviceId: DeviceId): void {
    for (const parked of this.#byUser.get(userId) ?? [])
      if (parked.deviceId === deviceId) parked.settle('ended')
  }

  close(): void {
    this.#isClosed = true
    for (const ofUser of this.#byUser.values())
      for (const parked of ofUser) if (parked.mark('closed')) this.#releasing.push(parked)
    this.#release()
  }

  #release(): void {
    if (this.#isReleaseScheduled || this.#releasing.length === 0) return
    for (const parked of this.#releasing.splice(0, RELEASE_SLICE)) parked.release()
    if (this.#releasing.length === 0) return
    this.#isReleaseScheduled = true
    setImmediate(() => {
      this.#isReleaseScheduled = false
      this.#release()
    })
  }

  #endOldest(ofUser: ReadonlySet<ParkedRequest>, deviceId: DeviceId): void {
    const ofDevice = [...ofUser].filter((parked) => parked.deviceId === deviceId && !parked.isOver)
    if (ofDevice.length >= this.#parkedPerDeviceMax) ofDevice[0]?.settle('timeout')
  }

  #forget(parked: ParkedRequest): void {
    const ofUser = this.#byUser.get(parked.userId)
    if (ofUser?.delete(parked) !== true) return
    this.#counts.registered -= 1
    if (ofUser.size === 0) this.#byUser.delete(parked.userId)
  }
}

class ParkedRequest implements Parked {
  readonly userId: UserId
  readonly deviceId: DeviceId
  readonly topics: readonly WakeTopic[]
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #counts: Counts
  readonly #forget: () => void
  readonly #onAbort = (): void => this.settle('aborted')
  /** What the current or next wait ends with; null while nothing happened. */
  #outcome: WakeOutcome | null = null
  #resolve: ((outcome: WakeOutcome) => void) | null = null
  #timer: Timer | null = null

  constructor(
    { userId, deviceId, topics, signal }: ParkRequest,
    clock: Clock,
    counts: Counts,
    forget: () => void,
  ) {
    this.userId = userId
    this.deviceId = deviceId
    this.topics = topics
    this.#clock = clock
    this.#signal = signal
    this.#counts = counts
    this.#forget = forget
    if (signal.aborted) this.#outcome = 'aborted'
    else signal.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Every further wait ends at once, whatever happens. */
  get isOver(): boolean {
    return this.#outcome !== null && this.#outcome !== 'woken'
  }

  wait(timeoutMs: Millis): Promise<WakeOutcome> {
    return new Promise((resolve) => {
      this.#resolve = resolve
      if (this.#outcome !== null) {
        this.release()
        return
      }
      this.#counts.waiting += 1
      this.#timer = this.#clock.after(timeoutMs, () => this.settle('timeout'))
    })
  }

  end(): void {
    this.#signal.removeEventListener('abort', this.#onAbort)
    this.#forget()
    this.settle('aborted')
  }

  /** Notes what happened, to be released with a slice; false if nobody waits or one was noted already. */
  mark(outcome: WakeOutcome): boolean {
    const endsWait = this.#outcome === null && this.#resolve !== null
    if (!this.isOver) this.#outcome = outcome
    if (endsWait) this.#counts.waiting -= 1
    return endsWait
  }

  /** The same, now. */
  settle(outcome: WakeOutcome): void {
    this.mark(outcome)
    this.release()
  }

  release(): void {
    const resolve = this.#resolve
    const outcome = this.#outcome
    if (resolve === null || outcome === null) return
    this.#timer?.cancel()
    this.#timer = null
    this.#resolve = null
    if (outcome === 'woken') this.#outcome = null
    resolve(outcome)
  }
}
