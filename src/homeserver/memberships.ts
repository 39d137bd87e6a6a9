import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Row, Store } from '../ports/store.ts'

export type Membership = 'join' | 'invite' | 'leave' | 'ban' | 'knock'

const NOBODY: ReadonlySet<UserId> = new Set()
const NO_ROOMS: ReadonlySet<RoomId> = new Set()

/**
 * Who is joined where, in memory: every event and every wake-up asks. Other memberships are read from the store. Bounded
 * by the joined memberships that the store holds.
 */
export class Memberships {
  readonly #joinedByRoom = new Map<RoomId, Set<UserId>>()
  readonly #joinedByUser = new Map<UserId, Set<RoomId>>()

  static async load(store: Pick<Store, 'all'>): Promise<Memberships> {
    const memberships = new Memberships()
    for (const row of await store.all('memberships')) memberships.set(row)
    return memberships
  }

  /** Every room with its joined members; live. */
  rooms(): Iterable<readonly [RoomId, ReadonlySet<UserId>]> {
    return this.#joinedByRoom
  }

  /** Joined members of the room; live, so copy it before waiting. */
  joinedMembers(roomId: RoomId): ReadonlySet<UserId> {
    return this.#joinedByRoom.get(roomId) ?? NOBODY
  }

  /** Rooms the user is joined to; live, so copy it before waiting. */
  joinedRooms(userId: UserId): ReadonlySet<RoomId> {
    return this.#joinedByUser.get(userId) ?? NO_ROOMS
  }

  isJoined(roomId: RoomId, userId: UserId): boolean {
    return this.#joinedByRoom.get(roomId)?.has(userId) ?? false
  }

  /** Do the two share a joined room? */
  share(one: UserId, other: UserId): boolean {
    const ofOne = this.joinedRooms(one)
    const ofOther = this.joinedRooms(other)
    const [fewer, more] = ofOne.size <= ofOther.size ? [ofOne, ofOther] : [ofOther, ofOne]
    for (const roomId of fewer) if (more.has(roomId)) return true
    return false
  }

  /** Takes over a membership that is now durable. */
  set(row: Pick<Row<'memberships'>, 'roomId' | 'userId' | 'membership'>): void {
    if (row.membership === 'join') {
      addTo(this.#joinedByRoom, row.roomId, row.userId)
      addTo(this.#joinedByUser, row.userId, row.roomId)
    } else {
      removeFrom(this.#joinedByRoom, row.roomId, row.userId)
      removeFrom(this.#joinedByUser, row.userId, row.roomId)
    }
  }
}

function addTo<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key)
  if (set === undefined) sets.set(key, new Set([value]))
  else set.add(value)
}

function removeFrom<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  const set = sets.get(key)
  if (set?.delete(value) === true && set.size === 0) sets.delete(key)
}
