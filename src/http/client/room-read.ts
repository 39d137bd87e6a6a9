import { refuse } from '../../matrix/errors.ts'
import { inlineFilter, roomEventFilterSchema, type RoomEventFilter } from '../../matrix/filter.ts'
import type { Requester } from '../../ports/directory.ts'
import { MESSAGES_DEFAULT, type RoomReader } from '../../homeserver/room-reader.ts'
import type { RoomStateReader } from '../../homeserver/room-state-reader.ts'
import { countParam, eventIdParam, roomIdParam } from '../params.ts'
import { EVERYWHERE, MODERN, route, type Route } from '../route.ts'

interface RoomReadRoutesDeps {
  readonly reader: RoomReader
  readonly stateReader: RoomStateReader
}

/** Reading rooms (ROOMS-SPEC §5.7). Guests may read where they may be. */
export function roomReadRoutes(deps: RoomReadRoutesDeps): Route[] {
  return [...historyRoutes(deps), ...stateRoutes(deps), ...memberRoutes(deps)]
}

function historyRoutes({ reader }: RoomReadRoutesDeps): Route[] {
  const messages = route({
    method: 'GET',
    path: '/rooms/:roomId/messages',
    under: EVERYWHERE,
    auth: 'user',
    handle: ({ requester, params, query }) =>
      reader.messages(requester, roomIdParam(params.roomId), {
        dir: dirParam(query),
        from: query.get('from'),
        to: query.get('to'),
        limit: query.has('limit') ? countParam(query, 'limit', 0) : null,
        filter: filterParam(query),
      }),
  })
  const context = route({
    method: 'GET',
    path: '/rooms/:roomId/context/:eventId',
    under: MODERN,
    auth: 'user',
    handle: ({ requester, params, query }) => {
      const around = { limit: countParam(query, 'limit', MESSAGES_DEFAULT), filter: filterParam(query) }
      return reader.context(requester, roomIdParam(params.roomId), eventIdParam(params.eventId), around)
    },
  })
  const event = route({
    method: 'GET',
    path: '/rooms/:roomId/event/:eventId',
    under: MODERN,
    auth: 'user',
    handle: ({ requester, params }) =>
      reader.event(requester, roomIdParam(params.roomId), eventIdParam(params.eventId)),
  })
  return [messages, context, event]
}

function stateRoutes({ stateReader }: RoomReadRoutesDeps): Route[] {
  const entry = async (
    {
      requester,
      params,
      query,
    }: { requester: Requester; params: { roomId: string; type: string }; query: URLSearchParams },
    stateKey: string,
  ): Promise<unknown> => {
    const roomId = roomIdParam(params.roomId)
    const wantsEvent = formatParam(query) === 'event'
    return wantsEvent
      ? stateReader.stateEvent(requester, roomId, params.type, stateKey)
      : stateReader.stateContent(requester, roomId, params.type, stateKey)
  }
  const whole = route({
    method: 'GET',
    path: '/rooms/:roomId/state',
    under: EVERYWHERE,
    auth: 'user',
    handle: ({ requester, params }) => stateReader.state(requester, roomIdParam(params.roomId)),
  })
  const unkeyed = route({
    method: 'GET',
    path: '/rooms/:roomId/state/:type',
    under: EVERYWHERE,
    auth: 'user',
    handle: (call) => entry(call, ''),
  })
  const keyed = route({
    method: 'GET',
    path: '/rooms/:roomId/state/:type/:stateKey',
    under: EVERYWHERE,
    auth: 'user',
    handle: (call) => entry(call, call.params.stateKey),
  })
  return [whole, unkeyed, keyed]
}

function memberRoutes({ stateReader }: RoomReadRoutesDeps): Route[] {
  const members = route({
    method: 'GET',
    path: '/rooms/:roomId/members',
    under: EVERYWHERE,
    auth: 'user',
    handle: async ({ requester, params, query }) => ({
      chunk: await stateReader.members(requester, roomIdParam(params.roomId), {
        at: query.get('at'),
        membership: query.get('membership'),
        notMembership: query.get('not_membership'),
      }),
    }),
  })
  const joinedMembers = route({
    method: 'GET',
    path: '/rooms/:roomId/joined_members',
    under: MODERN,
    auth: 'user',
    handle: async ({ requester, params }) => ({
      joined: await stateReader.joinedMembers(requester, roomIdParam(params.roomId)),
    }),
  })
  const joinedRooms = route({
    method: 'GET',
    path: '/joined_rooms',
    under: MODERN,
    auth: 'user',
    handle: ({ requester }) => ({ joined_rooms: stateReader.joinedRooms(requester) }),
  })
  return [members, joinedMembers, joinedRooms]
}

/** Absent means forwards (AR-16). */
function dirParam(query: URLSearchParams): 'b' | 'f' {
  const dir = query.get('dir') ?? 'f'
  if (dir !== 'b' && dir !== 'f') throw refuse.invalidParam('"dir" must be b or f')
  return dir
}

function formatParam(query: URLSearchParams): 'content' | 'event' {
  const format = query.get('format') ?? 'content'
  if (format !== 'content' && format !== 'event')
    throw refuse.invalidParam('"format" must be content or event')
  return format
}

/** A RoomEventFilter as JSON. */
function filterParam(query: URLSearchParams): RoomEventFilter {
  const text = query.get('filter')
  return text === null || text === '' ? {} : inlineFilter(text, roomEventFilterSchema)
}
