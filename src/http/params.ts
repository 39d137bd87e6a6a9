import { refuse } from '../matrix/errors.ts'
import {
  parseEventId,
  parseRoomAlias,
  parseRoomId,
  parseUserId,
  type EventId,
  type RoomAlias,
  type RoomId,
  type UserId,
} from '../matrix/ids.ts'

/** A user ID in the path: `alice` or `@alice` is 400 M_INVALID_PARAM (P-009). */
export function userIdParam(text: string): UserId {
  return parsed(parseUserId(text), 'user ID')
}

export function roomIdParam(text: string): RoomId {
  return parsed(parseRoomId(text), 'room ID')
}

export function eventIdParam(text: string): EventId {
  return parsed(parseEventId(text), 'event ID')
}

export function aliasParam(text: string): RoomAlias {
  return parsed(parseRoomAlias(text), 'room alias')
}

/** A whole number ≥ 0 from the query, `fallback` if absent; anything else is 400 M_INVALID_PARAM. */
export function countParam(query: URLSearchParams, name: string, fallback: number): number {
  const text = query.get(name)
  if (text === null) return fallback
  if (!/^\d{1,15}$/.test(text))
    throw refuse.invalidParam(`"${name}" must be a whole number that is not negative`)
  return Number(text)
}

/** `true` or `false` from the query, `fallback` if absent. */
export function flagParam(query: URLSearchParams, name: string, fallback: boolean): boolean {
  const text = query.get(name)
  if (text === null) return fallback
  if (text !== 'true' && text !== 'false') throw refuse.invalidParam(`"${name}" must be true or false`)
  return text === 'true'
}

function parsed<T>(id: T | null, what: string): T {
  if (id === null) throw refuse.invalidParam(`The ${what} in the path is malformed`)
  return id
}
