import { assertNever } from '../base/assert.ts'
import { refuse } from '../matrix/errors.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import { formatPageToken } from '../matrix/token.ts'
import type { InitialRoom, InitialRooms, InitialSyncQuery, RoomInfo } from '../ports/event-section.ts'
import type { Row, Store } from '../ports/store.ts'
import type { EventReader } from './event-reader.ts'
import type { EventScan } from './event-scan.ts'
import { admitsInvites, ephemeralWithRoom, inForm } from './event-stream.ts'
import type { HistoryViewSource } from './history-visibility.ts'
import type { Memberships } from './memberships.ts'
import { inTurns } from './in-turns.ts'
import { lastLeaving, stepAt, type HistoryStep, type RoomHistory } from './room-history.ts'
import type { RoomReceipts } from './room-receipts.ts'
import { readTimeline } from './room-section-timeline.ts'
import { transition, type RoomWindow } from './room-section-transitions.ts'
import type { RoomStates, StoredEvent } from './room-state.ts'
import type { UserRooms } from './user-rooms.ts'
import type { UserSettings, UserSettingsSource } from './user-settings.ts'

export interface InitialSyncDeps {
  readonly store: Pick<Store, 'accountDataBetween'>
  readonly memberships: Memberships
  readonly roomStates: Pick<RoomStates, 'at'>
  readonly roomHistory: RoomHistory
  readonly visibility: HistoryViewSource
  readonly userRooms: UserRooms
  readonly userSettings: UserSettingsSource
  readonly roomReceipts: RoomReceipts
  readonly eventScan: EventScan
  readonly eventReader: EventReader
  /** Is the room in the room directory? */
  readonly isListed: (roomId: RoomId) => boolean
}

/** What one answer has in common for all its rooms. */
interface Reading {
  readonly query: InitialSyncQuery
  readonly settings: UserSettings
  /** The user's account data, '' for what belongs to no room. */
  readonly accountData: ReadonlyMap<RoomId | '', readonly ClientEvent[]>
}

/** The rooms, receipts and account data of `/initialSync` (PRESENCE-SPEC §2.7). */
export async function readInitialRooms(
  deps: InitialSyncDeps,
  query: InitialSyncQuery,
): Promise<InitialRooms> {
  const reading = await readingFor(deps, query)
  const rooms: RoomInfo[] = []
  const receipts: ClientEvent[] = []
  for await (const row of inTurns(await deps.userRooms.of(query.requester.userId))) {
    const info = await roomOf(deps, reading, row)
    if (info === null) continue
    rooms.push(info)
    if (info['membership'] === 'join') receipts.push(...(await readReceipts(deps, query, row.roomId)))
  }
  return { rooms, receipts, account_data: reading.accountData.get('') ?? [] }
}

/**
 * One room for who is in it, or was: then as of the leaving (P-079).
 *
 * @throws MatrixError 403 for everybody else, whether the room exists or not
 */
export async function readInitialRoom(
  deps: InitialSyncDeps,
  query: InitialSyncQuery,
  roomId: RoomId,
): Promise<InitialRoom> {
  const { userId } = query.requester
  const steps = (await deps.roomHistory.memberships(roomId, userId)).filter(
    ({ pos }) => pos <= query.now.stream,
  )
  const row = (await deps.userRooms.of(userId)).find((one) => one.roomId === roomId)
  const isJoined = steps.at(-1)?.value === 'join'
  const leaving = isJoined ? undefined : lastLeaving(steps)
  if (leaving === null || row?.forgotten !== 0)
    throw refuse.forbidden('You are not in this room and never were, or it does not exist')
  const reading = await readingFor(deps, query)
  const window = windowOf(roomId, query, leaving)
  const info = await roomWithMessages(deps, reading, window, leaving?.value ?? 'join')
  return {
    info,
    receipts: isJoined ? await readReceipts(deps, query, roomId) : [],
    members: isJoined ? [...deps.memberships.joinedMembers(roomId)] : [],
  }
}

function windowOf(roomId: RoomId, { now }: InitialSyncQuery, leaving: HistoryStep | undefined): RoomWindow {
  return {
    roomId,
    after: 0,
    upTo: leaving?.pos ?? now.stream,
    baseline: null,
    isLimited: false,
    ownLeave: null,
    hasState: true,
  }
}

