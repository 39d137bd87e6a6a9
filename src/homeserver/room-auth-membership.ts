import { parseUserId, serverOf } from '../matrix/ids.ts'
import { isJsonObject, own, ownString, type Json, type JsonObject } from '../matrix/json.ts'
import type { RoomEvent } from '../matrix/room-event.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'
import { verifyJson, VerifyKey } from '../matrix/signing.ts'
import { isRestricted, joinRuleOf, membershipOf, type AuthState } from './auth-state.ts'
import { ALLOWED, rejected, type AuthVerdict } from './auth-verdict.ts'
import { banLevel, creatorsOf, inviteLevel, kickLevel, levelOf } from './power-levels.ts'

/** Signature and key pairs of a third-party invite that are tried; real ones have one or two (I1). */
const THIRD_PARTY_ATTEMPTS_MAX = 64

/** One member event and what its rules look at. */
interface Change {
  readonly event: RoomEvent
  readonly create: RoomEvent
  readonly state: AuthState
  readonly version: RoomVersion
  readonly sender: string
  readonly target: string
}

/** Rule 5: ROOMS-SPEC §3.3. Always decides. */
export function authorizeMembership(
  event: RoomEvent,
  create: RoomEvent,
  state: AuthState,
  version: RoomVersion,
): AuthVerdict {
  const { content, sender, state_key: target } = event.pdu
  const membership = ownString(content, 'membership')
  if (target === undefined || membership === undefined) {
    return rejected('4.1', 'A member event has a state_key and a membership')
  }
  if (!isSignedByAuthoriser(event, version)) {
    return rejected('4.2', 'The server of join_authorised_via_users_server has not signed the event')
  }
  const change = { event, create, state, version, sender, target }
  switch (membership) {
    case 'join':
      return authorizeJoin(change)
    case 'invite':
      return authorizeInvite(change)
    case 'leave':
      return authorizeLeave(change)
    case 'ban':
      return authorizeBan(change)
    case 'knock':
      return authorizeKnock(change)
    default:
      return rejected('U', `There is no membership ${membership}`)
  }
}

/** Rule 4.2. */
function isSignedByAuthoriser({ pdu }: RoomEvent, version: RoomVersion): boolean {
  const authoriser = own(pdu.content, 'join_authorised_via_users_server')
  if (!version.restrictedJoins || authoriser === undefined) return true
  const userId = typeof authoriser === 'string' ? parseUserId(authoriser) : null
  const signatures = userId === null ? undefined : own(pdu.signatures, serverOf(userId))
  return isJsonObject(signatures) && Object.keys(signatures).length > 0
}

function authorizeJoin({ event, create, state, version, sender, target }: Change): AuthVerdict {
  const [first, ...others] = event.pdu.prev_events
  const isFirstJoin = first === create.eventId && others.length === 0
  if (isFirstJoin && target === creatorsOf(create, version)[0]) return ALLOWED
  if (sender !== target) return rejected('J2', 'Nobody can join for another user')
  const membership = membershipOf(sender, state)
  if (membership === 'ban') return rejected('J3', 'You are banned from the room')
  const rule = joinRuleOf(state)
  const isIn = membership === 'invite' || membership === 'join'
  if (rule === 'invite' || (rule === 'knock' && version.knocking)) {
    return isIn ? ALLOWED : rejected('J4', 'You are not invited to the room')
  }
  if (isRestricted(rule, version)) {
    return isIn || isAuthorisedJoin(event, state, version)
      ? ALLOWED
      : rejected('J5', 'You do not meet the conditions to join the room')
  }
  return rule === 'public' ? ALLOWED : rejected('J7', `The join rule ${rule} lets nobody in`)
}

/** J5: somebody who may invite lets the user in. Whether the conditions were met is that server's word (§3.5). */
function isAuthorisedJoin({ pdu }: RoomEvent, state: AuthState, version: RoomVersion): boolean {
  const authoriser = ownString(pdu.content, 'join_authorised_via_users_server')
  if (authoriser === undefined || membershipOf(authoriser, state) !== 'join') return false
  return levelOf(authoriser, state, version) >= inviteLevel(state, version)
}

