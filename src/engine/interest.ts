import { RecentLog } from '../base/recent-log.ts'
import type { PresencePolicy, RoomNum, UserNum } from './types.ts'

/** Departures a room remembers, for clients that were away; who was away longer keeps a dot that no longer changes. */
const ROOM_DEPARTURES_MAX = 1_024
const ROOM_JOINS_MAX = 256
const USER_DEPARTURES_MAX = 256
const USER_TURNS_MAX = 1_024

interface Departure {
  readonly user: UserNum
  /** From joining … */
  readonly since: number
  /** … to leaving: while the user was there. */
  readonly seq: number
}

/** One room as far as it makes people visible to each other: O(1) records a join or departure, never pairs (decision 0005). */
export interface Room {
  /** Joined members and since when; 0 from before the start. */
  readonly members: Map<UserNum, number>
  /** Those of them who have a stream open, or had one less than a grace ago. */
  readonly listeners: Set<UserNum>
  readonly joins: RecentLog<{ readonly user: UserNum; readonly seq: number }>
  readonly departures: RecentLog<Departure>
  isExcluded: boolean
  /** Since when the room is not too large (any more). */
  openedSeq: number
  /** When it last became too large. */
  closedSeq: number
}

/** What ties one user to others. */
export interface Ties {
  readonly rooms: Map<RoomNum, Room>
  readonly departures: RecentLog<{ readonly room: Room; readonly since: number; readonly seq: number }>
  /** Users who let this one see them, and since when: accepted presence invites. */
  readonly observed: Map<UserNum, number>
  readonly observers: Set<UserNum>
  ignored: ReadonlySet<UserNum>
  /** A grant or an ignore list changed whether this user sees the other. */
  readonly turns: RecentLog<Turn>
  isListening: boolean
}

export interface Turn {
  readonly user: UserNum
  readonly seq: number
  readonly by: 'grant' | 'ignore'
}

type Policy = Pick<PresencePolicy, 'maxRoomMembers' | 'hideFromIgnored'>

const NOBODY: ReadonlySet<UserNum> = new Set()

/**
 * Who may see whom, and who of them is listening. Two kinds of edges: common rooms and grants (PRESENCE-SPEC §4.6). `sees` is
 * the one rule of visibility; everything that reads or wakes asks it or walks the same edges.
 */
export class Interest {
  readonly #policy: Policy
  readonly #rooms = new Map<RoomNum, Room>()
  readonly #ties: (Ties | undefined)[] = []
  /** Marks of the current walk: a user is in it if the mark equals the walk's number. */
  #marks = new Uint32Array(64)
  #walk = 0

  constructor(policy: Policy) {
    this.#policy = policy
  }

  /** Ties of a user; made empty when first asked for. */
  ties(user: UserNum): Ties {
    let ties = this.#ties[user]
    if (ties === undefined) this.#ties[user] = ties = newTies()
    return ties
  }

