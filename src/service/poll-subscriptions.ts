import type { Clock, Millis, Timer } from '../base/clock.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import { LateWrites } from './late-writes.ts'
import type { Loop } from './loop.ts'

type Wanted = Row<'polls'>['wanted']

/** A peer that was silent for this long follows nobody any more (PRESENCE-SPEC §5.6). */
export const POLL_SILENCE_MAX_MS = 604_800_000
/** How often subscriptions are looked through for those that nothing justifies any more. */
const SWEEP_MS = 3_600_000
/** Subscriptions looked at in one turn, and the pause before the next. */
const SWEEP_ROWS_MAX = 1_000
const SWEEP_GAP_MS = 1_000

/**
 * Whom of ours other servers asked to follow, or not to: the latest of `poll` and `unpoll` for each server and user, durable
 * (PRESENCE-SPEC §5.6, P-179, P-182). It never entitles anybody to anything (P-178).
 */
export interface PollSubscriptions {
  /** At start, after the grants (which are as good as a poll) and before presence begins. */
  restore(): Promise<void>
  /** The server may see the user and asks to be told of them, or not to be. True: that is new. */
  ask(server: ServerName, userId: UserId, wanted: boolean): boolean
  /** It may not see the user: what it asked before is over. */
  drop(server: ServerName, userId: UserId): void
  /** No sweep from here on; resolves when what was asked is durable. */
  close(): Promise<void>
}

export interface PollSubscriptionsDeps {
  readonly store: Pick<Store, 'all' | 'commit'>
  readonly clock: Clock
  readonly log: Pick<Log, 'error'>
  readonly loop: Pick<Loop, 'serverSees' | 'polled'>
  /** When the server was last heard; null if nobody knows. */
  readonly heardTs: (server: ServerName) => Millis | null
  /** Being full, what a server asks is forgotten: it is told of users whom it would rather not follow, never the reverse. */
  readonly subscriptionsMax: number
}

export function createPollSubscriptions(deps: PollSubscriptionsDeps): PollSubscriptions {
  return new Subscriptions(deps)
}

interface Subscription {
  readonly server: ServerName
  readonly userId: UserId
  readonly wanted: Wanted
}

class Subscriptions implements PollSubscriptions {
  readonly #deps: PollSubscriptionsDeps
  readonly #servers = new Map<ServerName, Map<UserId, Wanted>>()
  readonly #writes: LateWrites
  #size = 0
  #timer: Timer | null = null
  /** The sweep that is under way. */
  #sweep: Iterator<Subscription> | null = null
  #isClosed = false

  constructor(deps: PollSubscriptionsDeps) {
    this.#deps = deps
    this.#writes = new LateWrites(deps)
  }

  async restore(): Promise<void> {
    for (const { serverName, userId, wanted } of await this.#deps.store.all('polls')) {
      this.#set(serverName, userId, wanted)
      this.#deps.loop.polled(serverName, userId, wanted === 1)
    }
  }

  ask(server: ServerName, userId: UserId, wanted: boolean): boolean {
    const asked = this.#servers.get(server)?.get(userId)
    const value = wanted ? 1 : 0
    if (asked === value) return false
    if (asked === undefined && this.#size >= this.#deps.subscriptionsMax) return false
    this.#deps.loop.polled(server, userId, wanted)
    this.#set(server, userId, value)
    this.#write({ put: 'polls', row: { serverName: server, userId, wanted: value } }, server, userId)
    return true
  }

  drop(server: ServerName, userId: UserId): void {
    const users = this.#servers.get(server)
    if (users?.delete(userId) !== true) return
    this.#size -= 1
    if (users.size === 0) this.#servers.delete(server)
    // As if it had never asked: nothing of it is left in the engine either.
    this.#deps.loop.polled(server, userId, true)
    this.#write({ drop: 'polls', where: { serverName: server, userId } }, server, userId)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#timer?.cancel()
    await this.#writes.close()
  }

  #set(server: ServerName, userId: UserId, wanted: Wanted): void {
    const users = this.#servers.get(server) ?? new Map<UserId, Wanted>()
    this.#servers.set(server, users)
    if (!users.has(userId)) this.#size += 1
    users.set(userId, wanted)
    if (this.#timer === null) this.#sleep(SWEEP_MS)
  }

  #write(write: Write, server: ServerName, userId: UserId): void {
    this.#writes.add(`${server} ${userId}`, write)
  }

  #sleep(delayMs: Millis): void {
    if (this.#isClosed) return
    this.#timer = this.#deps.clock.after(delayMs, () => {
      this.#timer = null
      this.#lookOn()
    })
  }

  #lookOn(): void {
    this.#sweep ??= this.#all()
    for (let rows = 0; rows < SWEEP_ROWS_MAX; rows += 1) {
      const next = this.#sweep.next()
      if (next.done === true) {
        this.#sweep = null
        if (this.#size > 0) this.#sleep(SWEEP_MS)
        return
      }
      this.#judge(next.value)
    }
    this.#sleep(SWEEP_GAP_MS)
  }

  *#all(): Generator<Subscription> {
    for (const [server, users] of this.#servers)
      for (const [userId, wanted] of users) yield { server, userId, wanted }
  }

  #judge({ server, userId, wanted }: Subscription): void {
    const { clock, loop, heardTs } = this.#deps
    const heard = heardTs(server)
    if (heard === null || !loop.serverSees(server, userId)) return this.drop(server, userId)
    if (wanted === 1 && clock.now() - heard >= POLL_SILENCE_MAX_MS) this.ask(server, userId, false)
  }
}
