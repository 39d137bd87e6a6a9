import { LastPositions } from '../base/last-positions.ts'
import type { DeviceId, RoomId, UserId } from '../matrix/ids.ts'
import type { Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { deviceKey } from './device-key.ts'
import { keysDevice } from './key-counts.ts'

/** Above this many keys a kind's index forgets all of them, and the next question for each is answered by the store. */
const CHANGES_MAX = 200_000

/**
 * Where rooms and users changed last, so that a sync looks only at what did (ROOMS-SPEC §6.11): an answer that is not above
 * `since` means that nothing changed. Nothing is loaded at start: what did not change since then changed by then.
 */
export interface Changes {
  /** Events and state of the room. */
  room(roomId: RoomId): number
  receipts(roomId: RoomId): number
  /** The user's own account data, push rules included. */
  accountData(userId: UserId): number
  /** The user's own memberships. */
  memberships(userId: UserId): number
  /** One-time and fallback keys of the device; changes before the start are not remembered. */
  keys(userId: UserId, deviceId: DeviceId): number
}

export function createChanges(deps: { readonly stream: Pick<Stream, 'current' | 'observe'> }): Changes {
  const bounds = { keysMax: CHANGES_MAX, floor: deps.stream.current }
  const rooms = new LastPositions<RoomId>(bounds)
  const receipts = new LastPositions<RoomId>(bounds)
  const accountData = new LastPositions<UserId>(bounds)
  const memberships = new LastPositions<UserId>(bounds)
  const keys = new LastPositions<string>({ ...bounds, floor: 0 })

  const note = (write: Write, upTo: number): void => {
    const device = keysDevice(write)
    if (device !== null) keys.set(device, upTo)
    if ('drop' in write) return
    if (write.put === 'events' || write.put === 'stateLog') rooms.set(write.row.roomId, write.row.pos)
    else if (write.put === 'receipts') receipts.set(write.row.roomId, write.row.pos)
    else if (write.put === 'accountData') accountData.set(write.row.userId, write.row.pos)
    else if (write.put === 'memberships') memberships.set(write.row.userId, write.row.pos)
  }
  deps.stream.observe((writes, upTo) => {
    for (const write of writes) note(write, upTo)
  })
  return {
    room: (roomId) => rooms.get(roomId),
    receipts: (roomId) => receipts.get(roomId),
    accountData: (userId) => accountData.get(userId),
    memberships: (userId) => memberships.get(userId),
    keys: (userId, deviceId) => keys.get(deviceKey({ userId, deviceId })),
  }
}
