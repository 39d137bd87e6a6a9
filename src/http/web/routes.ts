import { refuse } from '../../matrix/errors.ts'
import { Answer, ROOT, route, type Call, type Route } from '../route.ts'
import type { Page, PageFile } from './page.ts'

/** The page may run and show what this server sends, talk to this server, and nothing else. */
const CONTENT_SECURITY_POLICY = [
  `default-src 'none'`,
  `script-src 'self'`,
  `style-src 'self'`,
  `img-src 'self' data:`,
  `connect-src 'self'`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ')

const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
}

/** Asked about each time, so that a new build shows at once. */
const REVALIDATED = 'no-cache'
/** The name of an asset holds the hash of what is in it. */
const FOR_EVER = 'public, max-age=31536000, immutable'

/** The roster page at `/` with its assets. Without a built page both are unknown paths like any other. */
export function webRoutes({ page }: { readonly page: Page | null }): Route[] {
  if (page === null) return []
  return [
    route({
      method: 'GET',
      path: '/',
      under: ROOT,
      auth: 'none',
      resource: 'web',
      handle: ({ headers }) => send(page.get('index.html'), REVALIDATED, headers),
    }),
    route({
      method: 'GET',
      path: '/assets/*',
      under: ROOT,
      auth: 'none',
      resource: 'web',
      handle: ({ params, headers }) => send(page.get(`assets/${params['*']}`), FOR_EVER, headers),
    }),
  ]
}

function send(file: PageFile | undefined, cacheControl: string, headers: Call['headers']): Answer {
  if (file === undefined) throw refuse.unrecognized()
  const own = { ...PAGE_HEADERS, etag: file.etag, 'cache-control': cacheControl }
  if (isKnown(headers['if-none-match'], file.etag)) return new Answer(304, Buffer.alloc(0), own)
  return new Answer(200, file.body, { ...own, 'content-type': file.contentType })
}

/** Does the client hold this very version (RFC 9110 §13.1.2; proxies that compress mark tags as weak)? */
function isKnown(ifNoneMatch: string | string[] | undefined, etag: string): boolean {
  if (typeof ifNoneMatch !== 'string') return false
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
