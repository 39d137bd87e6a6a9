import { parseUserId, type UserId } from './ids.ts'
import { isJsonObject, own, ownString, type JsonObject } from './json.ts'

/** Account data that the server itself acts upon (ROOMS-SPEC §5.9). A client may have stored anything under these names. */
export const IGNORED_USERS = 'm.ignored_user_list'
export const INVITE_PERMISSION = 'm.invite_permission_config'
export const PUSH_RULES = 'm.push_rules'

/** Whom the user ignores: only well-formed user IDs count, and nobody ignores themselves. */
export function ignoredUsers(content: JsonObject, userId: UserId): ReadonlySet<UserId> {
  const listed = own(content, 'ignored_users')
  const ignored = new Set<UserId>()
  for (const text of isJsonObject(listed) ? Object.keys(listed) : []) {
    const other = parseUserId(text)
    if (other !== null && other !== userId) ignored.add(other)
  }
  return ignored
}

/** Does the user take no invites from anybody? */
export function blocksInvites(content: JsonObject): boolean {
  return ownString(content, 'default_action') === 'block'
}
