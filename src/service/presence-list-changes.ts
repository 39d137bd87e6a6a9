import type { Millis } from '../base/clock.ts'
import {
  stepGrant,
  stepList,
  type Action,
  type GrantInput,
  type GrantState,
  type ListInput,
  type ListState,
  type ToObserved,
  type ToObserver,
  type Verdict,
} from '../engine/presence-list.ts'
import type { UserId } from '../matrix/ids.ts'
import type { InviteDirection, InviteNews, InviteState } from '../matrix/presence-list.ts'
import type { Row, Store, Write } from '../ports/store.ts'

export type PairStore = Pick<Store, 'presenceEntry' | 'presenceGrant'>

/** A pair of users while it is being changed: both sides as they stand, and as they stood. */
export interface Pair {
  readonly observer: UserId
  readonly observed: UserId
  readonly list: ListState
  readonly askedTs: Millis
  readonly grant: GrantState
  readonly grantTs: Millis
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

interface Draft extends Mutable<Pair> {
  readonly entryBefore: Row<'presenceList'> | null
  readonly grantBefore: Row<'presenceGrants'> | null
}

/** Something that reaches one side of a pair. */
type Arrival =
  { readonly at: 'list'; readonly input: ListInput } | { readonly at: 'grant'; readonly input: GrantInput }

/** Somebody came into another's sight, or went out of it. */
export interface Turn {
  readonly observer: UserId
  readonly observed: UserId
  readonly visible: boolean
}

/**
 * The changes of one commit. Both sides of a pair of this server are changed together: what one side says to the other
 * arrives at once. Nothing of it is so until the rows of `writes` are durable.
 */
export class PairChanges {
  readonly #store: PairStore
  readonly #now: Millis
  readonly #isLocal: (userId: UserId) => boolean
  readonly #pairs = new Map<string, Draft>()
  readonly #news = new Map<string, Omit<InviteNews, 'ts'>>()

  constructor(deps: {
    readonly store: PairStore
    readonly now: Millis
    readonly isLocal: (userId: UserId) => boolean
  }) {
    this.#store = deps.store
    this.#now = deps.now
    this.#isLocal = deps.isLocal
  }

  /** The pair as these changes leave it so far. */
  async pair(observer: UserId, observed: UserId): Promise<Pair> {
    const known = this.#pairs.get(keyOf(observer, observed))
    if (known !== undefined) return known
    const [entryBefore, grantBefore] = await Promise.all([
      this.#store.presenceEntry(observer, observed),
      this.#store.presenceGrant(observed, observer),
    ])
    const draft: Draft = {
      observer,
      observed,
      list: entryBefore?.state ?? 'absent',
      askedTs: entryBefore?.askedTs ?? 0,
      grant: grantBefore?.state ?? 'absent',
      grantTs: grantBefore?.ts ?? 0,
      entryBefore,
      grantBefore,
    }
    this.#pairs.set(keyOf(observer, observed), draft)
    return draft
  }

  /** Something happens at the observer's side; `verdict` is what becomes of an invite that is sent. */
  atList({ observer, observed }: Pair, input: ListInput, verdict: Verdict): void {
    this.#arrive(observer, observed, { at: 'list', input }, verdict)
  }

  /** Something happens at the observed user's side. */
  atGrant({ observer, observed }: Pair, input: GrantInput): void {
    this.#arrive(observer, observed, { at: 'grant', input }, 'ask')
  }

  /** Was anything changed at all? */
  get isEmpty(): boolean {
    return (
      this.#news.size === 0 && [...this.#pairs.values()].every((draft) => rowsOf(draft, null).length === 0)
    )
  }

  /** Users who have something new to read. */
  get told(): ReadonlySet<UserId> {
    return new Set([...this.#news.values()].map(({ userId }) => userId))
  }

  /** By the grant: a list entry alone shows nobody (P-149). */
  get turns(): Turn[] {
    return [...this.#pairs.values()].flatMap(({ observer, observed, grant, grantBefore }) => {
      const visible = grant === 'granted'
      return visible === (grantBefore?.state === 'granted') ? [] : [{ observer, observed, visible }]
    })
  }

  writes(next: () => number): Write[] {
    const ts = this.#now
    const positions = new Map<string, number>()
    const news = [...this.#news].map(([key, one]): Write => {
      const pos = next()
      positions.set(key, pos)
      return { put: 'presenceListNews', row: { ...one, ts, pos } }
    })
    const rows = [...this.#pairs.values()].flatMap((draft) => {
      const acceptedPos = positions.get(newsKey(draft.observer, draft.observed, 'outgoing')) ?? null
      return rowsOf(draft, acceptedPos)
    })
    return [...rows, ...news]
  }

