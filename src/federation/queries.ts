import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import { ownString } from '../matrix/json.ts'
import type { PublicProfile } from '../ports/directory.ts'
import type { AskProfile, QueryProfile } from '../ports/remote-profiles.ts'
import type { Outbound } from './outbound.ts'
import type { Transport } from './transport.ts'

const PATH = '/_matrix/federation/v1/query/profile'
const OK = 200
const FORBIDDEN = 403

/** The other server gave no answer that can be used. */
class QueryFailed extends Error {
  override readonly name = 'QueryFailed'

  constructor(server: ServerName, reason: string) {
    super(`${server}: ${reason}`)
  }
}

/** Asks a user's server for the profile (PRESENCE-SPEC §5.8); one whose back-off runs is not asked. */
export function createAskProfile(deps: {
  readonly transport: Pick<Transport, 'signedRequest'>
  readonly outbound: Pick<Outbound, 'isFailing'>
}): AskProfile {
  const { transport, outbound } = deps
  return async (userId) => {
    const destination = serverOf(userId)
    if (outbound.isFailing(destination)) throw new QueryFailed(destination, 'it failed lately')
    const path = profilePath(userId)
    const answer = await transport.signedRequest({ destination, method: 'GET', path, content: null })
    if (answer.kind === 'failed') throw new QueryFailed(destination, answer.reason)
    const { status, body } = answer
    if (status >= 500 || status === 429) throw new QueryFailed(destination, `status ${status}`)
    if (status === OK && body !== null) return { kind: 'profile', fields: body }
    return { kind: status === FORBIDDEN ? 'forbidden' : 'none' }
  }
}

/** Asks for the two names. */
export function createQueryProfile(ask: AskProfile): QueryProfile {
  return async (userId) => {
    const answer = await ask(userId)
    if (answer.kind !== 'profile') return null
    return names(ownString(answer.fields, 'displayname'), ownString(answer.fields, 'avatar_url'))
  }
}

function profilePath(userId: UserId): string {
  return `${PATH}?user_id=${encodeURIComponent(userId)}`
}

/** Empty ones are none (P-109). */
function names(displayname = '', avatarUrl = ''): PublicProfile {
  return { ...(displayname !== '' && { displayname }), ...(avatarUrl !== '' && { avatarUrl }) }
}
