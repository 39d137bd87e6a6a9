import { describe, expect, test } from 'vitest'
import { aRoomHouse, as, aUser, HOME, refusal, type RoomHouse } from '../../test/support/room-house.ts'
import type { EventId, RoomAlias, RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'

const ALICE = aUser('alice')
const BOB = aUser('bob')
const CAROL = aUser('carol')
const FORBIDDEN = '403 M_FORBIDDEN'
const BAD_JSON = '400 M_BAD_JSON'
const LEVELS = 'm.room.power_levels'

async function aRoom(
  version = '11',
  ...others: readonly string[]
): Promise<{ house: RoomHouse; roomId: RoomId }> {
  const house = await aRoomHouse()
  return { house, roomId: await house.publicRoom(version, ...others) }
}

describe('who may', () => {
  test('R-057 only who is in the room', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    for (const name of ['bob', 'carol']) {
      expect(await refusal(house.message(name, roomId, 'x'))).toBe(FORBIDDEN)
      expect(await refusal(house.state(name, roomId, 'm.room.topic', { topic: 'x' }))).toBe(FORBIDDEN)
      expect(await refusal(house.redact(name, roomId, '$x' as EventId))).toBe(FORBIDDEN)
    }
  })

  test('R-058 state under the ID of another user is not to be had', async () => {
    const { house, roomId } = await aRoom()
    expect(await refusal(house.state('alice', roomId, 'org.example', {}, BOB))).toBe(FORBIDDEN)
    await house.state('alice', roomId, 'org.example', {}, ALICE)
  })

  test('R-059 R-060 levels that are missing have their defaults', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    await house.state('alice', roomId, LEVELS, {
      users: { [ALICE]: 100 },
      events: { 'org.example.high': 10 },
    })
    await house.message('bob', roomId, 'events_default is 0')
    expect(await refusal(house.state('bob', roomId, 'm.room.name', { name: 'x' }))).toBe(FORBIDDEN)
    expect(await refusal(house.send('bob', roomId, 'org.example.high', {}))).toBe(FORBIDDEN)
    await house.rooms.membership.invite(as('bob'), { roomId, target: CAROL })
    const users = { [ALICE]: 100, [BOB]: 49 }
    await house.state('alice', roomId, LEVELS, { users })
    expect(await refusal(house.state('bob', roomId, 'm.room.name', { name: 'x' }))).toBe(FORBIDDEN)
    expect(await refusal(house.rooms.membership.kick(as('bob'), { roomId, target: CAROL }))).toBe(FORBIDDEN)
    await house.state('alice', roomId, LEVELS, { users: { ...users, [BOB]: 50 } })
    await house.state('bob', roomId, 'm.room.name', { name: 'x' })
    await house.rooms.membership.kick(as('bob'), { roomId, target: CAROL })
  })

  test('R-062 R-063 levels above one’s own are out of reach, and those of equals', async () => {
    const { house, roomId } = await aRoom('11', 'bob', 'carol')
    const users = { [ALICE]: 100, [BOB]: 50, [CAROL]: 50 }
    const events = { [LEVELS]: 50 }
    await house.state('alice', roomId, LEVELS, { users, events })
    const change = (content: JsonObject): Promise<unknown> => house.state('bob', roomId, LEVELS, content)
    expect(await refusal(change({ users, events, ban: 51 }))).toBe(FORBIDDEN)
    expect(await refusal(change({ users: { ...users, [CAROL]: 0 }, events }))).toBe(FORBIDDEN)
    expect(await refusal(change({ users: { ...users, [BOB]: 51 }, events }))).toBe(FORBIDDEN)
    expect(await refusal(change({ users: { [ALICE]: 100, [BOB]: 50 }, events }))).toBe(FORBIDDEN)
    await change({ users: { ...users, [BOB]: 49 }, events: { [LEVELS]: 49 } })
  })

  test('R-065 notifications obey the same limits', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    const base = { users: { [ALICE]: 100, [BOB]: 50 }, events: { [LEVELS]: 50 } }
    await house.state('alice', roomId, LEVELS, base)
    const tooHigh = { ...base, notifications: { room: 51 } }
    expect(await refusal(house.state('bob', roomId, LEVELS, tooHigh))).toBe(FORBIDDEN)
  })

  test('R-061 without power levels the creator has 100, in version 12 more than any', async () => {
    const { house, roomId } = await aRoom('12', 'bob')
    await house.state('alice', roomId, LEVELS, { events: { 'org.example': 9_007_199_254_740_991 } })
    await house.state('alice', roomId, 'org.example', { by: 'creator' })
    expect(await refusal(house.state('bob', roomId, 'org.example', {}))).toBe(FORBIDDEN)
  })
})

