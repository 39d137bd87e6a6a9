import { serverOf, type RoomId, type ServerName, type UserId } from '../../src/matrix/ids.ts'
import type { Choices } from './list-house.ts'
import type { ManualClock } from './manual-clock.ts'
import type { SimServer } from './sim-server.ts'

/** The events of a room reach every server in it within this, or when it starts again. */
const LAG_MAX_MS = 300_000

interface RoomEvent {
  readonly userId: UserId
  readonly isJoined: boolean
}

/** Rooms as federation would keep them: each server hears, in order and in its own time, who came and went. */
export class SimRooms {
  readonly #rooms: readonly { readonly id: RoomId; readonly members: Set<UserId> }[]
  readonly #waiting = new Map<string, RoomEvent[]>()
  readonly #servers: readonly SimServer[]
  readonly #time: ManualClock
  readonly #random: Choices
  readonly #isAtOnce: boolean
  readonly #onMembers: (server: SimServer, roomId: RoomId) => void

  constructor(deps: {
    readonly count: number
    readonly servers: readonly SimServer[]
    readonly time: ManualClock
    readonly random: Choices
    /** What happens in rooms is known at once to all servers that are up. */
    readonly isAtOnce: boolean
    /** What a server knows of a room is another. */
    readonly onMembers: (server: SimServer, roomId: RoomId) => void
  }) {
    this.#rooms = Array.from({ length: deps.count }, (_, index) => ({
      id: `!room${index}:anywhere` as RoomId,
      members: new Set(),
    }))
    this.#servers = deps.servers
    this.#time = deps.time
    this.#random = deps.random
    this.#isAtOnce = deps.isAtOnce
    this.#onMembers = deps.onMembers
  }

  /** The user goes in or out; their own server is up, and knows at once. */
  turn(server: SimServer, userId: UserId, index: number): void {
    const room = this.#rooms[index]
    if (room === undefined) return
    const isJoined = !room.members.has(userId)
    if (isJoined && !isIn(room.members, server.name)) this.#introduce(server, room.id, room.members)
    if (isJoined) room.members.add(userId)
    else room.members.delete(userId)
    this.#hear(server, room.id, userId, isJoined)
    for (const other of this.#servers) {
      if (other === server) continue
      if (!isIn(room.members, other.name)) continue
      this.#queue(other, room.id).push({ userId, isJoined })
      if (this.#isAtOnce) this.#arrive(other, room.id)
      else this.#time.after(this.#lagMs(), () => this.#arrive(other, room.id))
    }
    if (!isIn(room.members, server.name)) this.#queue(server, room.id).splice(0)
  }

  leaveAll(server: SimServer, userId: UserId): void {
    for (const [index, { members }] of this.#rooms.entries())
      if (members.has(userId)) this.turn(server, userId, index)
  }

  /** Everything arrives that was on its way. */
  arriveAll(server: SimServer): void {
    for (const { id } of this.#rooms) while (this.#arrive(server, id));
  }

  /** The next event, unless the server is down; false if there is none. */
  #arrive(server: SimServer, roomId: RoomId): boolean {
    if (!server.isUp) return false
    const next = this.#queue(server, roomId).shift()
    if (next === undefined) return false
    this.#hear(server, roomId, next.userId, next.isJoined)
    return true
  }

  #lagMs(): number {
    return this.#random.below(this.#random.of([0, 1_000, LAG_MAX_MS]))
  }

  /** A server that comes to a room hears first who is there. */
  #introduce(server: SimServer, roomId: RoomId, members: ReadonlySet<UserId>): void {
    this.#queue(server, roomId).splice(0)
    const known = server.rooms.get(roomId) ?? new Set<UserId>()
    for (const userId of known) if (!members.has(userId)) this.#hear(server, roomId, userId, false)
    for (const userId of members) if (!known.has(userId)) this.#hear(server, roomId, userId, true)
  }

  #hear(server: SimServer, roomId: RoomId, userId: UserId, isJoined: boolean): void {
    server.hears(roomId, userId, isJoined)
    this.#onMembers(server, roomId)
  }

  #queue(server: SimServer, roomId: RoomId): RoomEvent[] {
    const key = `${server.name} ${roomId}`
    const queue = this.#waiting.get(key) ?? []
    this.#waiting.set(key, queue)
    return queue
  }
}

function isIn(members: ReadonlySet<UserId>, server: ServerName): boolean {
  return [...members].some((member) => serverOf(member) === server)
}
