import type { Millis } from '../base/clock.ts'
import type { UserId } from './ids.ts'
import { PRESENCE_LISTS } from './presence-list.ts'
import type { PresenceState } from './presence.ts'

/** The four EDUs of §5.5, by what they mean. */
export type ListEduKind = 'invite' | 'withdraw' | 'accept' | 'deny'

/** Their types on the wire. */
export const LIST_EDU_TYPES = {
  invite: 'm.presence_invite',
  accept: 'm.presence_accept',
  deny: 'm.presence_deny',
  withdraw: `${PRESENCE_LISTS}.withdraw`,
} as const satisfies Record<ListEduKind, string>

/** One entry of `push`: all that is known of one user, not a difference (§5.4). */
export interface PresencePush {
  readonly userId: UserId
  readonly state: PresenceState
  readonly statusMsg: string | null
  /** Age; null: not said, the time known before stays. */
  readonly lastActiveAgoMs: Millis | null
  readonly currentlyActive: boolean
  /** What servers of 2015 send along; taken from those only. */
  readonly displayname: string | null
  readonly avatarUrl: string | null
}

/** An `m.presence` EDU; all three are optional on the wire. */
export interface PresenceEdu {
  readonly push: readonly PresencePush[]
  readonly poll: readonly UserId[]
  readonly unpoll: readonly UserId[]
}
