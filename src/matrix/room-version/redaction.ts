import { isJsonObject, own, type JsonObject } from '../json.ts'
import type { RoomVersion } from './index.ts'

const TOP_LEVEL = [
  'event_id',
  'type',
  'room_id',
  'sender',
  'state_key',
  'content',
  'hashes',
  'signatures',
  'depth',
  'prev_events',
  'auth_events',
  'origin_server_ts',
]
const TOP_LEVEL_HISTORICAL = [...TOP_LEVEL, 'origin', 'membership', 'prev_state']

const POWER_LEVELS = [
  'ban',
  'events',
  'events_default',
  'kick',
  'redact',
  'state_default',
  'users',
  'users_default',
]

/** The top-level keys that survive redaction (ROOMS-SPEC §2.8). */
export function keptTopLevel(version: RoomVersion): readonly string[] {
  return version.revisedRedaction ? TOP_LEVEL : TOP_LEVEL_HISTORICAL
}

/** What is left of the content of an event of this type (ROOMS-SPEC §2.8). Values stay as they are, whatever their type. */
export function redactContent(type: string, content: JsonObject, version: RoomVersion): JsonObject {
  if (type === 'm.room.create' && version.revisedRedaction) return content
  const kept = pick(content, keptContent(type, version))
  if (type === 'm.room.member' && version.revisedRedaction) {
    const invite = own(content, 'third_party_invite')
    // AR-05: without `signed` an empty object stays.
    if (isJsonObject(invite)) kept['third_party_invite'] = pick(invite, ['signed'])
  }
  return kept
}

function keptContent(type: string, version: RoomVersion): readonly string[] {
  switch (type) {
    case 'm.room.member':
      return version.redactionKeepsAuthorisingUser
        ? ['membership', 'join_authorised_via_users_server']
        : ['membership']
    case 'm.room.create':
      return ['creator']
    case 'm.room.join_rules':
      return version.redactionKeepsAllow ? ['join_rule', 'allow'] : ['join_rule']
    case 'm.room.power_levels':
      return version.revisedRedaction ? [...POWER_LEVELS, 'invite'] : POWER_LEVELS
    case 'm.room.history_visibility':
      return ['history_visibility']
    case 'm.room.redaction':
      return version.revisedRedaction ? ['redacts'] : []
    default:
      return []
  }
}

/** A new object with those of `keys` that `object` has. */
export function pick(object: JsonObject, keys: readonly string[]): JsonObject {
  const picked: JsonObject = {}
  for (const key of keys) {
    const value = own(object, key)
    if (value !== undefined) picked[key] = value
  }
  return picked
}
