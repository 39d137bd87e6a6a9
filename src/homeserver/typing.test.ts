import { describe, expect, test } from 'vitest'
import { aReadingHouse, type ReadingHouse } from '../../test/support/room-reading.ts'
import { as, aUser, refusal } from '../../test/support/room-house.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { RoomsPosition } from '../matrix/token.ts'

const ALICE = aUser('alice')

function types(house: ReadingHouse, name: string, roomId: RoomId, timeoutMs = 30_000): void {
  house.reading.typing.report(as(name), roomId, { typing: true, timeoutMs })
}

async function typingIn(house: ReadingHouse, roomId: RoomId, since: RoomsPosition): Promise<unknown> {
  const { body } = await house.sync('bob', since)
  return body.rooms?.join[roomId]?.ephemeral.events
}

describe('typing', () => {
  test('R-175 typing appears in the sync of the others without a room_id, and ends by typing:false', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const first = await house.sync('bob')
    types(house, 'alice', roomId)
    expect(house.woken.at(-1)).toEqual([ALICE, aUser('bob')])
    expect(await typingIn(house, roomId, first.next)).toEqual([
      { type: 'm.typing', content: { user_ids: [ALICE] } },
    ])
    const second = await house.sync('bob', first.next)
    expect((await house.sync('bob', second.next)).isEmpty).toBe(true)
    house.reading.typing.report(as('alice'), roomId, { typing: false, timeoutMs: 0 })
    expect(await typingIn(house, roomId, second.next)).toEqual([
      { type: 'm.typing', content: { user_ids: [] } },
    ])
  })

  test('R-175 typing ends by its time-out, which is at most two minutes', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    types(house, 'alice', roomId, 5_000)
    await house.clock.advance(4_999)
    expect(house.reading.typing.users(roomId)).toEqual([ALICE])
    const { next } = await house.sync('bob')
    house.woken.length = 0
    await house.clock.advance(1)
    expect(await typingIn(house, roomId, next)).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
    expect(house.woken).toEqual([[ALICE, aUser('bob')]])
    types(house, 'alice', roomId, 3_600_000)
    await house.clock.advance(119_999)
    expect(house.reading.typing.users(roomId)).toEqual([ALICE])
    await house.clock.advance(1)
    expect(house.reading.typing.users(roomId)).toEqual([])
    expect(house.clock.timers).toBe(0)
  })

  test('R-175 going on typing prolongs it and tells nobody anything', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    types(house, 'alice', roomId, 5_000)
    const { next } = await house.sync('bob')
    house.woken.length = 0
    await house.clock.advance(4_000)
    types(house, 'alice', roomId, 5_000)
    await house.clock.advance(4_000)
    expect(house.woken).toEqual([])
    expect((await house.sync('bob', next)).isEmpty).toBe(true)
    expect(house.reading.typing.users(roomId)).toEqual([ALICE])
  })

  test('§5.9 leaving the room ends typing, sending a message does not', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    types(house, 'bob', roomId)
    await house.message('bob', roomId, 'hello')
    await house.state('bob', roomId, 'm.room.member', { membership: 'join', displayname: 'B' }, aUser('bob'))
    expect(house.reading.typing.users(roomId)).toEqual([aUser('bob')])
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    expect(house.reading.typing.users(roomId)).toEqual([])
  })

  test('§5.9 who is not joined cannot type', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    expect(await refusal((async () => types(house, 'bob', roomId))())).toBe('403 M_FORBIDDEN')
    expect(house.acted).toEqual([])
  })

  test('an initial sync tells who types now, and nothing where nobody does', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    expect((await house.sync('bob')).joined(roomId).ephemeral.events).toEqual([])
    types(house, 'alice', roomId)
    expect((await house.sync('bob')).joined(roomId).ephemeral.events).toHaveLength(1)
  })

  test('typing and stopping are pro-active', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    types(house, 'alice', roomId)
    house.reading.typing.report(as('alice'), roomId, { typing: false, timeoutMs: 0 })
    expect(house.acted).toEqual([`${ALICE} PHONE`, `${ALICE} PHONE`])
  })

  test('R-214 positions grow with every change and across restarts', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const start = house.reading.typing.position
    types(house, 'alice', roomId)
    house.reading.typing.report(as('alice'), roomId, { typing: false, timeoutMs: 0 })
    expect(house.reading.typing.position).toBe(start + 2)
    await house.clock.advance(60_000)
    types(house, 'alice', roomId)
    expect(house.reading.typing.position).toBe(house.clock.now())
  })

  test('a client of an earlier process learns with the next news of the room that nobody types', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('bob')
    const old = { ...next, typing: next.typing - 5_000 }
    expect((await house.sync('bob', old)).isEmpty).toBe(true)
    await house.message('alice', roomId, 'hello')
    expect(await typingIn(house, roomId, old)).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
    expect(await typingIn(house, roomId, next)).toEqual([])
    types(house, 'alice', roomId)
    const since = { ...house.reading.section.position(), typing: old.typing }
    await house.message('alice', roomId, 'hello again')
    expect(await typingIn(house, roomId, since)).toEqual([
      { type: 'm.typing', content: { user_ids: [ALICE] } },
    ])
  })

  test('ending all typing tells every room', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    types(house, 'alice', roomId)
    types(house, 'bob', roomId)
    const { next } = await house.sync('bob')
    house.reading.typing.endAll()
    expect(await typingIn(house, roomId, next)).toEqual([{ type: 'm.typing', content: { user_ids: [] } }])
    expect(house.clock.timers).toBe(0)
  })

  test('R-212 a filter without typing is not answered for it', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('bob')
    types(house, 'alice', roomId)
    const filter = { room: { ephemeral: { not_types: ['m.typing'] } } }
    expect((await house.sync('bob', next, { filter })).isEmpty).toBe(true)
  })
})
