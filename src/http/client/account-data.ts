import { z } from 'zod'
import type { AccountData } from '../../homeserver/account-data.ts'
import { asSent } from '../../matrix/as-sent.ts'
import type { JsonObject } from '../../matrix/json.ts'
import { ownPath } from '../own-path.ts'
import { roomIdParam } from '../params.ts'
import { MODERN, route, type Route } from '../route.ts'
import { jsonObject } from './event-bodies.ts'

const tagBody = asSent(z.object({ order: z.number().min(0).max(1).optional() }))

interface AccountDataDeps {
  readonly accountData: AccountData
}

/** ROOMS-SPEC §5.9: data a client keeps on the server, for the user or for one of the user's rooms. */
export function accountDataRoutes({ accountData }: AccountDataDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/user/:userId/account_data/:type',
      under: MODERN,
      auth: 'user',
      handle: ({ requester, params }) => accountData.get(ownPath(requester, params.userId), '', params.type),
    }),
    route({
      method: 'PUT',
      path: '/user/:userId/account_data/:type',
      under: MODERN,
      auth: 'user',
      body: jsonObject,
      handle: async ({ requester, params, body }) => {
        await accountData.set(ownPath(requester, params.userId), '', params.type, body)
        return {}
      },
    }),
    route({
      method: 'GET',
      path: '/user/:userId/rooms/:roomId/account_data/:type',
      under: MODERN,
      auth: 'user',
      handle: ({ requester, params }) =>
        accountData.get(ownPath(requester, params.userId), roomIdParam(params.roomId), params.type),
    }),
    route({
      method: 'PUT',
      path: '/user/:userId/rooms/:roomId/account_data/:type',
      under: MODERN,
      auth: 'user',
      body: jsonObject,
      handle: async ({ requester, params, body }) => {
        const userId = ownPath(requester, params.userId)
        await accountData.set(userId, roomIdParam(params.roomId), params.type, body)
        return {}
      },
    }),
    ...tagRoutes({ accountData }),
  ]
}

function tagRoutes({ accountData }: AccountDataDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/user/:userId/rooms/:roomId/tags',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester, params }) => ({
        tags: await accountData.tags(ownPath(requester, params.userId), roomIdParam(params.roomId)),
      }),
    }),
    route({
      method: 'PUT',
      path: '/user/:userId/rooms/:roomId/tags/:tag',
      under: MODERN,
      auth: 'user',
      body: tagBody,
      emptyBody: true,
      handle: async ({ requester, params, body }) => {
        const userId = ownPath(requester, params.userId)
        await accountData.setTag(userId, roomIdParam(params.roomId), params.tag, body as JsonObject)
        return {}
      },
    }),
    route({
      method: 'DELETE',
      path: '/user/:userId/rooms/:roomId/tags/:tag',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester, params }) => {
        await accountData.removeTag(ownPath(requester, params.userId), roomIdParam(params.roomId), params.tag)
        return {}
      },
    }),
  ]
}
