import type { Random } from '../../src/base/random.ts'
import { OUTBOUND_BOUNDS, type OutboundBounds } from '../../src/federation/bounds.ts'
import type { FederationEvent } from '../../src/federation/observe.ts'
import { createOutbound, type Outbound } from '../../src/federation/outbound.ts'
import type { Outcome, SignedRequest } from '../../src/federation/transport.ts'
import { canonicalJson } from '../../src/matrix/canonical-json.ts'
import type { PresencePush } from '../../src/matrix/edu.ts'
import type { ServerName, UserId } from '../../src/matrix/ids.ts'
import type { PresenceState } from '../../src/matrix/presence.ts'
import type { EduSources, WaitingListEdu } from '../../src/ports/edus.ts'
import type { Log } from '../../src/ports/log.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { ManualClock, settle } from './manual-clock.ts'

export const HOME = 'home.example' as ServerName
export const REMOTE = 'remote.example' as ServerName

export const user = (name: string): UserId => `@${name}:${HOME}` as UserId
export const theirs = (name: string): UserId => `@${name}:${REMOTE}` as UserId

/** The list EDU with which a user of ours asks one of theirs. */
export const invite = (name: string): Pick<WaitingListEdu, 'kind' | 'observer' | 'observed'> => ({
  kind: 'invite',
  observer: user(name),
  observed: theirs('bob'),
})

export interface SentEdu {
  readonly edu_type: string
  readonly origin?: string
  readonly destination?: string
  readonly content: {
    readonly push?: readonly {
      readonly user_id: UserId
      readonly presence: string
      readonly last_active_ago: number
    }[]
    readonly poll?: readonly UserId[]
    readonly unpoll?: readonly UserId[]
    readonly observer_user?: UserId
    readonly observed_user?: UserId
  }
}

/** A transaction as it left. */
export interface SentTransaction {
  readonly destination: ServerName
  readonly txnId: string
  /** Byte for byte. */
  readonly text: string
  readonly edus: readonly SentEdu[]
  readonly atTs: number
}

/** All other servers: each answers as it is told, 200 unless told otherwise. */
export class Peers {
  readonly sent: SentTransaction[] = []
  /** The most transactions that one server had under way at once. */
  parallelMost = 0
  readonly #clock: ManualClock
  readonly #answers = new Map<ServerName, (transaction: SentTransaction) => Outcome | Promise<Outcome>>()
  readonly #underWay = new Map<ServerName, number>()

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  answer(server: ServerName, how: (transaction: SentTransaction) => Outcome | Promise<Outcome>): void {
    this.#answers.set(server, how)
  }

  to(server: ServerName): SentTransaction[] {
    return this.sent.filter(({ destination }) => destination === server)
  }

