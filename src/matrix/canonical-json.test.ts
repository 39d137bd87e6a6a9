import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, CanonicalJsonError } from './canonical-json.ts'
import type { Json } from './json.ts'

/** T1: input as JSON text, canonical form. */
const SPEC_EXAMPLES: readonly (readonly [input: string, canonical: string])[] = [
  ['{}', '{}'],
  ['{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'],
  ['{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'],
  [
    '{"auth": {"success": true, "mxid": "@john.doe:example.com", "profile": {"display_name": "John Doe", "three_pids": [{"medium": "email", "address": "john.doe@example.org"}, {"medium": "msisdn", "address": "123456789"}]}}}',
    '{"auth":{"mxid":"@john.doe:example.com","profile":{"display_name":"John Doe","three_pids":[{"address":"john.doe@example.org","medium":"email"},{"address":"123456789","medium":"msisdn"}]},"success":true}}',
  ],
  ['{"a": "日本語"}', '{"a":"日本語"}'],
  ['{"本": 2, "日": 1}', '{"日":1,"本":2}'],
  ['{"a": "\\u65E5"}', '{"a":"日"}'],
  ['{"a": null}', '{"a":null}'],
  ['{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'],
]

describe('vectors', () => {
  for (const [input, canonical] of SPEC_EXAMPLES) {
    test(`R-007 P-154 ${input.slice(0, 40)} has the canonical form of the specification`, () => {
      expect(canonicalJson(JSON.parse(input) as Json)).toBe(canonical)
    })
  }

  test('R-008 keys are sorted by code point, not by UTF-16 unit', () => {
    expect(canonicalJson({ '😀': 1, Ａ: 2, a: 3, A: 4, é: 5 })).toBe('{"A":4,"a":3,"é":5,"Ａ":2,"😀":1}')
  })

  test('R-009 control characters are escaped in lower case; U+007F, U+2028 and / stay', () => {
    const k = '\u0000\u0001\b\t\n\u000b\f\r\u001b\u001f"\\/\u007f\u2028'
    const bytes = Buffer.concat([
      Buffer.from(String.raw`{"k":"\u0000\u0001\b\t\n\u000b\f\r\u001b\u001f\"\\/`),
      Buffer.from([0x7f, 0xe2, 0x80, 0xa8]),
      Buffer.from('"}'),
    ])
    expect(Buffer.from(canonicalJson({ k }))).toEqual(bytes)
  })
})

describe('what has no canonical form', () => {
  const nested = (levels: number): Json => {
    let value: Json = 1
    for (let i = 0; i < levels; i += 1) value = [value]
    return value
  }

  for (const value of [1.5, 2 ** 53, -(2 ** 53), Number.NaN, Number.POSITIVE_INFINITY, 1e300]) {
    test(`the number ${value} is refused`, () => {
      expect(() => canonicalJson({ a: [value] })).toThrow(CanonicalJsonError)
    })
  }

  test('the largest and smallest safe integers pass', () => {
    expect(canonicalJson([2 ** 53 - 1, 1 - 2 ** 53])).toBe('[9007199254740991,-9007199254740991]')
  })

  test('R-015 a lone surrogate is refused, in a value and in a key', () => {
    expect(() => canonicalJson({ a: '\ud800' })).toThrow(CanonicalJsonError)
    expect(() => canonicalJson({ '\udc00': 1 })).toThrow(CanonicalJsonError)
  })

  test('a missing value is refused, not left out', () => {
    expect(() => canonicalJson({ a: undefined } as unknown as Json)).toThrow(CanonicalJsonError)
  })

  test('hostile depth is refused, not a stack overflow', () => {
    expect(() => canonicalJson(nested(100_000))).toThrow(CanonicalJsonError)
    expect(canonicalJson(nested(100))).toBe(`${'['.repeat(100)}1${']'.repeat(100)}`)
  })
})

const wellFormed = fc.string({ unit: 'binary' })
const { value: canonicalValue } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    wellFormed,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(wellFormed, tie('value'), { maxKeys: 5 }),
  ),
}))

/** Keys of every object, in the order of the text. */
function keyLists(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return []
  const own = Array.isArray(value) ? [] : [Object.keys(value)]
  return [...own, ...Object.values(value).flatMap(keyLists)]
}

test('parsing the canonical form gives the value back, and encoding that gives the same text', () => {
  fc.assert(
    fc.property(canonicalValue, (value) => {
      const text = canonicalJson(value)
      const parsed = JSON.parse(text) as Json
      expect(parsed).toEqual(JSON.parse(JSON.stringify(value)))
      expect(canonicalJson(parsed)).toBe(text)
    }),
  )
})

test('R-008 the keys stand in the order of their UTF-8 bytes', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'B', 'é', '\ue000', '\uffff', '😀', '\u{10ffff}') })
  fc.assert(
    fc.property(fc.uniqueArray(key, { minLength: 2, maxLength: 8 }), (keys) => {
      const text = canonicalJson(Object.fromEntries(keys.map((name) => [`_${name}`, 0])))
      const [inText = []] = keyLists(JSON.parse(text))
      expect(inText).toEqual(inText.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
    }),
  )
})
