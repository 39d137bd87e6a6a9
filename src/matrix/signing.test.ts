import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  SECOND_PUBLIC_KEY,
  SECOND_SEED,
  SPEC_PUBLIC_KEY,
  SPEC_SEED,
} from '../../test/support/room-vectors.ts'
import { must } from '../base/assert.ts'
import { canonicalJson } from './canonical-json.ts'
import type { JsonObject } from './json.ts'
import {
  decodeBase64,
  encodeBase64,
  signBytes,
  SigningKey,
  signJson,
  VerifyKey,
  verifyJson,
} from './signing.ts'

const seedOf = (text: string): Uint8Array => must(decodeBase64(text), 'seed')
const key = new SigningKey({ seed: seedOf(SPEC_SEED), version: '1' })
const other = new SigningKey({ seed: seedOf(SECOND_SEED), version: 'b_1' })
const publicKey = must(VerifyKey.parse(SPEC_PUBLIC_KEY), 'key')
const otherPublicKey = must(VerifyKey.parse(SECOND_PUBLIC_KEY), 'key')

const EMPTY_SIGNATURE =
  'K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ'
const ONE_TWO_SIGNATURE =
  'KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw'

describe('vectors', () => {
  test('R-016 P-154 {} and {"one":1,"two":"Two"} sign as in the specification', () => {
    expect(signJson({}, 'domain', key)).toEqual({ signatures: { domain: { 'ed25519:1': EMPTY_SIGNATURE } } })
    expect(signJson({ two: 'Two', one: 1 }, 'domain', key)).toEqual({
      one: 1,
      two: 'Two',
      signatures: { domain: { 'ed25519:1': ONE_TWO_SIGNATURE } },
    })
  })

  test('R-016 the public keys follow from the seeds', () => {
    expect([key.keyId, key.publicKey]).toEqual(['ed25519:1', SPEC_PUBLIC_KEY])
    expect([other.keyId, other.publicKey]).toEqual(['ed25519:b_1', SECOND_PUBLIC_KEY])
  })

  test('P-154 the signed request of a presence transaction has the signature of the specification', () => {
    const request = {
      method: 'PUT',
      uri: '/_matrix/federation/v1/send/1443797062000-1',
      origin: 'domain',
      destination: 'other.example',
      content: {
        origin: 'domain',
        origin_server_ts: 1_443_797_062_000,
        pdus: [],
        edus: [
          {
            edu_type: 'm.presence',
            content: {
              push: [
                {
                  user_id: '@alice:domain',
                  presence: 'online',
                  status_msg: 'Back after lunch',
                  last_active_ago: 5000,
                  currently_active: true,
                },
              ],
            },
          },
        ],
      },
    }
    expect(canonicalJson(request)).toBe(
      '{"content":{"edus":[{"content":{"push":[{"currently_active":true,"last_active_ago":5000,"presence":"online","status_msg":"Back after lunch","user_id":"@alice:domain"}]},"edu_type":"m.presence"}],"origin":"domain","origin_server_ts":1443797062000,"pdus":[]},"destination":"other.example","method":"PUT","origin":"domain","uri":"/_matrix/federation/v1/send/1443797062000-1"}',
    )
    expect(signBytes(Buffer.from(canonicalJson(request)), key)).toBe(
      'otKN/0AcWdK4wcyHfST/GpNbmcntani6ASraLpy41p3FfKaxDeGhzktfNEGlWxsAxzIUC4vhXNElz8n/KShVAw',
    )
  })
})

