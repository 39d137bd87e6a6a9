import { expect, test } from 'vitest'
import { LastPositions } from './last-positions.ts'

test('a key is where it was put last; one that was never put is at the floor', () => {
  const last = new LastPositions<string>({ keysMax: 3, floor: 5 })
  last.set('a', 7)
  last.set('a', 6)
  expect([last.get('a'), last.get('b')]).toEqual([7, 5])
})

test('one key too many forgets all of them, and the floor says that they may have changed', () => {
  const last = new LastPositions<string>({ keysMax: 2, floor: 0 })
  last.set('a', 3)
  last.set('b', 9)
  last.set('a', 4)
  expect(last.get('c')).toBe(0)
  last.set('c', 10)
  expect(['a', 'b', 'c', 'd'].map((key) => last.get(key))).toEqual([10, 10, 10, 10])
})
