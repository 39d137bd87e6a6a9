import { z } from 'zod'
import type { Profiles } from '../../homeserver/profiles.ts'
import { refuse } from '../../matrix/errors.ts'
import type { UserId } from '../../matrix/ids.ts'
import { own, type Json, type JsonObject } from '../../matrix/json.ts'
import { userIdParam } from '../params.ts'
import { BODY_BYTES_MAX_LARGE, EVERYWHERE, route, V3, type Route, type Surface } from '../route.ts'

const fieldBody = z.record(z.string(), z.unknown()) as unknown as z.ZodType<JsonObject>

/** Fields that every surface has had since 2015. */
const NAMES = ['displayname', 'avatar_url'] as const

/** PRESENCE-SPEC §2.10. Reading needs no token: names are shown to whoever may meet the user. */
export function profileRoutes({ profiles }: { readonly profiles: Profiles }): Route[] {
  return [
    route({
      method: 'GET',
      path: '/profile/:userId',
      under: EVERYWHERE,
      auth: 'none',
      handle: async ({ params }) => {
        const fields = await profiles.get(userIdParam(params.userId))
        if (fields === null) throw refuse.notFound('The user does not exist, or has no profile')
        return fields
      },
    }),
    ...NAMES.flatMap((name) => fieldRoutes(profiles, name)),
    ...anyFieldRoutes(profiles),
  ]
}

function fieldRoutes(profiles: Profiles, name: (typeof NAMES)[number]): Route[] {
  return [
    route({
      method: 'GET',
      path: `/profile/:userId/${name}`,
      under: EVERYWHERE,
      auth: 'none',
      handle: ({ params, surface }) => readField(profiles, userIdParam(params.userId), name, surface),
    }),
    route({
      method: 'PUT',
      path: `/profile/:userId/${name}`,
      under: EVERYWHERE,
      auth: 'user',
      body: fieldBody,
      strictJson: true,
      handle: async ({ requester, params, body }) => {
        await profiles.set(requester, userIdParam(params.userId), name, fieldOf(body, name))
        return {}
      },
    }),
    route({
      method: 'DELETE',
      path: `/profile/:userId/${name}`,
      under: V3,
      auth: 'user',
      handle: async ({ requester, params }) => {
        await profiles.remove(requester, userIdParam(params.userId), name)
        return {}
      },
    }),
  ]
}

/** Free fields, by any name of the grammar, on v3 alone. */
function anyFieldRoutes(profiles: Profiles): Route[] {
  return [
    route({
      method: 'GET',
      path: '/profile/:userId/:field',
      under: V3,
      auth: 'none',
      handle: ({ params, surface }) => readField(profiles, userIdParam(params.userId), params.field, surface),
    }),
    route({
      method: 'PUT',
      path: '/profile/:userId/:field',
      under: V3,
      auth: 'user',
      body: fieldBody,
      strictJson: true,
      // A little more than a whole profile, so that the profile's own limit speaks (P-120).
      bodyBytesMax: BODY_BYTES_MAX_LARGE,
      handle: async ({ requester, params, body }) => {
        await profiles.set(requester, userIdParam(params.userId), params.field, fieldOf(body, params.field))
        return {}
      },
    }),
    route({
      method: 'DELETE',
      path: '/profile/:userId/:field',
      under: V3,
      auth: 'user',
      handle: async ({ requester, params }) => {
        await profiles.remove(requester, userIdParam(params.userId), params.field)
        return {}
      },
    }),
  ]
}

/** The one key named in the path (P-119). */
function fieldOf(body: JsonObject, field: string): Json {
  const value = own(body, field)
  if (value === undefined) throw refuse.missingParam(`The body lacks the key "${field}"`)
  return value
}

async function readField(
  profiles: Profiles,
  userId: UserId,
  field: string,
  surface: Surface,
): Promise<JsonObject> {
  const value = own((await profiles.get(userId)) ?? {}, field)
  if (value !== undefined) return { [field]: value }
  // 2015 clients expect a null for an existing user without a name.
  if (surface === 'api/v1' && (await profiles.exists(userId))) return { [field]: null }
  throw refuse.notFound('The user does not exist, or the field is not set')
}
