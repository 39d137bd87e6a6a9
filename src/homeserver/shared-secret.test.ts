import { expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { createSharedSecret, sharedSecretMac, type SharedSecretClaim } from './shared-secret.ts'

const TTL_MS = 60_000

function aSharedSecret(secret: string | null = 'shared_secret') {
  const clock = new ManualClock()
  const deps = { clock, random: seededRandom(5), secret, noncesMax: 3, nonceTtlMs: TTL_MS }
  return { clock, shared: createSharedSecret(deps) }
}

function aClaim(nonce: string, over: Partial<SharedSecretClaim> = {}): SharedSecretClaim {
  const claim = { nonce, username: 'pepper_roni', password: 'pizza', admin: false, userType: null, ...over }
  return { ...claim, mac: over.mac ?? sharedSecretMac('shared_secret', claim) }
}

test('R-100 the vectors of §5.2.3 come out, and a user type is part of the message', () => {
  const claim = { nonce: 'thisisanonce', username: 'pepper_roni', password: 'pizza', userType: null }
  expect(sharedSecretMac('shared_secret', { ...claim, admin: true })).toBe(
    '48715842ad67d5dc9a9ee938a3bda4fcfae8d7c7',
  )
  expect(sharedSecretMac('shared_secret', { ...claim, admin: false })).toBe(
    'cf2391885316861a8e3871bfdcd223ab3913221d',
  )
  const typed = sharedSecretMac('shared_secret', { ...claim, admin: false, userType: 'bot' })
  expect(typed).not.toBe('cf2391885316861a8e3871bfdcd223ab3913221d')
})

test('R-100 a nonce is good once', () => {
  const { shared } = aSharedSecret()
  const nonce = shared.nonce()
  expect(() => shared.check(aClaim(nonce))).not.toThrow()
  expect(() => shared.check(aClaim(nonce))).toThrow(
    expect.objectContaining({ status: 400, errcode: 'M_UNKNOWN' }),
  )
})

test('R-101 a wrong mac is 403 and uses the nonce up', () => {
  const { shared } = aSharedSecret()
  for (const mac of ['', '0'.repeat(40), 'é'.repeat(40), sharedSecretMac('shared_secret', aClaim('other'))]) {
    const nonce = shared.nonce()
    expect(() => shared.check({ ...aClaim(nonce), mac })).toThrow(
      expect.objectContaining({ status: 403, errcode: 'M_FORBIDDEN' }),
    )
    expect(() => shared.check(aClaim(nonce))).toThrow(expect.objectContaining({ status: 400 }))
  }
})

test('R-101 the mac covers the name, the password, admin and the user type', () => {
  const { shared } = aSharedSecret()
  for (const change of [{ username: 'x' }, { password: 'x' }, { admin: true }, { userType: 'x' }]) {
    const nonce = shared.nonce()
    const { mac } = aClaim(nonce)
    expect(() => shared.check(aClaim(nonce, { ...change, mac }))).toThrow(
      expect.objectContaining({ status: 403 }),
    )
  }
})

test('R-101 a NUL cannot move the borders between the parts', () => {
  const { shared } = aSharedSecret()
  const nonce = shared.nonce()
  const { mac } = aClaim(nonce, { userType: 'admin' })
  const moved = aClaim(nonce, { password: 'pizza\0notadmin', admin: true, mac })
  expect(sharedSecretMac('shared_secret', moved)).toBe(mac)
  expect(() => shared.check(moved)).toThrow(expect.objectContaining({ status: 400, errcode: 'M_BAD_JSON' }))
})

test('a nonce ends after its time, and the oldest goes when too many are out', async () => {
  const { shared, clock } = aSharedSecret()
  const young = shared.nonce()
  await clock.advance(TTL_MS - 1)
  expect(() => shared.check(aClaim(young))).not.toThrow()
  const old = shared.nonce()
  await clock.advance(TTL_MS)
  expect(() => shared.check(aClaim(old))).toThrow(expect.objectContaining({ status: 400 }))
  const nonces = Array.from({ length: 4 }, () => shared.nonce())
  expect(() => shared.check(aClaim(nonces[0] ?? ''))).toThrow(expect.objectContaining({ status: 400 }))
  expect(() => shared.check(aClaim(nonces[3] ?? ''))).not.toThrow()
})

test('without a secret, or with an empty one, everything is refused as not enabled', () => {
  const refused = expect.objectContaining({ status: 400, errcode: 'M_UNKNOWN' })
  for (const secret of [null, '']) {
    const { shared } = aSharedSecret(secret)
    expect(() => shared.nonce()).toThrow(refused)
    expect(() => shared.check(aClaim('x'))).toThrow(refused)
  }
})
