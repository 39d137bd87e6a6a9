import { z } from 'zod'
import type { Accounts, NewPassword } from '../../homeserver/accounts.ts'
import type { Passwords } from '../../homeserver/passwords.ts'
import { DUMMY_FLOWS, dummyStage, type Uia } from '../../homeserver/uia.ts'
import { refuse } from '../../matrix/errors.ts'
import type { ServerName } from '../../matrix/ids.ts'
import { Answer, EVERYWHERE, MODERN, route, type Route } from '../route.ts'
import { authObject, deviceRequest, newPasswordText, sessionBody, wellFormed } from './account-bodies.ts'

const registerBody = z.object({
  username: z.string().optional(),
  password: newPasswordText.optional(),
  device_id: wellFormed.optional(),
  initial_device_display_name: wellFormed.optional(),
  inhibit_login: z.boolean().optional(),
  auth: authObject,
})

interface RegisterDeps {
  readonly accounts: Pick<Accounts, 'checkName' | 'register'>
  readonly passwords: Pick<Passwords, 'hash'>
  readonly uia: Uia
  readonly serverName: ServerName
  /** Option `registration.enabled`. */
  readonly registrationEnabled: boolean
}

/** ROOMS-SPEC §5.2.2. */
export function registerRoutes(deps: RegisterDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/register',
      under: EVERYWHERE,
      auth: 'none',
      limit: 'registration',
      body: registerBody,
      handle: async ({ query, body, ip }) => {
        checkKind(query.get('kind'))
        checkOpen(deps)
        return await register(deps, body, ip)
      },
    }),
    route({
      method: 'GET',
      path: '/register/available',
      under: MODERN,
      auth: 'none',
      handle: async ({ query }) => {
        checkOpen(deps)
        const username = query.get('username')
        if (username === null) throw refuse.missingParam('"username" is missing')
        await deps.accounts.checkName(username)
        return { available: true }
      },
    }),
  ]
}

async function register(
  deps: RegisterDeps,
  body: z.output<typeof registerBody>,
  ip: string,
): Promise<unknown> {
  const { accounts, passwords, uia, serverName } = deps
  const { username = null, password, auth } = body
  const device = deviceRequest(body, ip)
  if (username !== null) await accounts.checkName(username)
  const outcome = await uia.authenticate({
    operation: 'POST /register',
    flows: DUMMY_FLOWS,
    stages: { 'm.login.dummy': dummyStage },
    auth,
    // A session keeps the hash, so that no password lies about in memory.
    keep: async () => (password === undefined ? null : await passwords.hash(password)),
  })
  if (outcome.kind === 'challenge') return new Answer(401, outcome.body)
  const chosen: NewPassword = password ?? (outcome.kept === null ? null : { hash: outcome.kept })
  if (chosen === null) throw refuse.badJson('"password" is missing')
  const { userId, session } = await accounts.register(username, chosen, {
    admin: false,
    guest: false,
    device: body.inhibit_login === true ? null : device,
  })
  return session === null ? { user_id: userId, home_server: serverName } : sessionBody(session, serverName)
}

function checkKind(kind: string | null): void {
  if (kind === 'guest') throw refuse.guestForbidden('Guests may not register here')
  if (kind !== null && kind !== 'user') throw refuse.invalidParam('"kind" must be user or guest')
}

function checkOpen(deps: RegisterDeps): void {
  if (!deps.registrationEnabled) throw refuse.forbidden('Registration is closed')
}
