import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Requester } from '../ports/directory.ts'
import { userIdParam } from './params.ts'

/** The user ID in a path that only that user may use: malformed is 400, another user's 403 without any look-up. */
export function ownPath(requester: Requester, text: string): UserId {
  const userId = userIdParam(text)
  if (userId !== requester.userId) throw refuse.forbidden('This belongs to another user')
  return userId
}
