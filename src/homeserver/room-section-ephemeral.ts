import type { RoomEventFilter } from '../matrix/filter.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import { matchesRoom, matchesTypeOnly } from './event-filter.ts'
import type { Receipt } from './room-receipts.ts'

export interface EphemeralQuery {
  readonly roomId: RoomId
  readonly reader: UserId
  readonly filter: RoomEventFilter | undefined
  /** The whole list; null if it did not change. */
  readonly typing: readonly UserId[] | null
  readonly receipts: Iterable<Receipt>
}

/** `m.typing` and `m.receipt` of one room, without `room_id` (ROOMS-SPEC §6.10). */
export function ephemeralEvents(query: EphemeralQuery): ClientEvent[] {
  const { roomId, filter, typing, reader } = query
  if (!matchesRoom(filter, roomId)) return []
  const events: ClientEvent[] = []
  if (typing !== null && matchesTypeOnly(filter, 'm.typing'))
    events.push({ type: 'm.typing', content: { user_ids: [...typing] } })
  if (matchesTypeOnly(filter, 'm.receipt')) {
    for (const content of receiptContents(query.receipts, reader)) events.push({ type: 'm.receipt', content })
  }
  return events
}

/**
 * Receipts of different threads for one event have the same place in the content, so each goes into the first content where
 * the place is free: almost always there is one. Private receipts of others are nobody's business.
 */
function receiptContents(receipts: Iterable<Receipt>, reader: UserId): JsonObject[] {
  const contents: ReceiptContent[] = []
  /** How many receipts stand at each place already. */
  const standing = new Map<string, number>()
  for (const receipt of receipts) {
    const { eventId, type, userId } = receipt
    if (type === 'm.read.private' && userId !== reader) continue
    const place = JSON.stringify([eventId, type, userId])
    const index = standing.get(place) ?? 0
    standing.set(place, index + 1)
    put((contents[index] ??= new Map<string, ByType>()), receipt)
  }
  return contents.map(toJson)
}

type ByUser = Map<string, JsonObject>
type ByType = Map<string, ByUser>
type ReceiptContent = Map<string, ByType>

function put(content: ReceiptContent, { eventId, type, userId, ts, thread }: Receipt): void {
  const byType: ByType = content.get(eventId) ?? new Map<string, ByUser>()
  const byUser: ByUser = byType.get(type) ?? new Map<string, JsonObject>()
  byUser.set(userId, thread === '' ? { ts } : { ts, thread_id: thread })
  byType.set(type, byUser)
  content.set(eventId, byType)
}

function toJson(content: ReceiptContent): JsonObject {
  return Object.fromEntries(
    [...content].map(([eventId, byType]) => [
      eventId,
      Object.fromEntries([...byType].map(([type, byUser]) => [type, Object.fromEntries(byUser)])),
    ]),
  )
}
