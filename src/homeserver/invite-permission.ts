import type { UserId } from '../matrix/ids.ts'
import { isJsonObject, ownString } from '../matrix/json.ts'
import type { Store } from '../ports/store.ts'

/** Does the user, one of ours, take no invites from anybody? */
export async function blocksInvites(store: Pick<Store, 'accountData'>, userId: UserId): Promise<boolean> {
  const row = await store.accountData(userId, '', 'm.invite_permission_config')
  const content: unknown = row === null ? null : JSON.parse(row.json)
  return isJsonObject(content) && ownString(content, 'default_action') === 'block'
}
