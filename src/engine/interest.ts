import { RecentLog } from '../base/recent-log.ts'
import type { PresencePolicy, RoomNum, ServerNum, UserNum } from './types.ts'

/** Departures a room remembers, for clients that were away; who was away longer keeps a dot that no longer changes. */
const ROOM_DEPARTURES_MAX = 1_024
const ROOM_JOINS_MAX = 256
const USER_DEPARTURES_MAX = 256
const USER_TURNS_MAX = 1_024

/** The end of a membership that made its user visible. */
interface Departure {
  readonly user: UserNum
  /** From joining … */
  readonly since: number
  /** … to leaving, or to when the room became too large if that was before: while the user was to be seen there. */
  readonly until: number
  /** The departure itself. */
  readonly seq: number
}

/** One room as far as it makes people visible to each other: O(1) records a join or departure, never pairs (decision 0005). */
export interface Room {
  /** Joined members and since when; 0 from before the start. */
  readonly members: Map<UserNum, number>
  /** Those of them who have a stream open, or had one less than a grace ago. */
  readonly listeners: Set<UserNum>
  /** Those of other servers, by server; never an empty set. */
  readonly guests: Map<ServerNum, Set<UserNum>>
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
  readonly departures: RecentLog<Omit<Departure, 'user'> & { readonly room: Room }>
  /** Users who let this one see them, and since when: accepted presence invites. */
  readonly observed: Map<UserNum, number>
  readonly observers: Set<UserNum>
  /** Ignored users, and since when. */
  ignored: ReadonlyMap<UserNum, number>
  /** A grant or an ignore list, of either, changed whether this user is shown the other. */
  readonly turns: RecentLog<Turn>
  isListening: boolean
  /** The user's server; null: this one. */
  server: ServerNum | null
}

export interface Turn {
  readonly user: UserNum
  readonly seq: number
  readonly by: 'grant' | 'ignore'
}

type Policy = Pick<PresencePolicy, 'maxRoomMembers' | 'hideFromIgnored'>

