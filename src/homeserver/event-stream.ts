import { must } from '../base/assert.ts'
import { toOldClientEvent } from '../matrix/client-event.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import { ownString, type JsonObject } from '../matrix/json.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { RoomsPosition } from '../matrix/token.ts'
import type { EventChunk, EventsAudience } from '../ports/event-section.ts'
import type { Row, Store } from '../ports/store.ts'
import type { Changes } from './changes.ts'
import type { EventTest } from './event-filter.ts'
import type { EventReader } from './event-reader.ts'
import type { EventScan } from './event-scan.ts'
import type { HistoryView } from './history-visibility.ts'
import { stepAt, type HistoryStep, type RoomHistory } from './room-history.ts'
import type { Receipt } from './room-receipts.ts'
import { ephemeralEvents, type EphemeralQuery } from './room-section-ephemeral.ts'
import type { StoredEvent } from './room-state.ts'
import type { Typing } from './typing.ts'
import type { UserRooms } from './user-rooms.ts'
import { showsInvite, type UserSettings, type UserSettingsSource } from './user-settings.ts'

/** Room events of one answer; the rest comes with the next. */
export const EVENTS_MAX = 100

export interface EventStreamDeps {
  readonly store: Pick<Store, 'accountDataBetween' | 'receiptsBetween'>
  readonly changes: Changes
  readonly roomHistory: Pick<RoomHistory, 'memberships'>
  readonly userRooms: UserRooms
  readonly userSettings: UserSettingsSource
  readonly eventScan: EventScan
  readonly eventReader: EventReader
  readonly typing: Pick<Typing, 'users' | 'changed' | 'startPosition'>
}

interface Window {
  readonly since: RoomsPosition
  readonly now: RoomsPosition
}

/** Part of a room's events that may hold something for the user, and how it looks to him. */
interface RoomStretch {
  readonly roomId: RoomId
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly upTo: number
  readonly view: HistoryView
}

/** The 2015 stream (PRESENCE-SPEC §2.6): looks on until there is something to tell or the window ends. */
export async function readEvents(
  deps: EventStreamDeps,
  audience: EventsAudience,
  { since, now }: Window,
): Promise<EventChunk> {
  const settings = await deps.userSettings.of(audience.requester.userId)
  for (let from = since; ;) {
    const chunk = await readChunk(deps, audience, settings, { since: from, now })
    if (chunk.events.length > 0 || chunk.end.stream === now.stream) return chunk
    from = { stream: chunk.end.stream, typing: from.typing }
  }
}

async function readChunk(
  deps: EventStreamDeps,
  audience: EventsAudience,
  settings: UserSettings,
  { since, now }: Window,
): Promise<EventChunk> {
  const { userId } = audience.requester
  if (since.stream === now.stream && since.typing === now.typing) return { events: [], end: now }
  const rows = await deps.userRooms.of(userId)
  const stretches = await findStretches(deps, rows, since.stream, now.stream)
  const { events, cut } = await mergeEvents(deps, stretches, settings, userId, now.stream)
  const span: Span = { since: since.stream, cut }
  const joined = rows.filter(({ membership }) => membership === 'join')
  const told = [
    ...(await written(deps, audience, events, stretches)),
    ...readEphemeral(deps, joined, since, {
      receipts: await readReceipts(deps, joined, span),
      spokenOf: new Set(events.map(({ row }) => row.roomId)),
    }),
    ...(await readAccountData(deps, userId, span)),
  ]
  return { events: told, end: { stream: cut, typing: now.typing } }
}

/** Rooms that changed, each from where the user comes into it to where he leaves it. */
async function findStretches(
  { changes, roomHistory }: EventStreamDeps,
  rows: readonly Row<'memberships'>[],
  since: number,
  now: number,
): Promise<RoomStretch[]> {
  const stretches: RoomStretch[] = []
  for (const { roomId, userId, membership, pos } of rows) {
    if (changes.room(roomId) <= since || (membership !== 'join' && pos <= since)) continue
    const steps = await roomHistory.memberships(roomId, userId)
    const first =
      stepAt(steps, since)?.value === 'join' ? since + 1 : steps.find((step) => step.pos > since)?.pos
    const last = steps.at(-1)
    if (first === undefined || last === undefined) continue
    const upTo = last.value === 'join' ? now : last.pos
    stretches.push({ roomId, after: first - 1, upTo, view: streamView(userId, steps) })
  }
  return stretches
}

/**
 * What the stream has of a room: what happens while the user is joined, and what happens to his own membership. It depends on
 * the event alone, so that however a client divides its requests, it gets the same events.
 */
function streamView(userId: UserId, steps: readonly HistoryStep[]): HistoryView {
  const membershipAt = (pos: number): string => stepAt(steps, pos)?.value ?? 'leave'
  return {
    membershipAt,
    canSee: ({ pos, type, stateKey }) =>
      (type === 'm.room.member' && stateKey === userId) || membershipAt(pos - 1) === 'join',
  }
}

