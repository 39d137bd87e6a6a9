import type { Clock, Millis, Timer } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { EDUS_MAX } from '../matrix/edu.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { PollChange } from '../ports/destinations.ts'
import type { EduSources, WaitingListEdu } from '../ports/edus.ts'
import type { Log } from '../ports/log.ts'
import { backOffMs, type BackOff } from './back-off.ts'
import { Missed } from './missed.ts'
import type { ObserveFederation } from './observe.ts'
import { transactionOf, USERS_MAX, writeEdus, type OutgoingEdu, type Transaction } from './transaction.ts'
import type { Outcome, Transport } from './transport.ts'
import { Waiting, type Pace, type Taken } from './waiting.ts'

/** A server that failed: how often since it last answered, and when it is tried again. */
export interface Failing {
  readonly failures: number
  readonly retryTs: Millis
}

/** What a destination has from all of them together. */
export interface DestinationDeps {
  readonly serverName: ServerName
  readonly sources: EduSources
  readonly transport: Pick<Transport, 'signedRequest'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly observe: ObserveFederation
  /** Does this server speak busy (option `presence.busy`)? */
  readonly busy: boolean
  readonly backOff: BackOff
  readonly pace: Pace
  readonly missedMax: number
  /** Never given twice, restarts included. */
  readonly newTxnId: () => string
  /** Runs the work when it is this server's turn. */
  readonly inTurn: (server: ServerName, work: () => Promise<void>) => Promise<void>
  /** May a failed transaction of this size be kept? If so, `released` is told when it is gone. */
  readonly mayHold: (bytes: number) => boolean
  readonly released: (bytes: number) => void
  readonly answered: (server: ServerName) => void
  /** To be known after a restart; null: it works. */
  readonly remember: (server: ServerName, failing: Failing | null) => void
  /** It has nothing left to do or to remember. */
  readonly atRest: (server: ServerName) => void
}

/** How a transaction ended. */
type Verdict = 'delivered' | 'refused' | 'too-large' | 'failed'

const OBSERVED = {
  delivered: 'acknowledged',
  refused: 'refused',
  'too-large': 'refused',
  failed: 'failed',
} as const satisfies Record<Verdict, string>

/**
 * What goes to one server (PRESENCE-SPEC §5.3, §5.9). At any moment one of:
 *
 * - **under way**: a transaction is being written or sent; nothing else begins (P-162).
 * - **failing**: it did not answer. Nothing goes before the back-off ends; then the failed transaction, unchanged, until it is
 *   answered. Presence that changes meanwhile is only noted as missed (P-203).
 * - **waiting**: something is due later, or nothing is.
 *
 * Every change of these goes through `#step`, which looks at all of it and does the one thing that can be done.
 */
export class Destination {
  readonly #server: ServerName
  readonly #deps: DestinationDeps
  readonly #waiting: Waiting
  /** Written, but not acknowledged; the first goes next. More than one if a transaction had to be split. */
  #unsent: Transaction[] = []
  /** What is held of the bound for failed transactions. */
  #heldBytes = 0
  #failing: Failing | null = null
  /** Not null while this server does not take what we say, be it failing or refusing: what it has to be told afterwards. */
  #missed: Missed | null = null
  /** In a row; a refusing server is not failing, but lists are not tried with it again and again. */
  #refusals = 0
  #isUnderWay = false
  #isStopped = false
  #isStirred = false
  #timer: { readonly dueTs: Millis; readonly timer: Timer } | null = null

  constructor(server: ServerName, deps: DestinationDeps) {
    this.#server = server
    this.#deps = deps
    this.#waiting = new Waiting(deps.pace)
  }

