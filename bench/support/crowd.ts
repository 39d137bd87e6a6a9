import { openPoller, type Answer, type Poller } from './poller.ts'
import { nextBatchOf, poll } from './requests.ts'
import { parkedIn, type Target } from './target.ts'

/** Connections opened at once: fewer than a listening socket queues. */
const CONNECT_PARALLEL = 100
/** The longest that a poll may wait: a whole bench is shorter. */
const POLL_MS = 300_000
/** How often to ask whether everybody waits again, and how long to believe in it. */
const PARKED_CHECK_MS = 10
const PARKED_MAX_MS = 60_000

/** What one change caused. */
export interface Round {
  /** Until each answer, from the moment of the change. */
  readonly latenciesMs: readonly number[]
  readonly bodyBytes: number
}

/** Users 0 … size-1, each with one poll waiting at the target, who poll again as soon as they are answered. */
export class Crowd {
  readonly size: number
  /** Answers that all of them got so far. */
  deliveries = 0
  readonly #target: Target
  readonly #nextBatch: string[]
  #pollers: Poller[] = []
  #releaser: Poller | null = null
  #failure: Error | null = null
  #onDelivery: (answer: Answer) => void = () => {}

  constructor(target: Target, size: number) {
    this.#target = target
    this.size = size
    this.#nextBatch = Array.from({ length: size }, () => target.firstBatch)
  }

  /** Connects everybody and returns when all of them wait. */
  async park(): Promise<void> {
    const { port } = this.#target.child
    while (this.#pollers.length < this.size) {
      const count = Math.min(CONNECT_PARALLEL, this.size - this.#pollers.length)
      const opened = Array.from({ length: count }, () => openPoller(port, (error) => this.#fail(error)))
      for (const poller of await Promise.all(opened)) {
        this.#pollers.push(poller)
        this.#poll(this.#pollers.length - 1)
      }
    }
    await this.allParked()
  }

  /** One change, told to everybody; returns when all of them wait again. */
  async round(number: number): Promise<Round> {
    // Not before everybody waits: a server hangs up on who connects and asks nothing.
    const releaser = (this.#releaser ??= await openPoller(this.#target.child.port, (error) =>
      this.#fail(error),
    ))
    const latenciesMs: number[] = []
    let bodyBytes = 0
    const started = performance.now()
    const all = new Promise<void>((resolve) => {
      this.#onDelivery = ({ body }) => {
        latenciesMs.push(performance.now() - started)
        bodyBytes = body.length
        if (latenciesMs.length === this.size) resolve()
      }
    })
    const released = new Promise<Answer>((resolve) => releaser.ask(this.#target.release(number), resolve))
    const { status, body } = await released
    if (status !== 200) throw new Error(`the change was answered ${status}: ${body}`)
    await this.#inTime(all)
    await this.allParked()
    return { latenciesMs, bodyBytes }
  }

  /** Returns when everybody waits. */
  allParked(): Promise<void> {
    return this.#parkedAre(this.size)
  }

  /** Everybody hangs up. */
  async leave(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.drop()))
    this.#pollers = []
    await this.#parkedAre(0)
  }

  async close(): Promise<void> {
    const all = this.#releaser === null ? this.#pollers : [...this.#pollers, this.#releaser]
    await Promise.all(all.map((poller) => poller.drop()))
  }

  #poll(user: number): void {
    const nextBatch = this.#nextBatch[user] as string
    this.#pollers[user]?.ask(poll(user, nextBatch, POLL_MS), (answer) => {
      if (answer.status !== 200) this.#fail(new Error(`a poll was answered ${answer.status}: ${answer.body}`))
      this.#nextBatch[user] = nextBatchOf(answer.body) || nextBatch
      this.deliveries += 1
      this.#onDelivery(answer)
      this.#poll(user)
    })
  }

  async #parkedAre(count: number): Promise<void> {
    const end = performance.now() + PARKED_MAX_MS
    for (;;) {
      if (this.#failure !== null) throw this.#failure
      const parked = await parkedIn(this.#target)
      if (parked === count) return
      if (performance.now() > end) throw new Error(`${parked} of ${count} requests wait`)
      await pause(PARKED_CHECK_MS)
    }
  }

  /** An answer that never comes must not hang the bench. */
  async #inTime(done: Promise<void>): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => reject(this.#failure ?? new Error('not everybody was answered')),
      PARKED_MAX_MS,
    )
    try {
      await Promise.race([done, promise])
    } finally {
      clearTimeout(timer)
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
