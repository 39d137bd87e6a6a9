import type { Profiles } from '../../homeserver/profiles.ts'
import { refuse } from '../../matrix/errors.ts'
import { own, type Json, type JsonObject } from '../../matrix/json.ts'
import type { Requester } from '../../ports/directory.ts'
import { ownPath } from '../own-path.ts'
import { userIdParam } from '../params.ts'
import { BODY_BYTES_MAX_LARGE, EVERYWHERE, route, V3, type Route, type Surface } from '../route.ts'
import { jsonObject } from './event-bodies.ts'

interface ProfileDeps {
  readonly profiles: Profiles
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
      handle: async ({ params }) => {
        const fields = await deps.profiles.get(userIdParam(params.userId))
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
      handle: ({ params, surface }) => readField(deps, params.userId, name, surface),
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
      handle: ({ params, surface }) => readField(deps, params.userId, params.field, surface),
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

async function readField(
  { profiles }: ProfileDeps,
  pathUser: string,
  field: string,
  surface: Surface,
): Promise<JsonObject> {
  const userId = userIdParam(pathUser)
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
