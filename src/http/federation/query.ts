import type { Profiles } from '../../homeserver/profiles.ts'
import { refuse } from '../../matrix/errors.ts'
import { parseUserId, serverOf, type ServerName, type UserId } from '../../matrix/ids.ts'
import { own, type JsonObject } from '../../matrix/json.ts'
import { ROOT, route, type Route } from '../route.ts'

interface QueryDeps {
  readonly serverName: ServerName
  readonly profiles: Pick<Profiles, 'get'>
}

/** Profiles of users of this server, for other servers (PRESENCE-SPEC §5.8). */
export function queryRoutes(deps: QueryDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_matrix/federation/v1/query/profile',
      under: ROOT,
      auth: 'server',
      resource: 'federation',
      limit: 'federation',
      handle: async ({ query }) => {
        const fields = await deps.profiles.get(ownUser(query.get('user_id'), deps.serverName))
        if (fields === null) throw refuse.notFound('The user does not exist, or has no profile')
        const field = query.get('field')
        return field === null ? fields : onlyField(fields, field)
      },
    }),
  ]
}

function ownUser(text: string | null, serverName: ServerName): UserId {
  if (text === null) throw refuse.missingParam('"user_id" is missing')
  const userId = parseUserId(text)
  if (userId === null) throw refuse.invalidParam('"user_id" is malformed')
  if (serverOf(userId) !== serverName) throw refuse.invalidParam('The user is not of this server')
  return userId
}

/** P-204 */
function onlyField(fields: JsonObject, field: string): JsonObject {
  const value = own(fields, field)
  if (value === undefined) throw refuse.notFound('The field is not set')
  return { [field]: value }
}