describe('what the content may say', () => {
  test('R-152 a create event is not sent', async () => {
    const { house, roomId } = await aRoom()
    expect(await refusal(house.send('alice', roomId, 'm.room.create', {}))).toBe(BAD_JSON)
    expect(await refusal(house.state('alice', roomId, 'm.room.create', {}))).toBe(BAD_JSON)
    expect(await refusal(house.state('alice', roomId, 'm.room.create', {}, 'x'))).toBe(BAD_JSON)
  })

  test.each(['6', '9', '10', '11', '12'])('R-064 in version %s levels are whole numbers', async (version) => {
    const { house, roomId } = await aRoom(version)
    const put = (content: JsonObject): Promise<unknown> => house.state('alice', roomId, LEVELS, content)
    const users = version === '12' ? {} : { [ALICE]: 100 }
    for (const wrong of [
      { ban: '50' },
      { ban: true },
      { ban: null },
      { events: { x: '1' } },
      { events: [] },
      { users: { ...users, [BOB]: '1' } },
      { users: { ...users, bob: 1 } },
      { notifications: { room: '1' } },
    ])
      expect(await refusal(put({ users, ...wrong }))).toBe(BAD_JSON)
    await put({ users, ban: 50 })
  })

  test('R-066 a creator of version 12 is not listed', async () => {
    const house = await aRoomHouse()
    const creation_content = { additional_creators: [BOB] }
    const roomId = await house.create('alice', { room_version: '12', creation_content })
    for (const userId of [ALICE, BOB])
      expect(await refusal(house.state('alice', roomId, LEVELS, { users: { [userId]: 1 } }))).toBe(BAD_JSON)
    await house.state('alice', roomId, LEVELS, { users: { [CAROL]: 1 } })
  })

  test('R-153 a canonical alias must be one, and point here; old ones are not asked again', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice', { room_alias_name: 'den' })
    await house.create('alice', { room_alias_name: 'other' })
    const put = (content: JsonObject): Promise<unknown> =>
      house.state('alice', roomId, 'm.room.canonical_alias', content)
    const den = `#den:${HOME}`
    for (const wrong of ['den', '#den', 5, {}])
      expect(await refusal(put({ alias: wrong }))).toBe('400 M_INVALID_PARAM')
    expect(await refusal(put({ alt_aliases: [den, 'x'] }))).toBe('400 M_INVALID_PARAM')
    expect(await refusal(put({ alt_aliases: 'x' }))).toBe('400 M_INVALID_PARAM')
    for (const elsewhere of [`#other:${HOME}`, `#none:${HOME}`, '#den:away.example'])
      expect(await refusal(put({ alias: den, alt_aliases: [elsewhere] }))).toBe('400 M_BAD_ALIAS')
    await put({ alias: den, alt_aliases: [den] })
    await house.store.commit([{ drop: 'aliases', where: { alias: den as RoomAlias } }])
    const again = await aRoomHouse({ store: house.store })
    await again.state('alice', roomId, 'm.room.canonical_alias', { alt_aliases: [den] })
    expect(
      await refusal(again.state('alice', roomId, 'm.room.canonical_alias', { alt_aliases: [`#n:${HOME}`] })),
    ).toBe('400 M_BAD_ALIAS')
    await again.state('alice', roomId, 'm.room.canonical_alias', { alias: null })
    await again.state('alice', roomId, 'm.room.canonical_alias', { alias: '' })
  })

  test('a server list that shuts us out, and a room that replaces itself, are refused', async () => {
    const { house, roomId } = await aRoom()
    expect(await refusal(house.state('alice', roomId, 'm.room.server_acl', { allow: [] }))).toBe(BAD_JSON)
    await house.state('alice', roomId, 'm.room.server_acl', { allow: ['*'], deny: ['evil.example'] })
    const tombstone = { body: 'moved', replacement_room: roomId }
    expect(await refusal(house.state('alice', roomId, 'm.room.tombstone', tombstone))).toBe(BAD_JSON)
  })

  test('the same reaction twice is refused, until the first is redacted', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    const event_id = await house.message('alice', roomId, 'hi')
    const react = (name: string, key: string): Promise<EventId> =>
      house.send(name, roomId, 'm.reaction', {
        'm.relates_to': { rel_type: 'm.annotation', event_id, key },
      })
    const first = await react('alice', '👍')
    expect(await refusal(react('alice', '👍'))).toBe('400 M_DUPLICATE_ANNOTATION')
    await react('alice', '👎')
    await react('bob', '👍')
    await house.redact('alice', roomId, first)
    await react('alice', '👍')
  })
})

