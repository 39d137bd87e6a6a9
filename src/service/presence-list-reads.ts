import type { UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { acceptedElement, pendingElement, type InviteDirection } from '../matrix/presence-list.ts'
import { UNKNOWN_PRESENCE, type PresenceEventForm } from '../matrix/presence.ts'
import type { Store } from '../ports/store.ts'
import type { Loop } from './loop.ts'
import type { PresenceEvents, ShownEntry } from './presence-events.ts'

/** An invite that waits for its answer. */
export interface PendingInvite {
  readonly userId: UserId
  readonly direction: InviteDirection
  /** When it was last sent, or last came. */
  readonly ts: number
}

/** Pages are cut behind an invite; incoming ones come first, each direction in order of time. */
export type InvitePlace = PendingInvite

export interface InvitesQuery {
  readonly directions: readonly InviteDirection[]
  readonly limit: number
  /** The last one of the page before. */
  readonly behind: InvitePlace | null
}

export interface InvitePage {
  readonly invites: readonly PendingInvite[]
  readonly hasMore: boolean
}

export interface Observer {
  readonly userId: UserId
  readonly sinceTs: number
}

/** What a user may read of the own list, invites and observers (PRESENCE-SPEC §2.3, §2.5.2). */
export interface PresenceListReads {
  /** Elements of the list in the order in which they were accepted, then, if asked for, pending ones in the order of asking. */
  list(
    userId: UserId,
    options: { readonly includePending: boolean; readonly form: PresenceEventForm },
  ): Promise<JsonObject[]>
  invites(userId: UserId, query: InvitesQuery): Promise<InvitePage>
  /** Whom the user lets see, in the order of consent. */
  observers(userId: UserId): Promise<Observer[]>
}

export interface PresenceListReadsDeps {
  readonly store: Pick<Store, 'presenceEntries' | 'presenceGrants'>
  /** False: everybody is shown as offline (P-029). */
  readonly enabled: boolean
  readonly loop: Pick<Loop, 'view'>
  readonly events: PresenceEvents
}

export function createPresenceListReads(deps: PresenceListReadsDeps): PresenceListReads {
  const { store, events } = deps
  return {
    async list(userId, { includePending, form }) {
      const entries = await store.presenceEntries(userId)
      const accepted = entries
        .filter(({ state }) => state === 'accepted')
        .toSorted((one, other) => (one.acceptedPos ?? 0) - (other.acceptedPos ?? 0))
        .map(({ observed }) => shownOf(deps, userId, observed) ?? unknown(observed))
      const pending = entries
        .filter(({ state }) => includePending && state === 'pending')
        .toSorted((one, other) => one.askedTs - other.askedTs || compare(one.observed, other.observed))
      const seen = pending.flatMap(({ observed }) => shownOf(deps, userId, observed) ?? [])
      const written = await events.write([...accepted, ...seen], form)
      const eventOf = new Map([...accepted, ...seen].map((entry, index) => [entry.userId, written[index]]))
      return [
        ...accepted.map((entry) => acceptedElement(entry.userId, eventOf.get(entry.userId) ?? {})),
        ...pending.map(({ observed }) => pendingElement(observed, eventOf.get(observed) ?? null)),
      ]
    },

    async invites(userId, { directions, limit, behind }) {
      const [grants, entries] = await Promise.all([
        directions.includes('incoming') ? store.presenceGrants(userId, 'pending') : [],
        directions.includes('outgoing') ? store.presenceEntries(userId) : [],
      ])
      const incoming = grants.map(({ observer, ts }): PendingInvite => {
        return { userId: observer, direction: 'incoming', ts }
      })
      const outgoing = entries
        .filter(({ state }) => state === 'pending')
        .map(({ observed, askedTs }): PendingInvite => {
          return { userId: observed, direction: 'outgoing', ts: askedTs }
        })
      const left = [...incoming, ...outgoing]
        .filter((invite) => behind === null || inOrder(behind, invite) < 0)
        .toSorted(inOrder)
      return { invites: left.slice(0, limit), hasMore: left.length > limit }
    },

    async observers(userId) {
      const grants = await store.presenceGrants(userId, 'granted')
      return grants
        .toSorted((one, other) => one.ts - other.ts || compare(one.observer, other.observer))
        .map(({ observer, ts }) => ({ userId: observer, sinceTs: ts }))
    },
  }
}

function shownOf(
  { enabled, loop }: PresenceListReadsDeps,
  viewer: UserId,
  userId: UserId,
): ShownEntry | null {
  const view = loop.view(viewer, userId)
  if (view === null) return null
  return enabled ? { userId, view } : unknown(userId)
}

/** Of whom nothing is known yet (§2.3). */
function unknown(userId: UserId): ShownEntry {
  return { userId, view: { ...UNKNOWN_PRESENCE, seq: 0 } }
}

function inOrder(one: InvitePlace, other: InvitePlace): number {
  return compare(one.direction, other.direction) || one.ts - other.ts || compare(one.userId, other.userId)
}

function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