async function readingFor(deps: InitialSyncDeps, query: InitialSyncQuery): Promise<Reading> {
  const { userId } = query.requester
  const [settings, rows] = await Promise.all([
    deps.userSettings.of(userId),
    deps.store.accountDataBetween(userId, 0, query.now.stream),
  ])
  const accountData = new Map<RoomId | '', ClientEvent[]>()
  for (const { roomId, type, json } of rows) {
    const event = { type, content: JSON.parse(json) as JsonObject }
    accountData.set(roomId, [...(accountData.get(roomId) ?? []), event])
  }
  return { query, settings, accountData }
}

/** Null for a room that is not shown: a hidden invite, a knock, a room that was left unless those are wanted. */
async function roomOf(
  deps: InitialSyncDeps,
  reading: Reading,
  row: Row<'memberships'>,
): Promise<RoomInfo | null> {
  const { roomHistory } = deps
  const { now, archived } = reading.query
  const steps = await roomHistory.memberships(row.roomId, row.userId)
  const one = transition(row, steps, {
    since: null,
    now: now.stream,
    includeLeave: archived,
    fullState: false,
  })
  if (one === null) return null
  switch (one.section) {
    case 'join':
    case 'leave': {
      const membership = stepAt(steps, one.window.upTo)?.value ?? 'leave'
      return roomWithMessages(deps, reading, one.window, membership)
    }
    case 'invite':
      return invitation(deps, reading, one.roomId, one.step)
    case 'knock':
      return null
    default:
      return assertNever(one)
  }
}

async function invitation(
  { roomStates, eventReader, isListed }: InitialSyncDeps,
  { query, settings }: Reading,
  roomId: RoomId,
  { pos }: HistoryStep,
): Promise<RoomInfo | null> {
  const { userId, deviceId } = query.requester
  const stored = (await roomStates.at(roomId, pos)).get('m.room.member', userId)
  if (stored === undefined || !admitsInvites(settings, userId)(stored.event.pdu)) return null
  const [invite] = await eventReader.read([stored], { userId, deviceId, withRoomId: true })
  return {
    room_id: roomId,
    membership: 'invite',
    visibility: isListed(roomId) ? 'public' : 'private',
    inviter: stored.row.sender,
    ...(invite !== undefined && { invite: inForm(query.form, invite) }),
  }
}

async function roomWithMessages(
  deps: InitialSyncDeps,
  { query, settings, accountData }: Reading,
  window: RoomWindow,
  membership: string,
): Promise<RoomInfo> {
  const { roomId, upTo } = window
  const { requester, form, limit, now, end } = query
  const { userId, deviceId } = requester
  const view = await deps.visibility.view(roomId, userId, now.stream)
  const timeline = await readTimeline(deps.eventScan, window, {
    filter: { limit },
    view,
    ignored: settings.ignored,
    hasEvents: true,
  })
  const state: readonly StoredEvent[] = window.hasState
    ? [...(await deps.roomStates.at(roomId, upTo)).all()].toSorted((a, b) => a.row.pos - b.row.pos)
    : []
  const audience = { userId, deviceId, withRoomId: true }
  const [chunk, stateEvents] = await Promise.all([
    deps.eventReader.read(timeline.events, { ...audience, view }),
    deps.eventReader.read(state, audience),
  ])
  return {
    room_id: roomId,
    membership,
    visibility: deps.isListed(roomId) ? 'public' : 'private',
    messages: {
      start: timeline.prevBatch,
      // Of a room one is in, the stream goes on from there.
      end: membership === 'join' ? end : formatPageToken(upTo),
      chunk: chunk.map((event) => inForm(form, event)),
    },
    state: stateEvents.map((event) => inForm(form, event)),
    account_data: [...(accountData.get(roomId) ?? [])],
  }
}

/** Those newer than this answer come with the stream. */
async function readReceipts(
  { roomReceipts }: InitialSyncDeps,
  { requester, now }: InitialSyncQuery,
  roomId: RoomId,
): Promise<ClientEvent[]> {
  const receipts = [...(await roomReceipts.of(roomId)).all()].filter(({ pos }) => pos <= now.stream)
  return ephemeralWithRoom({ roomId, reader: requester.userId, typing: null, receipts })
}
