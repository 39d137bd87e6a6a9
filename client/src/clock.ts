/** Milliseconds since 1970. */
export type Millis = number

export interface Timer {
  cancel(): void
}

/** Where time comes from; give your own in tests. It must show the wall clock: a jump of it is how sleep is noticed. */
export interface Clock {
  now(): Millis
  after(delayMs: Millis, run: () => void): Timer
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return { cancel: () => clearTimeout(timer) }
  },
}

/** 0 ≤ x < 1; for jitter, nothing secret. */
export const chance = (): number => Math.random()
