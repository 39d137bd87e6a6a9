import { settle } from '../../../test/support/manual-clock.ts'
import type { Clock } from '../clock.ts'
import type { Fetch } from '../request.ts'

export interface Seen {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly body: unknown
  readonly token: string | null
  readonly ts: number
}

export interface Answer {
  readonly status?: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** `network`: the connection fails; `hang`: nothing ever comes. */
export type Outcome = Answer | 'network' | 'hang'

type Handler = (seen: Seen) => Outcome | Promise<Outcome>

interface Poll {
  readonly seen: Seen
  readonly answer: (outcome: Outcome) => void
}

export const OWN_ID = '@me:hs'

/** Enough of a homeserver behind a `fetch`, on a clock that stands still. Syncs park until something is told. */
export class FakeServer {
  readonly seen: Seen[] = []
  /** `unstable_features` of `/versions`. */
  flags: Record<string, boolean> = {}
  /** What an initial sync tells. */
  initial: object = {}
  /** Polls that wait. */
  polls: Poll[] = []
  /** Polls whose client went away. */
  aborted = 0
  readonly #clock: Clock
  readonly #handlers: { readonly what: RegExp; readonly handler: Handler; times: number }[] = []
  #batch = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The next requests whose `METHOD path` fits are answered so. Later ones go first. */
  next(what: RegExp, outcome: Outcome | Handler, times = 1): void {
    const handler = typeof outcome === 'function' ? outcome : (): Outcome => outcome
    this.#handlers.unshift({ what, handler, times })
  }

  always(what: RegExp, outcome: Outcome | Handler): void {
    this.next(what, outcome, Infinity)
  }

  /** Takes back what `next` and `always` said. */
  heal(): void {
    this.#handlers.length = 0
  }

  requests(what: RegExp): Seen[] {
    return this.seen.filter(({ method, path }) => what.test(`${method} ${path}`))
  }

  get puts(): Seen[] {
    return this.requests(/^PUT .*\/status$/)
  }

  get syncs(): Seen[] {
    return this.requests(/\/sync$/)
  }

  /** Answers every poll that waits. */
  async tells(body: object): Promise<void> {
    const polls = this.polls
    this.polls = []
    this.#batch += 1
    for (const { answer } of polls) answer({ body: { next_batch: `b${this.#batch}`, ...body } })
    await settle()
  }

  async tellsPresence(...events: readonly object[]): Promise<void> {
    await this.tells({ presence: { events } })
  }

  readonly fetch: Fetch = async (input, init) => {
    const url = new URL(input)
    const seen: Seen = {
      method: init.method ?? 'GET',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
      token: new Headers(init.headers).get('authorization')?.replace('Bearer ', '') ?? null,
      ts: this.#clock.now(),
    }
    this.seen.push(seen)
    const outcome = await this.#outcome(seen, init.signal ?? null)
    if (outcome === 'network') throw new TypeError('fetch failed')
    if (outcome === 'hang') return aborted(init.signal ?? null)
    const { status = 200, body = {}, headers = {} } = outcome
    return Response.json(body, { status, headers })
  }

  async #outcome(seen: Seen, signal: AbortSignal | null): Promise<Outcome> {
    const special = this.#handlers.find(
      ({ what, times }) => times > 0 && what.test(`${seen.method} ${seen.path}`),
    )
    if (special !== undefined) {
      special.times -= 1
      return special.handler(seen)
    }
    if (seen.path.endsWith('/versions'))
      return { body: { versions: ['v1.12'], unstable_features: this.flags } }
    if (!seen.path.endsWith('/sync')) return { body: {} }
    if (seen.query['since'] === undefined) return { body: { next_batch: 'b0', ...this.initial } }
    if (seen.query['timeout'] === '0') return { body: { next_batch: seen.query['since'] } }
    return this.#park(seen, signal)
  }

  #park(seen: Seen, signal: AbortSignal | null): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const answer = (outcome: Outcome): void => {
        timer.cancel()
        resolve(outcome)
      }
      const poll = { seen, answer }
      this.polls.push(poll)
      const end = (): void => void (this.polls = this.polls.filter((each) => each !== poll))
      const timer = this.#clock.after(Number(seen.query['timeout']), () => {
        end()
        answer({ body: { next_batch: seen.query['since'] } })
      })
      signal?.addEventListener('abort', () => {
        timer.cancel()
        end()
        this.aborted += 1
        reject(signal.reason as Error)
      })
    })
  }
}

function aborted(signal: AbortSignal | null): Promise<never> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason as Error))
  })
}

export function presenceEvent(sender: string, content: object): object {
  return { type: 'm.presence', sender, content: { presence: 'online', ...content } }
}

export function inviteEvent(
  direction: 'incoming' | 'outgoing',
  other: string,
  state: string,
  ts = 1,
): object {
  const [observer, observed] = direction === 'incoming' ? [other, OWN_ID] : [OWN_ID, other]
  return {
    type: 'dev.adsum.presence_lists.invite',
    sender: other,
    content: { observer_user: observer, observed_user: observed, direction, state, ts },
  }
}

/** An answer that comes when the test says so. */
export function later(): {
  readonly handler: () => Promise<Outcome>
  comes: (outcome: Outcome) => Promise<void>
} {
  let resolve: (outcome: Outcome) => void = () => {}
  const answer = new Promise<Outcome>((done) => (resolve = done))
  return {
    handler: () => answer,
    comes: async (outcome) => {
      resolve(outcome)
      await settle()
    },
  }
}
