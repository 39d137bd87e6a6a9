import type { EventId, UserId } from './ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from './json.ts'
import { redact, redactionTarget, type Pdu, type RoomEvent } from './room-event.ts'
import type { RoomVersion } from './room-version/index.ts'
import type { ClientEvent } from './sync.ts'

/** What a client's copy of an event depends on besides the event (ROOMS-SPEC §2.3). */
export interface ClientEventContext {
  readonly version: RoomVersion
  /** POSIX ms, for `age`. */
  readonly now: number
  /** False inside `/sync`. */
  readonly withRoomId: boolean
  /** Only for the device that sent the event with this transaction ID. */
  readonly transactionId?: string
  /** The state event whose place this one took; `content` is null if that one was redacted. */
  readonly replaced?: {
    readonly eventId: EventId
    readonly sender: UserId
    readonly content: JsonObject | null
  }
  /** The reading user's membership at the event. */
  readonly membership?: string
  /** The accepted redaction of this event: it is then served in redacted form. */
  readonly redactedBy?: RoomEvent
  /** Served in redacted form because its sender wants to be forgotten. */
  readonly isErased?: boolean
}

/** An event as clients see it, rebuilt from the PDU (ROOMS-SPEC §2.3). Nothing from the PDU's own `unsigned` is shown. */
export function toClientEvent(event: RoomEvent, context: ClientEventContext): ClientEvent {
  const pdu = servedPdu(event, context)
  const client: ClientEvent = {
    event_id: event.eventId,
    type: pdu.type,
    sender: pdu.sender,
    origin_server_ts: pdu.origin_server_ts,
    content: pdu.content,
    unsigned: unsignedOf(event, context),
  }
  if (context.withRoomId) client['room_id'] = event.roomId
  if (pdu.state_key !== undefined) client['state_key'] = pdu.state_key
  return pdu.type === 'm.room.redaction' ? withRedacts(client, pdu, context.version) : client
}

/** What a client of 2015 looks for beside the event's content, and not in `unsigned`. */
const OLD_UNSIGNED = ['age', 'prev_content', 'replaces_state', 'redacted_because'] as const

/** A client's copy as `api/v1` shows it (PRESENCE-SPEC §2.6): the sender is `user_id`, and there is no `unsigned`. */
export function toOldClientEvent({ sender, unsigned, ...event }: ClientEvent): ClientEvent {
  const old: ClientEvent = { ...event }
  if (sender !== undefined) old['user_id'] = sender
  if (!isJsonObject(unsigned)) return old
  for (const key of OLD_UNSIGNED) {
    const value = own(unsigned, key)
    if (value !== undefined) old[key] = isRedaction(key, value) ? toOldClientEvent(value) : value
  }
  return old
}

function isRedaction(key: string, value: Json): value is JsonObject {
  return key === 'redacted_because' && isJsonObject(value)
}

/** The same with filter `event_format: "federation"`: the PDU itself with `event_id` and our `unsigned`. */
export function toFederationFormat(event: RoomEvent, context: ClientEventContext): ClientEvent {
  return { ...servedPdu(event, context), event_id: event.eventId, unsigned: unsignedOf(event, context) }
}

/** `type`, `state_key`, `sender`, `content`; the create event has its time too (AR-06). */
export function toStrippedEvent({ pdu }: RoomEvent): ClientEvent {
  const stripped: ClientEvent = {
    type: pdu.type,
    state_key: pdu.state_key ?? '',
    sender: pdu.sender,
    content: pdu.content,
  }
  if (pdu.type === 'm.room.create') stripped['origin_server_ts'] = pdu.origin_server_ts
  return stripped
}

function servedPdu({ pdu }: RoomEvent, { redactedBy, isErased, version }: ClientEventContext): Pdu {
  return redactedBy === undefined && isErased !== true ? pdu : redact(pdu, version)
}

/** Clients of all ages find the target in both places. */
function withRedacts(client: ClientEvent, pdu: Pdu, version: RoomVersion): ClientEvent {
  const redacts = redactionTarget(pdu, version)
  return redacts === null ? client : { ...client, redacts, content: { ...pdu.content, redacts } }
}

function unsignedOf({ pdu }: RoomEvent, context: ClientEventContext): JsonObject {
  const { version, now, withRoomId, transactionId, replaced, membership, redactedBy } = context
  const unsigned: JsonObject = { age: Math.max(0, now - pdu.origin_server_ts) }
  if (transactionId !== undefined) unsigned['transaction_id'] = transactionId
  if (replaced !== undefined) {
    unsigned['replaces_state'] = replaced.eventId
    unsigned['prev_sender'] = replaced.sender
    if (replaced.content !== null) unsigned['prev_content'] = replaced.content
  }
  if (membership !== undefined) unsigned['membership'] = membership
  if (redactedBy !== undefined) {
    unsigned['redacted_by'] = redactedBy.eventId
    unsigned['redacted_because'] = toClientEvent(redactedBy, { version, now, withRoomId })
  }
  return unsigned
}
