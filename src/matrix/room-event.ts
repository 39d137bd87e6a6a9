import { createHash } from 'node:crypto'
import { must } from '../base/assert.ts'
import { canonicalJson } from './canonical-json.ts'
import type { EventId, RoomId, ServerName, UserId } from './ids.ts'
import { own, ownString, isJsonObject, type Json, type JsonObject } from './json.ts'
import type { RoomVersion } from './room-version/index.ts'
import { keptTopLevel, pick, redactContent } from './room-version/redaction.ts'
import { encodeBase64, signBytes, signedBytes, verifyJson, withSignature } from './signing.ts'
import type { SigningKey, VerifyKey } from './signing.ts'

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
  [other: string]: Json
}

/** A PDU before it is hashed and signed. */
export interface UnsignedPdu {
  type: string
  room_id?: RoomId
  sender: UserId
  state_key?: string
  content: JsonObject
  origin_server_ts: number
  depth: number
  prev_events: EventId[]
  auth_events: EventId[]
  redacts?: string
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

/** The PDU without what its type does not need to work (ROOMS-SPEC §2.8); without `unsigned` too. */
export function redact(pdu: Pdu, version: RoomVersion): Pdu {
  const kept = pick(pdu, keptTopLevel(version))
  return { ...kept, content: redactContent(pdu.type, pdu.content, version) } as Pdu
}

/** What a redaction names, wherever the room version has it (ROOMS-SPEC §2.9, R-084); null for any other event. */
export function redactionTarget(
  event: Pick<Pdu, 'type' | 'content' | 'redacts'>,
  version: RoomVersion,
): EventId | null {
  if (event.type !== 'm.room.redaction') return null
  const target = ownString(version.redactsInContent ? event.content : event, 'redacts')
  return (target as EventId | undefined) ?? null
}

/** `hashes.sha256`: unpadded base64 over everything but `unsigned`, `signatures` and `hashes` (ROOMS-SPEC §2.6). */
export function contentHash(pdu: UnsignedPdu | Pdu): string {
  const { hashes: _hashes, ...hashed } = pdu as JsonObject
  return encodeBase64(sha256(signedBytes(hashed)))
}

/** `$` and the reference hash, which the signatures and `unsigned` do not enter (ROOMS-SPEC §2.6). */
export function eventIdOf(pdu: Pdu, version: RoomVersion): EventId {
  return `$${sha256(signedBytes(redact(pdu, version))).toString('base64url')}` as EventId
}

/** A copy with one more signature, over the redacted form (ROOMS-SPEC §2.6). The event ID stays. */
export function signPdu(pdu: Pdu, version: RoomVersion, server: ServerName, key: SigningKey): Pdu {
  return withSignature(pdu, server, key.keyId, signBytes(signedBytes(redact(pdu, version)), key))
}

/** Did `server` sign the PDU (ROOMS-SPEC §2.10)? `keyOf` answers null for keys that are unknown or were not valid then. */
export function isPduSignedBy(
  pdu: Pdu,
  version: RoomVersion,
  server: ServerName,
  keyOf: (keyId: string) => VerifyKey | null,
): boolean {
  return verifyJson(redact(pdu, version), server, keyOf)
}

/** Makes the event: content hash, our signature, event ID, room ID (ROOMS-SPEC §2.7 step 6). */
export function hashAndSign(
  unsigned: UnsignedPdu,
  version: RoomVersion,
  server: ServerName,
  key: SigningKey,
): RoomEvent {
  const hashed = { ...unsigned, hashes: { sha256: contentHash(unsigned) }, signatures: {} } as Pdu
  const pdu = signPdu(hashed, version, server, key)
  const eventId = eventIdOf(pdu, version)
  return { eventId, roomId: roomIdOf(pdu, eventId, version), pdu }
}

/** The room of an event: named in it, or, for the create event of version 12, its own ID (ROOMS-SPEC §2.1). */
export function roomIdOf(pdu: Pdu, eventId: EventId, version: RoomVersion): RoomId {
  if (version.roomIdFromCreate && pdu.type === 'm.room.create') return `!${eventId.slice(1)}` as RoomId
  return must(pdu.room_id, 'room_id')
}

/** The create event of a room of version 12, by the room's ID. */
export function createEventIdOf(roomId: RoomId): EventId {
  return `$${roomId.slice(1)}` as EventId
}

/** Size of the canonical form, signatures included (ROOMS-SPEC §2.4). */
export function pduBytes(pdu: Pdu): number {
  return Buffer.byteLength(canonicalJson(pdu))
}

/**
 * The places in the state that an event's `auth_events` come from, each once (ROOMS-SPEC §2.7 step 5). Nothing else may be
 * cited, and the auth rules read nothing else besides the create event.
 */
export function authEventKeys(
  event: Pick<UnsignedPdu, 'type' | 'sender' | 'state_key' | 'content'>,
  version: RoomVersion,
): [type: string, stateKey: string][] {
  if (event.type === 'm.room.create') return []
  const keys: [string, string][] = version.createInAuthEvents ? [['m.room.create', '']] : []
  keys.push(['m.room.power_levels', ''])
  const members = new Set<string>([event.sender])
  if (event.type === 'm.room.member' && event.state_key !== undefined) {
    members.add(event.state_key)
    const { content } = event
    const membership = ownString(content, 'membership')
    if (membership === 'join' || membership === 'invite' || membership === 'knock') {
      keys.push(['m.room.join_rules', ''])
    }
    if (membership === 'join' && version.restrictedJoins) {
      const authorisedBy = ownString(content, 'join_authorised_via_users_server')
      if (authorisedBy !== undefined) members.add(authorisedBy)
    }
    const token = membership === 'invite' ? thirdPartyToken(content) : undefined
    if (token !== undefined) keys.push(['m.room.third_party_invite', token])
  }
  for (const member of members) keys.push(['m.room.member', member])
  return keys
}

function thirdPartyToken(content: JsonObject): string | undefined {
  const invite = own(content, 'third_party_invite')
  const signed = isJsonObject(invite) ? own(invite, 'signed') : undefined
  return isJsonObject(signed) ? ownString(signed, 'token') : undefined
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}
