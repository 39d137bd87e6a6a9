import type { Json, JsonObject } from './json.ts'

/** Deepest nesting of arrays and objects that is let in (ROOMS-SPEC §2.4). */
export const JSON_LEVELS_MAX = 100

/**
 * `syntax`: not JSON at all, and JSON.parse would say so too. `number`: JSON, but a number has no canonical form. `value`:
 * JSON, but with a duplicate key, a lone surrogate, or too many levels.
 */
type StrictJsonErrorKind = 'syntax' | 'number' | 'value'

/** `syntax` is for `M_NOT_JSON`, the others for `M_BAD_JSON` (ROOMS-SPEC §2.5). */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError'
  readonly kind: StrictJsonErrorKind
  /** Where in the text, in UTF-16 units. */
  readonly offset: number

  constructor(kind: StrictJsonErrorKind, message: string, offset: number) {
    super(`${message} at character ${offset}`)
    this.kind = kind
    this.offset = offset
  }
}

/**
 * Parses JSON that may become part of an event (ROOMS-SPEC §2.5). It looks at the tokens, so `1.0`, `1e3` and `-0` are
 * refused although their values are integers. A key `__proto__` is data.
 *
 * @throws StrictJsonError
 */
export function parseStrictJson(text: string): Json {
  return parse(text, 'canonical')
}

/**
 * The same for bodies whose numbers never enter an event, such as the `order` of a tag: any number of JSON passes.
 *
 * @throws StrictJsonError of kind `syntax` or `value`
 */
export function parseJson(text: string): Json {
  return parse(text, 'any')
}

function parse(text: string, numbers: 'canonical' | 'any'): Json {
  try {
    return new Parser(text, numbers).document()
  } catch (error) {
    // What comes after a refused value was not read yet, and may not be JSON.
    if (error instanceof StrictJsonError && error.kind !== 'syntax') checkSyntax(text)
    throw error
  }
}

function checkSyntax(text: string): void {
  try {
    JSON.parse(text)
  } catch {
    throw new StrictJsonError('syntax', 'The text is not JSON', 0)
  }
}

/** Everything from the blank on, but `"` and the backslash. */
const PLAIN = /[ !#-[\]-\uffff]*/y
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const HEX = /[0-9A-Fa-f]{4}/y
const WORDS = new Map<string, readonly [word: string, value: Json]>([
  ['t', ['true', true]],
  ['f', ['false', false]],
  ['n', ['null', null]],
])
const ESCAPES = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])

/** Recursive descent; JSON_LEVELS_MAX bounds the recursion. */
class Parser {
  readonly #text: string
  readonly #numbers: 'canonical' | 'any'
  #at = 0

  constructor(text: string, numbers: 'canonical' | 'any') {
    this.#text = text
    this.#numbers = numbers
  }

  document(): Json {
    const value = this.#value(0)
    this.#skipSpace()
    if (this.#at < this.#text.length) throw this.#unexpected()
    return value
  }

  #value(level: number): Json {
    this.#skipSpace()
    const first = this.#text[this.#at]
    if (first === '"') return this.#string()
    if (first === '{') return this.#object(level + 1)
    if (first === '[') return this.#array(level + 1)
    const word = first === undefined ? undefined : WORDS.get(first)
    return word === undefined ? this.#number() : this.#word(word)
  }

  #object(level: number): JsonObject {
    this.#enter(level)
    const object: JsonObject = {}
    if (this.#skip('}')) return object
    do {
      this.#skipSpace()
      const start = this.#at
      const key = this.#string()
      if (Object.hasOwn(object, key)) throw new StrictJsonError('value', 'Duplicate key', start)
      if (!this.#skip(':')) throw this.#unexpected()
      put(object, key, this.#value(level))
    } while (this.#skip(','))
    if (!this.#skip('}')) throw this.#unexpected()
    return object
  }

  #array(level: number): Json[] {
    this.#enter(level)
    const array: Json[] = []
    if (this.#skip(']')) return array
    do array.push(this.#value(level))
    while (this.#skip(','))
    if (!this.#skip(']')) throw this.#unexpected()
    return array
  }

  #enter(level: number): void {
    if (level > JSON_LEVELS_MAX) {
      throw new StrictJsonError('value', `More than ${JSON_LEVELS_MAX} levels`, this.#at)
    }
    this.#at += 1
  }

  #word([word, value]: readonly [string, Json]): Json {
    if (!this.#text.startsWith(word, this.#at)) throw this.#unexpected()
    this.#at += word.length
    return value
  }

  #number(): number {
    const start = this.#at
    const token = this.#take(NUMBER)
    if (token === '') throw this.#unexpected()
    const value = Number(token)
    if (this.#numbers === 'canonical' && (/[.eE]/.test(token) || !isCanonical(value))) {
      throw new StrictJsonError('number', 'Not an integer in ±(2^53 − 1)', start)
    }
    return value
  }

  #string(): string {
    const start = this.#at
    if (this.#text[start] !== '"') throw this.#unexpected()
    this.#at += 1
    let text = this.#take(PLAIN)
    while (this.#text[this.#at] === '\\') text += this.#escape() + this.#take(PLAIN)
    if (this.#text[this.#at] !== '"') throw this.#unexpected()
    this.#at += 1
    if (!text.isWellFormed()) throw new StrictJsonError('value', 'A lone surrogate in the string', start)
    return text
  }

  #escape(): string {
    const letter = this.#text[this.#at + 1] ?? ''
    this.#at += 2
    if (letter === 'u') {
      const hex = this.#take(HEX)
      if (hex !== '') return String.fromCharCode(Number.parseInt(hex, 16))
    }
    const escaped = ESCAPES.get(letter)
    if (escaped === undefined) throw this.#unexpected()
    return escaped
  }

  /** The text that `pattern` matches here, stepped over; `''` if it matches nothing. */
  #take(pattern: RegExp): string {
    const start = this.#at
    pattern.lastIndex = start
    if (pattern.test(this.#text)) this.#at = pattern.lastIndex
    return this.#text.slice(start, this.#at)
  }

  #skipSpace(): void {
    while (isSpace(this.#text.charCodeAt(this.#at))) this.#at += 1
  }

  #skip(sign: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== sign) return false
    this.#at += 1
    return true
  }

  #unexpected(): StrictJsonError {
    const message = this.#at < this.#text.length ? 'Unexpected character' : 'Unexpected end'
    return new StrictJsonError('syntax', message, this.#at)
  }
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09
}

function isCanonical(value: number): boolean {
  return Number.isSafeInteger(value) && !Object.is(value, -0)
}

/** Assigning to `__proto__` would change the prototype instead. */
function put(object: JsonObject, key: string, value: Json): void {
  if (key === '__proto__') {
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  } else object[key] = value
}
