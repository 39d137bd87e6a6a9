import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Store } from '../ports/store.ts'

/**
 * Only inside the user's line: what waited there while the account was deactivated is refused as its token is from now
 * on, and leaves nothing behind.
 */
export async function requireActive(store: Pick<Store, 'account'>, userId: UserId): Promise<void> {
  const account = await store.account(userId)
  if (account === null || account.deactivatedTs !== null) throw refuse.unknownToken()
}