  /** May the viewer see the user (P-146, P-147)? The viewer's own ignore list is another matter: see `withholds`. */
  sees(viewer: UserNum, user: UserNum): boolean {
    if (viewer === user) return true
    if (this.#policy.hideFromIgnored && this.withholds(user, viewer)) return false
    return this.isTied(viewer, user)
  }

  /** Is there an edge by which the viewer sees the user, ignore lists apart? */
  isTied(viewer: UserNum, user: UserNum): boolean {
    const mine = this.#ties[viewer]
    const theirs = this.#ties[user]
    if (mine === undefined || theirs === undefined) return false
    if (mine.observed.has(user)) return true
    const [fewer, more] = mine.rooms.size <= theirs.rooms.size ? [mine, theirs] : [theirs, mine]
    for (const [num, room] of fewer.rooms) if (more.rooms.has(num) && this.counts(room)) return true
    return false
  }

  /** Is the user withheld from the viewer's clients, though visible, because the viewer ignores them (P-148)? */
  withholds(viewer: UserNum, user: UserNum): boolean {
    return this.#ties[viewer]?.ignored.has(user) ?? false
  }

  /** Does the room make its members visible to each other? */
  counts(room: Room): boolean {
    const { maxRoomMembers } = this.#policy
    return !room.isExcluded && (maxRoomMembers === 0 || room.members.size <= maxRoomMembers)
  }

  /** Since when the viewer sees the user, by whichever edge is oldest; Infinity if by none. */
  seesSince(viewer: UserNum, user: UserNum): number {
    const mine = this.ties(viewer)
    let since = mine.observed.get(user) ?? Infinity
    for (const room of mine.rooms.values()) {
      const joined = room.members.get(user)
      if (joined === undefined || !this.counts(room)) continue
      since = Math.min(since, Math.max(joined, room.members.get(viewer) as number, room.openedSeq))
    }
    return since
  }

  /** Listening users who see `user`, each once, without the user; in a stable order. */
  watchers(user: UserNum): UserNum[] {
    const ties = this.#ties[user]
    if (ties === undefined) return []
    this.#begin()
    this.#mark(user)
    const watchers: UserNum[] = []
    const add = (viewer: UserNum): void => {
      if (this.#mark(viewer) && !this.#isHiddenFrom(user, viewer)) watchers.push(viewer)
    }
    for (const room of ties.rooms.values())
      if (this.counts(room)) for (const viewer of room.listeners) add(viewer)
    for (const viewer of ties.observers) if (this.ties(viewer).isListening) add(viewer)
    return watchers
  }

  /** Everyone the viewer sees, each once, without the viewer, ignored users or the order of anything meaning something. */
  visibleTo(viewer: UserNum): UserNum[] {
    const ties = this.ties(viewer)
    this.#begin()
    this.#mark(viewer)
    const visible: UserNum[] = []
    const add = (user: UserNum): void => {
      if (this.#mark(user) && !this.#isHiddenFrom(user, viewer)) visible.push(user)
    }
    for (const room of ties.rooms.values())
      if (this.counts(room)) for (const user of room.members.keys()) add(user)
    for (const user of ties.observed.keys()) add(user)
    return visible
  }

  /** Takes a membership over; gives the listeners, the newcomer included, who may see more or less by it. */
  join(num: RoomNum, user: UserNum, take: () => number): UserNum[] {
    const room = this.#room(num)
    if (room.members.has(user)) return []
    const wasOpen = this.counts(room)
    room.members.set(user, 0)
    const ties = this.ties(user)
    ties.rooms.set(num, room)
    if (ties.isListening) room.listeners.add(user)
    if (!wasOpen) return []
    const seq = take()
    room.members.set(user, seq)
    if (this.counts(room)) room.joins.push({ user, seq })
    else room.closedSeq = seq
    return [...room.listeners]
  }

  /** Ends a membership; gives the listeners, the leaver included, who may see more or less by it. */
  leave(num: RoomNum, user: UserNum, take: () => number): UserNum[] {
    const room = this.#rooms.get(num)
    const since = room?.members.get(user)
    if (room === undefined || since === undefined) return []
    const affected = [...room.listeners]
    const wasOpen = this.counts(room)
    room.members.delete(user)
    room.listeners.delete(user)
    const ties = this.ties(user)
    ties.rooms.delete(num)
    if (room.isExcluded) return []
    if (room.members.size === 0) this.#rooms.delete(num)
    const seq = take()
    if (wasOpen || since < room.closedSeq) {
      room.departures.push({ user, since, seq })
      ties.departures.push({ room, since, seq })
    }
    if (!this.counts(room)) return []
    if (!wasOpen) room.openedSeq = seq
    return affected
  }

  /** Says that a room makes nobody visible; before its members. */
  exclude(num: RoomNum): void {
    this.#room(num).isExcluded = true
  }

  /** Lets the observer see the observed; gives those whose view changed. */
  grant(observer: UserNum, observed: UserNum, take: () => number): UserNum[] {
    const { observed: granted, turns } = this.ties(observer)
    if (granted.has(observed)) return []
    const seq = take()
    granted.set(observed, seq)
    this.ties(observed).observers.add(observer)
    turns.push({ user: observed, seq, by: 'grant' })
    return [observer]
  }

  revoke(observer: UserNum, observed: UserNum, take: () => number): UserNum[] {
    const { observed: granted, turns } = this.ties(observer)
    if (!granted.delete(observed)) return []
    this.ties(observed).observers.delete(observer)
    turns.push({ user: observed, seq: take(), by: 'grant' })
    return [observer]
  }

  /** Replaces the ignore list; gives those whose view of somebody changed. */
  ignore(user: UserNum, list: readonly UserNum[], take: () => number): UserNum[] {
    const ties = this.ties(user)
    const before = ties.ignored
    const after: ReadonlySet<UserNum> = list.length === 0 ? NOBODY : new Set(list)
    const changed = [...before, ...after].filter((other) => before.has(other) !== after.has(other))
    ties.ignored = after
    if (changed.length === 0) return []
    const seq = take()
    for (const other of changed) {
      ties.turns.push({ user: other, seq, by: 'ignore' })
      if (this.#policy.hideFromIgnored) this.ties(other).turns.push({ user, seq, by: 'ignore' })
    }
    return this.#policy.hideFromIgnored ? [user, ...changed] : [user]
  }

  /** The user has a stream open now, or has none any more. */
  listen(user: UserNum, isListening: boolean): void {
    const ties = this.ties(user)
    if (ties.isListening === isListening) return
    ties.isListening = isListening
    for (const room of ties.rooms.values()) {
      if (isListening) room.listeners.add(user)
      else room.listeners.delete(user)
    }
  }

  #room(num: RoomNum): Room {
    let room = this.#rooms.get(num)
    if (room === undefined) this.#rooms.set(num, (room = newRoom()))
    return room
  }

  /** The viewer ignores the user, or is ignored by one who then hides. */
  #isHiddenFrom(user: UserNum, viewer: UserNum): boolean {
    if (this.#ties[viewer]?.ignored.has(user) === true) return true
    return this.#policy.hideFromIgnored && this.#ties[user]?.ignored.has(viewer) === true
  }

  #begin(): void {
    this.#walk += 1
    if (this.#walk <= 0xff_ff_ff_ff) return
    this.#marks.fill(0)
    this.#walk = 1
  }

  /** Marks the user; false if the walk was there before. */
  #mark(user: UserNum): boolean {
    if (user >= this.#marks.length) {
      const marks = new Uint32Array(Math.max(user + 1, this.#marks.length * 2))
      marks.set(this.#marks)
      this.#marks = marks
    }
    if (this.#marks[user] === this.#walk) return false
    this.#marks[user] = this.#walk
    return true
  }
}

function newRoom(): Room {
  return {
    members: new Map(),
    listeners: new Set(),
    joins: new RecentLog(ROOM_JOINS_MAX),
    departures: new RecentLog(ROOM_DEPARTURES_MAX),
    isExcluded: false,
    openedSeq: 0,
    closedSeq: 0,
  }
}

function newTies(): Ties {
  return {
    rooms: new Map(),
    departures: new RecentLog(USER_DEPARTURES_MAX),
    observed: new Map(),
    observers: new Set(),
    ignored: NOBODY,
    turns: new RecentLog(USER_TURNS_MAX),
    isListening: false,
  }
}
