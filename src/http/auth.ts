import { refuse } from '../matrix/errors.ts'
import type { Directory, Requester } from '../ports/directory.ts'
import type { Auth, Surface } from './route.ts'

/** Where `?access_token=` authenticates: nowhere, on the surfaces of its time (P-004, P-005), everywhere. */
type QueryAccessToken = 'never' | 'legacy' | 'always'

interface AuthRequest {
  readonly auth: Auth
  readonly surface: Surface
  readonly authorization: string | undefined
  readonly query: URLSearchParams
  /** Where the request comes from: the device was last seen there. */
  readonly ip: string
}

/**
 * Which user asks; null where none needs to be known.
 *
 * @throws MatrixError 401 M_MISSING_TOKEN (P-001), M_UNKNOWN_TOKEN (P-002); 403 M_GUEST_ACCESS_FORBIDDEN
 */
export async function authenticate(
  request: AuthRequest,
  { directory, queryAccessToken }: AuthDeps,
): Promise<Requester | null> {
  if (request.auth === 'none' || request.auth === 'server') return null
  const token = accessToken(request, queryAccessToken)
  if (token === null) throw refuse.missingToken()
  const requester = await directory.requester(token, request.ip)
  if (requester === null) throw refuse.unknownToken()
  if (request.auth === 'member' && requester.guest) throw refuse.guestForbidden()
  return requester
}

export interface AuthDeps {
  readonly directory: Pick<Directory, 'requester'>
  readonly queryAccessToken: QueryAccessToken
}

/** The header wins over the query (PRESENCE-SPEC §2.0). */
function accessToken(request: AuthRequest, mode: QueryAccessToken): string | null {
  const bearer = /^Bearer +(\S+) *$/i.exec(request.authorization ?? '')?.[1]
  if (bearer !== undefined) return bearer
  const { surface } = request
  const allowed = mode === 'always' || (mode === 'legacy' && (surface === 'api/v1' || surface === 'r0'))
  const token = allowed ? request.query.get('access_token') : null
  return token === '' ? null : token
}
