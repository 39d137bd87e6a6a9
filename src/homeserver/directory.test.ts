import { expect, test } from 'vitest'
import { aDevice, ADDRESS, anAccountHouse, SERVER, type AccountHouse } from '../../test/support/accounts.ts'
import { settle } from '../../test/support/manual-clock.ts'
import { makeUserId } from '../matrix/ids.ts'
import { createMemoryStore } from '../store/memory.ts'
import type { Session } from './devices.ts'

const ALICE = makeUserId('alice', SERVER)
const BOB = makeUserId('bob', SERVER)

async function register(house: AccountHouse, name: string, deviceId: string): Promise<Session> {
  const account = { admin: name === 'root', guest: false, device: aDevice(deviceId) }
  const { session } = await house.accounts.register(name, 'pizza', account)
  if (session === null) throw new Error('no session')
  return session
}

test('P-002 a token names its user and device; an unknown one nobody', async () => {
  const house = anAccountHouse()
  const { accessToken } = await register(house, 'alice', 'A')
  const alice = { userId: ALICE, deviceId: 'A', guest: false, admin: false }
  expect(await house.directory.requester(accessToken)).toEqual(alice)
  expect(await house.directory.requester(accessToken)).toEqual(alice)
  const root = await register(house, 'root', 'R')
  expect(await house.directory.requester(root.accessToken)).toMatchObject({ admin: true })
  for (const text of ['', 'adsum_', `${accessToken} `, accessToken.toLowerCase(), 'x'.repeat(100_000)])
    expect(await house.directory.requester(text)).toBeNull()
})

test('a known token is not looked up again, and no more than the bound are known', async () => {
  const store = createMemoryStore()
  let asked = 0
  const token = store.token.bind(store)
  Object.assign(store, {
    token: async (hash: string) => {
      asked += 1
      return await token(hash)
    },
  })
  const house = anAccountHouse({ store, requestersMax: 2 })
  const [a, b, c] = [
    await register(house, 'alice', 'A'),
    await register(house, 'bob', 'B'),
    await register(house, 'carol', 'C'),
  ]
  for (let i = 0; i < 3; i += 1)
    for (const { accessToken } of [a, b]) await house.directory.requester(accessToken)
  expect(asked).toBe(2)
  await house.directory.requester(c.accessToken)
  await house.directory.requester(a.accessToken)
  expect(asked).toBe(4)
})

test('R-113 a token that is being read while its device is logged out is not remembered', async () => {
  const store = createMemoryStore()
  const house = anAccountHouse({ store })
  const { accessToken, userId, deviceId } = await register(house, 'alice', 'A')
  const gate = Promise.withResolvers<void>()
  const account = store.account.bind(store)
  Object.assign(store, {
    account: async (id: typeof userId) => {
      const row = await account(id)
      await gate.promise
      return row
    },
  })
  const reading = house.directory.requester(accessToken)
  await house.devices.remove(userId, [deviceId])
  gate.resolve()
  await reading
  expect(await house.directory.requester(accessToken)).toBeNull()
})

test('the device was last seen when and where its requests came from, to two minutes', async () => {
  const house = anAccountHouse()
  const { accessToken } = await register(house, 'alice', 'A')
  const start = house.clock.now()
  const seen = async () => (await house.devices.get(ALICE, 'A')) ?? { lastSeenTs: null, lastSeenIp: null }
  expect(await seen()).toMatchObject({ lastSeenTs: start, lastSeenIp: ADDRESS })
  await house.clock.advance(10_000)
  await house.directory.requester(accessToken, '198.51.100.7')
  expect(await seen()).toMatchObject({ lastSeenTs: start + 10_000, lastSeenIp: '198.51.100.7' })
  await house.clock.advance(119_999)
  await house.directory.requester(accessToken, '203.0.113.9')
  expect(await seen()).toMatchObject({ lastSeenTs: start + 10_000, lastSeenIp: '198.51.100.7' })
  await house.clock.advance(1)
  await house.directory.requester(accessToken, '203.0.113.9')
  expect(await seen()).toMatchObject({ lastSeenTs: start + 130_000, lastSeenIp: '203.0.113.9' })
})

test('sightings are written behind, once an hour or at the end, and never bring a device back', async () => {
  const store = createMemoryStore()
  const house = anAccountHouse({ store })
  const { accessToken } = await register(house, 'alice', 'A')
  const bob = await register(house, 'bob', 'B')
  let commits = 0
  const commit = store.commit.bind(store)
  Object.assign(store, {
    commit: async (writes: Parameters<typeof commit>[0]) => {
      commits += 1
      await commit(writes)
    },
  })
  const start = house.clock.now()
  for (let minute = 0; minute < 59; minute += 1) {
    await house.clock.advance(60_000)
    await house.directory.requester(accessToken, ADDRESS)
  }
  expect(commits).toBe(0)
  await house.clock.advance(120_000)
  expect(commits).toBe(1)
  expect(await store.devices(ALICE)).toMatchObject([{ lastSeenTs: start + 59 * 60_000 }])
  expect(house.clock.timers).toBe(0)

  await house.directory.requester(bob.accessToken, ADDRESS)
  await house.directory.requester(accessToken, ADDRESS)
  await house.devices.remove(BOB, ['B'])
  await house.lastSeen.close()
  expect(await store.devices(ALICE)).toMatchObject([{ lastSeenTs: start + 61 * 60_000 }])
  expect(await store.devices(BOB)).toEqual([])
  expect(house.clock.timers).toBe(0)
})

