import { describe, expect, test } from 'vitest'
import { settle } from '../../test/support/manual-clock.ts'
import { aRoomHouse, as, aUser, refusal, type RoomHouse } from '../../test/support/room-house.ts'
import { refuse } from '../matrix/errors.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'

const ALICE = aUser('alice')
const BOB = aUser('bob')
const CAROL = aUser('carol')
const FORBIDDEN = '403 M_FORBIDDEN'
const NOWHERE = '!nowhere:home.example'

async function memberEvents(house: RoomHouse, roomId: RoomId, name: string): Promise<JsonObject[]> {
  const events = await house.pdus(roomId)
  return events
    .filter(({ pdu }) => pdu.type === 'm.room.member' && pdu.state_key === aUser(name))
    .map(({ pdu }) => pdu.content)
}

async function withRule(
  version: string,
  joinRules: JsonObject,
): Promise<{ house: RoomHouse; roomId: RoomId }> {
  const house = await aRoomHouse()
  const roomId = await house.create('alice', {
    room_version: version,
    initial_state: [{ type: 'm.room.join_rules', content: joinRules }],
  })
  return { house, roomId }
}

describe('join', () => {
  test('R-133 by ID and by alias; once more adds no event', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { preset: 'public_chat', room_alias_name: 'den' })
    expect(await house.join('bob', roomId)).toBe(roomId)
    expect(await house.join('bob', '#den:home.example')).toBe(roomId)
    expect(await memberEvents(house, roomId, 'bob')).toHaveLength(1)
  })

  test('P-115 R-134 the join carries the profile and what else the body says', async () => {
    const house = await aRoomHouse()
    house.profiles.set(BOB, { displayname: 'Bob', avatarUrl: 'mxc://home.example/b' })
    const roomId = await house.publicRoom('11')
    await house.join('bob', roomId, { 'org.example': { n: 1 }, membership: 'ban', third_party_signed: {} })
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
      membership: 'join',
      displayname: 'Bob',
      avatar_url: 'mxc://home.example/b',
      'org.example': { n: 1 },
    })
  })

  test('a name in the body wins over the profile, and joining again keeps it', async () => {
    const house = await aRoomHouse()
    house.profiles.set(BOB, { displayname: 'Bob' })
    const roomId = await house.publicRoom('11')
    await house.join('bob', roomId, { displayname: 'Bobby' })
    await house.join('bob', roomId)
    await house.join('bob', roomId, { reason: 'again' })
    expect(await memberEvents(house, roomId, 'bob')).toEqual([
      { membership: 'join', displayname: 'Bobby' },
      { membership: 'join', displayname: 'Bobby', reason: 'again' },
    ])
  })

  test('a name that is no string is refused', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    expect(await refusal(house.join('bob', roomId, { displayname: 1 }))).toBe('400 M_BAD_JSON')
    expect(await refusal(house.join('bob', roomId, { reason: {} }))).toBe('400 M_BAD_JSON')
  })

  test('R-069 R-136 without an invite, a room for the invited is closed, and nothing unknown is found', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice')
    expect(await refusal(house.join('bob', roomId))).toBe(FORBIDDEN)
    expect(await refusal(house.join('bob', '#none:home.example'))).toBe('404 M_NOT_FOUND')
    expect(await refusal(house.join('bob', '#none:away.example'))).toBe('404 M_NOT_FOUND')
    expect(await refusal(house.join('bob', NOWHERE))).toBe('404 M_NOT_FOUND')
    expect(await refusal(house.join('bob', 'banana'))).toBe('400 M_INVALID_PARAM')
    await house.rooms.membership.invite(as('alice'), { roomId, target: BOB })
    await house.join('bob', roomId)
    expect(await house.membership(roomId, 'bob')).toBe('join')
  })

  test('R-069 R-070 an unknown join rule, or none, lets nobody in', async () => {
    for (const joinRules of [{ join_rule: 'banana' }, { join_rule: 'private' }, {}]) {
      const { house, roomId } = await withRule('11', joinRules)
      expect(await refusal(house.join('bob', roomId))).toBe(FORBIDDEN)
    }
  })

  test('R-068 nobody else joins like the creator did', async () => {
    const { house, roomId } = await withRule('11', { join_rule: 'invite' })
    await house.rooms.membership.leave(as('alice'), roomId, undefined)
    expect(await refusal(house.join('alice', roomId))).toBe(FORBIDDEN)
  })
})

