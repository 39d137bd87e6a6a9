import { isJsonObject, own, ownString, type Json, type JsonObject } from '../matrix/json.ts'
import type { RoomEvent } from '../matrix/room-event.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'
import type { AuthState } from './auth-state.ts'

/** The seven levels that stand by themselves in a power levels event (ROOMS-SPEC §3.2 rule 10a). */
export const SINGLE_LEVELS = [
  'users_default',
  'events_default',
  'state_default',
  'ban',
  'redact',
  'kick',
  'invite',
] as const

type SingleLevel = (typeof SINGLE_LEVELS)[number]

/** What holds without the key, or without the event. */
const DEFAULT_LEVELS: Readonly<Record<SingleLevel, number>> = {
  users_default: 0,
  events_default: 0,
  state_default: 50,
  ban: 50,
  redact: 50,
  kick: 50,
  invite: 0,
}

/** Of the creator, while the room has no power levels event; before version 12. */
const CREATOR_LEVEL = 100
/** Of creators from version 12 on. Never serialised. */
const INFINITE_LEVEL = Number.POSITIVE_INFINITY

const DIGITS = /^\s*[+-]?[0-9]+\s*$/

/** The level of a user; ∞ (`Infinity`) for creators from version 12 on (ROOMS-SPEC §3.4, R-061). */
export function levelOf(userId: string, state: AuthState, version: RoomVersion): number {
  const create = state.get('m.room.create', '')
  const isCreator = create !== undefined && creatorsOf(create, version).includes(userId)
  if (isCreator && version.infiniteCreators) return INFINITE_LEVEL
  const content = powerLevelsOf(state)
  if (content === null) return isCreator ? CREATOR_LEVEL : DEFAULT_LEVELS.users_default
  return entryLevel(content, 'users', userId, version) ?? singleLevel('users_default', state, version)
}

/** The level that sending an event of this type needs (ROOMS-SPEC §3.4). */
export function requiredLevel(
  event: { readonly type: string; readonly isState: boolean },
  state: AuthState,
  version: RoomVersion,
): number {
  const content = powerLevelsOf(state)
  const own = content === null ? null : entryLevel(content, 'events', event.type, version)
  return own ?? singleLevel(event.isState ? 'state_default' : 'events_default', state, version)
}

export function inviteLevel(state: AuthState, version: RoomVersion): number {
  return singleLevel('invite', state, version)
}

export function kickLevel(state: AuthState, version: RoomVersion): number {
  return singleLevel('kick', state, version)
}

export function banLevel(state: AuthState, version: RoomVersion): number {
  return singleLevel('ban', state, version)
}

/** Not an auth rule's: decides whether a redaction is applied (ROOMS-SPEC §2.9). */
export function redactLevel(state: AuthState, version: RoomVersion): number {
  return singleLevel('redact', state, version)
}

/** Who made the room (ROOMS-SPEC §3.1); in version 12 there may be several. */
export function creatorsOf({ pdu }: RoomEvent, version: RoomVersion): readonly string[] {
  if (version.creator === 'content') {
    const creator = ownString(pdu.content, 'creator')
    return creator === undefined ? [] : [creator]
  }
  const additional =
    version.creator === 'sender-and-additional' ? own(pdu.content, 'additional_creators') : undefined
  if (!Array.isArray(additional)) return [pdu.sender]
  return [pdu.sender, ...additional.filter((userId) => typeof userId === 'string')]
}

/**
 * The level that a value stands for, or null if it stands for none. Strings of digits count before version 10
 * (ROOMS-SPEC §3.4).
 */
export function parseLevel(value: Json | undefined, version: RoomVersion): number | null {
  const level =
    typeof value === 'string' && !version.integerPowerLevels && DIGITS.test(value) ? Number(value) : value
  return typeof level === 'number' && Number.isSafeInteger(level) ? level : null
}

function powerLevelsOf(state: AuthState): JsonObject | null {
  return state.get('m.room.power_levels', '')?.pdu.content ?? null
}

function singleLevel(name: SingleLevel, state: AuthState, version: RoomVersion): number {
  const content = powerLevelsOf(state)
  const level = content === null ? null : parseLevel(own(content, name), version)
  return level ?? DEFAULT_LEVELS[name]
}

function entryLevel(
  content: JsonObject,
  table: 'users' | 'events',
  key: string,
  version: RoomVersion,
): number | null {
  const entries = own(content, table)
  return isJsonObject(entries) ? parseLevel(own(entries, key), version) : null
}
