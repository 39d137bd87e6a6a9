import { refuse } from '../../matrix/errors.ts'
import type { EventsAudience } from '../../ports/event-section.ts'
import type { Events } from '../../service/events.ts'
import { countParam } from '../params.ts'
import { EVERYWHERE, route, type Route, type Surface } from '../route.ts'

/** `EVENTS_TIMEOUT` */
const TIMEOUT_DEFAULT_MS = 30_000

export interface EventsRoutesDeps {
  readonly events: Events
}

/** `GET …/events` (PRESENCE-SPEC §2.6). Guests may follow it. */
export function eventsRoutes({ events }: EventsRoutesDeps): Route[] {
  const get = route({
    method: 'GET',
    path: '/events',
    under: EVERYWHERE,
    auth: 'user',
    handle: ({ requester, query, surface, signal }) => {
      const timeoutMs = countParam(query, 'timeout', TIMEOUT_DEFAULT_MS)
      if (query.has('room_id')) throw refuse.forbidden('This server has no previews of rooms by /events')
      return events.events({
        requester,
        from: query.get('from'),
        timeoutMs,
        signal,
        form: eventForm(surface),
      })
    },
  })
  return [get]
}

/** In which of its two forms a surface shows an event. */
export function eventForm(surface: Surface): EventsAudience['form'] {
  return surface === 'api/v1' ? 'api/v1' : 'events'
}
