import { toStrippedEvent } from '../matrix/client-event.ts'
import type { UserId } from '../matrix/ids.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { RoomState } from './room-state.ts'

/** What somebody outside is told of a room (ROOMS-SPEC §2.3). */
const STRIPPED_TYPES = [
  'm.room.create',
  'm.room.join_rules',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.canonical_alias',
  'm.room.encryption',
] as const

/** The stripped state for an invited or knocking user: also who invites, and the invite or knock itself. */
export function strippedStateFor(state: RoomState, userId: UserId): ClientEvent[] {
  const own = state.get('m.room.member', userId)
  const events = STRIPPED_TYPES.map((type) => state.get(type, ''))
  if (own !== undefined && own.row.sender !== userId) events.push(state.get('m.room.member', own.row.sender))
  events.push(own)
  return events.flatMap((stored) => (stored === undefined ? [] : [toStrippedEvent(stored.event)]))
}
