import type { Clock, Millis, Timer } from '../base/clock.ts'
import { serverOf, type ServerName } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { INVITE_TTL_MS } from './presence-list-expiry.ts'
import type { PresenceLists } from './presence-list.ts'

/** An invite that another server's user did not answer is repeated after this (PRESENCE-SPEC §5.5), */
const FIRST_REPEAT_MS = 3_600_000
/** and then each time after this, until it expires. */
const NEXT_REPEAT_MS = 86_400_000
/** What comes due within a minute goes at once. */
const SWEEP_GAP_MS = 60_000
/** Invites of one sweep; the others go with the next. */
const SWEEP_INVITES_MAX = 1_000

/**
 * Repeats invites that nobody answered: the answer, or the invite itself, may have been lost by a server that came back from a
 * backup. Knows the pending entries with users of other servers, and nothing else; without any there is no timer.
 */
export interface PresenceListRepeats {
  /** At start. What came due while the server was down is left out: what was not acknowledged waits in the outbox anyway. */
  begin(): Promise<void>
  /** No timer from here on; resolves when what runs is done. */
  close(): Promise<void>
}

export interface PresenceListRepeatsDeps {
  readonly store: Pick<Store, 'all'>
  readonly stream: Pick<Stream, 'observe'>
  readonly clock: Clock
  readonly log: Pick<Log, 'error'>
  readonly serverName: ServerName
  readonly repeat: PresenceLists['repeat']
}

export function createPresenceListRepeats(deps: PresenceListRepeatsDeps): PresenceListRepeats {
  return new Repeats(deps)
}

type Entry = Pick<Row<'presenceList'>, 'observer' | 'observed' | 'askedTs'>

interface Waiting extends Entry {
  due: Millis
}

class Repeats implements PresenceListRepeats {
  readonly #deps: PresenceListRepeatsDeps
  readonly #waiting = new Map<string, Waiting>()
  #timer: Timer | null = null
  #timerDue: Millis = Infinity
  /** The sweep that runs; never rejects. */
  #running: Promise<void> | null = null
  #isClosed = false

  constructor(deps: PresenceListRepeatsDeps) {
    this.#deps = deps
    deps.stream.observe((writes) => {
      for (const write of writes) this.#follow(write)
    })
  }

  async begin(): Promise<void> {
    for (const row of await this.#deps.store.all('presenceList')) this.#follow({ put: 'presenceList', row })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#running
  }

  #follow(write: Write): void {
    if ('put' in write) {
      if (write.put !== 'presenceList') return
      if (write.row.state === 'pending') this.#expect(write.row)
      else this.#waiting.delete(keyOf(write.row))
    } else if (write.drop === 'presenceList') {
      const { observer, observed } = write.where
      if (observer !== undefined && observed !== undefined)
        this.#waiting.delete(keyOf({ observer, observed }))
    }
  }

  /** An entry, asked for anew or again, until its next time; there is none after its last. */
  #expect({ observer, observed, askedTs }: Entry): void {
    if (serverOf(observed) === this.#deps.serverName) return
    const due = nextRepeat(askedTs, this.#deps.clock.now())
    const key = keyOf({ observer, observed })
    if (due === null) this.#waiting.delete(key)
    else this.#waiting.set(key, { observer, observed, askedTs, due })
    if (due !== null && this.#running === null) this.#sleepUntil(due)
  }

  #sleepUntil(due: Millis): void {
    const { clock } = this.#deps
    if (this.#isClosed || due >= this.#timerDue) return
    this.#timer?.cancel()
    this.#timerDue = due
    this.#timer = clock.after(due - clock.now(), () => {
      this.#running = this.#sweep()
    })
  }

  async #sweep(): Promise<void> {
    const { clock } = this.#deps
    const started = clock.now()
    const due = [...this.#waiting.values()].filter((one) => one.due <= started).slice(0, SWEEP_INVITES_MAX)
    for (const one of due) {
      if (this.#isClosed) return
      await this.#repeat(one)
    }
    this.#running = null
    this.#timerDue = Infinity
    let next = Infinity
    for (const one of this.#waiting.values()) next = Math.min(next, one.due)
    if (next !== Infinity) this.#sleepUntil(Math.max(next, started + SWEEP_GAP_MS))
  }

  async #repeat(one: Waiting): Promise<void> {
    const { repeat, log } = this.#deps
    try {
      await repeat(one.observer, one.observed)
    } catch (err) {
      log.error({ err }, 'a presence invite could not be repeated')
    }
    // Unless it was answered, or asked for again, meanwhile.
    if (this.#waiting.get(keyOf(one)) === one) this.#expect(one)
  }
}

/** The next time after `now`, null if there is none. */
function nextRepeat(askedTs: Millis, now: Millis): Millis | null {
  const first = askedTs + FIRST_REPEAT_MS
  const passed = Math.max(0, Math.floor((now - first) / NEXT_REPEAT_MS) + 1)
  const due = first + passed * NEXT_REPEAT_MS
  return due < askedTs + INVITE_TTL_MS ? due : null
}

/** No ID holds a NUL. */
function keyOf({ observer, observed }: Pick<Entry, 'observer' | 'observed'>): string {
  return `${observer}\0${observed}`
}
