import type { Clock, Millis } from '../../src/base/clock.ts'

interface Waiting {
  due: Millis
  order: number
  run: () => void
}

/** A clock that stands still until a test moves it. Timers run in order of their due times, each at its own `now`. */
export class ManualClock implements Clock {
  #now: Millis
  #order = 0
  readonly #waiting = new Set<Waiting>()

  constructor(startTs: Millis = Date.UTC(2015, 9, 2, 12, 0, 0)) {
    this.#now = startTs
  }

  now(): Millis {
    return this.#now
  }

  after(delayMs: Millis, run: () => void): { cancel(): void } {
    const waiting = { due: this.#now + Math.max(0, delayMs), order: (this.#order += 1), run }
    this.#waiting.add(waiting)
    return { cancel: () => void this.#waiting.delete(waiting) }
  }

  /** Moves on by `ms`, running what falls due on the way; lets pending I/O settle after each timer. */
  async advance(ms: Millis): Promise<void> {
    const end = this.#now + ms
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#now = Math.max(this.#now, next.due)
      this.#waiting.delete(next)
      next.run()
      await settle()
    }
    this.#now = end
    await settle()
  }

  get timers(): number {
    return this.#waiting.size
  }

  /** When the next timer is due, or null: how far several clocks may be moved together without passing it. */
  get nextDue(): Millis | null {
    return this.#next(Number.POSITIVE_INFINITY)?.due ?? null
  }

  #next(end: Millis): Waiting | null {
    let first: Waiting | null = null
    for (const waiting of this.#waiting) {
      if (waiting.due > end) continue
      if (
        first === null ||
        waiting.due < first.due ||
        (waiting.due === first.due && waiting.order < first.order)
      )
        first = waiting
    }
    return first
  }
}

/** Turns of the event loop that let promises and finished I/O run; no time passes. */
export async function settle(turns = 5): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}

/** Waits, turn by turn and without a timer, until `condition` holds. */
export async function until(condition: () => boolean, what: string, turnsMax = 5_000_000): Promise<void> {
  for (let i = 0; i < turnsMax; i += 1) {
    if (condition()) return
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  throw new Error(`did not happen: ${what}`)
}
