import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { accountDataRoutes } from '../http/client/account-data.ts'
import { accountRoutes } from '../http/client/account.ts'
import { adminRoutes } from '../http/client/admin.ts'
import { aliasesRoutes } from '../http/client/aliases.ts'
import { capabilitiesRoutes } from '../http/client/capabilities.ts'
import { devicesRoutes } from '../http/client/devices.ts'
import { discoveryRoutes } from '../http/client/discovery.ts'
import { ephemeralRoutes } from '../http/client/ephemeral.ts'
import { eventsRoutes } from '../http/client/events.ts'
import { filterRoutes } from '../http/client/filter.ts'
import { initialSyncRoutes } from '../http/client/initial-sync.ts'
import { keysRoutes } from '../http/client/keys.ts'
import { loginRoutes } from '../http/client/login.ts'
import { presenceListRoutes } from '../http/client/presence-list.ts'
import { presenceRoutes } from '../http/client/presence.ts'
import { profileRoutes } from '../http/client/profile.ts'
import { publicRoomsRoutes } from '../http/client/public-rooms.ts'
import { pushRulesRoutes } from '../http/client/push-rules.ts'
import { registerRoutes } from '../http/client/register.ts'
import { roomMembershipRoutes } from '../http/client/room-membership.ts'
import { roomReadRoutes } from '../http/client/room-read.ts'
import { roomSendRoutes } from '../http/client/room-send.ts'
import { roomsRoutes } from '../http/client/rooms.ts'
import { syncRoutes } from '../http/client/sync.ts'
import { userDirectoryRoutes } from '../http/client/user-directory.ts'
import { healthRoutes } from '../http/ops/health.ts'
import { createMetrics, metricsRoutes } from '../http/ops/metrics.ts'
import type { LimitName, Route } from '../http/route.ts'
import { createHttpServer, HTTP_BOUNDS, type HttpServer } from '../http/server.ts'
import type { Page } from '../http/web/page.ts'
import { webRoutes } from '../http/web/routes.ts'
import { createSharedSecret } from '../homeserver/shared-secret.ts'
import { createStream } from '../homeserver/stream.ts'
import { createUia } from '../homeserver/uia.ts'
import type { SigningKey } from '../matrix/signing.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createEvents, type Events } from '../service/events.ts'
import { createInitialSync, type InitialSync } from '../service/initial-sync.ts'
import { createPresenceEvents } from '../service/presence-events.ts'
import type { PresenceListExpiry } from '../service/presence-list-expiry.ts'
import type { PresenceListRepeats } from '../service/presence-list-repeats.ts'
import { createPresenceSection } from '../service/presence-section.ts'
import { createPresence, type Presence } from '../service/presence.ts'
import { createRateLimits, type RateLimits } from '../service/rate-limit.ts'
import { createSync, type Sync } from '../service/sync.ts'
import { BOUNDS } from './bounds.ts'
import { composeFederation, type Federation } from './compose-federation.ts'
import { composeHomeserver, type Homeserver, type HomeserverDeps } from './compose-homeserver.ts'
import { audibleDestinations, composeNeighbours, joinEdus, type Neighbours } from './compose-neighbours.ts'
import { composePresenceLists, type PresenceListParts } from './compose-presence-lists.ts'
import { composePresence, type PresenceCore } from './compose-presence.ts'
import type { Config } from './options.ts'

interface ComposeDeps {
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly store: Store
  readonly signingKey: SigningKey
  readonly passwordCosts: HomeserverDeps['passwordCosts']
  /** The roster page, if it was built. */
  readonly page: Page | null
  /** May traffic be sent here (`GET /ready`)? */
  readonly isReady: () => boolean
}

/** A whole server, restored but not yet listening; who knows whom stands here and nowhere else. */
export interface Composition {
  readonly http: HttpServer
  /** All that is served, on whichever listener; docs/API.md is made from it. */
  readonly routes: readonly Route[]
  readonly presence: PresenceCore
  readonly homeserver: Homeserver
  readonly listExpiry: PresenceListExpiry
  readonly listRepeats: PresenceListRepeats
  readonly neighbours: Neighbours
  readonly federation: Federation
}