function authorizeInvite(change: Change): AuthVerdict {
  const { event, state, version, sender, target } = change
  const thirdParty = own(event.pdu.content, 'third_party_invite')
  if (thirdParty !== undefined) return authorizeThirdPartyInvite(change, thirdParty)
  if (membershipOf(sender, state) !== 'join') return rejected('I2', 'You are not in the room')
  const membership = membershipOf(target, state)
  if (membership === 'join') return rejected('I3', `${target} is in the room already`)
  if (membership === 'ban') return rejected('I3', `${target} is banned from the room`)
  const mayInvite = levelOf(sender, state, version) >= inviteLevel(state, version)
  return mayInvite ? ALLOWED : rejected('I4', 'You may not invite to this room')
}

/** I1: an invite to an address, taken up by the user to whom an identity server bound it. */
function authorizeThirdPartyInvite({ state, sender, target }: Change, invite: Json): AuthVerdict {
  if (membershipOf(target, state) === 'ban') return rejected('I1', `${target} is banned from the room`)
  const signed = isJsonObject(invite) ? own(invite, 'signed') : undefined
  if (!isJsonObject(signed)) return rejected('I1', 'third_party_invite has no signed')
  const token = ownString(signed, 'token')
  if (token === undefined || own(signed, 'mxid') !== target) {
    return rejected('I1', 'third_party_invite is not for this user')
  }
  const offer = state.get('m.room.third_party_invite', token)
  if (offer?.pdu.sender !== sender) return rejected('I1', 'The third-party invite is not known, or not yours')
  return isSignedByOne(signed, publicKeysOf(offer.pdu.content))
    ? ALLOWED
    : rejected('I1', 'third_party_invite is not signed by a key of the invite')
}

function publicKeysOf(content: JsonObject): VerifyKey[] {
  const listed = own(content, 'public_keys')
  const more = Array.isArray(listed)
    ? listed.map((entry) => (isJsonObject(entry) ? own(entry, 'public_key') : undefined))
    : []
  return [own(content, 'public_key'), ...more]
    .slice(0, THIRD_PARTY_ATTEMPTS_MAX)
    .map((key) => (typeof key === 'string' ? VerifyKey.parse(key) : null))
    .filter((key) => key !== null)
}

function isSignedByOne(signed: JsonObject, keys: readonly VerifyKey[]): boolean {
  const signatures = own(signed, 'signatures')
  if (!isJsonObject(signatures)) return false
  let attempts = 0
  for (const [server, ofServer] of Object.entries(signatures)) {
    for (const keyId of isJsonObject(ofServer) ? Object.keys(ofServer) : []) {
      for (const key of keyId.startsWith('ed25519:') ? keys : []) {
        attempts += 1
        if (attempts > THIRD_PARTY_ATTEMPTS_MAX) return false
        if (verifyJson(signed, server, (id) => (id === keyId ? key : null))) return true
      }
    }
  }
  return false
}

function authorizeLeave({ state, version, sender, target }: Change): AuthVerdict {
  const before = membershipOf(target, state)
  if (sender === target) {
    const mayLeave = before === 'invite' || before === 'join' || (before === 'knock' && version.knocking)
    return mayLeave ? ALLOWED : rejected('L1', 'You are not in the room')
  }
  if (membershipOf(sender, state) !== 'join') return rejected('L2', 'You are not in the room')
  const level = levelOf(sender, state, version)
  if (before === 'ban' && level < banLevel(state, version)) {
    return rejected('L3', 'You may not lift bans in this room')
  }
  const mayKick = level >= kickLevel(state, version) && levelOf(target, state, version) < level
  return mayKick ? ALLOWED : rejected('L4', `You may not remove ${target} from the room`)
}

function authorizeBan({ state, version, sender, target }: Change): AuthVerdict {
  if (membershipOf(sender, state) !== 'join') return rejected('B1', 'You are not in the room')
  const level = levelOf(sender, state, version)
  const mayBan = level >= banLevel(state, version) && levelOf(target, state, version) < level
  return mayBan ? ALLOWED : rejected('B2', `You may not ban ${target} from the room`)
}

function authorizeKnock({ state, version, sender, target }: Change): AuthVerdict {
  if (!version.knocking) return rejected('U', 'Rooms of this version have no knocking')
  const rule = joinRuleOf(state)
  if (rule !== 'knock' && !(rule === 'knock_restricted' && version.knockRestrictedJoins)) {
    return rejected('K1', 'The room does not take knocks')
  }
  if (sender !== target) return rejected('K2', 'Nobody can knock for another user')
  const membership = membershipOf(sender, state)
  const mayKnock = membership !== 'ban' && membership !== 'invite' && membership !== 'join'
  return mayKnock ? ALLOWED : rejected('K3', `You cannot knock with membership ${membership}`)
}
