import { describe, expect, test } from 'vitest'
import { aRoomHouse, as, aUser, HOME, refusal } from '../../test/support/room-house.ts'
import type { RoomAlias } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { ROOM_VERSIONS } from '../matrix/room-version/index.ts'
import type { CreateRoomRequest } from './create-room.ts'

const VERSIONS = ROOM_VERSIONS.map(({ id }) => id)
const ALICE = aUser('alice')
const BOB = aUser('bob')

async function refused(request: CreateRoomRequest): Promise<string> {
  const house = await aRoomHouse()
  const answer = await refusal(house.rooms.create(as('alice'), request))
  expect(await house.store.all('rooms')).toEqual([])
  expect(await house.store.all('aliases')).toEqual([])
  expect(house.told).toEqual([])
  return answer
}

describe('versions', () => {
  test('R-002 without room_version the room has the default version', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice')
    expect(await house.content(roomId, 'm.room.create')).toEqual({ room_version: '11' })
  })

  test.each(VERSIONS)('R-003 a room of version %s can be made and written in', async (version) => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { room_version: version })
    expect((await house.content(roomId, 'm.room.create'))?.['room_version']).toBe(version)
    const eventId = await house.message('alice', roomId, 'hello')
    expect((await house.pdu(eventId)).content['body']).toBe('hello')
  })

  test.each(['5', '011', '', 'banana'])('R-004 version %j is refused and makes no room', async (version) => {
    expect(await refused({ room_version: version })).toBe('400 M_UNSUPPORTED_ROOM_VERSION')
  })

  test('the creator is named in the content up to version 10, and not from 11 on', async () => {
    const house = await aRoomHouse()
    for (const version of VERSIONS) {
      const roomId = await house.create('alice', { room_version: version })
      const creator = (await house.content(roomId, 'm.room.create'))?.['creator']
      expect(creator).toBe(Number(version) <= 10 ? ALICE : undefined)
    }
  })

  test('a room ID is 18 characters and our name; in version 12 it is the ID of the create event', async () => {
    const house = await aRoomHouse()
    expect(await house.create('alice')).toMatch(/^![A-Za-z0-9]{18}:home\.example$/)
    const roomId = await house.create('alice', { room_version: '12' })
    const [create] = await house.pdus(roomId)
    expect(roomId).toBe(`!${create?.eventId.slice(1)}`)
    expect(create?.pdu).not.toHaveProperty('room_id')
  })

  test('R-132 two equal rooms of version 12 in the same millisecond are two rooms', async () => {
    const house = await aRoomHouse()
    const request = { room_version: '12' }
    const made = await Promise.all([house.create('alice', request), house.create('alice', request)])
    expect(new Set(made).size).toBe(2)
    expect((await house.pdus(made[1])).map(({ pdu }) => pdu.type)).toContain('m.room.join_rules')
  })
})

