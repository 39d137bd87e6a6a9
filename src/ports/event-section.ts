import type { RoomId, UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { RoomsPosition } from '../matrix/token.ts'
import type { Requester } from './directory.ts'

/** For whom events of the 2015 API are written out, and in which of its two forms (PRESENCE-SPEC §2.6). */
export interface EventsAudience {
  readonly requester: Requester
  readonly form: 'api/v1' | 'events'
}

/** What happened within (since, end], `end` lying before the end of the window if that holds too much for one answer. */
export interface EventChunk {
  /** Room events in stream order, then the ephemeral ones, then account data. */
  readonly events: readonly ClientEvent[]
  readonly end: RoomsPosition
}

export interface InitialSyncQuery extends EventsAudience {
  /** Messages of each room. */
  readonly limit: number
  /** Rooms that were left, too. */
  readonly archived: boolean
  /** What everything is read as of, and the token of that place. */
  readonly now: RoomsPosition
  readonly end: string
}

/** A room as `/initialSync` shows it (PRESENCE-SPEC §2.7). */
export type RoomInfo = JsonObject

/** What `/initialSync` answers besides presence. */
export interface InitialRooms {
  readonly rooms: readonly RoomInfo[]
  readonly receipts: readonly ClientEvent[]
  readonly account_data: readonly ClientEvent[]
}

/** One room as `/rooms/{roomId}/initialSync` shows it. */
export interface InitialRoom {
  readonly info: RoomInfo
  readonly receipts: readonly ClientEvent[]
  /** Who is in it; empty for somebody who is not any more. */
  readonly members: readonly UserId[]
}

/** The part of the 2015 event stream that another layer knows: everything but presence. */
export interface EventSection {
  /** The newest position all of whose changes are durable and readable. */
  position(): RoomsPosition
  /**
   * What the user is told of, whatever the windows: events while joined, the user's own membership events, typing,
   * receipts, account data. No events means that there are none up to the end of the window.
   */
  read(
    audience: EventsAudience,
    window: { readonly since: RoomsPosition; readonly now: RoomsPosition },
  ): Promise<EventChunk>
  initial(query: InitialSyncQuery): Promise<InitialRooms>
  /** Refuses with 403 who never was in the room. */
  initialRoom(query: InitialSyncQuery, roomId: RoomId): Promise<InitialRoom>
}
