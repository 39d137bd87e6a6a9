import type { Clock, Timer } from '../base/clock.ts'
import { refuse } from '../matrix/errors.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Write } from '../ports/store.ts'
import type { Requester } from '../ports/directory.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import type { Memberships } from './memberships.ts'

/** Life of a typing flag whose client names none, and the cap on what it names (`TYPING_MAX`). */
export const TYPING_DEFAULT_MS = 30_000
const TYPING_MAX_MS = 120_000
/** Flags at once; above it new ones are not taken, which nobody notices for longer than `TYPING_MAX_MS`. */
const TYPERS_MAX = 20_000
/** Rooms whose last change is remembered; above it the oldest is forgotten. */
const ROOMS_MAX = 50_000

/** What a client reports of itself (ROOMS-SPEC §5.9). */
interface TypingReport {
  readonly typing: boolean
  readonly timeoutMs: number
}

/** Who types where: in memory only, so a restart ends all typing. */
export interface Typing {
  /** Grows with every change, also across restarts, because it starts from the wall clock. */
  readonly position: number
  /** Positions below this belong to an earlier process. */
  readonly startPosition: number
  /** Refuses users who are not joined (403). */
  report(requester: Requester, roomId: RoomId, report: TypingReport): void
  users(roomId: RoomId): UserId[]
  /** Where the room's list changed last; 0 if not in this process. */
  changed(roomId: RoomId): number
  /** Ends all typing, so that clients which stay connected through a shutdown see nobody typing for ever. */
  endAll(): void
}

interface RoomTyping {
  pos: number
  readonly expiries: Map<UserId, Timer>
}

interface TypingDeps {
  readonly clock: Clock
  readonly stream: Pick<Stream, 'observe'>
  readonly memberships: Memberships
  readonly wake: Wake
  readonly submit: Pick<PresenceSubmit, 'acted'>
}

export function createTyping(deps: TypingDeps): Typing {
  return new TypingNotices(deps)
}

class TypingNotices implements Typing {
  readonly startPosition: number
  readonly #deps: TypingDeps
  readonly #rooms = new Map<RoomId, RoomTyping>()
  #position: number
  #typers = 0

  constructor(deps: TypingDeps) {
    this.#deps = deps
    this.#position = deps.clock.now()
    this.startPosition = this.#position
    deps.stream.observe((writes) => writes.forEach((write) => this.#endOnLeaving(write)))
  }

  get position(): number {
    return this.#position
  }

  report(requester: Requester, roomId: RoomId, { typing, timeoutMs }: TypingReport): void {
    const { memberships, submit } = this.#deps
    const { userId, deviceId } = requester
    if (!memberships.isJoined(roomId, userId)) throw refuse.forbidden('You are not in this room')
    if (typing) this.#start(roomId, userId, Math.min(timeoutMs, TYPING_MAX_MS))
    else this.#end(roomId, userId)
    submit.acted(userId, deviceId)
  }

  users(roomId: RoomId): UserId[] {
    return [...(this.#rooms.get(roomId)?.expiries.keys() ?? [])]
  }

  changed(roomId: RoomId): number {
    return this.#rooms.get(roomId)?.pos ?? 0
  }

  endAll(): void {
    for (const [roomId, room] of this.#rooms)
      for (const userId of room.expiries.keys()) this.#end(roomId, userId)
  }

  #start(roomId: RoomId, userId: UserId, lifeMs: number): void {
    const room = this.#rooms.get(roomId) ?? { pos: 0, expiries: new Map() }
    const before = room.expiries.get(userId)
    if (before === undefined && this.#typers >= TYPERS_MAX) return
    before?.cancel()
    room.expiries.set(
      userId,
      this.#deps.clock.after(lifeMs, () => this.#end(roomId, userId)),
    )
    // Going on typing changes nothing for the others.
    if (before !== undefined) return
    this.#typers += 1
    this.#change(roomId, room)
  }

  #end(roomId: RoomId, userId: UserId): void {
    const room = this.#rooms.get(roomId)
    const timer = room?.expiries.get(userId)
    if (room === undefined || timer === undefined) return
    timer.cancel()
    room.expiries.delete(userId)
    this.#typers -= 1
    this.#change(roomId, room)
  }

  /** Re-inserted, so that the map is in order of change and its first room is the one to forget. */
  #change(roomId: RoomId, room: RoomTyping): void {
    this.#position = Math.max(this.#position + 1, this.#deps.clock.now())
    room.pos = this.#position
    this.#rooms.delete(roomId)
    this.#rooms.set(roomId, room)
    if (this.#rooms.size > ROOMS_MAX) this.#forgetOldest()
    this.#deps.wake.users(this.#deps.memberships.joinedMembers(roomId), 'rooms')
  }

  #forgetOldest(): void {
    for (const [roomId, room] of this.#rooms) {
      if (room.expiries.size > 0) continue
      this.#rooms.delete(roomId)
      return
    }
  }

  #endOnLeaving(write: Write): void {
    if (!('put' in write) || write.put !== 'memberships' || write.row.membership === 'join') return
    this.#end(write.row.roomId, write.row.userId)
  }
}
