import type { NotifyReason, PresenceRecord, ServerNum, UserNum } from './types.ts'

/** A user's durable record changed. Written behind, except where the shell waits for it (PUT status). */
export interface PresenceWrite {
  readonly user: UserNum
  readonly record: PresenceRecord
}

/** A change that took a place in the change log. */
export interface Published {
  readonly user: UserNum
  readonly seq: number
  /** Null: only the user's own devices hear of it (the user is hidden). */
  readonly reason: NotifyReason | null
}

/** A server is to hear the present state of these users of ours. */
export interface ServerPush {
  readonly server: ServerNum
  readonly users: readonly UserNum[]
}

/** A user of another server is to be followed there, or no longer (PRESENCE-SPEC §5.6). */
export interface PollTurn {
  readonly user: UserNum
  readonly wanted: boolean
}

/**
 * What the shell should make happen; the engine itself does nothing but keep its state. Arrays, in the order in which
 * things happened, so that the same commands and times twice give the same effects.
 */
export interface Effects {
  /** Users with a stream open who may now read something new; each at most once. */
  readonly wakes: readonly UserNum[]
  readonly writes: readonly PresenceWrite[]
  readonly published: readonly Published[]
  readonly pushes: readonly ServerPush[]
  readonly polls: readonly PollTurn[]
  /** Users of other servers who came into somebody's sight, and of whom nothing is known. */
  readonly sighted: readonly UserNum[]
  /** Users of other servers whom nobody here may see any more: nothing of them is kept. */
  readonly forgotten: readonly UserNum[]
}

/** Gathers what one command or tick brings about. */
export class Outcome {
  readonly #wakes = new Set<UserNum>()
  readonly #writes: PresenceWrite[] = []
  readonly #published: Published[] = []
  readonly #pushes = new Map<ServerNum, Set<UserNum>>()
  readonly #polls = new Map<UserNum, boolean>()
  readonly #sighted: UserNum[] = []
  readonly #forgotten: UserNum[] = []

  wake(user: UserNum): void {
    this.#wakes.add(user)
  }

  write(user: UserNum, record: PresenceRecord): void {
    this.#writes.push({ user, record })
  }

  publish(published: Published): void {
    this.#published.push(published)
  }

  push(server: ServerNum, user: UserNum): void {
    const users = this.#pushes.get(server)
    if (users === undefined) this.#pushes.set(server, new Set([user]))
    else users.add(user)
  }

  /** The latest wish counts. */
  poll(user: UserNum, wanted: boolean): void {
    this.#polls.set(user, wanted)
  }

  sight(user: UserNum): void {
    this.#sighted.push(user)
  }

  forget(user: UserNum): void {
    this.#forgotten.push(user)
  }

  effects(): Effects {
    return {
      wakes: [...this.#wakes],
      writes: this.#writes,
      published: this.#published,
      pushes: [...this.#pushes].map(([server, users]) => ({ server, users: [...users] })),
      polls: [...this.#polls].map(([user, wanted]) => ({ user, wanted })),
      sighted: this.#sighted,
      forgotten: this.#forgotten,
    }
  }
}
