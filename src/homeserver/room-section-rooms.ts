import { pickFields } from '../matrix/event-fields.ts'
import type { Filter } from '../matrix/filter.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { ClientEvent, JoinedRoomBody, LeftRoomBody, RoomSummary, Timeline } from '../matrix/sync.ts'
import type { RoomsPosition } from '../matrix/token.ts'
import type { StateEntry, Store } from '../ports/store.ts'
import type { SyncQuery } from '../ports/sync-section.ts'
import type { Changes } from './changes.ts'
import type { EventAudience, EventReader } from './event-reader.ts'
import type { EventScan } from './event-scan.ts'
import type { HistoryView, HistoryViewSource } from './history-visibility.ts'
import type { Receipt, RoomReceipts } from './room-receipts.ts'
import { ephemeralEvents } from './room-section-ephemeral.ts'
import { readState, type StateReaderDeps } from './room-section-state.ts'
import { readTimeline, type RoomTimeline } from './room-section-timeline.ts'
import type { RoomWindow } from './room-section-transitions.ts'
import { changesSummary, type RoomSummaries } from './room-summary.ts'
import type { Typing } from './typing.ts'
import type { Unread, UnreadCounter } from './unread.ts'
import type { UserSettings } from './user-settings.ts'

type StateKeyed = Pick<JoinedRoomBody, 'state' | 'state_after' | 'org.matrix.msc4222.state_after'>
type CountsKeyed = Pick<JoinedRoomBody, 'unread_notifications' | 'unread_thread_notifications'>

export interface RoomBodiesDeps extends StateReaderDeps {
  readonly store: StateReaderDeps['store'] & Pick<Store, 'stateBetween'>
  readonly changes: Changes
  readonly eventScan: EventScan
  readonly eventReader: EventReader
  readonly visibility: HistoryViewSource
  readonly summaries: RoomSummaries
  readonly roomReceipts: RoomReceipts
  readonly typing: Typing
  readonly unread: UnreadCounter
}

/** What all rooms of one answer have in common. */
export interface RoomsQuery {
  readonly sync: SyncQuery
  readonly since: RoomsPosition | null
  readonly now: RoomsPosition
  readonly settings: UserSettings
  /** Changed room account data, filtered. */
  readonly accountData: ReadonlyMap<RoomId, readonly ClientEvent[]>
  /** Receipts changed since the token; of rooms that are new to the client, all are taken. */
  readonly receipts: ReadonlyMap<RoomId, readonly Receipt[]>
}

interface RoomParts {
  readonly view: HistoryView
  readonly timeline: RoomTimeline
  readonly timelineEvents: readonly ClientEvent[]
  readonly stateEvents: readonly ClientEvent[]
  /** Undefined where the client knows it already. */
  readonly summary: RoomSummary | undefined
}

/** A joined room's part of the answer, or null if nothing in it is new to the client. */
export async function joinedRoomBody(
  deps: RoomBodiesDeps,
  query: RoomsQuery,
  window: RoomWindow,
  isNew: boolean,
): Promise<JoinedRoomBody | null> {
  const { sync, settings, accountData } = query
  const { roomId } = window
  const { userId } = sync.requester
  const parts = await roomParts(deps, query, window, true)
  const receipts = isNew
    ? [...(await deps.roomReceipts.of(roomId)).all()]
    : (query.receipts.get(roomId) ?? [])
  const ephemeralWith = (typing: readonly UserId[] | null): ClientEvent[] =>
    ephemeralEvents({ roomId, receipts, typing, reader: userId, filter: sync.filter.room?.ephemeral })
  const typing = typingOf(deps, query, roomId, isNew)
  const ephemeral = ephemeralWith(typing)
  const data = accountData.get(roomId) ?? []
  const { timeline, timelineEvents, stateEvents } = parts
  const hasNews =
    timeline.limited ||
    [timelineEvents, stateEvents, ephemeral, data].some((events) => events.length > 0) ||
    // The counts follow the user's own receipts, also where a filter hides those.
    receipts.some((receipt) => receipt.userId === userId)
  if (!hasNews && !isNew && !sync.fullState) return null
  const unread = await deps.unread.count({
    userId,
    roomId,
    settings,
    upTo: window.upTo,
    view: parts.view,
    byThread: sync.filter.room?.timeline?.unread_thread_notifications === true,
  })
  const isStale = query.since !== null && query.since.typing < deps.typing.startPosition
  // A client of an earlier process may show somebody typing who is not: it is told with the next news of the room.
  const shown = isStale && typing === null ? ephemeralWith(deps.typing.users(roomId)) : ephemeral
  return {
    summary: parts.summary ?? {},
    ...stateKeyed(sync, stateEvents),
    timeline: timelineBody(parts),
    ephemeral: { events: picked(shown, sync.filter) },
    account_data: { events: picked(data, sync.filter) },
    ...countsOf(unread),
  }
}

