import {
  audibleDestinations,
  composeNeighbours,
  joinEdus,
  type Neighbours,
} from '../../src/app/compose-neighbours.ts'
import { composePresenceLists, type PresenceListParts } from '../../src/app/compose-presence-lists.ts'
import { composePresence, type PresenceCore } from '../../src/app/compose-presence.ts'
import { readConfig } from '../../src/app/config.ts'
import type { Config } from '../../src/app/options.ts'
import { BOUNDS } from '../../src/app/bounds.ts'
import type { Clock, Millis } from '../../src/base/clock.ts'
import type { Random } from '../../src/base/random.ts'
import { INBOUND_BOUNDS, OUTBOUND_BOUNDS } from '../../src/federation/bounds.ts'
import { createInbound, type Inbound } from '../../src/federation/inbound.ts'
import { createOutbound, type Outbound } from '../../src/federation/outbound.ts'
import type { Outcome, SignedRequest } from '../../src/federation/transport.ts'
import { createStream } from '../../src/homeserver/stream.ts'
import type { RoomId, ServerName, UserId } from '../../src/matrix/ids.ts'
import { serverOf } from '../../src/matrix/ids.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Directory } from '../../src/ports/directory.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Store, Write } from '../../src/ports/store.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { createPresenceEvents } from '../../src/service/presence-events.ts'
import { createPresenceSection, type PresenceSection } from '../../src/service/presence-section.ts'
import { createPresence, type Presence } from '../../src/service/presence.ts'
import { createRateLimits } from '../../src/service/rate-limit.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Choices } from './list-house.ts'
import { settle, type ManualClock } from './manual-clock.ts'
import type { Host } from './sim-net.ts'

/** A little longer than what is under way may take when a server ends. */
const ENDING_MS = OUTBOUND_BOUNDS.closeMs + 100

export interface Account {
  readonly createdTs: Millis
  isOver: boolean
}

export interface SimServerDeps {
  readonly name: ServerName
  readonly time: ManualClock
  /** Its clock is ahead of the others by this much. */
  readonly skewMs: Millis
  readonly random: Choices
  readonly env: Readonly<Record<string, string>>
  readonly send: (from: Host, request: SignedRequest) => Promise<Outcome>
  /** Rows that became durable. */
  readonly onCommit: (writes: readonly Write[]) => void
}

/** Everything that ends with the process. */
export interface Life extends Host {
  readonly core: PresenceCore
  readonly stream: Stream
  readonly store: Store
  readonly parts: PresenceListParts
  readonly neighbours: Neighbours
  readonly outbound: Outbound
  readonly inbound: Inbound
  readonly section: PresenceSection
  readonly presence: Presence
  isAlive: boolean
  isListening: boolean
  cut(): void
}

/**
 * A whole server but for HTTP, TLS, accounts and rooms: what those would tell it is told by a test. It may be ended, cleanly or
 * not, and started again on the same store.
 */
export class SimServer {
  readonly name: ServerName
  readonly config: Config
  readonly memory: Store = createMemoryStore()
  readonly accounts = new Map<UserId, Account>()
  /** Ignore lists of its users, and the rooms as far as it knows them: durable facts of parts that are not here. */
  readonly ignored = new Map<UserId, ReadonlySet<UserId>>()
  readonly rooms = new Map<RoomId, Set<UserId>>()
  /** When it heard that somebody left, by room and user. */
  readonly leftTs = new Map<string, Millis>()
  readonly errors: string[] = []
  /** Since when it is down, in the world's time; null while it is up. */
  downTs: Millis | null = null
  readonly #deps: SimServerDeps
  #life: Life | null = null

  constructor(deps: SimServerDeps) {
    this.#deps = deps
    this.name = deps.name
    const outcome = readConfig({ files: [], env: { ADSUM_SERVER_NAME: deps.name, ...deps.env } })
    if (outcome.kind === 'problems') throw new Error(outcome.problems.join('\n'))
    this.config = outcome.config
  }

  get isUp(): boolean {
    return this.#life?.isListening ?? false
  }

  get running(): Life | null {
    return this.#life
  }

  get life(): Life {
    if (this.#life === null) throw new Error(`${this.name} does not run`)
    return this.#life
  }

  get now(): Millis {
    return this.#deps.time.now() + this.#deps.skewMs
  }

  /** A server's time as that of the world. */
  worldTs(ts: Millis): Millis {
    return ts - this.#deps.skewMs
  }

  registers(userId: UserId): void {
    this.accounts.set(userId, { createdTs: this.now, isOver: false })
    this.life.core.loop.registered(userId, null)
  }

  /** As the room's events reach this server. */
  hears(roomId: RoomId, userId: UserId, isJoined: boolean): void {
    const members = this.rooms.get(roomId) ?? new Set()
    this.rooms.set(roomId, members)
    if (isJoined) members.add(userId)
    else if (members.delete(userId)) this.leftTs.set(`${roomId} ${userId}`, this.now)
    if (isJoined) this.life.core.loop.joined(roomId, userId)
    else this.life.core.loop.left(roomId, userId)
  }

  ignores(userId: UserId, ignored: ReadonlySet<UserId>): void {
    this.ignored.set(userId, ignored)
    this.life.core.loop.ignores(userId, [...ignored])
  }

  async deactivates(userId: UserId): Promise<void> {
    const account = this.accounts.get(userId)
    if (account === undefined) return
    account.isOver = true
    this.life.core.loop.deactivated(userId)
    await this.life.parts.lists.end(userId)
  }

  /** In the order of `app/app`. */
  async starts(): Promise<void> {
    const life = await this.#compose()
    this.#life = life
    const { core, parts, neighbours } = life
    for (const [roomId, members] of this.rooms) for (const userId of members) core.loop.joined(roomId, userId)
    for (const [userId, ignored] of this.ignored) core.loop.ignores(userId, [...ignored])
    await parts.listExpiry.begin()
    await parts.listRepeats.begin()
    await neighbours.restore()
    core.loop.begin()
    life.isListening = true
    this.downTs = null
    neighbours.begin()
    life.inbound.begin()
    await life.outbound.begin()
    await settle(1)
  }

  /** From here on nothing of it reaches anything. */
  crashes(): void {
    const { life } = this
    life.isListening = false
    life.isAlive = false
    life.cut()
    this.downTs = this.#deps.time.now()
    this.#life = null
  }

  /** As `app/app` stops; takes a moment of everybody's time. */
  async stops(): Promise<void> {
    const { life } = this
    life.isListening = false
    const ending = this.#end(life)
    await settle(1)
    await this.#deps.time.advance(ENDING_MS)
    await ending
    life.isAlive = false
    this.downTs = this.#deps.time.now()
    this.#life = null
  }

  async #end({ parts, outbound, inbound, neighbours, core }: Life): Promise<void> {
    await parts.listExpiry.close()
    await parts.listRepeats.close()
    await outbound.close()
    await inbound.close()
    await neighbours.close()
    core.loop.stop()
    await core.persist.close()
  }

