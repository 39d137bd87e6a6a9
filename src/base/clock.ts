/** Milliseconds: a POSIX timestamp or a duration, as the name beside it says. */
export type Millis = number

/** A started timer. Cancelling it twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void
}

/**
 * Time as an input (docs/decisions/0001). Whoever needs the time is given a clock; the engine is not even
 * given that, it is told `now`.
 */
export interface Clock {
  /** Wall time in ms, steady: it never jumps or runs backwards while the process lives. */
  now(): Millis
  /** Runs `run` once, `delayMs` from now (never earlier), on a later turn of the event loop. */
  after(delayMs: Millis, run: () => void): Timer
}

/** Node fires timers above this at once, so longer waits are taken in steps. */
const NODE_TIMEOUT_MAX_MS = 2 ** 31 - 1

/** Wall time at start plus monotonic time since; NTP steps and leap seconds are not seen. */
export function systemClock(): Clock {
  const startedTs = Date.now()
  const startedAt = performance.now()
  const now = (): Millis => startedTs + Math.floor(performance.now() - startedAt)
  return { now, after: (delayMs, run) => startTimer(now, delayMs, run) }
}

function startTimer(now: () => Millis, delayMs: Millis, run: () => void): Timer {
  const due = now() + Math.max(0, delayMs)
  let handle: NodeJS.Timeout
  const step = (): void => {
    const left = due - now()
    // A Node timer may fire a fraction of a millisecond early; ours never do.
    if (left <= 0) run()
    else handle = setTimeout(step, Math.min(left, NODE_TIMEOUT_MAX_MS))
  }
  handle = setTimeout(step, Math.min(Math.max(0, delayMs), NODE_TIMEOUT_MAX_MS))
  return { cancel: () => clearTimeout(handle) }
}
