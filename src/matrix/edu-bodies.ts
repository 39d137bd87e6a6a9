import {
  ASK,
  LIST_EDU_TYPES,
  PRESENCE_EDU_TYPE,
  type ListEdu,
  type PresenceEdu,
  type PresencePush,
} from './edu.ts'
import type { ServerName } from './ids.ts'
import type { JsonObject } from './json.ts'
import { BUSY, type PresenceState } from './presence.ts'

/** Between whom an EDU goes; servers of 2015 look for it inside each EDU (PRESENCE-SPEC §5.3). */
export interface EduEnds {
  readonly origin: ServerName
  readonly destination: ServerName
}

/** A list EDU as it is sent (§5.5). Only peers of 2015 know these, so they carry the ends whoever it is for. */
export function listEduBody({ kind, observer, observed, ask }: ListEdu, ends: EduEnds): JsonObject {
  const users = { observed_user: observed, observer_user: observer }
  const { origin, destination } = ends
  return {
    edu_type: LIST_EDU_TYPES[kind],
    origin,
    destination,
    content: ask === null ? users : { ...users, [ASK]: ask },
  }
}

/** What a peer understands. */
export interface PeerWords {
  /** A server with presence lists, "2015-mode": it knows `free_for_chat`, but no busy, and looks for the ends in each EDU. */
  readonly speaksLists: boolean
  /** Does this server speak busy (option `presence.busy`)? */
  readonly busy: boolean
}

/**
 * An `m.presence` EDU as it is sent (§5.4). `push` is always there, as today's servers require it; an empty `poll` or `unpoll` is
 * left out.
 */
export function presenceEduBody(
  { push, poll, unpoll }: PresenceEdu,
  ends: EduEnds,
  peer: PeerWords,
): JsonObject {
  const content: JsonObject = { push: push.map((entry) => pushBody(entry, peer)) }
  if (poll.length > 0) content['poll'] = [...poll]
  if (unpoll.length > 0) content['unpoll'] = [...unpoll]
  const { origin, destination } = ends
  return { edu_type: PRESENCE_EDU_TYPE, ...(peer.speaksLists && { origin, destination }), content }
}

/** All three required keys are always there (P-167). */
export function pushBody(push: PresencePush, peer: PeerWords): JsonObject {
  const { userId, state, statusMsg, lastActiveAgoMs, currentlyActive } = push
  const word = wordFor(state, peer)
  const body: JsonObject = { user_id: userId, presence: word, last_active_ago: lastActiveAgoMs ?? 0 }
  if (statusMsg !== null) body['status_msg'] = statusMsg
  // Of who is free for chat, too: the peer's clients of today see that as online.
  if (word === 'online' || word === 'free_for_chat' || word === BUSY)
    body['currently_active'] = currentlyActive
  return body
}

/** §1.2: what another server is told of a state. */
function wordFor(state: PresenceState, { speaksLists, busy }: PeerWords): string {
  if (state === 'free_for_chat') return speaksLists ? 'free_for_chat' : 'online'
  if (state === 'busy') return busy && !speaksLists ? BUSY : 'unavailable'
  return state
}
