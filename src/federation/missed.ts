import type { UserId } from '../matrix/ids.ts'

/** Users of ours of whom a server missed something: a bounded set, and beyond the bound everybody (PRESENCE-SPEC §5.9). */
export class Missed {
  readonly #usersMax: number
  readonly #users = new Set<UserId>()
  #isEverybody = false

  constructor(usersMax: number) {
    this.#usersMax = usersMax
  }

  has(userId: UserId): boolean {
    return this.#isEverybody || this.#users.has(userId)
  }

  add(userIds: Iterable<UserId>): void {
    for (const userId of userIds) {
      if (this.#isEverybody) return
      this.#users.add(userId)
      if (this.#users.size > this.#usersMax) this.addEverybody()
    }
  }

  addEverybody(): void {
    this.#isEverybody = true
    this.#users.clear()
  }
}
