import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { act, roomStep } from '../../test/support/room-histories.ts'
import { as, aUser } from '../../test/support/room-house.ts'
import { aReadingHouse, bodiesOf, idsOf, type ReadingHouse } from '../../test/support/room-reading.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { RoomsPosition } from '../matrix/token.ts'
import type { EventChunk, EventsAudience } from '../ports/event-section.ts'
import { createMemoryStore } from '../store/memory.ts'
import { EVENTS_MAX, readEvents, type EventStreamDeps } from './event-stream.ts'
import type { StoredEvent } from './room-state.ts'

const ALICE = aUser('alice')
const BOB = aUser('bob')

function eventsOf(
  house: ReadingHouse,
  since: RoomsPosition,
  { name = 'bob', form = 'events' }: { name?: string; form?: EventsAudience['form'] } = {},
): Promise<EventChunk> {
  const section = house.reading.events
  return section.read({ requester: as(name), form }, { since, now: section.position() })
}

/** The same from now on. */
function here(house: ReadingHouse): RoomsPosition {
  return house.reading.events.position()
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

function types(house: ReadingHouse, name: string, roomId: RoomId, typing = true): void {
  house.reading.typing.report(as(name), roomId, { typing, timeoutMs: 30_000 })
}

describe('room events', () => {
  test('P-071 come in the order in which they happened, of all rooms, each naming its room', async () => {
    const house = await aReadingHouse()
    const one = await house.publicRoom('11', 'bob')
    const other = await house.publicRoom('11', 'bob')
    const since = here(house)
    for (const [i, roomId] of [one, other, one, other].entries())
      await house.message('alice', roomId, `m${i}`)
    const { events, end } = await eventsOf(house, since)
    expect(bodiesOf(events)).toEqual(['m0', 'm1', 'm2', 'm3'])
    expect(events.map((event) => event['room_id'])).toEqual([one, other, one, other])
    expect(end).toEqual(here(house))
    expect((await eventsOf(house, end)).events).toEqual([])
  })

  test('begin with the own join: what was before is history', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const since = here(house)
    await house.message('alice', roomId, 'before')
    await house.join('bob', roomId)
    await house.message('alice', roomId, 'after')
    const { events } = await eventsOf(house, since)
    expect(bodiesOf(events)).toEqual(['m.room.member', 'after'])
    expect(events[0]).toMatchObject({ state_key: BOB, content: { membership: 'join' } })
  })

  test.each(['leave', 'kick', 'ban'] as const)('end with the own %s', async (how) => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const since = here(house)
    await house.message('alice', roomId, 'before')
    if (how === 'leave') await leave(house, 'bob', roomId)
    else await house.rooms.membership[how](as('alice'), { roomId, target: BOB })
    await house.message('alice', roomId, 'after')
    const { events, end } = await eventsOf(house, since)
    expect(bodiesOf(events)).toEqual(['before', 'm.room.member'])
    expect(events[1]).toMatchObject({
      state_key: BOB,
      content: { membership: how === 'ban' ? 'ban' : 'leave' },
    })
    await house.message('alice', roomId, 'later')
    expect((await eventsOf(house, end)).events).toEqual([])
  })

  test('of a time away are left out, between the own leave and join', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const since = here(house)
    await leave(house, 'bob', roomId)
    await house.message('alice', roomId, 'not for bob')
    await house.join('bob', roomId)
    await house.message('alice', roomId, 'welcome back')
    const { events } = await eventsOf(house, since)
    expect(bodiesOf(events)).toEqual(['m.room.member', 'm.room.member', 'welcome back'])
  })

  test('of a room that one is invited to are the invite, and what becomes of it', async () => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'private_chat' })
    const since = here(house)
    await invite(house, 'alice', 'bob', roomId)
    await house.message('alice', roomId, 'secret')
    const invited = await eventsOf(house, since)
    expect(invited.events).toMatchObject([
      { type: 'm.room.member', sender: ALICE, state_key: BOB, content: { membership: 'invite' } },
    ])
    await house.message('alice', roomId, 'secret too')
    await leave(house, 'bob', roomId)
    expect((await eventsOf(house, invited.end)).events).toMatchObject([
      { sender: BOB, state_key: BOB, content: { membership: 'leave' } },
    ])
  })

  test('R-217 an invite by somebody ignored, or to who wants none, is not told', async () => {
    const house = await aReadingHouse()
    const since = here(house)
    const first = await house.create('alice', { preset: 'private_chat' })
    await invite(house, 'alice', 'bob', first)
    await setData(house, 'bob', 'm.ignored_user_list', { ignored_users: { [ALICE]: {} } })
    expect(bodiesOf((await eventsOf(house, since)).events)).toEqual(['m.ignored_user_list'])
    await setData(house, 'bob', 'm.ignored_user_list', { ignored_users: {} })
    expect(bodiesOf((await eventsOf(house, since)).events)).toContain('m.room.member')
    await house.blocksInvites('bob')
    expect(bodiesOf((await eventsOf(house, since)).events)).not.toContain('m.room.member')
  })

  test('R-217 messages of somebody ignored are not told, what they do to the room is', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await setData(house, 'bob', 'm.ignored_user_list', { ignored_users: { [ALICE]: {} } })
    const since = here(house)
    await house.message('alice', roomId, 'unheard')
    await house.state('alice', roomId, 'm.room.topic', { topic: 'seen' })
    expect(bodiesOf((await eventsOf(house, since)).events)).toEqual(['m.room.topic'])
  })

  test('carry what only their reader may know: the own transaction, the membership, what was before', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const since = here(house)
    await house.message('bob', roomId, 'mine')
    await house.state('alice', roomId, 'm.room.name', { name: 'one' })
    await house.state('alice', roomId, 'm.room.name', { name: 'two' })
    const { events } = await eventsOf(house, since)
    expect(events).toMatchObject([
      { unsigned: { transaction_id: expect.any(String) as string, membership: 'join', age: 0 } },
      { unsigned: { membership: 'join' } },
      { unsigned: { prev_content: { name: 'one' } } },
    ])
    const alice = await eventsOf(house, since, { name: 'alice' })
    expect(alice.events[0]?.['unsigned']).not.toHaveProperty('transaction_id')
  })

  test('on api/v1 have user_id and age, no sender and no unsigned', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const since = here(house)
    const eventId = await house.message('alice', roomId, 'hello')
    await house.clock.advance(32)
    expect((await eventsOf(house, since, { form: 'api/v1' })).events).toEqual([
      {
        type: 'm.room.message',
        event_id: eventId,
        room_id: roomId,
        user_id: ALICE,
        origin_server_ts: house.clock.now() - 32,
        age: 32,
        content: { msgtype: 'm.text', body: 'hello' },
      },
    ])
  })
})

