import { must } from '../base/assert.ts'
import { refuse } from '../matrix/errors.ts'
import type { RoomId } from '../matrix/ids.ts'
import { own, ownString, type JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { Row, Store } from '../ports/store.ts'
import { mayNameRoom } from './aliases.ts'
import type { Memberships } from './memberships.ts'
import { contentIn, type RoomStates } from './room-state.ts'

export interface PublicRoomsQuery {
  /** Null: as many as the server gives. */
  readonly limit: number | null
  /** `next_batch` or `prev_batch` of an earlier answer; null for the first page. */
  readonly since: string | null
  /** Part of the name, topic or canonical alias, whatever its case; '' for all. */
  readonly searchTerm: string
  /** Types of rooms, null for rooms without one; null for all. */
  readonly roomTypes: readonly (string | null)[] | null
}

export interface PublicRoomsPage {
  chunk: JsonObject[]
  next_batch?: string
  prev_batch?: string
  total_room_count_estimate: number
}

/** The published rooms of this server (§5.8). */
export interface PublicRooms {
  /** A room that was made with its row durable. */
  created(row: Row<'rooms'>): void
  /** @throws M_NOT_FOUND */
  isListed(roomId: RoomId): boolean
  /** The same without a refusal: a room that is not known, or only just being made, is not listed. */
  lists(roomId: RoomId): boolean
  /** @throws M_NOT_FOUND, M_FORBIDDEN without the level for canonical aliases */
  setListed(requester: Requester, roomId: RoomId, listed: boolean): Promise<void>
  /** Largest first. @throws M_INVALID_PARAM for a token that is not ours */
  page(query: PublicRoomsQuery): Promise<PublicRoomsPage>
}

interface PublicRoomsDeps {
  readonly store: Pick<Store, 'all' | 'commit'>
  readonly memberships: Memberships
  readonly states: Pick<RoomStates, 'current'>
}

const PAGE_MAX = 500
const TOKEN = /^p(\d{1,9})$/

/** The rows of all rooms are kept in memory, one small row each. */
export async function createPublicRooms(deps: PublicRoomsDeps): Promise<PublicRooms> {
  const { store, memberships, states } = deps
  const rows = new Map<RoomId, Row<'rooms'>>()
  for (const row of await store.all('rooms')) rows.set(row.roomId, row)
  const known = (roomId: RoomId): Row<'rooms'> => {
    const row = rows.get(roomId)
    if (row === undefined) throw refuse.notFound('The room is not known to this server')
    return row
  }
  return {
    created: (row) => void rows.set(row.roomId, row),
    isListed: (roomId) => known(roomId).listed === 1,
    lists: (roomId) => rows.get(roomId)?.listed === 1,
    async setListed(requester, roomId, listed) {
      const row = known(roomId)
      const state = await states.current(roomId)
      const isMember = memberships.isJoined(roomId, requester.userId)
      const may = state !== null && isMember && mayNameRoom(state, requester.userId)
      if (!may && !requester.admin) throw refuse.forbidden('You may not publish this room')
      const changed: Row<'rooms'> = { ...row, listed: listed ? 1 : 0 }
      await store.commit([{ put: 'rooms', row: changed }])
      rows.set(roomId, changed)
    },
    async page(query) {
      const listed = largestFirst(deps, rows.values())
      const isAll = query.searchTerm === '' && query.roomTypes === null
      const matching = isAll ? listed : await matchingRooms(deps, listed, query)
      return pageOf(deps, matching, query)
    },
  }
}

/** Equal ones by ID. */
function largestFirst({ memberships }: PublicRoomsDeps, rows: Iterable<Row<'rooms'>>): RoomId[] {
  return [...rows]
    .filter((row) => row.listed === 1)
    .map(({ roomId }) => ({ roomId, members: memberships.joinedMembers(roomId).size }))
    .sort((one, other) => other.members - one.members || (one.roomId < other.roomId ? -1 : 1))
    .map(({ roomId }) => roomId)
}

async function matchingRooms(
  deps: PublicRoomsDeps,
  listed: readonly RoomId[],
  { searchTerm, roomTypes }: PublicRoomsQuery,
): Promise<RoomId[]> {
  const term = searchTerm.toLowerCase()
  const matching: RoomId[] = []
  for (const roomId of listed) {
    const entry = await entryOf(deps, roomId)
    const isOfType = roomTypes === null || roomTypes.includes(ownString(entry, 'room_type') ?? null)
    if (isOfType && isAbout(entry, term)) matching.push(roomId)
  }
  return matching
}

function isAbout(entry: JsonObject, term: string): boolean {
  const texts = ['name', 'topic', 'canonical_alias'].map((key) => ownString(entry, key) ?? '')
  return texts.some((text) => text.toLowerCase().includes(term))
}

async function entryOf({ memberships, states }: PublicRoomsDeps, roomId: RoomId): Promise<JsonObject> {
  const state = must(await states.current(roomId), `the state of ${roomId}`)
  const text = (type: string, key: string): JsonObject[string] | undefined => {
    const content = contentIn(state, type)
    const value = content === undefined ? undefined : own(content, key)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const optional = {
    name: text('m.room.name', 'name'),
    topic: text('m.room.topic', 'topic'),
    canonical_alias: text('m.room.canonical_alias', 'alias'),
    avatar_url: text('m.room.avatar', 'url'),
    join_rule: text('m.room.join_rules', 'join_rule'),
    room_type: text('m.room.create', 'type'),
  }
  const entry: JsonObject = {
    room_id: roomId,
    num_joined_members: memberships.joinedMembers(roomId).size,
    world_readable: text('m.room.history_visibility', 'history_visibility') === 'world_readable',
    guest_can_join: text('m.room.guest_access', 'guest_access') === 'can_join',
  }
  for (const [key, value] of Object.entries(optional)) if (value !== undefined) entry[key] = value
  return entry
}

async function pageOf(
  deps: PublicRoomsDeps,
  matching: readonly RoomId[],
  { since, limit }: PublicRoomsQuery,
): Promise<PublicRoomsPage> {
  const match = since === null ? ['', '0'] : TOKEN.exec(since)
  if (match === null) throw refuse.invalidParam('"since" is not a token of this list')
  const from = Number(match[1])
  const size = limit === null || limit === 0 ? PAGE_MAX : Math.min(limit, PAGE_MAX)
  const rooms = matching.slice(from, from + size)
  const page: PublicRoomsPage = {
    chunk: await Promise.all(rooms.map((roomId) => entryOf(deps, roomId))),
    total_room_count_estimate: matching.length,
  }
  if (from + size < matching.length) page.next_batch = `p${from + size}`
  if (from > 0) page.prev_batch = `p${Math.max(0, from - size)}`
  return page
}
