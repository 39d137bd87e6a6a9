import { LastPositions } from '../base/last-positions.ts'
import type { UserId } from '../matrix/ids.ts'
import { inviteEvent, type InviteNews, type InviteState } from '../matrix/presence-list.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { Row, Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'

/** What is to be told of a user's pairs. */
export interface NewsOfPairs {
  readonly events: readonly ClientEvent[]
  /** Users whom this one followed and does not any more. */
  readonly ended: readonly UserId[]
}

/** Positions of the durable stream. */
export interface NewsWindow {
  /** Exclusive; null for who has nothing yet. */
  readonly after: number | null
  /** Inclusive. */
  readonly upTo: number
  /** What is pending, too, however long it has been (`full_state`). */
  readonly withPending: boolean
}

/** What users' devices are told of invites and answers (PRESENCE-SPEC §2.5.3), for every surface that shows it. */
export interface PresenceListNews {
  /**
   * To who has nothing yet, every pair that is pending, both directions; to others every pair that changed within the window,
   * its latest state only, in the order of the changes (P-068).
   */
  read(userId: UserId, window: NewsWindow): Promise<NewsOfPairs>
}

export interface PresenceListNewsDeps {
  readonly store: Pick<Store, 'presenceListNews'>
  readonly stream: Pick<Stream, 'current' | 'observe'>
  /** Users of whom it is known when there was something last. */
  readonly usersMax: number
}

const NOTHING: NewsOfPairs = { events: [], ended: [] }

export function createPresenceListNews({ store, stream, usersMax }: PresenceListNewsDeps): PresenceListNews {
  // Most users never have any: that must not cost a query each time.
  const last = new LastPositions<UserId>({ keysMax: usersMax, floor: stream.current })
  stream.observe((writes) => {
    for (const write of writes)
      if ('put' in write && write.put === 'presenceListNews') last.set(write.row.userId, write.row.pos)
  })
  return {
    async read(userId, { after, upTo, withPending }) {
      if (after !== null && !withPending) {
        if (last.get(userId) <= after) return NOTHING
        return newsOf(await store.presenceListNews(userId, after, upTo))
      }
      const rows = await store.presenceListNews(userId, 0, upTo)
      return newsOf(rows.filter(({ state, pos }) => state === 'pending' || (after !== null && pos > after)))
    },
  }
}

function newsOf(rows: readonly Row<'presenceListNews'>[]): NewsOfPairs {
  const news = rows.map((row): InviteNews => ({ ...row, state: row.state as InviteState }))
  return { events: news.map(inviteEvent), ended: news.filter(isEnd).map(({ otherId }) => otherId) }
}

function isEnd({ direction, state }: InviteNews): boolean {
  return direction === 'outgoing' && (state === 'revoked' || state === 'withdrawn')
}
