import { expect, test } from 'vitest'
import { aRoomHouse, as, aUser } from '../../test/support/room-house.ts'

const ALICE = aUser('alice')
const BOB = aUser('bob')

test('P-113 every joined room gets a join with the new name and picture, no other room', async () => {
  const house = await aRoomHouse()
  const joined = [await house.publicRoom('11', 'bob'), await house.publicRoom('12', 'bob')]
  const invited = await house.create('alice', { invite: [BOB] })
  const left = await house.publicRoom('11', 'bob')
  await house.rooms.membership.leave(as('bob'), left, undefined)
  house.told.length = 0
  house.woken.length = 0
  await house.rooms.propagateProfile(BOB, { displayname: 'Bob', avatarUrl: 'mxc://home.example/b' })
  for (const roomId of joined) {
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
      membership: 'join',
      displayname: 'Bob',
      avatar_url: 'mxc://home.example/b',
    })
  }
  expect(await house.membership(invited, 'bob')).toBe('invite')
  expect(await house.membership(left, 'bob')).toBe('leave')
  expect(house.told).toEqual([])
  expect(house.woken).toEqual([
    [ALICE, BOB],
    [ALICE, BOB],
  ])
})

test('P-113 unset keys are left out, and a name for one room only gives way', async () => {
  const house = await aRoomHouse()
  const roomId = await house.publicRoom('11')
  await house.join('bob', roomId, {
    displayname: 'Bobby',
    avatar_url: 'mxc://x/y',
    reason: 'r',
    'org.example': 1,
  })
  await house.rooms.propagateProfile(BOB, { displayname: 'Bob' })
  expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
    membership: 'join',
    displayname: 'Bob',
    'org.example': 1,
  })
})

test('P-113 a room that says it already gets no event', async () => {
  const house = await aRoomHouse()
  const roomId = await house.publicRoom('11', 'bob')
  await house.rooms.propagateProfile(BOB, { displayname: 'Bob' })
  const count = (await house.pdus(roomId)).length
  await house.rooms.propagateProfile(BOB, { displayname: 'Bob' })
  expect(await house.pdus(roomId)).toHaveLength(count)
})

test('P-113 a room that refuses does not keep the others from the new name', async () => {
  const house = await aRoomHouse({ queuePerRoomMax: 1 })
  const refusing = await house.publicRoom('11', 'bob')
  const other = await house.publicRoom('11', 'bob')
  const sending = house.state('alice', refusing, 'm.room.name', { name: 'the queue is full' })
  await house.rooms.propagateProfile(BOB, { displayname: 'Bob' })
  await sending
  expect(await house.content(refusing, 'm.room.member', BOB)).toEqual({ membership: 'join' })
  expect(await house.content(other, 'm.room.member', BOB)).toEqual({ membership: 'join', displayname: 'Bob' })
})

test('P-113 a fault of the server is not swallowed', async () => {
  const house = await aRoomHouse()
  await house.publicRoom('11', 'bob')
  house.store.commit = () => Promise.reject(new Error('disk full'))
  await expect(house.rooms.propagateProfile(BOB, { displayname: 'Bob' })).rejects.toThrow('disk full')
})

test('the change of a name keeps a restricted member in, without naming who let him in', async () => {
  const house = await aRoomHouse()
  const club = await house.publicRoom('11', 'bob')
  const allow = [{ type: 'm.room_membership', room_id: club }]
  const roomId = await house.create('alice', {
    initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'restricted', allow } }],
  })
  await house.join('bob', roomId)
  await house.rooms.propagateProfile(BOB, { displayname: 'Bob' })
  expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
    membership: 'join',
    displayname: 'Bob',
  })
})
