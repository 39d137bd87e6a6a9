import { z } from 'zod'
import type { OwnKeys } from '../../federation/own-keys.ts'
import { isJsonObject, type JsonObject } from '../../matrix/json.ts'
import type { ServerName } from '../../matrix/ids.ts'
import { ROOT, route, type Route } from '../route.ts'

interface ServerKeysDeps {
  readonly serverName: ServerName
  readonly ownKeys: OwnKeys
}

/** The names count; what is wanted of each may be said, and changes nothing. */
const keyQueryBody = z.object({ server_keys: z.custom<JsonObject>(isJsonObject, 'must be an object') })

/**
 * Keys of this server (P-153), with the path of 2015 that names one of them, and the questions to a notary (PRESENCE-SPEC §5.2).
 * This server vouches for itself only: of others it is as silent as of servers that cannot be reached, as anybody could have it
 * ask anybody otherwise.
 */
export function serverKeysRoutes({ serverName, ownKeys }: ServerKeysDeps): Route[] {
  const common = { under: ROOT, auth: 'none', resource: 'federation', limit: 'federation' } as const
  const answer = (isAsked: boolean): object => ({ server_keys: isAsked ? [ownKeys.body()] : [] })
  const named = ['/_matrix/key/v2/query/:serverName', '/_matrix/key/v2/query/:serverName/:keyId'] as const
  return [
    ...(['/_matrix/key/v2/server', '/_matrix/key/v2/server/:keyId'] as const).map((path) =>
      route({ ...common, method: 'GET', path, handle: () => ownKeys.body() }),
    ),
    ...named.map((path) =>
      route({
        ...common,
        method: 'GET',
        path,
        handle: ({ params }) => answer(params.serverName === serverName),
      }),
    ),
    route({
      ...common,
      method: 'POST',
      path: '/_matrix/key/v2/query',
      body: keyQueryBody,
      handle: ({ body }) => answer(Object.hasOwn(body.server_keys, serverName)),
    }),
  ]
}
