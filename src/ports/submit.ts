import type { DeviceId, RoomId, UserId } from '../matrix/ids.ts'
import type { PresenceState, StatusChange } from '../engine/types.ts'

/**
 * How accounts and rooms tell presence what happened; `service/loop` implements it by turning each call into an engine
 * command. Every call is synchronous and cannot fail: call it after the fact is durable.
 */
export interface PresenceSubmit {
  registered(userId: UserId, deviceId: DeviceId | null): void
  deactivated(userId: UserId): void
  /** A pro-active event of PRESENCE-SPEC §4.2 (b)–(d): a message, receipt, typing, login, join, invite, … */
  acted(userId: UserId, deviceId: DeviceId): void
  deviceRemoved(userId: UserId, deviceId: DeviceId): void
  /** `deviceId` is null when somebody else (an admin) changed it. */
  profileChanged(userId: UserId, deviceId: DeviceId | null): void
  joined(roomId: RoomId, userId: UserId): void
  left(roomId: RoomId, userId: UserId): void
  ignores(userId: UserId, ignored: readonly UserId[]): void
}

/** What a user reports of himself by `PUT status`. */
export interface PresenceReport {
  readonly presence: PresenceState | 'hidden'
  readonly status: StatusChange
}
