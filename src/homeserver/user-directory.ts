import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Directory, PublicProfile, Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { Memberships } from './memberships.ts'

/** Accounts looked at for one search, in order of their IDs; what lies behind is only found by a longer text. */
export const SEARCH_ACCOUNTS_MAX = 1_000
/** Longer texts find nobody: no name is longer. */
export const SEARCH_TERM_CHARS_MAX = 1_024

export interface FoundUser {
  readonly userId: UserId
  readonly profile: PublicProfile
}

interface UserSearch {
  readonly term: string
  /** Users wanted at most. */
  readonly limit: number
}

export interface UserDirectory {
  /**
   * Other users whose ID or display name contains the term, and whom the requester may know of: they share a room, or the
   * user is in a room that everyone may join (ROOMS-SPEC §5.9). `limited`: there may be more.
   */
  search(
    requester: Requester,
    search: UserSearch,
  ): Promise<{ readonly results: readonly FoundUser[]; readonly limited: boolean }>
}

interface UserDirectoryDeps {
  readonly store: Pick<Store, 'accountsLike'>
  readonly memberships: Pick<Memberships, 'share' | 'joinedRooms'>
  readonly directory: Pick<Directory, 'profiles'>
  /** May everyone join the room, by its current join rule? */
  readonly isPublic: (roomId: RoomId) => Promise<boolean>
}

export function createUserDirectory(deps: UserDirectoryDeps): UserDirectory {
  return {
    async search({ userId }, { term, limit }) {
      const text = term.trim()
      if (text === '' || text.length > SEARCH_TERM_CHARS_MAX) return { results: [], limited: false }
      const accounts = await deps.store.accountsLike(text, SEARCH_ACCOUNTS_MAX)
      const isVisible = visibleTo(deps, userId)
      const found: UserId[] = []
      for (const account of accounts) {
        if (found.length > limit) break
        const isOther = account.userId !== userId && account.deactivatedTs === null
        if (isOther && (await isVisible(account.userId))) found.push(account.userId)
      }
      const shown = found.slice(0, limit)
      const profiles = await deps.directory.profiles(shown)
      return {
        results: shown.map((found) => ({ userId: found, profile: profiles.get(found) ?? {} })),
        limited: found.length > limit || accounts.length === SEARCH_ACCOUNTS_MAX,
      }
    },
  }
}

/** Asks about each room once a search. */
function visibleTo(deps: UserDirectoryDeps, viewer: UserId): (userId: UserId) => Promise<boolean> {
  const { memberships, isPublic } = deps
  const asked = new Map<RoomId, boolean>()
  const isOpen = async (roomId: RoomId): Promise<boolean> => {
    const known = asked.get(roomId) ?? (await isPublic(roomId))
    asked.set(roomId, known)
    return known
  }
  return async (userId) => {
    if (memberships.share(viewer, userId)) return true
    // A set that grows or shrinks meanwhile is walked as it then is, which is what counts.
    for (const roomId of memberships.joinedRooms(userId)) if (await isOpen(roomId)) return true
    return false
  }
}
