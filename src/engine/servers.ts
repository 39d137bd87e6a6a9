import type { Interest, Room } from './interest.ts'
import type { RemoteServer } from './remote.ts'
import type { PresencePolicy, ServerNum, UserNum } from './types.ts'

type Policy = Pick<PresencePolicy, 'hideFromIgnored' | 'remoteTimeoutMs' | 'listPeerTimeoutMs'>

/** What there is to ask from outside the engine. */
export type ServersView = Pick<
  Servers,
  'all' | 'sees' | 'visibleTo' | 'followedBy' | 'followedAt' | 'followersOf' | 'isInSight'
>

interface Peer extends RemoteServer {
  /** Those of its users who were ever of interest here. */
  readonly users: Set<UserNum>
}

/**
 * Other servers as audience and as source: which of them are to hear of whom (PRESENCE-SPEC §5.4), and whom of theirs somebody
 * here follows (§5.6). It decides nothing about visibility: a server may see what one of its users may see.
 */
export class Servers {
  readonly #policy: Policy
  readonly #interest: Interest
  readonly #peers = new Map<ServerNum, Peer>()
  /** Users of ours whom a server asked not to be told of; a common room overrules it. */
  readonly #unpolled = new Map<UserNum, Set<ServerNum>>()
  /** Users of others, and the connected users of ours who follow them by an accepted invite; never an empty set. */
  readonly #followers = new Map<UserNum, Set<UserNum>>()

  constructor(policy: Policy, interest: Interest) {
    this.#policy = policy
    this.#interest = interest
  }

  /** Said once of every user of another server. */
  declare(user: UserNum, server: ServerNum): void {
    this.#interest.ties(user).server = server
    this.peer(server).users.add(user)
  }

  peer(num: ServerNum): Peer {
    let peer = this.#peers.get(num)
    if (peer === undefined)
      this.#peers.set(num, (peer = { num, timeoutMs: this.#policy.remoteTimeoutMs, users: new Set() }))
    return peer
  }

