import { assert } from '../base/assert.ts'
import type { Clock, Millis } from '../base/clock.ts'
import { refuse } from '../matrix/errors.ts'

/** At most `burst` at once, and `perSecond` in the long run. */
export interface RateLimit {
  readonly burst: number
  readonly perSecond: number
}

export interface RateLimits<Name extends string> {
  /**
   * Takes `cost`, one if it is not said, from the allowance of `key`; throws M_LIMIT_EXCEEDED with `retry_after_ms` when nothing
   * is left (P-012). What costs more than is left passes, and is paid off afterwards.
   */
  take(name: Name, key: string, cost?: number): void
  /** The same as an answer, for what is silently ignored when it comes too often (P-093). */
  tryTake(name: Name, key: string): boolean
  /** Throws as `take` would, but takes nothing: for what is charged only when it fails (a login), or when its cost is known. */
  check(name: Name, key: string): void
  /** How many keys are remembered, over all names: a gauge for the operator. */
  readonly keyCount: number
}

/**
 * Named limits, each with an allowance of its own per key (a user, an address). At most `keysMax` keys are remembered
 * for each name; beyond that the key that was served longest ago starts afresh.
 */
export function createRateLimits<Name extends string>(options: {
  readonly clock: Pick<Clock, 'now'>
  readonly limits: Readonly<Record<Name, RateLimit>>
  readonly enabled: boolean
  readonly keysMax: number
}): RateLimits<Name> {
  const { clock, limits, enabled, keysMax } = options
  const meters = new Map<Name, Meter>()
  for (const name of Object.keys(limits) as Name[]) meters.set(name, new Meter(limits[name], keysMax))

  const meterOf = (name: Name): Meter => {
    const meter = meters.get(name)
    assert(meter !== undefined, `the rate limit ${name} is not set`)
    return meter
  }
  const take = (name: Name, key: string, cost = 1): Millis => {
    const meter = meterOf(name)
    return enabled ? meter.take(key, cost, clock.now()) : 0
  }
  const refuseFor = (waitMs: Millis): void => {
    if (waitMs > 0) throw refuse.limitExceeded(undefined, { retry_after_ms: waitMs })
  }
  return {
    take: (name, key, cost) => refuseFor(take(name, key, cost)),
    tryTake: (name, key) => take(name, key) === 0,
    check(name, key) {
      const meter = meterOf(name)
      if (enabled) refuseFor(meter.wait(key, clock.now()))
    },
    get keyCount() {
      return [...meters.values()].reduce((count, meter) => count + meter.keyCount, 0)
    },
  }
}

/**
 * The generic cell rate algorithm: per key one number, the time at which its allowance is whole again. It may lie
 * `burst` intervals ahead, after something dear by its cost; once it is past, the key is as good as unknown.
 */
class Meter {
  readonly #intervalMs: number
  readonly #toleranceMs: number
  readonly #keysMax: number
  /** In the order in which the keys were last served. */
  readonly #wholeAt = new Map<string, number>()

  constructor(limit: RateLimit, keysMax: number) {
    assert(limit.burst >= 1 && limit.perSecond > 0 && keysMax >= 1, 'a rate limit must let something pass')
    this.#intervalMs = 1_000 / limit.perSecond
    this.#toleranceMs = (limit.burst - 1) * this.#intervalMs
    this.#keysMax = keysMax
  }

  get keyCount(): number {
    return this.#wholeAt.size
  }

  /** Milliseconds to wait before the next try, a whole number; 0 when this one was granted. */
  take(key: string, cost: number, now: Millis): Millis {
    const waitMs = this.wait(key, now)
    if (waitMs > 0) return waitMs
    const wholeAt = Math.max(now, this.#wholeAt.get(key) ?? now)
    this.#wholeAt.delete(key)
    this.#forget(now)
    this.#wholeAt.set(key, wholeAt + cost * this.#intervalMs)
    return 0
  }

  /** The same without taking. */
  wait(key: string, now: Millis): Millis {
    const wholeAt = Math.max(now, this.#wholeAt.get(key) ?? now)
    return Math.max(0, Math.ceil(wholeAt - now - this.#toleranceMs))
  }

  /** Two a turn, so that idle keys go faster than new ones come; more only to stay within the bound. */
  #forget(now: Millis): void {
    let idle = 2
    for (const [key, wholeAt] of this.#wholeAt) {
      const full = this.#wholeAt.size >= this.#keysMax
      if (!full && (idle === 0 || wholeAt > now)) return
      this.#wholeAt.delete(key)
      idle = Math.max(0, idle - 1)
    }
  }
}
