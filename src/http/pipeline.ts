import { must } from '../base/assert.ts'
import type { Peer, ServerAuth } from '../federation/server-auth.ts'
import { refuse } from '../matrix/errors.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { RateLimits } from '../service/rate-limit.ts'
import { limitKey } from './address.ts'
import { authenticate, type AuthDeps } from './auth.ts'
import { checkBody, decodeBody, parseSignedBody } from './body.ts'
import { CORS_HEADERS, PREFLIGHT_HEADERS } from './cors.ts'
import { Answer, BODY_BYTES_MAX, type Call, type LimitName, type Method, type Route } from './route.ts'
import type { Endpoint, Router } from './router.ts'

/** A request as it came in, before anything was looked up. */
interface Received {
  readonly method: string
  /** The path as sent, without the query. */
  readonly rawPath: string
  /** Path and query as sent: what servers sign. */
  readonly uri: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly ip: string
  readonly signal: AbortSignal
  /** @throws MatrixError 413 M_TOO_LARGE */
  readonly readBody: (bytesMax: number) => Promise<Buffer>
}

/** What was learnt about a request on the way, for the log and the metrics. */
export interface Trace {
  pattern: string
  requester: Requester | null
  origin: ServerName | null
}

export interface PipelineDeps extends AuthDeps {
  /** Null where no route is for other servers. */
  readonly servers: ServerAuth | null
  readonly limits: Pick<RateLimits<LimitName>, 'take' | 'check'>
}

/** Of a body that nobody signed, by the rate limit of its address. */
const BYTES_PER_COST = 1_024

/**
 * From a request to its answer: OPTIONS, route, auth, rate limit, body, handler; each step may refuse by throwing, and
 * nothing later has happened then. The signature of another server covers the body, which is therefore read before.
 */
export async function respond(
  received: Received,
  router: Router,
  trace: Trace,
  deps: PipelineDeps,
): Promise<Answer> {
  // P-011: before anything that could have an effect.
  if (received.method === 'OPTIONS') return new Answer(200, {}, PREFLIGHT_HEADERS)
  const found = router.find(received.method, received.rawPath)
  if (found.kind === 'unknown') throw refuse.unrecognized()
  if (found.kind === 'wrong-method')
    return new Answer(405, refuse.methodNotAllowed().toBody(), { allow: found.allow })
  trace.pattern = found.endpoint.pattern
  const call = await admit(received, found.endpoint, found.params, trace, deps)
  const outcome = await found.endpoint.route.handle(call)
  return outcome instanceof Answer ? outcome : new Answer(200, outcome ?? {})
}

async function admit(
  received: Received,
  endpoint: Endpoint,
  params: Record<string, string>,
  trace: Trace,
  deps: PipelineDeps,
): Promise<Call> {
  const { query, headers, ip, signal, rawPath } = received
  const { surface, route } = endpoint
  const method = route.method satisfies Method
  const admitCaller = route.auth === 'server' ? admitServer : admitUser
  const admitted = await admitCaller(received, endpoint, trace, deps)
  return { ...admitted, params, query, surface, method, rawPath, ip, headers, signal }
}

type Admitted = Pick<Call, 'requester' | 'origin' | 'body' | 'bodyBytes'>

async function admitUser(
  received: Received,
  { route, surface }: Endpoint,
  trace: Trace,
  deps: PipelineDeps,
): Promise<Admitted> {
  const { query, ip } = received
  const authorization = authorizationOf(received)
  const requester = await authenticate({ auth: route.auth, surface, authorization, query, ip }, deps)
  trace.requester = requester
  if (route.limit !== undefined) deps.limits.take(route.limit, requester?.userId ?? limitKey(ip))
  const caller = { requester, origin: null }
  if (route.body === undefined) return { ...caller, body: undefined, bodyBytes: 0 }
  const bytes = await bytesOf(received, route)
  return { ...caller, body: decodeBody(bytes, route.body, route), bodyBytes: bytes.length }
}

/** Nothing has an effect before the signature is verified (P-158). */
async function admitServer(
  received: Received,
  { route }: Endpoint,
  trace: Trace,
  deps: PipelineDeps,
): Promise<Admitted> {
  const servers = must(deps.servers, 'who verifies the requests of servers')
  const peer = await servers.identify(authorizationOf(received))
  const { origin } = peer
  const { content, bodyBytes } = await verified(received, route, peer, deps)
  trace.origin = origin
  if (route.limit !== undefined) deps.limits.take(route.limit, origin)
  const body = route.body === undefined || content === undefined ? undefined : checkBody(content, route.body)
  return { requester: null, origin, body, bodyBytes }
}

/**
 * A large body costs time before it is known who sent it. If nobody signed it, its address pays, for the name may be somebody
 * else's; neither an address nor a server that has nothing left is read from.
 */
async function verified(
  received: Received,
  route: Route,
  peer: Peer,
  { limits }: PipelineDeps,
): Promise<{ readonly content?: JsonObject; readonly bodyBytes: number }> {
  const { method, uri, ip } = received
  limits.check('federation', limitKey(ip))
  limits.check('federation', peer.origin)
  const bytes = route.body === undefined ? null : await bytesOf(received, route)
  const bodyBytes = bytes?.length ?? 0
  try {
    const signed = bytes === null ? {} : { content: parseSignedBody(bytes) }
    peer.verify({ method, uri, ...signed })
    return { ...signed, bodyBytes }
  } catch (error) {
    limits.take('federation', limitKey(ip), 1 + Math.floor(bodyBytes / BYTES_PER_COST))
    throw error
  }
}

function authorizationOf({ headers }: Received): string | undefined {
  return headers['authorization'] as string | undefined
}

function bytesOf(received: Received, route: Route): Promise<Buffer> {
  return received.readBody(route.bodyBytesMax ?? BODY_BYTES_MAX)
}

/** Every answer's headers: CORS, and JSON unless the handler said otherwise. A 304 has no body to speak of. */
export function answerHeaders(answer: Answer, contentLength: number): Record<string, string> {
  if (answer.status === 304) return { ...CORS_HEADERS, ...answer.headers }
  return {
    ...CORS_HEADERS,
    'content-type': 'application/json',
    ...answer.headers,
    'content-length': String(contentLength),
  }
}
