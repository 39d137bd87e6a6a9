import { Interner } from '../base/interner.ts'
import type { RoomNum, ServerNum, UserNum } from '../engine/types.ts'
import { serverOf, type RoomId, type ServerName, type UserId } from '../matrix/ids.ts'
import { DeviceNumbers } from './device-numbers.ts'

/** The engine's numbers for the names of the world; they mean nothing beyond the loop. */
export class Numbers {
  readonly servers = new Interner<ServerName, ServerNum>()
  readonly rooms = new Interner<RoomId, RoomNum>()
  readonly devices = new DeviceNumbers()
  readonly #users = new Interner<UserId, UserNum>()
  readonly #serverName: ServerName
  readonly #onRemote: (user: UserNum, server: ServerNum) => void

  /** `onRemote` hears of every user of another server before anybody gets to see their number. */
  constructor(serverName: ServerName, onRemote: (user: UserNum, server: ServerNum) => void) {
    this.#serverName = serverName
    this.#onRemote = onRemote
  }

  /** The user's number, given out now if there is none. */
  user(userId: UserId): UserNum {
    const known = this.#users.find(userId)
    if (known !== null) return known
    const user = this.#users.intern(userId)
    const server = serverOf(userId)
    if (server !== this.#serverName) this.#onRemote(user, this.servers.intern(server))
    return user
  }

  /** Null if the user has none: a question must not grow the table. */
  findUser(userId: UserId): UserNum | null {
    return this.#users.find(userId)
  }

  userId(user: UserNum): UserId {
    return this.#users.text(user)
  }

  userIds(users: readonly UserNum[]): UserId[] {
    return users.map((user) => this.#users.text(user))
  }
}
