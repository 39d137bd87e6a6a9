import { describe, expect, test } from 'vitest'
import { aReadingHouse, bodiesOf, idsOf, keysOf, type ReadingHouse } from '../../test/support/room-reading.ts'
import { as, aUser } from '../../test/support/room-house.ts'
import type { Filter } from '../matrix/filter.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { createMemoryStore } from '../store/memory.ts'

const BOB = aUser('bob')
const NO_MEMBERS: Filter = { room: { state: { lazy_load_members: true } } }

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
) {
  const row = { userId: aUser(name), roomId, type, json: JSON.stringify(content) }
  await house.stream.commit((next) => [{ put: 'accountData', row: { ...row, pos: next() } }])
}

describe('what an answer holds', () => {
  test('R-195 an initial sync shows joined rooms with full state, newest events, counts, account data and push rules', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const hello = await house.message('alice', roomId, 'hello')
    await setData(house, 'bob', 'org.example.room', { colour: 'red' }, roomId)
    const invited = await house.create('alice', {
      preset: 'private_chat',
      invite: [BOB],
    })
    const first = await house.sync('bob')
    const room = first.joined(roomId)
    expect(idsOf(room.timeline.events).at(-1)).toBe(hello)
    const told = keysOf([...(room.state?.events ?? []), ...room.timeline.events])
    expect(told).toContain('m.room.create|')
    expect(told).toContain(`m.room.member|${aUser('alice')}`)
    expect(room.unread_notifications).toEqual({ notification_count: 1, highlight_count: 0 })
    expect(room.summary['m.joined_member_count']).toBe(2)
    expect(room.account_data.events).toEqual([{ type: 'org.example.room', content: { colour: 'red' } }])
    expect(Object.keys(first.body.rooms?.invite ?? {})).toEqual([invited])
    expect(first.body.account_data?.events.map((event) => event['type'])).toEqual(['m.push_rules'])
  })

  test('R-195 the timeline of an initial sync is limited unless it reaches the beginning', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const all = await house.pdus(roomId)
    const exactly = { room: { timeline: { limit: all.length } } }
    const complete = (await house.sync('alice', null, { filter: exactly })).joined(roomId)
    expect(complete.timeline.limited).toBe(false)
    expect(complete.state?.events).toEqual([])
    const fewer = { room: { timeline: { limit: all.length - 1 } } }
    expect((await house.sync('alice', null, { filter: fewer })).joined(roomId).timeline.limited).toBe(true)
  })

  test('§6.2 a listed room has all its parts and its events have no room_id', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    await house.message('alice', roomId, 'hello')
    const room = (await house.sync('alice', next)).joined(roomId)
    expect(room).toMatchObject({
      summary: {},
      state: { events: [] },
      timeline: { limited: false, prev_batch: expect.any(String) as string },
      ephemeral: { events: [] },
      account_data: { events: [] },
      unread_notifications: { highlight_count: 0, notification_count: 0 },
    })
    expect(room.timeline.events[0]).not.toHaveProperty('room_id')
  })

  test('R-196 R-197 an unchanged room is absent, and following tokens tells each event once', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const other = await house.create('alice')
    const first = await house.sync('alice')
    expect((await house.sync('alice', first.next)).isEmpty).toBe(true)
    const one = await house.message('bob', roomId, 'one')
    const second = await house.sync('alice', first.next)
    expect(idsOf(second.joined(roomId).timeline.events)).toEqual([one])
    expect(second.joined(roomId).timeline.limited).toBe(false)
    expect(second.body.rooms?.join[other]).toBeUndefined()
    expect((await house.sync('alice', second.next)).isEmpty).toBe(true)
  })

  test('R-215 key counts are in every answer, and a change ends the wait', async () => {
    const house = await aReadingHouse()
    await house.publicRoom('11')
    const first = await house.sync('alice')
    expect(first.body.device_one_time_keys_count).toEqual({ signed_curve25519: 0 })
    expect(first.body.device_unused_fallback_key_types).toEqual([])
    const owner = { userId: aUser('alice'), deviceId: as('alice').deviceId }
    const key = { ...owner, keyId: 'signed_curve25519:A', algorithm: 'signed_curve25519', json: '{}' }
    await house.stream.commit((next) => [
      { put: 'oneTimeKeys', row: { ...key, pos: next() } },
      { put: 'fallbackKeys', row: { ...key, used: 0 } },
    ])
    const second = await house.sync('alice', first.next)
    expect(second.isEmpty).toBe(false)
    expect(second.body.device_one_time_keys_count).toEqual({ signed_curve25519: 1 })
    expect(second.body.device_unused_fallback_key_types).toEqual(['signed_curve25519'])
    const third = await house.sync('alice', second.next)
    expect(third.isEmpty).toBe(true)
    expect(third.body.device_one_time_keys_count).toEqual({ signed_curve25519: 1 })
  })

  test('§6.10 changed account data is told once, global and by room', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const first = await house.sync('alice')
    await setData(house, 'alice', 'm.direct', { a: 1 })
    await setData(house, 'alice', 'm.tag', { tags: {} }, roomId)
    await setData(house, 'bob', 'm.direct', { b: 1 })
    const second = await house.sync('alice', first.next)
    expect(second.body.account_data?.events).toEqual([{ type: 'm.direct', content: { a: 1 } }])
    expect(second.joined(roomId).account_data.events).toEqual([{ type: 'm.tag', content: { tags: {} } }])
    expect((await house.sync('alice', second.next)).isEmpty).toBe(true)
    const rejoining = await house.sync('alice')
    expect(rejoining.joined(roomId).account_data.events).toHaveLength(1)
  })
})