describe('restricted rooms', () => {
  async function restricted(
    version = '11',
    rule = 'restricted',
  ): Promise<{ house: RoomHouse; club: RoomId; roomId: RoomId }> {
    const house = await aRoomHouse()
    const club = await house.create('alice', { preset: 'public_chat' })
    const allow = [{ type: 'org.example.other' }, 5, { type: 'm.room_membership', room_id: club }]
    const roomId = await house.create('alice', {
      room_version: version,
      initial_state: [{ type: 'm.room.join_rules', content: { join_rule: rule, allow } }],
    })
    return { house, club, roomId }
  }

  test('R-049 R-076 R-137 a member of an allowed room gets in by a user who may invite; after leaving it not', async () => {
    const { house, club, roomId } = await restricted()
    await house.join('bob', club)
    await house.join('bob', roomId)
    const [event] = (await house.pdus(roomId)).slice(-1)
    expect(event?.pdu.content['join_authorised_via_users_server']).toBe(ALICE)
    const cited = await house.store.events(event?.pdu.auth_events ?? [])
    expect(cited.some((row) => row.type === 'm.room.member' && row.stateKey === ALICE)).toBe(true)

    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    await house.rooms.membership.leave(as('bob'), club, undefined)
    expect(await refusal(house.join('bob', roomId))).toBe(FORBIDDEN)
    expect(await refusal(house.join('carol', roomId))).toBe(FORBIDDEN)
  })

  test('R-076 an invite opens the room without anybody else', async () => {
    const { house, roomId } = await restricted()
    await house.rooms.membership.invite(as('alice'), { roomId, target: BOB })
    await house.join('bob', roomId)
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({ membership: 'join' })
  })

  test('R-076 nobody who may invite: the room cannot be opened', async () => {
    const { house, club, roomId } = await restricted()
    await house.join('bob', club)
    await house.join('bob', roomId)
    await house.state('alice', roomId, 'm.room.power_levels', { users: { [ALICE]: 100 }, invite: 50 })
    await house.rooms.membership.leave(as('alice'), roomId, undefined)
    await house.join('carol', club)
    expect(await refusal(house.join('carol', roomId))).toBe('400 M_UNABLE_TO_GRANT_JOIN')
  })

  test('a condition on a room that is not here cannot be checked', async () => {
    const allow = [{ type: 'm.room_membership', room_id: '!far:away.example' }]
    const { house, roomId } = await withRule('11', { join_rule: 'restricted', allow })
    expect(await refusal(house.join('bob', roomId))).toBe('400 M_UNABLE_TO_AUTHORISE_JOIN')
  })

  test('R-138 a client cannot say who let it in', async () => {
    const { house, roomId } = await restricted()
    const body = { join_authorised_via_users_server: ALICE }
    expect(await refusal(house.join('bob', roomId, body))).toBe(FORBIDDEN)
    const content = { membership: 'join', ...body }
    expect(await refusal(house.state('bob', roomId, 'm.room.member', content, BOB))).toBe(FORBIDDEN)
  })

  test('who let the user in is not said again with the next member event', async () => {
    const { house, club, roomId } = await restricted()
    await house.join('bob', club)
    await house.join('bob', roomId)
    await house.join('bob', roomId, { displayname: 'Bobby' })
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
      membership: 'join',
      displayname: 'Bobby',
    })
  })

  test('the state event opens the room like the call does', async () => {
    const { house, club, roomId } = await restricted()
    await house.join('bob', club)
    await house.state('bob', roomId, 'm.room.member', { membership: 'join' }, BOB)
    expect(await house.membership(roomId, 'bob')).toBe('join')
  })

  test.each([
    ['6', 'restricted'],
    ['7', 'restricted'],
    ['8', 'knock_restricted'],
    ['9', 'knock_restricted'],
  ])('R-077 version %s does not know %s', async (version, rule) => {
    const { house, club, roomId } = await restricted(version, rule)
    await house.join('bob', club)
    expect(await refusal(house.join('bob', roomId))).toBe(FORBIDDEN)
  })

  test('knock_restricted opens for members of the club and leaves knocking to others', async () => {
    const { house, club, roomId } = await restricted('10', 'knock_restricted')
    await house.join('bob', club)
    await house.join('bob', roomId)
    expect(await refusal(house.join('carol', roomId))).toBe(FORBIDDEN)
    await house.rooms.membership.knock(as('carol'), roomId, {})
    expect(await house.membership(roomId, 'carol')).toBe('knock')
  })
})

