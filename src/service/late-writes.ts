import type { Clock, Timer } from '../base/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Store, Write } from '../ports/store.ts'

/** Rows of one commit: a bigger one would hold up those who wait for theirs. */
const ROWS_PER_COMMIT = 1_000
/** After a failure of the store. */
const RETRY_MS = 5_000

export interface LateWritesDeps {
  readonly store: Pick<Store, 'commit'>
  readonly clock: Clock
  readonly log: Pick<Log, 'error'>
}

/**
 * Writes that nobody waits for: begun at once, one commit at a time, tried again after a failure. While one runs, the newest
 * write of each row waits, so there are never more than there are rows.
 */
export class LateWrites {
  readonly #deps: LateWritesDeps
  readonly #waiting = new Map<string, Write>()
  /** The run of commits, never rejects. */
  #running: Promise<void> = Promise.resolve()
  #isRunning = false
  #timer: Timer | null = null
  #isClosed = false

  constructor(deps: LateWritesDeps) {
    this.#deps = deps
  }

  /** `row` names the row in question: a later write of the same name takes the place of one that waits. */
  add(row: string, write: Write): void {
    this.#waiting.delete(row)
    this.#waiting.set(row, write)
    if (this.#timer === null) this.#begin()
  }

  /** Resolves when everything added is durable, or has failed once more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#timer = null
    this.#begin()
    await this.#running
  }

  #begin(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#running = this.#run()
  }

  async #run(): Promise<void> {
    while (this.#waiting.size > 0 && this.#timer === null) {
      const batch = [...this.#waiting].slice(0, ROWS_PER_COMMIT)
      for (const [row] of batch) this.#waiting.delete(row)
      try {
        await this.#deps.store.commit(batch.map(([, write]) => write))
      } catch (err) {
        this.#deps.log.error({ err }, 'something heard from other servers could not be stored, trying again')
        for (const [row, write] of batch) if (!this.#waiting.has(row)) this.#waiting.set(row, write)
        if (this.#isClosed) break
        this.#timer = this.#deps.clock.after(RETRY_MS, () => {
          this.#timer = null
          this.#begin()
        })
      }
    }
    this.#isRunning = false
  }
}
