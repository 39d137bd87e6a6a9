import { z } from 'zod'
import type { Accounts } from '../../homeserver/accounts.ts'
import { refuse } from '../../matrix/errors.ts'
import type { ServerName } from '../../matrix/ids.ts'
import { isJsonObject, type JsonObject } from '../../matrix/json.ts'
import { limitKey } from '../address.ts'
import { EVERYWHERE, MODERN, route, type Route } from '../route.ts'
import { deviceRequest, namedUser, passwordText, sessionBody, wellFormed } from './account-bodies.ts'

const loginBody = z.object({
  type: z.string(),
  identifier: z.custom<JsonObject>(isJsonObject, 'must be an object').optional(),
  /** The 2015 form. */
  user: z.string().optional(),
  password: passwordText.optional(),
  device_id: wellFormed.optional(),
  initial_device_display_name: wellFormed.optional(),
})

interface LoginDeps {
  readonly accounts: Pick<Accounts, 'login' | 'logout' | 'logoutAll'>
  readonly serverName: ServerName
}

/** ROOMS-SPEC §5.2.4 and the logouts of §5.2.5. */
export function loginRoutes(deps: LoginDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/login',
      under: EVERYWHERE,
      auth: 'none',
      handle: () => ({ flows: [{ type: 'm.login.password' }] }),
    }),
    route({
      method: 'POST',
      path: '/login',
      under: EVERYWHERE,
      auth: 'none',
      body: loginBody,
      handle: async ({ body, ip }) => await login(deps, body, ip),
    }),
    route({
      method: 'POST',
      path: '/logout',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester }) => {
        await deps.accounts.logout(requester)
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/logout/all',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester }) => {
        await deps.accounts.logoutAll(requester)
        return {}
      },
    }),
  ]
}

/** Failed attempts are limited inside `accounts`: successful ones cost nobody anything. */
async function login(deps: LoginDeps, body: z.output<typeof loginBody>, ip: string): Promise<unknown> {
  const { type, identifier, user, password } = body
  if (type !== 'm.login.password') throw refuse.unknown('This login type is not supported')
  const named = namedUser({ ...(identifier && { identifier }), ...(user !== undefined && { user }) })
  if (password === undefined) throw refuse.badJson('"password" is missing')
  const session = await deps.accounts.login(named, password, deviceRequest(body, ip), limitKey(ip))
  return sessionBody(session, deps.serverName)
}
