import { matches } from '../matrix/event-match.ts'
import type { EventFilter, Filter, RoomEventFilter } from '../matrix/filter.ts'
import type { RoomId } from '../matrix/ids.ts'
import { own } from '../matrix/json.ts'
import type { Pdu } from '../matrix/room-event.ts'

/** Decides on a room event; its content may be the redacted one. */
export type EventTest = (pdu: Pdu) => boolean

/** Does the room pass `rooms` and `not_rooms`? */
export function matchesRoom(
  filter: Pick<RoomEventFilter, 'rooms' | 'not_rooms'> | undefined,
  roomId: RoomId,
): boolean {
  if (filter?.not_rooms?.includes(roomId) === true) return false
  return filter?.rooms?.includes(roomId) !== false
}

/** The whole RoomEventFilter as one question, for the events of one room. */
export function eventTest(filter: RoomEventFilter | undefined, roomId: RoomId): EventTest {
  if (filter === undefined) return () => true
  if (!matchesRoom(filter, roomId)) return () => false
  const wantsUrl = filter.contains_url
  return (pdu) => {
    if (!matches(filter, pdu.type, pdu.sender)) return false
    return wantsUrl === undefined || wantsUrl === (typeof own(pdu.content, 'url') === 'string')
  }
}

/** No event of the room can pass, so nobody needs to look. */
export function excludesAll(filter: RoomEventFilter | undefined, roomId: RoomId): boolean {
  if (filter === undefined) return false
  return !matchesRoom(filter, roomId) || filter.types?.length === 0 || filter.senders?.length === 0
}

/** Account data and ephemeral events have a type but no sender that a filter could mean. */
export function matchesTypeOnly(filter: EventFilter | undefined, type: string): boolean {
  if (filter === undefined) return true
  return matches({ types: filter.types ?? ['*'], not_types: filter.not_types ?? [] }, type, '')
}

/** Does the room appear in the sync at all? */
export function admitsRoom(filter: Filter, roomId: RoomId): boolean {
  return matchesRoom(filter.room, roomId)
}
