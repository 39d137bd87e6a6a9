import { readFileSync } from 'node:fs'
import { Background } from '../base/background.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import {
  INBOUND_BOUNDS,
  KEY_BOUNDS,
  OUTBOUND_BOUNDS,
  RESOLVER_BOUNDS,
  TRANSPORT_BOUNDS,
} from '../federation/bounds.ts'
import { systemDns } from '../federation/dns.ts'
import { createInbound, type Inbound } from '../federation/inbound.ts'
import { createPeerKeys } from '../federation/keys.ts'
import type { ObserveFederation } from '../federation/observe.ts'
import { createOutbound } from '../federation/outbound.ts'
import { createOwnKeys } from '../federation/own-keys.ts'
import { createAskProfile } from '../federation/queries.ts'
import { createServerAuth, type ServerAuth } from '../federation/server-auth.ts'
import { silentDestinations } from '../federation/silent-destinations.ts'
import { createTransport, type Transport } from '../federation/transport.ts'
import { queryRoutes } from '../http/federation/query.ts'
import { serverKeysRoutes } from '../http/federation/server-keys.ts'
import { transactionRoutes } from '../http/federation/transactions.ts'
import { versionRoutes } from '../http/federation/version.ts'
import type { LimitName, Route } from '../http/route.ts'
import type { Profiles } from '../homeserver/profiles.ts'
import type { SigningKey } from '../matrix/signing.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { EduSinks, EduSources } from '../ports/edus.ts'
import type { Log } from '../ports/log.ts'
import type { AskProfile } from '../ports/remote-profiles.ts'
import type { Store } from '../ports/store.ts'
import type { RateLimits } from '../service/rate-limit.ts'
import type { Config } from './options.ts'
import { version } from './version.ts'

export type Edus = EduSources & EduSinks

export interface FederationDeps {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signingKey: SigningKey
  readonly limits: RateLimits<LimitName>
  /** What is to be said, and who hears what others say; asked for from `begin` on. */
  readonly edus: Edus
  readonly observe: ObserveFederation
}

/** For gauges. */
interface FederationCounts {
  /** Servers for which something waits or is remembered. */
  readonly destinations: number
  /** Those of them that failed when they were last tried. */
  readonly failing: number
  /** Requests to other servers that have no answer yet. */
  readonly underWay: number
}

/** The road to other servers and from them. Without `federation.enabled` it is there and leads nowhere. */
export interface Federation {
  readonly destinations: Destinations
  readonly askProfile: AskProfile
  /** Who verifies the requests of servers; null: there are no routes for them. */
  readonly servers: ServerAuth | null
  readonly counts: FederationCounts
  routes(deps: { readonly profiles: Profiles }): Route[]
  /** Said when the server listens. */
  begin(): Promise<void>
  /** Ends what is under way, in bounded time; no request comes any more. */
  close(): Promise<void>
}

export function composeFederation(deps: FederationDeps): Federation {
  return deps.config.federation.enabled ? openRoad(deps) : NO_ROAD
}

const NO_ROAD: Federation = {
  destinations: silentDestinations,
  askProfile: async () => ({ kind: 'none' }),
  servers: null,
  counts: { destinations: 0, failing: 0, underWay: 0 },
  routes: () => [],
  begin: async () => {},
  close: async () => {},
}

function openRoad(deps: FederationDeps): Federation {
  const { config, store, clock, log, limits, edus, signingKey, observe } = deps
  const { serverName, presence, federation } = config
  const background = new Background()
  const transport = openTransport(deps)
  const outbound = createOutbound({
    ...deps,
    serverName,
    sources: edus,
    transport,
    busy: presence.busy,
    backOff: federation,
    batchWindowMs: federation.batchWindowMs,
    bounds: OUTBOUND_BOUNDS,
  })
  const keys = createPeerKeys({ store, transport, clock, background, log, bounds: KEY_BOUNDS })
  const inbound = createInbound({
    serverName,
    store,
    clock,
    log,
    observe,
    sinks: edus,
    limits,
    statusMsgBytesMax: presence.statusMsgBytesMax,
    bounds: INBOUND_BOUNDS,
  })
  return {
    destinations: outbound,
    askProfile: createAskProfile({ transport, outbound }),
    servers: createServerAuth({ serverName, keys, sinks: edus, observe }),
    counts: {
      get destinations() {
        return outbound.size
      },
      get failing() {
        return outbound.failing
      },
      get underWay() {
        return transport.underWay
      },
    },
    routes: ({ profiles }) =>
      federationRoutes({
        config,
        profiles,
        inbound,
        ownKeys: createOwnKeys({ serverName, key: signingKey, clock }),
      }),
    async begin() {
      keys.begin()
      inbound.begin()
      await outbound.begin()
    },
    async close() {
      await outbound.close()
      await transport.close()
      await inbound.close()
      await background.idle()
    },
  }
}

function openTransport({ config, clock, random, signingKey }: FederationDeps): Transport {
  const { serverName, federation } = config
  return createTransport({
    serverName,
    signingKey,
    clock,
    random,
    dns: systemDns(),
    routes: federation.destinations,
    extraAuthorities: federation.caFile === null ? null : readFileSync(federation.caFile, 'utf8'),
    verifyTls: federation.verifyTls,
    requestTimeoutMs: federation.requestTimeoutMs,
    userAgent: `Adsum/${version()}`,
    bounds: { ...TRANSPORT_BOUNDS, ...RESOLVER_BOUNDS },
  })
}

function federationRoutes(deps: {
  readonly config: Config
  readonly profiles: Profiles
  readonly inbound: Inbound
  readonly ownKeys: ReturnType<typeof createOwnKeys>
}): Route[] {
  const { serverName } = deps.config
  return [
    ...serverKeysRoutes({ ...deps, serverName }),
    ...versionRoutes({ version: version() }),
    ...transactionRoutes(deps),
    ...queryRoutes({ ...deps, serverName }),
  ]
}
