import { loadErasures } from '../../src/homeserver/erasures.ts'
import { createRoomReading, type RoomReading } from '../../src/homeserver/room-reading.ts'
import type { Filter } from '../../src/matrix/filter.ts'
import type { ClientEvent, JoinedRoomBody, LeftRoomBody, SyncBody } from '../../src/matrix/sync.ts'
import type { RoomsPosition } from '../../src/matrix/token.ts'
import type { SyncQuery } from '../../src/ports/sync-section.ts'
import { aRoomHouse, as, type RoomHouse, type RoomHouseOptions } from './room-house.ts'

export interface SyncOptions {
  readonly filter?: Filter
  readonly fullState?: boolean
  readonly stateAfterKey?: SyncQuery['stateAfterKey']
  readonly device?: string
}

export interface Synced {
  readonly body: Partial<SyncBody>
  readonly isEmpty: boolean
  readonly next: RoomsPosition
  joined(roomId: string): JoinedRoomBody
  left(roomId: string): LeftRoomBody
}

/** A room house with everything that reads it. */
export interface ReadingHouse extends RoomHouse {
  readonly reading: RoomReading
  readonly acted: string[]
  sync(name: string, since?: RoomsPosition | null, options?: SyncOptions): Promise<Synced>
}

export async function aReadingHouse(options: RoomHouseOptions = {}): Promise<ReadingHouse> {
  const house = await aRoomHouse(options)
  const acted: string[] = []
  const reading = createRoomReading({
    ...house,
    roomStates: house.rooms.states,
    erasures: await loadErasures(house),
    isListed: (roomId) => house.rooms.publicRooms.lists(roomId),
    wake: { users: (userIds) => void house.woken.push([...userIds].sort()), ended: () => {} },
    submit: { acted: (userId, deviceId) => void acted.push(`${userId} ${deviceId}`) },
    roomsInMemoryMax: 100,
    usersInMemoryMax: 100,
  })
  return {
    ...house,
    reading,
    acted,
    async sync(name, since = null, { filter = {}, fullState = false, stateAfterKey = false, device } = {}) {
      const query = { requester: as(name, device), filter, fullState, stateAfterKey }
      const now = reading.section.position()
      const { body, isEmpty } = await reading.section.read(query, { since, now })
      return {
        body,
        isEmpty,
        next: now,
        joined: (roomId) => present(body.rooms?.join[roomId], `${roomId} in join`),
        left: (roomId) => present(body.rooms?.leave[roomId], `${roomId} in leave`),
      }
    },
  }
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`the sync has no ${what}`)
  return value
}

export function idsOf(events: readonly ClientEvent[]): unknown[] {
  return events.map((event) => event['event_id'])
}

/** `type|state_key` of each, sorted. */
export function keysOf(events: readonly ClientEvent[]): string[] {
  return events.map((event) => `${event['type'] as string}|${event['state_key'] as string}`).sort()
}

export function bodiesOf(events: readonly ClientEvent[]): unknown[] {
  return events.map((event) => (event['content'] as { body?: unknown }).body ?? event['type'])
}
