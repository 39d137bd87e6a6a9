import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aUserHouse, close, enrol, parsed, type UserHouse } from '../../test/support/user-house.ts'
import { SERVER } from '../../test/support/accounts.ts'
import { MatrixError } from '../matrix/errors.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import {
  countKeys,
  createKeys,
  DEVICE_KEYS_BYTES_MAX,
  FALLBACK_KEYS_MAX,
  KEY_BYTES_MAX,
  KEY_ID_BYTES_MAX,
  ONE_TIME_KEYS_MAX,
  QUERY_USERS_MAX,
  type Keys,
} from './keys.ts'

interface House extends UserHouse {
  readonly keys: Keys
  readonly alice: Requester
}

async function house(): Promise<House> {
  const base = await aUserHouse()
  const keys = createKeys({ ...base, serverName: SERVER })
  return { ...base, keys, alice: await enrol(base, 'alice') }
}

function deviceKeys({ userId, deviceId }: Requester, more: JsonObject = {}): JsonObject {
  return {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2'],
    keys: { [`curve25519:${deviceId}`]: 'public' },
    signatures: { [userId]: { [`ed25519:${deviceId}`]: 'signature' } },
    ...more,
  }
}

/** `{"signed_curve25519:AAAA1": {"key": "k1"}, …}` */
function oneTimeKeys(first: number, last: number, algorithm = 'signed_curve25519'): JsonObject {
  const entries = Array.from({ length: last - first + 1 }, (_, i) => [
    `${algorithm}:AAAA${first + i}`,
    { key: `k${first + i}` },
  ])
  return Object.fromEntries(entries) as JsonObject
}

const refusal = (errcode: string, status = 400): object => ({ name: 'MatrixError', status, errcode })

async function ask({ keys }: House, users: Record<string, string[]>): Promise<JsonObject> {
  return await keys.query(new Map(Object.entries(users)))
}

