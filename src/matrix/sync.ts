import type { JsonObject } from './json.ts'
import type { PRESENCE_LISTS } from './presence-list.ts'

/** An event as clients see it inside `/sync` (ROOMS-SPEC §2.3): no `room_id`. */
export type ClientEvent = JsonObject

interface EventList {
  events: ClientEvent[]
}

export interface Timeline extends EventList {
  limited: boolean
  prev_batch: string
}

export interface RoomSummary {
  'm.heroes'?: string[]
  'm.joined_member_count'?: number
  'm.invited_member_count'?: number
}

export interface UnreadCounts {
  highlight_count: number
  notification_count: number
}

export interface JoinedRoomBody {
  summary: RoomSummary
  state?: EventList
  state_after?: EventList
  'org.matrix.msc4222.state_after'?: EventList
  timeline: Timeline
  ephemeral: EventList
  account_data: EventList
  unread_notifications: UnreadCounts
  /** By thread root; only if the filter asks (ROOMS-SPEC §6.9). */
  unread_thread_notifications?: Record<string, UnreadCounts>
}

export interface LeftRoomBody {
  state?: EventList
  state_after?: EventList
  'org.matrix.msc4222.state_after'?: EventList
  timeline: Timeline
  account_data: EventList
}

/** The `/sync` answer on the wire (ROOMS-SPEC §6.2). */
export interface SyncBody {
  next_batch: string
  rooms: {
    join: Record<string, JoinedRoomBody>
    invite: Record<string, { invite_state: EventList }>
    knock: Record<string, { knock_state: EventList }>
    leave: Record<string, LeftRoomBody>
  }
  presence: EventList
  /** What became of presence invites; only if there is something (PRESENCE-SPEC §2.5.3). */
  [PRESENCE_LISTS]?: EventList
  account_data: EventList
  to_device: EventList
  device_lists: { changed: string[]; left: string[] }
  device_one_time_keys_count: Record<string, number>
  device_unused_fallback_key_types: string[]
}