describe('knock', () => {
  test('R-075 only where the rule is knock, and not in version 6', async () => {
    const knocks = async (version: string, rule: string): Promise<string> => {
      const { house, roomId } = await withRule(version, { join_rule: rule })
      const knocking = house.rooms.membership.knock(as('bob'), roomId, {})
      return knocking.then(
        () => 'knocked',
        (error: Error & { errcode: string }) => error.errcode,
      )
    }
    expect(await knocks('6', 'knock')).toBe('M_FORBIDDEN')
    expect(await knocks('7', 'knock')).toBe('knocked')
    expect(await knocks('11', 'knock')).toBe('knocked')
    expect(await knocks('11', 'invite')).toBe('M_FORBIDDEN')
    expect(await knocks('9', 'knock_restricted')).toBe('M_FORBIDDEN')
    expect(await knocks('10', 'knock_restricted')).toBe('knocked')
  })

  test('R-139 R-143 a knock carries profile and reason; leaving retracts it; an invite answers it', async () => {
    const { house, roomId } = await withRule('11', { join_rule: 'knock' })
    house.profiles.set(BOB, { displayname: 'Bob' })
    const { membership } = house.rooms
    await membership.knock(as('bob'), roomId, { reason: 'please' })
    await membership.knock(as('bob'), roomId, { reason: 'please' })
    expect(await memberEvents(house, roomId, 'bob')).toEqual([
      { membership: 'knock', displayname: 'Bob', reason: 'please' },
    ])
    await membership.leave(as('bob'), roomId, undefined)
    expect(await house.membership(roomId, 'bob')).toBe('leave')
    await membership.knock(as('bob'), roomId, {})
    await membership.invite(as('alice'), { roomId, target: BOB })
    await house.join('bob', roomId)
    expect(await house.membership(roomId, 'bob')).toBe('join')
    expect(await refusal(membership.knock(as('bob'), roomId, {}))).toBe(FORBIDDEN)
  })
})

describe('leave and forget', () => {
  test('R-139 leaving rejects an invite; leaving again changes nothing', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { invite: [BOB] })
    await house.rooms.membership.leave(as('bob'), roomId, 'no time')
    await house.rooms.membership.leave(as('bob'), roomId, 'other reason')
    expect((await memberEvents(house, roomId, 'bob')).slice(1)).toEqual([
      { membership: 'leave', reason: 'no time' },
    ])
  })

  test('who never was there, or is banned, cannot leave', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const { membership } = house.rooms
    expect(await refusal(membership.leave(as('bob'), roomId, undefined))).toBe('404 M_NOT_FOUND')
    expect(await refusal(membership.leave(as('bob'), NOWHERE as RoomId, undefined))).toBe('404 M_NOT_FOUND')
    await membership.ban(as('alice'), { roomId, target: BOB })
    expect(await refusal(membership.leave(as('bob'), roomId, undefined))).toBe(FORBIDDEN)
  })

  const forgotten = async (house: RoomHouse, roomId: RoomId): Promise<number | undefined> =>
    (await house.store.memberships(BOB)).find((row) => row.roomId === roomId)?.forgotten

  test('R-140 a room is forgotten after leaving, and remembered with the next join or invite', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { membership } = house.rooms
    expect(await refusal(membership.forget(as('bob'), roomId))).toBe('400 M_UNKNOWN')
    await membership.leave(as('bob'), roomId, undefined)
    await membership.forget(as('bob'), roomId)
    let commits = 0
    house.stream.observe(() => (commits += 1))
    await membership.forget(as('bob'), roomId)
    expect(commits).toBe(0)
    expect(await forgotten(house, roomId)).toBe(1)
    await house.join('bob', roomId)
    expect(await forgotten(house, roomId)).toBe(0)
    await membership.leave(as('bob'), roomId, undefined)
    await membership.forget(as('bob'), roomId)
    await membership.invite(as('alice'), { roomId, target: BOB })
    expect(await forgotten(house, roomId)).toBe(0)
    expect(await refusal(membership.forget(as('bob'), roomId))).toBe('400 M_UNKNOWN')
  })

  test('a ban does not bring a forgotten room back', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { membership } = house.rooms
    await membership.leave(as('bob'), roomId, undefined)
    await membership.forget(as('bob'), roomId)
    await membership.ban(as('alice'), { roomId, target: BOB })
    expect(await forgotten(house, roomId)).toBe(1)
    expect(await house.membership(roomId, 'bob')).toBe('ban')
  })

  test('a room where one never was cannot be forgotten', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    expect(await refusal(house.rooms.membership.forget(as('bob'), roomId))).toBe('404 M_NOT_FOUND')
    expect(await refusal(house.rooms.membership.forget(as('bob'), NOWHERE as RoomId))).toBe('404 M_NOT_FOUND')
  })

  test('a deactivated user leaves rooms, invites and knocks, and nobody becomes active by it', async () => {
    const house = await aRoomHouse()
    const one = await house.publicRoom('11', 'bob')
    const two = await house.create('alice', { invite: [BOB] })
    const banned = await house.publicRoom('11')
    await house.rooms.membership.ban(as('alice'), { roomId: banned, target: BOB })
    house.told.length = 0
    await house.rooms.membership.leaveAll(BOB)
    expect(await house.membership(one, 'bob')).toBe('leave')
    expect(await house.membership(two, 'bob')).toBe('leave')
    expect(await house.membership(banned, 'bob')).toBe('ban')
    expect(house.told).toEqual([`left ${one} ${BOB}`])
  })
})

