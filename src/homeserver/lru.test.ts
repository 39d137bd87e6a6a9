import { expect, test } from 'vitest'
import { createLru } from './lru.ts'

test('beyond the bound the entry that was used longest ago goes, and is told of', () => {
  const gone: string[] = []
  const lru = createLru<string, number>(2, (_, key) => void gone.push(key))
  lru.set('a', 1).set('b', 2)
  lru.get('a')
  lru.set('c', 3)
  expect([...lru.keys()].sort()).toEqual(['a', 'c'])
  lru.delete('a')
  expect(gone).toEqual(['b', 'a'])
})
