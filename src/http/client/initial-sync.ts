import type { InitialSync } from '../../service/initial-sync.ts'
import { countParam, flagParam, roomIdParam } from '../params.ts'
import { EVERYWHERE, route, type Route } from '../route.ts'
import { eventForm } from './events.ts'

/** Messages of a room if the client does not say. */
const LIMIT_DEFAULT = 10

export interface InitialSyncRoutesDeps {
  readonly initialSync: InitialSync
}

/** `GET …/initialSync` and `GET …/rooms/{roomId}/initialSync` (PRESENCE-SPEC §2.7). */
export function initialSyncRoutes({ initialSync }: InitialSyncRoutesDeps): Route[] {
  const all = route({
    method: 'GET',
    path: '/initialSync',
    under: EVERYWHERE,
    auth: 'user',
    handle: ({ requester, query, surface }) =>
      initialSync.all({
        requester,
        form: eventForm(surface),
        limit: countParam(query, 'limit', LIMIT_DEFAULT),
        archived: flagParam(query, 'archived', false),
      }),
  })
  const room = route({
    method: 'GET',
    path: '/rooms/:roomId/initialSync',
    under: EVERYWHERE,
    auth: 'user',
    handle: ({ requester, params, query, surface }) => {
      const limit = countParam(query, 'limit', LIMIT_DEFAULT)
      return initialSync.room({ requester, form: eventForm(surface), limit }, roomIdParam(params.roomId))
    },
  })
  return [all, room]
}
