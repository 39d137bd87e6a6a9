import { assert, assertNever } from '../base/assert.ts'
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
import type { ListEduKind } from '../matrix/edu.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import type { InviteDirection, InviteNews, InviteState } from '../matrix/presence-list.ts'
import type { Row, Store, Write } from '../ports/store.ts'

export type PairStore = Pick<Store, 'presenceEntry' | 'presenceGrant' | 'listOutboxEntry'>

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

/** The asking that a word is about: the position at which it began, `new` before it has one, null if nobody said. */
type Asking = number | 'new' | null

interface Draft extends Mutable<Pair> {
  readonly entryBefore: Row<'presenceList'> | null
  readonly grantBefore: Row<'presenceGrants'> | null
  /** What the other server did not acknowledge yet; it may be on its way, and arrive. */
  readonly waiting: Row<'listOutbox'> | null
  /** Of the observer's side. */
  ask: Asking
  /** Of the observed user's side, as the observer's server named it. */
  grantAsk: number | null
  /** What the other side is to be told if it is on another server; `nothing`: nor what waits for it since before. */
  word: ListEduKind | 'nothing' | null
  /** The observer's server is to hear the observed user's presence. */
  isPushed: boolean
}

/** What another server says of a pair. */
export interface Word {
  readonly kind: ListEduKind
  readonly ask: number | null
}

/** Something that reaches one side of a pair. */
type Arrival =
  { readonly at: 'list'; readonly input: ListInput } | { readonly at: 'grant'; readonly input: GrantInput }

/** What became of a grant, for who counts them. */
export interface GrantTurn {
  readonly observer: UserId
  readonly observed: UserId
  readonly before: GrantState
  readonly after: GrantState
}

/** Somebody came into another's sight, or went out of it. */
export interface Turn {
  readonly observer: UserId
  readonly observed: UserId
  readonly visible: boolean
}