  /** Servers of which users are, or were, of interest here. */
  all(): ServerNum[] {
    return [...this.#peers.keys()]
  }

  speaksLists(num: ServerNum): void {
    this.peer(num).timeoutMs = this.#policy.listPeerTimeoutMs
  }

  /** The user's server; null: this one. */
  of(user: UserNum): ServerNum | null {
    return this.#interest.ties(user).server
  }

  /** Servers that are told of our user: those in a common room, and those of granted observers that did not decline. */
  audienceOf(user: UserNum): Set<ServerNum> {
    const audience = new Set<ServerNum>()
    if (this.#peers.size === 0) return audience
    const ties = this.#interest.ties(user)
    for (const room of ties.rooms.values())
      if (room.guests.size > 0 && this.#interest.counts(room))
        for (const server of room.guests.keys()) audience.add(server)
    const unpolled = this.#unpolled.get(user)
    for (const observer of ties.observers) {
      const server = this.of(observer)
      if (server !== null && unpolled?.has(server) !== true) audience.add(server)
    }
    for (const server of audience) if (this.isHiddenFrom(server, user)) audience.delete(server)
    return audience
  }

  /** Does the user, by an ignore list, hide from all of the server's users who would see them? */
  isHiddenFrom(num: ServerNum, user: UserNum): boolean {
    return this.hidesFromSome(user) && !this.sees(num, user)
  }

  /** Are there people from whom the user hides by an ignore list? */
  hidesFromSome(user: UserNum): boolean {
    return this.hidesFromIgnored && this.#interest.ties(user).ignored.size > 0
  }

  get hidesFromIgnored(): boolean {
    return this.#policy.hideFromIgnored
  }

  /** Is there any server to be told of our user? */
  hasAudience(user: UserNum): boolean {
    if (this.#peers.size === 0) return false
    const { rooms, observers } = this.#interest.ties(user)
    for (const room of rooms.values()) if (room.guests.size > 0 && this.#interest.counts(room)) return true
    const unpolled = this.#unpolled.get(user)
    for (const observer of observers) {
      const server = this.of(observer)
      if (server !== null && unpolled?.has(server) !== true) return true
    }
    return false
  }

  /** May any user of the server see the user? */
  sees(num: ServerNum, user: UserNum): boolean {
    const { rooms, observers } = this.#interest.ties(user)
    const isHidden = this.hidesFromSome(user)
    const mayBe = (viewer: UserNum): boolean => !isHidden || !this.#interest.ignores(user, viewer)
    for (const room of rooms.values()) {
      const guests = room.guests.get(num)
      if (guests !== undefined && this.#interest.counts(room) && some(guests, mayBe)) return true
    }
    return some(observers, (observer) => this.of(observer) === num && mayBe(observer))
  }

  /** Users of ours whom the server may see. */
  visibleTo(num: ServerNum): UserNum[] {
    const rooms = new Set<Room>()
    const visible = new Set<UserNum>()
    for (const viewer of this.#peers.get(num)?.users ?? []) {
      const ties = this.#interest.ties(viewer)
      for (const room of ties.rooms.values()) if (this.#interest.counts(room)) rooms.add(room)
      for (const user of ties.observed.keys()) visible.add(user)
    }
    for (const room of rooms) for (const user of room.members.keys()) visible.add(user)
    return [...visible].filter((user) => this.of(user) === null && !this.isHiddenFrom(num, user))
  }

  /** Users of ours whom the server follows: by a grant, and not declined. */
  followedBy(num: ServerNum): UserNum[] {
    const followed = new Set<UserNum>()
    for (const observer of this.#peers.get(num)?.users ?? [])
      for (const user of this.#interest.ties(observer).observed.keys())
        if (this.of(user) === null && this.#unpolled.get(user)?.has(num) !== true) followed.add(user)
    return [...followed]
  }

  /** Users of the server whom a connected user of ours follows. */
  followedAt(num: ServerNum): UserNum[] {
    return [...(this.#peers.get(num)?.users ?? [])].filter((user) => this.#followers.has(user))
  }

  /** Connected users of ours who follow the user of another server. */
  followersOf(user: UserNum): UserNum[] {
    return [...(this.#followers.get(user) ?? [])]
  }

  /** What the server said last of a user of ours. */
  poll(num: ServerNum, user: UserNum, wanted: boolean): void {
    const unpolled = this.#unpolled.get(user) ?? new Set()
    if (wanted) unpolled.delete(num)
    else unpolled.add(num)
    if (unpolled.size === 0) this.#unpolled.delete(user)
    else this.#unpolled.set(user, unpolled)
  }

  /**
   * Brings the followers of one user of another server up to date with grant and connection; gives the turn if the first came
   * or the last went, else null.
   */
  follow(follower: UserNum, user: UserNum): 'first' | 'last' | null {
    const { observed, isListening } = this.#interest.ties(follower)
    const followers = this.#followers.get(user)
    if (isListening && observed.has(user)) {
      if (followers === undefined) this.#followers.set(user, new Set([follower]))
      else followers.add(follower)
      return followers === undefined ? 'first' : null
    }
    if (followers?.delete(follower) !== true || followers.size > 0) return null
    this.#followers.delete(user)
    return 'last'
  }

  /** May anybody here see the user of another server, ignore lists apart? */
  isInSight(user: UserNum): boolean {
    const { observers, rooms } = this.#interest.ties(user)
    if (observers.size > 0) return true
    for (const room of rooms.values()) if (this.#interest.counts(room) && hasHosts(room)) return true
    return false
  }

  /** What differs from what the commands alone imply, for digests. */
  toJSON(): unknown {
    const sets = (map: ReadonlyMap<number, ReadonlySet<number>>): unknown =>
      [...map].map(([key, set]) => [key, [...set]])
    return [sets(this.#unpolled), sets(this.#followers)]
  }
}

function some<T>(set: ReadonlySet<T>, holds: (one: T) => boolean): boolean {
  for (const one of set) if (holds(one)) return true
  return false
}

/** Members of this server? */
function hasHosts(room: Room): boolean {
  let guests = 0
  for (const users of room.guests.values()) guests += users.size
  return room.members.size > guests
}