  #arrive(observer: UserId, observed: UserId, first: Arrival, verdict: Verdict): void {
    const draft = this.#pairs.get(keyOf(observer, observed)) as Draft
    const arrivals = [first]
    // Grows while it is walked; every exchange of §5.5 ends after a few words.
    for (const arrival of arrivals)
      arrivals.push(
        ...(arrival.at === 'list'
          ? this.#stepList(draft, arrival.input, verdict)
          : this.#stepGrant(draft, arrival.input)),
      )
  }

  #stepList(draft: Draft, input: ListInput, verdict: Verdict): Arrival[] {
    const { state, actions } = stepList(draft.list, input)
    if (state === 'pending' && isRenewed(draft.list, state, actions)) draft.askedTs = this.#now
    draft.list = state
    this.#tell(draft.observer, draft.observed, 'outgoing', actions)
    if (!this.#isLocal(draft.observed)) return []
    return messagesOf(actions).map((message) => ({
      at: 'grant',
      input: message === 'invite' ? (`invite, ${verdict}` as const) : message,
    }))
  }

  #stepGrant(draft: Draft, input: GrantInput): Arrival[] {
    const { state, actions } = stepGrant(draft.grant, input)
    if (isRenewed(draft.grant, state, actions)) draft.grantTs = this.#now
    draft.grant = state
    this.#tell(draft.observed, draft.observer, 'incoming', actions)
    if (!this.#isLocal(draft.observer)) return []
    return messagesOf(actions).map((message) => ({ at: 'list', input: message }))
  }

  #tell(
    userId: UserId,
    otherId: UserId,
    direction: InviteDirection,
    actions: readonly Action<ToObserved | ToObserver>[],
  ): void {
    for (const action of actions) {
      if (action.kind !== 'event') continue
      const key = newsKey(userId, otherId, direction)
      // The latest state of a pair stands where it was told.
      this.#news.delete(key)
      this.#news.set(key, { userId, otherId, direction, state: action.state satisfies InviteState })
    }
  }
}

function isRenewed(before: string, after: string, actions: readonly Action<unknown>[]): boolean {
  return before !== after || actions.some(({ kind }) => kind === 'refresh')
}

function messagesOf<Message>(actions: readonly Action<Message>[]): Message[] {
  return actions.flatMap((action) => (action.kind === 'send' ? [action.message] : []))
}

function rowsOf(draft: Draft, acceptedPos: number | null): Write[] {
  return [...entryWrites(draft, acceptedPos), ...grantWrites(draft)]
}

function entryWrites(draft: Draft, newPos: number | null): Write[] {
  const { observer, observed, list: state, askedTs, entryBefore: before } = draft
  if (state === 'absent')
    return before === null ? [] : [{ drop: 'presenceList', where: { observer, observed } }]
  if (before?.state === state && before.askedTs === askedTs) return []
  const acceptedPos = state === 'accepted' ? newPos : null
  return [{ put: 'presenceList', row: { observer, observed, state, askedTs, acceptedPos, ask: 0 } }]
}

function grantWrites({ observer, observed, grant: state, grantTs: ts, grantBefore: before }: Draft): Write[] {
  if (state === 'absent')
    return before === null ? [] : [{ drop: 'presenceGrants', where: { observed, observer } }]
  if (before?.state === state && before.ts === ts) return []
  return [{ put: 'presenceGrants', row: { observed, observer, state, ts, ask: null } }]
}

/** No ID holds a NUL. */
function keyOf(observer: UserId, observed: UserId): string {
  return `${observer}\u0000${observed}`
}

function newsKey(userId: UserId, otherId: UserId, direction: InviteDirection): string {
  return `${userId}\u0000${otherId}\u0000${direction}`
}
