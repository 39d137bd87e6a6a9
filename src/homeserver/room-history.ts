import type { EventId, RoomId, UserId } from '../matrix/ids.ts'
import { ownString } from '../matrix/json.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache } from './followed-cache.ts'
import type { RoomStates } from './room-state.ts'

/** From this position on, a setting of a room had this value. */
export interface HistoryStep {
  readonly pos: number
  readonly value: string
  readonly eventId: EventId
}

/** How a user's membership, and a room's history visibility, went: what every reading path asks of every event. */
export interface RoomHistory {
  /** Oldest first; empty for somebody who never had to do with the room. */
  memberships(roomId: RoomId, userId: UserId): Promise<readonly HistoryStep[]>
  /** Oldest first; empty while it was never set. */
  visibilities(roomId: RoomId): Promise<readonly HistoryStep[]>
}

/** The last step up to and including `pos`. */
export function stepAt(steps: readonly HistoryStep[], pos: number): HistoryStep | undefined {
  return steps.findLast((step) => step.pos <= pos)
}

/** The step by which the user was no longer joined, or null if he never was. */
export function lastLeaving(steps: readonly HistoryStep[]): HistoryStep | null {
  const joined = steps.findLastIndex((step) => step.value === 'join')
  return joined < 0 ? null : (steps[joined + 1] ?? null)
}

const MEMBER = 'm.room.member'
const VISIBILITY = 'm.room.history_visibility'

export function createRoomHistory(deps: {
  readonly store: Pick<Store, 'stateHistory' | 'events'>
  readonly stream: Pick<Stream, 'observe'>
  readonly roomStates: Pick<RoomStates, 'storedEvent'>
  /** Histories kept in memory. */
  readonly entriesMax: number
}): RoomHistory {
  const { store, stream, roomStates, entriesMax } = deps

  const load = async (key: string): Promise<readonly HistoryStep[]> => {
    const { roomId, type, stateKey } = fromKey(key)
    const entries = await store.stateHistory(roomId, type, stateKey)
    const rows = await store.events(entries.map((entry) => entry.eventId))
    const byId = new Map(rows.map((row) => [row.eventId, row]))
    const field = type === MEMBER ? 'membership' : 'history_visibility'
    return entries.flatMap(({ pos, eventId }) => {
      const row = byId.get(eventId)
      return row === undefined ? [] : [{ pos, eventId, value: valueOf(row, field) }]
    })
  }
  const valueOf = (row: Row<'events'>, field: string): string =>
    ownString(roomStates.storedEvent(row).event.pdu.content, field) ?? ''

  const cache = createFollowedCache({ stream, entriesMax, load, keyOf })
  return {
    memberships: (roomId, userId) => cache.get(toKey(roomId, MEMBER, userId)),
    visibilities: (roomId) => cache.get(toKey(roomId, VISIBILITY, '')),
  }
}

function keyOf(write: Write): string | null {
  if (!('put' in write) || write.put !== 'stateLog') return null
  const { roomId, type, stateKey } = write.row
  return type === MEMBER || type === VISIBILITY ? toKey(roomId, type, stateKey) : null
}

/** A room ID holds no NUL, and the two types are ours. */
function toKey(roomId: RoomId, type: string, stateKey: string): string {
  return `${roomId}\u0000${type}\u0000${stateKey}`
}

function fromKey(key: string): { roomId: RoomId; type: string; stateKey: string } {
  const [roomId = '', type = '', ...rest] = key.split('\u0000')
  return { roomId: roomId as RoomId, type, stateKey: rest.join('\u0000') }
}