describe('timeline', () => {
  test('R-198 a cut timeline is limited, and its prev_batch gives exactly the rest', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('alice')
    const sent: string[] = []
    for (let i = 0; i < 5; i += 1) sent.push(await house.message('bob', roomId, `m${i}`))
    const filter = { room: { timeline: { limit: 2 } } }
    const { timeline } = (await house.sync('alice', next, { filter })).joined(roomId)
    expect(timeline.limited).toBe(true)
    expect(idsOf(timeline.events)).toEqual(sent.slice(3))
    const query = { dir: 'b' as const, from: timeline.prev_batch, to: null, limit: 3, filter: {} }
    const page = await house.reading.reader.messages(as('alice'), roomId, query)
    expect(idsOf(page.chunk)).toEqual(sent.slice(0, 3).reverse())
  })

  test('R-198 a limit of 0 gives an empty, limited timeline that begins now', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('alice')
    const sent = await house.message('bob', roomId, 'hello')
    const filter = { room: { timeline: { limit: 0 } } }
    const { timeline } = (await house.sync('alice', next, { filter })).joined(roomId)
    expect(timeline).toMatchObject({ events: [], limited: true })
    const query = { dir: 'b' as const, from: timeline.prev_batch, to: null, limit: 1, filter: {} }
    expect(idsOf((await house.reading.reader.messages(as('alice'), roomId, query)).chunk)).toEqual([sent])
  })

  test('§6.4 no timeline is longer than 100 events, whatever the filter says', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    for (let i = 0; i < 100; i += 1) await house.message('alice', roomId, `m${i}`)
    const filter = { room: { timeline: { limit: 1_000 } } }
    const { timeline } = (await house.sync('alice', null, { filter })).joined(roomId)
    expect(timeline.events).toHaveLength(100)
  })

  test('§6.4 a redaction is listed, and its target reads as redacted', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('bob', roomId, 'oops')
    const { next } = await house.sync('alice')
    const redaction = await house.redact('bob', roomId, sent)
    const second = (await house.sync('alice', next)).joined(roomId)
    expect(idsOf(second.timeline.events)).toEqual([redaction])
    expect(second.timeline.events[0]).toMatchObject({ redacts: sent })
    const again = (await house.sync('alice')).joined(roomId).timeline.events
    const target = again.find((event) => event['event_id'] === sent)
    expect(target).toMatchObject({
      content: {},
      unsigned: { redacted_by: redaction, redacted_because: { event_id: redaction } },
    })
  })

  test('§2.9 a redaction of an unknown event is not shown', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    await house.redact('alice', roomId, '$unknown' as never)
    expect((await house.sync('alice', next)).isEmpty).toBe(true)
  })
})

