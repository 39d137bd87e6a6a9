import type { Filter } from '../matrix/filter.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { ClientEvent, SyncBody } from '../matrix/sync.ts'
import { notBeyond, type RoomsPosition } from '../matrix/token.ts'
import type { Row, Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { SyncQuery, SyncSection, SyncWindow } from '../ports/sync-section.ts'
import { admitsRoom, matchesRoom, matchesTypeOnly } from './event-filter.ts'
import type { KeyCountsSource } from './key-counts.ts'
import { inTurns } from './in-turns.ts'
import type { HistoryStep, RoomHistory } from './room-history.ts'
import type { Receipt } from './room-receipts.ts'
import {
  joinedRoomBody,
  leftRoomBody,
  picked,
  type RoomBodiesDeps,
  type RoomsQuery,
} from './room-section-rooms.ts'
import { transition, type Transition } from './room-section-transitions.ts'
import { strippedStateFor } from './stripped-state.ts'
import type { UserRooms } from './user-rooms.ts'
import { showsInvite, type UserSettings, type UserSettingsSource } from './user-settings.ts'

interface RoomSectionDeps extends RoomBodiesDeps {
  readonly store: RoomBodiesDeps['store'] & Pick<Store, 'accountDataBetween' | 'receiptsBetween'>
  readonly stream: Pick<Stream, 'current'>
  readonly roomHistory: RoomHistory
  readonly userRooms: UserRooms
  readonly userSettings: UserSettingsSource
  readonly keyCounts: KeyCountsSource
}

type Rooms = SyncBody['rooms']

/** Everything of `/sync` but presence (ROOMS-SPEC §6). */
export function createRoomSection(deps: RoomSectionDeps): SyncSection {
  return {
    position: () => ({ stream: deps.stream.current, typing: deps.typing.position }),
    async read(query, window) {
      const { requester } = query
      const { since, now } = clamped(window)
      const keys = await deps.keyCounts.of(requester)
      if (since !== null && !query.fullState && isSame(since, now)) return { body: keys, isEmpty: true }
      const settings = await deps.userSettings.of(requester.userId)
      const accountData = await readAccountData(deps, query, since, now)
      const found = await findTransitions(deps, query, { since, now }, accountData)
      const roomsQuery: RoomsQuery = {
        sync: query,
        since,
        now,
        settings,
        accountData: await roomDataFor(deps, query, found, accountData, { since, now }),
        receipts: await readReceipts(deps, found, since, now),
      }
      const rooms = await readRooms(deps, roomsQuery, found)
      const global = globalData(accountData, query.filter, since, settings)
      const hasRooms = Object.values(rooms).some((section) => Object.keys(section).length > 0)
      const hasNewKeys =
        since !== null && deps.changes.keys(requester.userId, requester.deviceId) > since.stream
      return {
        body: {
          ...keys,
          ...((hasRooms || since === null) && { rooms }),
          ...((global.length > 0 || since === null) && {
            account_data: { events: picked(global, query.filter) },
          }),
        },
        isEmpty: !hasRooms && global.length === 0 && !hasNewKeys,
      }
    },
  }
}

/** A token from before a restored backup counts as current (ROOMS-SPEC §6.1). */
function clamped({ since, now }: SyncWindow): SyncWindow {
  return { since: since === null ? null : notBeyond(since, now), now }
}

function isSame(one: RoomsPosition, other: RoomsPosition): boolean {
  return one.stream === other.stream && one.typing === other.typing
}

/** The rooms that may have something to tell; most rooms of most answers are ruled out without a query (§6.11). */
async function findTransitions(
  deps: RoomSectionDeps,
  query: SyncQuery,
  { since, now }: SyncWindow,
  accountData: readonly Row<'accountData'>[],
): Promise<Transition[]> {
  const { filter, fullState, requester } = query
  const withData = new Set(accountData.map((row) => row.roomId))
  const mayHaveNews = (roomId: RoomId, from: RoomsPosition): boolean =>
    fullState ||
    withData.has(roomId) ||
    deps.changes.room(roomId) > from.stream ||
    deps.changes.receipts(roomId) > from.stream ||
    deps.typing.changed(roomId) > from.typing

  const found: Transition[] = []
  for (const row of await deps.userRooms.of(requester.userId)) {
    if (!admitsRoom(filter, row.roomId)) continue
    if (since !== null && row.pos <= since.stream) {
      if (row.membership !== 'join' || !mayHaveNews(row.roomId, since)) continue
    }
    const result = transition(row, await stepsOf(deps, row), {
      since: since?.stream ?? null,
      now: now.stream,
      includeLeave: filter.room?.include_leave === true,
      fullState,
    })
    if (result !== null) found.push(result)
  }
  return found
}

function stepsOf(
  { roomHistory }: RoomSectionDeps,
  { roomId, userId }: Row<'memberships'>,
): Promise<readonly HistoryStep[]> {
  return roomHistory.memberships(roomId, userId)
}

async function readAccountData(
  deps: RoomSectionDeps,
  { requester }: SyncQuery,
  since: RoomsPosition | null,
  now: RoomsPosition,
): Promise<readonly Row<'accountData'>[]> {
  const { userId } = requester
  if (since !== null && deps.changes.accountData(userId) <= since.stream) return []
  return deps.store.accountDataBetween(userId, since?.stream ?? 0, now.stream)
}

/** Room account data by room: what changed, and of rooms that are new to the client all of it. */
async function roomDataFor(
  { store }: RoomSectionDeps,
  { requester, filter }: SyncQuery,
  found: readonly Transition[],
  changed: readonly Row<'accountData'>[],
  { since, now }: SyncWindow,
): Promise<ReadonlyMap<RoomId, readonly ClientEvent[]>> {
  const fresh = new Set<string>(since === null ? [] : roomsNewToClient(found))
  const all = fresh.size === 0 ? [] : await store.accountDataBetween(requester.userId, 0, now.stream)
  const rows = [
    ...changed.filter((row) => !fresh.has(row.roomId)),
    ...all.filter((row) => fresh.has(row.roomId)),
  ]
  const byRoom = new Map<RoomId, ClientEvent[]>()
  const roomFilter = filter.room?.account_data
  for (const row of rows) {
    if (row.roomId === '' || !matchesTypeOnly(roomFilter, row.type)) continue
    if (!matchesRoom(roomFilter, row.roomId)) continue
    byRoom.set(row.roomId, [...(byRoom.get(row.roomId) ?? []), dataEvent(row)])
  }
  return byRoom
}

function roomsNewToClient(found: readonly Transition[]): RoomId[] {
  return found.flatMap((one) => (one.section === 'join' && one.isNew ? [one.window.roomId] : []))
}

function globalData(
  rows: readonly Row<'accountData'>[],
  filter: Filter,
  since: RoomsPosition | null,
  { pushRules }: UserSettings,
): ClientEvent[] {
  const events = rows.filter((row) => row.roomId === '').map(dataEvent)
  // Clients wait for the rules; who never changed any has the default ones.
  if (since === null && !events.some((event) => event['type'] === 'm.push_rules'))
    events.push({ type: 'm.push_rules', content: { global: pushRules as unknown as JsonObject } })
  return events.filter((event) => matchesTypeOnly(filter.account_data, event['type'] as string))
}

function dataEvent({ type, json }: Row<'accountData'>): ClientEvent {
  return { type, content: JSON.parse(json) as JsonObject }
}

async function readReceipts(
  { store, changes }: RoomSectionDeps,
  found: readonly Transition[],
  since: RoomsPosition | null,
  now: RoomsPosition,
): Promise<ReadonlyMap<RoomId, readonly Receipt[]>> {
  if (since === null) return new Map()
  const rooms = found.flatMap((one) =>
    one.section === 'join' && !one.isNew && changes.receipts(one.window.roomId) > since.stream
      ? [one.window.roomId]
      : [],
  )
  if (rooms.length === 0) return new Map()
  return Map.groupBy(await store.receiptsBetween(rooms, since.stream, now.stream), ({ roomId }) => roomId)
}

async function readRooms(
  deps: RoomSectionDeps,
  query: RoomsQuery,
  found: readonly Transition[],
): Promise<Rooms> {
  const rooms: Rooms = { join: {}, invite: {}, knock: {}, leave: {} }
  for await (const one of inTurns(found)) {
    switch (one.section) {
      case 'join': {
        const body = await joinedRoomBody(deps, query, one.window, one.isNew)
        if (body !== null) rooms.join[one.window.roomId] = body
        break
      }
      case 'leave':
        rooms.leave[one.window.roomId] = await leftRoomBody(deps, query, one.window)
        break
      case 'invite':
      case 'knock':
        await addStripped(deps, query, one, rooms)
        break
    }
  }
  return rooms
}

/** Invites by ignored users, and all of them for users who want none, are not shown. */
async function addStripped(
  { roomStates }: RoomSectionDeps,
  { sync, settings }: RoomsQuery,
  { section, roomId, step }: Extract<Transition, { section: 'invite' | 'knock' }>,
  rooms: Rooms,
): Promise<void> {
  const userId: UserId = sync.requester.userId
  const state = await roomStates.at(roomId, step.pos)
  const events = strippedStateFor(state, userId)
  if (section === 'knock') {
    rooms.knock[roomId] = { knock_state: { events } }
    return
  }
  const invite = state.get('m.room.member', userId)
  if (invite !== undefined && showsInvite(settings, invite.row.sender))
    rooms.invite[roomId] = { invite_state: { events } }
}
