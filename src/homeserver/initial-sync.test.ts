import { describe, expect, test } from 'vitest'
import { as, aUser, refusal } from '../../test/support/room-house.ts'
import { aReadingHouse, bodiesOf, keysOf, type ReadingHouse } from '../../test/support/room-reading.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { InitialRoom, InitialRooms, InitialSyncQuery, RoomInfo } from '../ports/event-section.ts'

const ALICE = aUser('alice')
const BOB = aUser('bob')
const END = 'a1_life_5_7_0'

function query(house: ReadingHouse, over: Partial<InitialSyncQuery> = {}): InitialSyncQuery {
  const now = house.reading.events.position()
  return { requester: as('bob'), form: 'events', limit: 10, archived: false, end: END, now, ...over }
}

function initial(house: ReadingHouse, over: Partial<InitialSyncQuery> = {}): Promise<InitialRooms> {
  return house.reading.events.initial(query(house, over))
}

function initialRoom(
  house: ReadingHouse,
  roomId: RoomId,
  over: Partial<InitialSyncQuery> = {},
): Promise<InitialRoom> {
  return house.reading.events.initialRoom(query(house, over), roomId)
}

function messagesOf(room: RoomInfo | undefined): { start: string; end: string; chunk: ClientEvent[] } {
  return room?.['messages'] as unknown as { start: string; end: string; chunk: ClientEvent[] }
}

function stateOf(room: RoomInfo | undefined): ClientEvent[] {
  return room?.['state'] as ClientEvent[]
}

async function leave(house: ReadingHouse, name: string, roomId: RoomId): Promise<void> {
  await house.rooms.membership.leave(as(name), roomId, undefined)
}

async function invite(house: ReadingHouse, by: string, name: string, roomId: RoomId): Promise<void> {
  await house.rooms.membership.invite(as(by), { roomId, target: aUser(name) })
}

async function setData(
  house: ReadingHouse,
  name: string,
  type: string,
  content: JsonObject,
  roomId: RoomId | '' = '',
): Promise<void> {
  const row = { userId: aUser(name), roomId, type, json: JSON.stringify(content) }
  await house.stream.commit((next) => [{ put: 'accountData', row: { ...row, pos: next() } }])
}

