import type { UserId } from '../matrix/ids.ts'
import type { PublicProfile } from './directory.ts'

/** What another server said of the two names; null: it did not say. */
export interface SaidProfile {
  readonly displayname: string | null
  readonly avatarUrl: string | null
}

/**
 * Names of other servers' users whom no room names: followed by a presence list alone (PRESENCE-SPEC §5.8). Nobody ever waits
 * for another server here: what is not known now is told by a later event.
 */
export interface RemoteProfiles {
  /** What is known of them at this moment; what is not, or is old, is asked for behind the scenes. */
  known(userIds: readonly UserId[]): ReadonlyMap<UserId, PublicProfile>
  /** Their server sent names along, as those of 2015 do. */
  heard(userId: UserId, said: SaidProfile): void
}

/** Asks the user's server; null if it knows no such user or tells nothing. Rejects, in bounded time, if it does not answer. */
export type QueryProfile = (userId: UserId) => Promise<PublicProfile | null>
