import { must } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { toClientEvent, toFederationFormat, type ClientEventContext } from '../matrix/client-event.ts'
import { pickFields } from '../matrix/event-fields.ts'
import type { DeviceId, EventId, UserId } from '../matrix/ids.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { Store } from '../ports/store.ts'
import type { Erasures } from './erasures.ts'
import type { HistoryView } from './history-visibility.ts'
import type { RoomStates, StoredEvent } from './room-state.ts'

/** For whom events are written out, and how (ROOMS-SPEC §2.3, §6.12). */
export interface EventAudience {
  readonly userId: UserId
  readonly deviceId: DeviceId
  /** False inside `/sync`. */
  readonly withRoomId: boolean
  /** Given, `unsigned.membership` is the reader's at each event. */
  readonly view?: HistoryView
  readonly format?: 'client' | 'federation'
  readonly fields?: readonly string[]
}

export interface EventReader {
  /** Events as this audience sees them, in the order given; at most one query for all of them. */
  read(events: readonly StoredEvent[], audience: EventAudience): Promise<ClientEvent[]>
}

export function createEventReader(deps: {
  readonly store: Pick<Store, 'events'>
  readonly clock: Pick<Clock, 'now'>
  readonly roomStates: Pick<RoomStates, 'storedEvent' | 'versionOf'>
  readonly erasures: Erasures
}): EventReader {
  const { store, clock, roomStates, erasures } = deps

  /** The events that others replaced, and the redactions of others. */
  const related = async (events: readonly StoredEvent[]): Promise<ReadonlyMap<EventId, StoredEvent>> => {
    const ids = new Set<EventId>()
    for (const { row } of events) {
      if (row.replaces !== null) ids.add(row.replaces)
      if (row.redactedBy !== null) ids.add(row.redactedBy)
    }
    if (ids.size === 0) return new Map()
    const rows = await store.events([...ids])
    return new Map(rows.map((row) => [row.eventId, roomStates.storedEvent(row)]))
  }

  return {
    async read(events, audience) {
      if (events.length === 0) return []
      const others = await related(events)
      const now = clock.now()
      const write = audience.format === 'federation' ? toFederationFormat : toClientEvent
      return events.map((stored) => {
        const version = must(roomStates.versionOf(stored.row.roomId), 'the room version')
        const isErased = erasures.has(stored.row.sender) && isMissed(stored, audience)
        const context = { version, now, isErased, ...contextOf(stored, others, audience) }
        const event = write(stored.event, context)
        return audience.fields === undefined ? event : pickFields(event, audience.fields)
      })
    },
  }
}

/** A message, of a time when the reader was not in the room. */
function isMissed({ row }: StoredEvent, { view }: EventAudience): boolean {
  return row.stateKey === null && view !== undefined && view.membershipAt(row.pos) !== 'join'
}

function contextOf(
  { row }: StoredEvent,
  others: ReadonlyMap<EventId, StoredEvent>,
  audience: EventAudience,
): Omit<ClientEventContext, 'version' | 'now' | 'isErased'> {
  const { userId, deviceId, view, withRoomId } = audience
  const isOwn = row.sender === userId && row.txnDevice === deviceId
  const replaced = row.replaces === null ? undefined : others.get(row.replaces)
  const redaction = row.redactedBy === null ? undefined : others.get(row.redactedBy)
  return {
    withRoomId,
    ...(isOwn && row.txnId !== null && { transactionId: row.txnId }),
    ...(view !== undefined && { membership: view.membershipAt(row.pos) }),
    ...(redaction !== undefined && { redactedBy: redaction.event }),
    ...(replaced !== undefined && {
      replaced: {
        eventId: replaced.row.eventId,
        sender: replaced.row.sender,
        content: replaced.row.redactedBy === null ? replaced.event.pdu.content : null,
      },
    }),
  }
}