/**
 * The changes of one commit. Both sides of a pair of this server are changed together: what one side says to the other
 * arrives at once. Of a pair with another server one side is here, and what it says goes into the outbox. Nothing of it is so
 * until the rows of `writes` are durable.
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
    const isWithin = this.#isLocal(observer) && this.#isLocal(observed)
    const [entryBefore, grantBefore, waiting] = await Promise.all([
      this.#store.presenceEntry(observer, observed),
      this.#store.presenceGrant(observed, observer),
      isWithin ? null : this.#store.listOutboxEntry(observer, observed),
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
      waiting,
      ask: entryBefore?.ask ?? null,
      grantAsk: grantBefore?.ask ?? null,
      word: null,
      isPushed: false,
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

  /**
   * The other server's word arrives at the side that is here. Words of the same server come in order but for accidents, so
   * one about an older asking than the last was overtaken: it changes nothing (decision 0015).
   */
  hear({ observer, observed }: Pair, { kind, ask }: Word, verdict: Verdict): void {
    const draft = this.#draft(observer, observed)
    switch (kind) {
      case 'accept':
      case 'deny':
        if (!isOlder(ask, draft.ask)) this.#hearAnswer(draft, kind, ask)
        return
      case 'withdraw':
        if (!isOlder(ask, draft.grantAsk)) this.#stepGrant(draft, kind)
        return
      case 'invite':
        if (isDenied(draft, ask)) return
        draft.grantAsk = isOlder(ask, draft.grantAsk) ? draft.grantAsk : ask
        this.#stepGrant(draft, `invite, ${verdict}`)
        return
      default:
        assertNever(kind)
    }
  }

  #hearAnswer(draft: Draft, kind: 'accept' | 'deny', ask: number | null): void {
    if (draft.list === 'absent') {
      // A withdraw of what was asked later lies ready, and says this, too.
      if (draft.waiting?.kind === 'withdraw' && isOlder(ask, draft.waiting.ask)) return
      // Nobody asks here: what is answered with names their asking.
      draft.ask = ask
    }
    this.#stepList(draft, kind, 'ask')
    // Whoever was reminded meanwhile would be asked again by an invite that nobody stands behind.
    if (kind === 'deny' && draft.waiting?.kind === 'invite') draft.word = 'withdraw'
  }

  /** Takes back what would be said to other servers. */
  silence(): void {
    for (const draft of this.#pairs.values()) {
      draft.word = null
      draft.isPushed = false
    }
  }

  /** Was anything changed at all? */
  get isEmpty(): boolean {
    return this.#changesNothing && [...this.#pairs.values()].every(({ word }) => word === null)
  }

  /** Is something said and nothing changed? */
  get isMereAnswer(): boolean {
    return this.#changesNothing && !this.isEmpty
  }

  get #changesNothing(): boolean {
    const drafts = [...this.#pairs.values()]
    return this.#news.size === 0 && drafts.every((draft) => !changesEntry(draft) && !changesGrant(draft))
  }

  /** Users who have something new to read. */
  get told(): ReadonlySet<UserId> {
    return new Set([...this.#news.values()].map(({ userId }) => userId))
  }

  /**
   * By the grant: a list entry alone shows nobody (P-149). Of another server's user the grant is there; here the entry stands for
   * it, which nobody but that server can have accepted (P-189).
   */
  get turns(): Turn[] {
    return [...this.#pairs.values()].flatMap((draft) => {
      const { observer, observed, list, grant, entryBefore, grantBefore } = draft
      const isHere = this.#isLocal(observed)
      const visible = isHere ? grant === 'granted' : list === 'accepted'
      const before = isHere ? grantBefore?.state === 'granted' : entryBefore?.state === 'accepted'
      return visible === before ? [] : [{ observer, observed, visible }]
    })
  }

  get grantTurns(): GrantTurn[] {
    return [...this.#pairs.values()].flatMap(({ observer, observed, grant: after, grantBefore }) => {
      const before = grantBefore?.state ?? 'absent'
      return before === after ? [] : [{ observer, observed, before, after }]
    })
  }

  /** Servers for which something lies in the outbox. */
  get addressed(): ReadonlySet<ServerName> {
    const drafts = [...this.#pairs.values()].filter(({ word }) => word !== null && word !== 'nothing')
    return new Set(drafts.map((draft) => this.#otherServer(draft)))
  }

  /** Users whose presence other servers are to hear at once. */
  get pushes(): { readonly server: ServerName; readonly observed: UserId }[] {
    return [...this.#pairs.values()]
      .filter(({ isPushed }) => isPushed)
      .map(({ observer, observed }) => ({ server: serverOf(observer), observed }))
  }

  writes(next: () => number): Write[] {
    const ts = this.#now
    const positions = new Map<string, number>()
    const news = [...this.#news].map(([key, one]): Write => {
      const pos = next()
      positions.set(key, pos)
      return { put: 'presenceListNews', row: { ...one, ts, pos } }
    })
    const rows: Write[] = []
    for (const draft of this.#pairs.values()) {
      const newPos = positions.get(newsKey(draft.observer, draft.observed, 'outgoing')) ?? null
      rows.push(
        ...entryWrites(draft, newPos),
        ...grantWrites(draft),
        ...this.#outboxWrites(draft, newPos, next),
      )
    }
    return [...rows, ...news]
  }

  /** In place of what waits for the same pair: only the newest is worth saying. */
  #outboxWrites(draft: Draft, newPos: number | null, next: () => number): Write[] {
    const { observer, observed, word: kind } = draft
    if (kind === null) return []
    if (kind === 'nothing') return [{ drop: 'listOutbox', where: { observer, observed } }]
    const ask = kind === 'invite' || kind === 'withdraw' ? askOf(draft, newPos) : draft.grantAsk
    const serverName = this.#otherServer(draft)
    return [{ put: 'listOutbox', row: { observer, observed, serverName, kind, ask, pos: next() } }]
  }

  #otherServer({ observer, observed }: Pair): ServerName {
    return serverOf(this.#isLocal(observer) ? observed : observer)
  }

  #arrive(observer: UserId, observed: UserId, first: Arrival, verdict: Verdict): void {
    const draft = this.#draft(observer, observed)
    const arrivals = [first]
    // Grows while it is walked; every exchange of §5.5 ends after a few words.
    for (const arrival of arrivals)
      arrivals.push(
        ...(arrival.at === 'list'
          ? this.#stepList(draft, arrival.input, verdict)
          : this.#stepGrant(draft, arrival.input)),
      )
  }

  #draft(observer: UserId, observed: UserId): Draft {
    const draft = this.#pairs.get(keyOf(observer, observed))
    assert(draft !== undefined, 'a pair is changed that was not looked up')
    return draft
  }

  #stepList(draft: Draft, input: ListInput, verdict: Verdict): Arrival[] {
    const { state, actions } = stepList(draft.list, input)
    if (draft.list === 'absent' && state === 'pending') draft.ask = 'new'
    if (state === 'pending' && isRenewed(draft.list, state, actions)) draft.askedTs = this.#now
    const isOver = input === 'expire' && draft.list === 'pending'
    draft.list = state
    this.#tell(draft.observer, draft.observed, 'outgoing', actions)
    const messages = messagesOf(actions)
    if (!this.#isLocal(draft.observed)) {
      // An invite that never arrived is not to arrive after its time.
      draft.word = isOver ? 'nothing' : (messages.at(-1) ?? draft.word)
      return []
    }
    return messages.map((message) => ({
      at: 'grant',
      input: message === 'invite' ? (`invite, ${verdict}` as const) : message,
    }))
  }

  #stepGrant(draft: Draft, input: GrantInput): Arrival[] {
    const { state, actions } = stepGrant(draft.grant, input)
    if (isRenewed(draft.grant, state, actions)) draft.grantTs = this.#now
    draft.grant = state
    this.#tell(draft.observed, draft.observer, 'incoming', actions)
    const messages = messagesOf(actions)
    if (!this.#isLocal(draft.observer)) {
      draft.word = messages.at(-1) ?? draft.word
      const isPushed = draft.isPushed || actions.some(({ kind }) => kind === 'push')
      draft.isPushed = isPushed && state === 'granted'
      return []
    }
    return messages.map((message) => ({ at: 'list', input: message }))
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

