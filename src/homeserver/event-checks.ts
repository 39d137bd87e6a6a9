import { canonicalJson } from '../matrix/canonical-json.ts'
import { refuse } from '../matrix/errors.ts'
import { parseRoomAlias, parseUserId, type RoomAlias, type RoomId, type ServerName } from '../matrix/ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from '../matrix/json.ts'
import { SINGLE_LEVELS } from './power-levels.ts'
import { admitsServer } from './server-acl.ts'

/** What the server asks of the content of certain events beyond the auth rules (§5.6). */
interface ContentContext {
  readonly serverName: ServerName
  /** Null while the room is being made. */
  readonly roomId: RoomId | null
  /** Creators that may not be listed in `users` (version 12); empty before. */
  readonly unlistedCreators: readonly string[]
  /** The content that this one would replace. */
  readonly current: JsonObject | undefined
  /** Does the alias point to the room? */
  readonly pointsHere: (alias: RoomAlias) => boolean
}

/** @throws M_BAD_JSON, M_INVALID_PARAM or M_BAD_ALIAS as §5.6 says */
export function checkContent(type: string, content: JsonObject, context: ContentContext): void {
  switch (type) {
    case 'm.room.create':
      throw refuse.badJson('A room is created once, by createRoom')
    case 'm.room.power_levels':
      return checkPowerLevels(content, context.unlistedCreators)
    case 'm.room.canonical_alias':
      return checkCanonicalAlias(content, context)
    case 'm.room.server_acl':
      if (!admitsServer(content, context.serverName))
        throw refuse.badJson('The list would shut out this server')
      return
    case 'm.room.tombstone':
      if (context.roomId !== null && own(content, 'replacement_room') === context.roomId)
        throw refuse.badJson('A room cannot replace itself')
      return
    default:
  }
}

/** Do the two say the same, whatever the order of their keys? */
export function sameJson(one: Json, other: Json): boolean {
  return canonicalJson(one) === canonicalJson(other)
}

/** Numbers only, in every room version: what others accept as strings, we do not write (AR-19). */
function checkPowerLevels(content: JsonObject, unlistedCreators: readonly string[]): void {
  for (const name of SINGLE_LEVELS) {
    const level = own(content, name)
    if (level !== undefined && !Number.isSafeInteger(level))
      throw refuse.badJson(`"${name}" must be a whole number`)
  }
  for (const name of ['events', 'users', 'notifications']) {
    const levels = own(content, name)
    if (levels !== undefined && !isLevels(levels))
      throw refuse.badJson(`"${name}" must be an object of whole numbers`)
  }
  const users = own(content, 'users')
  for (const userId of isJsonObject(users) ? Object.keys(users) : []) {
    if (parseUserId(userId) === null) throw refuse.badJson('"users" must name users')
    if (unlistedCreators.includes(userId))
      throw refuse.badJson('Creators stand above all power levels and cannot be listed in "users"')
  }
}

function isLevels(value: Json): boolean {
  return isJsonObject(value) && Object.values(value).every((level) => Number.isSafeInteger(level))
}

/** Aliases that were named before are not asked again. */
function checkCanonicalAlias(content: JsonObject, { current, pointsHere }: ContentContext): void {
  const before = new Set(aliasesIn(current ?? {}).filter((alias) => typeof alias === 'string'))
  for (const text of aliasesIn(content)) {
    const alias = typeof text === 'string' ? parseRoomAlias(text) : null
    if (alias === null) throw refuse.invalidParam('A room alias is malformed')
    if (!before.has(alias) && !pointsHere(alias))
      throw refuse.badAlias(`The alias ${alias} does not point to this room`)
  }
}

/** The values of `alias` (absent, null and empty mean none) and `alt_aliases`. */
function aliasesIn(content: JsonObject): Json[] {
  const alias = own(content, 'alias') ?? ''
  const others = own(content, 'alt_aliases') ?? []
  return [...(alias === '' ? [] : [alias]), ...(Array.isArray(others) ? others : [others])]
}
