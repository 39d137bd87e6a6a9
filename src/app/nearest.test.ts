import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { editDistance, nearest } from './nearest.ts'

test('the nearest name is found for letters changed, lost, added, swapped', () => {
  const known = ['presence.idle_timeout', 'presence.enabled', 'rate_limits.enabled', 'data_dir']
  expect(nearest('presence.idle_timout', known)).toBe('presence.idle_timeout')
  expect(nearest('presence.idle_tmieout', known)).toBe('presence.idle_timeout')
  expect(nearest('dta_dir', known)).toBe('data_dir')
  expect(nearest('prescence.enabled', known)).toBe('presence.enabled')
})

test('the right word in the wrong section is found; nothing is made up', () => {
  expect(nearest('idle_timeout', ['presence.idle_timeout'])).toBe('presence.idle_timeout')
  expect(nearest('colour', ['presence.idle_timeout', 'data_dir'])).toBe(null)
})

test('the edit distance is a distance', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 })
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a))
      expect(editDistance(a, b) === 0).toBe(a === b)
      expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
      expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
    }),
  )
  expect([editDistance('ab', 'ba'), editDistance('kitten', 'sitting')]).toEqual([1, 3])
})
