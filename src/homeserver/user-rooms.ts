import type { UserId } from '../matrix/ids.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache } from './followed-cache.ts'

/** Every membership row of a user, as of the newest position. */
export interface UserRooms {
  of(userId: UserId): Promise<readonly Row<'memberships'>[]>
}

export function createUserRooms(deps: {
  readonly store: Pick<Store, 'memberships'>
  readonly stream: Pick<Stream, 'observe'>
  /** Users whose rows are kept in memory. */
  readonly usersMax: number
}): UserRooms {
  const { store, stream, usersMax } = deps
  const cache = createFollowedCache({
    stream,
    entriesMax: usersMax,
    load: (userId: UserId) => store.memberships(userId),
    keyOf,
  })
  return { of: (userId) => cache.get(userId) }
}

function keyOf(write: Write): UserId | null {
  if ('put' in write) return write.put === 'memberships' ? write.row.userId : null
  return write.drop === 'memberships' ? (write.where.userId ?? null) : null
}
