import { expect, test } from 'vitest'
import { settle } from '../../test/support/manual-clock.ts'
import { runInAll, Serial } from './serial.ts'

test('work of one key runs one after the other in order, and another key does not wait', async () => {
  const serial = new Serial<string>()
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = serial.run('a', async () => {
    await gate.promise
    seen.push('a1')
  })
  const second = serial.run('a', async () => void seen.push('a2'))
  await serial.run('b', async () => void seen.push('b1'))
  expect(serial.length('a')).toBe(2)
  gate.resolve()
  await Promise.all([first, second])
  expect(seen).toEqual(['b1', 'a1', 'a2'])
  expect(serial.length('a')).toBe(0)
})

test('a failure reaches its caller and lets those behind it go on', async () => {
  const serial = new Serial<string>()
  const failing = serial.run('a', async () => {
    throw new Error('no')
  })
  const next = serial.run('a', async () => 'yes')
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('yes')
})

test('work that comes while a later one runs still waits for it', async () => {
  const serial = new Serial<string>()
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = serial.run('a', async () => void seen.push('a1'))
  const second = serial.run('a', async () => {
    await gate.promise
    seen.push('a2')
  })
  await first
  const third = serial.run('a', async () => void seen.push('a3'))
  await settle()
  expect(seen).toEqual(['a1'])
  gate.resolve()
  await Promise.all([second, third])
  expect(seen).toEqual(['a1', 'a2', 'a3'])
})

test('work of several keys waits for each of them, and holds up what needs any of them', async () => {
  const serial = new Serial<string>()
  const seen: string[] = []
  const gate = Promise.withResolvers<void>()
  const first = serial.run('b', () => gate.promise)
  const both = runInAll(serial, ['b', 'a', 'b'], async () => void seen.push('both'))
  // It has its first key and stands in line for the second.
  await settle(1)
  const later = ['a', 'b'].map((key) => serial.run(key, async () => void seen.push(key)))
  const other = runInAll(serial, ['c'], async () => void seen.push('c'))
  await settle()
  expect(seen).toEqual(['c'])
  gate.resolve()
  await Promise.all([first, both, other, ...later])
  expect(seen.slice(0, 2)).toEqual(['c', 'both'])
  expect(seen.slice(2).toSorted()).toEqual(['a', 'b'])
})

test('works that need the same keys, named in any order, never wait for each other', async () => {
  const serial = new Serial<string>()
  let running = 0
  const work = async (): Promise<void> => {
    running += 1
    expect(running).toBe(1)
    await settle(1)
    running -= 1
  }
  const orders = [
    ['a', 'b', 'c'],
    ['c', 'b', 'a'],
    ['b', 'c', 'a'],
  ]
  await Promise.all(Array.from({ length: 9 }, (_, i) => runInAll(serial, orders[i % 3] ?? [], work)))
  for (const key of ['a', 'b', 'c']) expect(serial.length(key)).toBe(0)
})

test('a failure among several keys frees them all', async () => {
  const serial = new Serial<string>()
  const failing = runInAll(serial, ['a', 'b'], async () => {
    throw new Error('no')
  })
  await expect(failing).rejects.toThrow('no')
  expect(await runInAll(serial, ['b', 'a'], async () => 'yes')).toBe('yes')
})
