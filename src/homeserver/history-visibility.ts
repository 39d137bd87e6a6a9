import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Row } from '../ports/store.ts'
import { stepAt, type HistoryStep, type RoomHistory } from './room-history.ts'

/** What one user may see of one room's history (ROOMS-SPEC §5.13); every reading path asks this. */
export interface HistoryView {
  /** */
  canSee(event: Pick<Row<'events'>, 'pos' | 'type' | 'stateKey'>): boolean
  /** The user's membership after the event at `pos`; `leave` if there was none. */
  membershipAt(pos: number): string
}

/** Joins after this position do not open history: an answer speaks of one moment. */
export interface HistoryViewSource {
  view(roomId: RoomId, userId: UserId, asOf: number): Promise<HistoryView>
}

export function createHistoryVisibility(deps: { readonly roomHistory: RoomHistory }): HistoryViewSource {
  const { roomHistory } = deps
  return {
    async view(roomId, userId, asOf) {
      const [memberships, visibilities] = await Promise.all([
        roomHistory.memberships(roomId, userId),
        roomHistory.visibilities(roomId),
      ])
      return historyView(userId, memberships, visibilities, asOf)
    },
  }
}

/** The rule itself. The steps are oldest first. */
export function historyView(
  userId: UserId,
  memberships: readonly HistoryStep[],
  visibilities: readonly HistoryStep[],
  asOf: number,
): HistoryView {
  const lastJoin = memberships.findLast((step) => step.value === 'join' && step.pos <= asOf)?.pos ?? -1
  const membershipAt = (pos: number): string => stepAt(memberships, pos)?.value ?? 'leave'
  const visibilityAt = (pos: number): string => stepAt(visibilities, pos)?.value ?? 'shared'

  return {
    membershipAt,
    canSee({ pos, type, stateKey }) {
      const joinsLater = lastJoin > pos
      const before = membershipAt(pos - 1)
      const visibility = visibilityAt(pos - 1)
      if (allows(visibility, before, joinsLater)) return true
      if (stateKey === null) return false
      // The state at a state event is also the one after it: its own effect counts for the reader.
      if (type === 'm.room.history_visibility' && stateKey === '')
        return allows(visibilityAt(pos), before, joinsLater)
      if (type === 'm.room.member' && stateKey === userId)
        return allows(visibility, membershipAt(pos), joinsLater)
      return false
    },
  }
}

function allows(visibility: string, membership: string, joinsLater: boolean): boolean {
  switch (visibility) {
    case 'world_readable':
      return true
    case 'invited':
      return membership === 'join' || membership === 'invite'
    case 'joined':
      return membership === 'join'
    default:
      return membership === 'join' || joinsLater
  }
}
