import { refuse } from '../matrix/errors.ts'
import { parseRoomId, serverOf, type RoomId, type ServerName, type UserId } from '../matrix/ids.ts'
import { isJsonObject, own, ownString, type Json, type JsonObject } from '../matrix/json.ts'
import { isRestricted, joinRuleOf, membershipOf } from './auth-state.ts'
import type { Memberships } from './memberships.ts'
import { inviteLevel, levelOf } from './power-levels.ts'
import { authStateOf, contentIn, type RoomState } from './room-state.ts'

/**
 * What a join of a restricted room must carry beside its membership (§3.5): the user of ours who lets the joiner in, or
 * nothing if the join needs nobody.
 *
 * @throws M_FORBIDDEN, M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN
 */
export function authorisingKeys(
  { memberships, serverName }: { readonly memberships: Memberships; readonly serverName: ServerName },
  state: RoomState,
  joiner: UserId,
): JsonObject {
  const authState = authStateOf(state)
  const membership = membershipOf(joiner, authState)
  if (membership === 'join' || membership === 'invite' || membership === 'ban') return {}
  if (!isRestricted(joinRuleOf(authState), state.version)) return {}
  const rooms = allowedRooms(contentIn(state, 'm.room.join_rules') ?? {})
  if (!rooms.some((roomId) => memberships.isJoined(roomId, joiner))) {
    const isResident = (roomId: RoomId): boolean =>
      [...memberships.joinedMembers(roomId)].some((userId) => serverOf(userId) === serverName)
    if (rooms.every(isResident)) throw refuse.forbidden('You are in none of the rooms that open this one')
    throw refuse.unableToAuthoriseJoin()
  }
  const needed = inviteLevel(authState, state.version)
  for (const userId of memberships.joinedMembers(state.roomId)) {
    if (serverOf(userId) === serverName && levelOf(userId, authState, state.version) >= needed)
      return { join_authorised_via_users_server: userId }
  }
  throw refuse.unableToGrantJoin()
}

/** The rooms whose members may join; conditions of unknown types are never met. */
function allowedRooms(joinRules: JsonObject): RoomId[] {
  const allow = own(joinRules, 'allow')
  return Array.isArray(allow) ? allow.flatMap((condition) => conditionRoom(condition) ?? []) : []
}

function conditionRoom(condition: Json): RoomId | null {
  if (!isJsonObject(condition) || ownString(condition, 'type') !== 'm.room_membership') return null
  return parseRoomId(ownString(condition, 'room_id') ?? '')
}
