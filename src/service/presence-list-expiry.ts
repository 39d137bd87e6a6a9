import type { Clock, Millis, Timer } from '../base/clock.ts'
import type { Log } from '../ports/log.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { PresenceLists } from './presence-list.ts'

/** How long an invite waits for its answer, and an answer to be fetched by every device (`INVITE_TTL`). */
export const INVITE_TTL_MS = 2_592_000_000
/** Rows of one look into the store. */
const SWEEP_ROWS_MAX = 100
/** What comes due within a minute is swept at once. */
const SWEEP_GAP_MS = 60_000

/** Ends invites that nobody answered, and forgets what was told long ago. Without any it does nothing at all. */
export interface PresenceListExpiry {
  /** At start. */
  begin(): Promise<void>
  /** Something is new now: it will be old one day. */
  noteNews(): void
  /** No timer from here on; resolves when what runs is done. */
  close(): Promise<void>
}

export interface PresenceListExpiryDeps {
  readonly store: Pick<
    Store,
    'commit' | 'presenceEntriesAsked' | 'presenceGrantsAsked' | 'presenceListNewsUntil'
  >
  readonly clock: Clock
  readonly log: Pick<Log, 'error'>
  readonly expire: PresenceLists['expire']
}

export function createPresenceListExpiry(deps: PresenceListExpiryDeps): PresenceListExpiry {
  return new Expiry(deps)
}

class Expiry implements PresenceListExpiry {
  readonly #deps: PresenceListExpiryDeps
  #timer: Timer | null = null
  /** The sweep that runs; never rejects. */
  #running: Promise<void> = Promise.resolve()
  /** There was news since the store was last asked for the oldest. */
  #hasNews = false
  #isClosed = false

  constructor(deps: PresenceListExpiryDeps) {
    this.#deps = deps
  }

  async begin(): Promise<void> {
    this.#sleepUntil(await this.#nextDue())
  }

  noteNews(): void {
    this.#hasNews = true
    // Whatever is there already is due earlier, and has a timer.
    if (this.#timer === null) this.#sleepUntil(this.#deps.clock.now() + INVITE_TTL_MS)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#running
  }

  #sleepUntil(due: Millis | null): void {
    const { clock } = this.#deps
    if (due === null || this.#isClosed) return
    this.#timer?.cancel()
    this.#timer = clock.after(due - clock.now(), () => {
      this.#running = this.#sweep()
    })
  }

  async #sweep(): Promise<void> {
    const { clock, log } = this.#deps
    let due: Millis | null = clock.now() + SWEEP_GAP_MS
    try {
      const until = clock.now() - INVITE_TTL_MS
      await this.#expireUntil(until)
      await this.#forgetUntil(until)
      const nextDue = await this.#nextDue()
      due = nextDue === null ? null : Math.max(nextDue, due)
      if (due === null && this.#hasNews) due = clock.now() + INVITE_TTL_MS
    } catch (err) {
      log.error({ err }, 'old presence invites could not be ended, trying again')
    }
    this.#timer = null
    this.#sleepUntil(due)
  }

  async #expireUntil(until: Millis): Promise<void> {
    const { store, expire } = this.#deps
    for (;;) {
      const [entries, grants] = await Promise.all([
        store.presenceEntriesAsked(until, SWEEP_ROWS_MAX),
        store.presenceGrantsAsked(until, SWEEP_ROWS_MAX),
      ])
      for (const { observer, observed } of [...entries, ...grants]) {
        if (this.#isClosed) return
        await expire(observer, observed, until)
      }
      if (entries.length + grants.length === 0) return
    }
  }

  async #forgetUntil(until: Millis): Promise<void> {
    const { store } = this.#deps
    for (;;) {
      const rows = await store.presenceListNewsUntil(until, SWEEP_ROWS_MAX)
      if (rows.length === 0 || this.#isClosed) return
      await store.commit(rows.map(dropOf))
    }
  }

  async #nextDue(): Promise<Millis | null> {
    const { store } = this.#deps
    this.#hasNews = false
    const [entries, grants, news] = await Promise.all([
      store.presenceEntriesAsked(Number.MAX_SAFE_INTEGER, 1),
      store.presenceGrantsAsked(Number.MAX_SAFE_INTEGER, 1),
      store.presenceListNewsUntil(Number.MAX_SAFE_INTEGER, 1),
    ])
    const oldest = [...entries.map(({ askedTs }) => askedTs), ...[...grants, ...news].map(({ ts }) => ts)]
    return oldest.length === 0 ? null : Math.min(...oldest) + INVITE_TTL_MS
  }
}

/** The very row: what was told since has another position. */
function dropOf({ userId, otherId, direction, pos }: Row<'presenceListNews'>): Write {
  return { drop: 'presenceListNews', where: { userId, otherId, direction, pos } }
}