export async function compose(deps: ComposeDeps): Promise<Composition> {
  const limits = limitsOf(deps.config, deps.clock)
  const metrics = createMetrics({
    parked: () => core.wakeups.parked,
    inFlight: () => http.inFlight,
    destinations: () => federation.counts.destinations,
    destinationsFailing: () => federation.counts.failing,
    requestsUnderWay: () => federation.counts.underWay,
    remoteUsers: () => core.loop.remoteUsers,
  })
  const federation: Federation = composeFederation({
    ...deps,
    limits,
    edus: joinEdus(() => services),
    observe: metrics.observeFederation,
  })
  const core: PresenceCore = await composePresence({
    ...deps,
    destinations: audibleDestinations(deps.config, federation.destinations),
    onSighted: (userId) => services.neighbours.presence.onSighted(userId),
  })
  const stream = await createStream(deps.store)
  const homeserver = await composeHomeserver({
    ...deps,
    limits,
    stream,
    submit: core.loop,
    askProfile: federation.askProfile,
    wake: core.wakeups,
    onDeactivate: (userId) => services.lists.end(userId),
  })
  const services: Services = await composeServices(deps, core, homeserver, { limits, stream, federation })
  const routes = [
    ...clientRoutes(deps, homeserver, services, limits),
    ...federation.routes(homeserver),
    ...healthRoutes({ isReady: deps.isReady }),
    ...metricsRoutes({ metrics }),
    ...webRoutes(deps),
  ]
  const http: HttpServer = createHttpServer({
    ...deps,
    routes,
    directory: homeserver.directory,
    servers: federation.servers,
    queryAccessToken: deps.config.clientApi.queryAccessToken,
    limits,
    bounds: HTTP_BOUNDS,
    observe: metrics.observe,
  })
  const { listExpiry, listRepeats, neighbours } = services
  return { http, routes, presence: core, homeserver, listExpiry, listRepeats, neighbours, federation }
}

function limitsOf({ rateLimits }: Config, clock: Clock): RateLimits<LimitName> {
  const { enabled, ...limits } = rateLimits
  return createRateLimits({ clock, limits, enabled, keysMax: BOUNDS.rateLimitKeysMax })
}

interface Services extends PresenceListParts {
  readonly presence: Presence
  readonly sync: Sync
  readonly events: Events
  readonly initialSync: InitialSync
  readonly neighbours: Neighbours
}

interface Shared {
  readonly limits: RateLimits<LimitName>
  readonly stream: Stream
  readonly federation: Federation
}

async function composeServices(
  deps: ComposeDeps,
  core: PresenceCore,
  { directory, reading }: Homeserver,
  { limits, stream, federation }: Shared,
): Promise<Services> {
  const { config, clock, random } = deps
  const { loop, persist, wakeups, epoch } = core
  const { serverName } = config
  const { enabled, busy, statusMsgBytesMax } = config.presence
  const neighbours = composeNeighbours({ ...deps, ...federation, loop, directory })
  const remoteProfiles = neighbours.profiles
  const events = createPresenceEvents({ directory, remoteProfiles, clock, epoch, serverName, busy })
  const section = createPresenceSection({ enabled, loop, events, epoch })
  const { destinations } = federation
  const parts = await composePresenceLists({ ...deps, stream, core, directory, events, destinations })
  const lists = parts.listNews
  const both = { loop, wakeups, presence: section, lists, clock, random, epoch, pollMaxMs: BOUNDS.pollMaxMs }
  return {
    ...parts,
    neighbours,
    presence: createPresence({ enabled, loop, persist, statusMsgBytesMax }),
    events: createEvents({ ...both, rooms: reading.events }),
    initialSync: createInitialSync({ loop, presence: section, events, rooms: reading.events, lists, epoch }),
    sync: createSync({ ...both, rooms: reading.section, limits }),
  }
}

function clientRoutes(
  deps: ComposeDeps,
  homeserver: Homeserver,
  services: Services,
  limits: RateLimits<LimitName>,
): Route[] {
  const { presence, sync } = services
  const { config, clock, random } = deps
  const { serverName, registration } = config
  const { busy, hidden, freeForChat } = config.presence
  const { rooms, reading, accountData } = homeserver
  const uia = createUia({ clock, random, sessionsMax: BOUNDS.uiaSessionsMax, ttlMs: BOUNDS.uiaTtlMs })
  const sharedSecret = createSharedSecret({
    clock,
    random,
    secret: registration.sharedSecret,
    noncesMax: BOUNDS.registrationNoncesMax,
    nonceTtlMs: BOUNDS.registrationNonceTtlMs,
  })
  const own = { ...homeserver, uia, serverName }
  return [
    ...discoveryRoutes({ serverName, busy, hidden, freeForChat }),
    ...capabilitiesRoutes({ defaultRoomVersion: config.defaultRoomVersion }),
    ...registerRoutes({ ...own, registrationEnabled: registration.enabled }),
    ...adminRoutes({ ...own, sharedSecret }),
    ...loginRoutes(own),
    ...accountRoutes(own),
    ...devicesRoutes(own),
    ...profileRoutes({ ...own, limits }),
    ...userDirectoryRoutes(own),
    ...accountDataRoutes(own),
    ...pushRulesRoutes({ accountData }),
    ...filterRoutes(own),
    ...keysRoutes(own),
    ...presenceRoutes({ presence, words: config.presence, clock }),
    ...presenceListRoutes(services),
    ...syncRoutes({ sync, filters: homeserver.filters, busy }),
    ...eventsRoutes(services),
    ...initialSyncRoutes(services),
    ...roomsRoutes({ rooms }),
    ...roomMembershipRoutes(rooms),
    ...roomSendRoutes(rooms),
    ...aliasesRoutes({ ...rooms, serverName }),
    ...publicRoomsRoutes({ ...rooms, serverName }),
    ...roomReadRoutes(reading),
    ...ephemeralRoutes(reading),
  ]
}