describe('state', () => {
  test('R-199 state holds what changed before the timeline, and not what the timeline tells', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    const early = await house.state('alice', roomId, 'org.example', { n: 1 }, 'early')
    const first = await house.state('alice', roomId, 'org.example', { n: 1 }, 'both')
    await house.message('alice', roomId, 'between')
    const second = await house.state('alice', roomId, 'org.example', { n: 2 }, 'both')
    const late = await house.state('alice', roomId, 'org.example', { n: 1 }, 'late')
    const filter = { room: { timeline: { limit: 2 } } }
    const room = (await house.sync('alice', next, { filter })).joined(roomId)
    expect(idsOf(room.timeline.events)).toEqual([second, late])
    expect(idsOf(room.state?.events ?? [])).toEqual([early, first])
  })

  test('R-199 the state of an initial sync is the one before the timeline', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const before = await house.state('alice', roomId, 'm.room.topic', { topic: 'old' })
    await house.state('alice', roomId, 'm.room.topic', { topic: 'new' })
    const filter = { room: { timeline: { limit: 1 } } }
    const events = (await house.sync('alice', null, { filter })).joined(roomId).state?.events ?? []
    expect(
      events.filter((event) => event['type'] === 'm.room.topic').map((event) => event['event_id']),
    ).toEqual([before])
  })

  test('§6.5 state changed by events that the filter keeps out is in state', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    await house.message('alice', roomId, 'hello')
    const topic = await house.state('alice', roomId, 'm.room.topic', { topic: 'new' })
    const filter = { room: { timeline: { types: ['m.room.message'] } } }
    const room = (await house.sync('alice', next, { filter })).joined(roomId)
    expect(bodiesOf(room.timeline.events)).toEqual(['hello'])
    expect(idsOf(room.state?.events ?? [])).toEqual([topic])
  })

  test('R-201 use_state_after gives the state after the timeline under the key of its parameter, and no state', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    const topic = await house.state('alice', roomId, 'm.room.topic', { topic: 'new' })
    for (const stateAfterKey of ['state_after', 'org.matrix.msc4222.state_after'] as const) {
      const room = (await house.sync('alice', next, { stateAfterKey })).joined(roomId)
      expect(idsOf(room[stateAfterKey]?.events ?? [])).toEqual([topic])
      expect(room).not.toHaveProperty('state')
      const initial = (await house.sync('alice', null, { stateAfterKey })).joined(roomId)
      expect(initial[stateAfterKey]?.events).toHaveLength(
        [...((await house.rooms.states.current(roomId))?.all() ?? [])].length,
      )
    }
    expect((await house.sync('alice', next)).joined(roomId)).not.toHaveProperty('state_after')
  })

  test('R-202 full_state lists all joined rooms with full state, and the timeline only since the token', async () => {
    const house = await aReadingHouse()
    const quiet = await house.publicRoom('11')
    const busy = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    const sent = await house.message('alice', busy, 'hello')
    const second = await house.sync('alice', next, { fullState: true })
    expect(keysOf(second.joined(quiet).state?.events ?? [])).toContain('m.room.create|')
    expect(second.joined(quiet).timeline).toMatchObject({ events: [], limited: false })
    expect(idsOf(second.joined(busy).timeline.events)).toEqual([sent])
    const third = await house.sync('alice', second.next, { fullState: true })
    expect(third.joined(quiet).state?.events).not.toEqual([])
    const filter = { room: { state: { types: [] } } }
    const bare = await house.sync('alice', third.next, { fullState: true, filter })
    expect(bare.joined(quiet).state?.events).toEqual([])
  })
})

