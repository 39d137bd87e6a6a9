import type { Brand } from '../base/brand.ts'
import type { Millis } from '../base/clock.ts'
import type { PresenceState, StatusChange } from '../matrix/presence.ts'

export type { PresenceState, StatusChange }

/** Given out by the interners of `service/loop`; mean nothing outside this process (DESIGN §3.2). */
export type UserNum = Brand<number, 'UserNum'>
export type RoomNum = Brand<number, 'RoomNum'>
/** Unique over all users: one number is one login session of one user. */
export type DeviceNum = Brand<number, 'DeviceNum'>

/** A Matrix server other than this one. */
export type ServerNum = Brand<number, 'ServerNum'>

/** Who made a device's state: the server from streams and timers, or the user by PUT. */
export type StateSource = 'auto' | 'manual'

/** One login session, before aggregation (PRESENCE-SPEC §1.4, §4.3). Times are absolute; 0 means never. */
export interface DevicePresence {
  readonly state: PresenceState
  readonly source: StateSource
  readonly lastActiveTs: Millis
  readonly lastPutTs: Millis
  readonly lastStreamEndTs: Millis
  /** Open streams that count as presence; one opened with `set_presence=offline` is not among them. */
  readonly openStreams: number
}

/** One user, after aggregation, before visibility: the truth that each viewer gets a view of. */
export interface UserPresence {
  readonly state: PresenceState
  /** Others see `offline` and nothing else (PRESENCE-SPEC §4.3). */
  readonly hidden: boolean
  readonly statusMsg: string | null
  /** Null if the user was never active. Never moves backwards (P-129). */
  readonly lastActiveTs: Millis | null
  readonly currentlyActive: boolean
}

/** What survives a restart; see PRESENCE-SPEC §4.8. */
export interface PresenceRecord {
  /** The aggregated state (kept while hidden, too). */
  readonly state: PresenceState
  readonly statusMsg: string | null
  readonly lastActiveTs: Millis | null
  readonly hidden: boolean
  /** The device that set `hidden`; null when not hidden, or when that device is gone. */
  readonly hiddenBy: DeviceNum | null
  /** As last told: whoever was told `true` is owed the `false`. */
  readonly currentlyActive: boolean
  /** When the user's server last said so; null for users of this server. */
  readonly refreshedTs: Millis | null
}

/** What another server says of one of its users: all there is to know, not a difference (PRESENCE-SPEC §5.4). */
export interface RemotePresence {
  readonly state: PresenceState
  readonly statusMsg: string | null
  /** Null: not said, the time known before stays. */
  readonly lastActiveTs: Millis | null
  readonly currentlyActive: boolean
}

/** Why watchers hear of a change (PRESENCE-SPEC §4.5), strongest first. */
export type NotifyReason = 'state' | 'status' | 'profile' | 'currently-active' | 'last-active'

/** The configuration that the engine works by; durations in ms. */
export interface PresencePolicy {
  readonly idleTimeoutMs: Millis
  /** "Currently active" window. */
  readonly activeWindowMs: Millis
  readonly offlineGraceMs: Millis
  readonly busyGraceMs: Millis
  /** Offline users last active before this long ago, and without text, are left out of bulk answers. */
  readonly offlineCutoffMs: Millis
  /** Rooms with more joined members do not create visibility; 0 = no limit. */
  readonly maxRoomMembers: number
  /** Does a user who ignores someone also hide from them (`presence.hide_from_ignored`)? */
  readonly hideFromIgnored: boolean
  /** Other servers are told of users who stay as they are, but not offline, this often; Infinity: never (P-196). */
  readonly pingIntervalMs: Millis
  /** A user of another server of whom nothing was heard for this long is offline (P-197). */
  readonly remoteTimeoutMs: Millis
  /** The same of servers that speak presence lists, whose watchdogs take the place of pings (PRESENCE-SPEC §5.7). */
  readonly listPeerTimeoutMs: Millis
}

/**
 * A place in the presence stream: everything up to `seq` was read. Entries stand in order of their place, those of one place
 * in order of the user; `skip` is other than 0 only where a filter's `limit` cut the group at `seq + 1`, and is then the
 * first user of it that was not read.
 */
export interface PresencePosition {
  readonly seq: number
  readonly skip: number
}

/** One user as one viewer may see them now. Own devices see their own truth, others never see `hidden`. */
export interface PresenceView {
  readonly user: UserNum
  readonly state: PresenceState
  /** True only in the view of the user's own devices. */
  readonly hidden: boolean
  readonly statusMsg: string | null
  readonly lastActiveTs: Millis | null
  readonly currentlyActive: boolean
  /** Place of this entry in the change log: its change, or the moment it became visible if that is later. */
  readonly seq: number
  /** False: the viewer may not see the user any more; `state` is `offline` and there is nothing else. */
  readonly visible: boolean
}

/** An answer to "what is new for this viewer". */
export interface PresenceDelta {
  /** At most one entry a user, in stream order. */
  readonly entries: readonly PresenceView[]
  /** Where to read on. */
  readonly position: PresencePosition
}

export interface ReadOptions {
  /** At most this many entries. */
  readonly limit: number
  /** Leave out others who are offline (an initial sync, P-099); the viewer's own entry always stays. */
  readonly omitOffline: boolean
  /** Answer as if the viewer had nothing yet: everyone visible, own entry included. */
  readonly snapshot: boolean
  /** A filter's `senders` and `not_senders`, and the viewer's ignore list: entries of others do not count to the limit. */
  readonly accepts: (user: UserNum) => boolean
}