  async signedRequest({ destination, path, content }: SignedRequest): Promise<Outcome> {
    const text = canonicalJson(content)
    const { edus } = JSON.parse(text) as { edus: SentEdu[] }
    const txnId = path.slice('/_matrix/federation/v1/send/'.length)
    const transaction = { destination, txnId, text, edus, atTs: this.#clock.now() }
    this.sent.push(transaction)
    const underWay = (this.#underWay.get(destination) ?? 0) + 1
    this.#underWay.set(destination, underWay)
    this.parallelMost = Math.max(this.parallelMost, underWay)
    const outcome = await (this.#answers.get(destination)?.(transaction) ?? status(200))
    this.#underWay.set(destination, (this.#underWay.get(destination) ?? 0) - 1)
    return outcome
  }
}

export function status(code: number, retryAfterMs: number | null = null): Outcome {
  return { kind: 'answered', status: code, body: { pdus: {} }, retryAfterMs }
}

export const failed: Outcome = { kind: 'failed', reason: 'no answer' }

/** What the service would say; users are in the states that the test gave them. */
export class Sources implements EduSources {
  readonly states = new Map<UserId, { state: PresenceState; lastActiveTs: number }>()
  readonly outbox: (WaitingListEdu & { readonly server: ServerName })[] = []
  readonly listPeers = new Set<ServerName>()
  /** Calls of `answered`: true where an outage was over. */
  readonly outagesOver: boolean[] = []
  readonly #clock: ManualClock
  #pos = 0

  constructor(clock: ManualClock) {
    this.#clock = clock
  }

  is(userId: UserId, state: PresenceState): void {
    this.states.set(userId, { state, lastActiveTs: this.#clock.now() })
  }

  waits(server: ServerName, edu: Pick<WaitingListEdu, 'kind' | 'observer' | 'observed'>): void {
    const rest = this.outbox.filter(
      (other) => other.observer !== edu.observer || other.observed !== edu.observed,
    )
    this.outbox.splice(0, Infinity, ...rest, { ...edu, ask: null, server, pos: (this.#pos += 1) })
  }

  async presenceFor(_server: ServerName, userIds: readonly UserId[]): Promise<PresencePush[]> {
    return userIds.flatMap((userId) => {
      const known = this.states.get(userId)
      return known === undefined ? [] : [this.#push(userId, known)]
    })
  }

  presenceAfterOutage(_server: ServerName, changed: { has(userId: UserId): boolean }): UserId[] {
    return [...this.states]
      .filter(([userId, { state }]) => state !== 'offline' || changed.has(userId))
      .map(([id]) => id)
  }

  async listEdus(server: ServerName, limit: number): Promise<WaitingListEdu[]> {
    return this.outbox.filter((edu) => edu.server === server).slice(0, limit)
  }

  async listEdusSent(edus: readonly WaitingListEdu[]): Promise<void> {
    const sent = new Set(edus.map(({ pos }) => pos))
    this.outbox.splice(0, Infinity, ...this.outbox.filter(({ pos }) => !sent.has(pos)))
  }

  async listServers(): Promise<ServerName[]> {
    return [...new Set(this.outbox.map(({ server }) => server))]
  }

  speaksLists(server: ServerName): boolean {
    return this.listPeers.has(server)
  }

  answered(_server: ServerName, { isOver }: { readonly isOver: boolean }): void {
    this.outagesOver.push(isOver)
  }

  #push(
    userId: UserId,
    { state, lastActiveTs }: { state: PresenceState; lastActiveTs: number },
  ): PresencePush {
    return {
      userId,
      state,
      statusMsg: null,
      lastActiveAgoMs: this.#clock.now() - lastActiveTs,
      currentlyActive: state === 'online',
      displayname: null,
      avatarUrl: null,
    }
  }
}

export const WINDOW_MS = 10_000
export const RETRY = { retryMinMs: 5_000, retryMaxMs: 3_600_000 }

/** No jitter: 0.5 is the middle of every spread. */
export const EVEN: Random = { bytes: (count) => new Uint8Array(count), int: () => 0, fraction: () => 0.5 }

/** An outbound on a manual clock, with everything around it made up. It survives `restarts` as a server on its data does. */
export class OutboundKit {
  readonly clock = new ManualClock()
  readonly store = createMemoryStore()
  readonly peers = new Peers(this.clock)
  readonly sources = new Sources(this.clock)
  readonly complaints: string[] = []
  readonly observed: FederationEvent[] = []
  readonly #random: Random
  readonly #bounds: OutboundBounds
  outbound: Outbound

  constructor({ random = EVEN, bounds = {} }: { random?: Random; bounds?: Partial<OutboundBounds> } = {}) {
    this.#random = random
    this.#bounds = { ...OUTBOUND_BOUNDS, ...bounds }
    this.outbound = this.#create()
  }

  /** Begun, with the work of the last run on its way. */
  static async started(options?: ConstructorParameters<typeof OutboundKit>[0]): Promise<OutboundKit> {
    const kit = new OutboundKit(options)
    await kit.outbound.begin()
    return kit
  }

  async restarts(beforeBegin: () => void = () => {}): Promise<void> {
    await this.outbound.close()
    this.outbound = this.#create()
    beforeBegin()
    await settle()
    await this.outbound.begin()
    await settle()
  }

  /** A user is in this state from now on, and this server is to hear it. */
  async offers(server: ServerName, name: string, state: PresenceState): Promise<void> {
    this.sources.is(user(name), state)
    this.outbound.offerPresence(server, [user(name)])
    await settle()
  }

  /** A list EDU lies in the outbox and is announced. */
  async invites(name: string, server: ServerName = REMOTE): Promise<void> {
    this.sources.waits(server, invite(name))
    this.outbound.offerLists(server)
    await settle()
  }

  async row(server: ServerName): Promise<{ failures: number; retryTs: number } | undefined> {
    return (await this.store.all('destinations')).find(({ serverName }) => serverName === server)
  }

  #create(): Outbound {
    const { clock, store, peers, sources } = this
    const complain = (_fields: unknown, message: string): void => void this.complaints.push(message)
    const log: Log = { debug() {}, info() {}, warn: complain, error: complain }
    return createOutbound({
      serverName: HOME,
      store,
      sources,
      transport: peers,
      clock,
      random: this.#random,
      log,
      observe: (event) => void this.observed.push(event),
      backOff: RETRY,
      batchWindowMs: WINDOW_MS,
      busy: true,
      bounds: this.#bounds,
    })
  }
}

/** Name and state of everybody whom the transaction speaks of. */
export function said({ edus }: SentTransaction): string[] {
  return edus.flatMap(({ content }) =>
    (content.push ?? []).map(
      ({ user_id, presence }) => `${user_id.slice(1, user_id.indexOf(':'))} ${presence}`,
    ),
  )
}
