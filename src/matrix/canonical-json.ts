import type { Json, JsonObject } from './json.ts'

/** Far above what the parser lets in, and far below what overflows the stack. */
const CANONICAL_LEVELS_MAX = 200

/** The value has no canonical form: a number, a string or a depth that Matrix does not allow. */
export class CanonicalJsonError extends Error {
  override readonly name = 'CanonicalJsonError'
}

/**
 * The one text of a JSON value that is hashed and signed (ROOMS-SPEC §2.5, PRESENCE-SPEC §5.2): keys sorted by code point,
 * no white space, integers in ±(2^53 − 1) only. `-0` becomes `0`.
 *
 * @throws CanonicalJsonError for other numbers, lone surrogates, and anything that is not JSON.
 */
export function canonicalJson(value: Json): string {
  return encode(value, CANONICAL_LEVELS_MAX)
}

function encode(value: Json, levelsLeft: number): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'number') return encodeNumber(value)
  if (typeof value === 'string') return encodeString(value)
  if (typeof value !== 'object') throw new CanonicalJsonError(`a ${typeof value} is not JSON`)
  if (levelsLeft === 0) throw new CanonicalJsonError('the value is nested too deeply')
  if (Array.isArray(value)) return `[${value.map((item) => encode(item, levelsLeft - 1)).join(',')}]`
  return encodeObject(value, levelsLeft - 1)
}

function encodeObject(object: JsonObject, levelsLeft: number): string {
  let text = ''
  for (const key of Object.keys(object).sort(compareCodePoints)) {
    if (text !== '') text += ','
    text += `${encodeString(key)}:${encode(object[key] as Json, levelsLeft)}`
  }
  return `{${text}}`
}

function encodeNumber(value: number): string {
  if (!Number.isSafeInteger(value)) throw new CanonicalJsonError(`${value} is not a safe integer`)
  return String(value)
}

/** For well-formed text JSON.stringify escapes exactly what canonical JSON escapes, and in the same way. */
function encodeString(text: string): string {
  if (!text.isWellFormed()) throw new CanonicalJsonError('a string has a lone surrogate')
  return JSON.stringify(text)
}

function compareCodePoints(one: string, other: string): number {
  const length = Math.min(one.length, other.length)
  for (let i = 0; i < length; i += 1) {
    const ours = one.charCodeAt(i)
    const theirs = other.charCodeAt(i)
    if (ours !== theirs) return rank(ours) - rank(theirs)
  }
  return one.length - other.length
}

/** Surrogates stand for code points above U+FFFF, so they come after every other unit. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit
}
