import type { DeviceNum, PresenceRecord, PresenceState, RoomNum, StatusChange, UserNum } from './types.ts'

/** What a `/sync` or `/events` request says of its device (PRESENCE-SPEC §2.8); `implicit` is an absent `set_presence`. */
export type StreamPresence = 'implicit' | 'online' | 'unavailable' | 'offline' | 'busy'

/**
 * Everything that can happen to the engine. One way in: the shell turns requests, timers, membership changes and,
 * later, federation into these; `engine.apply(command, now)` answers with effects.
 */
export type Command =
  /** At start, once per stored user, before anything else. The state stays for one offline grace. */
  | { readonly kind: 'user.restored'; readonly user: UserNum; readonly record: PresenceRecord }
  /** A local account came into being; registering is activity. */
  | { readonly kind: 'user.registered'; readonly user: UserNum }
  /** The account ended: offline at once, text and hiding forgotten. */
  | { readonly kind: 'user.deactivated'; readonly user: UserNum }
  /** Display name or avatar changed. `device` is null when not the user's own act (no activity then). */
  | { readonly kind: 'profile.changed'; readonly user: UserNum; readonly device: DeviceNum | null }
  /** `PUT status`. */
  | {
      readonly kind: 'device.reported'
      readonly user: UserNum
      readonly device: DeviceNum
      readonly presence: PresenceState | 'hidden'
      readonly status: StatusChange
    }
  /** A pro-active event of kind (b)–(d), PRESENCE-SPEC §4.2. */
  | { readonly kind: 'device.acted'; readonly user: UserNum; readonly device: DeviceNum }
  /** Logout, deletion, a password change that drops devices. */
  | { readonly kind: 'device.removed'; readonly user: UserNum; readonly device: DeviceNum }
  | {
      readonly kind: 'stream.opened'
      readonly user: UserNum
      readonly device: DeviceNum
      readonly presence: StreamPresence
    }
  /** Ends one stream opened with the same `presence`. */
  | {
      readonly kind: 'stream.closed'
      readonly user: UserNum
      readonly device: DeviceNum
      readonly presence: StreamPresence
    }
  | { readonly kind: 'room.joined'; readonly room: RoomNum; readonly user: UserNum }
  | { readonly kind: 'room.left'; readonly room: RoomNum; readonly user: UserNum }
  /** The room creates no visibility (`presence.excluded_rooms`); said once, before its members. */
  | { readonly kind: 'room.excluded'; readonly room: RoomNum }
  /** `observed` lets `observer` see them (an accepted presence invite). */
  | { readonly kind: 'grant.given'; readonly observer: UserNum; readonly observed: UserNum }
  | { readonly kind: 'grant.removed'; readonly observer: UserNum; readonly observed: UserNum }
  /** The user's ignore list, whole (`m.ignored_user_list`). */
  | { readonly kind: 'ignores.set'; readonly user: UserNum; readonly ignored: readonly UserNum[] }
