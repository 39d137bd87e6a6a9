import type { Store, Write } from '../ports/store.ts'

/**
 * The durable order of everything that `/sync` delivers besides presence: events, receipts, account data, keys. A
 * position is handed out and its rows given to the store in one synchronous step, and the store commits in the order of
 * the calls, so `current` never passes a row that is not readable yet.
 */
export interface Stream {
  /** All rows up to here are durable and readable. */
  readonly current: number
  /**
   * Commits the rows that `build` makes; it may call `next()` for as many positions as it needs and must not wait.
   * Resolves when they are durable and `current` has passed them.
   */
  commit(build: (next: () => number) => readonly Write[]): Promise<void>
}

export async function createStream(store: Store): Promise<Stream> {
  let last = await store.lastPosition()
  let current = last
  return {
    get current() {
      return current
    },
    async commit(build) {
      const writes = build(() => (last += 1))
      const upTo = last
      await store.commit(writes)
      current = Math.max(current, upTo)
    },
  }
}
