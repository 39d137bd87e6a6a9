import { describe, expect, test } from 'vitest'
import { aggregate, higher, isPresent, isRise } from './aggregate.ts'
import type { PresenceState } from './types.ts'

/** Low to high. */
const AGGREGATION: readonly PresenceState[] = ['offline', 'unavailable', 'online', 'free_for_chat', 'busy']
const AVAILABILITY: readonly (readonly PresenceState[])[] = [
  ['offline'],
  ['unavailable'],
  ['online', 'busy'],
  ['free_for_chat'],
]

const devices = (...states: PresenceState[]): { state: PresenceState }[] => states.map((state) => ({ state }))

describe('the order of aggregation', () => {
  const pairs = AGGREGATION.flatMap((low, at) => AGGREGATION.slice(at).map((high) => [high, low] as const))
  test.each(pairs)('P-138 %s speaks for a user beside %s', (high, low) => {
    expect(aggregate(devices(high, low))).toBe(high)
    expect(aggregate(devices(low, high))).toBe(high)
    expect([higher(low, high), higher(high, low)]).toEqual([high, high])
  })

  test('P-139 all idle is unavailable, none at all is offline', () => {
    expect(aggregate(devices('unavailable', 'unavailable', 'offline'))).toBe('unavailable')
    expect(aggregate(devices('offline', 'offline'))).toBe('offline')
    expect(aggregate([])).toBe('offline')
  })
})

describe('the order of availability', () => {
  const rank = (state: PresenceState): number => AVAILABILITY.findIndex((states) => states.includes(state))
  const pairs = AGGREGATION.flatMap((from) => AGGREGATION.map((to) => [from, to] as const))
  test.each(pairs)('P-125 P-126 from %s to %s', (from, to) => {
    expect(isRise(from, to)).toBe(rank(to) > rank(from))
  })
})

test('P-142 who can be currently active', () => {
  expect(AGGREGATION.filter(isPresent)).toEqual(['online', 'free_for_chat', 'busy'])
})
