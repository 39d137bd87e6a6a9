import { refuse } from '../matrix/errors.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Stream } from '../ports/stream.ts'
import type { HistoryView, HistoryViewSource } from './history-visibility.ts'
import { lastLeaving, stepAt, type RoomHistory } from './room-history.ts'
import type { RoomStates } from './room-state.ts'
import type { UserRooms } from './user-rooms.ts'

/** What a user may read of a room (ROOMS-SPEC §5.7). */
export interface RoomAccess {
  /** The newest position that may be read: the leaving of somebody who left. */
  readonly upTo: number
  readonly view: HistoryView
}

export interface RoomAccesses {
  /** Null if the user may read nothing, whether the room exists or not. */
  find(userId: UserId, roomId: RoomId): Promise<RoomAccess | null>
  /** The same; refuses with 403. */
  of(userId: UserId, roomId: RoomId): Promise<RoomAccess>
}

export function createRoomAccesses(deps: {
  readonly stream: Pick<Stream, 'current'>
  readonly roomStates: Pick<RoomStates, 'versionOf'>
  readonly roomHistory: RoomHistory
  readonly visibility: HistoryViewSource
  readonly userRooms: UserRooms
}): RoomAccesses {
  const { stream, roomStates, roomHistory, visibility, userRooms } = deps

  const find = async (userId: UserId, roomId: RoomId): Promise<RoomAccess | null> => {
    if (roomStates.versionOf(roomId) === null) return null
    const now = stream.current
    const grant = async (upTo: number): Promise<RoomAccess> => ({
      upTo,
      view: await visibility.view(roomId, userId, now),
    })
    const steps = await roomHistory.memberships(roomId, userId)
    if (stepAt(steps, now)?.value === 'join') return grant(now)
    // What any stranger may read is not withheld from those who left.
    const visibilities = await roomHistory.visibilities(roomId)
    if (stepAt(visibilities, now)?.value === 'world_readable') return grant(now)
    const leaving = lastLeaving(steps)
    if (leaving === null || (await hasForgotten(userId, roomId))) return null
    return grant(leaving.pos)
  }
  const hasForgotten = async (userId: UserId, roomId: RoomId): Promise<boolean> =>
    (await userRooms.of(userId)).some((row) => row.roomId === roomId && row.forgotten === 1)

  return {
    find,
    async of(userId, roomId) {
      const access = await find(userId, roomId)
      if (access === null) throw refuse.forbidden('You are not in this room, or it does not exist')
      return access
    },
  }
}
