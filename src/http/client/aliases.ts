import { z } from 'zod'
import type { Aliases } from '../../homeserver/aliases.ts'
import { refuse } from '../../matrix/errors.ts'
import { parseRoomId, serverOf, type ServerName } from '../../matrix/ids.ts'
import { aliasParam, roomIdParam } from '../params.ts'
import { EVERYWHERE, MODERN, route, type Route } from '../route.ts'

const aliasBody = z.object({ room_id: z.string() })

interface AliasesRoutesDeps {
  readonly aliases: Pick<Aliases, 'drop' | 'find' | 'list' | 'put'>
  readonly serverName: ServerName
}

/** ROOMS-SPEC §5.8. */
export function aliasesRoutes({ aliases, serverName }: AliasesRoutesDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/directory/room/:alias',
      under: EVERYWHERE,
      auth: 'none',
      handle: ({ params }) => {
        const alias = aliasParam(params.alias)
        const roomId = serverOf(alias) === serverName ? aliases.find(alias) : null
        if (roomId === null) throw refuse.notFound('There is no such alias')
        return { room_id: roomId, servers: [serverName] }
      },
    }),
    route({
      method: 'PUT',
      path: '/directory/room/:alias',
      under: EVERYWHERE,
      auth: 'member',
      // All aliases are kept in memory.
      limit: 'create',
      body: aliasBody,
      handle: async ({ requester, params, body }) => {
        const roomId = parseRoomId(body.room_id)
        if (roomId === null) throw refuse.invalidParam('"room_id" must be a room ID')
        await aliases.put(requester, aliasParam(params.alias), roomId)
        return {}
      },
    }),
    route({
      method: 'DELETE',
      path: '/directory/room/:alias',
      under: EVERYWHERE,
      auth: 'member',
      handle: async ({ requester, params }) => {
        await aliases.drop(requester, aliasParam(params.alias))
        return {}
      },
    }),
    route({
      method: 'GET',
      path: '/rooms/:roomId/aliases',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester, params }) => ({
        aliases: await aliases.list(requester, roomIdParam(params.roomId)),
      }),
    }),
  ]
}
