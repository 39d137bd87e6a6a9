import type { Clock, Millis } from '../base/clock.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { serverKeysBody } from '../matrix/server-keys.ts'
import type { SigningKey } from '../matrix/signing.ts'

/** What this server says of its own keys (PRESENCE-SPEC §5.2). */
export interface OwnKeys {
  /** The signed key object; it holds for twelve hours at least. */
  body(): JsonObject
}

const VALID_MS: Millis = 86_400_000
/** Nobody is to get an object that ends soon (§5.2 says within an hour), and nobody can have us sign with every request. */
const VALID_MIN_MS: Millis = VALID_MS / 2

export function createOwnKeys(deps: {
  readonly serverName: ServerName
  readonly key: SigningKey
  readonly clock: Pick<Clock, 'now'>
}): OwnKeys {
  const { serverName, key, clock } = deps
  const sign = (): { readonly validUntilTs: Millis; readonly body: JsonObject } => {
    const validUntilTs = clock.now() + VALID_MS
    return { validUntilTs, body: serverKeysBody({ serverName, key, oldKeys: [], validUntilTs }) }
  }
  let current = sign()
  return {
    body() {
      if (current.validUntilTs - clock.now() < VALID_MIN_MS) current = sign()
      return current.body
    },
  }
}
