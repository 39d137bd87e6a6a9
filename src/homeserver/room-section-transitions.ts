import type { EventId, RoomId } from '../matrix/ids.ts'
import type { Row } from '../ports/store.ts'
import { lastLeaving, stepAt, type HistoryStep } from './room-history.ts'

/** What one room's part of a sync answer covers (ROOMS-SPEC §6.5, §6.6). */
export interface RoomWindow {
  readonly roomId: RoomId
  /** Timeline from here, exclusive; 0 for all of it. */
  readonly after: number
  /** To here, inclusive: now, or the user's own leave. */
  readonly upTo: number
  /** The position that the client's state is of; null: it has none and is given all. */
  readonly baseline: number | null
  /** More came before than the timeline can tell. */
  readonly isLimited: boolean
  /** The user's own leave, to be shown whatever history says. */
  readonly ownLeave: EventId | null
  /** False for somebody who never was in the room within the window: no state, just what may be seen. */
  readonly hasState: boolean
}

export type Transition =
  | { readonly section: 'join'; readonly window: RoomWindow; readonly isNew: boolean }
  | { readonly section: 'leave'; readonly window: RoomWindow }
  | { readonly section: 'invite' | 'knock'; readonly roomId: RoomId; readonly step: HistoryStep }

export interface TransitionQuery {
  /** Null for an initial sync. */
  readonly since: number | null
  readonly now: number
  readonly includeLeave: boolean
  readonly fullState: boolean
}

/**
 * Which section a room belongs to, by how the user's membership went (ROOMS-SPEC §6.6); null if to none. A room that the
 * user stays in is always `join` here; whether it changed is another question.
 */
export function transition(
  row: Pick<Row<'memberships'>, 'roomId' | 'forgotten'>,
  steps: readonly HistoryStep[],
  query: TransitionQuery,
): Transition | null {
  const { since, now } = query
  const known = steps.filter((step) => step.pos <= now)
  const last = known.at(-1)
  if (last === undefined) return null
  const { roomId } = row
  switch (last.value) {
    case 'join':
      return joined(roomId, known, query)
    case 'invite':
    case 'knock':
      return last.pos > (since ?? 0) ? { section: last.value, roomId, step: last } : null
    default:
      return since === null ? leftInitially(row, known, query) : left(roomId, known, since)
  }
}

function joined(
  roomId: RoomId,
  steps: readonly HistoryStep[],
  { since, now, fullState }: TransitionQuery,
): Transition {
  const common = { roomId, upTo: now, ownLeave: null, hasState: true }
  if (since === null) {
    const window = { ...common, after: 0, baseline: null, isLimited: false }
    return { section: 'join', window, isNew: true }
  }
  const wasJoined = stepAt(steps, since)?.value === 'join'
  const wasAway = steps.some((step) => step.pos > since && step.value !== 'join')
  const baseline = wasJoined && !fullState ? since : null
  const window = { ...common, after: since, baseline, isLimited: !wasJoined || wasAway }
  return { section: 'join', window, isNew: !wasJoined }
}

function leftInitially(
  { roomId, forgotten }: Pick<Row<'memberships'>, 'roomId' | 'forgotten'>,
  steps: readonly HistoryStep[],
  { includeLeave }: TransitionQuery,
): Transition | null {
  if (!includeLeave || forgotten === 1) return null
  const leaving = lastLeaving(steps)
  const leave = leaving ?? steps.at(-1)
  if (leave === undefined) return null
  const window: RoomWindow = {
    roomId,
    after: 0,
    upTo: leave.pos,
    baseline: null,
    isLimited: false,
    ownLeave: leave.eventId,
    hasState: leaving !== null,
  }
  return { section: 'leave', window }
}

/** Shown once: in the first answer whose window holds the end of a join, an invite or a knock. */
function left(roomId: RoomId, steps: readonly HistoryStep[], since: number): Transition | null {
  const before = stepAt(steps, since)
  const within = steps.filter((step) => step.pos > since)
  const path = before === undefined ? within : [before, ...within]
  const ended = path.findLastIndex((step) => step.value === 'join')
  const wasIn = ended >= 0
  const asked = path.findLastIndex((step) => step.value === 'invite' || step.value === 'knock')
  const leave = wasIn ? path[ended + 1] : asked >= 0 ? path[asked + 1] : undefined
  if (leave === undefined) return null
  const window: RoomWindow = {
    roomId,
    after: since,
    upTo: leave.pos,
    baseline: before?.value === 'join' ? since : null,
    isLimited: false,
    ownLeave: leave.eventId,
    hasState: wasIn,
  }
  return { section: 'leave', window }
}
