import type { Clock, Millis } from '../base/clock.ts'
import { parseServerName, type ServerName } from '../matrix/ids.ts'
import { isJsonObject, ownString } from '../matrix/json.ts'
import { parseJson } from '../matrix/strict-json.ts'
import type { ResolverBounds } from './bounds.ts'
import { hostPortOf } from './host-port.ts'
import type { HttpsOutcome, ServerAddress } from './https-client.ts'

/** One GET without redirects; never rejects. */
export type FetchPage = (url: URL) => Promise<HttpsOutcome>

/** What `https://<host>/.well-known/matrix/server` said. */
export type WellKnown =
  | { readonly kind: 'delegated'; readonly name: ServerName; readonly ttlMs: Millis }
  /** It answered, and delegates to nobody. */
  | { readonly kind: 'none' }
  /** It may do so another time. */
  | { readonly kind: 'unreachable' }

export interface WellKnownDeps {
  readonly fetchPage: FetchPage
  readonly clock: Clock
  readonly bounds: ResolverBounds
}

const HTTPS_PORT = 443
const PATH = '/.well-known/matrix/server'
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const TOO_MANY_REQUESTS = 429

/** Pages are found as browsers find them: no services, port 443 unless the URL says otherwise. */
export function addressOfPage({ host: hostHeader }: URL): ServerAddress | null {
  const parts = hostPortOf(hostHeader)
  if (parts === null) return null
  const { host, port } = parts
  return { targets: [{ host, port: port ?? HTTPS_PORT }], tlsName: host, hostHeader }
}

/** Follows redirects, to HTTPS only, without loops, and a bounded number of them (PRESENCE-SPEC §5.1). */
export async function askWellKnown(host: string, deps: WellKnownDeps): Promise<WellKnown> {
  const seen = new Set<string>()
  let url: URL | null = URL.parse(`https://${host}${PATH}`)
  while (url !== null && !seen.has(url.href) && seen.size <= deps.bounds.redirectsMax) {
    seen.add(url.href)
    const page = await deps.fetchPage(url)
    if (page.kind === 'failed' || page.status >= 500 || page.status === TOO_MANY_REQUESTS)
      return { kind: 'unreachable' }
    if (!REDIRECTS.has(page.status)) return read(page, deps)
    url = redirectedTo(page.headers.get('location'), url)
  }
  return { kind: 'none' }
}

function redirectedTo(location: string | undefined, from: URL): URL | null {
  const url = location === undefined ? null : URL.parse(location, from.href)
  return url?.protocol === 'https:' ? url : null
}

function read(page: HttpsOutcome & { kind: 'answered' }, { clock, bounds }: WellKnownDeps): WellKnown {
  const { status, headers, body } = page
  if (status !== 200 || body === null || body.length > bounds.wellKnownBytesMax) return { kind: 'none' }
  const name = delegatedName(Buffer.from(body).toString('utf8'))
  if (name === null) return { kind: 'none' }
  const ttlMs = timeToLive(headers, clock.now()) ?? bounds.wellKnownTtlMs
  return {
    kind: 'delegated',
    name,
    ttlMs: Math.min(Math.max(ttlMs, bounds.wellKnownTtlMinMs), bounds.wellKnownTtlMaxMs),
  }
}

function delegatedName(text: string): ServerName | null {
  try {
    const json = parseJson(text)
    const name = isJsonObject(json) ? ownString(json, 'm.server') : undefined
    return name === undefined || hostPortOf(name) === null ? null : parseServerName(name)
  } catch {
    return null
  }
}

/** From `Cache-Control`, else `Expires`; null if neither says. */
function timeToLive(headers: ReadonlyMap<string, string>, now: Millis): Millis | null {
  const control = headers.get('cache-control')?.toLowerCase() ?? ''
  if (/\bno-(?:store|cache)\b/.test(control)) return 0
  const seconds = /\bmax-age="?(\d{1,10})\b/.exec(control)?.[1]
  if (seconds !== undefined) return Number(seconds) * 1_000
  const expires = headers.get('expires')
  if (expires === undefined) return null
  // What is no date, such as the common "0", means "already".
  const expiresTs = Date.parse(expires)
  return Number.isNaN(expiresTs) ? 0 : expiresTs - now
}
