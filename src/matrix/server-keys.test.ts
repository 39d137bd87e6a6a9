import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  SECOND_PUBLIC_KEY,
  SECOND_SEED,
  SPEC_PUBLIC_KEY,
  SPEC_SEED,
} from '../../test/support/room-vectors.ts'
import { must } from '../base/assert.ts'
import { parseServerName } from './ids.ts'
import type { Json, JsonObject } from './json.ts'
import { readServerKeys, serverKeysBody } from './server-keys.ts'
import { decodeBase64, SigningKey, signJson } from './signing.ts'

const key = new SigningKey({ seed: must(decodeBase64(SPEC_SEED), 'seed'), version: '1' })
const second = new SigningKey({ seed: must(decodeBase64(SECOND_SEED), 'seed'), version: 'b_1' })
const home = must(parseServerName('home.example'), 'name')
const other = must(parseServerName('other.example'), 'name')
const validUntilTs = 1_443_883_462_000

const body = serverKeysBody({ serverName: home, key, oldKeys: [], validUntilTs })

/** A key object with these parts in place of its own, signed again. */
function signed(parts: JsonObject, by = key): JsonObject {
  const { signatures: _, ...unsigned } = body
  return signJson({ ...unsigned, ...parts }, 'home.example', by)
}

describe('the own key object', () => {
  test('P-153 says name, key and time, and is signed', () => {
    const { signatures, ...unsigned } = body
    expect(unsigned).toEqual({
      server_name: 'home.example',
      verify_keys: { 'ed25519:1': { key: SPEC_PUBLIC_KEY } },
      old_verify_keys: {},
      valid_until_ts: validUntilTs,
    })
    expect(signJson(unsigned, 'home.example', key).signatures).toEqual(signatures)
  })

  test('P-153 is read again with its old keys', () => {
    const oldKeys = [{ keyId: second.keyId, publicKey: second.publicKey, expiredTs: 1_532_645_052_628 }]
    expect(readServerKeys(serverKeysBody({ serverName: home, key, oldKeys, validUntilTs }), home)).toEqual({
      keys: [{ keyId: 'ed25519:1', publicKey: SPEC_PUBLIC_KEY, expiredTs: null }, ...oldKeys],
      validUntilTs,
    })
  })
})

describe('P-158 key objects that are refused', () => {
  test.each<[string, Json]>([
    ['nothing', null],
    ['an array', [body]],
    ['of another server', signed({ server_name: 'other.example' })],
    ['without signature', { ...body, signatures: {} }],
    ['signatures of another form', { ...body, signatures: { 'home.example': [] } }],
    ['changed after signing', { ...body, valid_until_ts: validUntilTs + 1 }],
    ['signed with a key that is not in it', signed({}, second)],
    [
      'signed with an old key only',
      signed({ old_verify_keys: { [second.keyId]: { key: SECOND_PUBLIC_KEY, expired_ts: 1 } } }, second),
    ],
    ['signed by another server', signJson({ ...body, signatures: {} }, 'other.example', key)],
    ['no keys', signed({ verify_keys: {} })],
    ['keys of another form', signed({ verify_keys: [] })],
    ['old keys of another form', signed({ old_verify_keys: 'none' })],
    ['no time', signed({ valid_until_ts: null })],
    ['a text as time', signed({ valid_until_ts: '1443883462000' })],
    ['a negative time', signed({ valid_until_ts: -1 })],
    ['a number without canonical form', { ...body, valid_until_ts: 1.5 }],
    ['something without canonical form beside', { ...body, more: 0.5 }],
    ['too many keys', signed({ verify_keys: manyKeys(101) })],
  ])('%s', (_, json) => {
    expect(readServerKeys(json, home)).toBeNull()
  })

  test('its own name counts, not the one asked for', () => {
    expect(readServerKeys(body, other)).toBeNull()
    expect(readServerKeys(body, home)).not.toBeNull()
  })

  test('one wrong signature of a current key beside a right one', () => {
    const two = signed({ verify_keys: { ...verifyKeys(), [second.keyId]: { key: second.publicKey } } })
    const signature = must(signed({}, second)['signatures'], 'signatures') as Record<string, JsonObject>
    expect(readServerKeys(two, home)?.keys).toHaveLength(2)
    const wrong = { ...two, signatures: { 'home.example': { ...own(two), ...signature['home.example'] } } }
    expect(readServerKeys(wrong, home)).toBeNull()
  })
})

describe('keys that are left out', () => {
  test.each<[string, JsonObject]>([
    ['another algorithm', { 'rsa:1': { key: SECOND_PUBLIC_KEY } }],
    ['a name that is none', { 'ed25519:a-b': { key: SECOND_PUBLIC_KEY } }],
    ['no text', { 'ed25519:x': { key: 5 } }],
    ['no object', { 'ed25519:x': SECOND_PUBLIC_KEY }],
    ['too short', { 'ed25519:x': { key: SECOND_PUBLIC_KEY.slice(4) } }],
    ['no base64', { 'ed25519:x': { key: '!' } }],
  ])('%s, and the others stay', (_, more) => {
    expect(readServerKeys(signed({ verify_keys: { ...more, ...verifyKeys() } }), home)?.keys).toEqual([
      { keyId: 'ed25519:1', publicKey: SPEC_PUBLIC_KEY, expiredTs: null },
    ])
  })

  test('old ones without a time, and those that are current again', () => {
    const old = {
      'ed25519:x': { key: SECOND_PUBLIC_KEY },
      'ed25519:y': { key: SECOND_PUBLIC_KEY, expired_ts: 'then' },
      'ed25519:1': { key: SECOND_PUBLIC_KEY, expired_ts: 5 },
      'ed25519:z': { key: SECOND_PUBLIC_KEY, expired_ts: 6 },
    }
    expect(readServerKeys(signed({ old_verify_keys: old }), home)?.keys).toEqual([
      { keyId: 'ed25519:1', publicKey: SPEC_PUBLIC_KEY, expiredTs: null },
      { keyId: 'ed25519:z', publicKey: SECOND_PUBLIC_KEY, expiredTs: 6 },
    ])
  })
})

test('any JSON is answered with a value or null', () => {
  const names = fc.constantFrom(
    'server_name',
    'verify_keys',
    'old_verify_keys',
    'valid_until_ts',
    'signatures',
  )
  const json = fc.jsonValue() as fc.Arbitrary<Json>
  fc.assert(
    fc.property(json, fc.dictionary(names, json), (whole, parts) => {
      expect(readServerKeys(whole, home)).toBeNull()
      readServerKeys({ ...body, ...parts }, home)
    }),
  )
})

test('any 32 bytes are a key that can be tried', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64')
      const wrong = { ...body, verify_keys: { 'ed25519:1': { key: text } } }
      expect(readServerKeys(wrong, home)).toBeNull()
    }),
  )
})

function verifyKeys(): JsonObject {
  return body['verify_keys'] as JsonObject
}

function own(object: JsonObject): JsonObject {
  return (object['signatures'] as Record<string, JsonObject>)['home.example'] as JsonObject
}

function manyKeys(count: number): JsonObject {
  const more = Array.from({ length: count - 1 }, (_, i) => [`ed25519:k${i}`, { key: SECOND_PUBLIC_KEY }])
  return { 'ed25519:1': { key: SPEC_PUBLIC_KEY }, ...(Object.fromEntries(more) as JsonObject) }
}
