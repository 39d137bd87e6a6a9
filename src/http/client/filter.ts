import type { Filters } from '../../homeserver/filters.ts'
import { refuse } from '../../matrix/errors.ts'
import { filterSchema } from '../../matrix/filter.ts'
import { ownPath } from '../own-path.ts'
import { MODERN, route, type Route } from '../route.ts'

/** Filters are stored for their user alone (ROOMS-SPEC §5.9, PRESENCE-SPEC §2.9). */
export function filterRoutes({ filters }: { readonly filters: Pick<Filters, 'upload' | 'get'> }): Route[] {
  return [
    route({
      method: 'POST',
      path: '/user/:userId/filter',
      under: MODERN,
      auth: 'user',
      body: filterSchema,
      handle: async ({ requester, params, body }) => {
        return { filter_id: await filters.upload(ownPath(requester, params.userId), body) }
      },
    }),
    route({
      method: 'GET',
      path: '/user/:userId/filter/:filterId',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester, params }) => {
        const filter = await filters.get(ownPath(requester, params.userId), params.filterId)
        if (filter === null) throw refuse.notFound('There is no filter with this ID')
        return filter
      },
    }),
  ]
}
