import { createLru } from './lru.ts'
import type { Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'

/**
 * Answers of the store kept in memory until a write makes them old. Loading begins again after such a write, so whoever
 * took a position before asking gets at least what was durable at that position.
 */
export interface FollowedCache<Value> {
  get(key: string): Promise<Value>
}

export function createFollowedCache<Value extends {}>(deps: {
  readonly stream: Pick<Stream, 'observe'>
  /** Entries kept; those used least lately go first. */
  readonly entriesMax: number
  readonly load: (key: string) => Promise<Value>
  /** The entry that this write makes old, or null. */
  readonly keyOf: (write: Write) => string | null
}): FollowedCache<Value> {
  const { stream, entriesMax, load, keyOf } = deps
  const entries = createLru<string, Promise<Value>>(entriesMax)
  stream.observe((writes) => {
    for (const write of writes) {
      const key = keyOf(write)
      if (key !== null) entries.delete(key)
    }
  })
  return {
    get(key) {
      const known = entries.get(key)
      if (known !== undefined) return known
      const loading = load(key)
      entries.set(key, loading)
      loading.catch(() => entries.delete(key))
      return loading
    },
  }
}
