import type { Millis } from './clock.ts'

/** What to show of a user. `unknown`: the server was lost; what was true then may no longer be. */
export type ShownPresence = 'online' | 'busy' | 'free_for_chat' | 'unavailable' | 'offline' | 'unknown'

/** What a person may choose for themselves. `online` is automatic: it becomes `unavailable` while they are idle. */
export type OwnState = 'online' | 'unavailable' | 'busy' | 'free_for_chat' | 'offline' | 'hidden'

/** One user as last told by the server. A new object whenever something differs, never changed in place. */
export interface UserPresence {
  readonly userId: string
  /** `offline` until something is heard of the user. */
  readonly presence: ShownPresence
  /** The state as it came, for those that this library does not know (shown as `unavailable`, P-209). */
  readonly rawPresence: string
  /** Absent: the user has no status text (P-208). It is text, never HTML. */
  readonly statusMsg?: string
  /** By the clock of this machine, fixed when the news arrived. Absent: never seen active. See `activeAgoMs`. */
  readonly lastActiveTs?: Millis
  /** The user is active until told otherwise, whatever `lastActiveTs` says (P-206). */
  readonly currentlyActive: boolean
  /** When the presence was heard; 0: never. */
  readonly updatedAt: Millis
  readonly displayname?: string
  /** `mxc://…` */
  readonly avatarUrl?: string
  /** The joined rooms shared with this user, if the client was made with `members: true`. */
  readonly rooms: readonly string[]
  /** Whether the user is on the own presence list: followed, asked, or not. */
  readonly listed: 'accepted' | 'pending' | null
}

/** What the server can do beyond the standard, as its `/versions` says. */
export interface Features {
  /** Presence lists with invites, observers and policy. */
  readonly lists: boolean
  readonly busy: boolean
  readonly hidden: boolean
  readonly freeForChat: boolean
}

export type Connection =
  /** Not heard of the server yet. */
  | 'connecting'
  | 'connected'
  /** Silent for longer than `unknownAfterMs`: everybody is `unknown`; tried again by itself. */
  | 'lost'
  /** Stopped for good: the access token is not valid (any more). */
  | 'unauthorized'
  | 'stopped'

/** The own side: what was chosen here, and what the server tells others. */
export interface OwnPresence {
  readonly userId: string
  /** What was chosen, here or in another tab. */
  readonly state: OwnState
  /** Nobody has touched this machine for a while: `online` and `free_for_chat` are reported as `unavailable`. */
  readonly isIdle: boolean
  readonly statusMsg?: string
  /** What the server last said of us, over all our devices; for `hidden` that is `offline`. */
  readonly published: UserPresence
  /** A choice has not reached the server yet. */
  readonly isSaving: boolean
  /** Why the last choice was refused; gone with the next one. */
  readonly error?: Error
}

export interface SetPresence {
  /** Absent: as it is, with another text. */
  readonly state?: OwnState
  /** Absent: the text stays; null or `''`: no text. */
  readonly statusMsg?: string | null
}

/** One entry of the own presence list. */
export interface ListEntry {
  readonly userId: string
  readonly accepted: boolean
}

export interface Invite {
  readonly userId: string
  readonly ts: Millis
}

/** Snapshot of lists and invites; empty where the server has none. */
export interface Lists {
  /** Users who ask to see us, oldest first. */
  readonly incoming: readonly Invite[]
  /** Users we asked, who have not answered, oldest first. */
  readonly outgoing: readonly Invite[]
  /** Users we follow, in the order in which they accepted. */
  readonly following: readonly string[]
  /** Users who may see us because we accepted them. */
  readonly observers: readonly Invite[]
}

export type InviteState = 'pending' | 'accepted' | 'denied' | 'revoked' | 'withdrawn' | 'expired'

/** A pair of users whose presence invite changed (PRESENCE-SPEC §2.5.3). */
export interface InviteChange {
  /** The other one. */
  readonly userId: string
  /** `incoming`: they asked to see us; `outgoing`: we asked to see them. */
  readonly direction: 'incoming' | 'outgoing'
  readonly state: InviteState
  readonly ts: Millis
}

export type InvitePolicy = 'manual' | 'accept_reverse' | 'accept_shared_room' | 'accept_all' | 'deny_all'
