import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JsonObject } from '../../src/matrix/json.ts'
import { until, type ManualClock } from './manual-clock.ts'

const STATES: ReadonlySet<unknown> = new Set(['online', 'unavailable', 'offline'])

/** What every Matrix server has of presence, and not a word more; texts are wiped by a PUT without one, as elsewhere. */
export class StandardServer {
  readonly puts: JsonObject[] = []
  readonly unrecognized: string[] = []
  readonly #users = new Map<string, JsonObject>()
  readonly #waiting = new Set<() => void>()
  readonly #clock: ManualClock
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response))
  #seq = 0

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  /** Time passes in steps that leave this many clients the time to come back to their polls. */
  async passes(ms: number, clients: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 5_000) {
      await this.#clock.advance(Math.min(5_000, ms - passed))
      await until(() => this.#waiting.size === clients, `${clients} polls`)
    }
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', 'http://hs')
    const userId = decodeURIComponent(request.headers.authorization?.replace('Bearer ', '') ?? '')
    const [, of] = /\/v3\/presence\/([^/]+)\/status$/.exec(url.pathname) ?? []
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (url.pathname === '/_matrix/client/versions') reply(200, { versions: ['v1.1'] })
    else if (of !== undefined && request.method === 'PUT') {
      const body = (await json(request)) as JsonObject
      this.puts.push(body)
      if (!STATES.has(body['presence'])) return reply(400, { errcode: 'M_BAD_JSON', error: 'No such state' })
      this.#publish(userId, body)
      reply(200, {})
    } else if (of !== undefined)
      reply(200, this.#users.get(decodeURIComponent(of))?.['content'] ?? { presence: 'offline' })
    else if (url.pathname === '/_matrix/client/v3/sync')
      await this.#sync(userId, url.searchParams, response, reply)
    else {
      this.unrecognized.push(`${request.method} ${url.pathname}`)
      reply(404, { errcode: 'M_UNRECOGNIZED', error: 'Unrecognized request' })
    }
  }

  async #sync(
    userId: string,
    query: URLSearchParams,
    response: ServerResponse,
    reply: (status: number, body: unknown) => void,
  ): Promise<void> {
    const before = this.#users.get(userId)?.['content'] as JsonObject | undefined
    const presence = query.get('set_presence') ?? 'online'
    if (presence !== 'offline' && before?.['presence'] !== presence)
      this.#publish(userId, { ...before, presence })
    const since = Number(query.get('since') ?? 0)
    const news = (): JsonObject[] => [...this.#users.values()].filter(({ seq }) => Number(seq) > since)
    if (news().length === 0 && query.get('timeout') !== '0')
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake)
          resolve()
        }
        this.#waiting.add(wake)
        this.#clock.after(Number(query.get('timeout')), wake)
        response.on('close', wake)
      })
    const events = news().map(({ sender, content }) => ({ type: 'm.presence', sender, content }))
    reply(200, { next_batch: String(this.#seq), presence: { events }, rooms: {} })
  }

  #publish(userId: string, content: JsonObject): void {
    this.#seq += 1
    this.#users.set(userId, { seq: this.#seq, sender: userId, content })
    for (const wake of this.#waiting) wake()
  }
}

async function json(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return JSON.parse(text)
}
