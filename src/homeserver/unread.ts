import { createLru } from './lru.ts'
import { parseEventId, type RoomId, type UserId } from '../matrix/ids.ts'
import { isJsonObject, own, ownString } from '../matrix/json.ts'
import type { Pdu } from '../matrix/room-event.ts'
import type { UnreadCounts } from '../matrix/sync.ts'
import type { Store } from '../ports/store.ts'
import type { HistoryView } from './history-visibility.ts'
import type { Memberships } from './memberships.ts'
import { levelOf } from './power-levels.ts'
import { evaluatePushRules, type PushContext } from './push-evaluate.ts'
import type { Receipt, RoomReceipts } from './room-receipts.ts'
import { authStateOf, contentIn, type RoomState, type RoomStates, type StoredEvent } from './room-state.ts'
import type { UserSettings } from './user-settings.ts'

/** Events looked at behind the newest; what lies further back does not count any more. */
export const UNREAD_LOOKBACK_MAX = 1_000
/** What needs this level unless the power levels say otherwise (`notifications`). */
const NOTIFICATION_LEVEL_DEFAULT = 50
const MAIN = 'main'
/** Before every event. */
const NOTHING_READ = -1

/** Counts of one room for one user (ROOMS-SPEC §6.9). */
export interface Unread {
  /** Everything, or the main timeline when threads are counted by themselves. */
  readonly room: UnreadCounts
  /** By thread root, only those that are not zero; null unless asked for. */
  readonly threads: Readonly<Record<string, UnreadCounts>> | null
}

interface UnreadQuery {
  readonly userId: UserId
  readonly roomId: RoomId
  readonly upTo: number
  readonly view: HistoryView
  readonly settings: UserSettings
  readonly byThread: boolean
}

export interface UnreadCounter {
  count(query: UnreadQuery): Promise<Unread>
}

/** An event that the push rules notify of. */
interface Notice {
  readonly pos: number
  readonly thread: string
  readonly highlight: boolean
}

/** What was counted up to a position; receipts are applied when it is read, so they leave it as it is. */
interface Tally {
  readonly upTo: number
  readonly rules: UserSettings
  readonly notices: readonly Notice[]
}

interface UnreadDeps {
  readonly store: Pick<Store, 'eventsBetween'>
  readonly roomStates: Pick<RoomStates, 'current' | 'storedEvent'>
  readonly roomReceipts: RoomReceipts
  readonly memberships: Memberships
  /** Pairs of user and room whose counts are kept in memory. */
  readonly talliesMax: number
}

export function createUnreadCounter(deps: UnreadDeps): UnreadCounter {
  const tallies = createLru<string, Tally>(deps.talliesMax)
  return {
    async count(query) {
      const key = `${query.userId}\u0000${query.roomId}`
      const receipts = (await deps.roomReceipts.of(query.roomId)).ofUser(query.userId)
      const known = tallies.get(key)
      const isUsable = known !== undefined && known.rules === query.settings && known.upTo <= query.upTo
      const start = isUsable ? known.upTo : (readPositions(receipts).get('') ?? NOTHING_READ)
      const tally = await tallied(deps, query, start, isUsable ? known.notices : [])
      tallies.set(key, tally)
      return counted(tally.notices, receipts, query.byThread)
    },
  }
}

async function tallied(
  deps: UnreadDeps,
  query: UnreadQuery,
  after: number,
  before: readonly Notice[],
): Promise<Tally> {
  const { roomId, upTo, settings: rules } = query
  if (after >= upTo) return { upTo, rules, notices: before }
  const range = { roomId, after, upTo, limit: UNREAD_LOOKBACK_MAX, newestFirst: true }
  const rows = await deps.store.eventsBetween(range)
  const judge = await createJudge(deps, query)
  const fresh: Notice[] = []
  for (const row of rows) {
    // The user has read what was there when speaking; joining is speaking, too.
    if (row.sender === query.userId) return { upTo, rules, notices: fresh.reverse() }
    const notice = judge(deps.roomStates.storedEvent(row))
    if (notice !== null) fresh.push(notice)
  }
  return { upTo, rules, notices: [...before, ...fresh.reverse()].slice(-UNREAD_LOOKBACK_MAX) }
}

/** What the user's push rules make of an event, by the room as it is now. */
async function createJudge(
  { roomStates, memberships }: UnreadDeps,
  { roomId, userId, view, settings }: UnreadQuery,
): Promise<(stored: StoredEvent) => Notice | null> {
  const state = await roomStates.current(roomId)
  const context: PushContext = {
    roomId,
    memberCount: memberships.joinedMembers(roomId).size,
    displayName: displayNameOf(state, userId),
    mayNotify: (sender, key) => state !== null && mayNotify(state, sender, key),
  }
  return ({ row, event }) => {
    if (row.stateKey === null && settings.ignored.has(row.sender)) return null
    if (!view.canSee(row)) return null
    const { notify, highlight } = evaluatePushRules(settings.pushRules, event.pdu, context)
    return notify ? { pos: row.pos, thread: threadOf(event.pdu), highlight } : null
  }
}

function displayNameOf(state: RoomState | null, userId: UserId): string | null {
  const content = state === null ? undefined : contentIn(state, 'm.room.member', userId)
  return (content && ownString(content, 'displayname')) ?? null
}

function mayNotify(state: RoomState, sender: string, key: string): boolean {
  const levels = contentIn(state, 'm.room.power_levels')
  const notifications = levels && own(levels, 'notifications')
  const level = isJsonObject(notifications) ? own(notifications, key) : undefined
  const required = typeof level === 'number' ? level : NOTIFICATION_LEVEL_DEFAULT
  return levelOf(sender, authStateOf(state), state.version) >= required
}

/** The root of the event's thread, or `main`; also where what is named as the root cannot be an event. */
function threadOf({ content }: Pdu): string {
  const relation = own(content, 'm.relates_to')
  if (!isJsonObject(relation) || own(relation, 'rel_type') !== 'm.thread') return MAIN
  return parseEventId(ownString(relation, 'event_id') ?? '') ?? MAIN
}

/** How far each thread was read; under '' the room as a whole. */
function readPositions(receipts: readonly Receipt[]): ReadonlyMap<string, number> {
  const positions = new Map<string, number>()
  for (const { thread, eventPos } of receipts)
    positions.set(thread, Math.max(eventPos, positions.get(thread) ?? NOTHING_READ))
  return positions
}

function counted(notices: readonly Notice[], receipts: readonly Receipt[], byThread: boolean): Unread {
  const room = { highlight_count: 0, notification_count: 0 }
  const threads = new Map<string, UnreadCounts>()
  const read = readPositions(receipts)
  const positionOf = (thread: string): number => read.get(thread) ?? NOTHING_READ
  for (const { pos, thread, highlight } of notices) {
    if (pos <= positionOf('') || pos <= positionOf(thread)) continue
    let counts: UnreadCounts = room
    if (byThread && thread !== MAIN) {
      counts = threads.get(thread) ?? { highlight_count: 0, notification_count: 0 }
      threads.set(thread, counts)
    }
    counts.notification_count += 1
    if (highlight) counts.highlight_count += 1
  }
  return { room, threads: byThread ? Object.fromEntries(threads) : null }
}
