import { refuse } from '../matrix/errors.ts'
import type { RoomEventFilter } from '../matrix/filter.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import { formatPageToken, parsePageToken } from '../matrix/token.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import { eventTest } from './event-filter.ts'
import type { EventAudience, EventReader } from './event-reader.ts'
import type { EventScan } from './event-scan.ts'
import type { RoomAccess, RoomAccesses } from './room-access.ts'
import type { RoomStates, StoredEvent } from './room-state.ts'
import type { UserSettingsSource } from './user-settings.ts'

/** `MESSAGES_DEFAULT`, `MESSAGES_MAX`. */
export const MESSAGES_DEFAULT = 10
const MESSAGES_MAX = 1_000

export interface MessagesQuery {
  /** `b`: newest first. */
  readonly dir: 'b' | 'f'
  /** Absent: from the newest visible event backwards, from the oldest forwards. */
  readonly from: string | null
  readonly to: string | null
  /** Null: what the filter says, else `MESSAGES_DEFAULT`. */
  readonly limit: number | null
  readonly filter: RoomEventFilter
}

export interface MessagesPage {
  start: string
  /** Absent when there is nothing more in that direction. */
  end?: string
  chunk: ClientEvent[]
  /** Member events of the senders; only with `lazy_load_members`. */
  state?: ClientEvent[]
}

interface EventContext {
  event: ClientEvent
  events_before: ClientEvent[]
  events_after: ClientEvent[]
  start: string
  end: string
  state: ClientEvent[]
}

/** History of rooms (ROOMS-SPEC §5.7). Every call refuses with 403 who may not read the room, unless it says otherwise. */
export interface RoomReader {
  /** 400 M_INVALID_PARAM for a token that is not ours. */
  messages(requester: Requester, roomId: RoomId, query: MessagesQuery): Promise<MessagesPage>
  /** 404 for an event that is unknown or may not be seen. */
  context(
    requester: Requester,
    roomId: RoomId,
    eventId: EventId,
    query: { readonly limit: number; readonly filter: RoomEventFilter },
  ): Promise<EventContext>
  /** 404 in every case. */
  event(requester: Requester, roomId: RoomId, eventId: EventId): Promise<ClientEvent>
}

interface RoomReaderDeps {
  readonly store: Pick<Store, 'events'>
  readonly roomStates: Pick<RoomStates, 'at' | 'storedEvent'>
  readonly accesses: RoomAccesses
  readonly eventScan: EventScan
  readonly eventReader: EventReader
  readonly userSettings: UserSettingsSource
}

export function createRoomReader(deps: RoomReaderDeps): RoomReader {
  return {
    messages: (requester, roomId, query) => readMessages(deps, requester, roomId, query),
    context: (requester, roomId, eventId, query) => readContext(deps, requester, roomId, eventId, query),
    async event(requester, roomId, eventId) {
      const access = await deps.accesses.find(requester.userId, roomId)
      const stored = access === null ? null : await visibleEvent(deps, access, roomId, eventId)
      if (access === null || stored === null) throw refuse.notFound('There is no such event to see')
      const [event] = await deps.eventReader.read([stored], audienceOf(requester, access))
      return event as ClientEvent
    },
  }
}

async function readMessages(
  deps: RoomReaderDeps,
  requester: Requester,
  roomId: RoomId,
  query: MessagesQuery,
): Promise<MessagesPage> {
  const { eventScan, eventReader, userSettings } = deps
  const access = await deps.accesses.of(requester.userId, roomId)
  const { filter } = query
  const newestFirst = query.dir === 'b'
  const from = positionParam(query.from, 'from') ?? (newestFirst ? access.upTo : 0)
  const to = positionParam(query.to, 'to') ?? (newestFirst ? 0 : access.upTo)
  const found = await eventScan.scan({
    roomId,
    newestFirst,
    after: newestFirst ? to : from,
    upTo: Math.min(newestFirst ? from : to, access.upTo),
    limit: Math.min(query.limit ?? filter.limit ?? MESSAGES_DEFAULT, MESSAGES_MAX),
    view: access.view,
    accepts: eventTest(filter, roomId),
    ignored: (await userSettings.of(requester.userId)).ignored,
  })
  const audience = audienceOf(requester, access)
  const page: MessagesPage = {
    start: query.from ?? formatPageToken(from),
    chunk: await eventReader.read(found.events, audience),
  }
  if (found.more) page.end = formatPageToken(found.position)
  if (filter.lazy_load_members === true && found.events.length > 0) {
    const newest = Math.max(...found.events.map(({ row }) => row.pos))
    const members = await sendersAt(deps, roomId, newest, found.events)
    page.state = await eventReader.read(members, audience)
  }
  return page
}

