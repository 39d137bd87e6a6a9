import type { JsonObject } from '../json.ts'
import { own } from '../json.ts'

/**
 * What differs between the room versions that this server knows (ROOMS-SPEC §1.3), one switch a row. Rows that are the same
 * in all of them have no switch.
 */
export interface RoomVersion {
  /** Opaque: compared for equality, never as a number. */
  readonly id: string
  /** Membership `knock` and join rule `knock`. */
  readonly knocking: boolean
  /** Join rule `restricted` and `join_authorised_via_users_server`. */
  readonly restrictedJoins: boolean
  /** Redaction keeps `allow` in join rules. */
  readonly redactionKeepsAllow: boolean
  /** Redaction keeps `join_authorised_via_users_server` in members. */
  readonly redactionKeepsAuthorisingUser: boolean
  /** Power levels must be integers; before, strings of digits count too. */
  readonly integerPowerLevels: boolean
  /** Join rule `knock_restricted`. */
  readonly knockRestrictedJoins: boolean
  /** Who made the room: `content.creator`, the sender of the create event, or also `content.additional_creators`. */
  readonly creator: 'content' | 'sender' | 'sender-and-additional'
  /** A redaction names its target inside `content`; before, at the top level. */
  readonly redactsInContent: boolean
  /** Redaction as revised in version 11: keeps more content, drops the historical top-level keys. */
  readonly revisedRedaction: boolean
  /** The limit of 255 is bytes for events of other servers too; before, code points. */
  readonly limitsInBytes: boolean
  /** The room ID is the ID of the create event, which therefore has no `room_id`. */
  readonly roomIdFromCreate: boolean
  /** `auth_events` name the create event; after, they must not. */
  readonly createInAuthEvents: boolean
  /** Creators stand above every power level and may not be listed. */
  readonly infiniteCreators: boolean
}

const V6: RoomVersion = {
  id: '6',
  knocking: false,
  restrictedJoins: false,
  redactionKeepsAllow: false,
  redactionKeepsAuthorisingUser: false,
  integerPowerLevels: false,
  knockRestrictedJoins: false,
  creator: 'content',
  redactsInContent: false,
  revisedRedaction: false,
  limitsInBytes: false,
  roomIdFromCreate: false,
  createInAuthEvents: true,
  infiniteCreators: false,
}
const V7: RoomVersion = { ...V6, id: '7', knocking: true }
const V8: RoomVersion = { ...V7, id: '8', restrictedJoins: true, redactionKeepsAllow: true }
const V9: RoomVersion = { ...V8, id: '9', redactionKeepsAuthorisingUser: true }
const V10: RoomVersion = { ...V9, id: '10', integerPowerLevels: true, knockRestrictedJoins: true }
const V11: RoomVersion = {
  ...V10,
  id: '11',
  creator: 'sender',
  redactsInContent: true,
  revisedRedaction: true,
  limitsInBytes: true,
}
const V12: RoomVersion = {
  ...V11,
  id: '12',
  creator: 'sender-and-additional',
  roomIdFromCreate: true,
  createInAuthEvents: false,
  infiniteCreators: true,
}

/** Every version a room can be made or joined in, all of them stable (ROOMS-SPEC §1.2). */
export const ROOM_VERSIONS: readonly RoomVersion[] = [V6, V7, V8, V9, V10, V11, V12]

export const DEFAULT_ROOM_VERSION = '11'

const BY_ID: ReadonlyMap<string, RoomVersion> = new Map(ROOM_VERSIONS.map((version) => [version.id, version]))

/** Null for a version that this server does not know; `011` is one. */
export function roomVersion(id: string): RoomVersion | null {
  return BY_ID.get(id) ?? null
}

/** The version that a create event's content declares; absent means `1`. Null if it is not known, or no string. */
export function declaredRoomVersion(createContent: JsonObject): RoomVersion | null {
  const declared = own(createContent, 'room_version')
  const id = declared === undefined ? '1' : declared
  return typeof id === 'string' ? roomVersion(id) : null
}
