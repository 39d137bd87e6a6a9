import { CanonicalJsonError } from './canonical-json.ts'
import { hasUserIdForm, ID_BYTES_MAX } from './ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from './json.ts'
import { createEventIdOf, pduBytes, type Pdu } from './room-event.ts'
import type { RoomVersion } from './room-version/index.ts'
import { JSON_LEVELS_MAX } from './strict-json.ts'

/** Canonical form with signatures (ROOMS-SPEC §2.4). */
export const EVENT_BYTES_MAX = 65_536
const PREV_EVENTS_MAX = 20
const AUTH_EVENTS_MAX = 10

const EVENT_ID = /^\$[A-Za-z0-9_-]{43}$/
const ROOM_ID_FROM_CREATE = /^![A-Za-z0-9_-]{43}$/

/**
 * Where a PDU comes from decides how strictly it is measured (ROOMS-SPEC §2.2, §2.4): before version 11 the keys of other
 * servers' events are counted in code points, and `/backfill` may cite any number of events.
 */
export type PduSource = 'local' | 'remote' | 'backfill'

/** `size`: 413 `M_TOO_LARGE` to a client. `shape`: 400 `M_BAD_JSON`. From a server: dropped. */
interface PduProblem {
  readonly kind: 'size' | 'shape'
  readonly reason: string
}

type PduCheck = { readonly ok: true; readonly pdu: Pdu } | ({ readonly ok: false } & PduProblem)

/** Is this a PDU of that room version, within the limits (ROOMS-SPEC §2.2, §2.4)? Hashes and signatures are not verified. */
export function checkPduShape(value: Json, version: RoomVersion, source: PduSource): PduCheck {
  if (!isJsonObject(value)) return { ok: false, kind: 'shape', reason: 'An event is an object' }
  const problem =
    keysProblem(value) ??
    idsProblem(value as Pdu, version, source) ??
    citationsProblem(value as Pdu, version, source) ??
    sizeProblem(value as Pdu)
  return problem === null ? { ok: true, pdu: value as Pdu } : { ok: false, ...problem }
}

/** Presence and types of the keys. */
function keysProblem(pdu: JsonObject): PduProblem | null {
  const depth = own(pdu, 'depth')
  const hashes = own(pdu, 'hashes')
  const signatures = own(pdu, 'signatures')
  const rules: readonly [holds: boolean, reason: string][] = [
    [typeof own(pdu, 'type') === 'string', 'type must be a string'],
    [typeof own(pdu, 'sender') === 'string', 'sender must be a string'],
    [typeof (own(pdu, 'state_key') ?? '') === 'string', 'state_key must be a string'],
    [typeof (own(pdu, 'room_id') ?? '') === 'string', 'room_id must be a string'],
    [own(pdu, 'state_key') !== null && own(pdu, 'room_id') !== null, 'state_key and room_id are not null'],
    [isJsonObject(own(pdu, 'content')), 'content must be an object'],
    [Number.isSafeInteger(own(pdu, 'origin_server_ts')), 'origin_server_ts must be an integer'],
    [Number.isSafeInteger(depth) && Number(depth) >= 0, 'depth must be an integer, not below 0'],
    [isEventIds(own(pdu, 'prev_events')), 'prev_events must be event IDs'],
    [isEventIds(own(pdu, 'auth_events')), 'auth_events must be event IDs'],
    [isJsonObject(hashes) && typeof own(hashes, 'sha256') === 'string', 'hashes.sha256 must be a string'],
    [
      isJsonObject(signatures) && Object.values(signatures).every(isTexts),
      'signatures must be objects of strings',
    ],
    [isJsonObject(own(pdu, 'unsigned') ?? {}), 'unsigned must be an object'],
    [own(pdu, 'event_id') === undefined, 'event_id does not stand in an event'],
  ]
  const broken = rules.find(([holds]) => !holds)
  return broken === undefined ? null : shape(broken[1])
}

function idsProblem(pdu: Pdu, version: RoomVersion, source: PduSource): PduProblem | null {
  const inBytes = version.limitsInBytes || source === 'local'
  for (const key of ['type', 'sender', 'state_key', 'room_id'] as const) {
    if (isTooLong(pdu[key] ?? '', inBytes)) return { kind: 'size', reason: `${key} is too long` }
  }
  if (!hasUserIdForm(pdu.sender)) return shape('sender must be a user ID')
  if (version.roomIdFromCreate && pdu.type === 'm.room.create') {
    return pdu.room_id === undefined ? null : shape('the create event has no room_id')
  }
  return isRoomIdOf(pdu.room_id ?? '', version) ? null : shape('room_id must be a room ID')
}

function citationsProblem(pdu: Pdu, version: RoomVersion, source: PduSource): PduProblem | null {
  if (source !== 'backfill') {
    if (pdu.prev_events.length > PREV_EVENTS_MAX) return shape(`more than ${PREV_EVENTS_MAX} prev_events`)
    if (pdu.auth_events.length > AUTH_EVENTS_MAX) return shape(`more than ${AUTH_EVENTS_MAX} auth_events`)
  }
  if (pdu.type === 'm.room.create') {
    return pdu.auth_events.length === 0 ? null : shape('a create event has no auth_events')
  }
  const citesCreate = pdu.room_id !== undefined && pdu.auth_events.includes(createEventIdOf(pdu.room_id))
  return version.roomIdFromCreate && citesCreate ? shape('auth_events must not cite the create event') : null
}

function sizeProblem(pdu: Pdu): PduProblem | null {
  try {
    const bytes = pduBytes(pdu)
    if (bytes > EVENT_BYTES_MAX) return { kind: 'size', reason: `the event has ${bytes} bytes` }
  } catch (error) {
    if (error instanceof CanonicalJsonError) return shape(error.message)
    throw error
  }
  return levelsOf(pdu) <= JSON_LEVELS_MAX ? null : shape(`more than ${JSON_LEVELS_MAX} levels`)
}

function shape(reason: string): PduProblem {
  return { kind: 'shape', reason }
}

function isEventIds(value: Json | undefined): boolean {
  return Array.isArray(value) && value.every((id) => typeof id === 'string' && EVENT_ID.test(id))
}

function isTexts(value: Json): boolean {
  return isJsonObject(value) && Object.values(value).every((text) => typeof text === 'string')
}

function isRoomIdOf(text: string, version: RoomVersion): boolean {
  if (version.roomIdFromCreate) return ROOM_ID_FROM_CREATE.test(text)
  return text.startsWith('!') && text.includes(':')
}

function isTooLong(text: string, inBytes: boolean): boolean {
  return (inBytes ? Buffer.byteLength(text) : Array.from(text).length) > ID_BYTES_MAX
}

/** Levels of arrays and objects; the value has a canonical form, which bounds the recursion. */
function levelsOf(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0
  let deepest = 0
  for (const item of Object.values(value)) deepest = Math.max(deepest, levelsOf(item))
  return 1 + deepest
}
