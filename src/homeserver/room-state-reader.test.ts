import { expect, test } from 'vitest'
import { aReadingHouse, keysOf } from '../../test/support/room-reading.ts'
import { as, aUser, refusal } from '../../test/support/room-house.ts'
import type { RoomId } from '../matrix/ids.ts'

const NOW = { at: null, membership: null, notMembership: null }

test('R-163 a state entry is read as content or event, and one that is not set is not found', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11')
  const topic = await house.state('alice', roomId, 'm.room.topic', { topic: 'tea' })
  const { stateReader } = house.reading
  expect(await stateReader.stateContent(as('alice'), roomId, 'm.room.topic', '')).toEqual({ topic: 'tea' })
  expect(await stateReader.stateEvent(as('alice'), roomId, 'm.room.topic', '')).toMatchObject({
    event_id: topic,
    room_id: roomId,
    content: { topic: 'tea' },
  })
  for (const stateKey of ['other'])
    expect(await refusal(stateReader.stateContent(as('alice'), roomId, 'm.room.topic', stateKey))).toBe(
      '404 M_NOT_FOUND',
    )
  expect(await refusal(stateReader.stateContent(as('bob'), roomId, 'm.room.topic', ''))).toBe(
    '403 M_FORBIDDEN',
  )
  expect(await refusal(stateReader.state(as('bob'), '!unknown:home.example' as RoomId))).toBe(
    '403 M_FORBIDDEN',
  )
})

test('R-159 who left reads state and members as of the leaving', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11', 'bob')
  await house.state('alice', roomId, 'm.room.topic', { topic: 'then' })
  await house.rooms.membership.leave(as('bob'), roomId, undefined)
  await house.state('alice', roomId, 'm.room.topic', { topic: 'now' })
  await house.join('carol', roomId)
  const { stateReader } = house.reading
  expect(await stateReader.stateContent(as('bob'), roomId, 'm.room.topic', '')).toEqual({ topic: 'then' })
  const members = await stateReader.members(as('bob'), roomId, NOW)
  expect(members.map((event) => [event['state_key'], event['content']])).toMatchObject([
    [aUser('alice'), { membership: 'join' }],
    [aUser('bob'), { membership: 'leave' }],
  ])
})

test('R-164 members honours membership, not_membership (either suffices) and at', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11', 'bob')
  const at = `t${house.stream.current}`
  await house.rooms.membership.leave(as('bob'), roomId, undefined)
  await house.rooms.membership.invite(as('alice'), { roomId, target: aUser('carol') })
  const members = async (query: Partial<typeof NOW & { at: string | null }>): Promise<string[]> =>
    keysOf(await house.reading.stateReader.members(as('alice'), roomId, { ...NOW, ...query })).map((key) =>
      key.replace('m.room.member|@', '').replace(':home.example', ''),
    )
  const some = (query: object): Promise<string[]> => members(query)
  expect(await some({})).toEqual(['alice', 'bob', 'carol'])
  expect(await some({ membership: 'join' })).toEqual(['alice'])
  expect(await some({ notMembership: 'join' })).toEqual(['bob', 'carol'])
  expect(await some({ membership: 'leave', notMembership: 'invite' })).toEqual(['alice', 'bob'])
  expect(await some({ at, membership: 'join' })).toEqual(['alice', 'bob'])
  expect(await refusal(some({ at: 'nonsense' }))).toBe('400 M_INVALID_PARAM')
})

test('R-164 a place that the user may not see tells nobody who was there', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11')
  await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'joined' })
  await house.message('alice', roomId, 'before')
  const at = `t${house.stream.current}`
  await house.join('bob', roomId)
  const { stateReader } = house.reading
  expect(await refusal(stateReader.members(as('bob'), roomId, { ...NOW, at }))).toBe('403 M_FORBIDDEN')
  expect(await stateReader.members(as('alice'), roomId, { ...NOW, at })).toHaveLength(1)
})

test('R-165 joined members have a name and an avatar, null if unset, and are for members only', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11', 'bob', 'carol')
  const content = { membership: 'join', displayname: 'Bob', avatar_url: 'mxc://a/b' }
  await house.state('bob', roomId, 'm.room.member', content, aUser('bob'))
  await house.rooms.membership.leave(as('carol'), roomId, undefined)
  const { stateReader } = house.reading
  expect(await stateReader.joinedMembers(as('alice'), roomId)).toEqual({
    [aUser('alice')]: { display_name: null, avatar_url: null },
    [aUser('bob')]: { display_name: 'Bob', avatar_url: 'mxc://a/b' },
  })
  expect(await refusal(stateReader.joinedMembers(as('carol'), roomId))).toBe('403 M_FORBIDDEN')
})

test('R-166 joined rooms are those the user is joined to, not invites and not rooms left', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11', 'bob')
  const left = await house.publicRoom('11', 'bob')
  await house.rooms.membership.leave(as('bob'), left, undefined)
  const invited = await house.create('alice', { preset: 'private_chat', invite: [aUser('bob')] })
  expect(house.reading.stateReader.joinedRooms(as('bob'))).toEqual([roomId])
  expect(house.reading.stateReader.joinedRooms(as('alice'))).toEqual([roomId, left, invited])
})
