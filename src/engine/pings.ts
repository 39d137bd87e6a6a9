import type { Millis } from '../base/clock.ts'
import type { UserNum } from './types.ts'

/** The golden ratio: its multiples spread evenly over the interval, however many there are. */
const SPREAD = (Math.sqrt(5) - 1) / 2

/**
 * When other servers are to be told again of users who stay as they are (P-196). Every user has a place of their own in the
 * interval, so that never many fall due together, whenever they came online (L-11).
 */
export class Pings {
  readonly #intervalMs: Millis
  readonly #dueTs = new Map<UserNum, Millis>()

  /** Infinity: nobody is ever due. */
  constructor(intervalMs: Millis) {
    this.#intervalMs = intervalMs
  }

  /** Puts the user on, if not already, or takes them off. */
  keep(user: UserNum, isOn: boolean, now: Millis): void {
    if (!isOn) this.#dueTs.delete(user)
    else if (!this.#dueTs.has(user)) this.#dueTs.set(user, this.#next(user, now))
  }

  /** Is the user due? If so, the next turn is set. */
  take(user: UserNum, now: Millis): boolean {
    if (now < this.dueTs(user)) return false
    this.#dueTs.set(user, this.#next(user, now))
    return true
  }

  /** Infinity: never. */
  dueTs(user: UserNum): Millis {
    return this.#dueTs.get(user) ?? Infinity
  }

  /** The user's next place after `now`, an interval away at most. */
  #next(user: UserNum, now: Millis): Millis {
    if (this.#intervalMs === Infinity) return Infinity
    const place = Math.floor(((user * SPREAD) % 1) * this.#intervalMs)
    return now + this.#intervalMs - ((now - place) % this.#intervalMs)
  }
}
