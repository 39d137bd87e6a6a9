import type {
  DeviceNum,
  PresenceRecord,
  PresenceState,
  RemotePresence,
  RoomNum,
  ServerNum,
  StatusChange,
  UserNum,
} from './types.ts'

/** What a `/sync` or `/events` request says of its device (PRESENCE-SPEC §2.8); `implicit` is an absent `set_presence`. */
export type StreamPresence = 'implicit' | 'online' | 'unavailable' | 'offline' | 'busy'

/**
 * Everything that can happen to the engine. One way in: the shell turns requests, timers, membership changes and what other
 * servers say into these; `engine.apply(command, now)` answers with effects.
 */
export type Command =
  /** At start, once per stored user, before anything else. The state stays for one offline grace. */
  | { readonly kind: 'user.restored'; readonly user: UserNum; readonly record: PresenceRecord }
  /** The user is of another server; said once, before anything else of them. */
  | { readonly kind: 'user.remote'; readonly user: UserNum; readonly server: ServerNum }
  /** Their server told us; only of users whom somebody here may see. */
  | { readonly kind: 'remote.pushed'; readonly user: UserNum; readonly presence: RemotePresence }
  /** The server asked to be told of a user of ours (`poll`), or not to be (`unpoll`); never is as good as asked. */
  | {
      readonly kind: 'server.polled'
      readonly server: ServerNum
      readonly user: UserNum
      readonly wanted: boolean
    }
  /** It speaks presence lists, so its users expire later (PRESENCE-SPEC §5.7). */
  | { readonly kind: 'server.speaks-lists'; readonly server: ServerNum }
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
