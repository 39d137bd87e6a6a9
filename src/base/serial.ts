/**
 * Runs work of the same key one after the other, in order of the calls; different keys do not wait for each other.
 * Holds nothing for a key at rest. Not re-entrant: work must not run more work of its own key and wait for it.
 */
export class Serial<Key> {
  readonly #lines = new Map<Key, { length: number; last: Promise<unknown> }>()

  /** How much work of this key runs or waits. */
  length(key: Key): number {
    return this.#lines.get(key)?.length ?? 0
  }

  /** The outcome of `work`, a failure included; a failure does not stop those behind it. */
  async run<T>(key: Key, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { length: 0, last: Promise.resolve() }
    this.#lines.set(key, line)
    line.length += 1
    const mine = line.last.then(work)
    line.last = mine.catch(() => {})
    try {
      return await mine
    } finally {
      line.length -= 1
      if (line.length === 0) this.#lines.delete(key)
    }
  }
}

/**
 * Runs work that needs several keys. The keys are taken in one order everywhere, so that no two pieces of such work wait for
 * each other.
 */
export function runInAll<Key extends string, T>(
  serial: Serial<Key>,
  keys: Iterable<Key>,
  work: () => Promise<T>,
): Promise<T> {
  const ordered = [...new Set(keys)].toSorted()
  return ordered.reduceRight<() => Promise<T>>((inner, key) => () => serial.run(key, inner), work)()
}
