import type { RoomId, UserId } from '../matrix/ids.ts'
import { ownString } from '../matrix/json.ts'
import type { RoomSummary } from '../matrix/sync.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache } from './followed-cache.ts'
import type { RoomStates } from './room-state.ts'

/** Users named in place of a room's name. */
export const HEROES_MAX = 5
const NEWEST = Number.MAX_SAFE_INTEGER

/** The state that a summary depends on. */
const NAMING = new Set(['m.room.name', 'm.room.canonical_alias'])

export function changesSummary(type: string): boolean {
  return type === 'm.room.member' || NAMING.has(type)
}

export interface RoomSummaries {
  /** Counts always; heroes only of rooms without a name of their own (ROOMS-SPEC §6.8, R-210). */
  summary(roomId: RoomId, reader: UserId): Promise<RoomSummary>
}

/** The same for all readers: one more hero than anybody is shown, as the reader is none. */
interface Outline {
  readonly joined: number
  readonly invited: number
  /** Null if the room has a name. */
  readonly heroes: { readonly present: readonly UserId[]; readonly gone: readonly UserId[] } | null
}

export function createRoomSummaries(deps: {
  readonly store: Pick<Store, 'events' | 'members' | 'stateBetween' | 'stateEntryAt'>
  readonly stream: Pick<Stream, 'observe'>
  readonly roomStates: Pick<RoomStates, 'storedEvent'>
  /** Rooms whose outlines are kept in memory. */
  readonly roomsMax: number
}): RoomSummaries {
  const { store, stream, roomStates, roomsMax } = deps

  const load = async (key: string): Promise<Outline> => {
    const roomId = key as RoomId
    const members = await store.members(roomId)
    const having = (membership: string): Row<'memberships'>[] =>
      members.filter((row) => row.membership === membership)
    const joined = having('join')
    const invited = having('invite')
    const counts = { joined: joined.length, invited: invited.length }
    if (await hasName(roomId)) return { ...counts, heroes: null }
    const order = await arrivals(roomId)
    const first = (rows: readonly Row<'memberships'>[]): UserId[] =>
      rows
        .map((row) => row.userId)
        .sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0))
        .slice(0, HEROES_MAX + 1)
    return {
      ...counts,
      heroes: {
        present: first([...joined, ...invited]),
        gone: first([...having('leave'), ...having('ban')]),
      },
    }
  }
  const hasName = async (roomId: RoomId): Promise<boolean> =>
    (await setting(roomId, 'm.room.name', 'name')) !== '' ||
    (await setting(roomId, 'm.room.canonical_alias', 'alias')) !== ''

  const setting = async (roomId: RoomId, type: string, key: string): Promise<string> => {
    const entry = await store.stateEntryAt(roomId, type, '', NEWEST)
    const [row] = entry === null ? [] : await store.events([entry.eventId])
    return row === undefined ? '' : (ownString(roomStates.storedEvent(row).event.pdu.content, key) ?? '')
  }
  /** Where each user's first member event stands. */
  const arrivals = async (roomId: RoomId): Promise<ReadonlyMap<string, number>> => {
    const first = new Map<string, number>()
    for (const { type, stateKey, pos } of await store.stateBetween(roomId, 0, NEWEST))
      if (type === 'm.room.member' && !first.has(stateKey)) first.set(stateKey, pos)
    return first
  }

  const outlines = createFollowedCache({ stream, entriesMax: roomsMax, load, keyOf })
  return {
    async summary(roomId, reader) {
      const { joined, invited, heroes } = await outlines.get(roomId)
      const summary: RoomSummary = { 'm.joined_member_count': joined, 'm.invited_member_count': invited }
      if (heroes === null) return summary
      const others = (users: readonly UserId[]): UserId[] =>
        users.filter((userId) => userId !== reader).slice(0, HEROES_MAX)
      const present = others(heroes.present)
      return { ...summary, 'm.heroes': (present.length > 0 ? present : others(heroes.gone)).sort() }
    },
  }
}

/** A redaction changes what an entry says, not the entry. */
function keyOf(write: Write): string | null {
  if (!('put' in write) || (write.put !== 'stateLog' && write.put !== 'events')) return null
  const { type, stateKey, roomId } = write.row
  return stateKey !== null && changesSummary(type) ? roomId : null
}