describe('the events', () => {
  test('R-120 they come in the order of the specification', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', {
      preset: 'private_chat',
      room_alias_name: 'den',
      initial_state: [
        { type: 'org.example.a', content: { n: 1 } },
        { type: 'org.example.b', state_key: 'k', content: { n: 2 } },
      ],
      name: 'Den',
      topic: 'Talk',
      invite: [BOB],
    })
    expect((await house.pdus(roomId)).map(({ pdu }) => [pdu.type, pdu.state_key])).toEqual([
      ['m.room.create', ''],
      ['m.room.member', ALICE],
      ['m.room.power_levels', ''],
      ['m.room.canonical_alias', ''],
      ['m.room.join_rules', ''],
      ['m.room.history_visibility', ''],
      ['m.room.guest_access', ''],
      ['org.example.a', ''],
      ['org.example.b', 'k'],
      ['m.room.name', ''],
      ['m.room.topic', ''],
      ['m.room.member', BOB],
    ])
  })

  test.each([
    [{}, 'invite', 'can_join'],
    [{ visibility: 'private' }, 'invite', 'can_join'],
    [{ visibility: 'public' }, 'public', undefined],
    [{ preset: 'private_chat' }, 'invite', 'can_join'],
    [{ preset: 'trusted_private_chat' }, 'invite', 'can_join'],
    [{ preset: 'public_chat' }, 'public', undefined],
    [{ preset: 'private_chat', visibility: 'public' }, 'invite', 'can_join'],
  ] as const)('R-121 %j makes the join rule %s', async (request, joinRule, guestAccess) => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', request)
    expect(await house.content(roomId, 'm.room.join_rules')).toEqual({ join_rule: joinRule })
    expect(await house.content(roomId, 'm.room.history_visibility')).toEqual({
      history_visibility: 'shared',
    })
    const guests = await house.content(roomId, 'm.room.guest_access')
    expect(guests?.['guest_access']).toBe(guestAccess)
  })

  test('R-121 only a room of visibility public is listed', async () => {
    const house = await aRoomHouse()
    const listed = await house.create('alice', { visibility: 'public' })
    await house.create('alice', { preset: 'public_chat' })
    const rooms = await house.store.all('rooms')
    expect(rooms.filter((row) => row.listed === 1).map((row) => row.roomId)).toEqual([listed])
  })

  test('R-122 initial state stands in for the preset, name and topic for initial state', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', {
      preset: 'private_chat',
      initial_state: [
        { type: 'm.room.join_rules', content: { join_rule: 'public' } },
        { type: 'm.room.name', content: { name: 'one' } },
        { type: 'm.room.topic', content: { topic: 'one' } },
        { type: 'm.room.history_visibility', state_key: 'other', content: { n: 1 } },
      ],
      name: 'two',
    })
    expect(await house.content(roomId, 'm.room.join_rules')).toEqual({ join_rule: 'public' })
    expect(await house.content(roomId, 'm.room.name')).toEqual({ name: 'two' })
    expect(await house.content(roomId, 'm.room.topic')).toEqual({ topic: 'one' })
    expect(await house.content(roomId, 'm.room.history_visibility')).toEqual({
      history_visibility: 'shared',
    })
    const types = (await house.pdus(roomId)).map(({ pdu }) => pdu.type)
    expect(types.filter((type) => type === 'm.room.join_rules')).toHaveLength(1)
    expect(types.filter((type) => type === 'm.room.name')).toHaveLength(1)
  })

  test('R-123 a topic is also said as m.topic', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { topic: 'Tea' })
    expect(await house.content(roomId, 'm.room.topic')).toEqual({
      topic: 'Tea',
      'm.topic': { 'm.text': [{ body: 'Tea' }] },
    })
  })

  test('R-125 keys of creation_content stay, but for the version and the creator', async () => {
    const house = await aRoomHouse()
    const creation_content = {
      'm.federate': false,
      type: 'm.space',
      room_version: '6',
      creator: BOB,
      additional_creators: 'no meaning here',
    }
    const inTen = await house.create('alice', { room_version: '10', creation_content })
    expect(await house.content(inTen, 'm.room.create')).toEqual({
      ...creation_content,
      room_version: '10',
      creator: ALICE,
    })
    const inEleven = await house.create('alice', { creation_content })
    const { creator: _creator, ...kept } = creation_content
    expect(await house.content(inEleven, 'm.room.create')).toEqual({ ...kept, room_version: '11' })
  })

  test('R-128 is_direct stands in the invites, and the invitee has his name in it', async () => {
    const house = await aRoomHouse()
    house.profiles.set(BOB, { displayname: 'Bob' })
    const roomId = await house.create('alice', { is_direct: true, invite: [BOB, BOB, ALICE] })
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
      membership: 'invite',
      displayname: 'Bob',
      is_direct: true,
    })
    expect(await house.membership(roomId, 'alice')).toBe('join')
    expect((await house.pdus(roomId)).filter(({ pdu }) => pdu.type === 'm.room.member')).toHaveLength(2)
  })

  test('P-115 the join of the creator carries the profile', async () => {
    const house = await aRoomHouse()
    house.profiles.set(ALICE, { displayname: 'Alice', avatarUrl: 'mxc://home.example/a' })
    const roomId = await house.create('alice')
    expect(await house.content(roomId, 'm.room.member', ALICE)).toEqual({
      membership: 'join',
      displayname: 'Alice',
      avatar_url: 'mxc://home.example/a',
    })
  })

  test('R-145 invitees who block invites are left out; if all do, there is no room', async () => {
    const house = await aRoomHouse()
    await house.blocksInvites('bob')
    const roomId = await house.create('alice', { invite: [BOB, aUser('carol')] })
    expect(await house.membership(roomId, 'bob')).toBeUndefined()
    expect(await house.membership(roomId, 'carol')).toBe('invite')
    expect(await refusal(house.create('alice', { invite: [BOB] }))).toBe('403 M_INVITE_BLOCKED')
    expect(await house.store.all('rooms')).toHaveLength(1)
  })

  test('invitees of other servers are dropped while they cannot be reached', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { invite: ['@eve:away.example', BOB] })
    expect(await house.content(roomId, 'm.room.member', '@eve:away.example')).toBeUndefined()
    expect(await house.membership(roomId, 'bob')).toBe('invite')
  })
})

