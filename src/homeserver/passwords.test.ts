import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { createPasswords, type PasswordsDeps } from './passwords.ts'

const cheap: PasswordsDeps = {
  random: seededRandom(7),
  parallelMax: 2,
  waitingMax: 10,
  memoryKiB: 8,
  passes: 1,
}

test('a hash is an argon2id PHC string with its costs, salted anew each time', async () => {
  const passwords = createPasswords({ ...cheap, memoryKiB: 19_456, passes: 2 })
  const [one, other] = await Promise.all([passwords.hash('pizza'), passwords.hash('pizza')])
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  expect(other).not.toBe(one)
  expect(await passwords.verify('pizza', one)).toBe(true)
  expect(await passwords.verify('Pizza', one)).toBe(false)
})

test('a hash is verified at the costs that it carries, not at those of today', async () => {
  const old = await createPasswords(cheap).hash('pizza')
  expect(await createPasswords({ ...cheap, memoryKiB: 16, passes: 2 }).verify('pizza', old)).toBe(true)
})

test('hashes made by the reference implementation of argon2id are verified', async () => {
  const phc = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4'
  expect(await createPasswords(cheap).verify('password', phc)).toBe(true)
  expect(await createPasswords(cheap).verify('passwore', phc)).toBe(false)
})

test('R-107 any Unicode text is a password, and only itself', async () => {
  const passwords = createPasswords(cheap)
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), async (one, other) => {
      const phc = await passwords.hash(one)
      expect(await passwords.verify(one, phc)).toBe(true)
      expect(await passwords.verify(other, phc)).toBe(one === other)
    }),
    { numRuns: 50 },
  )
})

test('R-104 nobody has no password, nor does one whose stored hash is damaged', async () => {
  const passwords = createPasswords(cheap)
  expect(await passwords.verify('', null)).toBe(false)
  expect(await passwords.verify('x', '')).toBe(false)
  expect(await passwords.verify('x', '$argon2id$v=19$m=8,t=1,p=1$short$short')).toBe(false)
})

test('beyond the line of waiting computations a further one is refused with 429, and the others finish', async () => {
  const passwords = createPasswords({ ...cheap, parallelMax: 2, waitingMax: 3 })
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => passwords.hash('x')))
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  expect(refused.length).toBe(3)
  for (const { reason } of refused)
    expect(reason).toMatchObject({
      status: 429,
      errcode: 'M_LIMIT_EXCEEDED',
      extra: { retry_after_ms: 1_000 },
    })
  await expect(passwords.hash('x')).resolves.toBeTypeOf('string')
})

test('a turn is handed to the one who waits, so that never more than the bound run at once', async () => {
  const passwords = createPasswords({ ...cheap, parallelMax: 1, waitingMax: 1 })
  const first = passwords.hash('a')
  const second = passwords.hash('b')
  await first
  const third = passwords.hash('c')
  await expect(passwords.hash('d')).rejects.toMatchObject({ status: 429 })
  await Promise.all([second, third])
})
