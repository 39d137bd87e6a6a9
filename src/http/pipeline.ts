import { must } from '../base/assert.ts'
import type { ServerAuth } from '../federation/server-auth.ts'
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
  readonly limits: Pick<RateLimits<LimitName>, 'take'>
}

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

type Admitted = Pick<Call, 'requester' | 'origin' | 'body'>

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
  const body =
    route.body === undefined ? undefined : decodeBody(await bytesOf(received, route), route.body, route)
  return { requester, origin: null, body }
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
  const { method, uri } = received
  const content: JsonObject | undefined =
    route.body === undefined ? undefined : parseSignedBody(await bytesOf(received, route))
  peer.verify(content === undefined ? { method, uri } : { method, uri, content })
  const { origin } = peer
  trace.origin = origin
  if (route.limit !== undefined) deps.limits.take(route.limit, origin)
  const body = route.body === undefined || content === undefined ? undefined : checkBody(content, route.body)
  return { requester: null, origin, body }
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
