import type { Clock, Millis } from '../base/clock.ts'
import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { AskProfile } from '../ports/remote-profiles.ts'
import { createLru } from './lru.ts'

/** What another server said of a profile is good for this long (PRESENCE-SPEC §2.10). */
const FRESH_MS = 86_400_000

/** Whole profiles of users of other servers, asked for where they are. */
export interface RemoteFields {
  /**
   * All fields; null if there is no such user, or nothing to tell.
   *
   * @throws MatrixError 403 M_FORBIDDEN if their server says so, 502 M_UNKNOWN if it says nothing
   */
  get(userId: UserId): Promise<JsonObject | null>
}

export function createRemoteFields(deps: {
  readonly ask: AskProfile
  readonly clock: Pick<Clock, 'now'>
  readonly usersMax: number
}): RemoteFields {
  const { ask, clock, usersMax } = deps
  const known = createLru<UserId, { readonly fields: JsonObject; readonly untilTs: Millis }>(usersMax)
  /** Who asks while somebody else does gets the same answer. */
  const running = new Map<UserId, Promise<JsonObject | null>>()

  const fetch = async (userId: UserId): Promise<JsonObject | null> => {
    const answer = await ask(userId).catch(() => {
      throw refuse.unreachable()
    })
    if (answer.kind === 'forbidden') throw refuse.forbidden('Their server does not tell their profile')
    if (answer.kind === 'none') return null
    known.set(userId, { fields: answer.fields, untilTs: clock.now() + FRESH_MS })
    return answer.fields
  }
  return {
    async get(userId) {
      const kept = known.get(userId)
      if (kept !== undefined && kept.untilTs > clock.now()) return kept.fields
      const asked = running.get(userId) ?? fetch(userId).finally(() => running.delete(userId))
      running.set(userId, asked)
      return asked
    },
  }
}