const NOBODY: ReadonlyMap<UserNum, number> = new Map()

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

  /** Null: nobody is in it. */
  room(num: RoomNum): Room | null {
    return this.#rooms.get(num) ?? null
  }

  /** May the viewer see the user (P-146, P-147)? The viewer's own ignore list is another matter: see `isShown`. */
  sees(viewer: UserNum, user: UserNum): boolean {
    return viewer === user || (this.isTied(viewer, user) && !this.#isConcealed(user, viewer))
  }

  /** Are the viewer's clients told of the user: visible, and not ignored (P-148)? */
  isShown(viewer: UserNum, user: UserNum): boolean {
    return viewer === user || (this.isTied(viewer, user) && !this.isHiddenFrom(user, viewer))
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

  /** The viewer ignores the user, or is ignored by one who then hides; whether they are tied or not. */
  isHiddenFrom(user: UserNum, viewer: UserNum): boolean {
    return this.hiddenSince(user, viewer) !== Infinity
  }

  /** Since when; Infinity if not. */
  hiddenSince(user: UserNum, viewer: UserNum): number {
    const ignoredSince = this.#ties[viewer]?.ignored.get(user) ?? Infinity
    if (!this.#policy.hideFromIgnored) return ignoredSince
    return Math.min(ignoredSince, this.#ties[user]?.ignored.get(viewer) ?? Infinity)
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
    const ties = this.ties(user)
    this.#begin()
    this.#mark(user)
    const watchers: UserNum[] = []
    const add = (viewer: UserNum): void => {
      if (this.#mark(viewer) && !this.isHiddenFrom(user, viewer)) watchers.push(viewer)
    }
    for (const room of ties.rooms.values())
      if (this.counts(room)) for (const viewer of room.listeners) add(viewer)
    for (const viewer of ties.observers) if (this.ties(viewer).isListening) add(viewer)
    return watchers
  }

  /** Everyone the viewer is shown, each once, without the viewer; the order means nothing. */
  visibleTo(viewer: UserNum): UserNum[] {
    const ties = this.ties(viewer)
    this.#begin()
    this.#mark(viewer)
    const visible: UserNum[] = []
    const add = (user: UserNum): void => {
      if (this.#mark(user) && !this.isHiddenFrom(user, viewer)) visible.push(user)
    }
    for (const room of ties.rooms.values())
      if (this.counts(room)) for (const user of room.members.keys()) add(user)
    for (const user of ties.observed.keys()) add(user)
    return visible
  }

  /** Takes a membership over; gives the listeners who may see more or less by it. */
  join(num: RoomNum, user: UserNum, take: () => number): UserNum[] {
    const room = this.#room(num)
    if (room.members.has(user)) return []
    const wasOpen = this.counts(room)
    // Who comes to a room that is too large comes after it closed: that tells them from those who were seen there.
    const seq = room.isExcluded ? 0 : take()
    room.members.set(user, seq)
    const ties = this.ties(user)
    ties.rooms.set(num, room)
    if (ties.isListening) room.listeners.add(user)
    if (ties.server !== null) addGuest(room, user, ties.server)
    if (!wasOpen) return []
    if (!this.counts(room)) {
      room.closedSeq = seq
      return [...room.listeners].filter((other) => other !== user)
    }
    room.joins.push({ user, seq })
    return room.members.size === 1 ? [] : [...this.#listenersTo(user, room), user]
  }

  /** Ends a membership; gives the listeners who may see more or less by it. */
  leave(num: RoomNum, user: UserNum, take: () => number): UserNum[] {
    const room = this.#rooms.get(num)
    const since = room?.members.get(user)
    if (room === undefined || since === undefined) return []
    const wasOpen = this.counts(room)
    room.members.delete(user)
    room.listeners.delete(user)
    const ties = this.ties(user)
    ties.rooms.delete(num)
    if (ties.server !== null) removeGuest(room, user, ties.server)
    if (room.isExcluded) return []
    if (room.members.size === 0) this.#rooms.delete(num)
    const seq = take()
    if (wasOpen || since < room.closedSeq) {
      const until = wasOpen ? seq : room.closedSeq
      room.departures.push({ user, since, until, seq })
      ties.departures.push({ room, since, until, seq })
    }
    if (wasOpen) return room.members.size === 0 ? [] : [...this.#listenersTo(user, room), user]
    if (!this.counts(room)) return []
    room.openedSeq = seq
    return [...room.listeners]
  }

  /** Says that a room makes nobody visible; before its members. */
  exclude(num: RoomNum): void {
    this.#room(num).isExcluded = true
  }

  /** Lets the observer see the observed; gives those whose view changed. */
  grant(observer: UserNum, observed: UserNum, take: () => number): UserNum[] {
    const { observed: granted, turns } = this.ties(observer)
    if (granted.has(observed)) return []
    const wasTied = this.isTied(observer, observed)
    const seq = take()
    granted.set(observed, seq)
    this.ties(observed).observers.add(observer)
    if (this.isHiddenFrom(observed, observer)) return []
    // What was granted before the start is no news to anybody.
    if (seq > 0) turns.push({ user: observed, seq, by: 'grant' })
    return wasTied ? [] : [observer]
  }

  revoke(observer: UserNum, observed: UserNum, take: () => number): UserNum[] {
    const { observed: granted, turns } = this.ties(observer)
    if (!granted.delete(observed)) return []
    this.ties(observed).observers.delete(observer)
    if (this.isTied(observer, observed) || this.isHiddenFrom(observed, observer)) return []
    turns.push({ user: observed, seq: take(), by: 'grant' })
    return [observer]
  }

  /** Replaces the ignore list; gives those whose view of somebody changed. */
  ignore(user: UserNum, list: readonly UserNum[], take: () => number): UserNum[] {
    const ties = this.ties(user)
    const before = ties.ignored
    const after = new Set(list)
    const changed = [...new Set([...before.keys(), ...after])].filter(
      (other) => before.has(other) !== after.has(other),
    )
    if (changed.length === 0) return []
    const seq = take()
    ties.ignored =
      after.size === 0 ? NOBODY : new Map([...after].map((other) => [other, before.get(other) ?? seq]))
    // Strangers are out of sight either way.
    const lostOrFound = changed.filter((other) => this.isTied(user, other))
    const hiddenOrShown = this.#policy.hideFromIgnored
      ? changed.filter((other) => this.isTied(other, user))
      : []
    for (const other of lostOrFound) ties.turns.push({ user: other, seq, by: 'ignore' })
    for (const other of hiddenOrShown) this.ties(other).turns.push({ user, seq, by: 'ignore' })
    return lostOrFound.length === 0 ? hiddenOrShown : [user, ...hiddenOrShown]
  }

  /** Is the other on the user's ignore list? */
  ignores(user: UserNum, other: UserNum): boolean {
    return this.#ties[user]?.ignored.has(other) ?? false
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

  /** Who is tied to whom and since when, for digests. */
  toJSON(): unknown {
    const rooms = [...this.#rooms].map(([num, { members, openedSeq, closedSeq }]) => [
      num,
      [...members],
      openedSeq,
      closedSeq,
    ])
    const ties = this.#ties.map((one) => one && [[...one.observed], [...one.ignored], one.isListening])
    return { rooms, ties }
  }

  /** Listeners in the room who may be shown the user, without the user. */
  #listenersTo(user: UserNum, room: Room): UserNum[] {
    return [...room.listeners].filter((other) => other !== user && !this.isHiddenFrom(user, other))
  }

  #room(num: RoomNum): Room {
    let room = this.#rooms.get(num)
    if (room === undefined) this.#rooms.set(num, (room = newRoom()))
    return room
  }

  /** The user ignores the viewer, and that hides the user. */
  #isConcealed(user: UserNum, viewer: UserNum): boolean {
    return this.#policy.hideFromIgnored && this.ignores(user, viewer)
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

function addGuest({ guests }: Room, user: UserNum, server: ServerNum): void {
  const users = guests.get(server)
  if (users === undefined) guests.set(server, new Set([user]))
  else users.add(user)
}

function removeGuest({ guests }: Room, user: UserNum, server: ServerNum): void {
  const users = guests.get(server)
  users?.delete(user)
  if (users?.size === 0) guests.delete(server)
}

function newRoom(): Room {
  return {
    members: new Map(),
    listeners: new Set(),
    guests: new Map(),
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
    server: null,
  }
}
