import type { Profiles } from '../../homeserver/profiles.ts'
import { refuse } from '../../matrix/errors.ts'
import { serverOf, type ServerName, type UserId } from '../../matrix/ids.ts'
import { own, type Json, type JsonObject } from '../../matrix/json.ts'
import type { Requester } from '../../ports/directory.ts'
import type { RateLimits } from '../../service/rate-limit.ts'
import { limitKey } from '../address.ts'
import { ownPath } from '../own-path.ts'
import { userIdParam } from '../params.ts'
import {
  BODY_BYTES_MAX_LARGE,
  EVERYWHERE,
  route,
  V3,
  type LimitName,
  type Route,
  type Surface,
} from '../route.ts'
import { jsonObject } from './event-bodies.ts'

interface ProfileDeps {
  readonly profiles: Profiles
  readonly serverName: ServerName
  readonly limits: Pick<RateLimits<LimitName>, 'take'>
}

/** Fields that every surface has had since 2015; any other name is for v3 alone. */
const NAMES = ['displayname', 'avatar_url'] as const
const BEFORE_V3 = ['api/v1', 'r0'] as const satisfies readonly Surface[]

/** PRESENCE-SPEC §2.10. Reading needs no token: names are shown to whoever may meet the user (P-122). */
export function profileRoutes(deps: ProfileDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/profile/:userId',
      under: EVERYWHERE,
      auth: 'none',
      handle: async ({ params, ip }) => {
        const userId = userIdParam(params.userId)
        limitRemote(deps, userId, ip)
        const fields = await deps.profiles.get(userId)
        if (fields === null) throw refuse.notFound('The user does not exist, or has no profile')
        return fields
      },
    }),
    ...NAMES.flatMap((name) => nameRoutes(deps, name)),
    ...fieldRoutes(deps),
  ]
}

function nameRoutes(deps: ProfileDeps, name: (typeof NAMES)[number]): Route[] {
  return [
    route({
      method: 'GET',
      path: `/profile/:userId/${name}`,
      under: BEFORE_V3,
      auth: 'none',
      handle: ({ params, surface, ip }) => readField(deps, params.userId, name, { surface, ip }),
    }),
    route({
      method: 'PUT',
      path: `/profile/:userId/${name}`,
      under: BEFORE_V3,
      auth: 'user',
      body: jsonObject,
      strictJson: true,
      handle: ({ requester, params, body }) => putField(deps, requester, params.userId, name, body),
    }),
  ]
}

function fieldRoutes(deps: ProfileDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/profile/:userId/:field',
      under: V3,
      auth: 'none',
      handle: ({ params, surface, ip }) => readField(deps, params.userId, params.field, { surface, ip }),
    }),
    route({
      method: 'PUT',
      path: '/profile/:userId/:field',
      under: V3,
      auth: 'user',
      body: jsonObject,
      strictJson: true,
      // More than a whole profile, so that the profile's own limit speaks (P-120).
      bodyBytesMax: BODY_BYTES_MAX_LARGE,
      handle: ({ requester, params, body }) => putField(deps, requester, params.userId, params.field, body),
    }),
    route({
      method: 'DELETE',
      path: '/profile/:userId/:field',
      under: V3,
      auth: 'user',
      handle: async ({ requester, params }) => {
        ownPath(requester, params.userId)
        await deps.profiles.remove(requester, params.field)
        return {}
      },
    }),
  ]
}

/** Anybody may ask, and what is not known here makes this server ask another one. */
function limitRemote({ serverName, limits }: ProfileDeps, userId: UserId, ip: string): void {
  if (serverOf(userId) !== serverName) limits.take('search', limitKey(ip))
}

async function readField(
  deps: ProfileDeps,
  pathUser: string,
  field: string,
  { surface, ip }: { readonly surface: Surface; readonly ip: string },
): Promise<JsonObject> {
  const { profiles } = deps
  const userId = userIdParam(pathUser)
  limitRemote(deps, userId, ip)
  const value = own((await profiles.get(userId)) ?? {}, field)
  if (value !== undefined) return { [field]: value }
  // 2015 clients expect a null for an existing user without a name.
  if (surface === 'api/v1' && (await profiles.exists(userId))) return { [field]: null }
  throw refuse.notFound('The user does not exist, or the field is not set')
}

/** Takes from the body the one key that the path names (P-119); others mean nothing. */
async function putField(
  { profiles }: ProfileDeps,
  requester: Requester,
  pathUser: string,
  field: string,
  body: JsonObject,
): Promise<Record<string, never>> {
  ownPath(requester, pathUser)
  await profiles.set(requester, field, namedValue(body, field))
  return {}
}

function namedValue(body: JsonObject, field: string): Json {
  const value = own(body, field)
  if (value === undefined) throw refuse.missingParam(`The body lacks the key "${field}"`)
  return value
}
