import type { ChangeLog } from './change-log.ts'
import type { Interest, Room } from './interest.ts'
import type { UserNum } from './types.ts'

/** Users to tell a viewer of, and the place in the stream at which each is told. */
export type Places = Map<UserNum, number>

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

  /** Everybody the viewer may see, and the viewer: for who has nothing yet. */
  everyone(viewer: UserNum): Places {
    const places: Places = new Map()
    places.set(viewer, Math.max(this.#log.seqOf(viewer, true), this.#origin))
    for (const user of this.#interest.visibleTo(viewer)) {
      const place = Math.max(this.#log.seqOf(user, false), this.#interest.seesSince(viewer, user))
      places.set(user, Math.max(place, this.#origin))
    }
    return places
  }

  /** What is above `seq`, for who read everything up to there. */
  since(viewer: UserNum, seq: number): Places {
    const places: Places = new Map()
    this.#changed(viewer, seq, places)
    const { rooms, turns } = this.#interest.ties(viewer)
    for (const room of rooms.values()) this.#appeared(viewer, room, seq, places)
    for (const turn of turns.since(seq)) this.#turned(viewer, turn, places)
    if (!turns.covers(seq)) this.#grantedSince(viewer, seq, places)
    for (const [user, lostSeq] of this.#departed(viewer, seq)) this.#lost(viewer, user, lostSeq, places)
    return places
  }

  #changed(viewer: UserNum, seq: number, places: Places): void {
    for (const user of this.#log.changedSince(seq)) {
      const changedSeq = this.#log.seqOf(user, user === viewer)
      if (changedSeq > seq && this.#isShown(viewer, user)) places.set(user, changedSeq)
    }
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
    if (user === viewer || !this.#isShown(viewer, user)) return
    const place = Math.max(this.#log.seqOf(user, false), this.#interest.seesSince(viewer, user))
    if (place > seq) places.set(user, place)
  }

  /** A grant or an ignore list made the difference. */
  #turned(
    viewer: UserNum,
    turn: { user: UserNum; seq: number; by: 'grant' | 'ignore' },
    places: Places,
  ): void {
    const { user, seq, by } = turn
    if (this.#isShown(viewer, user)) places.set(user, Math.max(this.#log.seqOf(user, false), seq))
    // Ignoring somebody who was never visible is nothing to tell, to either side.
    else if (by === 'grant' || this.#interest.isTied(viewer, user)) this.#lost(viewer, user, seq, places)
  }

  #grantedSince(viewer: UserNum, seq: number, places: Places): void {
    for (const user of this.#interest.ties(viewer).observed.keys()) this.#sighted(viewer, user, seq, places)
  }

  #lost(viewer: UserNum, user: UserNum, seq: number, places: Places): void {
    if (user !== viewer && !this.#isShown(viewer, user))
      places.set(user, Math.max(places.get(user) ?? 0, seq))
  }

  /** Users who ceased to share a room with the viewer above `seq`, and where; they may still share another. */
  *#departed(viewer: UserNum, seq: number): Generator<[UserNum, number]> {
    const { rooms, departures } = this.#interest.ties(viewer)
    for (const room of rooms.values()) {
      const joined = room.members.get(viewer) as number
      for (const left of room.departures.since(seq)) if (left.seq > joined) yield [left.user, left.seq]
      if (room.closedSeq <= seq || joined >= room.closedSeq) continue
      for (const [user, since] of room.members) if (since < room.closedSeq) yield [user, room.closedSeq]
    }
    for (const own of departures.since(seq)) {
      for (const [user, since] of own.room.members) if (since < own.seq) yield [user, own.seq]
      for (const left of own.room.departures.since(own.since)) {
        const lostSeq = Math.min(left.seq, own.seq)
        if (left.since < own.seq && lostSeq > seq) yield [left.user, lostSeq]
      }
    }
  }

  #isShown(viewer: UserNum, user: UserNum): boolean {
    return this.#interest.sees(viewer, user) && !this.#interest.withholds(viewer, user)
  }
}
