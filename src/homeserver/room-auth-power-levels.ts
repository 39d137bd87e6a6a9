import { parseUserId } from '../matrix/ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from '../matrix/json.ts'
import type { RoomEvent } from '../matrix/room-event.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'
import type { AuthState } from './auth-state.ts'
import { ALLOWED, rejected, type AuthVerdict } from './auth-verdict.ts'
import { creatorsOf, levelOf, parseLevel, SINGLE_LEVELS } from './power-levels.ts'

/** Rule 10 of ROOMS-SPEC §3.2: who may set which power levels. */
export function authorizePowerLevels(
  { pdu }: RoomEvent,
  create: RoomEvent,
  state: AuthState,
  version: RoomVersion,
): AuthVerdict {
  const flaw = flawOf(pdu.content, version)
  if (flaw !== null) return flaw
  if (version.infiniteCreators) {
    const users = tableOf(pdu.content, 'users')
    const creator = creatorsOf(create, version).find((userId) => Object.hasOwn(users, userId))
    if (creator !== undefined) return rejected('10d', `${creator} is a creator and has no power level`)
  }
  const current = state.get('m.room.power_levels', '')?.pdu.content
  if (current === undefined) return ALLOWED
  const level = levelOf(pdu.sender, state, version)
  return (
    singlesVerdict(current, pdu.content, level, version) ??
    entriesVerdict(current, pdu.content, level, version) ??
    usersVerdict(current, pdu.content, { sender: pdu.sender, level }, version) ??
    ALLOWED
  )
}

/** Rules 10a to 10c: the values. */
function flawOf(content: JsonObject, version: RoomVersion): AuthVerdict | null {
  const isLevel = (value: Json | undefined): boolean => parseLevel(value, version) !== null
  const isTable = (table: string, isKey: (key: string) => boolean): boolean => {
    const entries = own(content, table)
    if (entries === undefined) return true
    return (
      isJsonObject(entries) && Object.entries(entries).every(([key, value]) => isKey(key) && isLevel(value))
    )
  }
  if (version.integerPowerLevels) {
    const single = SINGLE_LEVELS.find((name) => Object.hasOwn(content, name) && !isLevel(content[name]))
    if (single !== undefined) return rejected('10a', `${single} must be an integer`)
    const table = ['events', 'notifications'].find((name) => !isTable(name, () => true))
    if (table !== undefined) return rejected('10b', `${table} must be an object of integers`)
  }
  return isTable('users', (userId) => parseUserId(userId) !== null)
    ? null
    : rejected('10c', 'users must be an object of user IDs and integers')
}

/** Rule 10f. */
function singlesVerdict(
  before: JsonObject,
  after: JsonObject,
  level: number,
  version: RoomVersion,
): AuthVerdict | null {
  for (const { key, from, to } of changes(before, after, SINGLE_LEVELS, version)) {
    if (isAbove(from, level) || isAbove(to, level)) return rejected('10f', `${key} is above your power level`)
  }
  return null
}

/** Rule 10g. */
function entriesVerdict(
  before: JsonObject,
  after: JsonObject,
  level: number,
  version: RoomVersion,
): AuthVerdict | null {
  for (const table of ['events', 'notifications']) {
    for (const { key, from, to } of tableChanges(before, after, table, version)) {
      if (isAbove(from, level) || isAbove(to, level)) {
        return rejected('10g', `${table}.${key} is above your power level`)
      }
    }
  }
  return null
}

/** Rules 10h and 10i. */
function usersVerdict(
  before: JsonObject,
  after: JsonObject,
  by: { readonly sender: string; readonly level: number },
  version: RoomVersion,
): AuthVerdict | null {
  for (const { key, from, to } of tableChanges(before, after, 'users', version)) {
    if (key !== by.sender && from !== null && from >= by.level) {
      return rejected('10h', `${key} is not below your power level`)
    }
    if (isAbove(to, by.level)) return rejected('10i', `The new level of ${key} is above yours`)
  }
  return null
}

/** A level that differs; null on the side where there is none. Absent levels are not compared, whatever their default. */
interface LevelChange {
  readonly key: string
  readonly from: number | null
  readonly to: number | null
}

function tableChanges(
  before: JsonObject,
  after: JsonObject,
  table: string,
  version: RoomVersion,
): LevelChange[] {
  const from = tableOf(before, table)
  const to = tableOf(after, table)
  return changes(from, to, new Set([...Object.keys(from), ...Object.keys(to)]), version)
}

function changes(
  before: JsonObject,
  after: JsonObject,
  keys: Iterable<string>,
  version: RoomVersion,
): LevelChange[] {
  const changed: LevelChange[] = []
  for (const key of keys) {
    const from = parseLevel(own(before, key), version)
    const to = parseLevel(own(after, key), version)
    if (from !== to) changed.push({ key, from, to })
  }
  return changed
}

function tableOf(content: JsonObject, table: string): JsonObject {
  const entries = own(content, table)
  return isJsonObject(entries) ? entries : {}
}

function isAbove(value: number | null, level: number): boolean {
  return value !== null && value > level
}
