import type { Clock, Millis } from '../base/clock.ts'
import type { RemotePresence } from '../engine/types.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'

/** How long a push may overtake what makes its user visible (PRESENCE-SPEC §5.4). */
export const EARLY_PUSH_TTL_MS = 600_000

/** What is kept of a push that came too early; its times are absolute, so that ages count on. */
export interface EarlyPush {
  readonly presence: RemotePresence
  readonly displayname: string | null
  readonly avatarUrl: string | null
}

interface Kept {
  readonly push: EarlyPush
  readonly untilTs: Millis
}

/**
 * The newest push of users whom nobody here may see yet: it often overtakes the join or the accept (P-180). Being full drops the
 * oldest of a server that has its share of the room or more: none can drive out what others said.
 */
export class EarlyPushes {
  readonly #clock: Clock
  readonly #usersMax: number
  /** In order of the latest push; within a server, too. Never an empty map. */
  readonly #servers = new Map<ServerName, Map<UserId, Kept>>()
  #size = 0

  constructor({ clock, usersMax }: { readonly clock: Clock; readonly usersMax: number }) {
    this.#clock = clock
    this.#usersMax = usersMax
  }

  get size(): number {
    return this.#size
  }

  keep(userId: UserId, push: EarlyPush): void {
    this.take(userId)
    this.#expire()
    const server = serverOf(userId)
    if (this.#size >= this.#usersMax) this.#dropFor(server)
    const users = this.#servers.get(server) ?? new Map<UserId, Kept>()
    users.set(userId, { push, untilTs: this.#clock.now() + EARLY_PUSH_TTL_MS })
    this.#size += 1
    this.#servers.delete(server)
    this.#servers.set(server, users)
  }

  /** The user's push, which is not kept any longer; null if there is none or it is too old. */
  take(userId: UserId): EarlyPush | null {
    const server = serverOf(userId)
    const users = this.#servers.get(server)
    const kept = users?.get(userId)
    if (users === undefined || kept === undefined) return null
    this.#drop(server, users, userId)
    return this.#clock.now() < kept.untilTs ? kept.push : null
  }

  /** Servers of whom all is too old; they come first. */
  #expire(): void {
    const now = this.#clock.now()
    for (const [server, users] of this.#servers) {
      for (const [userId, { untilTs }] of users) {
        if (now < untilTs) return
        this.#drop(server, users, userId)
      }
    }
  }

  /** Of the server that needs room, if it has its share; else of the first that has: one of them must. */
  #dropFor(server: ServerName): void {
    const share = this.#usersMax / this.#servers.size
    const own = this.#servers.get(server)
    if (own !== undefined && own.size >= share) return this.#dropOldest(server, own)
    for (const [other, users] of this.#servers) if (users.size >= share) return this.#dropOldest(other, users)
  }

  #dropOldest(server: ServerName, users: Map<UserId, Kept>): void {
    const [oldest] = users.keys()
    if (oldest !== undefined) this.#drop(server, users, oldest)
  }

  #drop(server: ServerName, users: Map<UserId, Kept>, userId: UserId): void {
    users.delete(userId)
    this.#size -= 1
    if (users.size === 0) this.#servers.delete(server)
  }
}
