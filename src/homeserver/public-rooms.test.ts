import { expect, test } from 'vitest'
import { aRoomHouse, as, aUser, refusal, type RoomHouse } from '../../test/support/room-house.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { PublicRoomsPage, PublicRoomsQuery } from './public-rooms.ts'

const ALICE = aUser('alice')
const ALL: PublicRoomsQuery = { limit: null, since: null, searchTerm: '', roomTypes: null }

async function page(house: RoomHouse, query: Partial<PublicRoomsQuery> = {}): Promise<PublicRoomsPage> {
  return house.rooms.publicRooms.page({ ...ALL, ...query })
}

const idsOf = ({ chunk }: PublicRoomsPage): unknown[] => chunk.map((entry) => entry['room_id'])

test('only published rooms are listed, with what the room says of itself', async () => {
  const house = await aRoomHouse()
  await house.create('alice', { preset: 'public_chat' })
  const roomId = await house.create('alice', {
    visibility: 'public',
    name: 'Den',
    topic: 'Talk',
    room_alias_name: 'den',
    creation_content: { type: 'm.space' },
    initial_state: [
      { type: 'm.room.avatar', content: { url: 'mxc://home.example/a' } },
      { type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } },
      { type: 'm.room.guest_access', content: { guest_access: 'can_join' } },
    ],
  })
  expect(await page(house)).toEqual({
    chunk: [
      {
        room_id: roomId,
        num_joined_members: 1,
        world_readable: true,
        guest_can_join: true,
        name: 'Den',
        topic: 'Talk',
        canonical_alias: '#den:home.example',
        avatar_url: 'mxc://home.example/a',
        join_rule: 'public',
        room_type: 'm.space',
      },
    ],
    total_room_count_estimate: 1,
  })
})

test('the largest come first, page by page, forwards and back', async () => {
  const house = await aRoomHouse()
  const rooms: RoomId[] = []
  for (const members of [['bob'], [], ['bob', 'carol']]) {
    const roomId = await house.create('alice', { visibility: 'public' })
    for (const name of members) await house.join(name, roomId)
    rooms.push(roomId)
  }
  const bySize = [rooms[2], rooms[0], rooms[1]]
  expect(idsOf(await page(house))).toEqual(bySize)
  expect(idsOf(await page(house, { limit: 0 }))).toEqual(bySize)
  const first = await page(house, { limit: 2 })
  expect([idsOf(first), first.prev_batch, first.total_room_count_estimate]).toEqual([
    bySize.slice(0, 2),
    undefined,
    3,
  ])
  const second = await page(house, { limit: 2, since: first.next_batch ?? null })
  expect([idsOf(second), second.next_batch]).toEqual([bySize.slice(2), undefined])
  expect(idsOf(await page(house, { limit: 2, since: second.prev_batch ?? null }))).toEqual(idsOf(first))
  expect(await refusal(page(house, { since: 'banana' }))).toBe('400 M_INVALID_PARAM')
})

test('a search looks at name, topic and canonical alias, whatever the case, and at the type', async () => {
  const house = await aRoomHouse()
  const named = await house.create('alice', { visibility: 'public', name: 'Tea Party' })
  const about = await house.create('alice', { visibility: 'public', topic: 'we drink TEA' })
  const called = await house.create('alice', { visibility: 'public', room_alias_name: 'tea' })
  const space = await house.create('alice', { visibility: 'public', creation_content: { type: 'm.space' } })
  expect(new Set(idsOf(await page(house, { searchTerm: 'tEa' })))).toEqual(new Set([named, about, called]))
  expect(idsOf(await page(house, { roomTypes: ['m.space'] }))).toEqual([space])
  expect(idsOf(await page(house, { roomTypes: [null] }))).toHaveLength(3)
  expect(idsOf(await page(house, { roomTypes: [] }))).toEqual([])
})

test('who may name the room publishes it and takes it off, and it lasts', async () => {
  const house = await aRoomHouse()
  const roomId = await house.publicRoom('11', 'bob')
  const { publicRooms } = house.rooms
  expect(publicRooms.isListed(roomId)).toBe(false)
  expect(await refusal(publicRooms.setListed(as('bob'), roomId, true))).toBe('403 M_FORBIDDEN')
  expect(await refusal(publicRooms.setListed(as('carol'), roomId, true))).toBe('403 M_FORBIDDEN')
  await publicRooms.setListed(as('alice'), roomId, true)
  expect(idsOf(await page(house))).toEqual([roomId])
  const again = await aRoomHouse({ store: house.store })
  expect(idsOf(await page(again))).toEqual([roomId])
  await again.rooms.publicRooms.setListed({ ...as('carol'), admin: true }, roomId, false)
  expect(idsOf(await page(again))).toEqual([])
  await house.rooms.membership.leave({ ...as('alice'), userId: ALICE }, roomId, undefined)
  expect(await refusal(publicRooms.setListed(as('alice'), roomId, true))).toBe('403 M_FORBIDDEN')
})

test('a room that is not here is not found', async () => {
  const { publicRooms } = (await aRoomHouse()).rooms
  const nowhere = '!nowhere:home.example' as RoomId
  expect(() => publicRooms.isListed(nowhere)).toThrow('not known')
  expect(await refusal(publicRooms.setListed(as('alice'), nowhere, true))).toBe('404 M_NOT_FOUND')
})