describe('what others do', () => {
  test('R-073 an invite needs an inviter in the room with the level, and a target outside and not banned', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { membership } = house.rooms
    const invite = (name: string, target: string): Promise<void> =>
      membership.invite(as(name), { roomId, target: aUser(target) })
    expect(await refusal(invite('carol', 'dave'))).toBe(FORBIDDEN)
    expect(await refusal(invite('bob', 'dave'))).toBe(FORBIDDEN)
    expect(await refusal(invite('alice', 'bob'))).toBe(FORBIDDEN)
    await membership.ban(as('alice'), { roomId, target: CAROL })
    expect(await refusal(invite('alice', 'carol'))).toBe(FORBIDDEN)
    await invite('alice', 'dave')
    await invite('alice', 'dave')
    expect(await memberEvents(house, roomId, 'dave')).toHaveLength(2)
  })

  test('R-145 who blocks invites is not invited', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice')
    await house.blocksInvites('bob')
    const inviting = house.rooms.membership.invite(as('alice'), { roomId, target: BOB })
    expect(await refusal(inviting)).toBe('403 M_INVITE_BLOCKED')
    const content = { membership: 'invite' }
    const sending = house.state('alice', roomId, 'm.room.member', content, BOB)
    expect(await refusal(sending)).toBe('403 M_INVITE_BLOCKED')
    await house.blocksInvites('bob', 'allow')
    await house.rooms.membership.invite(as('alice'), { roomId, target: BOB })
  })

  test('R-056 users of other servers cannot be invited yet; to a closed room never', async () => {
    const house = await aRoomHouse()
    const target = '@eve:away.example' as typeof BOB
    const open = await house.create('alice')
    const closed = await house.create('alice', { creation_content: { 'm.federate': false } })
    const { membership } = house.rooms
    expect(await refusal(membership.invite(as('alice'), { roomId: open, target }))).toBe('400 M_UNKNOWN')
    expect(await refusal(membership.invite(as('alice'), { roomId: closed, target }))).toBe(FORBIDDEN)
    const content = { membership: 'invite' }
    expect(await refusal(house.state('alice', open, 'm.room.member', content, target))).toBe('400 M_UNKNOWN')
  })

  test('R-143 the reason stands in every member event, and kicks and bans carry no name', async () => {
    const { house, roomId } = await withRule('11', { join_rule: 'public' })
    house.profiles.set(BOB, { displayname: 'Bob' })
    const { membership } = house.rooms
    const request = { roomId, target: BOB, reason: 'r' }
    await membership.invite(as('alice'), request)
    await house.join('bob', roomId, { reason: 'r' })
    await membership.leave(as('bob'), roomId, 'r')
    await house.join('bob', roomId, { reason: 'r' })
    await membership.kick(as('alice'), request)
    await membership.ban(as('alice'), request)
    await membership.unban(as('alice'), request)
    const named = { displayname: 'Bob', reason: 'r' }
    expect(await memberEvents(house, roomId, 'bob')).toEqual([
      { membership: 'invite', ...named },
      { membership: 'join', ...named },
      { membership: 'leave', ...named },
      { membership: 'join', ...named },
      { membership: 'leave', reason: 'r' },
      { membership: 'ban', reason: 'r' },
      { membership: 'leave', reason: 'r' },
    ])
  })

  test('R-074 R-141 kicking needs the level, a lower target, and somebody to kick', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob', 'carol')
    const kick = (name: string, target: string): Promise<void> =>
      house.rooms.membership.kick(as(name), { roomId, target: aUser(target) })
    expect(await refusal(kick('bob', 'carol'))).toBe(FORBIDDEN)
    expect(await refusal(kick('alice', 'dave'))).toBe(FORBIDDEN)
    await kick('alice', 'carol')
    expect(await refusal(kick('alice', 'carol'))).toBe(FORBIDDEN)
    const content = { membership: 'leave' }
    expect(await refusal(house.state('alice', roomId, 'm.room.member', content, CAROL))).toBe(FORBIDDEN)
    const users = { [ALICE]: 100, [BOB]: 100 }
    await house.state('alice', roomId, 'm.room.power_levels', { users })
    expect(await refusal(kick('alice', 'bob'))).toBe(FORBIDDEN)
  })

  test('kicking withdraws an invite and denies a knock', async () => {
    const { house, roomId } = await withRule('11', { join_rule: 'knock' })
    const { membership } = house.rooms
    await membership.invite(as('alice'), { roomId, target: BOB })
    await membership.kick(as('alice'), { roomId, target: BOB })
    await membership.knock(as('carol'), roomId, {})
    await membership.kick(as('alice'), { roomId, target: CAROL })
    expect([await house.membership(roomId, 'bob'), await house.membership(roomId, 'carol')]).toEqual([
      'leave',
      'leave',
    ])
  })

  test('R-071 R-142 R-074 a ban keeps out even those who never came; unbanning makes them leave', async () => {
    const { house, roomId } = await withRule('11', { join_rule: 'knock' })
    const { membership } = house.rooms
    const about = { roomId, target: BOB }
    await membership.ban(as('alice'), about)
    await membership.ban(as('alice'), about)
    expect(await memberEvents(house, roomId, 'bob')).toEqual([{ membership: 'ban' }])
    expect(await refusal(membership.ban(as('carol'), about))).toBe(FORBIDDEN)
    expect(await refusal(house.join('bob', roomId))).toBe(FORBIDDEN)
    expect(await refusal(membership.knock(as('bob'), roomId, {}))).toBe(FORBIDDEN)
    expect(await refusal(membership.invite(as('alice'), about))).toBe(FORBIDDEN)
    expect(await refusal(membership.unban(as('carol'), about))).toBe(FORBIDDEN)
    await membership.unban(as('alice'), about)
    expect(await house.membership(roomId, 'bob')).toBe('leave')
    expect(await refusal(membership.unban(as('alice'), about))).toBe('403 M_BAD_STATE')
  })

  test('R-074 banning needs the level and a lower target; unbanning both levels', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob', 'carol')
    const { membership } = house.rooms
    expect(await refusal(membership.ban(as('bob'), { roomId, target: CAROL }))).toBe(FORBIDDEN)
    const users = { [ALICE]: 100, [BOB]: 50 }
    await house.state('alice', roomId, 'm.room.power_levels', { users, ban: 60 })
    expect(await refusal(membership.ban(as('bob'), { roomId, target: ALICE }))).toBe(FORBIDDEN)
    await membership.ban(as('alice'), { roomId, target: CAROL })
    expect(await refusal(membership.unban(as('bob'), { roomId, target: CAROL }))).toBe(FORBIDDEN)
  })

  test('R-067 nobody bans or kicks a creator of version 12, whatever the levels', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('12', 'bob')
    await house.state('alice', roomId, 'm.room.power_levels', { users: { [BOB]: 1_000_000 } })
    const about = { roomId, target: ALICE }
    expect(await refusal(house.rooms.membership.kick(as('bob'), about))).toBe(FORBIDDEN)
    expect(await refusal(house.rooms.membership.ban(as('bob'), about))).toBe(FORBIDDEN)
    await house.state('alice', roomId, 'org.example.anything', {})
  })

  test('R-072 nobody makes another join or knock', async () => {
    const { house, roomId } = await withRule('11', { join_rule: 'knock' })
    for (const membership of ['join', 'knock']) {
      const sending = house.state('alice', roomId, 'm.room.member', { membership }, BOB)
      expect(await refusal(sending)).toBe(FORBIDDEN)
    }
  })
})