test('a deletion is not undone by a sighting that is written at the same time', async () => {
  const store = createMemoryStore()
  const house = anAccountHouse({ store })
  const { accessToken } = await register(house, 'alice', 'A')
  await house.directory.requester(accessToken, ADDRESS)
  const gate = Promise.withResolvers<void>()
  const devices = store.devices.bind(store)
  Object.assign(store, {
    devices: async (userId: typeof ALICE) => {
      const rows = await devices(userId)
      Object.assign(store, { devices })
      await gate.promise
      return rows
    },
  })
  const flushing = house.lastSeen.flush()
  await settle()
  const removing = house.devices.remove(ALICE, ['A'])
  await settle()
  gate.resolve()
  await Promise.all([flushing, removing])
  expect(await store.devices(ALICE)).toEqual([])
})

test('sightings of too many devices are written early', async () => {
  const house = anAccountHouse({ sightingsMax: 3 })
  for (const name of ['a', 'b', 'c', 'd']) {
    const { accessToken } = await register(house, name, 'A')
    await house.directory.requester(accessToken, '198.51.100.7')
  }
  await settle()
  const stored = await Promise.all(
    ['a', 'c', 'd'].map((name) => house.store.devices(makeUserId(name, SERVER))),
  )
  expect(stored.map(([row]) => row?.lastSeenIp)).toEqual(['198.51.100.7', '198.51.100.7', ADDRESS])
})

test('profiles come from the store once, and again after a change', async () => {
  const store = createMemoryStore()
  const asked: string[][] = []
  const profiles = store.profiles.bind(store)
  Object.assign(store, {
    profiles: async (ids: Parameters<typeof profiles>[0]) => {
      asked.push([...ids])
      return await profiles(ids)
    },
  })
  const { directory } = anAccountHouse({ store })
  await store.commit([
    { put: 'profiles', row: { userId: ALICE, field: 'displayname', json: '"Alice"' } },
    { put: 'profiles', row: { userId: ALICE, field: 'avatar_url', json: '"mxc://hs.test/a"' } },
    { put: 'profiles', row: { userId: ALICE, field: 'm.tz', json: '"Europe/London"' } },
  ])
  const alice = { displayname: 'Alice', avatarUrl: 'mxc://hs.test/a' }
  expect(await directory.profiles([ALICE, BOB])).toEqual(new Map([[ALICE, alice]]))
  expect(await directory.profiles([ALICE, BOB])).toEqual(new Map([[ALICE, alice]]))
  expect(asked).toEqual([[ALICE, BOB]])
  await store.commit([{ put: 'profiles', row: { userId: ALICE, field: 'displayname', json: '"Al"' } }])
  directory.profileChanged(ALICE)
  expect(await directory.profiles([ALICE, BOB])).toEqual(new Map([[ALICE, { ...alice, displayname: 'Al' }]]))
  expect(asked).toEqual([[ALICE, BOB], [ALICE]])
})

test('P-109 empty and odd profile fields are no profile', async () => {
  const { directory, store } = anAccountHouse()
  await store.commit([
    { put: 'profiles', row: { userId: ALICE, field: 'displayname', json: '""' } },
    { put: 'profiles', row: { userId: ALICE, field: 'avatar_url', json: 'null' } },
  ])
  expect(await directory.profiles([ALICE])).toEqual(new Map())
})

test('a profile that changes while it is read is not remembered as it was', async () => {
  const store = createMemoryStore()
  const { directory } = anAccountHouse({ store })
  const gate = Promise.withResolvers<void>()
  const profiles = store.profiles.bind(store)
  Object.assign(store, {
    profiles: async (ids: Parameters<typeof profiles>[0]) => {
      const rows = await profiles(ids)
      await gate.promise
      return rows
    },
  })
  const reading = directory.profiles([ALICE])
  await store.commit([{ put: 'profiles', row: { userId: ALICE, field: 'displayname', json: '"Al"' } }])
  directory.profileChanged(ALICE)
  gate.resolve()
  await reading
  expect(await directory.profiles([ALICE])).toEqual(new Map([[ALICE, { displayname: 'Al' }]]))
})

test('P-167 the age of an account is known, and nobody else has one', async () => {
  const house = anAccountHouse()
  const start = house.clock.now()
  await register(house, 'alice', 'A')
  await house.clock.advance(5_000)
  await register(house, 'bob', 'B')
  expect(await house.directory.createdTs(ALICE)).toBe(start)
  expect(await house.directory.createdTs(BOB)).toBe(start + 5_000)
  expect(await house.directory.createdTs(makeUserId('zoe', SERVER))).toBeNull()
})