describe('power levels', () => {
  test('R-124 the override replaces keys at the top', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', {
      power_level_content_override: { events: { 'm.room.name': 0 }, ban: 60 },
    })
    const levels = await house.content(roomId, 'm.room.power_levels')
    expect(levels).toMatchObject({ ban: 60, kick: 50, invite: 0, users: { [ALICE]: 100 } })
    expect(levels?.['events']).toEqual({ 'm.room.name': 0 })
  })

  test('those of initial_state are taken as they are', async () => {
    const house = await aRoomHouse()
    const content = { users: { [ALICE]: 70 } }
    const roomId = await house.create('alice', {
      initial_state: [{ type: 'm.room.power_levels', content }],
      power_level_content_override: { ban: 60 },
    })
    expect(await house.content(roomId, 'm.room.power_levels')).toEqual(content)
    const types = (await house.pdus(roomId)).map(({ pdu }) => pdu.type)
    expect(types.indexOf('m.room.power_levels')).toBe(2)
    expect(types.filter((type) => type === 'm.room.power_levels')).toHaveLength(1)
  })

  test('the invite level is 50 in public rooms and 0 in others', async () => {
    const house = await aRoomHouse()
    const levelIn = async (preset: 'public_chat' | 'private_chat'): Promise<unknown> =>
      (await house.content(await house.create('alice', { preset }), 'm.room.power_levels'))?.['invite']
    expect([await levelIn('public_chat'), await levelIn('private_chat')]).toEqual([50, 0])
  })

  test('R-126 trusted invitees stand beside the creator', async () => {
    const house = await aRoomHouse()
    const preset = 'trusted_private_chat'
    const inEleven = await house.create('alice', { preset, invite: [BOB] })
    const levels = await house.content(inEleven, 'm.room.power_levels')
    expect(levels?.['users']).toEqual({ [ALICE]: 100, [BOB]: 100 })
    const inTwelve = await house.create('alice', {
      preset,
      room_version: '12',
      invite: [BOB, aUser('carol')],
      creation_content: { additional_creators: [BOB] },
    })
    expect(await house.content(inTwelve, 'm.room.create')).toEqual({
      room_version: '12',
      additional_creators: [BOB, aUser('carol')],
    })
    expect((await house.content(inTwelve, 'm.room.power_levels'))?.['users']).toEqual({})
  })

  test('R-127 in version 12 no creator is listed, and a tombstone needs more than state_default', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { room_version: '12' })
    const levels = await house.content(roomId, 'm.room.power_levels')
    expect(levels?.['users']).toEqual({})
    expect(levels).toMatchObject({ state_default: 50, events: { 'm.room.tombstone': 150 } })
  })

  test('R-131 an override must list the creator, and in version 12 must not', async () => {
    const override = (users: JsonObject): CreateRoomRequest => ({ power_level_content_override: { users } })
    expect(await refused(override({ [BOB]: 100 }))).toBe('400 M_BAD_JSON')
    expect(await refused({ ...override({ [ALICE]: 100 }), room_version: '12' })).toBe('400 M_BAD_JSON')
  })

  test('R-064 R-066 levels that are no whole numbers are refused, and creators of version 12 listed', async () => {
    const override = { users: { [ALICE]: '100' } }
    expect(await refused({ room_version: '6', power_level_content_override: override })).toBe(
      '400 M_BAD_JSON',
    )
    const content = { users: { [BOB]: 100 } }
    const additional_creators = [BOB]
    expect(
      await refused({
        room_version: '12',
        creation_content: { additional_creators },
        initial_state: [{ type: 'm.room.power_levels', content }],
      }),
    ).toBe('400 M_BAD_JSON')
  })
})

