import { refuse } from '../../matrix/errors.ts'
import {
  setPresenceBody,
  statusBody,
  type PresenceSurface,
  type PresenceWords,
} from '../../matrix/presence.ts'
import type { Clock } from '../../base/clock.ts'
import type { Presence } from '../../service/presence.ts'
import { userIdParam } from '../params.ts'
import { EVERYWHERE, route, type Route, type Surface } from '../route.ts'

interface PresenceRoutesDeps {
  readonly presence: Presence
  readonly words: PresenceWords
  readonly clock: Pick<Clock, 'now'>
}

/** `GET` and `PUT …/presence/{userId}/status` (PRESENCE-SPEC §2.1, §2.2). */
export function presenceRoutes({ presence, words, clock }: PresenceRoutesDeps): Route[] {
  const put = route({
    method: 'PUT',
    path: '/presence/:userId/status',
    under: EVERYWHERE,
    auth: 'member',
    limit: 'presence',
    body: setPresenceBody(words),
    handle: async ({ requester, params, body }) => {
      await presence.set(requester, userIdParam(params.userId), body)
      return {}
    },
  })

  const get = route({
    method: 'GET',
    path: '/presence/:userId/status',
    under: EVERYWHERE,
    auth: 'user',
    handle: ({ requester, params, surface }) => {
      const shown = presence.get(requester, userIdParam(params.userId))
      if (shown === null) throw notVisible(surface)
      return statusBody(shown, presenceSurface(surface), { now: clock.now(), busy: words.busy })
    },
  })

  return [put, get]
}

/** The same for the unshared and the unknown (P-034 to P-036). */
function notVisible(surface: Surface): Error {
  const text = 'There is no presence of this user that you may see'
  return surface === 'api/v1' ? refuse.notFound(text) : refuse.forbidden(text)
}

function presenceSurface(surface: Surface): PresenceSurface {
  return surface === 'api/v1' ? 'api/v1' : 'modern'
}
