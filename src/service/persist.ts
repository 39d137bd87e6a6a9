import type { Clock, Millis, Timer } from '../base/clock.ts'
import { randomText, type Random } from '../base/random.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Row, Store, Write } from '../ports/store.ts'

type PresenceRow = Row<'presence'>

/** Keys of the table `meta`. */
const EPOCH = 'presence_epoch'
const SEQ = 'presence_seq'
const CLEAN = 'clean'

const EPOCH_LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'
const EPOCH_LENGTH = 10

/** Rows of one commit: a bigger one would hold up those who wait for theirs. */
const ROWS_PER_COMMIT = 1_000

/** What the last run left: where the presence numbers go on, and everybody's last published presence. */
export interface LoadedPresence {
  /** Another one after every unclean end, so that sync tokens tell whether their numbers still mean something. */
  readonly epoch: string
  readonly head: number
  readonly rows: readonly PresenceRow[]
}

/**
 * Reads what is stored and marks the store as in use (DESIGN §3.4): until `persist.close()` took the mark away again,
 * whoever starts next makes a new epoch, because published changes may be missing.
 */
export async function loadPresence(deps: { store: Store; random: Random }): Promise<LoadedPresence> {
  const { store, random } = deps
  const [epoch, seq, clean] = await Promise.all([store.meta(EPOCH), store.meta(SEQ), store.meta(CLEAN)])
  const kept = clean === '1' ? epoch : null
  const next = kept ?? randomText(random, EPOCH_LETTERS, EPOCH_LENGTH)
  await store.commit([meta(EPOCH, next), meta(CLEAN, '0')])
  return { epoch: next, head: seq === null ? 0 : Number(seq), rows: await store.all('presence') }
}

/** What others were told is on disk this soon; only an unclean end within it is noticed at the next start. */
export const PUBLISHED_INTERVAL_MS = 1_000

/**
 * Write-behind of presence: the newest row of a user wins, and at most one row a user waits. What an answer acknowledges is
 * awaited with `flush`.
 */
export interface Persist {
  /** `isPublished`: others were told, so it waits for `PUBLISHED_INTERVAL_MS` at most, else for `intervalMs`. */
  add(row: PresenceRow, isPublished: boolean): void
  /** Nothing of the user is to be kept. */
  drop(userId: UserId): void
  /** Resolves when everything added so far is durable; rejects if the store failed (the rows are tried again). */
  flush(): Promise<void>
  /** Flushes and marks the shutdown as clean. Nothing may be added afterwards. */
  close(): Promise<void>
}

export interface PersistDeps {
  readonly store: Pick<Store, 'commit'>
  readonly clock: Clock
  readonly log: Log
  /** The longest that an activity which nobody was told of may be missing on disk (`PERSIST_INTERVAL`). */
  readonly intervalMs: Millis
  /** The sequence number to store beside the rows. */
  readonly head: () => number
}

export function createPersist(deps: PersistDeps): Persist {
  return new WriteBehind(deps)
}

/** A user's newest row; null: none is to be kept. */
type Dirty = readonly [UserId, PresenceRow | null]

class WriteBehind implements Persist {
  readonly #deps: PersistDeps
  /** Null: to be dropped. */
  #dirty = new Map<UserId, PresenceRow | null>()
  #timer: Timer | null = null
  #timerDue: Millis = 0
  /** The flush that runs; never rejects. */
  #running: Promise<void> = Promise.resolve()
  /** The one behind it, which everybody joins who comes meanwhile. */
  #next: Promise<void> | null = null

  constructor(deps: PersistDeps) {
    this.#deps = deps
  }

  add(row: PresenceRow, isPublished: boolean): void {
    this.#dirty.set(row.userId, row)
    const { intervalMs } = this.#deps
    this.#arm(isPublished ? Math.min(PUBLISHED_INTERVAL_MS, intervalMs) : intervalMs)
  }

  drop(userId: UserId): void {
    this.#dirty.set(userId, null)
    this.#arm(this.#deps.intervalMs)
  }

  flush(): Promise<void> {
    if (this.#next !== null) return this.#next
    const next = this.#running.then(() => {
      this.#next = null
      return this.#write()
    })
    this.#next = next
    this.#running = next.catch(() => {})
    return next
  }

  async close(): Promise<void> {
    await this.flush()
    this.#disarm()
    await this.#deps.store.commit([meta(SEQ, String(this.#deps.head())), meta(CLEAN, '1')])
  }

  async #write(): Promise<void> {
    this.#disarm()
    const rows = [...this.#dirty]
    this.#dirty = new Map()
    for (let at = 0; at < rows.length; at += ROWS_PER_COMMIT) {
      try {
        await this.#commit(rows.slice(at, at + ROWS_PER_COMMIT))
      } catch (thrown) {
        this.#putBack(rows.slice(at))
        throw thrown
      }
    }
  }

  #commit(rows: readonly Dirty[]): Promise<void> {
    const { store, head } = this.#deps
    const writes = rows.map(([userId, row]): Write =>
      row === null ? { drop: 'presence', where: { userId } } : { put: 'presence', row },
    )
    return store.commit([...writes, meta(SEQ, String(head()))])
  }

  /** Newer rows of the same users win. */
  #putBack(rows: readonly Dirty[]): void {
    for (const [userId, row] of rows) if (!this.#dirty.has(userId)) this.#dirty.set(userId, row)
    this.#arm(PUBLISHED_INTERVAL_MS)
  }

  /** One timer; a row that may wait longer waits with those that may not. */
  #arm(delayMs: Millis): void {
    const { clock, log } = this.#deps
    const due = clock.now() + delayMs
    if (this.#timer !== null && this.#timerDue <= due) return
    this.#disarm()
    this.#timerDue = due
    this.#timer = clock.after(delayMs, () => {
      this.#timer = null
      this.flush().catch((thrown: unknown) =>
        log.error({ err: thrown }, 'presence could not be stored, trying again'),
      )
    })
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = null
  }
}

function meta(key: string, value: string): Write {
  return { put: 'meta', row: { key, value } }
}
