import { LRUCache } from 'lru-cache'
import type { Clock, Millis } from '../base/clock.ts'
import { Gate } from '../base/gate.ts'
import type { Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { ResolverBounds } from './bounds.ts'
import type { Dns, ServiceRecord } from './dns.ts'
import { hostPortOf, type HostPort } from './host-port.ts'
import type { ServerAddress, Target } from './https-client.ts'
import { askWellKnown, type FetchPage } from './well-known.ts'

export interface ResolverDeps {
  /** Fixed routes (`federation.destinations`): server name → `host:port`. */
  readonly routes: ReadonlyMap<ServerName, string>
  readonly dns: Dns
  readonly fetchPage: FetchPage
  readonly clock: Clock
  readonly random: Random
  readonly bounds: ResolverBounds
}

/** Where a server was found, and how long that may be believed. */
interface Found {
  readonly address: ServerAddress
  readonly untilTs: Millis
}

/** What is remembered of a host's `.well-known`. */
interface Delegation {
  /** Null: to nobody. */
  readonly name: ServerName | null
  readonly untilTs: Millis
  /** When the name was said; a name that cannot be asked for again is believed on, but not beyond the longest time. */
  readonly saidTs: Millis
  /** Since the last name was said. */
  readonly failures: number
}

const PORT = 8448
/** The latter is deprecated, and still common. */
const SERVICES = ['_matrix-fed._tcp', '_matrix._tcp'] as const

/** Finds servers by their names (PRESENCE-SPEC §5.1). */
export class Resolver {
  readonly #deps: ResolverDeps
  readonly #found: LRUCache<ServerName, Found>
  readonly #delegations: LRUCache<string, Delegation>
  /** Look-ups that run; who asks for the same name meanwhile waits for the same answer. */
  readonly #running = new Map<ServerName, Promise<ServerAddress | null>>()
  readonly #gate: Gate

  constructor(deps: ResolverDeps) {
    this.#deps = deps
    const bounded = { maxSize: deps.bounds.serversMax, sizeCalculation: () => 1 }
    this.#found = new LRUCache(bounded)
    this.#delegations = new LRUCache(bounded)
    this.#gate = new Gate({ parallelMax: deps.bounds.lookupsMax, waitingMax: 0 })
  }

  /** Null if the name leads nowhere, or too many are being looked up. Does not reject; whether anybody answers is not tried. */
  resolve(name: ServerName): Promise<ServerAddress | null> {
    const known = this.#atOnce(name)
    if (known !== undefined) return Promise.resolve(known)
    const running = this.#running.get(name)
    if (running !== undefined) return running
    const lookup = this.#gate.run(() => this.#lookUp(name)).finally(() => this.#running.delete(name))
    this.#running.set(name, lookup)
    return lookup
  }

  /** Undefined if it takes a look-up. */
  #atOnce(name: ServerName): ServerAddress | null | undefined {
    const parts = hostPortOf(name)
    if (parts === null) return null
    const route = this.#deps.routes.get(name)
    const fixed = route === undefined ? null : hostPortOf(route)
    if (fixed !== null) return at([{ host: fixed.host, port: fixed.port ?? PORT }], name, parts)
    const written = writtenAddress(name, parts)
    if (written !== null) return written
    const found = this.#found.get(name)
    return found !== undefined && found.untilTs > this.#deps.clock.now() ? found.address : undefined
  }

  /** Steps 3 to 6: the name is a host name without a port. */
  async #lookUp(name: ServerName): Promise<ServerAddress> {
    const delegation = await this.#delegation(name)
    const byName = delegation.name ?? name
    const parts = hostPortOf(byName) as HostPort
    const written = writtenAddress(byName, parts)
    const { address, ttlMs } =
      written === null
        ? await this.#byServices(byName, parts)
        : { address: written, ttlMs: this.#deps.bounds.addressTtlMs }
    const untilTs = Math.min(delegation.untilTs, this.#deps.clock.now() + ttlMs)
    this.#found.set(name, { address, untilTs })
    return address
  }

  async #delegation(host: string): Promise<Delegation> {
    const { clock, bounds } = this.#deps
    const before = this.#delegations.get(host)
    if (before !== undefined && before.untilTs > clock.now()) return before
    const said = await askWellKnown(host, this.#deps)
    const now = clock.now()
    const after =
      said.kind === 'delegated'
        ? { name: said.name, untilTs: now + said.ttlMs, saidTs: now, failures: 0 }
        : afterError(before, { isLasting: said.kind === 'none', now, bounds })
    this.#delegations.set(host, after)
    return after
  }

  async #byServices(name: ServerName, parts: HostPort): Promise<{ address: ServerAddress; ttlMs: Millis }> {
    const { dns, bounds, random } = this.#deps
    let ttlMs: Millis = bounds.addressTtlMs
    for (const service of SERVICES) {
      const records = await dns.services(`${service}.${parts.host}`).catch(() => {
        // The host itself may be found all the same, and must show its certificate anyway.
        ttlMs = bounds.doubtfulTtlMs
        return []
      })
      const targets = inOrder(records, random)
      if (targets.length > 0) return { address: at(targets, name, parts), ttlMs }
    }
    return { address: at([{ host: parts.host, port: PORT }], name, parts), ttlMs }
  }
}

/** Steps 1 and 2: all is in the name. */
function writtenAddress(name: string, { host, port, isAddress }: HostPort): ServerAddress | null {
  if (!isAddress && port === null) return null
  return { targets: [{ host, port: port ?? PORT }], tlsName: host, hostHeader: name }
}

/** The `Host` header and the certificate are those of the name, wherever it leads to. */
function at(targets: readonly Target[], name: string, { host }: HostPort): ServerAddress {
  return { targets, tlsName: host, hostHeader: name }
}

function afterError(
  before: Delegation | undefined,
  { isLasting, now, bounds }: { isLasting: boolean; now: Millis; bounds: ResolverBounds },
): Delegation {
  const failures = (before?.failures ?? 0) + 1
  const ttlMs = Math.min(bounds.errorTtlMinMs * 2 ** Math.min(failures - 1, 20), bounds.errorTtlMaxMs)
  const saidTs = before?.saidTs ?? now
  const mayStay = !isLasting && now - saidTs < bounds.wellKnownTtlMaxMs
  return { name: mayStay ? (before?.name ?? null) : null, untilTs: now + ttlMs, saidTs, failures }
}

/** Lowest priority first; within one, drawn by weight (RFC 2782). A host `.` says that the service is not there. */
function inOrder(records: readonly ServiceRecord[], random: Random): Target[] {
  const left = records.filter(({ host, port }) => host !== '' && host !== '.' && port > 0)
  const ordered: Target[] = []
  while (left.length > 0) {
    const priority = Math.min(...left.map((record) => record.priority))
    const candidates = left.filter((record) => record.priority === priority)
    const drawn = draw(candidates, random)
    left.splice(left.indexOf(drawn), 1)
    ordered.push({ host: drawn.host, port: drawn.port })
  }
  return ordered
}

/** Weight 0 is drawn, too, but seldom. */
function draw(candidates: readonly ServiceRecord[], random: Random): ServiceRecord {
  const weights = candidates.map(({ weight }) => weight + 0.01)
  let at = random.fraction() * weights.reduce((sum, weight) => sum + weight, 0)
  const index = weights.findIndex((weight) => (at -= weight) < 0)
  return candidates[Math.max(index, 0)] as ServiceRecord
}
