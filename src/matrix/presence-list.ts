import { z } from 'zod'
import type { Millis } from '../base/clock.ts'
import type { UserId } from './ids.ts'
import type { JsonObject } from './json.ts'
import type { ClientEvent } from './sync.ts'

/** Our name for what no specification defines (PRESENCE-SPEC §0.3): path, key of `/sync`, feature flag. */
export const PRESENCE_LISTS = 'dev.adsum.presence_lists'

const INVITE_EVENT = `${PRESENCE_LISTS}.invite`

/** What became of a pair of users, as their devices are told (PRESENCE-SPEC §2.5.3). */
export type InviteState = 'pending' | 'accepted' | 'denied' | 'revoked' | 'withdrawn' | 'expired'

/** From the point of view of who is told: `incoming` to the observed user, `outgoing` to the observer. */
export type InviteDirection = 'incoming' | 'outgoing'

/** What to do with new invites (§2.5.2). */
export const INVITE_POLICIES = [
  'manual',
  'accept_reverse',
  'accept_shared_room',
  'accept_all',
  'deny_all',
] as const

export type InvitePolicy = (typeof INVITE_POLICIES)[number]

/** A pair of users as one of them is told of it. */
export interface InviteNews {
  /** Who is told. */
  readonly userId: UserId
  readonly otherId: UserId
  readonly direction: InviteDirection
  readonly state: InviteState
  readonly ts: Millis
}

/** The body of `POST …/presence/list/{userId}` (P-048, P-049). */
export const listChangeBody = z.object({
  invite: z.array(z.string()).default([]),
  drop: z.array(z.string()).default([]),
})

export const acceptBody = z.object({ add_back: z.boolean().default(false) })

export const denyBody = z.object({ ignore_future: z.boolean().default(false) })

export const policyBody = z.object({ policy: z.enum(INVITE_POLICIES) })

/** The event of §2.5.3. `sender` is whoever caused the change; nobody causes the end of a time, so there it is who asked. */
export function inviteEvent({ userId, otherId, direction, state, ts }: InviteNews): ClientEvent {
  const [observer, observed] = direction === 'incoming' ? [otherId, userId] : [userId, otherId]
  return {
    type: INVITE_EVENT,
    sender: isByObserved(state) ? observed : observer,
    content: { observer_user: observer, observed_user: observed, direction, state, ts },
  }
}

function isByObserved(state: InviteState): boolean {
  return state === 'accepted' || state === 'denied' || state === 'revoked'
}

/**
 * An element of `GET …/presence/list/{userId}`: the event of the documents and the flat object of the servers of the
 * time in one (P-046, P-047, A-19).
 */
export function acceptedElement(userId: UserId, event: ClientEvent): JsonObject {
  return { ...event, ...flatPresence(event), user_id: userId, accepted: true }
}

/** The same for a user who has not answered; `event` is null unless a shared room shows them. */
export function pendingElement(userId: UserId, event: ClientEvent | null): JsonObject {
  if (event === null)
    return { type: 'm.presence', content: { user_id: userId }, user_id: userId, accepted: false }
  return { ...event, ...flatPresence(event), user_id: userId, accepted: false }
}

function flatPresence(event: ClientEvent): JsonObject {
  const { presence, last_active_ago: ago } = event['content'] as JsonObject
  return { presence: presence ?? 'offline', ...(ago !== undefined && { last_active_ago: ago }) }
}
