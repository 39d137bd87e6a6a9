import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { readBody } from './body.ts'

const live = new AbortController().signal

test('a body is read whole, however it is cut', async () => {
  const stream = new PassThrough()
  const body = readBody(stream, { bytesMax: 10, declaredBytes: 0, signal: live })
  for (const piece of ['{"a"', ':', '1}']) stream.write(piece)
  stream.end()
  expect((await body).toString()).toBe('{"a":1}')
})

test('a call that was ended before its body is read does not wait for it', async () => {
  const reason = new Error('the server is closing')
  const reading = readBody(new PassThrough(), {
    bytesMax: 10,
    declaredBytes: 5,
    signal: AbortSignal.abort(reason),
  })
  await expect(reading).rejects.toBe(reason)
})

test('a client that leaves in the middle ends the reading', async () => {
  const stream = new PassThrough()
  const body = readBody(stream, { bytesMax: 10, declaredBytes: 5, signal: live })
  stream.write('{')
  stream.destroy()
  await expect(body).rejects.toMatchObject({ name: 'ClientGone' })
})

test('nothing is left listening on the signal of a call', async () => {
  const stream = new PassThrough()
  const { signal } = new AbortController()
  let listeners = 0
  const counting = Object.create(signal, {
    aborted: { value: false },
    addEventListener: { value: () => void (listeners += 1) },
    removeEventListener: { value: () => void (listeners -= 1) },
  }) as AbortSignal
  const body = readBody(stream, { bytesMax: 10, declaredBytes: 0, signal: counting })
  stream.end('{}')
  await body
  expect(listeners).toBe(0)
})
