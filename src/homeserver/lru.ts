import { LRUCache } from 'lru-cache'

/**
 * A map of at most `entriesMax` entries: for a new one, the one that was used longest ago goes, and `gone` is told, as of
 * every entry that leaves. Bounded by size and not by `max`, for which the library would take all memory up front.
 */
export function createLru<Key extends {}, Value extends {}>(
  entriesMax: number,
  gone?: (value: Value, key: Key) => void,
): LRUCache<Key, Value> {
  return new LRUCache<Key, Value>({
    maxSize: entriesMax,
    sizeCalculation: () => 1,
    ...(gone && { dispose: gone }),
  })
}