describe('all or nothing', () => {
  test('R-129 the alias leads to the room and is its canonical one', async () => {
    const house = await aRoomHouse()
    const made = await house.rooms.create(as('alice'), { room_alias_name: 'den' })
    expect(made.alias).toBe(`#den:${HOME}`)
    expect(house.rooms.aliases.find(`#den:${HOME}` as RoomAlias)).toBe(made.roomId)
    expect(await house.content(made.roomId, 'm.room.canonical_alias')).toEqual({ alias: `#den:${HOME}` })
  })

  test('R-129 a taken alias makes no room', async () => {
    const house = await aRoomHouse()
    await house.create('alice', { room_alias_name: 'den' })
    expect(await refusal(house.create('bob', { room_alias_name: 'den' }))).toBe('400 M_ROOM_IN_USE')
    expect(await house.store.all('rooms')).toHaveLength(1)
  })

  test('R-129 of two rooms made at once with one alias, one gets it', async () => {
    const house = await aRoomHouse()
    const outcomes = await Promise.allSettled([
      house.create('alice', { room_alias_name: 'den' }),
      house.create('bob', { room_alias_name: 'den' }),
    ])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test.each(['', 'a:b', 'a b', 'a\0b', 'x'.repeat(250)])('the alias name %j is refused', async (name) => {
    expect(await refused({ room_alias_name: name })).toBe('400 M_INVALID_PARAM')
  })

  test('R-130 a malformed invitee makes no room', async () => {
    expect(await refused({ invite: [BOB, 'bob'], room_alias_name: 'den' })).toBe('400 M_INVALID_PARAM')
  })

  test('R-054 additional creators must be user IDs', async () => {
    for (const additional_creators of [BOB, [1], ['bob'], {}]) {
      const creation_content = { additional_creators } as JsonObject
      expect(await refused({ room_version: '12', creation_content })).toBe('400 M_BAD_JSON')
    }
  })

  test('R-152 a create event in the initial state is refused', async () => {
    const initial_state = [{ type: 'm.room.create', content: {} }]
    expect(await refused({ initial_state })).toBe('400 M_BAD_JSON')
  })

  test('an override that takes the power from the creator undoes the room and gives the alias back', async () => {
    const house = await aRoomHouse()
    const override = { users: { [ALICE]: 0 } }
    const request = { room_alias_name: 'den', power_level_content_override: override }
    expect(await refusal(house.create('alice', request))).toBe('400 M_INVALID_ROOM_STATE')
    expect(await house.store.all('rooms')).toEqual([])
    expect(house.woken).toEqual([])
    await house.create('alice', { room_alias_name: 'den' })
  })

  test('third-party invites are not supported', async () => {
    expect(await refused({ invite_3pid: [{}] })).toBe('400 M_UNRECOGNIZED')
  })

  test('too many invites at once are refused', async () => {
    const invite = Array.from({ length: 101 }, (_, n) => aUser(`u${n}`))
    expect(await refused({ invite })).toBe('400 M_BAD_JSON')
  })

  test('the whole room is one commit: nobody sees half of it', async () => {
    const house = await aRoomHouse()
    const commits: number[] = []
    house.stream.observe((writes) =>
      commits.push(writes.filter((w) => 'put' in w && w.put === 'events').length),
    )
    const roomId = await house.create('alice', { name: 'Den', invite: [BOB] })
    expect(commits).toEqual([(await house.pdus(roomId)).length])
    expect(house.woken).toEqual([[ALICE, BOB]])
    expect(house.told).toEqual([`joined ${roomId} ${ALICE}`, `acted ${ALICE} PHONE`])
    expect([...house.memberships.joinedMembers(roomId)]).toEqual([ALICE])
  })
})
