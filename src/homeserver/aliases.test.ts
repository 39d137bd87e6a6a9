import { describe, expect, test } from 'vitest'
import { aRoomHouse, as, aUser, HOME, refusal } from '../../test/support/room-house.ts'
import type { RoomAlias } from '../matrix/ids.ts'

const ALICE = aUser('alice')
const BOB = aUser('bob')
const DEN = `#den:${HOME}` as RoomAlias

describe('aliases', () => {
  test('R-171 put, find, drop; one that exists is refused with 409, one that is gone with 404', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const other = await house.publicRoom('11')
    const { aliases } = house.rooms
    await aliases.put(as('alice'), DEN, roomId)
    expect(aliases.find(DEN)).toBe(roomId)
    expect(await refusal(aliases.put(as('alice'), DEN, other))).toBe('409 M_UNKNOWN')
    expect((await aRoomHouse({ store: house.store })).rooms.aliases.find(DEN)).toBe(roomId)
    await aliases.drop(as('alice'), DEN)
    expect(aliases.find(DEN)).toBeNull()
    expect(await refusal(aliases.drop(as('alice'), DEN))).toBe('404 M_NOT_FOUND')
    expect((await aRoomHouse({ store: house.store })).rooms.aliases.find(DEN)).toBeNull()
    await aliases.put(as('alice'), DEN, other)
  })

  test('R-171 of two that are put at once, one is', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const outcomes = await Promise.allSettled([
      house.rooms.aliases.put(as('alice'), DEN, roomId),
      house.rooms.aliases.put(as('bob'), DEN, roomId),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
  })

  test('an alias that is not stored can be tried again', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const commit = house.store.commit.bind(house.store)
    house.store.commit = () => Promise.reject(new Error('disk full'))
    await expect(house.rooms.aliases.put(as('alice'), DEN, roomId)).rejects.toThrow('disk full')
    house.store.commit = commit
    await house.rooms.aliases.put(as('alice'), DEN, roomId)
  })

  test('only who is in the room names it, and only with names of this server', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const { aliases } = house.rooms
    expect(await refusal(aliases.put(as('bob'), DEN, roomId))).toBe('403 M_FORBIDDEN')
    const foreign = '#den:away.example' as RoomAlias
    expect(await refusal(aliases.put(as('alice'), foreign, roomId))).toBe('400 M_INVALID_PARAM')
    expect(await refusal(aliases.drop(as('alice'), foreign))).toBe('400 M_INVALID_PARAM')
  })

  test('R-172 another user deletes only with the level for canonical aliases, or as an admin', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { aliases } = house.rooms
    await aliases.put(as('alice'), DEN, roomId)
    expect(await refusal(aliases.drop(as('bob'), DEN))).toBe('403 M_FORBIDDEN')
    await house.state('alice', roomId, 'm.room.power_levels', { users: { [ALICE]: 100, [BOB]: 50 } })
    await aliases.drop(as('bob'), DEN)
    await aliases.put(as('alice'), DEN, roomId)
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    expect(await refusal(aliases.drop(as('bob'), DEN))).toBe('403 M_FORBIDDEN')
    await aliases.drop({ ...as('bob'), admin: true }, DEN)
    await aliases.put(as('alice'), DEN, roomId)
    await house.rooms.membership.leave(as('alice'), roomId, undefined)
    await aliases.drop(as('alice'), DEN)
  })

  test('a deleted alias leaves the canonical alias event, if the caller may change it', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { preset: 'public_chat', room_alias_name: 'den' })
    const { aliases } = house.rooms
    const other = `#other:${HOME}` as RoomAlias
    const type = 'm.room.canonical_alias'
    await house.join('bob', roomId)
    await aliases.put(as('bob'), other, roomId)
    await house.state('alice', roomId, type, { alias: DEN, alt_aliases: [other, DEN], extra: 1 })
    await aliases.drop(as('bob'), other)
    expect(await house.content(roomId, type)).toEqual({ alias: DEN, alt_aliases: [other, DEN], extra: 1 })
    await aliases.drop(as('alice'), DEN)
    expect(await house.content(roomId, type)).toEqual({ alt_aliases: [other], extra: 1 })
  })

  test('R-173 the list is for members, unless the room is world-readable', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const { aliases } = house.rooms
    await aliases.put(as('alice'), DEN, roomId)
    expect(await aliases.list(as('alice'), roomId)).toEqual([DEN])
    expect(await refusal(aliases.list(as('bob'), roomId))).toBe('403 M_FORBIDDEN')
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' })
    expect(await aliases.list(as('bob'), roomId)).toEqual([DEN])
  })
})
