import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor, Reply } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

const OFF = { set_presence: 'offline' } as const

let server: TestServer

afterEach(() => server.close())

async function someone(): Promise<Actor> {
  server = await startServer()
  return await server.registers('alice')
}

function deviceKeys({ userId, deviceId }: Actor): JsonObject {
  return {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
    keys: { [`curve25519:${deviceId}`]: 'public', [`ed25519:${deviceId}`]: 'signing' },
    signatures: { [userId]: { [`ed25519:${deviceId}`]: 'signature' } },
  }
}

function oneTimeKeys(first: number, last: number): JsonObject {
  const numbers = Array.from({ length: last - first + 1 }, (_, i) => first + i)
  return Object.fromEntries(
    numbers.map((n) => [`signed_curve25519:AAAA${n}`, { key: `k${n}`, signatures: {} }]),
  )
}

function uploads(who: Actor, body: JsonObject, surface = 'v3'): Promise<JsonObject> {
  return who.ok('POST', `/${surface}/keys/upload`, { body })
}

function queries(who: Actor, deviceKeys: unknown, surface = 'v3'): Promise<Reply> {
  return who.request('POST', `/${surface}/keys/query`, { body: { device_keys: deviceKeys } })
}

async function keysOf(who: Actor, of: Actor): Promise<Record<string, JsonObject>> {
  const { body } = await queries(who, { [of.userId]: [] })
  return (body['device_keys'] as Record<string, Record<string, JsonObject>>)[of.userId] ?? {}
}

function outcome({ status, body }: Reply): [number, unknown] {
  return [status, body['errcode']]
}

function countsIn(body: JsonObject): [counts: unknown, fallbacks: unknown] {
  return [body['device_one_time_keys_count'], body['device_unused_fallback_key_types']]
}

describe('device keys', () => {
  test('R-187 uploaded keys are returned by a query, with the display name of the device', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    for (const surface of ['r0', 'v3']) {
      expect(await uploads(alice, { device_keys: deviceKeys(alice) }, surface)).toEqual({
        one_time_key_counts: { signed_curve25519: 0 },
      })
    }
    expect(await keysOf(bob, alice)).toEqual({ [alice.deviceId]: { ...deviceKeys(alice), unsigned: {} } })
    await alice.ok('PUT', `/v3/devices/${alice.deviceId}`, { body: { display_name: 'Phone' } })
    for (const surface of ['r0', 'v3']) {
      const { body } = await queries(bob, { [alice.userId]: [alice.deviceId] }, surface)
      expect(body).toEqual({
        device_keys: {
          [alice.userId]: {
            [alice.deviceId]: { ...deviceKeys(alice), unsigned: { device_display_name: 'Phone' } },
          },
        },
        failures: {},
        master_keys: {},
        self_signing_keys: {},
        user_signing_keys: {},
      })
    }
  })

  test('R-187 go with the device, and outlive a crash', async () => {
    const alice = await someone()
    const tablet = await server.logsIn(alice)
    for (const device of [alice, tablet]) await uploads(device, { device_keys: deviceKeys(device) })
    await server.crashes()
    expect(Object.keys(await keysOf(alice, alice)).toSorted()).toEqual(
      [alice.deviceId, tablet.deviceId].toSorted(),
    )
    await tablet.ok('POST', '/v3/logout', { body: {} })
    expect(Object.keys(await keysOf(alice, alice))).toEqual([alice.deviceId])
    const again = await server.logsIn(alice, tablet.deviceId)
    expect(Object.keys(await keysOf(alice, alice))).toEqual([alice.deviceId])
    expect(await uploads(again, {})).toEqual({ one_time_key_counts: { signed_curve25519: 0 } })
  })

  test('R-190 of another user or device are 400, and those that lack a part', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const { signatures: _, ...unsigned } = deviceKeys(alice)
    for (const [device_keys, errcode] of [
      [{ ...deviceKeys(alice), user_id: bob.userId }, 'M_INVALID_PARAM'],
      [{ ...deviceKeys(alice), device_id: bob.deviceId }, 'M_INVALID_PARAM'],
      [unsigned, 'M_BAD_JSON'],
      ['keys', 'M_BAD_JSON'],
      [null, 'M_BAD_JSON'],
    ] as const)
      expect(outcome(await alice.request('POST', '/v3/keys/upload', { body: { device_keys } }))).toEqual([
        400,
        errcode,
      ])
    expect(await keysOf(bob, alice)).toEqual({})
  })

  test('R-191 a query for what is not a list is 400 M_BAD_JSON', async () => {
    const alice = await someone()
    for (const asked of [
      { [alice.userId]: 'A' },
      { [alice.userId]: null },
      { [alice.userId]: {} },
      { [alice.userId]: [1] },
      [],
      undefined,
    ])
      expect(outcome(await queries(alice, asked)), JSON.stringify(asked)).toEqual([400, 'M_BAD_JSON'])
  })

  test('R-191 every local user asked for is in the answer, without keys as {}', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const { body } = await queries(alice, { [bob.userId]: [], [alice.userId]: ['X'], '@eve:else.where': [] })
    expect(body).toMatchObject({
      device_keys: { [bob.userId]: {}, [alice.userId]: {} },
      failures: { 'else.where': {} },
    })
  })
})

