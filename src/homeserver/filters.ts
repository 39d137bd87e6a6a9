import { createHash } from 'node:crypto'
import { refuse } from '../matrix/errors.ts'
import { filterSchema, inlineFilter, type Filter } from '../matrix/filter.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Store } from '../ports/store.ts'
import type { ActiveUsers } from './active-users.ts'
import { createLru } from './lru.ts'

/** Different filters one user may store; a client uploads one or two, and equal ones count once. */
export const FILTERS_PER_USER_MAX = 100

/** Characters of the hash that name a filter: equal filters of a user share one ID. */
const FILTER_ID_LENGTH = 16

export interface Filters {
  /** Stores the filter as sent and names it (ROOMS-SPEC §5.9). `filter` was checked against the schema. */
  upload(userId: UserId, filter: Filter): Promise<string>
  /** As uploaded, or null. Shared: not to be changed. */
  get(userId: UserId, filterId: string): Promise<Filter | null>
  /**
   * The value of a `filter` query parameter: an ID, or JSON if it begins with `{`. Not JSON → M_NOT_JSON; a wrong shape or
   * an unknown ID → M_INVALID_PARAM.
   */
  resolve(userId: UserId, text: string): Promise<Filter>
}

export function createFilters(deps: {
  readonly store: Pick<Store, 'commit' | 'filter' | 'filters'>
  readonly activeUsers: ActiveUsers
  /** Stored filters kept in memory: every poll names one. */
  readonly filtersMax: number
}): Filters {
  const { store, activeUsers } = deps
  const known = createLru<string, Filter>(deps.filtersMax)

  const get = async (userId: UserId, filterId: string): Promise<Filter | null> => {
    const key = `${userId}\u0000${filterId}`
    const cached = known.get(key)
    if (cached !== undefined) return cached
    const row = await store.filter(userId, filterId)
    if (row === null) return null
    const filter = JSON.parse(row.json) as Filter
    known.set(key, filter)
    return filter
  }

  return {
    get,
    async upload(userId, filter) {
      const json = JSON.stringify(filter)
      const filterId = createHash('sha256').update(json).digest('base64url').slice(0, FILTER_ID_LENGTH)
      // Clients upload the same filter at every start: one look-up answers that.
      if ((await store.filter(userId, filterId)) !== null) return filterId
      return activeUsers.run(userId, async () => {
        if ((await store.filters(userId)).length >= FILTERS_PER_USER_MAX)
          throw refuse.tooLarge(`At most ${FILTERS_PER_USER_MAX} filters can be stored for a user`)
        await store.commit([{ put: 'filters', row: { userId, filterId, json } }])
        return filterId
      })
    },
    async resolve(userId, text) {
      if (text.startsWith('{')) return inlineFilter(text, filterSchema)
      const filter = await get(userId, text)
      if (filter === null) throw refuse.invalidParam('The filter ID is not known')
      return filter
    },
  }
}