describe('member events as state', () => {
  test('P-115 own ones are filled up with the profile, unless they say otherwise', async () => {
    const house = await aRoomHouse()
    house.profiles.set(BOB, { displayname: 'Bob', avatarUrl: 'mxc://home.example/b' })
    const roomId = await house.publicRoom('11')
    await house.state('bob', roomId, 'm.room.member', { membership: 'join', displayname: 'Bobby' }, BOB)
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
      membership: 'join',
      displayname: 'Bobby',
      avatar_url: 'mxc://home.example/b',
    })
  })

  test('an invite names the invitee as he names himself', async () => {
    const house = await aRoomHouse()
    house.profiles.set(BOB, { displayname: 'Bob' })
    const roomId = await house.create('alice')
    const content = { membership: 'invite', displayname: 'Clown', avatar_url: 'mxc://x/y' }
    await house.state('alice', roomId, 'm.room.member', content, BOB)
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({
      membership: 'invite',
      displayname: 'Bob',
    })
  })

  test('malformed ones are refused', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const put = (content: JsonObject, key: string): Promise<unknown> =>
      house.state('alice', roomId, 'm.room.member', content, key)
    expect(await refusal(put({ membership: 'invite' }, 'bob'))).toBe('400 M_INVALID_PARAM')
    expect(await refusal(put({}, BOB))).toBe('400 M_BAD_JSON')
    expect(await refusal(put({ membership: 'banana' }, BOB))).toBe(FORBIDDEN)
  })
})