describe('more than one answer holds', () => {
  test('P-075 comes with the next ones, nothing lost and nothing twice', async () => {
    const house = await aReadingHouse()
    const rooms = [await house.publicRoom('11', 'bob'), await house.publicRoom('11', 'bob')]
    const since = here(house)
    const sent: string[] = []
    for (let i = 0; i < 2 * EVENTS_MAX + 50; i += 1)
      sent.push(await house.message('alice', rooms[i % 3 === 0 ? 1 : 0] as RoomId, `m${i}`))
    const told: unknown[] = []
    const sizes: number[] = []
    for (let from = since; from.stream < here(house).stream;) {
      const chunk = await eventsOf(house, from)
      told.push(...idsOf(chunk.events))
      sizes.push(chunk.events.length)
      from = chunk.end
    }
    expect(told).toEqual(sent)
    expect(sizes).toEqual([EVENTS_MAX, EVENTS_MAX, 50])
  })

  test('a receipt does not come before the event that it is for', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const since = here(house)
    let eventId = await house.message('alice', roomId, 'first')
    for (let i = 0; i < EVENTS_MAX; i += 1) eventId = await house.message('alice', roomId, `m${i}`)
    await house.reading.receipts.report(as('alice'), roomId, [{ type: 'm.read', eventId, thread: '' }])
    await setData(house, 'bob', 'm.direct', {})
    const first = await eventsOf(house, since)
    expect(first.events).toHaveLength(EVENTS_MAX)
    expect(bodiesOf((await eventsOf(house, first.end)).events)).toEqual([
      `m${EVENTS_MAX - 1}`,
      'm.receipt',
      'm.direct',
    ])
  })

  /** Rooms that changed and that Bob has been in from the beginning, scanned as the test says. */
  function scanned(
    rooms: readonly string[],
    scan: (room: string, after: number, upTo: number) => { at?: number[]; more: boolean; position: number },
    steps = [{ pos: 5, value: 'join', eventId: '$join' }],
  ): EventStreamDeps {
    return {
      changes: { room: () => 300, receipts: () => 0, accountData: () => 0 },
      roomHistory: { memberships: async () => steps },
      userRooms: {
        of: async () => rooms.map((roomId) => ({ roomId, userId: BOB, membership: 'join', pos: 5 })),
      },
      userSettings: { of: async () => ({ ignored: new Set(), blocksInvites: false }) },
      eventScan: {
        scan: async ({ roomId, after, upTo }: { roomId: string; after: number; upTo: number }) => {
          const { at = [], ...found } = scan(roomId, after, upTo)
          return { ...found, events: at.map((pos) => ({ row: { roomId, pos } })) }
        },
      },
      eventReader: { read: async (events: StoredEvent[]) => events.map(({ row }) => ({ pos: row.pos })) },
      typing: { users: () => [], changed: () => 0, startPosition: 0 },
    } as unknown as EventStreamDeps
  }
  const audience = { requester: as('bob'), form: 'events' } as const
  const window = { since: { stream: 10, typing: 0 }, now: { stream: 300, typing: 0 } }

  test('a long stretch of which nothing may be shown is passed over within one answer', async () => {
    const scans: [number, number][] = []
    const deps = scanned(['!one'], (_room, after, upTo) => {
      scans.push([after, upTo])
      return { more: after < 200, position: after + 100 }
    })
    expect(await readEvents(deps, audience, window)).toEqual({ events: [], end: window.now })
    expect(scans).toEqual([
      [10, 300],
      [110, 300],
      [210, 300],
    ])
  })

  test('where one room could not be read to the end, the events of others behind that wait', async () => {
    const deps = scanned(['!one', '!other'], (room, after) => {
      if (room === '!one') return { at: [20, 90].filter((pos) => pos > after), more: false, position: 300 }
      return after < 50 ? { at: [30], more: true, position: 50 } : { at: [60], more: false, position: 300 }
    })
    const first = await readEvents(deps, audience, window)
    expect(first).toEqual({ events: [{ pos: 20 }, { pos: 30 }], end: { stream: 50, typing: 0 } })
    const second = await readEvents(deps, audience, { since: first.end, now: window.now })
    expect(second).toEqual({ events: [{ pos: 60 }, { pos: 90 }], end: window.now })
  })

  test('what happens after the end of the window is not looked at, the own leave neither', async () => {
    const steps = [
      { pos: 5, value: 'join', eventId: '$join' },
      { pos: 320, value: 'leave', eventId: '$leave' },
    ]
    const scans: [number, number][] = []
    const scan = (_room: string, after: number, upTo: number): { more: boolean; position: number } => {
      scans.push([after, upTo])
      return { more: false, position: upTo }
    }
    await readEvents(scanned(['!one'], scan, steps), audience, window)
    expect(scans).toEqual([[10, 300]])
  })
})

