import { ownString } from '../matrix/json.ts'
import type { RoomEvent } from '../matrix/room-event.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'

/** The state that an event is judged against; asked only for the keys of ROOMS-SPEC §2.7 and the create event. */
export interface AuthState {
  get(type: string, stateKey: string): RoomEvent | undefined
}

/** `content.membership` of the user; `leave` if there is none, which is the same to the rules (ROOMS-SPEC §3.1). */
export function membershipOf(userId: string, state: AuthState): string {
  const member = state.get('m.room.member', userId)
  return (member && ownString(member.pdu.content, 'membership')) ?? 'leave'
}

/** `content.join_rule`; `invite` without one. */
export function joinRuleOf(state: AuthState): string {
  const joinRules = state.get('m.room.join_rules', '')
  return (joinRules && ownString(joinRules.pdu.content, 'join_rule')) ?? 'invite'
}

/** Do members of other rooms get in by this join rule, in rooms of this version (ROOMS-SPEC §3.5)? */
export function isRestricted(joinRule: string, version: RoomVersion): boolean {
  if (joinRule === 'restricted') return version.restrictedJoins
  return joinRule === 'knock_restricted' && version.knockRestrictedJoins
}
