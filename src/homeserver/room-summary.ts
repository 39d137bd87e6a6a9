import type { RoomId, UserId } from '../matrix/ids.ts'
import { ownString } from '../matrix/json.ts'
import type { RoomSummary } from '../matrix/sync.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache, type FollowedCache } from './followed-cache.ts'
import type { RoomStates } from './room-state.ts'

/** Users named in place of a room's name. */
const HEROES_MAX = 5
const NEWEST = Number.MAX_SAFE_INTEGER

const MEMBER = 'm.room.member'
/** The state that names a room. */
const NAMING = new Set(['m.room.name', 'm.room.canonical_alias'])

const PRESENT: ReadonlySet<string> = new Set(['join', 'invite'])
const GONE: ReadonlySet<string> = new Set(['leave', 'ban'])

export function changesSummary(type: string): boolean {
  return type === MEMBER || NAMING.has(type)
}

export interface RoomSummaries {
  /** Counts always; heroes only of rooms without a name of their own (ROOMS-SPEC §6.8, R-210). */
  summary(roomId: RoomId, reader: UserId): Promise<RoomSummary>
}

interface SummaryDeps {
  readonly store: Pick<Store, 'events' | 'members' | 'stateBetween' | 'stateEntryAt'>
  readonly stream: Pick<Stream, 'observe'>
  readonly roomStates: Pick<RoomStates, 'storedEvent'>
  /** Rooms about whose members something is kept in memory. */
  readonly roomsMax: number
}

/** Each part follows the writes by itself, so that a join costs the same in a room of any size. */
export function createRoomSummaries(deps: SummaryDeps): RoomSummaries {
  const rolls = createRolls(deps)
  const arrivals = createArrivals(deps)
  const names = createNames(deps)
  return {
    async summary(roomId, reader) {
      const [roll, isNamed] = await Promise.all([rolls.get(roomId), names.get(roomId)])
      const counts: RoomSummary = {
        'm.joined_member_count': roll.count('join'),
        'm.invited_member_count': roll.count('invite'),
      }
      return isNamed ? counts : { ...counts, 'm.heroes': heroesOf(roll, await arrivals.get(roomId), reader) }
    },
  }
}

/** If nobody else is in the room, those who were. */
function heroesOf(roll: Roll, arrivals: Iterable<UserId>, reader: UserId): UserId[] {
  const first = (memberships: ReadonlySet<string>): UserId[] => {
    const found: UserId[] = []
    for (const userId of arrivals) {
      if (userId === reader || !memberships.has(roll.membershipOf(userId))) continue
      if (found.push(userId) === HEROES_MAX) break
    }
    return found.sort()
  }
  const present = first(PRESENT)
  return present.length > 0 ? present : first(GONE)
}

/** The membership of everybody who ever had one in a room. */
class Roll {
  readonly #memberships = new Map<UserId, string>()
  readonly #counts = new Map<string, number>()

  count(membership: string): number {
    return this.#counts.get(membership) ?? 0
  }

  membershipOf(userId: UserId): string {
    return this.#memberships.get(userId) ?? ''
  }

  enter({ userId, membership }: Row<'memberships'>): void {
    const before = this.#memberships.get(userId)
    if (before !== undefined) this.#counts.set(before, this.count(before) - 1)
    this.#memberships.set(userId, membership)
    this.#counts.set(membership, this.count(membership) + 1)
  }
}

function createRolls({ store, stream, roomsMax }: SummaryDeps): FollowedCache<RoomId, Roll> {
  const rowOf = (write: Write): Row<'memberships'> | null =>
    'put' in write && write.put === 'memberships' ? write.row : null
  return createFollowedCache({
    stream,
    entriesMax: roomsMax,
    async load(roomId: RoomId) {
      const roll = new Roll()
      for (const row of await store.members(roomId)) roll.enter(row)
      return roll
    },
    keyOf: (write) => rowOf(write)?.roomId ?? null,
    update(roll, write) {
      const row = rowOf(write)
      if (row !== null) roll.enter(row)
    },
  })
}

/** Users in the order of their first member event; only asked for in rooms without a name. */
function createArrivals({ store, stream, roomsMax }: SummaryDeps): FollowedCache<RoomId, Set<UserId>> {
  const entryOf = (write: Write): Row<'stateLog'> | null =>
    'put' in write && write.put === 'stateLog' && write.row.type === MEMBER ? write.row : null
  return createFollowedCache({
    stream,
    entriesMax: roomsMax,
    async load(roomId: RoomId) {
      const entries = await store.stateBetween(roomId, 0, NEWEST)
      return new Set(entries.flatMap(({ type, stateKey }) => (type === MEMBER ? [stateKey as UserId] : [])))
    },
    keyOf: (write) => entryOf(write)?.roomId ?? null,
    update(users, write) {
      const entry = entryOf(write)
      if (entry !== null) users.add(entry.stateKey as UserId)
    },
  })
}

/** Does the room go by a name, or by an alias? */
function createNames({ store, stream, roomStates, roomsMax }: SummaryDeps): FollowedCache<RoomId, boolean> {
  const setting = async (roomId: RoomId, type: string, key: string): Promise<string> => {
    const entry = await store.stateEntryAt(roomId, type, '', NEWEST)
    const [row] = entry === null ? [] : await store.events([entry.eventId])
    return row === undefined ? '' : (ownString(roomStates.storedEvent(row).event.pdu.content, key) ?? '')
  }
  return createFollowedCache({
    stream,
    entriesMax: roomsMax,
    load: async (roomId: RoomId) =>
      (await setting(roomId, 'm.room.name', 'name')) !== '' ||
      (await setting(roomId, 'm.room.canonical_alias', 'alias')) !== '',
    keyOf(write) {
      // A redaction changes what an entry says, not the entry.
      if (!('put' in write) || (write.put !== 'stateLog' && write.put !== 'events')) return null
      return write.row.stateKey === '' && NAMING.has(write.row.type) ? write.row.roomId : null
    },
  })
}