describe('all rooms', () => {
  test('P-076 a joined room has its state, newest messages, visibility and account data', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    for (const body of ['one', 'two', 'three']) await house.message('alice', roomId, body)
    await setData(house, 'bob', 'm.tag', { tags: {} }, roomId)
    const [room, ...others] = (await initial(house, { limit: 2 })).rooms
    expect(others).toEqual([])
    expect(room).toMatchObject({
      room_id: roomId,
      membership: 'join',
      visibility: 'private',
      messages: { end: END },
      account_data: [{ type: 'm.tag', content: { tags: {} } }],
    })
    expect(bodiesOf(messagesOf(room).chunk)).toEqual(['two', 'three'])
    expect(keysOf(stateOf(room))).toEqual(
      expect.arrayContaining(['m.room.create|', `m.room.member|${ALICE}`, `m.room.member|${BOB}`]),
    )
    for (const event of [...messagesOf(room).chunk, ...stateOf(room)])
      expect(event).toMatchObject({ room_id: roomId, sender: expect.any(String) as string })
  })

  test('the start of the messages leads to those before them, without a gap', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    for (const body of ['one', 'two', 'three']) await house.message('alice', roomId, body)
    const { start } = messagesOf((await initial(house, { limit: 1 })).rooms[0])
    const page = { dir: 'b', from: start, to: null, limit: 2, filter: {} } as const
    const { chunk } = await house.reading.reader.messages(as('bob'), roomId, page)
    expect(bodiesOf(chunk)).toEqual(['two', 'one'])
  })

  test('without messages there is state all the same', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const [room] = (await initial(house, { limit: 0 })).rooms
    expect(messagesOf(room).chunk).toEqual([])
    expect(keysOf(stateOf(room))).toContain('m.room.create|')
    expect(room?.['room_id']).toBe(roomId)
  })

  test('on api/v1 events have user_id and age', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const secret = await house.create('alice', { preset: 'private_chat' })
    await invite(house, 'alice', 'bob', secret)
    const { rooms } = await initial(house, { form: 'api/v1' })
    const joined = rooms.find((room) => room['room_id'] === roomId)
    const invited = rooms.find((room) => room['room_id'] === secret)
    for (const event of [
      ...messagesOf(joined).chunk,
      ...stateOf(joined),
      invited?.['invite'] as ClientEvent,
    ]) {
      expect(event).toMatchObject({ user_id: expect.any(String) as string, age: 0 })
      expect(event).not.toHaveProperty('sender')
    }
  })

  test('a room of the directory is public', async () => {
    const house = await aReadingHouse()
    await house.create('alice', { preset: 'public_chat', visibility: 'public' })
    expect((await initial(house, { requester: as('alice') })).rooms).toMatchObject([{ visibility: 'public' }])
  })

  test('an invite names the inviter and shows nothing of the room but the invite', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'private_chat', name: 'secret' })
    await invite(house, 'alice', 'bob', roomId)
    const [room] = (await initial(house)).rooms
    expect(room).toEqual({
      room_id: roomId,
      membership: 'invite',
      visibility: 'private',
      inviter: ALICE,
      invite: expect.objectContaining({
        type: 'm.room.member',
        sender: ALICE,
        state_key: BOB,
        content: expect.objectContaining({ membership: 'invite' }) as object,
      }) as object,
    })
  })

  test('R-217 an invite by somebody ignored is not there', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'private_chat' })
    await invite(house, 'alice', 'bob', roomId)
    await setData(house, 'bob', 'm.ignored_user_list', { ignored_users: { [ALICE]: {} } })
    expect((await initial(house)).rooms).toEqual([])
  })

  test('R-217 messages of somebody ignored are not there', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await setData(house, 'bob', 'm.ignored_user_list', { ignored_users: { [ALICE]: {} } })
    await house.message('alice', roomId, 'unheard')
    const { chunk } = messagesOf((await initial(house)).rooms[0])
    expect(bodiesOf(chunk)).not.toContain('unheard')
  })

  test('rooms that were left are there if wanted, as they were then, unless they are forgotten', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.message('alice', roomId, 'before')
    await leave(house, 'bob', roomId)
    await house.state('alice', roomId, 'm.room.topic', { topic: 'later' })
    await house.message('alice', roomId, 'after')
    expect((await initial(house)).rooms).toEqual([])
    const eventId = await house.message('alice', roomId, 'unread')
    await house.reading.receipts.report(as('alice'), roomId, [{ type: 'm.read', eventId, thread: '' }])
    const { rooms, receipts } = await initial(house, { archived: true })
    const [room] = rooms
    expect(receipts).toEqual([])
    expect(room).toMatchObject({ room_id: roomId, membership: 'leave' })
    expect(bodiesOf(messagesOf(room).chunk).slice(-2)).toEqual(['before', 'm.room.member'])
    expect(messagesOf(room).end).not.toBe(END)
    expect(keysOf(stateOf(room))).not.toContain('m.room.topic|')
    await house.rooms.membership.forget(as('bob'), roomId)
    expect((await initial(house, { archived: true })).rooms).toEqual([])
  })

  test('a ban is called a ban', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.rooms.membership.ban(as('alice'), { roomId, target: BOB })
    expect((await initial(house, { archived: true })).rooms).toMatchObject([{ membership: 'ban' }])
  })

  test('a rejected invite shows nothing of the room but the own leave', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'private_chat' })
    await house.message('alice', roomId, 'secret')
    await invite(house, 'alice', 'bob', roomId)
    await leave(house, 'bob', roomId)
    const [room] = (await initial(house, { archived: true })).rooms
    expect(messagesOf(room).chunk).toMatchObject([{ state_key: BOB, content: { membership: 'leave' } }])
    expect(stateOf(room)).toEqual([])
  })

  test('a room that one knocks on is not there: the API of 2015 has no word for it', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', {
      preset: 'private_chat',
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
    })
    await house.rooms.membership.knock(as('bob'), roomId, {})
    expect((await initial(house)).rooms).toEqual([])
  })

  test('receipts and account data stand beside the rooms; private receipts of others do not', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const eventId = await house.message('bob', roomId, 'hello')
    const ts = house.clock.now()
    const reports = [
      { type: 'm.read', eventId, thread: '' },
      { type: 'm.read.private', eventId, thread: '' },
    ] as const
    await house.reading.receipts.report(as('alice'), roomId, reports)
    await setData(house, 'bob', 'm.direct', { a: 1 })
    const { receipts, account_data } = await initial(house)
    expect(receipts).toEqual([
      { type: 'm.receipt', room_id: roomId, content: { [eventId]: { 'm.read': { [ALICE]: { ts } } } } },
    ])
    expect(account_data).toEqual([{ type: 'm.direct', content: { a: 1 } }])
  })

  test('P-075 what happens after the position is left to the stream', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const other = await house.publicRoom('11')
    const eventId = await house.message('alice', roomId, 'before')
    const before = query(house)
    await house.message('alice', roomId, 'after')
    await house.state('alice', roomId, 'm.room.topic', { topic: 'after' })
    await house.reading.receipts.report(as('alice'), roomId, [{ type: 'm.read', eventId, thread: '' }])
    await setData(house, 'bob', 'm.direct', {})
    await house.join('bob', other)
    const { rooms, receipts, account_data } = await house.reading.events.initial(before)
    expect(rooms.map((room) => room['room_id'])).toEqual([roomId])
    expect(bodiesOf(messagesOf(rooms[0]).chunk).at(-1)).toBe('before')
    expect(keysOf(stateOf(rooms[0]))).not.toContain('m.room.topic|')
    expect([...receipts, ...account_data]).toEqual([])
  })
})