  get isFailing(): boolean {
    return this.#failing !== null
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  offerPresence(userIds: Iterable<UserId>): void {
    if (this.#failing !== null) return this.#miss(userIds)
    this.#waiting.addChanged(userIds)
    this.#stir()
  }

  answerPresence(userIds: Iterable<UserId>): void {
    if (this.#failing !== null) return this.#miss(userIds)
    this.#waiting.addAsked(userIds)
    this.#stir()
  }

  /** Not kept while it fails: when that ends, a reminder tells all of them. */
  offerPolls(change: PollChange): void {
    if (this.#failing !== null) return
    this.#waiting.addPolls(change)
    this.#stir()
  }

  offerLists(): void {
    this.#waiting.addLists()
    this.#stir()
  }

  heardFrom(): void {
    if (this.#failing !== null) this.#failing = { failures: 0, retryTs: this.#deps.clock.now() }
    this.#refusals = 0
    this.#waiting.holdLists(0)
    this.#stir()
  }

  /** After a restart: nobody knows any more what it missed. */
  resumeFailing(failing: Failing): void {
    this.#failing = failing
    this.#miss([])
    this.#missed?.addEverybody()
    this.#stir()
  }

  /** After a restart: list EDUs lie in the store. */
  resumeLists(fromTs: Millis): void {
    this.#waiting.addLists()
    this.#waiting.holdLists(fromTs)
    this.#stir()
  }

  /** Begins nothing any more. */
  stop(): void {
    this.#isStopped = true
    this.#timer?.timer.cancel()
    this.#release()
  }

  /** What is said in one turn of the event loop goes together. */
  #stir(): void {
    if (this.#isStirred) return
    this.#isStirred = true
    queueMicrotask(() => {
      this.#isStirred = false
      this.#step()
    })
  }

  #step(): void {
    if (this.#isStopped || this.#isUnderWay) return
    const { clock, atRest } = this.#deps
    const dueTs = this.#dueTs()
    if (dueTs !== this.#timer?.dueTs) {
      this.#timer?.timer.cancel()
      this.#timer = null
    }
    if (dueTs <= clock.now()) void this.#go()
    else if (dueTs < Infinity)
      this.#timer ??= { dueTs, timer: clock.after(dueTs - clock.now(), () => this.#step()) }
    else if (this.#missed === null) atRest(this.#server)
  }

  /** When there is something to do next; may be past. */
  #dueTs(): Millis {
    if (this.#failing !== null) return this.#failing.retryTs
    if (this.#unsent.length > 0) return 0
    const dueTs = this.#waiting.dueTs()
    if (dueTs < Infinity) return dueTs
    // Only to be at rest then: a window is to be remembered until it ends.
    const restsFromTs = this.#waiting.restsFromTs()
    return restsFromTs > this.#deps.clock.now() ? restsFromTs : Infinity
  }

  async #go(): Promise<void> {
    this.#isUnderWay = true
    try {
      await this.#deps.inTurn(this.#server, () => this.#sendOne())
    } catch (err) {
      this.#deps.log.error({ err, server: this.#server }, 'a transaction could not be sent')
      this.#giveUp()
    }
    this.#isUnderWay = false
    this.#step()
  }

  async #sendOne(): Promise<void> {
    // While it waited for its turn, back-offs of the last run may have been taken up.
    if (this.#isStopped || this.#dueTs() > this.#deps.clock.now()) return
    const transaction = this.#unsent[0] ?? (await this.#write())
    if (transaction === null || this.#isStopped) return
    const outcome = await this.#deps.transport.signedRequest({
      destination: this.#server,
      method: 'PUT',
      path: `/_matrix/federation/v1/send/${transaction.txnId}`,
      content: transaction.content,
    })
    await this.#settle(transaction, outcome)
  }

  /** Null if there is nothing to say after all. A failing server without a failed transaction gets an empty one, as a probe. */
  async #write(): Promise<Transaction | null> {
    const taken = this.#waiting.take(this.#deps.clock.now())
    const edus = await this.#read(taken)
    if (edus.length === 0 && this.#failing === null) return null
    const transaction = transactionOf(this.#deps.newTxnId(), edus, {
      origin: this.#deps.serverName,
      now: this.#deps.clock.now(),
    })
    this.#unsent = [transaction]
    return transaction
  }

  /** Ages are as of now (P-171). */
  async #read(taken: Taken): Promise<readonly OutgoingEdu[]> {
    const { sources, serverName } = this.#deps
    const [users, usersLeft] = [taken.users.slice(0, USERS_MAX), taken.users.slice(USERS_MAX)]
    try {
      const lists = taken.lists ? await sources.listEdus(this.#server, EDUS_MAX) : []
      const push = users.length > 0 ? await sources.presenceFor(this.#server, users) : []
      const ends = { origin: serverName, destination: this.#server }
      const speaksLists = sources.speaksLists(this.#server)
      const { edus, left } = writeEdus({ lists, push, polls: taken.polls }, ends, {
        speaksLists,
        busy: this.#deps.busy,
      })
      this.#waiting.putBack({
        // As many as were asked for: there may be more.
        lists: lists.length === EDUS_MAX || left.lists.length > 0,
        users: [...left.push.map(({ userId }) => userId), ...usersLeft],
        polls: left.polls,
      })
      return edus
    } catch (err) {
      this.#deps.log.error({ err, server: this.#server }, 'what to tell another server could not be read')
      this.#miss(taken.users)
      if (taken.lists) this.#tryListsLater()
      return []
    }
  }

  async #settle(transaction: Transaction, outcome: Outcome): Promise<void> {
    const verdict = verdictOf(outcome)
    // Cut off by the end of the server: that says nothing of the other one.
    if (this.#isStopped && verdict !== 'delivered') return
    this.#deps.observe({ kind: 'transaction sent', outcome: OBSERVED[verdict] })
    if (verdict === 'failed') return this.#failed(transaction, outcome)
    this.#release()
    this.#unsent.shift()
    if (verdict === 'delivered') return this.#delivered(transaction)
    this.#isReachable()
    if (verdict === 'too-large' && transaction.edus.length > 1) this.#split(transaction)
    else this.#refused(transaction, outcome)
  }

  async #delivered(transaction: Transaction): Promise<void> {
    const { sources, answered } = this.#deps
    const missed = this.#missed
    this.#isReachable()
    this.#missed = null
    this.#refusals = 0
    answered(this.#server)
    await this.#acknowledge(listsOf(transaction))
    sources.answered(this.#server, { isOver: missed !== null })
    if (missed !== null) this.#waiting.addAsked(sources.presenceAfterOutage(this.#server, missed))
  }

  async #acknowledge(lists: readonly WaitingListEdu[]): Promise<void> {
    if (lists.length === 0) return
    try {
      await this.#deps.sources.listEdusSent(lists)
    } catch (err) {
      this.#deps.log.error({ err, server: this.#server }, 'what another server was told could not be noted')
      this.#tryListsLater()
    }
  }

  /** Reachable, but it does not want this: that presence is lost to it for now, lists are state and stay (§5.5, §5.9). */
  #refused(transaction: Transaction, outcome: Outcome): void {
    this.#refusals += 1
    this.#miss(transaction.edus.flatMap(({ users }) => users))
    if (listsOf(transaction).length > 0) this.#tryListsLater()
    const status = outcome.kind === 'answered' ? outcome.status : null
    this.#deps.log.warn({ server: this.#server, status }, 'another server refused a transaction')
  }

  #failed(transaction: Transaction, outcome: Outcome): void {
    const { clock, random, backOff, log } = this.#deps
    const failures = (this.#failing?.failures ?? 0) + 1
    const asked = outcome.kind === 'answered' ? (outcome.retryAfterMs ?? 0) : 0
    // Not for longer than we would wait by ourselves: it may ask for a year.
    const waitMs = Math.max(backOffMs(failures, backOff, random), Math.min(asked, backOff.retryMaxMs))
    if (this.#failing === null) {
      this.#miss(this.#waiting.discard())
      const why = outcome.kind === 'answered' ? `status ${outcome.status}` : outcome.reason
      log.warn({ server: this.#server, why }, 'another server cannot be reached')
    }
    this.#failing = { failures, retryTs: clock.now() + waitMs }
    this.#deps.remember(this.#server, this.#failing)
    this.#hold(transaction)
  }

  /** Two halves, each a transaction of its own, go next and in order. */
  #split(transaction: Transaction): void {
    const { newTxnId, serverName, clock } = this.#deps
    const half = Math.ceil(transaction.edus.length / 2)
    const halves = [transaction.edus.slice(0, half), transaction.edus.slice(half)]
    const origin = { origin: serverName, now: clock.now() }
    this.#unsent.unshift(...halves.map((edus) => transactionOf(newTxnId(), edus, origin)))
  }

  #isReachable(): void {
    if (this.#failing === null) return
    this.#failing = null
    this.#deps.remember(this.#server, null)
    this.#deps.log.info({ server: this.#server }, 'another server answers again')
  }

  #tryListsLater(): void {
    const { clock, backOff, random } = this.#deps
    this.#waiting.addLists()
    this.#waiting.holdLists(clock.now() + backOffMs(Math.max(this.#refusals, 1), backOff, random))
  }

  #miss(userIds: Iterable<UserId>): void {
    this.#missed ??= new Missed(this.#deps.missedMax)
    this.#missed.add(userIds)
  }

  /** If all failed transactions together take too much memory, this one is not kept. */
  #hold(transaction: Transaction): void {
    if (this.#heldBytes > 0) return
    const bytes = this.#unsent.reduce((sum, unsent) => sum + unsent.bytes, 0)
    if (bytes === 0) return
    if (this.#deps.mayHold(bytes)) this.#heldBytes = bytes
    else {
      this.#deps.log.warn(
        { server: this.#server, txnId: transaction.txnId },
        'a failed transaction was given up',
      )
      this.#giveUp()
    }
  }

  /** Forgets what was written: its presence is missed, its lists are in the store and are tried later. */
  #giveUp(): void {
    const edus = this.#unsent.flatMap((transaction) => transaction.edus)
    this.#release()
    this.#unsent = []
    this.#miss(edus.flatMap(({ users }) => users))
    if (edus.some(({ list }) => list !== null)) this.#tryListsLater()
  }

  #release(): void {
    if (this.#heldBytes > 0) this.#deps.released(this.#heldBytes)
    this.#heldBytes = 0
  }
}

/** What counts as a failure, and what as an answer (§5.9). */
function verdictOf(outcome: Outcome): Verdict {
  if (outcome.kind === 'failed' || outcome.status >= 500 || outcome.status === 429) return 'failed'
  if (outcome.status === 200) return 'delivered'
  return outcome.status === 413 ? 'too-large' : 'refused'
}

function listsOf({ edus }: Transaction): WaitingListEdu[] {
  return edus.flatMap(({ list }) => (list === null ? [] : [list]))
}
