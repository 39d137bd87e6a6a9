import type { Millis } from '../base/clock.ts'
import { jittered, type Random } from '../base/random.ts'

export interface BackOff {
  /** `RETRY_MIN` and `RETRY_MAX`. */
  readonly retryMinMs: Millis
  readonly retryMaxMs: Millis
}

const JITTER = 0.2
/** Beyond, every minimum has grown past every maximum. */
const DOUBLINGS_MAX = 40

/** How long to wait after this many failures in a row: doubled with each, up to the maximum, ± 20 % (P-202). */
export function backOffMs(failures: number, { retryMinMs, retryMaxMs }: BackOff, random: Random): Millis {
  const doublings = Math.min(Math.max(failures - 1, 0), DOUBLINGS_MAX)
  return jittered(random, Math.min(retryMinMs * 2 ** doublings, retryMaxMs), JITTER)
}
