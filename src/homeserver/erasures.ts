import type { UserId } from '../matrix/ids.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'

/** Users who want their messages forgotten by all but those who had them (ROOMS-SPEC §5.2.6). */
export interface Erasures {
  has(userId: UserId): boolean
}

/** All of them in memory: every event that is shown asks, and few users ask for it. */
export async function loadErasures(deps: {
  readonly store: Pick<Store, 'all'>
  readonly stream: Pick<Stream, 'observe'>
}): Promise<Erasures> {
  const erased = new Set((await deps.store.all('erasures')).map(({ userId }) => userId))
  deps.stream.observe((writes) => {
    for (const write of writes) if ('put' in write && write.put === 'erasures') erased.add(write.row.userId)
  })
  return erased
}
