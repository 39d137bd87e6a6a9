import type { Brand } from '../base/brand.ts'

/** `@localpart:server`, at most 255 bytes (ROOMS-SPEC §2.1). */
export type UserId = Brand<string, 'UserId'>
/** `!opaque:server`, or `!` and 43 characters from room version 12 on. Opaque: never take a server out of it. */
export type RoomId = Brand<string, 'RoomId'>
/** `$` and 43 characters of URL-safe base64 from room version 4 on. */
export type EventId = Brand<string, 'EventId'>
/** `#localpart:server`. */
export type RoomAlias = Brand<string, 'RoomAlias'>
/** Opaque, chosen by the client or by us; unique for one user. */
export type DeviceId = Brand<string, 'DeviceId'>
/** `host` or `host:port`, compared byte for byte. */
export type ServerName = Brand<string, 'ServerName'>

export const ID_BYTES_MAX = 255

const SERVER_NAME = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,255})(?::\d{1,5})?$/
const LOCALPART_NEW = /^[a-z0-9._=\-/+]+$/

export function parseServerName(text: string): ServerName | null {
  return SERVER_NAME.test(text) ? (text as ServerName) : null
}

/** Accepts historical localparts too: any code point but `:` and NUL, also none. */
export function parseUserId(text: string): UserId | null {
  return parseSigilled(text, '@') as UserId | null
}

/** Is it an array of user IDs, as they stand in JSON? */
export function areUserIds(value: unknown): value is UserId[] {
  return Array.isArray(value) && value.every((id) => typeof id === 'string' && parseUserId(id) !== null)
}

export function parseRoomAlias(text: string): RoomAlias | null {
  return parseSigilled(text, '#') as RoomAlias | null
}

/** Rooms of version 12 have no server part. */
export function parseRoomId(text: string): RoomId | null {
  if (!text.startsWith('!') || text.length < 2 || isTooLong(text) || hasForbidden(text)) return null
  return text as RoomId
}

export function parseEventId(text: string): EventId | null {
  if (!text.startsWith('$') || text.length < 2 || isTooLong(text) || hasForbidden(text)) return null
  return text as EventId
}

/** 1 to 255 bytes of text. */
export function parseDeviceId(text: string): DeviceId | null {
  return text === '' || isTooLong(text) || hasForbidden(text) ? null : (text as DeviceId)
}

/** May this localpart be registered today? Stricter than what is accepted from elsewhere. */
export function isNewLocalpart(localpart: string, server: ServerName): boolean {
  return LOCALPART_NEW.test(localpart) && !isTooLong(`@${localpart}:${server}`)
}

export function makeUserId(localpart: string, server: ServerName): UserId {
  return `@${localpart}:${server}` as UserId
}

/** The part after the first colon; the ID was parsed, so there is one (rooms of version 12 apart). */
export function serverOf(id: UserId | RoomAlias): ServerName {
  return id.slice(id.indexOf(':') + 1) as ServerName
}

export function localpartOf(id: UserId | RoomAlias): string {
  return id.slice(1, id.indexOf(':'))
}

/** A user ID but for its length, which old rooms count differently (ROOMS-SPEC §2.4). */
export function hasUserIdForm(text: string): boolean {
  return hasSigilledForm(text, '@')
}

function parseSigilled(text: string, sigil: string): string | null {
  return !isTooLong(text) && hasSigilledForm(text, sigil) ? text : null
}

function hasSigilledForm(text: string, sigil: string): boolean {
  if (!text.startsWith(sigil) || hasForbidden(text)) return false
  const colon = text.indexOf(':')
  return colon >= 0 && parseServerName(text.slice(colon + 1)) !== null
}

/** Length in code units first: almost every ID is short ASCII. */
function isTooLong(text: string): boolean {
  return (
    text.length > ID_BYTES_MAX || (text.length * 3 > ID_BYTES_MAX && Buffer.byteLength(text) > ID_BYTES_MAX)
  )
}

function hasForbidden(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed()
}
