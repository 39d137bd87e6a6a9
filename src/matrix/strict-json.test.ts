import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JSON_LEVELS_MAX, parseJson, parseStrictJson, StrictJsonError } from './strict-json.ts'

function kindOf(text: string, parse: (text: string) => unknown = parseStrictJson): string {
  try {
    parse(text)
    return 'accepted'
  } catch (error) {
    if (error instanceof StrictJsonError) return error.kind
    throw error
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('numbers', () => {
  for (const token of ['9007199254740992', '-9007199254740992', '1.1', `1${'0'.repeat(400)}`]) {
    test(`R-010 ${token.slice(0, 20)} is JSON, but not a number for events`, () => {
      expect(kindOf(`{"a":[${token}]}`)).toBe('number')
    })
  }

  for (const token of ['NaN', 'Infinity', '-Infinity']) {
    test(`R-011 P-007 ${token} is not JSON`, () => {
      expect(kindOf(`{"a":${token}}`)).toBe('syntax')
    })
  }

  for (const token of ['1.0', '1e3', '1E3', '1e+3', '1e-3', '-0', '0.0', '-0.0', '-0e1']) {
    test(`R-012 the token ${token} is refused, whatever its value`, () => {
      expect(kindOf(`{"a":${token}}`)).toBe('number')
    })
  }

  test('integers up to the limits pass', () => {
    expect(parseStrictJson('[0,-1,9007199254740991,-9007199254740991]')).toEqual([
      0,
      -1,
      2 ** 53 - 1,
      1 - 2 ** 53,
    ])
  })

  for (const token of ['01', '1.', '.5', '+1', '-', '1e', '0x1', '1_000']) {
    test(`${token} is not JSON`, () => expect(kindOf(token)).toBe('syntax'))
  }
})

describe('values', () => {
  test('R-015 a duplicate key is refused, however it is spelled and wherever it stands', () => {
    expect(kindOf('{"a":1,"a":1}')).toBe('value')
    expect(kindOf('{"a":1,"\\u0061":1}')).toBe('value')
    expect(kindOf('[{"x":{"b":1,"c":2,"b":3}}]')).toBe('value')
    expect(kindOf('{"__proto__":1,"__proto__":1}')).toBe('value')
    expect(kindOf('{"a":{"a":1},"b":{"a":1}}')).toBe('accepted')
  })

  test('R-015 a lone surrogate is refused, in a value and in a key, escaped or not', () => {
    for (const text of ['{"a":"\\ud800"}', '{"\\udfff":1}', '["\\udc00\\ud800"]', '["\ud83d"]']) {
      expect(kindOf(text)).toBe('value')
    }
    expect(parseStrictJson('["\\ud83d\\ude00"]')).toEqual(['😀'])
  })

  test('names of Object.prototype are data', () => {
    const value = parseStrictJson('{"__proto__":{"admin":true},"constructor":1,"toString":2}') as object
    expect(Object.keys(value)).toEqual(['__proto__', 'constructor', 'toString'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect('admin' in value).toBe(false)
  })

  test(`${JSON_LEVELS_MAX} levels pass, one more does not`, () => {
    const nested = (levels: number): string => '[{"a":'.repeat(levels / 2) + '1' + '}]'.repeat(levels / 2)
    expect(kindOf(nested(JSON_LEVELS_MAX))).toBe('accepted')
    expect(kindOf(`[${nested(JSON_LEVELS_MAX)}]`)).toBe('value')
  })

  test('a million open brackets are an answer, not a stack overflow', () => {
    expect(kindOf('['.repeat(1_000_000))).toBe('syntax')
    expect(kindOf('['.repeat(200_000) + ']'.repeat(200_000))).toBe('value')
  })

  test('what is not JSON after a refused value is still not JSON', () => {
    expect(kindOf('{"a":1.5')).toBe('syntax')
    expect(kindOf('{"a":1,"a":1}}')).toBe('syntax')
  })

  test('the error says where', () => {
    expect(() => parseStrictJson('{"a":tru}')).toThrow(expect.objectContaining({ kind: 'syntax', offset: 5 }))
    expect(() => parseStrictJson('{"a": 1.5}')).toThrow(
      expect.objectContaining({ kind: 'number', offset: 6 }),
    )
  })
})

const PIECES =
  String.raw`{ } [ ] , : "a" "b": "\u00e9" "\u12" "\x" 1 - 0 1.5 e3 true null fals " \ "__proto__":1`
    .split(' ')
    .concat(' ', '\n', '\u00a0', '"\t"', '\ufeff')

describe('against JSON.parse', () => {
  /** Text that is often JSON, and often just not. */
  const nearJson = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((parts) => parts.join(''))
  const mutated = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', '{', ']', ',', '0', '\\', '\u0001', '.'))
    .map(([text, at, put]) => text.slice(0, at % text.length) + put + text.slice((at % text.length) + 1))
  const anyText = fc.oneof(fc.json(), nearJson, mutated, fc.string({ unit: 'binary' }))

  test('R-011 P-007 exactly what JSON.parse refuses is called syntax', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(kindOf(text) === 'syntax').toBe(!isJson(text))
        expect(kindOf(text, parseJson) === 'syntax').toBe(!isJson(text))
      }),
      { numRuns: 2_000 },
    )
  })

  test('what is accepted has the same value', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        if (kindOf(text) === 'accepted') expect(parseStrictJson(text)).toStrictEqual(JSON.parse(text))
        if (kindOf(text, parseJson) === 'accepted') expect(parseJson(text)).toStrictEqual(JSON.parse(text))
      }),
      { numRuns: 2_000 },
    )
  })

  test('well-formed values of integers are all accepted', () => {
    const text = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(fc.dictionary(text, fc.oneof(fc.maxSafeInteger(), text)), (value) => {
        const plain = JSON.stringify(value)
        fc.pre(!Object.values(value).some((item) => Object.is(item, -0)))
        expect(parseStrictJson(plain)).toEqual(JSON.parse(plain))
      }),
    )
  })
})

test('parseJson takes every number of JSON, and nothing else more', () => {
  expect(parseJson('{"order":0.25,"big":1e3}')).toEqual({ order: 0.25, big: 1000 })
  expect(kindOf('{"a":1,"a":0.5}', parseJson)).toBe('value')
  expect(kindOf('["\\ud800"]', parseJson)).toBe('value')
})
