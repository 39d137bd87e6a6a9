import { refuse } from '../matrix/errors.ts'
import type { Requester } from '../ports/directory.ts'
import type { RateLimits } from '../service/rate-limit.ts'
import { limitKey } from './address.ts'
import { authenticate, type AuthDeps } from './auth.ts'
import { decodeBody } from './body.ts'
import { CORS_HEADERS, PREFLIGHT_HEADERS } from './cors.ts'
import { Answer, BODY_BYTES_MAX, type Call, type LimitName, type Method } from './route.ts'
import type { Endpoint, Router } from './router.ts'

/** A request as it came in, before anything was looked up. */
interface Received {
  readonly method: string
  /** The path as sent, without the query. */
  readonly rawPath: string
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
}

export interface PipelineDeps extends AuthDeps {
  readonly limits: Pick<RateLimits<LimitName>, 'take'>
}

/**
 * From a request to its answer: OPTIONS, route, auth, rate limit, body, handler; each step may refuse by throwing, and
 * nothing later has happened then.
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
  { route, surface }: Endpoint,
  params: Record<string, string>,
  trace: Trace,
  deps: PipelineDeps,
): Promise<Call> {
  const { query, headers, ip, signal, rawPath } = received
  const authorization = headers['authorization'] as string | undefined
  const requester = await authenticate({ auth: route.auth, surface, authorization, query, ip }, deps)
  trace.requester = requester
  if (route.limit !== undefined) deps.limits.take(route.limit, requester?.userId ?? limitKey(ip))
  const body =
    route.body === undefined
      ? undefined
      : decodeBody(await received.readBody(route.bodyBytesMax ?? BODY_BYTES_MAX), route.body, route)
  const method = route.method satisfies Method
  return { requester, params, query, body, surface, method, rawPath, ip, headers, signal }
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