describe('membership', () => {
  test('R-203 a newly joined room has full state, and incrementally limited is true', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('bob')
    await setData(house, 'bob', 'm.tag', { tags: {} }, roomId)
    await house.join('bob', roomId)
    const room = (await house.sync('bob', next)).joined(roomId)
    expect(room.timeline.limited).toBe(true)
    expect(bodiesOf(room.timeline.events)).toEqual(['m.room.member'])
    expect(keysOf(room.state?.events ?? [])).toContain('m.room.create|')
    expect(room.account_data.events).toHaveLength(1)
    expect(room.summary['m.joined_member_count']).toBe(2)
  })

  test.each(['leave', 'kick', 'ban'] as const)(
    'R-204 a room is told once after a %s, ending with it',
    async (how) => {
      const house = await aReadingHouse()
      const roomId = await house.publicRoom('11', 'bob')
      const { next } = await house.sync('bob')
      await house.message('alice', roomId, 'before')
      if (how === 'leave') await leave(house, 'bob', roomId)
      else await house.rooms.membership[how](as('alice'), { roomId, target: BOB })
      await house.message('alice', roomId, 'after')
      const second = await house.sync('bob', next)
      const { timeline } = second.left(roomId)
      expect(bodiesOf(timeline.events)).toEqual(['before', 'm.room.member'])
      expect(timeline.events.at(-1)).toMatchObject({
        state_key: BOB,
        content: { membership: how === 'ban' ? 'ban' : 'leave' },
      })
      expect(second.body.rooms?.join).toEqual({})
      expect((await house.sync('bob', second.next)).isEmpty).toBe(true)
    },
  )

  test('R-204 the leave is told even if a filter keeps it out of the timeline', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('bob')
    await leave(house, 'bob', roomId)
    const filter = { room: { timeline: { types: ['m.room.message'] } } }
    const left = (await house.sync('bob', next, { filter })).left(roomId)
    expect(left.timeline.events).toEqual([])
    expect(left.state?.events).toMatchObject([{ content: { membership: 'leave' } }])
  })

  test('R-205 joining and leaving within one window shows only leave, with full state', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('bob')
    await house.join('bob', roomId)
    await leave(house, 'bob', roomId)
    const second = await house.sync('bob', next)
    expect(second.body.rooms?.join).toEqual({})
    expect(keysOf(second.left(roomId).state?.events ?? [])).toContain('m.room.create|')
    expect(second.left(roomId).timeline.events.at(-1)).toMatchObject({ content: { membership: 'leave' } })
  })

  test('R-205 leaving and coming back within one window shows only join, as if never gone', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'joined' })
    const { next } = await house.sync('bob')
    await leave(house, 'bob', roomId)
    await house.message('alice', roomId, 'not for bob')
    await house.join('bob', roomId)
    const second = await house.sync('bob', next)
    expect(second.body.rooms?.leave).toEqual({})
    const room = second.joined(roomId)
    expect(room.timeline.events.map((event) => event['content'])).toMatchObject([
      { membership: 'leave' },
      { membership: 'join' },
    ])
    expect(room.timeline.limited).toBe(true)
    expect(room.state?.events).toEqual([])
  })

  test('R-206 left rooms are in an initial sync only with include_leave, and never once forgotten', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.message('alice', roomId, 'before')
    await leave(house, 'bob', roomId)
    await house.message('alice', roomId, 'after')
    const filter = { room: { include_leave: true } }
    expect((await house.sync('bob')).body.rooms?.leave).toEqual({})
    const left = (await house.sync('bob', null, { filter })).left(roomId)
    expect(bodiesOf(left.timeline.events).slice(-2)).toEqual(['before', 'm.room.member'])
    expect(keysOf([...(left.state?.events ?? []), ...left.timeline.events])).toContain('m.room.create|')
    await house.rooms.membership.forget(as('bob'), roomId)
    expect((await house.sync('bob', null, { filter })).body.rooms?.leave).toEqual({})
  })

  test('AR-01 R-206 a room that was left and forgotten in one window is told once', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('bob')
    await leave(house, 'bob', roomId)
    await house.rooms.membership.forget(as('bob'), roomId)
    const second = await house.sync('bob', next)
    expect(second.left(roomId).timeline.events).toHaveLength(1)
    expect((await house.sync('bob', second.next)).isEmpty).toBe(true)
  })

  test('R-207 an invite shows stripped state with the create event and the invite, once', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'private_chat', name: 'secret garden' })
    const first = await house.sync('bob')
    await invite(house, 'alice', 'bob', roomId)
    const second = await house.sync('bob', first.next)
    const events = second.body.rooms?.invite[roomId]?.invite_state.events ?? []
    expect(keysOf(events)).toEqual([
      'm.room.create|',
      'm.room.join_rules|',
      `m.room.member|${aUser('alice')}`,
      `m.room.member|${BOB}`,
      'm.room.name|',
    ])
    expect(events.every((event) => !('event_id' in event) && 'sender' in event && 'content' in event)).toBe(
      true,
    )
    expect((await house.sync('bob', second.next)).isEmpty).toBe(true)
    expect((await house.sync('bob')).body.rooms?.invite[roomId]).toBeDefined()
  })

  test('R-207 a rejected invite shows in leave, with nothing of the room but that', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'private_chat' })
    await invite(house, 'alice', 'bob', roomId)
    const { next } = await house.sync('bob')
    await house.message('alice', roomId, 'secret')
    await leave(house, 'bob', roomId)
    const second = await house.sync('bob', next)
    const left = second.left(roomId)
    expect(left.timeline.events).toMatchObject([{ state_key: BOB, content: { membership: 'leave' } }])
    expect(left.state?.events).toEqual([])
    expect((await house.sync('bob', second.next)).isEmpty).toBe(true)
  })

  test('R-208 a knock shows in knock with the create event and the knock itself', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', {
      preset: 'private_chat',
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'knock' } }],
    })
    const { next } = await house.sync('bob')
    await house.rooms.membership.knock(as('bob'), roomId, {})
    const second = await house.sync('bob', next)
    const told = keysOf(second.body.rooms?.knock[roomId]?.knock_state.events ?? [])
    expect(told).toContain('m.room.create|')
    expect(told).toContain(`m.room.member|${BOB}`)
    expect((await house.sync('bob', second.next)).isEmpty).toBe(true)
  })
})

