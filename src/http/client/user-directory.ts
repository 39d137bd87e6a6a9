import { z } from 'zod'
import type { FoundUser, UserDirectory } from '../../homeserver/user-directory.ts'
import { MODERN, route, type Route } from '../route.ts'

const LIMIT_DEFAULT = 10
const LIMIT_MAX = 50

const searchBody = z.object({ search_term: z.string(), limit: z.int().min(0).optional() })

/** ROOMS-SPEC §5.9: people to invite. */
export function userDirectoryRoutes({ userDirectory }: { readonly userDirectory: UserDirectory }): Route[] {
  return [
    route({
      method: 'POST',
      path: '/user_directory/search',
      under: MODERN,
      auth: 'member',
      limit: 'search',
      body: searchBody,
      handle: async ({ requester, body }) => {
        const limit = Math.min(body.limit ?? LIMIT_DEFAULT, LIMIT_MAX)
        const { results, limited } = await userDirectory.search(requester, { term: body.search_term, limit })
        return { results: results.map(resultBody), limited }
      },
    }),
  ]
}

function resultBody({ userId, profile }: FoundUser): Record<string, string> {
  return {
    user_id: userId,
    ...(profile.displayname === undefined ? {} : { display_name: profile.displayname }),
    ...(profile.avatarUrl === undefined ? {} : { avatar_url: profile.avatarUrl }),
  }
}
