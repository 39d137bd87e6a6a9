import type { Millis } from '../base/clock.ts'
import type { UserId } from '../matrix/ids.ts'
import type { PollChange } from '../ports/destinations.ts'

export interface Pace {
  /** `FED_BATCH`: after presence was sent, further changes are gathered for this long (P-174). */
  readonly batchWindowMs: Millis
  /** Polls are gathered for this long. */
  readonly pollGapMs: Millis
}

/** What one transaction is to be made of: names, not what is said of them. */
export interface Taken {
  readonly lists: boolean
  readonly users: readonly UserId[]
  /** True: poll; false: unpoll. */
  readonly polls: ReadonlyMap<UserId, boolean>
}

/** What waits for one server, and when each kind of it may go. It is told the time and says when it is due. */
export class Waiting {
  readonly #pace: Pace
  /** Presence that waits for the end of the window. */
  readonly #changed = new Set<UserId>()
  /** Presence that does not: answers, and what one transaction had no room for. */
  readonly #asked = new Set<UserId>()
  /** The latest wish for each user. */
  readonly #polls = new Map<UserId, boolean>()
  #hasLists = false
  #listsFromTs: Millis = 0
  #windowEndTs: Millis = 0
  #pollsFromTs: Millis = 0

  constructor(pace: Pace) {
    this.#pace = pace
  }

  addChanged(userIds: Iterable<UserId>): void {
    for (const userId of userIds) if (!this.#asked.has(userId)) this.#changed.add(userId)
  }

  addAsked(userIds: Iterable<UserId>): void {
    for (const userId of userIds) {
      this.#asked.add(userId)
      this.#changed.delete(userId)
    }
  }

  addPolls({ poll, unpoll }: PollChange): void {
    for (const userId of poll) this.#polls.set(userId, true)
    for (const userId of unpoll) this.#polls.set(userId, false)
  }

  addLists(): void {
    this.#hasLists = true
  }

  /** Lists are not tried before; 0: at once. */
  holdLists(untilTs: Millis): void {
    this.#listsFromTs = untilTs
  }

  /** When the next of it may go; Infinity if nothing waits. May be past. */
  dueTs(): Millis {
    return Math.min(
      this.#asked.size > 0 ? 0 : Infinity,
      this.#hasLists ? this.#listsFromTs : Infinity,
      this.#polls.size > 0 ? this.#pollsFromTs : Infinity,
      this.#changed.size > 0 ? this.#windowEndTs : Infinity,
    )
  }

  /** Until then it remembers something although nothing may wait. */
  restsFromTs(): Millis {
    return Math.max(this.#windowEndTs, this.#pollsFromTs)
  }

  /** Takes out what is due now, and begins the windows of what it takes. */
  take(now: Millis): Taken {
    const lists = this.#hasLists && this.#listsFromTs <= now
    if (lists) this.#hasLists = false
    const users = [...this.#asked]
    this.#asked.clear()
    if (this.#changed.size > 0 && this.#windowEndTs <= now) {
      users.push(...this.#changed)
      this.#changed.clear()
      this.#windowEndTs = now + this.#pace.batchWindowMs
    }
    const polls = new Map<UserId, boolean>()
    if (this.#polls.size > 0 && this.#pollsFromTs <= now) {
      for (const [userId, isWanted] of this.#polls) polls.set(userId, isWanted)
      this.#polls.clear()
      this.#pollsFromTs = now + this.#pace.pollGapMs
    }
    return { lists, users, polls }
  }

  /** What did not fit, or could not be said: the next transaction's, before what came meanwhile. */
  putBack({ lists, users, polls }: Taken): void {
    if (lists) this.#hasLists = true
    this.addAsked(users)
    for (const [userId, isWanted] of polls) if (!this.#polls.has(userId)) this.#polls.set(userId, isWanted)
    if (polls.size > 0) this.#pollsFromTs = 0
  }

  /** Gives up what goes stale: all presence, whose names it returns, and polls. Lists stay. */
  discard(): UserId[] {
    const users = [...this.#asked, ...this.#changed]
    this.#asked.clear()
    this.#changed.clear()
    this.#polls.clear()
    return users
  }
}
