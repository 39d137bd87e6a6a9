import type { ServerName } from '../../matrix/ids.ts'
import { PRESENCE_LISTS } from '../../matrix/presence-list.ts'
import { ROOT, route, type Route } from '../route.ts'

/** Whose required endpoints are served (PRESENCE-SPEC §2.12). */
const VERSIONS = ['r0.0.1', 'r0.1.0', 'r0.2.0', 'r0.3.0', 'r0.4.0', 'r0.5.0', 'r0.6.0', 'r0.6.1'].concat(
  Array.from({ length: 12 }, (_, minor) => `v1.${minor + 1}`),
)

interface DiscoveryDeps {
  readonly serverName: ServerName
  /** The states beyond the standard that may be set: `busy` is MSC3026, the others are of 2015. */
  readonly busy: boolean
  readonly hidden: boolean
  readonly freeForChat: boolean
}

/** What a client reads before it logs in: where the server is and what it can do. */
export function discoveryRoutes({ serverName, busy, hidden, freeForChat }: DiscoveryDeps): Route[] {
  const features = {
    [PRESENCE_LISTS]: true,
    'dev.adsum.hidden': hidden,
    'dev.adsum.free_for_chat': freeForChat,
    'org.matrix.msc3026.busy_presence': busy,
  }
  return [
    route({
      method: 'GET',
      path: '/_matrix/client/versions',
      under: ROOT,
      auth: 'none',
      handle: () => ({ versions: VERSIONS, unstable_features: features }),
    }),
    route({
      method: 'GET',
      path: '/.well-known/matrix/client',
      under: ROOT,
      auth: 'none',
      handle: () => ({ 'm.homeserver': { base_url: baseUrl(serverName) } }),
    }),
  ]
}

/** Servers are reached by HTTPS under their name, except the one on one's own machine. */
function baseUrl(serverName: ServerName): string {
  const isLocal = /^(?:localhost|127\.[\d.]+|\[::1\])(?::\d+)?$/.test(serverName)
  return `${isLocal ? 'http' : 'https'}://${serverName}`
}
