import { expect } from 'vitest'
import { presenceOf, type Actor, type PresenceEvent, type Reply, type SyncParams } from './actors.ts'
import { until } from './manual-clock.ts'
import { startServer, type Restart, type ServerOptions, type TestServer } from './server.ts'

/** How far the clock moves before everybody has come to rest again: clients come back this late at most. */
const STEP_MS = 5_000
const POLL_MS = 30_000

/** A client of any kind that waits for news whenever it is open. */
export interface Poller {
  readonly isOpen: boolean
  readonly failure: Error | null
  closes(): void
}

/** People with clients that poll by themselves while the time passes, at one server. */
export class Story {
  readonly server: TestServer
  readonly #clients = new Set<Poller>()
  #back: PromiseWithResolvers<void> | null = null

  constructor(server: TestServer) {
    this.server = server
  }

  /** Somebody new, at a first device whose client is not open yet. */
  async person(name: string): Promise<Client> {
    return this.client(await this.server.registers(name, { deviceId: `${name}-1` }))
  }

  /** A client, not open yet, for a device that is logged in. */
  client(actor: Actor): Client {
    return this.admits(new Client(actor, this.serverIsBack))
  }

  /** A client of another kind. */
  admits<Kind extends Poller>(client: Kind): Kind {
    this.#clients.add(client)
    return client
  }

  /** What to wait for when the server does not answer; null if there is no reason that it does not. */
  readonly serverIsBack = (): Promise<void> | null => this.#back?.promise ?? null

  /** The same person at another device. */
  async another(client: Client, deviceId: string): Promise<Client> {
    return this.client(await this.server.logsIn(client.actor, deviceId))
  }

  /** Brings people into a room that anybody may enter, and gives its ID. */
  async meet(host: Client, ...guests: Client[]): Promise<string> {
    const roomId = await host.actor.creates({ preset: 'public_chat' })
    for (const { actor } of guests) await actor.joins(roomId)
    return roomId
  }

  /** The time goes on by `ms`; `meanwhile` is done after each step of five seconds. */
  async passes(ms: number, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await this.rest()
    for (let left = ms; left > 0; left -= STEP_MS) {
      await this.server.clock.advance(Math.min(left, STEP_MS))
      await this.rest()
      await meanwhile()
    }
  }

  /** Until every open client waits for news again; no time passes. */
  async rest(): Promise<void> {
    const open = (): Poller[] => [...this.#clients].filter(({ isOpen }) => isOpen)
    const failure = (): Error | null => open().find((client) => client.failure !== null)?.failure ?? null
    // Who is logged out meanwhile will not wait any more.
    const isAtRest = (): boolean => this.server.waiting === open().length || failure() !== null
    await until(isAtRest, 'every client at rest')
    const failed = failure()
    if (failed !== null) throw failed
  }

  /** Clients notice, and try again when the server is back. */
  async restarts(options?: Restart): Promise<void> {
    const back = Promise.withResolvers<void>()
    this.#back = back
    await this.server.restarts(options)
    this.#back = null
    back.resolve()
    await this.rest()
  }

  async ends(): Promise<void> {
    for (const client of this.#clients) client.closes()
    await this.server.close()
    expect([...this.#clients].flatMap(({ failure }) => failure ?? [])).toEqual([])
    expect(this.server.complaints).toEqual([])
  }
}

export async function tellStory(options: ServerOptions = {}): Promise<Story> {
  return new Story(await startServer(options))
}

/** A client that, while it is open, polls again as soon as it has an answer, as all clients do. */
export class Client {
  readonly actor: Actor
  /** Every answer of the server to a poll, as sent. */
  readonly answers: string[] = []
  isOpen = false
  /** The server said that the device is logged out. */
  isLoggedOut = false
  failure: Error | null = null
  readonly #heard: PresenceEvent[] = []
  readonly #serverIsBack: () => Promise<void> | null
  #params: SyncParams = {}
  #abort: () => void = () => {}
  #run = 0

  constructor(actor: Actor, serverIsBack: () => Promise<void> | null) {
    this.actor = actor
    this.#serverIsBack = serverIsBack
  }

  get name(): string {
    return this.actor.name
  }

  get userId(): string {
    return this.actor.userId
  }

  /** Catches up at once, then waits for news, again and again; `params` go with every poll until told otherwise. */
  async opens(params: SyncParams = {}): Promise<void> {
    this.closes()
    this.#params = params
    this.#note(await this.actor.syncs(params))
    this.isOpen = true
    void this.#polls((this.#run += 1))
  }

  /** What Element does: the parameter changes with the next poll, and the running one is given up for it. */
  async reports(setPresence: string): Promise<void> {
    await this.opens({ ...this.#params, set_presence: setPresence })
  }

  /** The app is closed or the connection lost: the poll is cut, nothing is said. */
  closes(): void {
    this.#run += 1
    this.isOpen = false
    this.#abort()
  }

  /** From this device; whatever else it was doing ends with it. */
  async logsOut(): Promise<void> {
    const wasOpen = this.isOpen
    await this.actor.ok('POST', '/v3/logout', { body: {} })
    if (wasOpen) await until(() => this.isLoggedOut, `${this.actor.deviceId} is told that it is logged out`)
  }

  /** What the server told since the last question, in words: `online, active, "in a call", as Alice`. */
  hears(of: Pick<Client, 'userId'>): string[] {
    const mine = this.#heard.filter(({ sender }) => sender === of.userId)
    const others = this.#heard.filter(({ sender }) => sender !== of.userId)
    this.#heard.splice(0, this.#heard.length, ...others)
    return mine.map(({ content }) => inWords(content))
  }

  /** Everybody of whom something was told since the last question, once for each telling. */
  hearsOf(): string[] {
    return this.#heard.splice(0).map(({ sender }) => sender)
  }

  /** What it would show of the other: the latest that it was told. */
  seenOf(other: Pick<Client, 'userId'>): string {
    const content = this.actor.seen.get(other.userId)
    return content === undefined ? 'nothing' : inWords(content)
  }

  /** What `GET status` says now. */
  async asks(of: Client): Promise<string> {
    const reply = await this.actor.status(of.actor)
    return reply.status === 200
      ? inWords(reply.body as unknown as PresenceEvent['content'])
      : (reply.body['errcode'] as string)
  }

  async #polls(run: number): Promise<void> {
    while (run === this.#run) {
      try {
        await this.#poll(run)
      } catch (error) {
        if (run !== this.#run) return
        const back = this.#serverIsBack()
        if (back === null) this.failure = error as Error
        if (back === null) return
        await back
      }
    }
  }

  async #poll(run: number): Promise<void> {
    const poll = this.actor.polls({ timeout: POLL_MS, ...this.#params })
    this.#abort = poll.abort
    const reply = await poll.reply
    if (run !== this.#run) return
    if (reply.status === 401) {
      this.isLoggedOut = true
      this.closes()
      return
    }
    this.#note(await poll.body, reply)
  }

  #note(body: Reply['body'], reply?: Reply): void {
    this.answers.push(reply?.text ?? JSON.stringify(body))
    this.#heard.push(...presenceOf(body))
  }
}

function inWords(content: PresenceEvent['content']): string {
  const parts = [content.presence]
  if (content.currently_active === true) parts.push('active')
  if (content.status_msg !== undefined) parts.push(`"${content.status_msg}"`)
  if (content.displayname !== undefined) parts.push(`as ${content.displayname}`)
  return parts.join(', ')
}
