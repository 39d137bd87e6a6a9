import { z } from 'zod'
import type { Accounts } from '../../homeserver/accounts.ts'
import { refuse } from '../../matrix/errors.ts'
import { MODERN, route, type Route } from '../route.ts'
import { authObject, newPasswordText } from './account-bodies.ts'
import { confirm, type ConfirmDeps } from './confirm.ts'

const passwordBody = z.object({
  new_password: newPasswordText.optional(),
  logout_devices: z.boolean().optional(),
  auth: authObject,
})

const deactivateBody = z.object({ erase: z.boolean().optional(), auth: authObject })

interface AccountDeps extends ConfirmDeps {
  readonly accounts: Pick<Accounts, 'isOwnPassword' | 'changePassword' | 'deactivate'>
}

/** ROOMS-SPEC §5.2.6 and `whoami`. */
export function accountRoutes(deps: AccountDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/account/whoami',
      under: MODERN,
      auth: 'user',
      handle: ({ requester }) => ({
        user_id: requester.userId,
        device_id: requester.deviceId,
        is_guest: requester.guest,
      }),
    }),
    route({
      method: 'POST',
      path: '/account/password',
      under: MODERN,
      auth: 'member',
      body: passwordBody,
      handle: async ({ requester, body, ip }) => {
        const operation = 'POST /account/password'
        const challenge = await confirm(deps, { requester, operation, auth: body.auth, ip })
        if (challenge !== null) return challenge
        if (body.new_password === undefined) throw refuse.badJson('"new_password" is missing')
        await deps.accounts.changePassword(requester, body.new_password, body.logout_devices ?? true)
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/account/deactivate',
      under: MODERN,
      auth: 'member',
      body: deactivateBody,
      emptyBody: true,
      handle: async ({ requester, body, ip }) => {
        const operation = 'POST /account/deactivate'
        const challenge = await confirm(deps, { requester, operation, auth: body.auth, ip })
        if (challenge !== null) return challenge
        await deps.accounts.deactivate(requester.userId, body.erase ?? false)
        return { id_server_unbind_result: 'success' }
      },
    }),
  ]
}