describe('summary', () => {
  test('R-210 a room without a name has the first five others as heroes, sorted, and never the reader', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'zoe', 'bob', 'yan', 'carol', 'dave', 'erin')
    // Only the first arrival counts, and later changes don't move anybody.
    await house.state('zoe', roomId, 'm.room.member', { membership: 'join', displayname: 'Z' }, aUser('zoe'))
    const summary = (await house.sync('alice')).joined(roomId).summary
    expect(summary).toEqual({
      'm.joined_member_count': 7,
      'm.invited_member_count': 0,
      'm.heroes': ['bob', 'carol', 'dave', 'yan', 'zoe'].map(aUser),
    })
  })

  test('R-210 counts are told again when they change, heroes not once the room has a name', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const first = await house.sync('alice')
    expect(first.joined(roomId).summary['m.heroes']).toEqual([])
    await house.state('alice', roomId, 'm.room.name', { name: 'garden' })
    await invite(house, 'alice', 'bob', roomId)
    const second = await house.sync('alice', first.next)
    expect(second.joined(roomId).summary).toEqual({ 'm.joined_member_count': 1, 'm.invited_member_count': 1 })
    await house.message('alice', roomId, 'hello')
    expect((await house.sync('alice', second.next)).joined(roomId).summary).toEqual({})
  })

  test('R-210 an alias is a name too, until it is redacted', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'public_chat', room_alias_name: 'garden' })
    await house.join('bob', roomId)
    const heroes = async (): Promise<unknown> =>
      (await house.sync('alice')).joined(roomId).summary['m.heroes']
    expect(await heroes()).toBeUndefined()
    const entry = (await house.rooms.states.current(roomId))?.get('m.room.canonical_alias', '')
    if (entry === undefined) throw new Error('no alias')
    await house.redact('alice', roomId, entry.row.eventId)
    expect(await heroes()).toEqual([BOB])
  })

  test('R-210 with nobody else there, those who left are heroes', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await leave(house, 'bob', roomId)
    expect((await house.sync('alice')).joined(roomId).summary['m.heroes']).toEqual([BOB])
  })
})