async function readContext(
  deps: RoomReaderDeps,
  requester: Requester,
  roomId: RoomId,
  eventId: EventId,
  query: { readonly limit: number; readonly filter: RoomEventFilter },
): Promise<EventContext> {
  const access = await deps.accesses.of(requester.userId, roomId)
  const stored = await visibleEvent(deps, access, roomId, eventId)
  if (stored === null) throw refuse.notFound('There is no such event to see')
  const { pos } = stored.row
  const limit = Math.min(query.limit, MESSAGES_MAX)
  const beforeMax = Math.floor(limit / 2)
  const common = {
    roomId,
    view: access.view,
    accepts: eventTest(query.filter, roomId),
    ignored: (await deps.userSettings.of(requester.userId)).ignored,
  }
  const before = await deps.eventScan.scan({
    ...common,
    newestFirst: true,
    after: 0,
    upTo: pos - 1,
    limit: beforeMax,
  })
  const after = await deps.eventScan.scan({
    ...common,
    newestFirst: false,
    after: pos,
    upTo: access.upTo,
    limit: limit - beforeMax,
  })
  const last = after.events.at(-1)?.row.pos ?? pos
  const shown = [...before.events, stored, ...after.events]
  const audience = audienceOf(requester, access)
  const [own, earlier, later, state] = await Promise.all([
    deps.eventReader.read([stored], audience),
    deps.eventReader.read(before.events, audience),
    deps.eventReader.read(after.events, audience),
    contextState(deps, roomId, last, shown, query.filter).then((events) =>
      deps.eventReader.read(events, audienceWithoutView(requester)),
    ),
  ])
  return {
    event: own[0] as ClientEvent,
    events_before: earlier,
    events_after: later,
    start: formatPageToken((before.events.at(-1)?.row.pos ?? pos) - 1),
    end: formatPageToken(last),
    state,
  }
}

/** The state at the last event returned; with lazy loading, no members but the senders. */
async function contextState(
  deps: RoomReaderDeps,
  roomId: RoomId,
  pos: number,
  shown: readonly StoredEvent[],
  filter: RoomEventFilter,
): Promise<StoredEvent[]> {
  const all = [...(await deps.roomStates.at(roomId, pos)).all()]
  if (filter.lazy_load_members !== true) return all
  const senders = new Set<string>(shown.map(({ row }) => row.sender))
  return all.filter(({ row }) => row.type !== 'm.room.member' || senders.has(row.stateKey ?? ''))
}

async function sendersAt(
  { roomStates }: RoomReaderDeps,
  roomId: RoomId,
  pos: number,
  events: readonly StoredEvent[],
): Promise<StoredEvent[]> {
  const state = await roomStates.at(roomId, pos)
  const senders = new Set(events.map(({ row }) => row.sender))
  return [...senders].flatMap((sender) => state.get('m.room.member', sender) ?? [])
}

async function visibleEvent(
  { store, roomStates }: RoomReaderDeps,
  { view, upTo }: RoomAccess,
  roomId: RoomId,
  eventId: EventId,
): Promise<StoredEvent | null> {
  const [row] = await store.events([eventId])
  if (row === undefined || row.roomId !== roomId || row.pos > upTo || !view.canSee(row)) return null
  return roomStates.storedEvent(row)
}

function audienceOf({ userId, deviceId }: Requester, { view }: RoomAccess): EventAudience {
  return { userId, deviceId, view, withRoomId: true }
}

function audienceWithoutView({ userId, deviceId }: Requester): EventAudience {
  return { userId, deviceId, withRoomId: true }
}

function positionParam(token: string | null, name: string): number | null {
  if (token === null || token === '') return null
  const position = parsePageToken(token)
  if (position === null) throw refuse.invalidParam(`"${name}" is not a token of this server`)
  return position
}
