import { expect, test } from 'vitest'
import { problemText } from './account.ts'

test('known mistakes are told in our words, others in the server’s, nonsense as such', () => {
  expect(problemText('login', { errcode: 'M_FORBIDDEN', error: 'no' })).toMatch(/name or the password/)
  expect(problemText('register', { errcode: 'M_FORBIDDEN' })).toMatch(/does not let people/)
  expect(problemText('register', { errcode: 'M_USER_IN_USE' })).toMatch(/has that name/)
  expect(problemText('register', { errcode: 'M_WEAK_PASSWORD', error: 'Longer, please' })).toBe(
    'Longer, please',
  )
  expect(problemText('login', {})).toMatch(/no sense/)
})

test('a limit says how long to wait', () => {
  const wait = (ms?: unknown): string =>
    problemText('login', { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: ms })
  expect([wait(4_200), wait(300), wait(0), wait()]).toEqual([
    'Too many tries. Try again in 5 seconds.',
    'Too many tries. Try again in a second.',
    'Too many tries. Try again in a second.',
    'Too many tries. Try again in 60 seconds.',
  ])
})
