import type { DeviceId, UserId } from '../matrix/ids.ts'

/** What a waiting request may be woken for; a request that filters presence out does not wait for it. */
export type WakeTopic = 'presence' | 'rooms'

/** Wakes parked requests. Carries no data: whoever wakes reads again (DESIGN §5, STYLE rule 7). */
export interface Wake {
  /** Users without a waiting request cost nothing. */
  users(userIds: Iterable<UserId>, topic: WakeTopic): void
  /** The device was logged out: its waiting requests end with 401. */
  ended(userId: UserId, deviceId: DeviceId): void
}
