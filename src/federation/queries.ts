import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import { ownString } from '../matrix/json.ts'
import type { PublicProfile } from '../ports/directory.ts'
import type { QueryProfile } from '../ports/remote-profiles.ts'
import type { Outbound } from './outbound.ts'
import type { Transport } from './transport.ts'

const PATH = '/_matrix/federation/v1/query/profile'
const OK = 200

/** The other server gave no answer that can be used. */
class QueryFailed extends Error {
  override readonly name = 'QueryFailed'

  constructor(server: ServerName, reason: string) {
    super(`${server}: ${reason}`)
  }
}

/** Asks a user's server for the two names (PRESENCE-SPEC §5.8); one whose back-off runs is not asked. */
export function createQueryProfile(deps: {
  readonly transport: Pick<Transport, 'signedRequest'>
  readonly outbound: Pick<Outbound, 'isFailing'>
}): QueryProfile {
  const { transport, outbound } = deps
  return async (userId) => {
    const destination = serverOf(userId)
    if (outbound.isFailing(destination)) throw new QueryFailed(destination, 'it failed lately')
    const path = profilePath(userId)
    const answer = await transport.signedRequest({ destination, method: 'GET', path, content: null })
    if (answer.kind === 'failed') throw new QueryFailed(destination, answer.reason)
    const { status, body } = answer
    if (status >= 500 || status === 429) throw new QueryFailed(destination, `status ${status}`)
    if (status !== OK || body === null) return null
    return names(ownString(body, 'displayname'), ownString(body, 'avatar_url'))
  }
}

function profilePath(userId: UserId): string {
  return `${PATH}?user_id=${encodeURIComponent(userId)}`
}

/** Empty ones are none (P-109). */
function names(displayname = '', avatarUrl = ''): PublicProfile {
  return { ...(displayname !== '' && { displayname }), ...(avatarUrl !== '' && { avatarUrl }) }
}
