import type { Millis } from '../base/clock.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'

/** Who makes a request: a user and the device that the access token belongs to. */
export interface Requester {
  readonly userId: UserId
  readonly deviceId: DeviceId
  readonly guest: boolean
  readonly admin: boolean
}

/** The two profile fields that travel with presence and membership; never empty strings (P-109). */
export interface PublicProfile {
  readonly displayname?: string
  readonly avatarUrl?: string
}

/**
 * What presence has to ask of the accounts and rooms around it (DESIGN §3.10). The standalone homeserver implements it;
 * a companion in front of another homeserver can later.
 */
export interface Directory {
  /** Whose token this is; null if it is not known. `ip` is where the request comes from, for the device's last sight. */
  requester(accessToken: string, ip?: string): Promise<Requester | null>
  /** Profiles of those users that have one. */
  profiles(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, PublicProfile>>
  /** Has the user an account here that lives and is not a guest's? */
  isMember(userId: UserId): Promise<boolean>
  /** When the user's account came into being; null if there never was one. */
  createdTs(userId: UserId): Promise<Millis | null>
}
