import type { EventId, RoomId, UserId } from './ids.ts'
import type { Json, JsonObject } from './json.ts'

/** A room event as servers exchange and sign it (ROOMS-SPEC §2.2). Never shown to clients. */
export interface Pdu {
  type: string
  /** Absent only on the create event of room version 12. */
  room_id?: RoomId
  sender: UserId
  state_key?: string
  content: JsonObject
  origin_server_ts: number
  depth: number
  prev_events: EventId[]
  auth_events: EventId[]
  hashes: { sha256: string }
  signatures: { [server: string]: { [keyId: string]: string } }
  /** Target of a redaction up to room version 10; later inside `content`. */
  redacts?: string
  unsigned?: JsonObject
  [other: string]: Json | undefined
}

/** A PDU with the two names that do not stand in it. */
export interface RoomEvent {
  readonly eventId: EventId
  readonly roomId: RoomId
  readonly pdu: Pdu
}

/** The key of an event's place in a room's state. */
export function stateKeyOf(type: string, stateKey: string): string {
  return `${type}\u0000${stateKey}`
}
