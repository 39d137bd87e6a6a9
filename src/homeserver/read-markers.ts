import { refuse } from '../matrix/errors.ts'
import type { EventId, RoomId, UserId } from '../matrix/ids.ts'
import { isJsonObject, ownString } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import type { ActiveUsers } from './active-users.ts'
import type { Memberships } from './memberships.ts'
import { eventPosition } from './receipts.ts'

const FULLY_READ = 'm.fully_read'

/** How far a user has read a room for good: room account data that only the server writes. */
export interface ReadMarkers {
  /** Never moves backwards; an older event is no error. Refuses users who are not joined (403). */
  set(requester: Requester, roomId: RoomId, eventId: EventId): Promise<void>
}

export function createReadMarkers(deps: {
  readonly store: Pick<Store, 'accountData' | 'events'>
  readonly stream: Pick<Stream, 'commit'>
  readonly memberships: Memberships
  readonly activeUsers: ActiveUsers
  readonly wake: Pick<Wake, 'users'>
  readonly submit: Pick<PresenceSubmit, 'acted'>
}): ReadMarkers {
  const { store, stream, memberships, activeUsers, wake, submit } = deps

  const take = async (userId: UserId, roomId: RoomId, eventId: EventId): Promise<void> => {
    const before = markedEvent((await store.accountData(userId, roomId, FULLY_READ))?.json)
    if (before === eventId) return
    if (before !== null) {
      const [from, to] = await Promise.all([
        eventPosition(store, roomId, before),
        eventPosition(store, roomId, eventId),
      ])
      if (to < from) return
    }
    const row = { userId, roomId, type: FULLY_READ, json: JSON.stringify({ event_id: eventId }) }
    await stream.commit((next) => [{ put: 'accountData', row: { ...row, pos: next() } }])
    wake.users([userId], 'rooms')
  }

  return {
    async set(requester, roomId, eventId) {
      const { userId, deviceId } = requester
      if (!memberships.isJoined(roomId, userId)) throw refuse.forbidden('You are not in this room')
      await activeUsers.run(userId, () => take(userId, roomId, eventId))
      submit.acted(userId, deviceId)
    },
  }
}

function markedEvent(json: string | undefined): EventId | null {
  const content: unknown = json === undefined ? null : JSON.parse(json)
  return isJsonObject(content) ? ((ownString(content, 'event_id') as EventId | undefined) ?? null) : null
}