describe('lazy loading', () => {
  async function crowd(house: ReadingHouse): Promise<RoomId> {
    const roomId = await house.create('alice', { preset: 'public_chat', name: 'crowd' })
    for (const name of ['bob', 'carol', 'dave']) await house.join(name, roomId)
    for (let i = 0; i < 10; i += 1) await house.message('alice', roomId, `m${i}`)
    return roomId
  }
  const membersIn = (events: readonly JsonObject[] | undefined): string[] =>
    (events ?? [])
      .filter((event) => event['type'] === 'm.room.member')
      .map((event) => event['state_key'] as string)

  test('R-209 on an initial sync only the senders and the reader are loaded', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const room = (await house.sync('bob', null, { filter: NO_MEMBERS })).joined(roomId)
    expect(membersIn(room.state?.events).sort()).toEqual([aUser('alice'), BOB])
    expect(keysOf(room.state?.events ?? [])).toContain('m.room.create|')
  })

  test('R-209 heroes are loaded with the summary that names them', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob', 'carol')
    for (let i = 0; i < 10; i += 1) await house.message('alice', roomId, `m${i}`)
    const room = (await house.sync('bob', null, { filter: NO_MEMBERS })).joined(roomId)
    expect(membersIn(room.state?.events).sort()).toEqual(['alice', 'bob', 'carol'].map(aUser))
  })

  test('R-209 a sender is loaded once for each device, again if redundant members are wanted', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const first = await house.sync('bob', null, { filter: NO_MEMBERS })
    await house.message('carol', roomId, 'one')
    const second = await house.sync('bob', first.next, { filter: NO_MEMBERS })
    expect(membersIn(second.joined(roomId).state?.events)).toEqual([aUser('carol')])
    await house.message('carol', roomId, 'two')
    const third = await house.sync('bob', second.next, { filter: NO_MEMBERS })
    expect(membersIn(third.joined(roomId).state?.events)).toEqual([])
    const redundant = { room: { state: { lazy_load_members: true, include_redundant_members: true } } }
    const again = await house.sync('bob', second.next, { filter: redundant })
    expect(membersIn(again.joined(roomId).state?.events)).toEqual([aUser('carol')])
    const other = await house.sync('bob', second.next, { filter: NO_MEMBERS, device: 'LAPTOP' })
    expect(membersIn(other.joined(roomId).state?.events)).toEqual([aUser('carol')])
  })

  test('R-209 a request repeated after a lost answer loads the member again', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const first = await house.sync('bob', null, { filter: NO_MEMBERS })
    await house.message('carol', roomId, 'one')
    for (let i = 0; i < 2; i += 1) {
      const second = await house.sync('bob', first.next, { filter: NO_MEMBERS })
      expect(membersIn(second.joined(roomId).state?.events)).toEqual([aUser('carol')])
    }
  })

  test('R-209 a sender who changed since is loaded again', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const first = await house.sync('bob', null, { filter: NO_MEMBERS })
    const filter = { room: { ...NO_MEMBERS.room, timeline: { types: ['m.room.message'] } } }
    await house.state(
      'alice',
      roomId,
      'm.room.member',
      { membership: 'join', displayname: 'Al' },
      aUser('alice'),
    )
    await house.message('alice', roomId, 'one')
    const second = await house.sync('bob', first.next, { filter })
    expect(second.joined(roomId).state?.events).toMatchObject([{ content: { displayname: 'Al' } }])
  })

  test('R-209 member events that the timeline tells are not repeated, and count as loaded', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const first = await house.sync('bob', null, { filter: NO_MEMBERS })
    await house.join('erin', roomId)
    await house.message('erin', roomId, 'hi')
    const second = await house.sync('bob', first.next, { filter: NO_MEMBERS })
    expect(membersIn(second.joined(roomId).state?.events)).toEqual([])
    await house.message('erin', roomId, 'again')
    const third = await house.sync('bob', second.next, { filter: NO_MEMBERS })
    expect(membersIn(third.joined(roomId).state?.events)).toEqual([])
  })

  test('R-209 members who changed in a gap are told, whether they speak or not', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const first = await house.sync('bob', null, { filter: NO_MEMBERS })
    await leave(house, 'dave', roomId)
    for (let i = 0; i < 12; i += 1) await house.message('alice', roomId, `m${i}`)
    const second = await house.sync('bob', first.next, { filter: NO_MEMBERS })
    expect(membersIn(second.joined(roomId).state?.events)).toEqual([aUser('dave')])
  })

  test('R-209 a member whom the timeline introduces before he speaks is not told from before', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    await house.join('erin', roomId)
    await leave(house, 'erin', roomId)
    for (let i = 0; i < 10; i += 1) await house.message('alice', roomId, `later ${i}`)
    const first = await house.sync('bob', null, { filter: NO_MEMBERS })
    await invite(house, 'alice', 'erin', roomId)
    await house.join('erin', roomId)
    const second = await house.sync('bob', first.next, { filter: NO_MEMBERS })
    expect(membersIn(second.joined(roomId).state?.events)).toEqual([])
  })

  test('R-209 without a gap, members who changed unseen are not told until they speak', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const filter = { room: { ...NO_MEMBERS.room, timeline: { types: ['m.room.message'] } } }
    const first = await house.sync('bob', null, { filter })
    await house.state(
      'dave',
      roomId,
      'm.room.member',
      { membership: 'join', displayname: 'D' },
      aUser('dave'),
    )
    await house.message('alice', roomId, 'one')
    const second = await house.sync('bob', first.next, { filter })
    expect(membersIn(second.joined(roomId).state?.events)).toEqual([])
    await house.message('dave', roomId, 'two')
    const third = await house.sync('bob', second.next, { filter })
    expect(membersIn(third.joined(roomId).state?.events)).toEqual([aUser('dave')])
  })

  test('R-209 without lazy loading all members belong to the state', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const room = (await house.sync('bob')).joined(roomId)
    expect(membersIn(room.state?.events)).toHaveLength(4)
  })

  test('R-209 with state_after, members are told although the timeline has them', async () => {
    const house = await aReadingHouse()
    const roomId = await crowd(house)
    const first = await house.sync('bob', null, { filter: NO_MEMBERS })
    await house.join('erin', roomId)
    const second = await house.sync('bob', first.next, { filter: NO_MEMBERS, stateAfterKey: 'state_after' })
    expect(membersIn(second.joined(roomId).state_after?.events)).toEqual([aUser('erin')])
    await house.rooms.membership.kick(as('alice'), { roomId, target: aUser('dave') })
    const third = await house.sync('bob', second.next, { filter: NO_MEMBERS, stateAfterKey: 'state_after' })
    expect(membersIn(third.joined(roomId).state_after?.events)).toEqual([aUser('dave')])
  })
})

