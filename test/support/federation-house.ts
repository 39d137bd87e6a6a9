import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Random } from '../../src/base/random.ts'
import { serverOf, type EventId, type RoomId, type UserId } from '../../src/matrix/ids.ts'
import type { Actor } from './actors.ts'
import { certificateAuthority, type Authority } from './certificate.ts'
import { FaultyLink } from './faulty-link.ts'
import { HostileServer } from './hostile-server.ts'
import { Follower } from './lists.ts'
import { ManualClock, settle } from './manual-clock.ts'
import { Client } from './story.ts'
import { startServer, type Death, type Restart, type TestServer } from './server.ts'

export const HOME = 'home.example'
export const REMOTE = 'remote.example'
export const THIRD = 'third.example'

export interface HouseOptions {
  /** Default `[HOME, REMOTE]`. */
  readonly names?: readonly string[]
  readonly store?: 'memory' | 'sqlite'
  /** For every server, section by section. */
  readonly config?: Readonly<Record<string, object>>
  /** For single servers, over `config`. */
  readonly configs?: Readonly<Record<string, Readonly<Record<string, object>>>>
  /** Signing peers that are no Adsum; the servers know the way to them. */
  readonly hostile?: readonly string[]
  readonly random?: Random
}

/** How two servers see a pair: the observer's entry and the observed user's grant. */
export type Sides = readonly [entry: string, grant: string]

/** What a pair may look like when everything was delivered (PRESENCE-SPEC §5.5). */
const AGREEMENT = new Set(['absent absent', 'absent ignored', 'pending pending', 'accepted granted'])

/** Whatever takes more turns of the event loop hangs. */
const TURNS_MAX = 500_000
const CALM_TURNS = 40
/** Where something is held, nobody knows who waits for that and who is about to go on. */
const CALM_TURNS_HELD = 300
const STOP_STEP_MS = 1_000

export async function openFederation(options: HouseOptions = {}): Promise<FederationHouse> {
  const house = new FederationHouse(options)
  await house.opens()
  return house
}

/**
 * Several whole servers, each with its own clock, that reach each other over real TLS and through a faulty link each. All
 * clocks go on together, and only when the network is quiet.
 */
export class FederationHouse {
  readonly authority: Authority = certificateAuthority()
  readonly servers = new Map<string, TestServer>()
  readonly links = new Map<string, FaultyLink>()
  readonly hostile = new Map<string, HostileServer>()
  readonly #options: HouseOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'adsum-federation-'))
  readonly #clocks = new Map<string, ManualClock>()
  readonly #dead = new Set<string>()
  readonly #stopped = new Set<string>()
  readonly #clients: { readonly client: Client; readonly at: string }[] = []
  readonly #back = new Map<string, PromiseWithResolvers<void>>()
  #elapsedMs = 0

  constructor(options: HouseOptions) {
    this.#options = options
  }

  /** Time since the house opened; every clock shows another time of day. */
  get elapsedMs(): number {
    return this.#elapsedMs
  }