describe('one-time keys', () => {
  test('R-189 uploading the same again is harmless and counts are right', async () => {
    const alice = await someone()
    const first = { one_time_keys: oneTimeKeys(1, 50) }
    for (let i = 0; i < 2; i += 1)
      expect(await uploads(alice, first)).toEqual({ one_time_key_counts: { signed_curve25519: 50 } })
    expect(await uploads(alice, { one_time_keys: oneTimeKeys(41, 60) })).toEqual({
      one_time_key_counts: { signed_curve25519: 60 },
    })
    const changed = { one_time_keys: { 'signed_curve25519:AAAA1': { key: 'other' } } }
    expect(outcome(await alice.request('POST', '/v3/keys/upload', { body: changed }))).toEqual([
      400,
      'M_UNKNOWN',
    ])
    await server.crashes()
    expect(await uploads(alice, {})).toEqual({ one_time_key_counts: { signed_curve25519: 60 } })
    const empty = await alice.request('POST', '/v3/keys/upload', { rawBody: '' })
    expect(empty.body).toEqual({ one_time_key_counts: { signed_curve25519: 60 } })
  })

  test('R-189 bodies of the wrong shape are refused, and nothing changes', async () => {
    const alice = await someone()
    const cases: [rawBody: string, status: number, errcode: string][] = [
      ['[]', 400, 'M_BAD_JSON'],
      ['{', 400, 'M_NOT_JSON'],
      ['{"one_time_keys":[]}', 400, 'M_BAD_JSON'],
      ['{"one_time_keys":{"nameless":"k"}}', 400, 'M_BAD_JSON'],
      ['{"one_time_keys":{"a:b":1}}', 400, 'M_BAD_JSON'],
      ['{"one_time_keys":{"a:b":{"x":1.5}}}', 400, 'M_BAD_JSON'],
      [String.raw`{"fallback_keys":{"a:\ud800":"k"}}`, 400, 'M_BAD_JSON'],
      [`{"fallback_keys":{"a:b":"${'k'.repeat(10_000)}"}}`, 413, 'M_TOO_LARGE'],
      [`{"one_time_keys":${JSON.stringify(oneTimeKeys(1, 1_001))}}`, 413, 'M_TOO_LARGE'],
      [`{"x":"${'k'.repeat(1_048_576)}"}`, 413, 'M_TOO_LARGE'],
    ]
    for (const [rawBody, status, errcode] of cases)
      expect(
        outcome(await alice.request('POST', '/v3/keys/upload', { rawBody })),
        rawBody.slice(0, 50),
      ).toEqual([status, errcode])
    const { body } = await alice.request('POST', '/v3/keys/upload', { body: {} })
    expect(body).toEqual({ one_time_key_counts: { signed_curve25519: 0 } })
    expect(server.complaints).toEqual([])
  })
})

describe('startup of a client with encryption', () => {
  test('R-215 R-189 R-191 is told what it has, and then rests', async () => {
    const alice = await someone()
    const bob = await server.registers('bob')
    const roomId = await alice.creates({ preset: 'private_chat' })
    await alice.ok('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.encryption`, {
      body: { algorithm: 'm.megolm.v1.aes-sha2' },
    })
    await alice.invites(roomId, bob)
    await bob.joins(roomId)

    expect((await alice.request('GET', '/v3/room_keys/version')).status).toBe(404)
    expect(countsIn(await alice.syncs(OFF))).toEqual([{ signed_curve25519: 0 }, []])

    const upload = {
      device_keys: deviceKeys(alice),
      one_time_keys: oneTimeKeys(1, 50),
      fallback_keys: { 'signed_curve25519:FALL': { key: 'f', fallback: true } },
    }
    const { body: woken } = alice.polls(OFF)
    await server.parked(1)
    expect(await uploads(alice, upload)).toEqual({ one_time_key_counts: { signed_curve25519: 50 } })
    const full = [{ signed_curve25519: 50 }, ['signed_curve25519']]
    expect(countsIn(await woken)).toEqual(full)

    // Bob has no keys: he is in the answer nevertheless, else clients ask again without end.
    const { body: asked } = await queries(alice, { [alice.userId]: [], [bob.userId]: [] })
    expect(Object.keys(asked['device_keys'] ?? {})).toEqual([alice.userId, bob.userId])

    expect(countsIn(await alice.syncs(OFF))).toEqual(full)
    // What is uploaded again is no news. Time-outs are cut by up to a tenth.
    const { body: idle } = alice.polls({ ...OFF, timeout: 30_000 })
    await server.parked(1)
    await uploads(alice, upload)
    await server.clock.advance(26_000)
    await server.parked(1)
    await server.clock.advance(5_000)
    expect(countsIn(await idle)).toEqual(full)
  })

  test('R-215 the counts are each device’s own, in every sync, and survive a restart', async () => {
    const alice = await someone()
    const tablet = await server.logsIn(alice)
    await uploads(alice, { one_time_keys: oneTimeKeys(1, 7) })
    await uploads(tablet, { fallback_keys: { 'signed_curve25519:FALL': { key: 'f' } } })
    for (const restart of [false, true]) {
      if (restart) await server.restarts()
      for (let i = 0; i < 2; i += 1) {
        expect(countsIn(await alice.syncs(OFF))).toEqual([{ signed_curve25519: 7 }, []])
        expect(countsIn(await tablet.syncs(OFF))).toEqual([{ signed_curve25519: 0 }, ['signed_curve25519']])
      }
    }
  })

  test('R-215 a device logged in again under its old ID begins with no keys', async () => {
    const alice = await someone()
    const tablet = await server.logsIn(alice, 'TABLET')
    await uploads(tablet, { one_time_keys: oneTimeKeys(1, 7) })
    await tablet.syncs(OFF)
    await tablet.ok('POST', '/v3/logout', { body: {} })
    const again = await server.logsIn(alice, 'TABLET')
    expect(countsIn(await again.syncs(OFF))).toEqual([{ signed_curve25519: 0 }, []])
  })
})
