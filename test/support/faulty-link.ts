import type { JsonObject } from '../../src/matrix/json.ts'
import type { Authority } from './certificate.ts'
import { listenTls, objectIn, TlsCaller, type Answered, type Received, type TlsHost } from './tls-host.ts'

/** What becomes of an exchange. Held ones go on at `release`; what was lost on the way may still be delivered by `replays`. */
export type Fault =
  | 'lose request'
  | 'lose answer'
  | 'twice'
  | 'hold request'
  | 'hold answer'
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }

export interface WireEdu {
  readonly edu_type: string
  readonly content: JsonObject
}

/** A request to a server and what became of it. */
export interface Exchange {
  /** When it came, on the clock of the house. */
  readonly elapsedMs: number
  /** As its X-Matrix header says. */
  readonly origin: string | null
  readonly destination: string
  readonly received: Received
  /** Of `PUT …/send/{txnId}`. */
  readonly txnId: string | null
  readonly edus: readonly WireEdu[]
  fault: Fault | null
  /** What the server answered, whether or not that arrived; null as long as it did not. */
  answered: { readonly status: number; readonly body: JsonObject } | null
}

export interface LinkDeps {
  /** The server behind it. */
  readonly name: string
  readonly authority: Authority
  /** Where it listens, null while it is down. */
  readonly port: () => number | null
  readonly elapsedMs: () => number
  /** Killed ones neither send nor answer any more. */
  readonly isDead: (server: string) => boolean
}

const ORIGIN = /\borigin="?([^",]+)/
const SEND = /^\/_matrix\/federation\/v1\/send\/([^/?]+)\/?$/

/** A man in the middle before one server: ends TLS under its name, sees everything, and can do what bad networks do. */
export class FaultyLink {
  readonly name: string
  readonly exchanges: Exchange[] = []
  /** Asked for each exchange as it arrives. */
  rule: (exchange: Exchange) => Fault | null = () => null
  readonly #deps: LinkDeps
  readonly #caller: TlsCaller
  readonly #held = new Set<() => void>()
  #open = 0
  #host: TlsHost | null = null

  constructor(deps: LinkDeps) {
    this.name = deps.name
    this.#deps = deps
    this.#caller = new TlsCaller(deps.authority)
  }

  async listens(): Promise<void> {
    const certificate = this.#deps.authority.issue([this.name])
    this.#host = await listenTls(certificate, (received) => this.#passes(received))
  }

  get port(): number {
    return this.#running.port
  }

  /** Is something on its way that will arrive without anybody's doing? */
  get isBusy(): boolean {
    return this.#open > this.#held.size
  }

  /** Is a connection being made? */
  get isGreeting(): boolean {
    return this.#running.greeting > 0
  }

  get held(): number {
    return this.#held.size
  }

  get connections(): number {
    return this.#running.connections
  }

  /** The `PUT …/send` among the exchanges, of one origin if named. */
  transactions(origin?: string): Exchange[] {
    return this.exchanges.filter(
      (each) => each.txnId !== null && (origin === undefined || each.origin === origin),
    )
  }

  /** Their EDUs, in order; repeated ones once more. */
  edus(type?: string, origin?: string): WireEdu[] {
    return this.transactions(origin).flatMap(({ edus }) =>
      edus.filter(({ edu_type }) => type === undefined || edu_type === type),
    )
  }

  /** The next transactions meet with these faults, one each. */
  next(...faults: readonly (Fault | null)[]): void {
    const waiting = [...faults]
    this.rule = ({ txnId }) => (txnId === null ? null : (waiting.shift() ?? null))
  }

  /** From now on every transaction, or nothing more. */
  always(fault: Fault | null): void {
    this.rule = ({ txnId }) => (txnId === null ? null : fault)
  }

  /** The server cannot be reached at all, keys included; null mends it. */
  everything(fault: Fault | null): void {
    this.rule = () => fault
  }

  /** What is held goes on. */
  release(): void {
    for (const goesOn of this.#held) goesOn()
    this.#held.clear()
  }

  /** It arrives once more, as a network may deliver late what it seemed to have lost. */
  async replays({ received }: Exchange): Promise<Answered | null> {
    return this.#forward(received)
  }

  /** Breaks every connection. */
  cut(): void {
    this.#running.cut()
  }

  async close(): Promise<void> {
    this.release()
    this.#caller.close()
    await this.#running.close()
  }

  get #running(): TlsHost {
    if (this.#host === null) throw new Error('the link does not listen')
    return this.#host
  }

  async #passes(received: Received): Promise<Answered | null> {
    const exchange = this.#record(received)
    const { origin } = exchange
    if (this.#deps.isDead(this.name) || (origin !== null && this.#deps.isDead(origin))) return null
    exchange.fault = this.rule(exchange)
    this.#open += 1
    try {
      return await this.#suffers(exchange, received)
    } finally {
      this.#open -= 1
    }
  }

  async #suffers(exchange: Exchange, received: Received): Promise<Answered | null> {
    const { fault } = exchange
    if (fault === 'lose request') return null
    if (fault !== null && typeof fault === 'object')
      return { status: fault.status, headers: fault.headers ?? {}, body: '{}' }
    if (fault === 'hold request') await this.#hold()
    if (fault === 'twice') await this.#forward(received)
    const answered = await this.#forward(received)
    if (answered !== null)
      exchange.answered = {
        status: answered.status,
        body: objectIn(Buffer.from(answered.body)) as JsonObject,
      }
    if (fault === 'hold answer') await this.#hold()
    return fault === 'lose answer' || this.#deps.isDead(this.name) ? null : answered
  }

  #record(received: Received): Exchange {
    const header = received.headers['authorization']
    const origin = typeof header === 'string' ? (ORIGIN.exec(header)?.[1] ?? null) : null
    const txnId = received.method === 'PUT' ? (SEND.exec(received.uri)?.[1] ?? null) : null
    const { edus } = objectIn(received.body) as { edus?: WireEdu[] }
    const exchange = {
      elapsedMs: this.#deps.elapsedMs(),
      origin,
      destination: this.name,
      received,
      txnId,
      edus: edus ?? [],
      fault: null,
      answered: null,
    }
    this.exchanges.push(exchange)
    return exchange
  }

  async #forward({ method, uri, headers, body }: Received): Promise<Answered | null> {
    const port = this.#deps.port()
    if (port === null) return null
    const { connection: _, ...kept } = headers
    return this.#caller.send({ method, uri, headers: kept, body }, { name: this.name, port })
  }

  #hold(): Promise<void> {
    return new Promise((goesOn) => void this.#held.add(goesOn))
  }
}