describe('one room', () => {
  test('P-079 has its members, receipts and what /initialSync has of it', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.publicRoom('11', 'bob', 'carol')
    const eventId = await house.message('alice', roomId, 'hello')
    await house.reading.receipts.report(as('alice'), roomId, [{ type: 'm.read', eventId, thread: '' }])
    const room = await initialRoom(house, roomId)
    expect(room.info).toEqual((await initial(house)).rooms.find((one) => one['room_id'] === roomId))
    expect([...room.members].toSorted()).toEqual([ALICE, BOB])
    expect(room.receipts).toMatchObject([{ type: 'm.receipt', room_id: roomId }])
  })

  test('is as it was for who left, with nobody in it', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const eventId = await house.message('alice', roomId, 'before')
    await leave(house, 'bob', roomId)
    await house.state('alice', roomId, 'm.room.topic', { topic: 'later' })
    await house.reading.receipts.report(as('alice'), roomId, [{ type: 'm.read', eventId, thread: '' }])
    const { info, members, receipts } = await initialRoom(house, roomId)
    expect(info['membership']).toBe('leave')
    expect(bodiesOf(messagesOf(info).chunk).slice(-2)).toEqual(['before', 'm.room.member'])
    expect(keysOf(stateOf(info))).not.toContain('m.room.topic|')
    expect([...members, ...receipts]).toEqual([])
    // Asked back, one still has only what one saw.
    await invite(house, 'alice', 'bob', roomId)
    expect((await initialRoom(house, roomId)).info['membership']).toBe('leave')
  })

  test('is refused to who never was in it: strangers, invited ones, also of a world-readable room', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'public_chat' })
    await house.state('alice', roomId, 'm.room.history_visibility', {
      history_visibility: 'world_readable',
    })
    expect(await refusal(initialRoom(house, roomId))).toBe('403 M_FORBIDDEN')
    await invite(house, 'alice', 'bob', roomId)
    expect(await refusal(initialRoom(house, roomId))).toBe('403 M_FORBIDDEN')
    expect(await refusal(initialRoom(house, '!unknown:home.example' as RoomId))).toBe('403 M_FORBIDDEN')
  })

  test('is refused to who forgot it', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await leave(house, 'bob', roomId)
    await house.rooms.membership.forget(as('bob'), roomId)
    expect(await refusal(initialRoom(house, roomId))).toBe('403 M_FORBIDDEN')
  })
})
