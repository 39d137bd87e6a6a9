import type { DeviceId, EventId, RoomId, ServerName, UserId } from '../../src/matrix/ids.ts'
import { MatrixError } from '../../src/matrix/errors.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Pdu } from '../../src/matrix/room-event.ts'
import { SigningKey } from '../../src/matrix/signing.ts'
import { Serial } from '../../src/base/serial.ts'
import type { ActiveUsers } from '../../src/homeserver/active-users.ts'
import type { CreateRoomRequest } from '../../src/homeserver/create-room.ts'
import { Memberships } from '../../src/homeserver/memberships.ts'
import { createRooms, type Rooms } from '../../src/homeserver/rooms.ts'
import { createUserSettings, type UserSettingsSource } from '../../src/homeserver/user-settings.ts'
import { createStream } from '../../src/homeserver/stream.ts'
import type { Stream } from '../../src/ports/stream.ts'
import type { PublicProfile, Requester } from '../../src/ports/directory.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { seededRandom } from './accounts.ts'
import { ManualClock } from './manual-clock.ts'

export const HOME = 'home.example' as ServerName

export function aUser(name: string): UserId {
  return `@${name}:${HOME}` as UserId
}

/** A user of ours on a device of his, `PHONE` if not said otherwise. */
export function as(name: string, deviceId = 'PHONE'): Requester {
  return { userId: aUser(name), deviceId: deviceId as DeviceId, guest: false, admin: false }
}

/** Rooms on a memory store, with all that they tell others written down. */
export interface RoomHouse {
  readonly rooms: Rooms
  readonly store: Store
  readonly stream: Stream
  readonly clock: ManualClock
  readonly memberships: Memberships
  readonly userSettings: UserSettingsSource
  readonly activeUsers: ActiveUsers
  readonly profiles: Map<UserId, PublicProfile>
  /** What presence was told, in order: `joined !… @alice:home.example`. */
  readonly told: string[]
  /** Users woken, a line for each time. */
  readonly woken: UserId[][]
  create(name: string, request?: CreateRoomRequest): Promise<RoomId>
  /** A public room of that version, made by alice, with the others joined. */
  publicRoom(version: string, ...others: readonly string[]): Promise<RoomId>
  join(name: string, roomId: RoomId | string, body?: JsonObject): Promise<RoomId>
  /** Each with a transaction ID of its own. */
  send(name: string, roomId: RoomId, type: string, content: JsonObject): Promise<EventId>
  message(name: string, roomId: RoomId, body: string): Promise<EventId>
  state(name: string, roomId: RoomId, type: string, content: JsonObject, stateKey?: string): Promise<EventId>
  redact(name: string, roomId: RoomId, target: EventId): Promise<EventId>
  /** The PDUs of a room, oldest first. */
  pdus(roomId: RoomId): Promise<{ readonly eventId: EventId; readonly pdu: Pdu }[]>
  pdu(eventId: EventId): Promise<Pdu>
  /** The content in the current state. */
  content(roomId: RoomId, type: string, stateKey?: string): Promise<JsonObject | undefined>
  membership(roomId: RoomId, name: string): Promise<string | undefined>
  /** Sets the default action of the user's invite permissions. */
  blocksInvites(name: string, action?: 'block' | 'allow'): Promise<void>
}

export interface RoomHouseOptions {
  readonly store?: Store
  readonly seed?: number
  readonly queuePerRoomMax?: number
  readonly activeUsers?: ActiveUsers
}

/** Counted over all houses: one may be built on the store of another. */
let txns = 0

export async function aRoomHouse(options: RoomHouseOptions = {}): Promise<RoomHouse> {
  const store = options.store ?? createMemoryStore()
  const stream = await createStream(store)
  const clock = new ManualClock()
  const memberships = await Memberships.load(store)
  const userSettings = createUserSettings({ store, stream, usersMax: 100 })
  // Nobody here has an account.
  const activeUsers = options.activeUsers ?? new Serial<UserId>()
  const profiles = new Map<UserId, PublicProfile>()
  const told: string[] = []
  const woken: UserId[][] = []
  const rooms = await createRooms({
    store,
    stream,
    clock,
    random: seededRandom(options.seed ?? 1),
    serverName: HOME,
    signingKey: new SigningKey({ seed: new Uint8Array(32).fill(7), version: 'a_1' }),
    memberships,
    userSettings,
    activeUsers,
    directory: { profiles: async () => profiles },
    submit: {
      acted: (userId, deviceId) => void told.push(`acted ${userId} ${deviceId}`),
      joined: (roomId, userId) => void told.push(`joined ${roomId} ${userId}`),
      left: (roomId, userId) => void told.push(`left ${roomId} ${userId}`),
    },
    wake: { users: (userIds) => void woken.push([...userIds].sort()) },
    defaultRoomVersion: '11',
    txnTtlMs: 24 * 3_600_000,
    roomsInMemoryMax: 100,
    queuePerRoomMax: options.queuePerRoomMax ?? 100,
  })
  const transaction = (): { request: string; txnId: string } => {
    txns += 1
    return { request: `PUT /${txns}`, txnId: `${txns}` }
  }
  const house: RoomHouse = {
    rooms,
    store,
    stream,
    clock,
    memberships,
    userSettings,
    activeUsers,
    profiles,
    told,
    woken,
    create: async (name, request = {}) => (await rooms.create(as(name), request)).roomId,
    async publicRoom(version, ...others) {
      const roomId = await house.create('alice', { preset: 'public_chat', room_version: version })
      for (const name of others) await house.join(name, roomId)
      return roomId
    },
    join: (name, roomId, body = {}) => rooms.membership.join(as(name), roomId, body),
    send: (name, roomId, type, content) =>
      rooms.events.send(as(name), { roomId, type, content }, transaction()),
    message: (name, roomId, body) => house.send(name, roomId, 'm.room.message', { msgtype: 'm.text', body }),
    state: (name, roomId, type, content, stateKey = '') =>
      rooms.events.sendState(as(name), { roomId, type, stateKey, content }),
    redact: (name, roomId, target) =>
      rooms.events.redact(as(name), { roomId, target, reason: undefined }, transaction()),
    async pdus(roomId) {
      const range = { roomId, after: 0, upTo: stream.current, limit: 1_000, newestFirst: false }
      const rows = await store.eventsBetween(range)
      return rows.map((row) => ({ eventId: row.eventId, pdu: JSON.parse(row.json) as Pdu }))
    },
    async pdu(eventId) {
      const [row] = await store.events([eventId])
      if (row === undefined) throw new Error(`no event ${eventId}`)
      return rooms.states.storedEvent(row).event.pdu
    },
    async content(roomId, type, stateKey = '') {
      return (await rooms.states.current(roomId))?.get(type, stateKey)?.event.pdu.content
    },
    async membership(roomId, name) {
      const content = await house.content(roomId, 'm.room.member', aUser(name))
      return content?.['membership'] as string | undefined
    },
    async blocksInvites(name, action = 'block') {
      const json = JSON.stringify({ default_action: action })
      const type = 'm.invite_permission_config'
      await stream.commit((next) => [
        { put: 'accountData', row: { userId: aUser(name), roomId: '', type, json, pos: next() } },
      ])
    },
  }
  return house
}

/** `403 M_FORBIDDEN` of the refusal; throws if there was none. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  const outcome: unknown = await work.then(
    () => 'done',
    (error: unknown) => error,
  )
  if (outcome instanceof MatrixError) return `${outcome.status} ${outcome.errcode}`
  throw new Error(`was not refused: ${String(outcome)}`)
}
