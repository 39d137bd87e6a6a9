import { refuse } from '../matrix/errors.ts'
import type { RoomId } from '../matrix/ids.ts'
import { own, ownString, type Json, type JsonObject } from '../matrix/json.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import { parsePageToken } from '../matrix/token.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { EventReader } from './event-reader.ts'
import type { Memberships } from './memberships.ts'
import type { RoomAccesses } from './room-access.ts'
import type { RoomState, RoomStates, StoredEvent } from './room-state.ts'

interface MembersQuery {
  /** A sync or messages token; null: now. */
  readonly at: string | null
  readonly membership: string | null
  /** With `membership` too: either suffices. */
  readonly notMembership: string | null
}

interface JoinedMember {
  display_name: Json
  avatar_url: Json
}

/** States and members of rooms (ROOMS-SPEC §5.7). Every call refuses with 403 who may not read the room. */
export interface RoomStateReader {
  /** All of it; users who left read what was when they left. */
  state(requester: Requester, roomId: RoomId): Promise<ClientEvent[]>
  /** 404 if the room has no such entry. */
  stateEvent(requester: Requester, roomId: RoomId, type: string, stateKey: string): Promise<ClientEvent>
  stateContent(requester: Requester, roomId: RoomId, type: string, stateKey: string): Promise<JsonObject>
  members(requester: Requester, roomId: RoomId, query: MembersQuery): Promise<ClientEvent[]>
  /** Only for joined users, also not after leaving. */
  joinedMembers(requester: Requester, roomId: RoomId): Promise<Record<string, JoinedMember>>
  joinedRooms(requester: Requester): RoomId[]
}

interface RoomStateReaderDeps {
  readonly store: Pick<Store, 'eventsBetween'>
  readonly roomStates: Pick<RoomStates, 'at' | 'current'>
  readonly accesses: RoomAccesses
  readonly eventReader: EventReader
  readonly memberships: Memberships
}

export function createRoomStateReader(deps: RoomStateReaderDeps): RoomStateReader {
  const { store, roomStates, accesses, eventReader, memberships } = deps

  const stateFor = async ({ userId }: Requester, roomId: RoomId): Promise<RoomState> =>
    roomStates.at(roomId, (await accesses.of(userId, roomId)).upTo)
  /** Who may not see the newest event at a place may not see who was there. */
  const stateAt = async ({ userId }: Requester, roomId: RoomId, at: number): Promise<RoomState> => {
    const access = await accesses.of(userId, roomId)
    const upTo = Math.min(at, access.upTo)
    const range = { roomId, after: 0, upTo, limit: 1, newestFirst: true }
    const [newest] = await store.eventsBetween(range)
    if (newest === undefined || !access.view.canSee(newest))
      throw refuse.forbidden('You may not see the room at that place')
    return roomStates.at(roomId, upTo)
  }
  const write = (requester: Requester, events: readonly StoredEvent[]): Promise<ClientEvent[]> => {
    const { userId, deviceId } = requester
    return eventReader.read(events, { userId, deviceId, withRoomId: true })
  }
  const entry = async (
    requester: Requester,
    roomId: RoomId,
    type: string,
    stateKey: string,
  ): Promise<StoredEvent> => {
    const stored = (await stateFor(requester, roomId)).get(type, stateKey)
    if (stored === undefined) throw refuse.notFound('The room has no such state')
    return stored
  }

  return {
    state: async (requester, roomId) => write(requester, [...(await stateFor(requester, roomId)).all()]),
    async stateEvent(requester, roomId, type, stateKey) {
      const [event] = await write(requester, [await entry(requester, roomId, type, stateKey)])
      return event as ClientEvent
    },
    stateContent: async (requester, roomId, type, stateKey) =>
      (await entry(requester, roomId, type, stateKey)).event.pdu.content,
    async members(requester, roomId, query) {
      const at = query.at === null ? null : positionOf(query.at)
      const state = await (at === null ? stateFor(requester, roomId) : stateAt(requester, roomId, at))
      return write(
        requester,
        [...state.all()].filter((stored) => isWanted(stored, query)),
      )
    },
    async joinedMembers({ userId }, roomId) {
      if (!memberships.isJoined(roomId, userId)) throw refuse.forbidden('You are not in this room')
      const state = await roomStates.current(roomId)
      return Object.fromEntries(joinedOf(state))
    },
    joinedRooms: ({ userId }) => [...memberships.joinedRooms(userId)],
  }
}

function isWanted({ row, event }: StoredEvent, { membership, notMembership }: MembersQuery): boolean {
  if (row.type !== 'm.room.member') return false
  if (membership === null && notMembership === null) return true
  const its = ownString(event.pdu.content, 'membership')
  return (membership !== null && its === membership) || (notMembership !== null && its !== notMembership)
}

function* joinedOf(state: RoomState | null): Generator<[string, JoinedMember]> {
  for (const { row, event } of state?.all() ?? []) {
    const { content } = event.pdu
    if (row.type !== 'm.room.member' || ownString(content, 'membership') !== 'join') continue
    const member = {
      display_name: own(content, 'displayname') ?? null,
      avatar_url: own(content, 'avatar_url') ?? null,
    }
    yield [row.stateKey ?? '', member]
  }
}

function positionOf(token: string): number {
  const position = parsePageToken(token)
  if (position === null) throw refuse.invalidParam('"at" is not a token of this server')
  return position
}
