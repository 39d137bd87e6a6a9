import { assertNever } from '../../src/base/assert.ts'
import type { Millis } from '../../src/base/clock.ts'
import type { Outcome, SignedRequest } from '../../src/federation/transport.ts'
import { canonicalJson } from '../../src/matrix/canonical-json.ts'
import { MatrixError } from '../../src/matrix/errors.ts'
import type { ServerName } from '../../src/matrix/ids.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Choices } from './list-house.ts'
import type { ManualClock } from './manual-clock.ts'

const SECOND = 1_000
/** As `federation.request_timeout`. */
const TIMEOUT_MS = 60 * SECOND
/** Whatever is late or doubled comes within this; so long servers remember what they answered. */
const LATE_MAX_MS = 300 * SECOND

const FAILURES: readonly number[] = [429, 429, 500, 502, 503]

/** One life of a server, as the network knows it. */
export interface Host {
  readonly name: ServerName
  /** False: killed; what it still says reaches nobody. */
  readonly isAlive: boolean
  /** Does it take requests? */
  readonly isListening: boolean
  receive(origin: ServerName, txnId: string, body: JsonObject, bodyBytes: number): Promise<JsonObject>
}

/** A transaction at its first attempt. */
export interface Sending {
  readonly from: Host
  readonly to: ServerName
  readonly txnId: string
  readonly content: JsonObject
  /** It repeats, in part, what was refused for its size. */
  readonly isSplit: boolean
}

interface Sent {
  readonly text: string
  readonly host: Host
}

/** How an attempt goes. */
type Fate =
  | 'arrives'
  | 'refused connection'
  | 'lost'
  | 'late'
  | 'answer lost'
  | 'doubled'
  | 'slow'
  | 'turned away'
  | 'fails after'

/**
 * The network between servers of one process, on virtual time: it loses requests and answers, doubles, delays and reorders them,
 * answers in place of servers, and may be cut. It holds servers to one transaction at a time and to unchanged repeats (P-162).
 */
