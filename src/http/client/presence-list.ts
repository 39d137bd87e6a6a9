import { z } from 'zod'
import { refuse } from '../../matrix/errors.ts'
import { parseUserId, type UserId } from '../../matrix/ids.ts'
import {
  acceptBody,
  denyBody,
  listChangeBody,
  policyBody,
  PRESENCE_LISTS,
  type InviteDirection,
} from '../../matrix/presence-list.ts'
import type { PresenceListReads, InvitePlace, PendingInvite } from '../../service/presence-list-reads.ts'
import type { PresenceLists } from '../../service/presence-list.ts'
import { ownPath } from '../own-path.ts'
import { countParam, flagParam, userIdParam } from '../params.ts'
import { route, type Route, type Surface } from '../route.ts'

export interface PresenceListRoutesDeps {
  readonly lists: PresenceLists
  readonly listReads: PresenceListReads
}

/** Where the list itself is served: never under v3 (P-054). */
const LIST_SURFACES = ['api/v1', 'r0', 'lists'] as const satisfies readonly Surface[]
const LISTS = ['lists'] as const satisfies readonly Surface[]

const INVITES_MAX = 100
const INVITE_PLACE = /^([io])(\d{1,15})_(.+)$/s

/** Presence lists, invites, observers and policy (PRESENCE-SPEC §2.3–§2.5). Guests have none of them. */
export function presenceListRoutes(deps: PresenceListRoutesDeps): Route[] {
  return [...listRoutes(deps), ...inviteRoutes(deps), ...observerRoutes(deps), ...policyRoutes(deps)]
}

function listRoutes({ lists, listReads }: PresenceListRoutesDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/presence/list/:userId',
      under: LIST_SURFACES,
      auth: 'member',
      handle: ({ requester, params, query, surface }) =>
        listReads.list(ownPath(requester, params.userId), {
          includePending: flagParam(query, `${PRESENCE_LISTS}.include_pending`, false),
          form: surface === 'api/v1' ? 'api/v1' : 'events',
        }),
    }),
    route({
      method: 'POST',
      path: '/presence/list/:userId',
      under: LIST_SURFACES,
      auth: 'member',
      limit: 'list',
      body: listChangeBody,
      handle: async ({ requester, params, body }) => {
        await lists.change(ownPath(requester, params.userId), body)
        return {}
      },
    }),
  ]
}

function inviteRoutes({ lists, listReads }: PresenceListRoutesDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/invites',
      under: LISTS,
      auth: 'member',
      handle: async ({ requester, query }) => {
        const { invites, hasMore } = await listReads.invites(requester.userId, {
          directions: directionsParam(query),
          limit: limitParam(query),
          behind: fromParam(query),
        })
        const last = invites.at(-1)
        return {
          incoming: invitesOf(invites, 'incoming'),
          outgoing: invitesOf(invites, 'outgoing'),
          ...(hasMore && last !== undefined && { next_batch: formatPlace(last) }),
        }
      },
    }),
    route({
      method: 'POST',
      path: '/invites/:userId/accept',
      under: LISTS,
      auth: 'member',
      limit: 'list',
      body: acceptBody,
      emptyBody: true,
      handle: async ({ requester, params, body }) => {
        await lists.accept(requester.userId, userIdParam(params.userId), { addBack: body.add_back })
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/invites/:userId/deny',
      under: LISTS,
      auth: 'member',
      limit: 'list',
      body: denyBody,
      emptyBody: true,
      handle: async ({ requester, params, body }) => {
        const options = { ignoreFuture: body.ignore_future }
        await lists.deny(requester.userId, userIdParam(params.userId), options)
        return {}
      },
    }),
  ]
}

function observerRoutes({ lists, listReads }: PresenceListRoutesDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/observers',
      under: LISTS,
      auth: 'member',
      handle: async ({ requester }) => {
        const observers = await listReads.observers(requester.userId)
        return { observers: observers.map(({ userId, sinceTs }) => ({ user_id: userId, since_ts: sinceTs })) }
      },
    }),
    route({
      method: 'DELETE',
      path: '/observers/:userId',
      under: LISTS,
      auth: 'member',
      limit: 'list',
      handle: async ({ requester, params, query }) => {
        const ignoreFuture = query.has('ignore_future') ? flagParam(query, 'ignore_future', false) : null
        await lists.revoke(requester.userId, userIdParam(params.userId), { ignoreFuture })
        return {}
      },
    }),
  ]
}

function policyRoutes({ lists }: PresenceListRoutesDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/policy',
      under: LISTS,
      auth: 'member',
      handle: async ({ requester }) => ({ policy: await lists.policy(requester.userId) }),
    }),
    route({
      method: 'PUT',
      path: '/policy',
      under: LISTS,
      auth: 'member',
      limit: 'list',
      body: policyBody,
      handle: async ({ requester, body }) => {
        await lists.setPolicy(requester.userId, body.policy)
        return {}
      },
    }),
  ]
}

function invitesOf(invites: readonly PendingInvite[], direction: InviteDirection): object[] {
  return invites
    .filter((invite) => invite.direction === direction)
    .map(({ userId, ts }) => ({ user_id: userId, state: 'pending', ts }))
}

const DIRECTIONS = z.enum(['incoming', 'outgoing', 'both'])

function directionsParam(query: URLSearchParams): readonly InviteDirection[] {
  const parsed = DIRECTIONS.safeParse(query.get('direction') ?? 'both')
  if (!parsed.success) throw refuse.invalidParam('"direction" must be incoming, outgoing or both')
  return parsed.data === 'both' ? ['incoming', 'outgoing'] : [parsed.data]
}

/** More than the most is the most. */
function limitParam(query: URLSearchParams): number {
  const limit = countParam(query, 'limit', INVITES_MAX)
  if (limit === 0) throw refuse.invalidParam('"limit" must be positive')
  return Math.min(limit, INVITES_MAX)
}

function fromParam(query: URLSearchParams): InvitePlace | null {
  const text = query.get('from')
  if (text === null) return null
  const [, direction, ts, id] = INVITE_PLACE.exec(text) ?? []
  const userId: UserId | null = parseUserId(id ?? '')
  if (userId === null) throw refuse.invalidParam('"from" is not a place of this server')
  return { userId, ts: Number(ts), direction: direction === 'i' ? 'incoming' : 'outgoing' }
}

function formatPlace({ userId, direction, ts }: InvitePlace): string {
  return `${direction === 'incoming' ? 'i' : 'o'}${ts}_${userId}`
}
