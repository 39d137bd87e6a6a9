import { expect, test } from 'vitest'
import { settle } from '../../test/support/manual-clock.ts'
import { Serial } from './serial.ts'

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