describe('who comes in while the own account changes', () => {
  type Way = readonly [string, (house: RoomHouse, roomId: RoomId) => Promise<unknown>]
  const ways: readonly Way[] = [
    ['a join', (house, roomId) => house.join('bob', roomId)],
    [
      'a member event',
      (house, roomId) => house.state('bob', roomId, 'm.room.member', { membership: 'join' }, BOB),
    ],
    ['a new room', (house) => house.create('bob')],
  ]

  test.each(ways)(
    'P-113 P-115 %s that meets a change of name waits for it, and brings the new name',
    async (_, come) => {
      const house = await aRoomHouse()
      const roomId = await house.publicRoom('11')
      house.profiles.set(BOB, { displayname: 'Old' })
      const renaming = Promise.withResolvers<void>()
      const rename = house.activeUsers.run(BOB, () => renaming.promise)
      const coming = come(house, roomId)
      await settle()
      expect([...house.memberships.joinedRooms(BOB)]).toEqual([])
      house.profiles.set(BOB, { displayname: 'New' })
      renaming.resolve()
      await Promise.all([rename, coming])
      const [joined] = house.memberships.joinedRooms(BOB)
      expect(await house.content(joined as RoomId, 'm.room.member', BOB)).toMatchObject({
        displayname: 'New',
      })
    },
  )

  const knock: Way = ['a knock', (house, roomId) => house.rooms.membership.knock(as('bob'), roomId, {})]
  test.each([...ways, knock])(
    'R-116 %s of an account that was closed meanwhile is refused',
    async (_, come) => {
      const isClosed = new Set<UserId>()
      const house = await aRoomHouse({
        activeUsers: {
          run: async (userId, work) =>
            isClosed.has(userId) ? Promise.reject(refuse.unknownToken()) : work(),
        },
      })
      const roomId = await house.publicRoom('11')
      isClosed.add(BOB)
      expect(await refusal(come(house, roomId))).toBe('401 M_UNKNOWN_TOKEN')
      expect(await house.membership(roomId, 'bob')).toBeUndefined()
    },
  )
})
