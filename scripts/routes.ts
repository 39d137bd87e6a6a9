/** What a whole server serves, as a table for docs/API.md: composed as the real one is, listening nowhere. */
import { compose } from '../src/app/compose.ts'
import { readConfig } from '../src/app/config.ts'
import { systemClock } from '../src/base/clock.ts'
import { systemRandom } from '../src/base/random.ts'
import { BODY_BYTES_MAX, PREFIXES, type Auth, type Resource, type Route } from '../src/http/route.ts'
import { SigningKey } from '../src/matrix/signing.ts'
import { createMemoryStore } from '../src/store/memory.ts'

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const WHO: Readonly<Record<Auth, string>> = {
  none: 'anybody',
  user: 'users, guests',
  member: 'users',
  server: 'servers, signed',
}
const TITLES: Readonly<Record<Resource, string>> = {
  client: 'For clients (`client`)',
  admin: 'For administrators (`admin`)',
  federation: 'For other servers (`federation`)',
  web: 'The roster page (`web`), if it was built',
  health: 'For whoever watches the process (`health`)',
  metrics: 'For Prometheus (`metrics`)',
}

async function servedRoutes(): Promise<readonly Route[]> {
  const outcome = readConfig({ files: [], env: {} })
  if (outcome.kind === 'problems') throw new Error(outcome.problems.join('\n'))
  const random = systemRandom()
  const { routes } = await compose({
    config: outcome.config,
    clock: systemClock(),
    random,
    log: SILENT,
    store: createMemoryStore(),
    signingKey: new SigningKey({ version: 'docs', seed: random.bytes(32) }),
    passwordCosts: { memoryKiB: 32, passes: 1 },
    page: new Map(),
    isReady: () => false,
  })
  return routes
}

/** The tables, a section for each resource of a listener. */
export async function routeTables(): Promise<string> {
  const routes = await servedRoutes()
  const resources = Object.keys(TITLES) as Resource[]
  return resources
    .map((resource) => ({ resource, own: routes.filter((route) => route.resource === resource) }))
    .filter(({ own }) => own.length > 0)
    .map(({ resource, own }) => `### ${TITLES[resource]}\n\n${routeTable(own)}`)
    .join('\n')
}

function routeTable(routes: readonly Route[]): string {
  const rows = routes
    .toSorted(
      (one, other) =>
        one.path.localeCompare(other.path, 'en') || one.method.localeCompare(other.method, 'en'),
    )
    .map((route) => [
      route.method,
      `\`${route.path}\``,
      route.under.map((surface) => (surface === 'root' ? '' : `\`${surface}\``)).join(' '),
      WHO[route.auth],
      route.limit === undefined ? '' : `\`${route.limit}\``,
      route.body === undefined ? '' : `${(route.bodyBytesMax ?? BODY_BYTES_MAX) / 1024} KiB`,
    ])
  const head = ['method', 'path', 'below', 'who', 'rate limit', 'body']
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
}

/** Where the names in the column "below" lead. */
export function prefixTable(): string {
  return Object.entries(PREFIXES)
    .filter(([, path]) => path !== '')
    .map(([surface, path]) => `| \`${surface}\` | \`${path}\` |\n`)
    .join('')
}