describe('typing, receipts, account data', () => {
  test('who types is told when it changes, with the room', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const since = here(house)
    types(house, 'alice', roomId)
    const started = await eventsOf(house, since)
    expect(started.events).toEqual([{ type: 'm.typing', room_id: roomId, content: { user_ids: [ALICE] } }])
    expect((await eventsOf(house, started.end)).events).toEqual([])
    types(house, 'alice', roomId, false)
    expect((await eventsOf(house, started.end)).events).toEqual([
      { type: 'm.typing', room_id: roomId, content: { user_ids: [] } },
    ])
  })

  test('who types is told to a newcomer, and to nobody outside', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    types(house, 'alice', roomId)
    const since = here(house)
    await house.join('bob', roomId)
    expect(bodiesOf((await eventsOf(house, since)).events)).toEqual(['m.room.member', 'm.typing'])
    types(house, 'bob', roomId)
    expect((await eventsOf(house, since, { name: 'carol' })).events).toEqual([])
  })

  test('who types and what is read is not told to who left', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const eventId = await house.message('alice', roomId, 'hello')
    await leave(house, 'bob', roomId)
    const since = here(house)
    types(house, 'alice', roomId)
    await house.reading.receipts.report(as('alice'), roomId, [{ type: 'm.read', eventId, thread: '' }])
    expect((await eventsOf(house, since)).events).toEqual([])
  })

  test('a client of an earlier process learns with the next news of a room that nobody types there', async () => {
    const store = createMemoryStore()
    const before = await aReadingHouse({ store })
    const roomId = await before.publicRoom('11', 'bob')
    types(before, 'alice', roomId)
    const since = here(before)
    const house = await aReadingHouse({ store })
    await house.clock.advance(1_000)
    const stale = { ...since, typing: house.reading.typing.startPosition - 1 }
    expect((await eventsOf(house, stale)).events).toEqual([])
    await house.message('alice', roomId, 'back')
    const { events } = await eventsOf(house, stale)
    expect(bodiesOf(events)).toEqual(['back', 'm.typing'])
    expect(events[1]).toMatchObject({ content: { user_ids: [] } })
  })

  test('receipts are told once, with the room, and private ones to their owner alone', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const eventId = await house.message('bob', roomId, 'hello')
    const since = here(house)
    const { receipts } = house.reading
    await receipts.report(as('alice'), roomId, [{ type: 'm.read.private', eventId, thread: '' }])
    expect((await eventsOf(house, since)).events).toEqual([])
    await receipts.report(as('alice'), roomId, [{ type: 'm.read', eventId, thread: '' }])
    const { events, end } = await eventsOf(house, since)
    expect(events).toEqual([
      {
        type: 'm.receipt',
        room_id: roomId,
        content: { [eventId]: { 'm.read': { [ALICE]: { ts: house.clock.now() } } } },
      },
    ])
    expect((await eventsOf(house, end)).events).toEqual([])
    const own = (await eventsOf(house, since, { name: 'alice' })).events[0]?.['content']
    expect(Object.keys((own as Record<string, object>)[eventId] ?? {})).toEqual(['m.read.private', 'm.read'])
  })

  test('account data is told to its owner, that of a room with the room', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const since = here(house)
    await setData(house, 'bob', 'm.tag', { tags: {} }, roomId)
    await setData(house, 'bob', 'm.direct', { a: 1 })
    expect((await eventsOf(house, since)).events).toEqual([
      { type: 'm.tag', room_id: roomId, content: { tags: {} } },
      { type: 'm.direct', content: { a: 1 } },
    ])
    expect((await eventsOf(house, since, { name: 'alice' })).events).toEqual([])
  })
})