describe('uploading', () => {
  test('R-189 counts name every algorithm, signed_curve25519 always', async () => {
    const { keys, alice } = await house()
    expect(await keys.upload(alice, {})).toEqual({ signed_curve25519: 0 })
    expect(await keys.upload(alice, { one_time_keys: oneTimeKeys(1, 5) })).toEqual({ signed_curve25519: 5 })
    const other = oneTimeKeys(1, 2, 'curve25519')
    expect(await keys.upload(alice, { one_time_keys: { ...other, ...oneTimeKeys(6, 6) } })).toEqual({
      signed_curve25519: 6,
      curve25519: 2,
    })
  })

  test('R-189 the same one-time keys again are no change, in whatever order their keys are', async () => {
    const { keys, alice, store, told } = await house()
    const upload = { one_time_keys: parsed('{"signed_curve25519:A":{"key":"k","fallback":false}}') }
    await keys.upload(alice, upload)
    const before = await store.oneTimeKeys(alice.userId, alice.deviceId)
    told.length = 0
    const again = { one_time_keys: parsed('{"signed_curve25519:A":{"fallback":false,"key":"k"}}') }
    expect(await keys.upload(alice, again)).toEqual({ signed_curve25519: 1 })
    expect(await store.oneTimeKeys(alice.userId, alice.deviceId)).toEqual(before)
    expect(told).toEqual([])
  })

  test('R-189 a one-time key with other content is M_UNKNOWN, and nothing of the upload is kept', async () => {
    const all = await house()
    const { keys, alice, store } = all
    await keys.upload(alice, { one_time_keys: oneTimeKeys(1, 3) })
    const mixed = { ...oneTimeKeys(4, 4), 'signed_curve25519:AAAA2': { key: 'other' } }
    const refused = keys.upload(alice, { one_time_keys: mixed, device_keys: deviceKeys(alice) })
    await expect(refused).rejects.toMatchObject(refusal('M_UNKNOWN'))
    expect(await keys.upload(alice, {})).toEqual({ signed_curve25519: 3 })
    expect(await store.deviceKeys([alice.userId])).toEqual([])
  })

  test('R-189 uploads at the same time count right and keep the order of arrival', async () => {
    const { keys, alice, store } = await house()
    const counts = await Promise.all(
      [0, 1, 2, 3].map((i) => keys.upload(alice, { one_time_keys: oneTimeKeys(i * 10 + 1, i * 10 + 10) })),
    )
    expect(counts.map((count) => count['signed_curve25519'])).toEqual([10, 20, 30, 40])
    const stored = await store.oneTimeKeys(alice.userId, alice.deviceId)
    expect(stored.map(({ keyId }) => keyId)).toEqual(Object.keys(oneTimeKeys(1, 40)))
  })

  test('R-189 keys belong to the device', async () => {
    const all = await house()
    const tablet = await enrol(all, 'alice', { deviceId: 'B' })
    await all.keys.upload(all.alice, { one_time_keys: oneTimeKeys(1, 3) })
    expect(await all.keys.upload(tablet, { one_time_keys: oneTimeKeys(1, 1) })).toEqual({
      signed_curve25519: 1,
    })
    expect(await all.keys.upload(all.alice, {})).toEqual({ signed_curve25519: 3 })
  })

  test('R-215 waiting requests of the user hear of new keys', async () => {
    const { keys, alice, told } = await house()
    const uploads = [
      { one_time_keys: oneTimeKeys(1, 1) },
      { device_keys: deviceKeys(alice) },
      { fallback_keys: oneTimeKeys(1, 1) },
    ]
    for (const upload of uploads) await keys.upload(alice, upload)
    expect(told).toEqual(uploads.map(() => 'woke @alice:hs.test rooms'))
  })

  test('R-190 keys of another user or device are M_INVALID_PARAM, keys that lack a part M_BAD_JSON', async () => {
    const all = await house()
    const { keys, alice, store } = all
    const good = deviceKeys(alice)
    const without = (name: string): JsonObject =>
      Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))
    const cases: [keys: JsonObject, errcode: string][] = [
      [{ ...good, user_id: '@bob:hs.test' }, 'M_INVALID_PARAM'],
      [{ ...good, device_id: 'B' }, 'M_INVALID_PARAM'],
      [{ ...good, device_id: ['A'] }, 'M_INVALID_PARAM'],
      [without('user_id'), 'M_INVALID_PARAM'],
      [without('device_id'), 'M_INVALID_PARAM'],
      [{}, 'M_INVALID_PARAM'],
      [without('algorithms'), 'M_BAD_JSON'],
      [without('keys'), 'M_BAD_JSON'],
      [without('signatures'), 'M_BAD_JSON'],
      [{ ...good, algorithms: 'one' }, 'M_BAD_JSON'],
      [{ ...good, keys: [] }, 'M_BAD_JSON'],
      [{ ...good, signatures: null }, 'M_BAD_JSON'],
      [{ ...good, more: 1.5 }, 'M_BAD_JSON'],
      [{ ...good, more: '\ud800' }, 'M_BAD_JSON'],
      [parsed(`{"__proto__":${JSON.stringify(good)}}`), 'M_INVALID_PARAM'],
    ]
    for (const [device_keys, errcode] of cases)
      await expect(
        keys.upload(alice, { device_keys, one_time_keys: oneTimeKeys(1, 1) }),
        JSON.stringify(device_keys),
      ).rejects.toMatchObject(refusal(errcode))
    expect(await store.deviceKeys([alice.userId])).toEqual([])
    expect(await keys.upload(alice, {})).toEqual({ signed_curve25519: 0 })
  })

  test('R-190 key IDs and keys of the wrong shape are M_BAD_JSON', async () => {
    const { keys, alice } = await house()
    for (const wrong of [
      '{"A":"k"}',
      '{":A":"k"}',
      '{"":"k"}',
      '{"a:b":null}',
      '{"a:b":1}',
      '{"a:b":["k"]}',
    ]) {
      for (const upload of [{ one_time_keys: parsed(wrong) }, { fallback_keys: parsed(wrong) }])
        await expect(keys.upload(alice, upload), wrong).rejects.toMatchObject(refusal('M_BAD_JSON'))
    }
    // Unsigned keys are plain text, and an ID may be empty after the colon.
    await keys.upload(alice, { one_time_keys: { 'curve25519:': 'k' } })
  })

  test('R-189 everything has a bound', async () => {
    const { keys, alice } = await house()
    const many = oneTimeKeys(1, ONE_TIME_KEYS_MAX)
    await keys.upload(alice, { one_time_keys: many })
    await keys.upload(alice, { one_time_keys: many })
    const longKey = (bytes: number): JsonObject => ({ 'x:1': 'k'.repeat(bytes - 2) })
    const bigDevice = (bytes: number): JsonObject =>
      deviceKeys(alice, { more: 'x'.repeat(bytes - JSON.stringify(deviceKeys(alice, { more: '' })).length) })
    const fallbacks = (count: number): JsonObject =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i}:1`, 'k']))
    const id = (bytes: number): JsonObject => ({ [`x:${'i'.repeat(bytes - 2)}`]: 'k' })
    const over = [
      { one_time_keys: oneTimeKeys(5_000, 5_000) },
      { fallback_keys: longKey(KEY_BYTES_MAX + 1) },
      { fallback_keys: id(KEY_ID_BYTES_MAX + 1) },
      { fallback_keys: fallbacks(FALLBACK_KEYS_MAX + 1) },
      { device_keys: bigDevice(DEVICE_KEYS_BYTES_MAX + 1) },
    ]
    for (const upload of over)
      await expect(keys.upload(alice, upload), JSON.stringify(upload).slice(0, 60)).rejects.toMatchObject(
        refusal('M_TOO_LARGE', 413),
      )
    const fits = [
      { fallback_keys: longKey(KEY_BYTES_MAX) },
      { fallback_keys: id(KEY_ID_BYTES_MAX) },
      { fallback_keys: fallbacks(FALLBACK_KEYS_MAX - 1) },
      { device_keys: bigDevice(DEVICE_KEYS_BYTES_MAX) },
    ]
    for (const upload of fits) await keys.upload(alice, upload)
    await expect(keys.upload(alice, { fallback_keys: { 'y:1': 'k' } })).rejects.toMatchObject(
      refusal('M_TOO_LARGE', 413),
    )
  })

  test('R-215 one fallback key an algorithm: a new one replaces the old and is unused, the same changes nothing', async () => {
    const { keys, alice, store, told } = await house()
    const stored = (): ReturnType<typeof store.fallbackKeys> =>
      store.fallbackKeys(alice.userId, alice.deviceId)
    await keys.upload(alice, { fallback_keys: { 'signed_curve25519:A': { key: 'a' } } })
    const [first] = await stored()
    if (first === undefined) throw new Error('nothing stored')
    expect(first).toMatchObject({ keyId: 'signed_curve25519:A', used: 0 })
    await store.commit([{ put: 'fallbackKeys', row: { ...first, used: 1 } }])
    told.length = 0
    await keys.upload(alice, { fallback_keys: { 'signed_curve25519:A': { key: 'a' } } })
    expect(await stored()).toMatchObject([{ keyId: 'signed_curve25519:A', used: 1 }])
    expect(told).toEqual([])
    await keys.upload(alice, { fallback_keys: { 'signed_curve25519:B': { key: 'b' }, 'other:C': 'c' } })
    expect(await stored()).toMatchObject([
      { keyId: 'signed_curve25519:B', used: 0 },
      { keyId: 'other:C', used: 0 },
    ])
  })

  test('R-187 the same device keys again are no change', async () => {
    const { keys, alice, told } = await house()
    await keys.upload(alice, { device_keys: deviceKeys(alice) })
    told.length = 0
    const reversed = Object.fromEntries(Object.entries(deviceKeys(alice)).toReversed())
    await keys.upload(alice, { device_keys: reversed })
    expect(told).toEqual([])
    await keys.upload(alice, { device_keys: deviceKeys(alice, { more: 1 }) })
    expect(told).toEqual(['woke @alice:hs.test rooms'])
  })

  test('R-187 what waited while the device was logged out leaves nothing behind', async () => {
    const all = await house()
    const { keys, alice, store } = all
    const closing = all.users.run(alice.userId, () => close(all, alice))
    const late = keys.upload(alice, { device_keys: deviceKeys(alice), one_time_keys: oneTimeKeys(1, 1) })
    await expect(late).rejects.toMatchObject(refusal('M_UNKNOWN_TOKEN', 401))
    await closing
    expect(await store.deviceKeys([alice.userId])).toEqual([])
    expect(await store.oneTimeKeys(alice.userId, alice.deviceId)).toEqual([])
  })
})

describe('asking', () => {
  test('R-187 device keys come back as uploaded, with the name of the device if it has one', async () => {
    const all = await house()
    const tablet = await enrol(all, 'alice', { deviceId: 'B', deviceName: 'Tablet' })
    const uploaded = deviceKeys(all.alice, { unsigned: { device_display_name: 'forged' }, 'org.more': [1] })
    await all.keys.upload(all.alice, { device_keys: uploaded })
    await all.keys.upload(tablet, { device_keys: deviceKeys(tablet) })
    await enrol(all, 'alice', { deviceId: 'C', deviceName: 'without keys' })
    const shown = {
      A: { ...uploaded, unsigned: {} },
      B: { ...deviceKeys(tablet), unsigned: { device_display_name: 'Tablet' } },
    }
    const rest = { failures: {}, master_keys: {}, self_signing_keys: {}, user_signing_keys: {} }
    expect(await ask(all, { '@alice:hs.test': [] })).toEqual({
      device_keys: { '@alice:hs.test': shown },
      ...rest,
    })
    expect(await ask(all, { '@alice:hs.test': ['B', 'C', 'D', '__proto__'] })).toEqual({
      device_keys: { '@alice:hs.test': { B: shown.B } },
      ...rest,
    })
  })

  test('R-191 every local user asked for is answered, one without keys by an empty entry', async () => {
    const all = await house()
    await enrol(all, 'bob')
    await all.keys.upload(all.alice, { device_keys: deviceKeys(all.alice) })
    const body = await ask(all, { '@bob:hs.test': [], '@alice:hs.test': ['unknown'], '@nobody:hs.test': [] })
    expect(body).toMatchObject({ device_keys: { '@bob:hs.test': {}, '@alice:hs.test': {} }, failures: {} })
    expect(Object.keys(body['device_keys'] ?? {})).toEqual(['@bob:hs.test', '@alice:hs.test'])
  })

  test('R-191 users of servers that cannot be asked are failures, and what is no user ID is passed over', async () => {
    const all = await house()
    const body = await ask(all, {
      '@bob:else.where': [],
      '@eve:else.where': ['A'],
      '@dan:other.where:8448': [],
      bob: [],
      '@': [],
      __proto__: [],
    })
    expect(body).toMatchObject({ device_keys: {}, failures: { 'else.where': {}, 'other.where:8448': {} } })
    expect(Object.keys(body['failures'] ?? {})).toHaveLength(2)
  })

  test('R-191 so many users can be asked for and no more', async () => {
    const all = await house()
    const users = (count: number): Record<string, string[]> =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`@u${i}:hs.test`, []]))
    await ask(all, users(QUERY_USERS_MAX))
    await expect(ask(all, users(QUERY_USERS_MAX + 1))).rejects.toMatchObject(refusal('M_TOO_LARGE', 413))
  })
})

test('R-215 algorithms may be called as objects call theirs', () => {
  const counts = countKeys(['constructor', '__proto__', 'constructor'].map((algorithm) => ({ algorithm })))
  expect(Object.entries(counts)).toEqual([
    ['signed_curve25519', 0],
    ['constructor', 2],
    ['__proto__', 1],
  ])
})

test('R-189 R-190 any body is stored and counted or refused, never half', async () => {
  const key = fc.oneof(fc.constant('k'), fc.jsonValue(), fc.record({ key: fc.string() }))
  const keyId = fc.oneof(
    fc.constantFrom('signed_curve25519:A', 'signed_curve25519:B', 'constructor:A', '__proto__:A', 'A'),
    fc.string(),
  )
  const keysOf = fc.dictionary(keyId, key, { maxKeys: 4 })
  const body = fc.record(
    {
      device_keys: fc.oneof(fc.constant('mine' as const), fc.dictionary(fc.string(), fc.jsonValue())),
      one_time_keys: keysOf,
      fallback_keys: keysOf,
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(body, { maxLength: 5 }), async (bodies) => {
      const { keys, alice, store } = await house()
      for (const { device_keys, ...rest } of bodies) {
        const mine = device_keys === 'mine' ? deviceKeys(alice) : device_keys
        const rows = async (): Promise<unknown[]> => [
          await store.deviceKeys([alice.userId]),
          await store.oneTimeKeys(alice.userId, alice.deviceId),
          await store.fallbackKeys(alice.userId, alice.deviceId),
        ]
        const before = await rows()
        try {
          const counts = await keys.upload(alice, {
            ...(rest as JsonObject),
            device_keys: mine as JsonObject | undefined,
          })
          const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
          expect(await store.oneTimeKeys(alice.userId, alice.deviceId)).toHaveLength(total)
        } catch (error) {
          expect(error).toBeInstanceOf(MatrixError)
          expect(await rows()).toEqual(before)
        }
      }
    }),
  )
})
