import { z } from 'zod'
import type { PublicRooms, PublicRoomsPage } from '../../homeserver/public-rooms.ts'
import { refuse } from '../../matrix/errors.ts'
import type { ServerName } from '../../matrix/ids.ts'
import { countParam, roomIdParam } from '../params.ts'
import { EVERYWHERE, MODERN, route, type Route } from '../route.ts'

const searchBody = z.object({
  limit: z.int().nonnegative().optional(),
  since: z.string().optional(),
  filter: z
    .object({
      generic_search_term: z.string().nullish(),
      room_types: z.array(z.string().nullable()).nullish(),
    })
    .optional(),
})
const visibilityBody = z.object({ visibility: z.enum(['public', 'private']).optional() })

interface PublicRoomsRoutesDeps {
  readonly publicRooms: PublicRooms
  readonly serverName: ServerName
}

/** ROOMS-SPEC §5.8. */
export function publicRoomsRoutes(deps: PublicRoomsRoutesDeps): Route[] {
  return [...listRoutes(deps), ...visibilityRoutes(deps)]
}

function listRoutes({ publicRooms, serverName }: PublicRoomsRoutesDeps): Route[] {
  const refuseOther = (query: URLSearchParams): void => {
    const server = query.get('server')
    if (server !== null && server !== serverName)
      throw refuse.notFound('The rooms of other servers are not known here')
  }
  return [
    route({
      method: 'GET',
      path: '/publicRooms',
      under: EVERYWHERE,
      auth: 'none',
      handle: ({ query }): Promise<PublicRoomsPage> => {
        refuseOther(query)
        const limit = countParam(query, 'limit', 0)
        return publicRooms.page({ limit, since: query.get('since'), searchTerm: '', roomTypes: null })
      },
    }),
    route({
      method: 'POST',
      path: '/publicRooms',
      under: EVERYWHERE,
      auth: 'user',
      limit: 'search',
      body: searchBody,
      emptyBody: true,
      handle: ({ query, body }): Promise<PublicRoomsPage> => {
        refuseOther(query)
        return publicRooms.page({
          limit: body.limit ?? null,
          since: body.since ?? null,
          searchTerm: body.filter?.generic_search_term ?? '',
          roomTypes: body.filter?.room_types ?? null,
        })
      },
    }),
  ]
}

function visibilityRoutes({ publicRooms }: PublicRoomsRoutesDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/directory/list/room/:roomId',
      under: MODERN,
      auth: 'none',
      handle: ({ params }) => ({
        visibility: publicRooms.isListed(roomIdParam(params.roomId)) ? 'public' : 'private',
      }),
    }),
    route({
      method: 'PUT',
      path: '/directory/list/room/:roomId',
      under: MODERN,
      auth: 'member',
      body: visibilityBody,
      emptyBody: true,
      handle: async ({ requester, params, body }) => {
        const listed = body.visibility !== 'private'
        await publicRooms.setListed(requester, roomIdParam(params.roomId), listed)
        return {}
      },
    }),
  ]
}
