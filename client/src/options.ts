import type { Clock, Millis } from './clock.ts'
import type { IdleTimer } from './idle-timer.ts'
import type { KeyStore } from './memory.ts'
import type { TabChannel } from './tabs.ts'

/** What both kinds of client are told. */
export interface SharedOptions {
  /** A timer of yours, the setting of one of its own, or `false` for never idle. */
  readonly idle?: IdleTimer | { readonly timeoutMs?: Millis } | false
  /** Where the chosen state survives a reload: `localStorage` where there is one; null: nowhere. */
  readonly storage?: KeyStore | null
  /** 10 s. */
  readonly unknownAfterMs?: Millis
  readonly clock?: Clock
  /** 0 ≤ x < 1. */
  readonly random?: () => number
  /** How the tabs of one user are reached; for tests. */
  readonly channel?: () => TabChannel | null
}
