import findMyWay from 'find-my-way'
import { refuse } from '../matrix/errors.ts'
import { PREFIXES, type Resource, type Route, type Surface } from './route.ts'

/** Long enough for every legal ID, each of its 255 bytes percent-encoded twice over. */
const PARAM_LENGTH_MAX = 2048
const METHODS = ['GET', 'PUT', 'POST', 'DELETE'] as const

/** A route under one of its prefixes. `pattern` names it in metrics: no IDs in it. */
export interface Endpoint {
  readonly route: Route
  readonly surface: Surface
  readonly pattern: string
}

type Found =
  | { readonly kind: 'endpoint'; readonly endpoint: Endpoint; readonly params: Record<string, string> }
  | { readonly kind: 'wrong-method'; readonly allow: string }
  | { readonly kind: 'unknown' }

export interface Router {
  /**
   * What serves this method and path (as sent, without the query). Each segment is percent-decoded once.
   *
   * @throws MatrixError 400 M_INVALID_PARAM if the path is badly encoded or a segment is far too long
   */
  find(method: string, path: string): Found
}

/** Routes of the given resources only; two routes for the same method and path are a bug. */
export function createRouter(routes: readonly Route[], resources: readonly Resource[]): Router {
  const table = findMyWay({
    ignoreTrailingSlash: true,
    caseSensitive: true,
    maxParamLength: PARAM_LENGTH_MAX,
    querystringParser: () => ({}),
    onBadUrl: noHandler,
    onMaxParamLength: noHandler,
  })
  for (const route of routes) {
    if (!resources.includes(route.resource)) continue
    for (const surface of route.under) {
      const pattern = PREFIXES[surface] + route.path
      const endpoint: Endpoint = { route, surface, pattern }
      table.on(route.method, pattern, noHandler, endpoint)
    }
  }
  return { find: (method, path) => find(table, method, path) }
}

type Table = ReturnType<typeof findMyWay>

function find(table: Table, method: string, path: string): Found {
  // The router takes `#` for the end of the path; a client that forgot to encode it means an alias.
  const clean = path.replaceAll('#', '%23')
  const wanted = method === 'HEAD' ? 'GET' : METHODS.find((known) => known === method)
  if (wanted !== undefined) {
    const found = lookUp(table, wanted, clean)
    if (found !== null) return found
  }
  const allowed = METHODS.filter((other) => other !== wanted && lookUp(table, other, clean) !== null)
  if (allowed.length === 0) return { kind: 'unknown' }
  return { kind: 'wrong-method', allow: [...allowed, 'OPTIONS'].join(', ') }
}

function lookUp(table: Table, method: (typeof METHODS)[number], path: string): Found | null {
  const result = table.find(method, path)
  if (result === null) return null
  // The path is known, but badly encoded or with a segment over the limit.
  if (result.store === null) throw refuse.invalidParam('The path is malformed')
  return {
    kind: 'endpoint',
    endpoint: result.store as Endpoint,
    params: result.params as Record<string, string>,
  }
}

/** Routes are looked up, never called by the router. */
function noHandler(): void {}
