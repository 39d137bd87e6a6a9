import type { Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createLru } from './lru.ts'

/**
 * Answers of the store kept in memory and up to date with what is written. Whoever took a position before asking gets at
 * least what was durable at that position.
 */
export interface FollowedCache<Key extends string, Value> {
  get(key: Key): Promise<Value>
}

export function createFollowedCache<Key extends string, Value extends {}>(deps: {
  readonly stream: Pick<Stream, 'observe'>
  /** Entries kept; those used least lately go first. */
  readonly entriesMax: number
  readonly load: (key: Key) => Promise<Value>
  /** The entry that this write changes, or null. */
  readonly keyOf: (write: Write) => Key | null
  /**
   * Takes a write over into the entry, which may know it already; writes come in order. Without it, an entry that is
   * written to is forgotten and loaded again.
   */
  readonly update?: (value: Value, write: Write) => void
}): FollowedCache<Key, Value> {
  const { stream, entriesMax, load, keyOf, update } = deps
  const entries = createLru<Key, Promise<Value>>(entriesMax)
  const follow = (write: Write): void => {
    const key = keyOf(write)
    if (key === null) return
    if (update === undefined) entries.delete(key)
    // What is still being loaded takes the write over when it is there; who asks from now on comes after that.
    else
      entries.peek(key)?.then(
        (value) => update(value, write),
        () => {},
      )
  }
  stream.observe((writes) => writes.forEach(follow))
  return {
    get(key) {
      const known = entries.get(key)
      if (known !== undefined) return known
      const loading = load(key)
      entries.set(key, loading)
      loading.catch(() => entries.peek(key) === loading && entries.delete(key))
      return loading
    },
  }
}
