import type { RoomEventFilter } from '../matrix/filter.ts'
import type { EventId } from '../matrix/ids.ts'
import { stateKeyOf } from '../matrix/room-event.ts'
import type { Requester } from '../ports/directory.ts'
import type { StateEntry, Store } from '../ports/store.ts'
import { eventTest, excludesAll } from './event-filter.ts'
import type { LazyMembers } from './lazy-members.ts'
import type { RoomTimeline } from './room-section-timeline.ts'
import type { RoomWindow } from './room-section-transitions.ts'
import type { RoomStates, StoredEvent } from './room-state.ts'

const MEMBER = 'm.room.member'

export interface StateReaderDeps {
  readonly store: Pick<Store, 'events' | 'stateEntryAt'>
  readonly roomStates: Pick<RoomStates, 'at' | 'storedEvent'>
  readonly lazyMembers: LazyMembers
}

interface StateQuery {
  readonly requester: Requester
  readonly window: RoomWindow
  readonly timeline: RoomTimeline
  /** What changed between the baseline and the end of the window, oldest first; not looked at without a baseline. */
  readonly changes: readonly StateEntry[]
  readonly filter: RoomEventFilter | undefined
  /** True: the state after the timeline; false: the state before it. */
  readonly isAfter: boolean
  /** Users whom the summary names. */
  readonly heroes: readonly string[]
  /** Positions of this answer's window. */
  readonly since: number | null
  readonly now: number
}

/** The state that the client lacks (ROOMS-SPEC §6.5), filtered; with lazy loading only the members of §6.7. */
export async function readState(deps: StateReaderDeps, query: StateQuery): Promise<StoredEvent[]> {
  const { window, filter } = query
  if (!window.hasState || excludesAll(filter, window.roomId)) return []
  const missing = window.baseline === null ? await fullState(deps, query) : await changedState(deps, query)
  const wanted = filter?.lazy_load_members === true ? await lazily(deps, query, missing) : missing
  const accepts = eventTest(filter, window.roomId)
  return wanted.filter(({ event }) => accepts(event.pdu)).sort((a, b) => a.row.pos - b.row.pos)
}

/** One event a key: the one that holds, or, if the timeline tells that one, the one that held before the timeline. */
async function fullState(deps: StateReaderDeps, query: StateQuery): Promise<StoredEvent[]> {
  const { window, timeline, isAfter } = query
  const end = [...(await deps.roomStates.at(window.roomId, window.upTo)).all()]
  if (isAfter) return end
  const told = idsOf(timeline)
  const before = end.filter(({ row }) => !told.has(row.eventId))
  if (before.length === end.length) return end
  const start = await deps.roomStates.at(window.roomId, timeline.start)
  for (const { row } of end) {
    const held = told.has(row.eventId) ? start.get(row.type, row.stateKey ?? '') : undefined
    if (held !== undefined) before.push(held)
  }
  return before
}

async function changedState(deps: StateReaderDeps, query: StateQuery): Promise<StoredEvent[]> {
  const { timeline, changes, isAfter } = query
  const told = isAfter ? new Set<EventId>() : idsOf(timeline)
  const atEnd = lastOfEachKey(changes)
  const atStart = lastOfEachKey(changes.filter((entry) => entry.pos <= timeline.start))
  const ids = [...atEnd].flatMap(([key, entry]) => {
    const candidate = told.has(entry.eventId) ? atStart.get(key) : entry
    return candidate === undefined ? [] : [candidate.eventId]
  })
  return loaded(deps, ids)
}

function lastOfEachKey(entries: readonly StateEntry[]): ReadonlyMap<string, StateEntry> {
  return new Map(entries.map((entry) => [stateKeyOf(entry.type, entry.stateKey), entry]))
}

/** §6.7: everything but members, and the members whom the answer speaks of and the device was not told of yet. */
async function lazily(
  deps: StateReaderDeps,
  query: StateQuery,
  missing: readonly StoredEvent[],
): Promise<StoredEvent[]> {
  const { requester, window, timeline, filter, isAfter, since, now } = query
  const { lazyMembers } = deps
  const isFull = window.baseline === null
  const others = missing.filter(({ row }) => row.type !== MEMBER)
  const changed = missing.filter(({ row }) => row.type === MEMBER && isInGap(query, row.pos))
  const settled = new Set(changed.map(({ row }) => row.stateKey ?? ''))
  const wanted = [...spokenOf(query)].filter((member) => !settled.has(member))
  const repeats = isFull || since === null || filter?.include_redundant_members === true
  const lacking = (await membersOf(deps, query, wanted)).filter(({ row }) => {
    const key = { roomId: window.roomId, member: row.stateKey ?? '' }
    return repeats || !lazyMembers.has(requester, key, row.eventId, since)
  })
  const members = [...changed, ...lacking]
  const told = isAfter ? [] : timeline.events.filter(({ row }) => row.type === MEMBER)
  // What the timeline says comes after the state and is what the client keeps.
  for (const { row } of [...members, ...told]) {
    const key = { roomId: window.roomId, member: row.stateKey ?? '' }
    lazyMembers.sent(requester, key, row.eventId, now)
  }
  return [...others, ...members]
}

/** Changes that a limited timeline leaves out are told, redundant or not; with the state after it, all changes. */
function isInGap({ window, timeline, isAfter }: StateQuery, pos: number): boolean {
  if (window.baseline === null) return false
  return isAfter || (timeline.limited && pos <= timeline.start)
}

/** Senders whose member event does not come before what they say, the heroes, and on a full state the reader. */
function spokenOf({ requester, window, timeline, isAfter, heroes }: StateQuery): ReadonlySet<string> {
  const wanted = new Set<string>(heroes)
  if (window.baseline === null) wanted.add(requester.userId)
  const introduced = new Set<string>()
  for (const { row } of timeline.events) {
    if (!introduced.has(row.sender)) wanted.add(row.sender)
    if (!isAfter && row.type === MEMBER && row.stateKey !== null) introduced.add(row.stateKey)
  }
  return wanted
}

/** Their member events: those that hold, or, if the timeline tells those, the ones before it. */
async function membersOf(
  deps: StateReaderDeps,
  { window, timeline, isAfter }: StateQuery,
  members: readonly string[],
): Promise<StoredEvent[]> {
  if (members.length === 0) return []
  const told = isAfter ? new Set<EventId>() : idsOf(timeline)
  const end = await deps.roomStates.at(window.roomId, window.upTo)
  const found: StoredEvent[] = []
  const before: EventId[] = []
  for (const member of members) {
    const holds = end.get(MEMBER, member)
    if (holds === undefined) continue
    if (!told.has(holds.row.eventId)) {
      found.push(holds)
      continue
    }
    const entry = await deps.store.stateEntryAt(window.roomId, MEMBER, member, timeline.start)
    if (entry !== null) before.push(entry.eventId)
  }
  return [...found, ...(await loaded(deps, before))]
}

async function loaded(deps: StateReaderDeps, ids: readonly EventId[]): Promise<StoredEvent[]> {
  if (ids.length === 0) return []
  return (await deps.store.events(ids)).map(deps.roomStates.storedEvent)
}

function idsOf(timeline: RoomTimeline): ReadonlySet<EventId> {
  return new Set(timeline.events.map(({ row }) => row.eventId))
}