function isOlder(ask: number | null, known: Asking): boolean {
  return ask !== null && typeof known === 'number' && ask < known
}

/** A deny of this very asking lies ready still: the invite was on its way before anybody there could know. */
function isDenied({ grant, waiting }: Draft, ask: number | null): boolean {
  if (grant !== 'absent' || waiting?.kind !== 'deny') return false
  return ask !== null && waiting.ask !== null && ask <= waiting.ask
}

/** What began with this change is named by the position at which the observer is told of it. */
function askOf({ ask }: Draft, newPos: number | null): number | null {
  return ask === 'new' ? newPos : ask
}

function changesEntry({ list: state, askedTs, ask, entryBefore: before }: Draft): boolean {
  if (state === 'absent') return before !== null
  return before?.state !== state || before.askedTs !== askedTs || before.ask !== ask
}

function entryWrites(draft: Draft, newPos: number | null): Write[] {
  const { observer, observed, list: state, askedTs } = draft
  if (!changesEntry(draft)) return []
  if (state === 'absent') return [{ drop: 'presenceList', where: { observer, observed } }]
  const ask = askOf(draft, newPos)
  assert(ask !== null, 'an entry that nobody asked for')
  const acceptedPos = state === 'accepted' ? newPos : null
  return [{ put: 'presenceList', row: { observer, observed, state, askedTs, acceptedPos, ask } }]
}

function changesGrant({ grant: state, grantTs, grantAsk, grantBefore: before }: Draft): boolean {
  if (state === 'absent') return before !== null
  if (before?.state !== state || before.ts !== grantTs) return true
  // Who is ignored is not written down again for asking.
  return state !== 'ignored' && before.ask !== grantAsk
}

function grantWrites(draft: Draft): Write[] {
  const { observer, observed, grant: state, grantTs: ts, grantAsk: ask } = draft
  if (!changesGrant(draft)) return []
  if (state === 'absent') return [{ drop: 'presenceGrants', where: { observed, observer } }]
  return [{ put: 'presenceGrants', row: { observed, observer, state, ts, ask } }]
}

/** No ID holds a NUL. */
function keyOf(observer: UserId, observed: UserId): string {
  return `${observer}\u0000${observed}`
}

function newsKey(userId: UserId, otherId: UserId, direction: InviteDirection): string {
  return `${userId}\u0000${otherId}\u0000${direction}`
}