/** What the stream is to tell bob of rooms, by its definition and from the store alone. */
async function expected(house: ReadingHouse, rooms: readonly RoomId[]): Promise<string[]> {
  const told: { pos: number; eventId: string }[] = []
  for (const roomId of rooms) {
    let isJoined = false
    const range = { roomId, after: 0, upTo: here(house).stream, limit: 10_000, newestFirst: false }
    for (const row of await house.store.eventsBetween(range)) {
      const isOwn = row.type === 'm.room.member' && row.stateKey === BOB
      if (isJoined || isOwn) told.push(row)
      if (isOwn) isJoined = (await house.pdu(row.eventId)).content['membership'] === 'join'
    }
  }
  return told.toSorted((one, other) => one.pos - other.pos).map(({ eventId }) => eventId)
}

test('P-071 P-075 however a client divides its requests, it is told the same events, each once and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(roomStep, { maxLength: 60 }), async (steps) => {
      const house = await aReadingHouse()
      const rooms = [
        await house.publicRoom('11'),
        await house.create('alice', { preset: 'private_chat', name: 'private' }),
      ]
      const told: unknown[] = []
      const start = { stream: 0, typing: here(house).typing }
      let from = start
      const look = async (): Promise<void> => {
        const chunk = await eventsOf(house, from)
        told.push(...idsOf(chunk.events))
        from = chunk.end
      }
      for (const [count, one] of steps.entries()) {
        if (one.do === 'sync') await look()
        else await act(house, rooms, one, count)
      }
      await look()
      expect(told).toEqual(await expected(house, rooms))
      expect(idsOf((await eventsOf(house, start)).events)).toEqual(told)
    }),
    { numRuns: 60 },
  )
})
