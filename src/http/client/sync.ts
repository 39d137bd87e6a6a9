import { refuse } from '../../matrix/errors.ts'
import type { Filter } from '../../matrix/filter.ts'
import type { UserId } from '../../matrix/ids.ts'
import { parseSetPresence, type SetPresence } from '../../matrix/presence.ts'
import type { SyncQuery } from '../../ports/sync-section.ts'
import type { Sync } from '../../service/sync.ts'
import { countParam, flagParam } from '../params.ts'
import { MODERN, route, type Route } from '../route.ts'

const UNSTABLE_STATE_AFTER = 'org.matrix.msc4222.state_after'

interface SyncRoutesDeps {
  readonly sync: Sync
  /** A stored filter by its ID, or one given inline (it begins with `{`). */
  readonly filters: { resolve(userId: UserId, text: string): Promise<Filter> }
  /** Does this server speak busy (`presence.busy`)? */
  readonly busy: boolean
}

/** `GET …/sync` (PRESENCE-SPEC §2.8, ROOMS-SPEC §6.1). Guests may sync. */
export function syncRoutes({ sync, filters, busy }: SyncRoutesDeps): Route[] {
  const get = route({
    method: 'GET',
    path: '/sync',
    under: MODERN,
    auth: 'user',
    handle: async ({ requester, query, signal }) => {
      const setPresence = setPresenceParam(query, busy)
      const timeoutMs = countParam(query, 'timeout', 0)
      const fullState = flagParam(query, 'full_state', false)
      const stateAfterKey = stateAfterParam(query)
      const text = query.get('filter')
      const filter = text === null || text === '' ? {} : await filters.resolve(requester.userId, text)
      const since = query.get('since')
      return sync.sync({
        requester,
        since,
        timeoutMs,
        fullState,
        filter,
        setPresence,
        stateAfterKey,
        signal,
      })
    },
  })
  return [get]
}

/** P-091: the empty text is no value either. */
function setPresenceParam(query: URLSearchParams, busy: boolean): SetPresence {
  const value = parseSetPresence(query.get('set_presence'), busy)
  if (value === null) throw refuse.invalidParam('"set_presence" is not a presence state that /sync can set')
  return value
}

/** ROOMS-SPEC §6.5: the answer uses the key of the parameter that asked for it. */
function stateAfterParam(query: URLSearchParams): SyncQuery['stateAfterKey'] {
  const unstable = flagParam(query, 'org.matrix.msc4222.use_state_after', false)
  if (flagParam(query, 'use_state_after', false)) return 'state_after'
  return unstable ? UNSTABLE_STATE_AFTER : false
}
