import { refuse } from '../matrix/errors.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache } from './followed-cache.ts'
import type { HistoryView, HistoryViewSource } from './history-visibility.ts'
import { stepAt, type HistoryStep, type RoomHistory } from './room-history.ts'
import type { RoomStates } from './room-state.ts'

/** Every membership row of a user, as of the newest position. */
export interface UserRooms {
  of(userId: UserId): Promise<readonly Row<'memberships'>[]>
}

export function createUserRooms(deps: {
  readonly store: Pick<Store, 'memberships'>
  readonly stream: Pick<Stream, 'observe'>
  /** Users whose rows are kept in memory. */
  readonly usersMax: number
}): UserRooms {
  const { store, stream, usersMax } = deps
  const cache = createFollowedCache({
    stream,
    entriesMax: usersMax,
    load: (key) => store.memberships(key as UserId),
    keyOf,
  })
  return { of: (userId) => cache.get(userId) }
}

function keyOf(write: Write): string | null {
  if ('put' in write) return write.put === 'memberships' ? write.row.userId : null
  return write.drop === 'memberships' ? (write.where.userId ?? null) : null
}

/** What a user may read of a room (ROOMS-SPEC §5.7). */
export interface RoomAccess {
  /** `departed` users read as of their leaving; `stranger`s what is world-readable. */
  readonly as: 'member' | 'departed' | 'stranger'
  /** The newest position that may be read. */
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
    const grant = async (as: RoomAccess['as'], upTo: number): Promise<RoomAccess> => ({
      as,
      upTo,
      view: await visibility.view(roomId, userId, now),
    })
    const steps = await roomHistory.memberships(roomId, userId)
    if (stepAt(steps, now)?.value === 'join') return grant('member', now)
    // What any stranger may read is not withheld from those who left.
    const visibilities = await roomHistory.visibilities(roomId)
    if (stepAt(visibilities, now)?.value === 'world_readable') return grant('stranger', now)
    const leaving = lastLeaving(steps)
    if (leaving === null || (await hasForgotten(userId, roomId))) return null
    return grant('departed', leaving.pos)
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

/** The step by which the user was no longer joined, or null if he never was. */
export function lastLeaving(steps: readonly HistoryStep[]): HistoryStep | null {
  const joined = steps.findLastIndex((step) => step.value === 'join')
  return joined < 0 ? null : (steps[joined + 1] ?? null)
}