describe('filters and ignored users', () => {
  test('R-212 what the filter keeps out is nothing to answer for', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('alice')
    await house.message('bob', roomId, 'hello')
    const isEmpty = async (filter: Filter): Promise<boolean> =>
      (await house.sync('alice', next, { filter })).isEmpty
    expect(await isEmpty({ room: { timeline: { not_senders: [BOB] } } })).toBe(true)
    expect(
      await isEmpty({ room: { timeline: { types: ['m.room.*'], not_types: ['m.room.message'] } } }),
    ).toBe(true)
    expect(await isEmpty({ room: { timeline: { not_rooms: [roomId] } } })).toBe(true)
    expect(await isEmpty({ room: { not_rooms: [roomId] } })).toBe(true)
    expect(await isEmpty({ room: { rooms: [] } })).toBe(true)
    expect(await isEmpty({ room: { timeline: { contains_url: true } } })).toBe(true)
    expect(await isEmpty({ room: { timeline: { contains_url: false } } })).toBe(false)
  })

  test('§6.12 event_fields keeps the named parts and what clients need', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    const sent = await house.message('alice', roomId, 'hello')
    const filter = { event_fields: ['content.body'] }
    const [event] = (await house.sync('alice', next, { filter })).joined(roomId).timeline.events
    expect(event).toEqual({
      event_id: sent,
      type: 'm.room.message',
      sender: aUser('alice'),
      origin_server_ts: expect.any(Number) as number,
      content: { body: 'hello' },
    })
  })

  test('§2.3 event_format federation gives the PDU', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    await house.message('alice', roomId, 'hello')
    const filter = { event_format: 'federation' as const }
    const [event] = (await house.sync('alice', next, { filter })).joined(roomId).timeline.events
    expect(event).toHaveProperty('auth_events')
  })

  test('R-217 messages and invites of ignored users are absent, their state events present', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const theirs = await house.create('bob', { preset: 'private_chat' })
    await setData(house, 'alice', 'm.ignored_user_list', { ignored_users: { [BOB]: {} } })
    const { next } = await house.sync('alice')
    await house.message('bob', roomId, 'noise')
    const rename = await house.state(
      'bob',
      roomId,
      'm.room.member',
      { membership: 'join', displayname: 'B' },
      BOB,
    )
    await invite(house, 'bob', 'alice', theirs)
    const second = await house.sync('alice', next)
    expect(idsOf(second.joined(roomId).timeline.events)).toEqual([rename])
    expect(second.body.rooms?.invite).toEqual({})
    const page = await house.reading.reader.messages(as('alice'), roomId, {
      dir: 'b',
      from: null,
      to: null,
      limit: 3,
      filter: {},
    })
    expect(bodiesOf(page.chunk)).not.toContain('noise')
    await setData(house, 'alice', 'm.ignored_user_list', { ignored_users: {} })
    expect(Object.keys((await house.sync('alice')).body.rooms?.invite ?? {})).toEqual([theirs])
  })

  test('nobody can ignore themselves', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await setData(house, 'bob', 'm.ignored_user_list', { ignored_users: { [BOB]: {} } })
    const sent = await house.message('bob', roomId, 'me')
    expect(idsOf((await house.sync('bob')).joined(roomId).timeline.events)).toContain(sent)
  })

  test('§6.10 who blocks invites is shown none, earlier ones included', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'private_chat' })
    await invite(house, 'alice', 'bob', roomId)
    await setData(house, 'bob', 'm.invite_permission_config', { default_action: 'block' })
    expect((await house.sync('bob')).body.rooms?.invite).toEqual({})
  })
})

