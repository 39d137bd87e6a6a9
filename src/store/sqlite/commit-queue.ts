import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { StoreFailure } from '../failure.ts'
import { translated } from './translate.ts'
import type { Step } from './writer.ts'

/** Commits that share a transaction, and so one write to the disk. */
export const COMMIT_GROUP_MAX = 256
/** Steps after which a group is closed: what is waited for in one piece. A single larger commit stays whole. */
const GROUP_STEPS_MAX = 1_000
/** More waiting than this means that the disk has stopped; what comes then is refused. */
const COMMITS_WAITING_MAX = 50_000

interface Waiting {
  readonly steps: readonly Step[]
  /** The highest position among the rows. */
  readonly pos: number
  readonly settle: (failure: unknown) => void
}

/** Null: committed. */
type Outcome = { readonly failure: unknown } | null

/**
 * Groups the commits of one turn of the event loop into one transaction, in the order of the calls and with a savepoint
 * each: one that fails leaves its neighbours alone. A transaction runs in one piece, so no read comes between.
 */
export class CommitQueue {
  readonly #db: DatabaseSync
  readonly #path: string
  /** Makes the highest position durable, within the transaction. */
  readonly #savePosition: (pos: number) => void
  readonly #begin: StatementSync
  readonly #commit: StatementSync
  readonly #savepoint: StatementSync
  readonly #release: StatementSync
  #waiting: Waiting[] = []
  #nextGroup: NodeJS.Immediate | null = null
  #lastPosition: number

  constructor(options: {
    readonly db: DatabaseSync
    readonly path: string
    readonly lastPosition: number
    readonly savePosition: (pos: number) => void
  }) {
    this.#db = options.db
    this.#path = options.path
    this.#lastPosition = options.lastPosition
    this.#savePosition = options.savePosition
    this.#begin = options.db.prepare('begin immediate')
    this.#commit = options.db.prepare('commit')
    this.#savepoint = options.db.prepare('savepoint one')
    this.#release = options.db.prepare('release one')
  }

  /** The highest position in any commit that was acknowledged. */
  get lastPosition(): number {
    return this.#lastPosition
  }

  /** Resolves when the steps are on disk; rejects when they are not, and then none of them is. */
  add(steps: readonly Step[], pos: number): Promise<void> {
    if (this.#waiting.length >= COMMITS_WAITING_MAX)
      throw new StoreFailure(
        'overloaded',
        `More than ${COMMITS_WAITING_MAX} commits are waiting for the disk.`,
      )
    return new Promise((resolve, reject) => {
      const settle = (failure: unknown): void => (failure === null ? resolve() : reject(failure))
      this.#waiting.push({ steps, pos, settle })
      this.#nextGroup ??= setImmediate(() => this.#commitGroup())
    })
  }

  /** Commits everything that waits, now. */
  flush(): void {
    while (this.#waiting.length > 0) this.#commitGroup()
  }

  #commitGroup(): void {
    const group = this.#waiting.splice(0, this.#groupSize())
    if (this.#nextGroup !== null) clearImmediate(this.#nextGroup)
    this.#nextGroup = this.#waiting.length > 0 ? setImmediate(() => this.#commitGroup()) : null
    const outcomes = this.#transact(group)
    for (const [index, { settle }] of group.entries()) settle(outcomes[index]?.failure ?? null)
  }

  #groupSize(): number {
    let steps = 0
    const size = this.#waiting.findIndex((waiting, index) => {
      steps += waiting.steps.length
      return index === COMMIT_GROUP_MAX || (index > 0 && steps > GROUP_STEPS_MAX)
    })
    return size === -1 ? this.#waiting.length : size
  }

  #transact(group: readonly Waiting[]): Outcome[] {
    try {
      this.#begin.run()
      const outcomes = group.map((waiting) => this.#attempt(waiting))
      const done = group.filter((_, index) => outcomes[index] === null)
      const lastPosition = Math.max(this.#lastPosition, ...done.map(({ pos }) => pos))
      if (lastPosition > this.#lastPosition) this.#savePosition(lastPosition)
      this.#commit.run()
      this.#lastPosition = lastPosition
      return outcomes
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('rollback')
      const failure = translated(error, this.#path)
      return group.map(() => ({ failure }))
    }
  }

  /** One commit of the group, all or none. Throws when the whole transaction is lost. */
  #attempt({ steps }: Waiting): Outcome {
    this.#savepoint.run()
    try {
      for (const step of steps) step()
      this.#release.run()
      return null
    } catch (error) {
      // On a full disk and the like SQLite rolls everything back by itself.
      if (!this.#db.isTransaction) throw error
      this.#db.exec('rollback to one; release one')
      return { failure: translated(error, this.#path) }
    }
  }
}
