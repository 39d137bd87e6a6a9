import type { IdleTarget, Locks } from '../idle-timer.ts'
import type { TabChannel } from '../tabs.ts'

interface Ear {
  readonly name: string
  hear: (message: unknown) => void
}

/** What several tabs of one browser share: channels by name, and locks. Messages arrive in a later turn, as in a browser. */
export class FakeBrowser {
  readonly #listeners = new Set<Ear>()
  readonly #held = new Map<string, Promise<unknown>>()

  channel(name = 'tabs'): TabChannel {
    const own: Ear = { name, hear: () => {} }
    this.#listeners.add(own)
    return {
      post: (message) => {
        const copy: unknown = structuredClone(message)
        for (const other of this.#listeners)
          if (other !== own && other.name === name) queueMicrotask(() => other.hear(copy))
      },
      listen: (listener) => (own.hear = listener),
      close: () => void this.#listeners.delete(own),
    }
  }

  readonly locks: Locks = {
    request: (name, { signal }, held) => {
      const before = this.#held.get(name) ?? Promise.resolve()
      const gone = new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => reject(new Error('aborted'))),
      )
      const turn = Promise.race([before, gone])
      const mine = turn.then(held)
      this.#held.set(
        name,
        mine.catch(() => before),
      )
      return mine
    },
  }
}

/** A `window` that a test touches. */
export class FakeWindow implements IdleTarget {
  readonly #listeners = new Map<string, Set<() => void>>()

  addEventListener(type: string, listener: () => void): void {
    const listeners = this.#listeners.get(type) ?? new Set()
    this.#listeners.set(type, listeners.add(listener))
  }

  removeEventListener(type: string, listener: () => void): void {
    this.#listeners.get(type)?.delete(listener)
  }

  fires(type: string): void {
    for (const listener of this.#listeners.get(type) ?? []) listener()
  }

  get listening(): string[] {
    return [...this.#listeners].filter(([, listeners]) => listeners.size > 0).map(([type]) => type)
  }
}