  async opens(): Promise<void> {
    const { names = [HOME, REMOTE], hostile = [] } = this.#options
    writeFileSync(this.#caFile, this.authority.cert)
    for (const [index, name] of names.entries()) {
      // Nobody's clock is right.
      this.#clocks.set(name, new ManualClock(Date.UTC(2015, 9, 2, 12, index * 7, index * 13)))
      this.links.set(name, this.#link(name))
    }
    for (const link of this.links.values()) await link.listens()
    for (const name of hostile) {
      const peer = new HostileServer({
        name,
        authority: this.authority,
        now: () => this.#clock(names[0] ?? HOME).now(),
      })
      this.hostile.set(name, peer)
      await peer.listens()
    }
    for (const name of names) this.servers.set(name, await this.#start(name))
  }

  server(name: string): TestServer {
    return had(this.servers.get(name), name)
  }

  /** The road to this server. */
  link(name: string): FaultyLink {
    return had(this.links.get(name), name)
  }

  peer(name: string): HostileServer {
    return had(this.hostile.get(name), name)
  }

  registers(name: string, at: string): Promise<Actor> {
    return this.server(at).registers(name)
  }

  /** A client, not open yet, that polls by itself while it is open; it bears that its server goes away and comes back. */
  client(actor: Actor): Client {
    const at = serverOf(actor.userId as UserId)
    const client = new Client(actor, () => this.#back.get(at)?.promise ?? null)
    this.#clients.push({ client, at })
    return client
  }

  /** Users of other servers are in this room, as if they had joined; the server has to start again to know. */
  async plants(name: string, roomId: string, ...userIds: readonly string[]): Promise<void> {
    const { store } = this.server(name)
    const [host] = await store.members(roomId as RoomId)
    const { eventId, pos } = host ?? { eventId: '$planted' as EventId, pos: 1 }
    const row = { roomId: roomId as RoomId, membership: 'join', eventId, pos, forgotten: 0 } as const
    await store.commit(
      userIds.map((userId) => ({ put: 'memberships', row: { ...row, userId: userId as UserId } })),
    )
    await this.restarts(name)
  }

  /** Lets everything happen that needs no more time. */
  async quiet(): Promise<void> {
    let calm = 0
    for (let turns = 0; turns < TURNS_MAX; turns += 1) {
      await settle(1)
      calm = this.#isBusy() ? 0 : calm + 1
      if (calm >= (this.#isHeld() ? CALM_TURNS_HELD : CALM_TURNS)) return
    }
    throw new Error('the network never got quiet')
  }

  /** All clocks go on, from timer to timer, and the network gets quiet after each. */
  async advance(ms: number): Promise<void> {
    await this.quiet()
    const end = this.#elapsedMs + ms
    for (let atOnce = 0; atOnce < 10_000;) {
      const wait = this.#untilNextTimer()
      if (this.#elapsedMs + wait > end) {
        await this.#moves(end - this.#elapsedMs)
        return
      }
      atOnce = wait === 0 ? atOnce + 1 : 0
      await this.#moves(wait)
    }
    throw new Error('timers without end at one moment')
  }

  /** The observer's side and the observed user's, as the two stores have them. */
  async sides(observer: Actor, observed: Actor): Promise<Sides> {
    const [by, of] = [observer.userId as UserId, observed.userId as UserId]
    const entry = await this.server(serverOf(by)).store.presenceEntry(by, of)
    const grant = await this.server(serverOf(of)).store.presenceGrant(of, by)
    return [entry?.state ?? 'absent', grant?.state ?? 'absent']
  }

  /** Both sides say the same of the pair, and nothing waits to be said of it. */
  async agrees(observer: Actor, observed: Actor, expected?: string): Promise<void> {
    const sides = (await this.sides(observer, observed)).join(' ')
    expect(AGREEMENT, `${observer.userId} → ${observed.userId}: ${sides}`).toContain(sides)
    if (expected !== undefined) expect(sides).toBe(expected)
    for (const { name, store } of this.servers.values())
      for (const other of await store.listOutboxServers())
        expect(await store.listOutbox(other, 10), `outbox of ${name} at ${this.#elapsedMs}`).toEqual([])
  }

  /** From invite to accept, delivered. */
  async follows(observer: Actor, observed: Actor): Promise<void> {
    await new Follower(observer).invites(observed)
    await this.quiet()
    const reply = await new Follower(observed).accepts(observer)
    expect(reply.status, reply.text).toBe(200)
    await this.quiet()
    await this.agrees(observer, observed, 'accepted granted')
  }

  /** As if the process had been killed: it says nothing more, hears nothing more and stores nothing more. */
  async kills(name: string): Promise<void> {
    this.#declareDead(name)
    await this.#stop(name, 'unclean')
  }

  /** The same at a commit to come; `kills` makes it complete. */
  diesAt(name: string, death: Death): { readonly isDead: boolean; spare(): void } {
    const dead = this.#dead
    const server = this.server(name)
    server.dies(death, () => this.#declareDead(name))
    return {
      get isDead() {
        return dead.has(name)
      },
      spare: () => server.dies(null, () => {}),
    }
  }

  async stops(name: string): Promise<void> {
    await this.#stop(name, 'clean')
    this.#declareDead(name)
  }

  async starts(name: string): Promise<void> {
    await this.server(name).starts()
    this.#stopped.delete(name)
    await this.#returns(name)
  }

  async restarts(name: string, { end = 'clean', config }: Restart = {}): Promise<void> {
    if (end === 'unclean') this.#declareDead(name)
    this.#goes(name)
    await this.#passes(this.server(name).restarts({ end, ...(config && { config }) }))
    await this.#returns(name)
  }

  /** Nothing that happened was a fault of ours. */
  async close(): Promise<void> {
    for (const { client } of this.#clients) client.closes()
    for (const link of this.links.values()) link.release()
    for (const peer of this.hostile.values()) peer.release()
    await Promise.all([...this.servers.values()].map((server) => server.close()))
    for (const link of this.links.values()) await link.close()
    for (const peer of this.hostile.values()) await peer.close()
    rmSync(this.#folder, { recursive: true, force: true })
    for (const server of this.servers.values()) expect(server.faults).toEqual([])
    for (const { client } of this.#clients) expect(client.failure).toBeNull()
  }

  get #caFile(): string {
    return join(this.#folder, 'ca.pem')
  }

  #link(name: string): FaultyLink {
    return new FaultyLink({
      name,
      authority: this.authority,
      port: () => (this.#stopped.has(name) ? null : (this.servers.get(name)?.federationPort ?? null)),
      elapsedMs: () => this.#elapsedMs,
      isDead: (server) => this.#dead.has(server),
    })
  }

  #start(name: string): Promise<TestServer> {
    const { store = 'memory', config = {}, configs = {}, random } = this.#options
    const routes = [...this.links.values(), ...this.hostile.values()].map((each) => [
      each.name,
      `127.0.0.1:${each.port}`,
    ])
    const own = { ...config, ...configs[name] }
    const federation = {
      ca_file: this.#caFile,
      destinations: Object.fromEntries(routes) as Record<string, string>,
      ...own['federation'],
    }
    return startServer({
      name,
      store,
      clock: this.#clock(name),
      certificate: this.authority.issue([name]),
      config: { ...own, federation },
      ...(random && { random }),
    })
  }

  #clock(name: string): ManualClock {
    return had(this.#clocks.get(name), name)
  }

  #declareDead(name: string): void {
    this.#dead.add(name)
    this.link(name).cut()
  }

  /** Clients that lose their server from here on wait for it. */
  #goes(name: string): void {
    if (!this.#back.has(name)) this.#back.set(name, Promise.withResolvers())
  }

  async #returns(name: string): Promise<void> {
    this.#dead.delete(name)
    const back = this.#back.get(name)
    this.#back.delete(name)
    back?.resolve()
    await this.quiet()
  }

  async #stop(name: string, end: 'clean' | 'unclean'): Promise<void> {
    this.#goes(name)
    await this.#passes(this.server(name).stops(end))
    this.#stopped.add(name)
    await this.quiet()
  }

  /** A server that stops waits a little for what is under way; while something is held, that takes time. */
  async #passes(work: Promise<void>): Promise<void> {
    const state = { isOver: false }
    const over = work.finally(() => (state.isOver = true))
    while (this.#isHeld()) {
      await settle(100)
      if (state.isOver) break
      this.#elapsedMs += STOP_STEP_MS
      for (const clock of this.#clocks.values()) await clock.advance(STOP_STEP_MS)
    }
    await over
  }

  #untilNextTimer(): number {
    let wait = Number.POSITIVE_INFINITY
    for (const clock of this.#clocks.values()) {
      const { nextDue } = clock
      if (nextDue !== null) wait = Math.min(wait, Math.max(0, nextDue - clock.now()))
    }
    return wait
  }

  async #moves(ms: number): Promise<void> {
    this.#elapsedMs += ms
    for (const clock of this.#clocks.values()) {
      const end = clock.now() + ms
      // What one clock's timers set off may set timers on the next one: no time passes for what is under way.
      for (let due = clock.nextDue; due !== null && due <= end; due = clock.nextDue) {
        await clock.advance(Math.max(0, due - clock.now()))
        await this.quiet()
      }
      await clock.advance(end - clock.now())
    }
    await this.quiet()
  }

  #isHeld(): boolean {
    return [...this.links.values(), ...this.hostile.values()].some(({ held }) => held > 0)
  }

  #isBusy(): boolean {
    const roads = [...this.links.values(), ...this.hostile.values()]
    if (roads.some(({ isGreeting }) => isGreeting)) return true
    // A request that waits for something held, here or elsewhere, is as quiet as it gets.
    if (this.#isHeld()) return false
    if (roads.some(({ isBusy }) => isBusy)) return true
    for (const [name, server] of this.servers) {
      if (this.#stopped.has(name)) continue
      if (server.inFlight > server.waiting || server.waiting < this.#polling(name)) return true
    }
    return false
  }

  #polling(name: string): number {
    return this.#clients.filter(({ client, at }) => at === name && client.isOpen && client.failure === null)
      .length
  }
}

function had<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`there is no ${name}`)
  return value
}
