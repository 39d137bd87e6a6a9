import { refuse } from '../matrix/errors.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import { own, type JsonObject } from '../matrix/json.ts'
import type { Directory, PublicProfile } from '../ports/directory.ts'
import type { Membership } from './memberships.ts'

/** Only the server may say these in a member event. */
const SERVER_KEYS = new Set(['membership', 'join_authorised_via_users_server', 'third_party_signed'])

export interface MemberContentDeps {
  readonly serverName: ServerName
  readonly directory: Pick<Directory, 'profiles'>
}

/** The two profile keys as member events spell them; unset ones are left out (PRESENCE-SPEC §3.5). */
export function profileKeys({ displayname, avatarUrl }: PublicProfile): JsonObject {
  return {
    ...(displayname === undefined ? {} : { displayname }),
    ...(avatarUrl === undefined ? {} : { avatar_url: avatarUrl }),
  }
}

/** The profile of a user of ours; without one, or for users of other servers, nothing. */
export async function profileOf(
  { serverName, directory }: MemberContentDeps,
  userId: UserId,
): Promise<JsonObject> {
  if (serverOf(userId) !== serverName) return {}
  return profileKeys((await directory.profiles([userId])).get(userId) ?? {})
}

/** A member event's content; what comes later in `parts` wins, the membership over all. */
export function memberContent(membership: Membership, ...parts: readonly JsonObject[]): JsonObject {
  // Not Object.assign: a key `__proto__` is data.
  return { ...Object.fromEntries(parts.flatMap((part) => Object.entries(part))), membership }
}

/** What a client may add to its own join or knock (§5.5). */
export function ownKeys(body: JsonObject): JsonObject {
  for (const name of ['displayname', 'avatar_url', 'reason']) {
    const value = own(body, name) ?? ''
    if (typeof value !== 'string') throw refuse.badJson(`"${name}" must be a string`)
  }
  return Object.fromEntries(Object.entries(body).filter(([key]) => !SERVER_KEYS.has(key)))
}

export function reasonKey(reason: string | undefined): JsonObject {
  return reason === undefined ? {} : { reason }
}
