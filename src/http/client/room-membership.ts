import { z } from 'zod'
import type { MembershipChange } from '../../homeserver/membership-change.ts'
import { refuse } from '../../matrix/errors.ts'
import { parseUserId } from '../../matrix/ids.ts'
import { roomIdParam } from '../params.ts'
import { EVERYWHERE, MODERN, route, type LimitName, type Route, type Surface } from '../route.ts'
import { jsonObject, reasonBody } from './event-bodies.ts'

const targetBody = reasonBody.extend({ user_id: z.string() })

interface RoomMembershipDeps {
  readonly membership: MembershipChange
}

/** ROOMS-SPEC §5.5. */
export function roomMembershipRoutes(deps: RoomMembershipDeps): Route[] {
  return [...joinRoutes(deps), ...leaveRoutes(deps), ...othersRoutes(deps)]
}

/** `via` and `server_name` name servers to ask; without room federation there are none. */
function joinRoutes({ membership }: RoomMembershipDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/join/:roomIdOrAlias',
      under: EVERYWHERE,
      auth: 'member',
      limit: 'join',
      body: jsonObject,
      emptyBody: true,
      strictJson: true,
      handle: async ({ requester, params, body }) => ({
        room_id: await membership.join(requester, params.roomIdOrAlias, body),
      }),
    }),
    route({
      method: 'POST',
      path: '/rooms/:roomId/join',
      under: EVERYWHERE,
      auth: 'member',
      limit: 'join',
      body: jsonObject,
      emptyBody: true,
      strictJson: true,
      handle: async ({ requester, params, body }) => ({
        room_id: await membership.join(requester, roomIdParam(params.roomId), body),
      }),
    }),
    route({
      method: 'POST',
      path: '/knock/:roomIdOrAlias',
      under: MODERN,
      auth: 'member',
      limit: 'join',
      body: jsonObject,
      emptyBody: true,
      strictJson: true,
      handle: async ({ requester, params, body }) => ({
        room_id: await membership.knock(requester, params.roomIdOrAlias, body),
      }),
    }),
  ]
}

function leaveRoutes({ membership }: RoomMembershipDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/rooms/:roomId/leave',
      under: EVERYWHERE,
      auth: 'user',
      body: reasonBody,
      emptyBody: true,
      strictJson: true,
      handle: async ({ requester, params, body }) => {
        await membership.leave(requester, roomIdParam(params.roomId), body.reason)
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/rooms/:roomId/forget',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester, params }) => {
        await membership.forget(requester, roomIdParam(params.roomId))
        return {}
      },
    }),
  ]
}

function othersRoutes(deps: RoomMembershipDeps): Route[] {
  return [
    othersRoute(deps, { change: 'invite', under: EVERYWHERE, limit: 'invite' }),
    othersRoute(deps, { change: 'kick', under: MODERN }),
    othersRoute(deps, { change: 'ban', under: EVERYWHERE }),
    othersRoute(deps, { change: 'unban', under: MODERN }),
  ]
}

function othersRoute(
  { membership }: RoomMembershipDeps,
  spec: {
    readonly change: 'invite' | 'kick' | 'ban' | 'unban'
    readonly under: readonly Surface[]
    readonly limit?: LimitName
  },
): Route {
  const { change, under, limit } = spec
  return route({
    method: 'POST',
    path: `/rooms/:roomId/${change}`,
    under,
    auth: 'member',
    ...(limit === undefined ? {} : { limit }),
    body: targetBody,
    strictJson: true,
    handle: async ({ requester, params, body }) => {
      const target = parseUserId(body.user_id)
      if (target === null) throw refuse.invalidParam('"user_id" must be a user ID')
      await membership[change](requester, { roomId: roomIdParam(params.roomId), target, reason: body.reason })
      return {}
    },
  })
}