describe('state', () => {
  test('R-150 the same content by the same user is the event that is there', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    await house.state('alice', roomId, LEVELS, { users: { [ALICE]: 100, [BOB]: 50 } })
    const first = await house.state('alice', roomId, 'm.room.name', { name: 'x', n: { a: 1, b: 2 } })
    expect(await house.state('alice', roomId, 'm.room.name', { n: { b: 2, a: 1 }, name: 'x' })).toBe(first)
    const byBob = await house.state('bob', roomId, 'm.room.name', { name: 'x', n: { a: 1, b: 2 } })
    expect(byBob).not.toBe(first)
    expect(await house.state('alice', roomId, 'm.room.name', { name: 'x', n: { a: 1, b: 2 } })).not.toBe(
      byBob,
    )
  })

  test('an event of the same key replaces the one before and says so', async () => {
    const { house, roomId } = await aRoom()
    const first = await house.state('alice', roomId, 'org.example', { n: 1 }, 'k')
    const second = await house.state('alice', roomId, 'org.example', { n: 2 }, 'k')
    await house.state('alice', roomId, 'org.example', { n: 3 }, 'other')
    expect(await house.content(roomId, 'org.example', 'k')).toEqual({ n: 2 })
    const [row] = await house.store.events([second])
    expect(row?.replaces).toBe(first)
  })
})

describe('transactions', () => {
  const send = (house: RoomHouse, roomId: RoomId, path: string, deviceId: string, body: string) =>
    house.rooms.events.send(
      as('alice', deviceId),
      { roomId, type: 'm.room.message', content: { body } },
      { request: `PUT ${path}`, txnId: 't1' },
    )

  test('R-146 a repeated send has the first answer and no effect, whatever it says', async () => {
    const { house, roomId } = await aRoom()
    const first = await send(house, roomId, '/a', 'PHONE', 'one')
    const count = (await house.pdus(roomId)).length
    expect(await send(house, roomId, '/a', 'PHONE', 'two')).toBe(first)
    expect(await house.pdus(roomId)).toHaveLength(count)
  })

  test('R-146 repeats at the same time wait for the first', async () => {
    const { house, roomId } = await aRoom()
    const count = (await house.pdus(roomId)).length
    const ids = await Promise.all(['a', 'b', 'c'].map((body) => send(house, roomId, '/a', 'PHONE', body)))
    expect(new Set(ids).size).toBe(1)
    expect(await house.pdus(roomId)).toHaveLength(count + 1)
  })

  test('R-147 another path or another device is another request', async () => {
    const { house, roomId } = await aRoom()
    const ids = [
      await send(house, roomId, '/a', 'PHONE', 'x'),
      await send(house, roomId, '/b', 'PHONE', 'x'),
      await send(house, roomId, '/a', 'LAPTOP', 'x'),
    ]
    expect(new Set(ids).size).toBe(3)
  })

  test('R-146 R-148 it is remembered over a restart, in the commit of the event itself', async () => {
    const { house, roomId } = await aRoom()
    const commits: string[][] = []
    house.stream.observe((writes) => commits.push(writes.map((w) => ('put' in w ? w.put : w.drop))))
    const first = await send(house, roomId, '/a', 'PHONE', 'x')
    expect(commits).toEqual([['events', 'extremities', 'extremities', 'transactions']])
    const again = await aRoomHouse({ store: house.store })
    expect(await send(again, roomId, '/a', 'PHONE', 'x')).toBe(first)
  })

  test('R-149 the event knows the device and the transaction', async () => {
    const { house, roomId } = await aRoom()
    const [row] = await house.store.events([await send(house, roomId, '/a', 'PHONE', 'x')])
    expect([row?.txnDevice, row?.txnId]).toEqual(['PHONE', 't1'])
    const [state] = await house.store.events([
      await house.state('alice', roomId, 'm.room.name', { name: 'x' }),
    ])
    expect([state?.txnDevice, state?.txnId]).toEqual([null, null])
  })

  test('R-146 a refusal is not remembered', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    const type = 'org.example.high'
    const users = { [ALICE]: 100 }
    const sending = (): Promise<EventId> =>
      house.rooms.events.send(as('bob'), { roomId, type, content: {} }, { request: 'PUT /x', txnId: 'x' })
    await house.state('alice', roomId, LEVELS, { users, events: { [type]: 1 } })
    expect(await refusal(sending())).toBe(FORBIDDEN)
    await house.state('alice', roomId, LEVELS, { users, events: {} })
    await sending()
  })
})

