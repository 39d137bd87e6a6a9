import { assertNever } from '../base/assert.ts'
import type { Clock, Millis } from '../base/clock.ts'
import { refuse } from '../matrix/errors.ts'
import type { Requester } from '../ports/directory.ts'
import type { WakeTopic } from '../ports/wake.ts'
import type { Parked, Wakeups } from './wakeups.ts'

/** What a long poll waits for, and how it looks whether it is there. */
export interface PollRequest<Reading extends { readonly isEmpty: boolean }> {
  readonly requester: Requester
  readonly topics: readonly WakeTopic[]
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal
  /** The longest wait, jitter included. */
  readonly waitMs: Millis
  /** Looks once, as of now. */
  readonly read: () => Promise<Reading>
}

/**
 * Register, read, wait, read: every wake is followed by another look, and one that finds nothing goes on waiting
 * . Resolves with what is there at last: empty when the time is over, the server stops or the client is gone.
 *
 * @throws MatrixError 401 M_UNKNOWN_TOKEN when the device is logged out meanwhile; 429 when too many wait
 */
export async function poll<Reading extends { readonly isEmpty: boolean }>(
  { wakeups, clock }: { readonly wakeups: Pick<Wakeups, 'register'>; readonly clock: Pick<Clock, 'now'> },
  { requester, topics, signal, waitMs, read }: PollRequest<Reading>,
): Promise<Reading> {
  const deadline = clock.now() + waitMs
  const parked = wakeups.register({ ...requester, topics, signal })
  try {
    for (let isLast = false; ;) {
      const reading = await read()
      if (isLast || !reading.isEmpty) return reading
      const outcome = await waitFor(parked, deadline - clock.now())
      if (outcome === 'stop') return reading
      isLast = outcome === 'last'
    }
  } finally {
    parked.end()
  }
}

async function waitFor(parked: Parked, leftMs: Millis): Promise<'again' | 'last' | 'stop'> {
  const outcome = await parked.wait(Math.max(0, leftMs))
  switch (outcome) {
    case 'woken':
      return 'again'
    case 'timeout':
      return 'last'
    case 'ended':
      throw refuse.unknownToken()
    case 'closed':
    case 'aborted':
      return 'stop'
    default:
      return assertNever(outcome)
  }
}
