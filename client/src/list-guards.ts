import { fields, isUserId, LISTS, millis } from './guards.ts'
import type { Invite, InviteChange, InvitePolicy, InviteState, ListEntry } from './types.ts'

const INVITE_STATES: readonly unknown[] = [
  'pending',
  'accepted',
  'denied',
  'revoked',
  'withdrawn',
  'expired',
] satisfies InviteState[]

/** An invite event of §2.5.3 that concerns `ownId`, or null. */
export function inviteChange(event: unknown, ownId: string): InviteChange | null {
  const { type, content } = fields(event)
  const { direction, state, ts, observer_user: observer, observed_user: observed } = fields(content)
  if (type !== `${LISTS}.invite` || !INVITE_STATES.includes(state)) return null
  if (direction !== 'incoming' && direction !== 'outgoing') return null
  const [self, other] = direction === 'incoming' ? [observed, observer] : [observer, observed]
  if (self !== ownId || !isUserId(other)) return null
  return { userId: other, direction, state: state as InviteState, ts: millis(ts) }
}

export function listEntry(item: unknown): ListEntry | null {
  const { user_id: userId, accepted } = fields(item)
  return isUserId(userId) ? { userId, accepted: accepted === true } : null
}

/** An element of `invites`, whose time is `ts`, or of `observers`, whose time is `since_ts`. */
export function invite(item: unknown): Invite | null {
  const { user_id: userId, ts, since_ts: sinceTs } = fields(item)
  return isUserId(userId) ? { userId, ts: millis(ts ?? sinceTs) } : null
}

const POLICIES: readonly unknown[] = [
  'manual',
  'accept_reverse',
  'accept_shared_room',
  'accept_all',
  'deny_all',
] satisfies InvitePolicy[]

export function invitePolicy(body: unknown): InvitePolicy {
  const { policy } = fields(body)
  return POLICIES.includes(policy) ? (policy as InvitePolicy) : 'manual'
}
