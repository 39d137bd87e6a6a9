import { Serial } from '../base/serial.ts'
import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Row, Store } from '../ports/store.ts'
import type { Passwords } from './passwords.ts'

/** Attempts that wait for one address or one account; more are refused. */
export const ATTEMPTS_WAITING_MAX = 20

const RETRY_AFTER_MS = 1_000

/** The allowance of failed attempts (`RC_*`, ROOMS-SPEC §0). */
interface AttemptLimits {
  /** Throws 429 when nothing is left; takes nothing. */
  check(name: 'login', key: string): void
  /** Takes one; false when none was left. */
  tryTake(name: 'login', key: string): boolean
}

interface PasswordAttemptsDeps {
  readonly store: Pick<Store, 'account'>
  readonly passwords: Passwords
  readonly limits: AttemptLimits
}

export interface PasswordAttempts {
  /**
   * The account whose password this is, or null. A null user takes as long and fails. Failures are charged to the address
   * and to the account; who has none left is refused with 429 before the password is looked at.
   */
  prove(userId: UserId | null, password: string, address: string): Promise<Row<'accounts'> | null>
}

/**
 * Attempts of one address, and on one account, are made one after the other: else a burst would be checked before the
 * first failure of it is counted.
 */
export function createPasswordAttempts(deps: PasswordAttemptsDeps): PasswordAttempts {
  const lines = new Serial<string>()

  async function attempt(
    userId: UserId | null,
    password: string,
    keys: readonly string[],
  ): Promise<Row<'accounts'> | null> {
    for (const key of keys) deps.limits.check('login', key)
    const account = userId === null ? null : await deps.store.account(userId)
    if (await deps.passwords.verify(password, account?.passwordHash ?? null)) return account
    for (const key of keys) deps.limits.tryTake('login', key)
    return null
  }

  return {
    async prove(userId, password, address) {
      const from = `address ${address}`
      const keys = userId === null ? [from] : [from, userId]
      if (keys.some((key) => lines.length(key) >= ATTEMPTS_WAITING_MAX))
        throw refuse.limitExceeded(undefined, { retry_after_ms: RETRY_AFTER_MS })
      const once = (): Promise<Row<'accounts'> | null> => attempt(userId, password, keys)
      // Always the address first, so that no two attempts wait for each other.
      return await lines.run(from, userId === null ? once : () => lines.run(userId, once))
    },
  }
}
