import type { Write } from './store.ts'

/** Told of writes that are durable now; `upTo` is the newest position given out to them or before them. */
export type StreamObserver = (writes: readonly Write[], upTo: number) => void

/**
 * The durable order of everything that `/sync` delivers besides presence: events, receipts, account data, keys, presence
 * lists. A position is handed out and its rows given to the store in one synchronous step, and the store commits in the
 * order of the calls, so `current` never passes a row that is not readable yet.
 */
export interface Stream {
  /** All rows up to here are durable and readable. */
  readonly current: number
  /**
   * Commits the rows that `build` makes; it may call `next()` for as many positions as it needs and must not wait.
   * Resolves when they are durable and `current` has passed them.
   */
  commit(build: (next: () => number) => readonly Write[]): Promise<void>
  /** What is kept in memory about rows follows them here: observers run just before `current` passes the rows. */
  observe(observer: StreamObserver): void
}