describe('redaction', () => {
  test.each(['6', '10', '11', '12'])('R-080 R-084 in version %s it empties the event', async (version) => {
    const { house, roomId } = await aRoom(version, 'bob')
    const target = await house.message('bob', roomId, 'secret')
    const redaction = await house.redact('bob', roomId, target)
    expect((await house.pdu(target)).content).toEqual({})
    const [row] = await house.store.events([target])
    expect(row?.redactedBy).toBe(redaction)
    const pdu = await house.pdu(redaction)
    const isInContent = Number(version) >= 11
    expect(pdu.redacts).toBe(isInContent ? undefined : target)
    expect(pdu.content).toEqual(isInContent ? { redacts: target } : {})
  })

  test('R-080 who has the redact level redacts the events of others', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    const target = await house.message('bob', roomId, 'rude')
    await house.redact('alice', roomId, target)
    expect((await house.pdu(target)).content).toEqual({})
  })

  test('R-081 anyone else is refused', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    const target = await house.message('alice', roomId, 'mine')
    expect(await refusal(house.redact('bob', roomId, target))).toBe(FORBIDDEN)
    expect((await house.pdu(target)).content['body']).toBe('mine')
  })

  test('R-083 an event of another room is refused; an unknown one is not', async () => {
    const { house, roomId } = await aRoom()
    const other = await house.publicRoom('11')
    const target = await house.message('alice', other, 'x')
    expect(await refusal(house.redact('alice', roomId, target))).toBe('400 M_INVALID_PARAM')
    await house.redact('alice', roomId, `$${'x'.repeat(43)}` as EventId)
  })

  test.each(['6', '11'])(
    'R-154 in version %s m.room.redaction can be sent like a message',
    async (version) => {
      const { house, roomId } = await aRoom(version, 'bob')
      const target = await house.message('alice', roomId, 'x')
      const type = 'm.room.redaction'
      expect(await refusal(house.send('bob', roomId, type, { redacts: target }))).toBe(FORBIDDEN)
      expect(await refusal(house.send('alice', roomId, type, {}))).toBe(BAD_JSON)
      const redaction = await house.send('alice', roomId, type, { redacts: target, reason: 'typo' })
      expect((await house.pdu(target)).content).toEqual({})
      const pdu = await house.pdu(redaction)
      const expected = version === '11' ? { redacts: target, reason: 'typo' } : { reason: 'typo' }
      expect([pdu.content, pdu.redacts]).toEqual([expected, version === '11' ? undefined : target])
    },
  )

  test('R-085 a redacted member event keeps its effect, and redacted state its place', async () => {
    const { house, roomId } = await aRoom('11', 'bob')
    await house.join('bob', roomId, { displayname: 'Rude' })
    const state = await house.rooms.states.current(roomId)
    const member = state?.get('m.room.member', BOB)?.row.eventId as EventId
    await house.redact('bob', roomId, member)
    expect(await house.content(roomId, 'm.room.member', BOB)).toEqual({ membership: 'join' })
    await house.message('bob', roomId, 'still here')
    const again = await aRoomHouse({ store: house.store })
    expect(await again.content(roomId, 'm.room.member', BOB)).toEqual({ membership: 'join' })
  })

  test('a redaction that was replaced in the state does not come back', async () => {
    const { house, roomId } = await aRoom()
    const first = await house.state('alice', roomId, 'm.room.name', { name: 'one' })
    await house.state('alice', roomId, 'm.room.name', { name: 'two' })
    await house.redact('alice', roomId, first)
    expect(await house.content(roomId, 'm.room.name')).toEqual({ name: 'two' })
  })

  test('the first redaction stays the one that is named', async () => {
    const { house, roomId } = await aRoom()
    const target = await house.message('alice', roomId, 'x')
    const first = await house.redact('alice', roomId, target)
    await house.redact('alice', roomId, target)
    expect((await house.store.events([target]))[0]?.redactedBy).toBe(first)
  })

  test('the create event is never emptied', async () => {
    const { house, roomId } = await aRoom('6')
    const [create] = await house.pdus(roomId)
    await house.redact('alice', roomId, create?.eventId as EventId)
    expect(await house.content(roomId, 'm.room.create')).toMatchObject({ room_version: '6' })
  })
})
