import { LRUCache } from 'lru-cache'
import type { Background } from '../base/background.ts'
import type { Clock, Millis } from '../base/clock.ts'
import { Gate } from '../base/gate.ts'
import type { ServerName } from '../matrix/ids.ts'
import { readServerKeys } from '../matrix/server-keys.ts'
import { VerifyKey } from '../matrix/signing.ts'
import type { Log } from '../ports/log.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { KeyBounds } from './bounds.ts'
import type { PeerKeys } from './server-auth.ts'
import type { Transport } from './transport.ts'

export interface PeerKeysDeps {
  readonly store: Pick<Store, 'serverKeys' | 'dropServerKeys' | 'commit'>
  readonly transport: Pick<Transport, 'unsignedGet'>
  readonly clock: Clock
  readonly background: Background
  readonly log: Log
  readonly bounds: KeyBounds
}

/** Current keys by their IDs; those that a server uses no more cannot sign requests. */
type CurrentKeys = ReadonlyMap<string, { readonly key: VerifyKey; readonly untilTs: Millis }>

/** What is known of one server's keys. */
interface Known {
  readonly keys: CurrentKeys
  /** It is not asked again before. */
  readonly againTs: Millis
  /** Since it last answered. */
  readonly failures: number
}

const PATH = '/_matrix/key/v2/server'
const OK = 200

export interface PeerKeyCache extends PeerKeys {
  /** At start: what the last run left and nobody would believe is dropped. */
  begin(): void
}

export function createPeerKeys(deps: PeerKeysDeps): PeerKeyCache {
  return new CachedPeerKeys(deps)
}

/**
 * Keys of other servers (PRESENCE-SPEC §5.2): in memory, else in the store, else asked for. Anybody can name any server and any key,
 * so no server is asked more often than the bounds say, and those that never answer hold up only each other. Who has no place in
 * memory any more has none in the store either.
 */
class CachedPeerKeys implements PeerKeyCache {
  readonly #deps: PeerKeysDeps
  readonly #known: LRUCache<ServerName, Known>
  /** Fetches that run, one a server. */
  readonly #running = new Map<ServerName, Promise<Known>>()
  readonly #lanes: { readonly known: Gate; readonly strangers: Gate }

  constructor(deps: PeerKeysDeps) {
    const { serversMax, knownParallelMax, strangersParallelMax, waitingMax } = deps.bounds
    this.#deps = deps
    this.#known = new LRUCache({
      maxSize: serversMax,
      sizeCalculation: () => 1,
      dispose: ({ keys }, server, reason) => {
        if (reason === 'evict' && keys.size > 0) this.#replaceRows(server, [])
      },
    })
    this.#lanes = {
      known: new Gate({ parallelMax: knownParallelMax, waitingMax }),
      strangers: new Gate({ parallelMax: strangersParallelMax, waitingMax }),
    }
  }

  begin(): void {
    const { store, clock, background, log } = this.#deps
    background.run(
      () => store.dropServerKeys(clock.now()),
      (err) => log.error({ err }, 'old keys of other servers could not be forgotten'),
    )
  }

  async keyFor(server: ServerName, keyId: string): Promise<VerifyKey | null> {
    const before = this.#known.get(server) ?? (await this.#load(server))
    const present = this.#currentKey(before, keyId)
    if (present !== null) return present
    if (before.againTs > this.#deps.clock.now()) return null
    return this.#currentKey(await this.#refresh(server, before), keyId)
  }

  #currentKey({ keys }: Known, keyId: string): VerifyKey | null {
    const found = keys.get(keyId)
    return found !== undefined && found.untilTs >= this.#deps.clock.now() ? found.key : null
  }

  async #load(server: ServerName): Promise<Known> {
    const rows = await this.#deps.store.serverKeys(server)
    // Somebody else may have fetched meanwhile, and that is newer.
    return this.#known.get(server) ?? this.#remember(server, { keys: current(rows), againTs: 0, failures: 0 })
  }

  /** Who asks while a fetch runs gets what that brings. */
  #refresh(server: ServerName, before: Known): Promise<Known> {
    const running = this.#running.get(server)
    if (running !== undefined) return running
    const lane = before.keys.size > 0 ? this.#lanes.known : this.#lanes.strangers
    const fetch = lane
      .run(() => this.#fetch(server, before))
      // Null: the lane is full. That says nothing of this server.
      .then((after) => after ?? before)
      .finally(() => this.#running.delete(server))
    this.#running.set(server, fetch)
    return fetch
  }

  async #fetch(serverName: ServerName, before: Known): Promise<Known> {
    const { transport, clock, bounds, log } = this.#deps
    const answer = await transport.unsignedGet(serverName, PATH, { timeoutMs: bounds.fetchTimeoutMs })
    const now = clock.now()
    const said =
      answer.kind === 'answered' && answer.status === OK ? readServerKeys(answer.body, serverName) : null
    if (said === null) {
      const failures = before.failures + 1
      const waitMs = Math.min(bounds.retryMinMs * 2 ** Math.min(failures - 1, 20), bounds.retryMaxMs)
      const why = answer.kind === 'failed' ? answer.reason : `status ${answer.status}`
      log.info({ serverName, failures, why }, 'the keys of another server could not be had')
      return this.#remember(serverName, { ...before, failures, againTs: now + waitMs })
    }
    const validUntilTs = Math.min(said.validUntilTs, now + bounds.believedMs)
    const rows = said.keys.map(({ keyId, publicKey, expiredTs }) => {
      return { serverName, keyId, key: publicKey, validUntilTs, expiredTs, fetchedTs: now }
    })
    this.#replaceRows(serverName, rows)
    return this.#remember(serverName, {
      keys: current(rows),
      againTs: now + bounds.askedAgainMs,
      failures: 0,
    })
  }

  #remember(server: ServerName, known: Known): Known {
    this.#known.set(server, known)
    return known
  }

  /** All that the server has now: what it left out it has no more. Nobody waits: it can be asked again. */
  #replaceRows(serverName: ServerName, rows: readonly Row<'serverKeys'>[]): void {
    const { store, background, log } = this.#deps
    const writes = rows.map((row): Write => ({ put: 'serverKeys', row }))
    background.run(
      () => store.commit([{ drop: 'serverKeys', where: { serverName } }, ...writes]),
      (err) => log.error({ err, serverName }, 'keys of another server were not stored'),
    )
  }
}

function current(rows: readonly Row<'serverKeys'>[]): CurrentKeys {
  const keys = new Map<string, { key: VerifyKey; untilTs: Millis }>()
  for (const { keyId, key: publicKey, validUntilTs, expiredTs } of rows) {
    const key = expiredTs === null ? VerifyKey.parse(publicKey) : null
    if (key !== null) keys.set(keyId, { key, untilTs: validUntilTs })
  }
  return keys
}
