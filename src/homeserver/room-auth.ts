import { areUserIds, serverOf, type RoomId } from '../matrix/ids.ts'
import { own } from '../matrix/json.ts'
import { authEventKeys, createEventIdOf, stateKeyOf, type RoomEvent } from '../matrix/room-event.ts'
import { declaredRoomVersion, type RoomVersion } from '../matrix/room-version/index.ts'
import { membershipOf, type AuthState } from './auth-state.ts'
import { ALLOWED, rejected, type AuthVerdict } from './auth-verdict.ts'
import { inviteLevel, levelOf, requiredLevel } from './power-levels.ts'
import { authorizeMembership } from './room-auth-membership.ts'
import { authorizePowerLevels } from './room-auth-power-levels.ts'

/**
 * May this event be, after this state? The table of ROOMS-SPEC §3.2, top to bottom, but for rule 3, which concerns the event
 * alone (`authorizeAuthEvents`). Pure; it reads the event, the create event and the state named in §2.7.
 *
 * Rule 4.2 asks for a *valid* signature; that the event's signatures are valid is established before (§2.10), here the
 * signature must only be there.
 */
export function authorize(event: RoomEvent, state: AuthState, version: RoomVersion): AuthVerdict {
  const { pdu } = event
  if (pdu.type === 'm.room.create') return authorizeCreate(event, version)
  const create = state.get('m.room.create', '')
  if (create === undefined)
    return rejected(version.roomIdFromCreate ? '2' : '3d', 'The room has no create event')
  if (version.roomIdFromCreate && createEventIdOf(event.roomId) !== create.eventId) {
    return rejected('2', 'The room ID is not that of the create event')
  }
  if (
    own(create.pdu.content, 'm.federate') === false &&
    serverOf(pdu.sender) !== serverOf(create.pdu.sender)
  ) {
    return rejected('4', 'The room is closed to users of other servers')
  }
  if (pdu.type === 'm.room.member') return authorizeMembership(event, create, state, version)
  return authorizeByMember(event, create, state, version)
}

/** Rule 1. */
function authorizeCreate({ pdu }: RoomEvent, version: RoomVersion): AuthVerdict {
  const { content } = pdu
  if (pdu.prev_events.length > 0) return rejected('1a', 'Nothing comes before the create event')
  if (version.roomIdFromCreate) {
    if (pdu.room_id !== undefined) return rejected('1c', 'The create event has no room_id')
  } else if (pdu.room_id === undefined || domainOf(pdu.room_id) !== serverOf(pdu.sender)) {
    return rejected('1b', 'The room ID is of another server than the sender')
  }
  if (own(content, 'room_version') !== undefined && declaredRoomVersion(content) === null) {
    return rejected('1d', 'The room version is not known')
  }
  if (version.creator === 'content' && own(content, 'creator') === undefined) {
    return rejected('1e', 'The create event names no creator')
  }
  const additional = own(content, 'additional_creators')
  if (version.creator === 'sender-and-additional' && additional !== undefined && !areUserIds(additional)) {
    return rejected('1f', 'additional_creators must be an array of user IDs')
  }
  return ALLOWED
}

/** Rules 6 to 11. */
function authorizeByMember(
  event: RoomEvent,
  create: RoomEvent,
  state: AuthState,
  version: RoomVersion,
): AuthVerdict {
  const { type, sender, state_key: stateKey } = event.pdu
  if (membershipOf(sender, state) !== 'join') return rejected('6', 'You are not in the room')
  const level = levelOf(sender, state, version)
  if (type === 'm.room.third_party_invite') {
    return level >= inviteLevel(state, version) ? ALLOWED : rejected('7', 'You may not invite to this room')
  }
  const required = requiredLevel({ type, isState: stateKey !== undefined }, state, version)
  if (required > level) {
    return rejected('8', `To send ${type} you need power level ${required}, and you have ${level}`)
  }
  if (stateKey?.startsWith('@') === true && stateKey !== sender) {
    return rejected('9', 'State under the ID of a user is only for that user')
  }
  if (type !== 'm.room.power_levels') return ALLOWED
  return authorizePowerLevels(event, create, state, version)
}

/** One of an event's `auth_events`; `rejected`: it failed the rules itself. */
export interface CitedEvent {
  readonly event: RoomEvent
  readonly rejected: boolean
}

/** Rule 3: does the event cite what it must, and nothing else? Judged once per event, whatever the state. */
export function authorizeAuthEvents(
  event: RoomEvent,
  cited: readonly CitedEvent[],
  version: RoomVersion,
): AuthVerdict {
  const expected = new Set(authEventKeys(event.pdu, version).map(([type, key]) => stateKeyOf(type, key)))
  const seen = new Set<string>()
  for (const { event: entry, rejected: wasRejected } of cited) {
    const { type, state_key: stateKey } = entry.pdu
    if (stateKey === undefined) return rejected('3b', `${type} is not a state event`)
    const key = stateKeyOf(type, stateKey)
    if (seen.has(key)) return rejected('3a', `Two auth_events are ${type}`)
    if (!expected.has(key)) return rejected('3b', `${type} does not belong into auth_events`)
    if (wasRejected) return rejected('3c', `The ${type} in auth_events was rejected`)
    if (entry.roomId !== event.roomId) return rejected('3e', `The ${type} in auth_events is of another room`)
    seen.add(key)
  }
  const createKey = stateKeyOf('m.room.create', '')
  if (expected.has(createKey) && !seen.has(createKey))
    return rejected('3d', 'auth_events lack the create event')
  return ALLOWED
}

function domainOf(roomId: RoomId): string | null {
  const colon = roomId.indexOf(':')
  return colon < 0 ? null : roomId.slice(colon + 1)
}
