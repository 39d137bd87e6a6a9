import { expect, test } from 'vitest'
import { matches, matchesType } from './event-match.ts'

test('P-100 P-101 an absent list is everything, an empty one nothing', () => {
  expect(matches(undefined, 'm.presence', '@a:b')).toBe(true)
  expect(matches({}, 'm.presence', '@a:b')).toBe(true)
  expect(matches({ types: [] }, 'm.presence', '@a:b')).toBe(false)
  expect(matches({ senders: [] }, 'm.presence', '@a:b')).toBe(false)
  expect(matches({ not_types: [], not_senders: [] }, 'm.presence', '@a:b')).toBe(true)
})

test('a not_ list wins over its opposite, also over a wildcard', () => {
  expect(matches({ types: ['*'], not_types: ['m.presence'] }, 'm.presence', '@a:b')).toBe(false)
  expect(matches({ types: ['m.presence'], not_types: ['*'] }, 'm.presence', '@a:b')).toBe(false)
  expect(matches({ senders: ['@a:b'], not_senders: ['@a:b'] }, 'm.presence', '@a:b')).toBe(false)
})

test('types and senders must both match; senders know no wildcard', () => {
  const filter = { types: ['m.room.*'], senders: ['@a:b'] }
  expect(matches(filter, 'm.room.message', '@a:b')).toBe(true)
  expect(matches(filter, 'm.room.message', '@c:d')).toBe(false)
  expect(matches(filter, 'm.reaction', '@a:b')).toBe(false)
  expect(matches({ senders: ['*'] }, 'm.reaction', '@a:b')).toBe(false)
})

test.each([
  ['m.*.message', 'm.room.message', true],
  ['m.*.message', 'm.room.encrypted', false],
  ['*', '', true],
  ['**', 'x', true],
  ['m.a*a', 'm.a', false],
  ['*b*a', 'ab', false],
  ['a*b*c', 'a-b-b-c', true],
  ['a.c', 'abc', false],
])('P-103 the wildcard type %j on %j: %s', (pattern, type, expected) => {
  expect(matchesType(pattern, type)).toBe(expected)
})
