import { assert } from '../base/assert.ts'
import type { ChangeLog } from './change-log.ts'
import type { Interest, Room } from './interest.ts'
import type { PresenceDelta, PresencePosition, PresenceView, ReadOptions, UserNum } from './types.ts'

/** Users to tell a viewer of, and the place in the stream at which each is told. */
type Places = Map<UserNum, number>

/**
 * What a viewer is to be told: "changed since" ∪ "became visible since" ∪ "no longer visible since" (decision 0005). Only
 * places are decided here; what is shown at them is the user's present view.
 */
export class Reader {
  readonly #interest: Interest
  readonly #log: ChangeLog
  /** The place of what was there before the first change. */
  readonly #origin: number

  constructor(interest: Interest, log: ChangeLog, origin: number) {
    this.#interest = interest
    this.#log = log
    this.#origin = origin
  }

  /** Positions below this one did not reach the end of the start: nobody knows any more what they miss (decision 0004). */
  get horizon(): number {
    return this.#origin - 1
  }

  /** `viewOf`: what is shown of a user at a place of the stream; null: not worth telling. */
  read(
    viewer: UserNum,
    since: PresencePosition,
    options: ReadOptions,
    viewOf: (user: UserNum, place: number) => PresenceView | null,
  ): PresenceDelta {
    const isAnew = options.snapshot || since.seq < this.horizon
    const from = isAnew ? { seq: this.horizon, skip: 0 } : since
    // The group of what was there before the start is everybody, not only who changed.
    const isEveryone = isAnew || (from.seq === this.horizon && from.skip > 0)
    const places = options.snapshot
      ? this.#everyone(viewer)
      : isEveryone
        ? this.#everyoneAgain(viewer)
        : this.#since(viewer, from.seq)
    const entries: PresenceView[] = []
    for (const [user, place] of inOrder(places, from)) {
      const view = options.accepts(user) ? viewOf(user, place) : null
      if (view === null) continue
      if (entries.length === options.limit) return { entries, position: positionAfter(entries) }
      entries.push(view)
    }
    return { entries, position: { seq: this.#log.head, skip: 0 } }
  }

  /** Everybody the viewer may see, and the viewer: for who has nothing yet. */
  #everyone(viewer: UserNum): Places {
    const places: Places = new Map()
    places.set(viewer, Math.max(this.#log.seqOf(viewer, true), this.#origin))
    for (const user of this.#interest.visibleTo(viewer)) {
      const place = Math.max(this.#log.seqOf(user, false), this.#interest.seesSince(viewer, user))
      places.set(user, Math.max(place, this.#origin))
    }
    this.#turned(viewer, this.#origin, places)
    return places
  }

  /** The same for who has something from before the start, or half of everyone: they may have lost somebody since. */
  #everyoneAgain(viewer: UserNum): Places {
    const places = this.#everyone(viewer)
    this.#lostSince(viewer, this.#origin, places)
    return places
  }

  /** What is above `seq`, for who read everything up to there. */
  #since(viewer: UserNum, seq: number): Places {
    const places: Places = new Map()
    this.#changed(viewer, seq, places)
    for (const room of this.#interest.ties(viewer).rooms.values()) this.#appeared(viewer, room, seq, places)
    this.#turned(viewer, seq, places)
    this.#lostSince(viewer, seq, places)
    return places
  }

  #changed(viewer: UserNum, seq: number, places: Places): void {
    for (const user of this.#mayHaveChanged(viewer, seq)) {
      const changedSeq = this.#log.seqOf(user, user === viewer)
      if (changedSeq > seq && this.#interest.isShown(viewer, user)) places.set(user, changedSeq)
    }
  }

  /** Whoever changed, or whoever the viewer is shown: the fewer, so that nobody walks what a busy server says of strangers. */
  #mayHaveChanged(viewer: UserNum, seq: number): Iterable<UserNum> {
    const { rooms, observed } = this.#interest.ties(viewer)
    let shownMax = 1 + observed.size
    for (const { members } of rooms.values()) shownMax += members.size
    return shownMax < this.#log.head - seq
      ? [viewer, ...this.#interest.visibleTo(viewer)]
      : this.#log.changedSince(seq)
  }

  /** Those a common room made visible after `seq`: all its members to a newcomer, newcomers to all its members. */
  #appeared(viewer: UserNum, room: Room, seq: number, places: Places): void {
    if (!this.#interest.counts(room)) return
    const isNew = Math.max(room.members.get(viewer) as number, room.openedSeq) > seq
    if (!isNew && room.joins.covers(seq)) {
      for (const { user } of room.joins.since(seq))
        if (room.members.has(user)) this.#sighted(viewer, user, seq, places)
      return
    }
    for (const [user, joinedSeq] of room.members) {
      if (isNew || joinedSeq > seq) this.#sighted(viewer, user, seq, places)
    }
  }

  #sighted(viewer: UserNum, user: UserNum, seq: number, places: Places): void {
    if (user === viewer || !this.#interest.isShown(viewer, user)) return
    const place = Math.max(this.#log.seqOf(user, false), this.#interest.seesSince(viewer, user))
    if (place > seq) places.set(user, place)
  }

  /** Those whom a grant, or an ignore list that became shorter, made visible after `seq`. */
  #turned(viewer: UserNum, seq: number, places: Places): void {
    const { turns } = this.#interest.ties(viewer)
    // Nobody knows any more who they were: everyone is told once more.
    if (!turns.covers(seq))
      for (const user of this.#interest.visibleTo(viewer))
        this.#found(viewer, user, turns.forgottenSeq, places)
    for (const turn of turns.since(seq)) {
      if (turn.by === 'grant') this.#sighted(viewer, turn.user, seq, places)
      else this.#found(viewer, turn.user, turn.seq, places)
    }
  }

  /** Visible again, whatever was told before. */
  #found(viewer: UserNum, user: UserNum, foundSeq: number, places: Places): void {
    if (!this.#interest.isShown(viewer, user)) return
    places.set(user, Math.max(places.get(user) ?? 0, this.#log.seqOf(user, false), foundSeq))
  }

  #lostSince(viewer: UserNum, seq: number, places: Places): void {
    for (const turn of this.#interest.ties(viewer).turns.since(seq))
      this.#lost(viewer, turn.user, turn.seq, places)
    for (const [user, lostSeq] of this.#departed(viewer, seq)) {
      // Whom an ignore list hid before was lost by that.
      if (this.#interest.hiddenSince(user, viewer) > lostSeq) this.#lost(viewer, user, lostSeq, places)
    }
  }

  #lost(viewer: UserNum, user: UserNum, seq: number, places: Places): void {
    if (user !== viewer && !this.#interest.isShown(viewer, user))
      places.set(user, Math.max(places.get(user) ?? 0, seq))
  }

  /** Users who ceased to share a room with the viewer above `seq`, and where; they may still share another. */
  *#departed(viewer: UserNum, seq: number): Generator<[UserNum, number]> {
    const { rooms, departures } = this.#interest.ties(viewer)
    for (const room of rooms.values()) {
      const joined = room.members.get(viewer) as number
      for (const left of room.departures.since(seq))
        if (left.until > Math.max(joined, seq)) yield [left.user, left.until]
      if (room.closedSeq <= seq || joined >= room.closedSeq) continue
      for (const [user, since] of room.members) if (since < room.closedSeq) yield [user, room.closedSeq]
    }
    for (const own of departures.since(seq)) {
      if (own.until > seq)
        for (const [user, since] of own.room.members) if (since < own.until) yield [user, own.until]
      for (const left of own.room.departures.since(own.since)) {
        const lostSeq = Math.min(left.until, own.until)
        const haveMet = left.since < own.until && own.since < left.until
        if (haveMet && lostSeq > seq) yield [left.user, lostSeq]
      }
    }
  }
}

/** In stream order, those of one place by user, beginning behind the position. */
function inOrder(places: Places, from: PresencePosition): [UserNum, number][] {
  return [...places]
    .filter(([user, place]) => place > from.seq + 1 || (place === from.seq + 1 && user >= from.skip))
    .toSorted(([one, onePlace], [other, otherPlace]) => onePlace - otherPlace || one - other)
}

/** Behind the last entry, within its group. */
function positionAfter(entries: readonly PresenceView[]): PresencePosition {
  const last = entries.at(-1)
  assert(last !== undefined, 'a limit lets at least one entry through')
  return { seq: last.seq - 1, skip: last.user + 1 }
}
