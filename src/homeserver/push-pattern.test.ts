import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesWholeText, matchesWords } from './push-pattern.ts'

test.each([
  ['m.room.member', 'm.room.member', true],
  ['m.room.*', 'm.room.member', true],
  ['m.room.?ember', 'm.room.member', true],
  ['*member*', 'm.room.member', true],
  ['M.ROOM.MEMBER', 'm.room.member', true],
  ['m.room', 'm.room.member', false],
  ['room.member', 'm.room.member', false],
  ['mxroom.member', 'm.room.member', false],
  ['', '', true],
  ['', 'a', false],
  ['*', '', true],
  ['a*a', 'a', false],
  ['a*b*c', 'a1b2c', true],
  ['a*b*c', 'a1c2b', false],
])('§5.10 the glob %j on the whole of %j: %s', (pattern, text, expected) => {
  expect(matchesWholeText(pattern, text)).toBe(expected)
})

test.each([
  ['alice', 'hello alice!', true],
  ['alice', 'ALICE', true],
  ['alice', 'malice', false],
  ['alice', 'alice2 and alice', true],
  ['al?ce', 'hello alxce', true],
  ['ali*', 'hello alicia', true],
  ['*ice', 'hello malice', true],
  ['hello*world', 'oh hello big world.', true],
  ['hello*world', 'hello worldly', false],
  ['', 'anything', false],
  ['zoë', 'is zoë here', true],
])('§5.10 the glob %j among the words of %j: %s', (pattern, text, expected) => {
  expect(matchesWords(pattern, text)).toBe(expected)
})

test('§5.10 a display name is taken as it is written', () => {
  expect(matchesWords('a*', 'hello a*', 'literal')).toBe(true)
  expect(matchesWords('a*', 'hello abc', 'literal')).toBe(false)
})

test('§5.10 a pattern that is too long matches nothing', () => {
  expect(matchesWholeText('a'.repeat(257), 'a'.repeat(257))).toBe(false)
})

const texts = fc.string({ unit: fc.constantFrom('a', 'b', ' ', '.'), maxLength: 12 })
const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?', '.'), maxLength: 6 })

test('§5.10 a glob means what the regular expression does', () => {
  const source = (pattern: string): string =>
    pattern
      .replace(/[.]/g, String.raw`\.`)
      .replace(/\*/g, '.*')
      .replace(/\?/g, '.')
  fc.assert(
    fc.property(patterns, texts, (pattern, text) => {
      expect(matchesWholeText(pattern, text)).toBe(new RegExp(`^${source(pattern)}$`, 's').test(text))
      const words = new RegExp(String.raw`(?<!\w)(?:${source(pattern)})(?!\w)`, 's')
      if (pattern !== '' && !pattern.startsWith('*') && !pattern.endsWith('*'))
        expect(matchesWords(pattern, text)).toBe(words.test(text))
    }),
    { numRuns: 2_000 },
  )
})
