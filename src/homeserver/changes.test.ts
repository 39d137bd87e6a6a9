import { describe, expect, test } from 'vitest'
import { as, aUser } from '../../test/support/room-house.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { Write } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createChanges } from './changes.ts'
import { createFollowedCache } from './followed-cache.ts'
import { createKeyCounts } from './key-counts.ts'
import { LazyMembers } from './lazy-members.ts'
import { createStream } from './stream.ts'

const ALICE = aUser('alice')
const ROOM = '!room:home.example' as RoomId

function data(pos: number, roomId: RoomId | '' = ''): Write {
  return { put: 'accountData', row: { userId: ALICE, roomId, type: 'm.direct', json: '{}', pos } }
}

describe('where things changed last', () => {
  test('what did not change in this process changed by its start', async () => {
    const store = createMemoryStore()
    await (await createStream(store)).commit((next) => [data(next()), data(next())])
    const stream = await createStream(store)
    const changes = createChanges({ stream })
    expect(changes.room(ROOM)).toBe(2)
    expect(changes.accountData(ALICE)).toBe(2)
    await stream.commit((next) => [data(next())])
    expect(changes.accountData(ALICE)).toBe(3)
    expect(changes.accountData(aUser('bob'))).toBe(2)
    expect(changes.memberships(ALICE)).toBe(2)
  })

  test('a row that is written again at its old place does not move the room back', async () => {
    const stream = await createStream(createMemoryStore())
    const changes = createChanges({ stream })
    const entry = { roomId: ROOM, type: 'm.x', stateKey: '', eventId: '$1' as never }
    await stream.commit((next) => [
      { put: 'stateLog', row: { ...entry, pos: next() } },
      { put: 'stateLog', row: { ...entry, pos: next() } },
    ])
    await stream.commit(() => [{ put: 'stateLog', row: { ...entry, pos: 1 } }])
    expect(changes.room(ROOM)).toBe(2)
  })

  test('observers run before the position that they stand for is passed', async () => {
    const stream = await createStream(createMemoryStore())
    const seen: number[] = []
    stream.observe((_, upTo) => seen.push(stream.current, upTo))
    await stream.commit((next) => [data(next())])
    expect(seen).toEqual([0, 1])
    expect(stream.current).toBe(1)
  })
})

describe('answers kept in memory', () => {
  test('are asked for once, and again after a write that makes them old', async () => {
    const stream = await createStream(createMemoryStore())
    const asked: string[] = []
    const cache = createFollowedCache({
      stream,
      entriesMax: 2,
      load: async (key) => `${key} ${asked.push(key)}`,
      keyOf: (write) => ('put' in write && write.put === 'accountData' ? write.row.userId : null),
    })
    expect([await cache.get(ALICE), await cache.get(ALICE)]).toEqual([`${ALICE} 1`, `${ALICE} 1`])
    await stream.commit((next) => [data(next())])
    expect(await cache.get(ALICE)).toBe(`${ALICE} 2`)
    await cache.get('b')
    await cache.get('c')
    expect(await cache.get(ALICE)).toBe(`${ALICE} 5`)
  })

  test('a failed question is asked again', async () => {
    const stream = await createStream(createMemoryStore())
    let failures = 1
    const load = async (key: string): Promise<string> => {
      if (failures-- > 0) throw new Error('no')
      return key
    }
    const cache = createFollowedCache({ stream, entriesMax: 2, load, keyOf: () => null })
    await expect(cache.get('a')).rejects.toThrow('no')
    expect(await cache.get('a')).toBe('a')
  })
})

test('an entry that takes writes over does so while it is being loaded too', async () => {
  const stream = await createStream(createMemoryStore())
  const loaded = Promise.withResolvers<number[]>()
  const cache = createFollowedCache({
    stream,
    entriesMax: 2,
    load: () => loaded.promise,
    keyOf: (write) => ('put' in write && write.put === 'accountData' ? write.row.userId : null),
    update: (positions, write) => {
      if ('put' in write && write.put === 'accountData') positions.push(write.row.pos)
    },
  })
  await stream.commit((next) => [data(next())])
  const asked = cache.get(ALICE)
  await stream.commit((next) => [data(next())])
  loaded.resolve([0])
  expect(await asked).toEqual([0, 2])
  await stream.commit((next) => [data(next())])
  expect(await cache.get(ALICE)).toEqual([0, 2, 3])
})

test('R-215 key counts follow uploads, claims and the end of the device', async () => {
  const store = createMemoryStore()
  const stream = await createStream(store)
  const counts = createKeyCounts({ store, stream, devicesMax: 10 })
  const owner = { userId: ALICE, deviceId: as('alice').deviceId }
  const key = { ...owner, keyId: 'signed_curve25519:A', algorithm: 'signed_curve25519', json: '{}' }
  const count = async (): Promise<unknown> => (await counts.of(as('alice'))).device_one_time_keys_count
  expect(await count()).toEqual({ signed_curve25519: 0 })
  await stream.commit((next) => [{ put: 'oneTimeKeys', row: { ...key, pos: next() } }])
  expect(await count()).toEqual({ signed_curve25519: 1 })
  const unused = async (): Promise<unknown> => (await counts.of(as('alice'))).device_unused_fallback_key_types
  await stream.commit(() => [{ put: 'fallbackKeys', row: { ...key, used: 0 } }])
  expect(await unused()).toEqual(['signed_curve25519'])
  await stream.commit(() => [{ put: 'fallbackKeys', row: { ...key, used: 1 } }])
  expect(await unused()).toEqual([])
  await stream.commit(() => [{ drop: 'oneTimeKeys', where: { ...owner, keyId: key.keyId } }])
  expect(await count()).toEqual({ signed_curve25519: 0 })
  await stream.commit((next) => [{ put: 'oneTimeKeys', row: { ...key, pos: next() } }])
  expect(await count()).toEqual({ signed_curve25519: 1 })
  await stream.commit(() => [{ drop: 'oneTimeKeys', where: owner }])
  expect(await count()).toEqual({ signed_curve25519: 0 })
})

test('R-209 a member counts as sent only once the device has acknowledged the answer', () => {
  const members = new LazyMembers()
  const key = { roomId: ROOM, member: ALICE }
  members.sent(as('bob'), key, '$1' as never, 10)
  expect(members.has(as('bob'), key, '$1' as never, 9)).toBe(false)
  expect(members.has(as('bob'), key, '$1' as never, 10)).toBe(true)
  expect(members.has(as('bob'), key, '$2' as never, 10)).toBe(false)
  expect(members.has(as('bob', 'LAPTOP'), key, '$1' as never, 10)).toBe(false)
  members.sent(as('bob'), key, '$1' as never, 20)
  expect(members.has(as('bob'), key, '$1' as never, 10)).toBe(true)
})