/** The oldest `EVENTS_MAX` of all rooms; `cut`: up to where that is everything. */
async function mergeEvents(
  { eventScan }: EventStreamDeps,
  stretches: readonly RoomStretch[],
  settings: UserSettings,
  userId: UserId,
  now: number,
): Promise<{ readonly events: readonly StoredEvent[]; readonly cut: number }> {
  const { ignored } = settings
  const accepts = admitsInvites(settings, userId)
  let events: StoredEvent[] = []
  let cut = now
  for (const { roomId, after, upTo, view } of stretches) {
    if (after >= cut) continue
    const found = await eventScan.scan({
      roomId,
      after,
      upTo: Math.min(upTo, cut),
      limit: EVENTS_MAX,
      newestFirst: false,
      view,
      accepts,
      ignored,
    })
    if (found.more) cut = Math.min(cut, found.position)
    events = [...events, ...found.events]
      .toSorted((one, other) => one.row.pos - other.row.pos)
      .slice(0, EVENTS_MAX)
    if (events.length === EVENTS_MAX) cut = Math.min(cut, events.at(-1)?.row.pos ?? cut)
  }
  return { events: events.filter(({ row }) => row.pos <= cut), cut }
}

/** Invites by ignored users, and all of them for users who want none, are not shown. */
export function admitsInvites(settings: UserSettings, userId: UserId): EventTest {
  return ({ type, state_key: stateKey, sender, content }) => {
    if (type !== 'm.room.member' || stateKey !== userId) return true
    return ownString(content, 'membership') !== 'invite' || showsInvite(settings, sender)
  }
}

/** In stream order; the related events of each room's are read at once. */
async function written(
  { eventReader }: EventStreamDeps,
  { requester, form }: EventsAudience,
  events: readonly StoredEvent[],
  stretches: readonly RoomStretch[],
): Promise<ClientEvent[]> {
  const { userId, deviceId } = requester
  const views = new Map(stretches.map(({ roomId, view }) => [roomId, view]))
  const told: { readonly pos: number; readonly event: ClientEvent }[] = []
  for (const [roomId, ofRoom] of Map.groupBy(events, ({ row }) => row.roomId)) {
    const view = must(views.get(roomId), 'the stretch of an event')
    const read = await eventReader.read(ofRoom, { userId, deviceId, withRoomId: true, view })
    for (const [i, { row }] of ofRoom.entries())
      told.push({ pos: row.pos, event: inForm(form, must(read[i], 'an event for each')) })
  }
  return told.toSorted((one, other) => one.pos - other.pos).map(({ event }) => event)
}

/** An event of a room as the surface shows it. */
export function inForm(form: EventsAudience['form'], event: ClientEvent): ClientEvent {
  return form === 'api/v1' ? toOldClientEvent(event) : event
}

/** Positions of the stream that an answer covers: (since, cut]. */
interface Span {
  readonly since: number
  readonly cut: number
}

async function readReceipts(
  { store, changes }: EventStreamDeps,
  joined: readonly Row<'memberships'>[],
  { since, cut }: Span,
): Promise<ReadonlyMap<RoomId, readonly Receipt[]>> {
  const rooms = joined.flatMap(({ roomId }) => (changes.receipts(roomId) > since ? [roomId] : []))
  if (rooms.length === 0) return new Map()
  return Map.groupBy(await store.receiptsBetween(rooms, since, cut), ({ roomId }) => roomId)
}

/** `m.typing` and `m.receipt` of the rooms that the user is in. */
function readEphemeral(
  { typing }: EventStreamDeps,
  joined: readonly Row<'memberships'>[],
  since: RoomsPosition,
  told: {
    readonly receipts: ReadonlyMap<RoomId, readonly Receipt[]>
    /** Rooms of which this answer tells events. */
    readonly spokenOf: ReadonlySet<RoomId>
  },
): ClientEvent[] {
  // A client of an earlier process may show somebody typing who is not: it is told with the next news of the room.
  const isStale = since.typing < typing.startPosition
  return joined.flatMap(({ roomId, userId, pos }) => {
    const users = typing.users(roomId)
    const isTold =
      typing.changed(roomId) > since.typing ||
      (pos > since.stream && users.length > 0) ||
      (isStale && told.spokenOf.has(roomId))
    const receipts = told.receipts.get(roomId) ?? []
    return ephemeralWithRoom({ roomId, reader: userId, typing: isTold ? users : null, receipts })
  })
}

/** The same events as in `/sync`, each naming its room. */
export function ephemeralWithRoom(query: Omit<EphemeralQuery, 'filter'>): ClientEvent[] {
  const events = ephemeralEvents({ ...query, filter: undefined })
  for (const event of events) event['room_id'] = query.roomId
  return events
}

async function readAccountData(
  { store, changes }: EventStreamDeps,
  userId: UserId,
  { since, cut }: Span,
): Promise<ClientEvent[]> {
  if (changes.accountData(userId) <= since) return []
  const rows = await store.accountDataBetween(userId, since, cut)
  return rows.map(({ roomId, type, json }) => {
    const content = JSON.parse(json) as JsonObject
    return roomId === '' ? { type, content } : { type, content, room_id: roomId }
  })
}
