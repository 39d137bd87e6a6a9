import { z } from 'zod'
import type { Accounts } from '../../homeserver/accounts.ts'
import { NAME_BYTES_MAX } from '../../homeserver/profiles.ts'
import type { SharedSecret } from '../../homeserver/shared-secret.ts'
import { refuse } from '../../matrix/errors.ts'
import type { ServerName } from '../../matrix/ids.ts'
import { ROOT, route, type Route } from '../route.ts'
import { deviceRequest, newPasswordText, sessionBody, wellFormed } from './account-bodies.ts'

const sharedSecretBody = z.object({
  nonce: z.string(),
  username: wellFormed,
  password: newPasswordText,
  admin: z.boolean().optional(),
  mac: z.string(),
  displayname: wellFormed.optional(),
  user_type: wellFormed.nullish(),
  inhibit_login: z.boolean().optional(),
})

interface AdminDeps {
  readonly accounts: Pick<Accounts, 'register'>
  readonly sharedSecret: SharedSecret
  readonly serverName: ServerName
}

/** Shared-secret registration (ROOMS-SPEC §5.2.3), where tools that operators have look for it. */
export function adminRoutes(deps: AdminDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/_synapse/admin/v1/register',
      under: ROOT,
      auth: 'none',
      handle: () => ({ nonce: deps.sharedSecret.nonce() }),
    }),
    route({
      method: 'POST',
      path: '/_synapse/admin/v1/register',
      under: ROOT,
      auth: 'none',
      body: sharedSecretBody,
      handle: async ({ body, ip }) => await register(deps, body, ip),
    }),
  ]
}

async function register(
  deps: AdminDeps,
  body: z.output<typeof sharedSecretBody>,
  ip: string,
): Promise<unknown> {
  const { accounts, sharedSecret, serverName } = deps
  const { nonce, username, password, mac, displayname, admin = false, user_type: userType = null } = body
  if (displayname !== undefined && Buffer.byteLength(displayname) > NAME_BYTES_MAX)
    throw refuse.tooLarge(`The display name is longer than ${NAME_BYTES_MAX} bytes`)
  sharedSecret.check({ nonce, username, password, admin, userType, mac })
  const { userId, session } = await accounts.register(username, password, {
    admin,
    guest: false,
    ...(displayname === undefined ? {} : { displayname }),
    device: body.inhibit_login === true ? null : deviceRequest({}, ip),
  })
  return session === null ? { user_id: userId, home_server: serverName } : sessionBody(session, serverName)
}
