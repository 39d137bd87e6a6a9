import type { Millis } from '../base/clock.ts'
import type { Outcome } from './effects.ts'
import type { Interest, Room } from './interest.ts'
import type { Servers } from './servers.ts'
import type { ServerNum, UserNum } from './types.ts'

export interface CrossingsDeps {
  readonly interest: Interest
  readonly servers: Servers
  /** Where what follows is gathered. */
  readonly outcome: () => Outcome
  /** Is there anything to say of this user of ours to a server that hears of them for the first time? */
  readonly isWorthTelling: (user: UserNum, now: Millis) => boolean
  /** Somebody new is to be told of our user. */
  readonly onAudience: (user: UserNum, now: Millis) => void
  /** Is anything known of this user of another server? */
  readonly isKnown: (user: UserNum) => boolean
  /** Drops all that is known of them. */
  readonly forget: (user: UserNum) => void
}

/**
 * What a tie between a user of ours and one of another server brings about when it begins or ends: their server is told of our
 * users (PRESENCE-SPEC §4.7), follows and polls begin and end (§5.6), and who is out of everybody's sight is forgotten.
 */
export class Crossings {
  readonly #deps: CrossingsDeps

  constructor(deps: CrossingsDeps) {
    this.#deps = deps
  }

  /** The user has joined. */
  joined(room: Room, user: UserNum, now: Millis): void {
    const { interest, servers } = this.#deps
    if (room.guests.size === 0) return
    if (!interest.counts(room)) {
      // It may just have become too large.
      this.#forgetGuests(room)
      return
    }
    const server = servers.of(user)
    if (server === null) {
      for (const other of room.guests.keys()) this.#tell(other, user, now)
      for (const guests of room.guests.values()) for (const guest of guests) this.#sight(guest)
      return
    }
    // P-176; a server that was there before has heard of everybody who did not hide from those it had there.
    const isNew = room.guests.get(server)?.size === 1
    this.#introduce(room, [server], now, (host) => isNew || servers.hidesFromSome(host))
    this.#sight(user)
  }

  /** The user has left; `wasOpen`: until then the room made its members visible. */
  left(room: Room, user: UserNum, wasOpen: boolean, now: Millis): void {
    const { interest, servers } = this.#deps
    if (servers.of(user) !== null) this.#forgetUnseen(user)
    if (room.guests.size === 0) return
    if (!wasOpen && interest.counts(room)) {
      this.#introduce(room, room.guests.keys(), now)
      for (const guests of room.guests.values()) for (const guest of guests) this.#sight(guest)
    }
    this.#forgetGuests(room)
  }

  granted(observer: UserNum, observed: UserNum, now: Millis): void {
    const { servers } = this.#deps
    const server = servers.of(observer)
    const isOurs = servers.of(observed) === null
    if (server !== null && isOurs) {
      servers.poll(server, observed, true)
      this.#tell(server, observed, now)
    }
    if (isOurs) return
    this.follow(observer, observed)
    this.#sight(observed)
  }

  revoked(observer: UserNum, observed: UserNum): void {
    const { interest, servers } = this.#deps
    const server = servers.of(observer)
    const isOfServer = (other: UserNum): boolean => servers.of(other) === server
    // What the server declined went with the last grant.
    if (server !== null && ![...interest.ties(observed).observers].some(isOfServer))
      servers.poll(server, observed, true)
    if (servers.of(observed) === null) return
    this.follow(observer, observed)
    this.#forgetUnseen(observed)
  }

  /** The user has another ignore list: servers of those who were taken off it may see the user again. */
  ignored(user: UserNum, before: ReadonlyMap<UserNum, number>): void {
    const { interest, servers, outcome } = this.#deps
    if (servers.of(user) !== null || !servers.hidesFromIgnored) return
    const audience = servers.audienceOf(user)
    for (const other of before.keys()) {
      const server = servers.of(other)
      if (server !== null && audience.has(server) && !interest.ignores(user, other))
        outcome().push(server, user)
    }
  }

  /** The user has connected, or is gone: whom they follow at other servers is polled, or no longer (P-183). */
  listened(user: UserNum): void {
    const { interest, servers } = this.#deps
    for (const observed of interest.ties(user).observed.keys())
      if (servers.of(observed) !== null) this.follow(user, observed)
  }

  /** Brings one follower up to date; the follower's own presence goes along with a poll, where it may be seen (§5.6). */
  follow(follower: UserNum, observed: UserNum): void {
    const { servers, outcome } = this.#deps
    const turn = servers.follow(follower, observed)
    if (turn === null) return
    outcome().poll(observed, turn === 'first')
    const server = servers.of(observed)
    if (turn === 'first' && server !== null && servers.sees(server, follower))
      outcome().push(server, follower)
  }

  /** Tells servers of our members, those who are news to them. */
  #introduce(
    room: Room,
    servers: Iterable<ServerNum>,
    now: Millis,
    isNews: (host: UserNum) => boolean = () => true,
  ): void {
    const hosts = [...room.members.keys()].filter(
      (member) =>
        this.#deps.servers.of(member) === null && isNews(member) && this.#deps.isWorthTelling(member, now),
    )
    for (const server of servers) for (const host of hosts) this.#tell(server, host, now)
  }

  #tell(server: ServerNum, user: UserNum, now: Millis): void {
    if (this.#deps.servers.isHiddenFrom(server, user)) return
    this.#deps.outcome().push(server, user)
    this.#deps.onAudience(user, now)
  }

  #sight(user: UserNum): void {
    const { servers, outcome, isKnown } = this.#deps
    if (!isKnown(user) && servers.isInSight(user)) outcome().sight(user)
  }

  #forgetGuests(room: Room): void {
    for (const guests of room.guests.values()) for (const guest of guests) this.#forgetUnseen(guest)
  }

  #forgetUnseen(user: UserNum): void {
    if (this.#deps.isKnown(user) && !this.#deps.servers.isInSight(user)) this.#deps.forget(user)
  }
}
