import { isJsonObject, own, type Json, type JsonObject } from './json.ts'

/** Kept whatever a filter's `event_fields` says: clients cannot do without (ROOMS-SPEC §6.12). */
const ALWAYS = ['event_id', 'type', 'sender', 'room_id', 'state_key', 'origin_server_ts'] as const

/** Only the named parts of an event, e.g. `content.body`; a dot that belongs to a key is written `\.`. */
export function pickFields(event: JsonObject, fields: readonly string[]): JsonObject {
  const picked: JsonObject = {}
  for (const key of ALWAYS) copy(event, picked, [key])
  for (const field of fields) copy(event, picked, splitFieldPath(field))
  return picked
}

/** The keys of a dotted path; `\.` is a dot and `\\` a backslash within a key. */
export function splitFieldPath(path: string): string[] {
  const keys = ['']
  for (let i = 0; i < path.length; i += 1) {
    const char = path.charAt(i)
    const next = path.charAt(i + 1)
    if (char === '.') keys.push('')
    else if (char === '\\' && (next === '.' || next === '\\')) {
      keys[keys.length - 1] += next
      i += 1
    } else keys[keys.length - 1] += char
  }
  return keys
}

/** The value at a path of keys, or undefined. */
export function valueAt(object: JsonObject, keys: readonly string[]): Json | undefined {
  let value: Json | undefined = object
  for (const key of keys) {
    if (!isJsonObject(value)) return undefined
    value = own(value, key)
  }
  return value
}

function copy(from: JsonObject, to: JsonObject, keys: readonly string[]): void {
  const value = valueAt(from, keys)
  if (value === undefined) return
  let target = to
  for (const key of keys.slice(0, -1)) {
    const inner = own(target, key)
    const next: JsonObject = isJsonObject(inner) ? { ...inner } : {}
    define(target, key, next)
    target = next
  }
  define(target, keys.at(-1) ?? '', value)
}

/** Assignment would lose a key `__proto__`. */
function define(object: JsonObject, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}