  async #compose(): Promise<Life> {
    const { config, name } = this
    const { send } = this.#deps
    const state = { isAlive: true, isListening: false, isCut: false }
    const store = this.#storeOf(state)
    const clock = this.#clockOf(state)
    const random = randomOf(this.#deps.random)
    const base = { config, store, clock, random, log: this.#log(), observe: () => {} }
    const edus = joinEdus(() => ({ ...life.parts, neighbours: life.neighbours }))
    const outbound = createOutbound({
      ...base,
      serverName: name,
      sources: edus,
      transport: { signedRequest: (request) => send(life, request) },
      busy: config.presence.busy,
      backOff: config.federation,
      batchWindowMs: config.federation.batchWindowMs,
      bounds: OUTBOUND_BOUNDS,
    })
    const { enabled, ...limits } = config.rateLimits
    const inbound = createInbound({
      ...base,
      serverName: name,
      sinks: edus,
      limits: createRateLimits({ clock, limits, enabled, keysMax: BOUNDS.rateLimitKeysMax }),
      statusMsgBytesMax: config.presence.statusMsgBytesMax,
      bounds: INBOUND_BOUNDS,
    })
    const core = await composePresence({
      ...base,
      destinations: audibleDestinations(config, outbound),
      onSighted: (userId) => life.neighbours.presence.onSighted(userId),
    })
    const directory = this.#directory()
    const neighbours = composeNeighbours({
      ...base,
      loop: core.loop,
      directory,
      destinations: outbound,
      askProfile: async () => ({ kind: 'none' }),
    })
    const events = createPresenceEvents({
      directory,
      remoteProfiles: neighbours.profiles,
      clock,
      epoch: core.epoch,
      serverName: name,
      busy: config.presence.busy,
    })
    const stream = await createStream(store)
    const parts = await composePresenceLists({
      ...base,
      stream,
      core,
      directory,
      events,
      destinations: outbound,
    })
    const life: Life = {
      name,
      core,
      stream,
      store,
      parts,
      neighbours,
      outbound,
      inbound,
      section: createPresenceSection({ enabled: true, loop: core.loop, events, epoch: core.epoch }),
      presence: createPresence({
        enabled: true,
        loop: core.loop,
        persist: core.persist,
        statusMsgBytesMax: config.presence.statusMsgBytesMax,
      }),
      get isAlive() {
        return state.isAlive
      },
      set isAlive(value) {
        state.isAlive = value
      },
      get isListening() {
        return state.isListening
      },
      set isListening(value) {
        state.isListening = value
      },
      cut: () => void (state.isCut = true),
      receive(origin: ServerName, txnId: string, body: JsonObject, bodyBytes: number) {
        // As `federation/server-auth` says of every request that it verified.
        edus.heardFrom(origin)
        return inbound.receive(origin, txnId, body, bodyBytes)
      },
    }
    return life
  }

  #storeOf(state: { readonly isCut: boolean }): Store {
    const { memory } = this
    const { onCommit } = this.#deps
    return {
      ...memory,
      async commit(writes) {
        if (state.isCut) return
        onCommit(writes)
        await memory.commit(writes)
      },
    }
  }

  #clockOf(state: { readonly isAlive: boolean }): Clock {
    const { time, skewMs } = this.#deps
    return {
      now: () => time.now() + skewMs,
      after: (delayMs, run) => time.after(delayMs, () => state.isAlive && run()),
    }
  }

  #directory(): Directory {
    return {
      requester: async () => null,
      profiles: async () => new Map(),
      isMember: async (userId) => this.accounts.get(userId)?.isOver === false,
      createdTs: async (userId) => this.accounts.get(userId)?.createdTs ?? null,
    }
  }

  #log(): Log {
    const nothing = (): void => {}
    const error = (fields: object, message: string): void => {
      const err = 'err' in fields && fields.err instanceof Error ? fields.err.stack : ''
      this.errors.push(`${this.name}: ${message} ${err}`)
    }
    return { debug: nothing, info: nothing, warn: nothing, error }
  }
}

function randomOf({ below }: Choices): Random {
  return {
    bytes: (count) => Uint8Array.from({ length: count }, () => below(256)),
    int: below,
    fraction: () => below(2 ** 30) / 2 ** 30,
  }
}

export function isOf(server: SimServer, userId: UserId): boolean {
  return serverOf(userId) === server.name
}
