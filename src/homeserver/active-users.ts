import type { Serial } from '../base/serial.ts'
import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Store } from '../ports/store.ts'

/**
 * What users change of their own, one change at a time. What waited while the account was deactivated is refused as its
 * token is from now on, and leaves nothing behind.
 */
export interface ActiveUsers {
  /** @throws MatrixError 401 M_UNKNOWN_TOKEN if the account is closed by then */
  run<T>(userId: UserId, work: () => Promise<T>): Promise<T>
}

export function createActiveUsers(deps: {
  /** The line of each user, shared with all that changes the account. */
  readonly users: Pick<Serial<UserId>, 'run'>
  readonly store: Pick<Store, 'account'>
}): ActiveUsers {
  const { users, store } = deps
  return {
    run: (userId, work) =>
      users.run(userId, async () => {
        const account = await store.account(userId)
        if (account === null || account.deactivatedTs !== null) throw refuse.unknownToken()
        return await work()
      }),
  }
}