export async function leftRoomBody(
  deps: RoomBodiesDeps,
  query: RoomsQuery,
  window: RoomWindow,
): Promise<LeftRoomBody> {
  const parts = await roomParts(deps, query, window, false)
  return {
    ...stateKeyed(query.sync, parts.stateEvents),
    timeline: timelineBody(parts),
    account_data: { events: picked(query.accountData.get(window.roomId) ?? [], query.sync.filter) },
  }
}

async function roomParts(
  deps: RoomBodiesDeps,
  query: RoomsQuery,
  window: RoomWindow,
  hasSummary: boolean,
): Promise<RoomParts> {
  const { sync, since, now, settings } = query
  const { requester, filter } = sync
  const { roomId } = window
  const hasEvents = deps.changes.room(roomId) > window.after
  const view = await deps.visibility.view(roomId, requester.userId, now.stream)
  const timeline = await readTimeline(deps.eventScan, window, {
    view,
    hasEvents,
    filter: filter.room?.timeline,
    ignored: settings.ignored,
  })
  const changes = hasEvents ? await stateChanges(deps, window) : []
  const isTold = window.baseline === null || changes.some(({ type }) => changesSummary(type))
  const summary = hasSummary && isTold ? await deps.summaries.summary(roomId, requester.userId) : undefined
  const state = await readState(deps, {
    requester,
    window,
    timeline,
    changes,
    filter: filter.room?.state,
    isAfter: sync.stateAfterKey !== false,
    heroes: summary?.['m.heroes'] ?? [],
    since: since?.stream ?? null,
    now: now.stream,
  })
  const audience = audienceOf(sync)
  const [timelineEvents, stateEvents] = await Promise.all([
    deps.eventReader.read(timeline.events, { ...audience, view }),
    deps.eventReader.read(state, audience),
  ])
  return { view, timeline, timelineEvents, stateEvents, summary }
}

async function stateChanges(
  { store }: RoomBodiesDeps,
  { roomId, baseline, upTo }: RoomWindow,
): Promise<readonly StateEntry[]> {
  return baseline === null ? [] : store.stateBetween(roomId, baseline, upTo)
}

function audienceOf({ requester, filter }: SyncQuery): EventAudience {
  const { userId, deviceId } = requester
  return {
    userId,
    deviceId,
    withRoomId: false,
    ...(filter.event_format !== undefined && { format: filter.event_format }),
    ...(filter.event_fields !== undefined && { fields: filter.event_fields }),
  }
}

/** The list where it changed, and to clients that know nothing where it is not empty. */
function typingOf(
  { typing }: RoomBodiesDeps,
  { since }: RoomsQuery,
  roomId: RoomId,
  isNew: boolean,
): readonly UserId[] | null {
  const users = typing.users(roomId)
  if (isNew || since === null) return users.length > 0 ? users : null
  return typing.changed(roomId) > since.typing ? users : null
}

function stateKeyed({ stateAfterKey }: SyncQuery, events: readonly ClientEvent[]): StateKeyed {
  return { [stateAfterKey === false ? 'state' : stateAfterKey]: { events: [...events] } }
}

function timelineBody({ timeline, timelineEvents }: RoomParts): Timeline {
  return { events: [...timelineEvents], limited: timeline.limited, prev_batch: timeline.prevBatch }
}

function countsOf({ room, threads }: Unread): CountsKeyed {
  const counts = { unread_notifications: room }
  return threads === null ? counts : { ...counts, unread_thread_notifications: { ...threads } }
}

/** `event_fields` of the filter. */
export function picked(events: readonly ClientEvent[], { event_fields: fields }: Filter): ClientEvent[] {
  return fields === undefined ? [...events] : events.map((event) => pickFields(event, fields))
}
