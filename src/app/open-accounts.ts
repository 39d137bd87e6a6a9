import { createStream } from '../homeserver/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import { createRateLimits } from '../service/rate-limit.ts'
import { BOUNDS, PASSWORD_COSTS } from './bounds.ts'
import type { OpenAccounts, Surroundings } from './cli.ts'
import { composeHomeserver } from './compose-homeserver.ts'
import { openStore } from './open-store.ts'
import { loadSigningKey } from './signing-key.ts'

const NOTHING = (): void => {}

/** Nobody listens while a command works on the database. */
const SILENT_SUBMIT: PresenceSubmit = {
  registered: NOTHING,
  deactivated: NOTHING,
  acted: NOTHING,
  deviceRemoved: NOTHING,
  profileChanged: NOTHING,
  joined: NOTHING,
  left: NOTHING,
  ignores: NOTHING,
}
const SILENT_WAKE: Wake = { users: NOTHING, ended: NOTHING }

/** The accounts of the database without a server around them; fails with a sentence while a server has it open. */
export async function openAccounts(deps: Surroundings): Promise<OpenAccounts> {
  const { config, clock, random } = deps
  const store = await openStore(config)
  const homeserver = await composeHomeserver({
    ...deps,
    store,
    signingKey: loadSigningKey({ dataDir: config.dataDir, serverName: config.serverName, random }),
    stream: await createStream(store),
    submit: SILENT_SUBMIT,
    wake: SILENT_WAKE,
    onDeactivate: async () => {},
    askProfile: async () => ({ kind: 'none' }),
    limits: createRateLimits({
      clock,
      limits: { login: config.rateLimits.login },
      enabled: false,
      keysMax: BOUNDS.rateLimitKeysMax,
    }),
    passwordCosts: PASSWORD_COSTS,
  })
  return {
    async create({ localpart, password, admin }) {
      const { userId } = await homeserver.accounts.register(localpart, password, {
        admin,
        guest: false,
        device: null,
      })
      return userId
    },
    async close() {
      await homeserver.close()
      await store.close()
    },
  }
}
