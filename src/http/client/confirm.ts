import { passwordText, namedUser } from './account-bodies.ts'
import type { Accounts } from '../../homeserver/accounts.ts'
import { PASSWORD_FLOWS, type StageCheck, type Uia } from '../../homeserver/uia.ts'
import { refuse } from '../../matrix/errors.ts'
import { own, type JsonObject } from '../../matrix/json.ts'
import type { Requester } from '../../ports/directory.ts'
import { limitKey } from '../address.ts'
import { Answer } from '../route.ts'

export interface ConfirmDeps {
  readonly accounts: Pick<Accounts, 'isOwnPassword'>
  readonly uia: Uia
}

/** Who asks for what, and with which `auth`. */
interface Confirmation {
  readonly requester: Requester
  /** Method, path and what else the session shall be good for. */
  readonly operation: string
  readonly auth: JsonObject | undefined
  readonly ip: string
}

/** Lets the owner of a token confirm an operation with the password: null when confirmed, else the 401 to answer. */
export async function confirm(deps: ConfirmDeps, request: Confirmation): Promise<Answer | null> {
  const { requester, operation, auth, ip } = request
  const password: StageCheck = async (stage) => {
    const user = namedUser(stage)
    const text = passwordText.safeParse(own(stage, 'password'))
    if (!text.success) throw refuse.badJson('"password" must be a text of at most 512 bytes')
    return await deps.accounts.isOwnPassword(requester, user, text.data, limitKey(ip))
  }
  const outcome = await deps.uia.authenticate({
    operation: `${operation} of ${requester.userId}`,
    flows: PASSWORD_FLOWS,
    stages: { 'm.login.password': password },
    auth,
    keep: async () => await Promise.resolve(null),
  })
  return outcome.kind === 'challenge' ? new Answer(401, outcome.body) : null
}
