import { describe, expect, test } from 'vitest'
import { aRoomHouse, aUser } from '../../test/support/room-house.ts'
import { must } from '../base/assert.ts'
import type { RoomId } from '../matrix/ids.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createRoomStates, type RoomState } from './room-state.ts'

const NOWHERE = '!nowhere:home.example' as RoomId

function keysOf(state: RoomState | null): string[] {
  return [...must(state, 'the state').all()]
    .map(({ row }) => `${row.type} ${row.stateKey} ${row.eventId}`)
    .sort()
}

describe('current state', () => {
  test('a room that is not here has none', async () => {
    const house = await aRoomHouse()
    expect(house.rooms.states.versionOf(NOWHERE)).toBeNull()
    expect(await house.rooms.states.current(NOWHERE)).toBeNull()
  })

  test('kept in memory and read from the store it is the same, after many changes', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    for (let n = 0; n < 150; n += 1) await house.state('alice', roomId, 'org.example', { n }, `${n % 90}`)
    const kept = await house.rooms.states.current(roomId)
    const read = await createRoomStates({ store: house.store, roomsMax: 1 })
    expect(keysOf(kept)).toEqual(keysOf(await read.current(roomId)))
    expect(keysOf(kept)).toHaveLength(5 + 90)
    expect(kept?.get('org.example', '59')?.event.pdu.content).toEqual({ n: 149 })
    expect(kept?.get('org.example', '60')?.event.pdu.content).toEqual({ n: 60 })
  })

  test('a snapshot does not change', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const before = must(await house.rooms.states.current(roomId), 'the state')
    await house.state('alice', roomId, 'm.room.name', { name: 'x' })
    expect(before.get('m.room.name', '')).toBeUndefined()
    expect((await house.rooms.states.current(roomId))?.get('m.room.name', '')).toBeDefined()
  })

  test('rooms that do not fit into memory are read again', async () => {
    const house = await aRoomHouse()
    const rooms = [await house.publicRoom('11'), await house.publicRoom('6')]
    const states = await createRoomStates({ store: house.store, roomsMax: 1 })
    for (const roomId of [...rooms, ...rooms])
      expect(keysOf(await states.current(roomId))).toEqual(keysOf(await house.rooms.states.current(roomId)))
    expect(rooms.map((roomId) => states.versionOf(roomId)?.id)).toEqual(['11', '6'])
  })

  test('a read that fails is tried again', async () => {
    const store = createMemoryStore()
    const house = await aRoomHouse({ store })
    const roomId = await house.publicRoom('11')
    let fails = true
    const states = await createRoomStates({
      store: {
        ...store,
        stateAt: (...args) => (fails ? Promise.reject(new Error('busy')) : store.stateAt(...args)),
      },
      roomsMax: 10,
    })
    await expect(states.current(roomId)).rejects.toThrow('busy')
    fails = false
    expect(await states.current(roomId)).not.toBeNull()
  })
})

describe('state at a position', () => {
  test('is what it was after the event there', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const positions: number[] = []
    for (const name of ['one', 'two', 'three']) {
      await house.state('alice', roomId, 'm.room.name', { name })
      positions.push(house.stream.current)
    }
    const names = []
    for (const pos of [...positions, positions[2] ?? 0 + 100]) {
      const state = await house.rooms.states.at(roomId, pos)
      names.push(state.get('m.room.name', '')?.event.pdu.content['name'])
    }
    expect(names).toEqual(['one', 'two', 'three', 'three'])
    const before = await house.rooms.states.at(roomId, (positions[0] ?? 0) - 1)
    expect(before.get('m.room.name', '')).toBeUndefined()
  })

  test('never lags behind a position that is readable', async () => {
    const store = createMemoryStore()
    const house = await aRoomHouse({ store })
    const roomId = await house.publicRoom('11')
    const seen: Promise<RoomState>[] = []
    // Told within the commit, before the writer goes on.
    house.stream.observe((_writes, upTo) => seen.push(house.rooms.states.at(roomId, upTo)))
    await house.join('bob', roomId)
    const [state] = await Promise.all(seen)
    expect(state?.get('m.room.member', aUser('bob'))).toBeDefined()
  })

  test('R-080 past state shows what was redacted later in its redacted form', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const eventId = await house.state('alice', roomId, 'm.room.name', { name: 'rude' })
    const pos = house.stream.current
    await house.state('alice', roomId, 'm.room.name', { name: 'nice' })
    await house.redact('alice', roomId, eventId)
    const state = await house.rooms.states.at(roomId, pos)
    expect(state.get('m.room.name', '')?.event.pdu.content).toEqual({})
  })
})