describe('signing', () => {
  const keysOf =
    (keys: Readonly<Record<string, VerifyKey>>) =>
    (keyId: string): VerifyKey | null =>
      keys[keyId] ?? null
  const signed = signJson({ one: 1, two: 'Two' }, 'domain', key)

  test('R-020 unsigned is not covered, and neither are the signatures present', () => {
    const more: JsonObject = signJson({ ...signed, unsigned: { age: 1 } }, 'other', other)
    expect(more['unsigned']).toEqual({ age: 1 })
    expect(more['signatures']).toMatchObject({ domain: { 'ed25519:1': ONE_TWO_SIGNATURE } })
    expect(verifyJson(more, 'domain', keysOf({ 'ed25519:1': publicKey }))).toBe(true)
    expect(verifyJson(more, 'other', keysOf({ 'ed25519:b_1': otherPublicKey }))).toBe(true)
  })

  test('a second key of the same server stands beside the first', () => {
    const twice = signJson(signed, 'domain', other)
    expect(Object.keys(twice.signatures['domain'] ?? {})).toEqual(['ed25519:1', 'ed25519:b_1'])
    expect(
      verifyJson(twice, 'domain', keysOf({ 'ed25519:1': publicKey, 'ed25519:b_1': otherPublicKey })),
    ).toBe(true)
  })

  test('an altered object, another server and an unknown key do not verify', () => {
    const keys = keysOf({ 'ed25519:1': publicKey })
    expect(verifyJson({ ...signed, one: 2 }, 'domain', keys)).toBe(false)
    expect(verifyJson(signed, 'other', keys)).toBe(false)
    expect(verifyJson(signed, 'domain', keysOf({}))).toBe(false)
    expect(verifyJson({ one: 1 }, 'domain', keys)).toBe(false)
  })

  test('one wrong signature spoils the right ones; one under an unknown key does not', () => {
    const spoilt = {
      ...signed,
      signatures: { domain: { ...signed.signatures['domain'], 'ed25519:2': 'AAAA' } },
    }
    expect(verifyJson(spoilt, 'domain', keysOf({ 'ed25519:1': publicKey }))).toBe(true)
    expect(verifyJson(spoilt, 'domain', keysOf({ 'ed25519:1': publicKey, 'ed25519:2': publicKey }))).toBe(
      false,
    )
  })

  test('nonsense in place of signatures is not a signature, nor an error', () => {
    const keys = (): VerifyKey => publicKey
    for (const signatures of [null, 1, [], { domain: 'x' }, { domain: { 'ed25519:1': 7 } }]) {
      expect(verifyJson({ one: 1, signatures }, 'domain', keys)).toBe(false)
    }
    expect(verifyJson({ one: 1, signatures: { domain: { 'ed25519:1': '%' } } }, 'domain', keys)).toBe(false)
  })

  test('what was signed verifies, and with any byte of the signature changed it does not', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.maxSafeInteger()), fc.nat(63), (object, at) => {
        const { signatures: _drop, unsigned: _drop2, ...plain } = object
        const made = signJson(plain as JsonObject, 'domain', key)
        const keys = keysOf({ 'ed25519:1': publicKey })
        expect(verifyJson(made, 'domain', keys)).toBe(true)
        const text = (made['signatures'] as { domain: Record<string, string> }).domain['ed25519:1'] ?? ''
        const bytes = Buffer.from(must(decodeBase64(text), 'signature'))
        bytes[at] = (bytes[at] ?? 0) ^ 1
        const forged = { ...made, signatures: { domain: { 'ed25519:1': encodeBase64(bytes) } } }
        expect(verifyJson(forged, 'domain', keys)).toBe(false)
      }),
      { numRuns: 30 },
    )
  })
})

describe('base64', () => {
  test('R-025 padding and non-zero trailing bits are accepted', () => {
    expect(decodeBase64('AQ==')).toEqual(decodeBase64('AQ'))
    expect(decodeBase64('AR')).toEqual(Buffer.from([1]))
    expect(decodeBase64(SPEC_SEED)?.length).toBe(32)
    expect(encodeBase64(seedOf(SPEC_SEED))).not.toBe(SPEC_SEED)
  })

  test('both alphabets are read, the standard one is written', () => {
    expect(decodeBase64('-_8')).toEqual(Buffer.from([0xfb, 0xff]))
    expect(encodeBase64(Buffer.from([0xfb, 0xff]))).toBe('+/8')
  })

  test('what is not base64 is null, not something shorter', () => {
    for (const text of ['A', 'A=', 'AQ===', 'A Q', 'AQ\n', 'é', 'AA=A']) expect(decodeBase64(text)).toBeNull()
  })

  test('a public key has 32 bytes', () => {
    expect(VerifyKey.parse('AQ')).toBeNull()
    expect(VerifyKey.parse('not base64!')).toBeNull()
  })

  test('decoding gives back what was encoded, without padding', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
        const text = encodeBase64(bytes)
        expect(text).not.toContain('=')
        expect(decodeBase64(text)).toEqual(Buffer.from(bytes))
      }),
    )
  })
})
