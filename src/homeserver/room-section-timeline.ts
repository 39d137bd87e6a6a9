import type { RoomEventFilter } from '../matrix/filter.ts'
import { formatPageToken } from '../matrix/token.ts'
import { eventTest, excludesAll } from './event-filter.ts'
import type { EventScan } from './event-scan.ts'
import type { HistoryView } from './history-visibility.ts'
import type { RoomWindow } from './room-section-transitions.ts'
import type { StoredEvent } from './room-state.ts'

/** `TIMELINE_DEFAULT`, `TIMELINE_MAX`. */
const TIMELINE_DEFAULT = 10
const TIMELINE_MAX = 100

export interface RoomTimeline {
  /** Oldest first. */
  readonly events: readonly StoredEvent[]
  readonly limited: boolean
  readonly prevBatch: string
  /** Where it begins: the state before its first event is the one after this position. */
  readonly start: number
}

/** The newest visible events of the window (ROOMS-SPEC §6.4). */
export async function readTimeline(
  eventScan: EventScan,
  window: RoomWindow,
  reader: {
    readonly filter: RoomEventFilter | undefined
    readonly view: HistoryView
    readonly ignored: ReadonlySet<string>
    /** The room has events in the window at all. */
    readonly hasEvents: boolean
  },
): Promise<RoomTimeline> {
  const { roomId, after, upTo } = window
  const { filter, view, ignored } = reader
  if (!reader.hasEvents || excludesAll(filter, roomId)) return timelineOf(window, [], false)
  const found = await eventScan.scan({
    roomId,
    after,
    upTo,
    view,
    ignored,
    limit: Math.min(filter?.limit ?? TIMELINE_DEFAULT, TIMELINE_MAX),
    newestFirst: true,
    accepts: eventTest(filter, roomId),
    ...(window.ownLeave !== null && { always: window.ownLeave }),
  })
  return timelineOf(window, found.events.toReversed(), found.more)
}

function timelineOf(
  { upTo, isLimited }: RoomWindow,
  events: readonly StoredEvent[],
  more: boolean,
): RoomTimeline {
  const first = events[0]
  const start = first === undefined ? upTo : first.row.pos - 1
  return { events, start, limited: more || isLimited, prevBatch: formatPageToken(start) }
}
