import type { EventId, RoomId } from '../matrix/ids.ts'
import { redactionTarget } from '../matrix/room-event.ts'
import type { Store } from '../ports/store.ts'
import type { EventTest } from './event-filter.ts'
import type { HistoryView } from './history-visibility.ts'
import type { RoomStates, StoredEvent } from './room-state.ts'

/** Rows looked at for one answer, however few of them may be shown; then the client has to ask again. */
export const SCAN_MAX = 5_000
const PAGE_MIN = 32
const PAGE_MAX = 500

interface Scan {
  readonly roomId: RoomId
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly upTo: number
  /** Events wanted; may be 0. */
  readonly limit: number
  readonly newestFirst: boolean
  readonly view: HistoryView
  readonly accepts: EventTest
  /** Users whose messages are hidden; their state events are not. */
  readonly ignored: ReadonlySet<string>
  /** Shown whatever history says: the reader's own leave (ROOMS-SPEC §6.6). */
  readonly always?: EventId
}

interface ScanResult {
  /** In the direction of the scan. */
  readonly events: readonly StoredEvent[]
  /** There is, or may be, another event to show in the range. */
  readonly more: boolean
  /** Where the scan stopped: between the last event it is done with and the next one. */
  readonly position: number
}

export interface EventScan {
  /** The events of a room that a user may see, in stream order or against it (ROOMS-SPEC §5.7, §6.4). */
  scan(scan: Scan): Promise<ScanResult>
}

export function createEventScan(deps: {
  readonly store: Pick<Store, 'events' | 'eventsBetween'>
  readonly roomStates: Pick<RoomStates, 'storedEvent' | 'versionOf'>
}): EventScan {
  const { store, roomStates } = deps

  const shown = async (page: readonly StoredEvent[], scan: Scan): Promise<StoredEvent[]> => {
    const candidates = page.filter((stored) => isShown(stored, scan))
    const idle = await redactionsWithoutEffect(candidates)
    return idle.size === 0 ? candidates : candidates.filter(({ row }) => !idle.has(row.eventId))
  }

  /** A redaction whose target is unknown, or that may not, is not for clients (ROOMS-SPEC §2.9). */
  const redactionsWithoutEffect = async (events: readonly StoredEvent[]): Promise<ReadonlySet<EventId>> => {
    const targets = new Map<EventId, EventId>()
    for (const { row, event } of events) {
      const version = row.type === 'm.room.redaction' ? roomStates.versionOf(row.roomId) : null
      const target = version === null ? null : redactionTarget(event.pdu, version)
      if (target !== null) targets.set(row.eventId, target)
    }
    if (targets.size === 0) return new Set()
    const rows = await store.events([...targets.values()])
    const redacted = new Set(rows.flatMap((row) => (row.redactedBy === null ? [] : [row.eventId])))
    return new Set([...targets].flatMap(([eventId, target]) => (redacted.has(target) ? [] : [eventId])))
  }

  return {
    async scan(scan) {
      const { roomId, newestFirst, limit } = scan
      const events: StoredEvent[] = []
      let { after, upTo } = scan
      let pageSize = Math.min(Math.max(limit + 1, PAGE_MIN), PAGE_MAX)
      for (let scanned = 0; scanned < SCAN_MAX;) {
        const rows = await store.eventsBetween({ roomId, after, upTo, limit: pageSize, newestFirst })
        scanned += rows.length
        for (const stored of await shown(rows.map(roomStates.storedEvent), scan)) {
          if (events.length === limit) return { events, more: true, position: positionAt(scan, events) }
          events.push(stored)
        }
        const last = rows.at(-1)
        if (last === undefined || rows.length < pageSize)
          return { events, more: false, position: newestFirst ? scan.after : scan.upTo }
        if (newestFirst) upTo = last.pos - 1
        else after = last.pos
        pageSize = PAGE_MAX
      }
      return { events, more: true, position: newestFirst ? upTo : after }
    },
  }
}

function isShown(stored: StoredEvent, { view, accepts, ignored, always }: Scan): boolean {
  const { row } = stored
  if (row.stateKey === null && ignored.has(row.sender)) return false
  if (row.eventId !== always && !view.canSee(row)) return false
  return accepts(stored.event.pdu)
}

/** The place behind the last event taken. */
function positionAt({ newestFirst, upTo, after }: Scan, events: readonly StoredEvent[]): number {
  const last = events.at(-1)
  if (last === undefined) return newestFirst ? upTo : after
  return newestFirst ? last.row.pos - 1 : last.row.pos
}
