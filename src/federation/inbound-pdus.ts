import { must } from '../base/assert.ts'
import { parseEventId, type EventId } from '../matrix/ids.ts'
import { isJsonObject, ownString, own, type Json, type JsonObject } from '../matrix/json.ts'
import { eventIdOf, type Pdu } from '../matrix/room-event.ts'
import { ROOM_VERSIONS } from '../matrix/room-version/index.ts'

const NEWEST_VERSION = must(ROOM_VERSIONS.at(-1), 'a room version')

/**
 * What becomes of the PDUs of a transaction, by event ID: every one is refused while no room here has users of other servers.
 * What is not an event at all has no ID and is left out.
 */
export function refusePdus(pdus: readonly Json[]): JsonObject {
  const outcomes = pdus.flatMap((pdu) => {
    const eventId = eventIdIn(pdu)
    return eventId === null ? [] : [[eventId, { error: 'This server is not in the room' }] as const]
  })
  return Object.fromEntries(outcomes)
}

/**
 * As it names itself, which events of the first two room versions do; else by its hash. The version of a room that is not known
 * here cannot be known either, so the newest one's rules are taken: for almost every event they give the same as any other's.
 */
function eventIdIn(pdu: Json): EventId | null {
  if (!isJsonObject(pdu)) return null
  const named = parseEventId(ownString(pdu, 'event_id') ?? '')
  if (named !== null) return named
  const isEvent = typeof own(pdu, 'type') === 'string' && isJsonObject(own(pdu, 'content'))
  return isEvent ? eventIdOf(pdu as Pdu, NEWEST_VERSION) : null
}