describe('tokens', () => {
  test('R-214 a token of an earlier process goes on where it stopped', async () => {
    const store = createMemoryStore()
    const before = await aReadingHouse({ store })
    const roomId = await before.publicRoom('11', 'bob')
    await before.message('alice', roomId, 'seen')
    const { next } = await before.sync('bob')
    const missed = await before.message('alice', roomId, 'missed')
    const after = await aReadingHouse({ store, seed: 2 })
    const second = await after.sync('bob', next)
    expect(idsOf(second.joined(roomId).timeline.events)).toEqual([missed])
    expect((await after.sync('bob', second.next)).isEmpty).toBe(true)
  })

  test('R-214 a token from the future counts as current', async () => {
    const house = await aReadingHouse()
    await house.publicRoom('11')
    const { next } = await house.sync('alice')
    const future = { stream: next.stream + 1_000, typing: next.typing + 1_000_000 }
    expect((await house.sync('alice', future)).isEmpty).toBe(true)
  })

  test('R-213 what is written while an answer is read comes with the next one', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const { next } = await house.sync('alice')
    const [during, sent] = await Promise.all([
      house.sync('alice', next),
      house.message('alice', roomId, 'now'),
    ])
    expect(during.isEmpty).toBe(true)
    expect(idsOf((await house.sync('alice', during.next)).joined(roomId).timeline.events)).toEqual([sent])
  })

  test('§6.11 an answer without changes asks the store nothing', async () => {
    const asked: string[] = []
    const store = new Proxy(createMemoryStore(), {
      get(target, name, receiver) {
        asked.push(String(name))
        return Reflect.get(target, name, receiver) as unknown
      },
    })
    const house = await aReadingHouse({ store })
    const roomId = await house.publicRoom('11', 'bob')
    const { next } = await house.sync('alice')
    const other = await house.create('bob')
    const { next: later } = await house.sync('alice', next)
    asked.length = 0
    expect((await house.sync('alice', later)).isEmpty).toBe(true)
    expect(asked).toEqual([])
    await house.message('bob', other, 'not for alice')
    asked.length = 0
    expect((await house.sync('alice', later)).isEmpty).toBe(true)
    expect(asked).toEqual([])
    expect(house.memberships.isJoined(roomId, aUser('alice'))).toBe(true)
  })
})
