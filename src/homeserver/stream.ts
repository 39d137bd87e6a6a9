import type { Store } from '../ports/store.ts'
import type { Stream, StreamObserver } from '../ports/stream.ts'

/** Goes on behind the last position that the store ever held. */
export async function createStream(store: Pick<Store, 'commit' | 'lastPosition'>): Promise<Stream> {
  let last = await store.lastPosition()
  let current = last
  const observers: StreamObserver[] = []
  return {
    get current() {
      return current
    },
    async commit(build) {
      const writes = build(() => (last += 1))
      const upTo = last
      await store.commit(writes)
      for (const observe of observers) observe(writes, upTo)
      current = Math.max(current, upTo)
    },
    observe: (observer) => void observers.push(observer),
  }
}
