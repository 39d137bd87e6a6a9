import { refuse } from '../matrix/errors.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { PublicProfile } from '../ports/directory.ts'
import { inEachRoom } from './each-room.ts'
import { sameJson } from './event-checks.ts'
import { memberContent, profileKeys } from './member-content.ts'
import type { Memberships } from './memberships.ts'
import { contentIn } from './room-state.ts'
import type { RoomWriter } from './room-writer.ts'

/** Tells every room that the user is joined to of a new name or picture (P-113). */
export type PropagateProfile = (userId: UserId, profile: PublicProfile) => Promise<void>

/** What said why and how the user joined does not hold for the new event (§3.5). */
const KEYS_OF_THE_JOIN = new Set([
  'membership',
  'displayname',
  'avatar_url',
  'reason',
  'join_authorised_via_users_server',
])

/**
 * Resolves when every room has the event or has refused it. A name that the user took in one room only gives way; other keys
 * of the member event stay. Nobody becomes active by it: the change of the profile itself already counts (PRESENCE-SPEC §4.2).
 */
export function createPropagateProfile(deps: {
  readonly memberships: Memberships
  readonly writer: Pick<RoomWriter, 'append'>
}): PropagateProfile {
  const { memberships, writer } = deps
  const propagate = async (roomId: RoomId, userId: UserId, profile: PublicProfile): Promise<void> => {
    await writer.append(
      roomId,
      (state) => {
        const already = state.get('m.room.member', userId)
        if (already === undefined || !memberships.isJoined(roomId, userId))
          throw refuse.forbidden('The user has left the room')
        const current = contentIn(state, 'm.room.member', userId) ?? {}
        const content = memberContent('join', keptKeys(current), profileKeys(profile))
        if (sameJson(current, content)) return { already }
        return { type: 'm.room.member', sender: userId, stateKey: userId, content }
      },
      { acted: null, txn: null },
    )
  }
  return (userId, profile) =>
    inEachRoom(memberships.joinedRooms(userId), (roomId) => propagate(roomId, userId, profile))
}

function keptKeys(content: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(content).filter(([key]) => !KEYS_OF_THE_JOIN.has(key)))
}
