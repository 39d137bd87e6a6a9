import { LRUCache } from 'lru-cache'
import { Background } from '../base/background.ts'
import type { Clock, Millis } from '../base/clock.ts'
import { Gate } from '../base/gate.ts'
import type { Random } from '../base/random.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { Destinations, PollChange } from '../ports/destinations.ts'
import type { EduSources } from '../ports/edus.ts'
import type { Log } from '../ports/log.ts'
import type { Store, Write } from '../ports/store.ts'
import type { BackOff } from './back-off.ts'
import type { OutboundBounds } from './bounds.ts'
import { Destination, type DestinationDeps, type Failing } from './destination.ts'
import type { ObserveFederation } from './observe.ts'
import type { Transport } from './transport.ts'

export interface OutboundDeps {
  readonly serverName: ServerName
  readonly store: Pick<Store, 'all' | 'commit' | 'meta'>
  readonly sources: EduSources
  readonly transport: Pick<Transport, 'signedRequest'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly observe: ObserveFederation
  /** Does this server speak busy (option `presence.busy`)? */
  readonly busy: boolean
  /** `federation.retry_min` and `retry_max`. */
  readonly backOff: BackOff
  /** `federation.batch_window`. */
  readonly batchWindowMs: Millis
  readonly bounds: OutboundBounds
}

/** Everything that this server sends to others. */
export interface Outbound extends Destinations {
  /** Takes up what the last run left: back-offs and list EDUs. Whatever was offered before goes then, too. */
  begin(): Promise<void>
  /** Nothing begins any more; what is under way gets a short time to end. */
  close(): Promise<void>
  /** Is this server waiting for the end of a back-off? Then it is not worth while to ask it anything. */
  isFailing(server: ServerName): boolean
  /** Servers that take memory at the moment. */
  readonly size: number
  /** Those of them that failed when they were last tried. */
  readonly failing: number
}

/** How often this server was started on its data: makes transaction IDs unique, whatever the clock says. */
const RUNS = 'federation_runs'

export function createOutbound(deps: OutboundDeps): Outbound {
  return new QueuedOutbound(deps)
}

class QueuedOutbound implements Outbound {
  readonly #deps: OutboundDeps
  /** Those that have something to do or to remember; a server at rest has none. */
  readonly #destinations = new Map<ServerName, Destination>()
  readonly #ofDestination: DestinationDeps
  /** Servers that answered lately do not wait behind those that perhaps never will (P-201). */
  readonly #lanes: { readonly proven: Gate; readonly unproven: Gate }
  readonly #proven: LRUCache<ServerName, true>
  readonly #begun = Promise.withResolvers<void>()
  readonly #turns = new Background()
  readonly #writes = new Background()
  #heldBytes = 0
  #run = ''
  #transactions = 0
  #isClosed = false

