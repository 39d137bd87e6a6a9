import { expect, test } from 'vitest'
import { Background } from './background.ts'

test('idle waits for what runs, and for what that begins', async () => {
  const background = new Background()
  const done: string[] = []
  const fault = (error: unknown): void => void done.push(String(error))
  background.run(async () => {
    await Promise.resolve()
    done.push('first')
    background.run(async () => {
      await Promise.resolve()
      done.push('second')
    }, fault)
  }, fault)
  background.run(() => Promise.reject(new Error('no')), fault)
  await background.idle()
  expect(done.toSorted()).toEqual(['Error: no', 'first', 'second'])
  await background.idle()
})
