import type { UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
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

/** What a user's server says of their profile (PRESENCE-SPEC §5.8). */
export type ProfileAnswer =
  | { readonly kind: 'profile'; readonly fields: JsonObject }
  /** There is no such user, or nothing to tell. */
  | { readonly kind: 'none' }
  | { readonly kind: 'forbidden' }

/** Asks the user's server. Rejects, in bounded time, if it does not answer. */
export type AskProfile = (userId: UserId) => Promise<ProfileAnswer>

/** The same for the two names; null if it tells none. */
export type QueryProfile = (userId: UserId) => Promise<PublicProfile | null>