  constructor(deps: OutboundDeps) {
    const { provenParallelMax, unprovenParallelMax, provenMax } = deps.bounds
    this.#deps = deps
    // Each destination waits in one place only, and they are bounded.
    this.#lanes = {
      proven: new Gate({ parallelMax: provenParallelMax, waitingMax: Infinity }),
      unproven: new Gate({ parallelMax: unprovenParallelMax, waitingMax: Infinity }),
    }
    this.#proven = new LRUCache({ maxSize: provenMax, sizeCalculation: () => 1 })
    this.#ofDestination = this.#makeDepsOfDestination()
  }

  get size(): number {
    return this.#destinations.size
  }

  get failing(): number {
    return [...this.#destinations.values()].filter(({ isFailing }) => isFailing).length
  }

  async begin(): Promise<void> {
    const { store, sources, clock, random, bounds } = this.#deps
    const runs = Number((await store.meta(RUNS)) ?? 0) + 1
    await store.commit([{ put: 'meta', row: { key: RUNS, value: String(runs) } }])
    this.#run = `${clock.now()}_${runs}`
    const soon = (): Millis => clock.now() + Math.round(random.fraction() * bounds.startSpreadMs)
    for (const { serverName, failures, retryTs } of await store.all('destinations'))
      this.#to(serverName)?.resumeFailing({ failures, retryTs: Math.max(retryTs, soon()) })
    for (const server of await sources.listServers()) this.#to(server)?.resumeLists(soon())
    this.#begun.resolve()
  }

  offerPresence(server: ServerName, userIds: Iterable<UserId>): void {
    this.#to(server)?.offerPresence(userIds)
  }

  answerPresence(server: ServerName, userIds: Iterable<UserId>): void {
    this.#to(server)?.answerPresence(userIds)
  }

  offerPolls(server: ServerName, change: PollChange): void {
    this.#to(server)?.offerPolls(change)
  }

  offerLists(server: ServerName): void {
    this.#to(server)?.offerLists()
  }

  heardFrom(server: ServerName): void {
    this.#destinations.get(server)?.heardFrom()
  }

  isFailing(server: ServerName): boolean {
    return this.#destinations.get(server)?.isFailing ?? false
  }

  async close(): Promise<void> {
    this.#isClosed = true
    for (const destination of this.#destinations.values()) destination.stop()
    this.#begun.resolve()
    await this.#soonIdle()
    await this.#writes.idle()
  }

  async #soonIdle(): Promise<void> {
    const bound = Promise.withResolvers<void>()
    const timer = this.#deps.clock.after(this.#deps.bounds.closeMs, bound.resolve)
    await Promise.race([this.#turns.idle(), bound.promise])
    timer.cancel()
  }

  /** Null when the server stops, and when there are too many and none of them can be forgotten. */
  #to(server: ServerName): Destination | null {
    const known = this.#destinations.get(server)
    if (known !== undefined) return known
    if (this.#isClosed || !this.#makeRoom(server)) return null
    const destination = new Destination(server, this.#ofDestination)
    this.#destinations.set(server, destination)
    return destination
  }

  /** The one that fails longest goes: what it missed is told when something else is to be said, or after the next start. */
  #makeRoom(server: ServerName): boolean {
    if (this.#destinations.size < this.#deps.bounds.destinationsMax) return true
    const { log } = this.#deps
    for (const [other, destination] of this.#destinations) {
      if (!destination.isFailing || destination.isUnderWay) continue
      log.warn({ server: other }, 'a server that fails was forgotten to make room for another')
      destination.stop()
      this.#destinations.delete(other)
      return true
    }
    log.warn({ server }, 'too many servers are to be told something: this one is not')
    return false
  }

  #makeDepsOfDestination(): DestinationDeps {
    const { batchWindowMs, bounds } = this.#deps
    return {
      ...this.#deps,
      pace: { batchWindowMs, pollGapMs: bounds.pollGapMs },
      missedMax: bounds.missedMax,
      newTxnId: () => `${this.#run}_${(this.#transactions += 1)}`,
      inTurn: (server, work) => this.#inTurn(server, work),
      mayHold: (bytes) => {
        if (this.#heldBytes + bytes > bounds.heldBytesMax) return false
        this.#heldBytes += bytes
        return true
      },
      released: (bytes) => void (this.#heldBytes -= bytes),
      answered: (server) => void this.#proven.set(server, true),
      remember: (server, failing) => this.#remember(server, failing),
      atRest: (server) => void this.#destinations.delete(server),
    }
  }

  async #inTurn(server: ServerName, work: () => Promise<void>): Promise<void> {
    const lane = this.#proven.has(server) ? this.#lanes.proven : this.#lanes.unproven
    const turn = this.#begun.promise.then(() => lane.run(work))
    this.#turns.run(
      async () => void (await turn),
      // The destination's own.
      () => {},
    )
    await turn
  }

  /** A server that failed once has to prove itself again. Nobody waits for the write: the next failure repeats it. */
  #remember(serverName: ServerName, failing: Failing | null): void {
    const { store, log } = this.#deps
    if (failing !== null) this.#proven.delete(serverName)
    const write: Write =
      failing === null
        ? { drop: 'destinations', where: { serverName } }
        : { put: 'destinations', row: { serverName, ...failing } }
    this.#writes.run(
      () => store.commit([write]),
      (err) => log.error({ err, server: serverName }, 'the back-off of another server was not stored'),
    )
  }
}
