import type { ListEduKind, PresenceEdu, PresencePush } from './edu.ts'
import { LIST_EDU_TYPES } from './edu.ts'
import type { ServerName, UserId } from './ids.ts'
import type { JsonObject } from './json.ts'
import { PRESENCE_LISTS } from './presence-list.ts'
import { BUSY } from './presence.ts'

/** Beside the two users in a list EDU: which asking it begins or answers (decision 0015). */
export const ASK = `${PRESENCE_LISTS}.ask`

/** Between whom an EDU goes; servers of 2015 look for it inside each EDU (PRESENCE-SPEC §5.3). */
export interface EduEnds {
  readonly origin: ServerName
  readonly destination: ServerName
}

/** A list EDU as it is sent (§5.5). Only peers of 2015 know these, so they carry the ends whoever it is for. */
export function listEduBody(
  {
    kind,
    observer,
    observed,
    ask,
  }: {
    readonly kind: ListEduKind
    readonly observer: UserId
    readonly observed: UserId
    readonly ask: number | null
  },
  ends: EduEnds,
): JsonObject {
  const users = { observed_user: observed, observer_user: observer }
  const { origin, destination } = ends
  return {
    edu_type: LIST_EDU_TYPES[kind],
    origin,
    destination,
    content: ask === null ? users : { ...users, [ASK]: ask },
  }
}

/** An `m.presence` EDU as it is sent (§5.4); `ends` for peers of 2015 only. An empty `poll` or `unpoll` is left out. */
export function presenceEduBody({ push, poll, unpoll }: PresenceEdu, ends: EduEnds | null): JsonObject {
  const content: JsonObject = { push: push.map(pushBody) }
  if (poll.length > 0) content['poll'] = [...poll]
  if (unpoll.length > 0) content['unpoll'] = [...unpoll]
  return { edu_type: 'm.presence', ...(ends !== null && { ...ends }), content }
}

/** All three required keys are always there (P-167). */
export function pushBody(push: PresencePush): JsonObject {
  const { userId, state, statusMsg, lastActiveAgoMs, currentlyActive } = push
  const body: JsonObject = {
    user_id: userId,
    presence: state === 'busy' ? BUSY : state,
    last_active_ago: lastActiveAgoMs ?? 0,
  }
  if (statusMsg !== null) body['status_msg'] = statusMsg
  if (state !== 'offline' && state !== 'unavailable') body['currently_active'] = currentlyActive
  return body
}