export class LossyNet {
  /** Transactions that began, and attempts. */
  transactions = 0
  attempts = 0
  hasFaults = true
  /** Without, nobody refuses what they were told: what is refused is lost until something else is said. */
  readonly hasRefusals: boolean
  /** How often each fate befell. */
  readonly fates = new Map<string, number>()
  readonly #clock: ManualClock
  readonly #random: Choices
  readonly #host: (name: ServerName) => Host | null
  readonly #onFirst: (sending: Sending) => void
  /** What a life said first under an ID. */
  readonly #sent = new Map<string, Sent>()
  readonly #underWay = new Set<string>()
  readonly #tooLarge = new Set<string>()
  /** Until when nothing goes between two servers. */
  readonly #cuts = new Map<string, Millis>()
  /** On their way, to be hastened when their sender dies. */
  readonly #travelling = new Set<{
    readonly from: Host
    readonly arrive: () => void
    readonly vanish: () => void
  }>()

  constructor(deps: {
    readonly clock: ManualClock
    readonly random: Choices
    readonly hasRefusals: boolean
    readonly host: (name: ServerName) => Host | null
    readonly onFirst: (sending: Sending) => void
  }) {
    this.#clock = deps.clock
    this.#random = deps.random
    this.hasRefusals = deps.hasRefusals
    this.#host = deps.host
    this.#onFirst = deps.onFirst
  }

  cut(a: ServerName, b: ServerName, forMs: Millis): void {
    this.#cuts.set([a, b].toSorted().join(), this.#clock.now() + forMs)
  }

  heal(): void {
    this.#cuts.clear()
  }

  async request(from: Host, { destination: to, path, content }: SignedRequest): Promise<Outcome> {
    const never = new Promise<Outcome>(() => {})
    if (!from.isAlive) return never
    if (content === null) throw new Error('only transactions travel here')
    const txnId = path.slice(path.lastIndexOf('/') + 1)
    this.#hold(from, to, txnId, content)
    const lane = `${from.name} ${to}`
    if (this.#underWay.has(lane)) throw new Error(`P-162 two transactions at once: ${lane}`)
    this.#underWay.add(lane)
    this.attempts += 1
    const outcome = await this.#travel(from, to, txnId, content)
    if (!from.isAlive) return never
    this.#underWay.delete(lane)
    if (outcome.kind === 'answered' && outcome.status === 413) this.#tooLarge.add(lane)
    return outcome
  }

  /** What a server that was killed had on its way arrives now or never. */
  killed(host: Host): void {
    for (const one of this.#travelling) {
      if (one.from !== host) continue
      if (this.#random.below(2) === 0) one.arrive()
      else one.vanish()
    }
    for (const lane of this.#underWay) if (lane.startsWith(`${host.name} `)) this.#underWay.delete(lane)
  }

  #hold(from: Host, to: ServerName, txnId: string, content: JsonObject): void {
    const text = canonicalJson(content)
    const key = `${from.name} ${to} ${txnId}`
    const before = this.#sent.get(key)
    if (before !== undefined) {
      if (before.text !== text || before.host !== from) throw new Error(`P-162 a repeat was changed: ${text}`)
      return
    }
    this.#sent.set(key, { text, host: from })
    this.transactions += 1
    const isSplit = this.#tooLarge.has(`${from.name} ${to}`)
    this.#onFirst({ from, to, txnId, content, isSplit })
  }

  async #travel(from: Host, to: ServerName, txnId: string, content: JsonObject): Promise<Outcome> {
    const fate = this.#fate()
    this.fates.set(fate, (this.fates.get(fate) ?? 0) + 1)
    const arrive = (afterMs: Millis): Promise<Outcome> => this.#arrive(from, to, txnId, content, afterMs)
    const wayMs = 5 + this.#random.below(200)
    if (this.#isCut(from.name, to) || fate === 'refused connection') return this.#after(wayMs, lost)
    switch (fate) {
      case 'lost':
        return this.#after(TIMEOUT_MS, lost)
      case 'late':
        void arrive(TIMEOUT_MS + this.#random.below(LATE_MAX_MS - TIMEOUT_MS))
        return this.#after(TIMEOUT_MS, lost)
      case 'answer lost':
        void arrive(wayMs)
        return this.#after(TIMEOUT_MS, lost)
      case 'doubled':
        void arrive(this.#random.below(LATE_MAX_MS))
        return arrive(wayMs)
      case 'slow':
        return arrive(this.#random.below(TIMEOUT_MS))
      case 'turned away': {
        const status = this.#random.of(this.hasRefusals ? [...FAILURES, 413, 413, 400, 403] : FAILURES)
        const retryAfterMs =
          status === 429 && this.#random.below(2) === 0 ? this.#random.below(120_000) : null
        return this.#after(wayMs, () => ({ kind: 'answered', status, body: {}, retryAfterMs }))
      }
      case 'fails after':
        await arrive(wayMs)
        return { kind: 'answered', status: 502, body: null, retryAfterMs: null }
      case 'arrives':
        return arrive(wayMs)
      default:
        return assertNever(fate)
    }
  }

  #fate(): Fate {
    if (!this.hasFaults || this.#random.below(100) < 55) return 'arrives'
    return this.#random.of([
      'refused connection',
      'lost',
      'late',
      'answer lost',
      'answer lost',
      'doubled',
      'doubled',
      'slow',
      'turned away',
      'fails after',
    ] as const)
  }

  /** A life that ends while it answers has not answered. */
  async #arrive(
    from: Host,
    to: ServerName,
    txnId: string,
    content: JsonObject,
    afterMs: Millis,
  ): Promise<Outcome> {
    await this.#way(from, afterMs)
    const host = this.#host(to)
    if (host === null || !host.isListening) return lost()
    const text = canonicalJson(content)
    const outcome = await answerOf(
      host.receive(from.name, txnId, JSON.parse(text) as JsonObject, text.length),
    )
    return host.isAlive ? outcome : lost()
  }

  #way(from: Host, afterMs: Millis): Promise<void> {
    return new Promise((resolve) => {
      const vanish = (): void => {
        timer.cancel()
        this.#travelling.delete(one)
      }
      const arrive = (): void => {
        vanish()
        resolve()
      }
      const timer = this.#clock.after(afterMs, arrive)
      const one = { from, arrive, vanish }
      this.#travelling.add(one)
    })
  }

  #after(ms: Millis, outcome: () => Outcome): Promise<Outcome> {
    return new Promise((resolve) => void this.#clock.after(ms, () => resolve(outcome())))
  }

  #isCut(a: ServerName, b: ServerName): boolean {
    return (this.#cuts.get([a, b].toSorted().join()) ?? 0) > this.#clock.now()
  }
}

function lost(): Outcome {
  return { kind: 'failed', reason: 'no answer' }
}

async function answerOf(receiving: Promise<JsonObject>): Promise<Outcome> {
  try {
    return { kind: 'answered', status: 200, body: await receiving, retryAfterMs: null }
  } catch (fault) {
    if (!(fault instanceof MatrixError)) throw fault
    return { kind: 'answered', status: fault.status, body: {}, retryAfterMs: null }
  }
}
