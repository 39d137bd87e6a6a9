import { describe, expect, test } from 'vitest'
import { aReadingHouse, bodiesOf, idsOf, type ReadingHouse } from '../../test/support/room-reading.ts'
import { as, aUser, refusal } from '../../test/support/room-house.ts'
import type { RoomEventFilter } from '../matrix/filter.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import { SCAN_MAX } from './event-scan.ts'
import type { MessagesPage, MessagesQuery } from './room-reader.ts'

const QUERY: MessagesQuery = { dir: 'b', from: null, to: null, limit: null, filter: {} }

function messages(
  house: ReadingHouse,
  name: string,
  roomId: RoomId,
  query: Partial<MessagesQuery> = {},
): Promise<MessagesPage> {
  return house.reading.reader.messages(as(name), roomId, { ...QUERY, ...query })
}

/** All event IDs, page by page. */
async function pageThrough(
  house: ReadingHouse,
  roomId: RoomId,
  dir: 'b' | 'f',
  limit: number,
): Promise<unknown[]> {
  const found: unknown[] = []
  for (let from: string | null = null, pages = 0; pages < 1_000; pages += 1) {
    const page: MessagesPage = await messages(house, 'alice', roomId, { dir, from, limit })
    found.push(...idsOf(page.chunk))
    if (page.end === undefined) return found
    from = page.end
  }
  throw new Error('no end')
}

describe('messages', () => {
  test('R-156 R-157 pages in both directions hold each event once, and only the last has no end', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    for (let i = 0; i < 7; i += 1) await house.message('bob', roomId, `m${i}`)
    const all = (await house.pdus(roomId)).map(({ eventId }) => eventId)
    for (const limit of [1, 2, 3, all.length - 1, all.length, all.length + 1]) {
      expect(await pageThrough(house, roomId, 'f', limit)).toEqual(all)
      expect(await pageThrough(house, roomId, 'b', limit)).toEqual(all.toReversed())
    }
    expect(await messages(house, 'alice', roomId, { limit: all.length })).not.toHaveProperty('end')
    expect(await messages(house, 'alice', roomId, { limit: all.length - 1 })).toHaveProperty('end')
  })

  test('R-156 a page may begin at a token of either kind, and stops at `to`', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const one = await house.message('alice', roomId, 'one')
    const from = `t${house.stream.current}`
    const two = await house.message('alice', roomId, 'two')
    expect(idsOf((await messages(house, 'alice', roomId, { from, limit: 1 })).chunk)).toEqual([one])
    expect(idsOf((await messages(house, 'alice', roomId, { from, dir: 'f' })).chunk)).toEqual([two])
    const forwards = await messages(house, 'alice', roomId, { dir: 'f', to: from, limit: 100 })
    expect(idsOf(forwards.chunk).at(-1)).toBe(one)
    expect(idsOf((await messages(house, 'alice', roomId, { to: from })).chunk)).toEqual([two])
    const sync = `a1_x_1_${house.stream.current}_5`
    expect(await messages(house, 'alice', roomId, { from: sync, limit: 1 })).toMatchObject({ start: sync })
  })

  test('R-156 a limit of 0 is an empty page that goes on where it began', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const page = await messages(house, 'alice', roomId, { limit: 0 })
    expect(page).toEqual({ chunk: [], start: page.end, end: page.start })
  })

  test('§5.7 a token of somebody else is refused', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    for (const query of [{ from: 'nonsense' }, { to: 't' }, { from: 't-1' }])
      expect(await refusal(messages(house, 'alice', roomId, query))).toBe('400 M_INVALID_PARAM')
  })

  test('R-158 a stranger and an unknown room are refused alike', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    expect(await refusal(messages(house, 'bob', roomId))).toBe('403 M_FORBIDDEN')
    expect(await refusal(messages(house, 'bob', '!unknown:home.example' as RoomId))).toBe('403 M_FORBIDDEN')
    await house.rooms.membership.invite(as('alice'), { roomId, target: aUser('bob') })
    expect(await refusal(messages(house, 'bob', roomId))).toBe('403 M_FORBIDDEN')
  })

  test('§5.7 a world-readable room is read by anybody, also after leaving it', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    await house.message('alice', roomId, 'hidden')
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' })
    const open = await house.message('alice', roomId, 'open')
    for (const name of ['bob', 'carol']) {
      const ids = idsOf((await messages(house, name, roomId, { limit: 3 })).chunk)
      expect(ids[0]).toBe(open)
      expect(bodiesOf((await messages(house, name, roomId, { limit: 100 })).chunk)).not.toContain('hidden')
    }
  })

  test('R-159 who left reads up to and including his own leave, not beyond', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.message('alice', roomId, 'before')
    await house.rooms.membership.kick(as('alice'), { roomId, target: aUser('bob') })
    const after = await house.message('alice', roomId, 'after')
    const page = await messages(house, 'bob', roomId, { limit: 2 })
    expect(bodiesOf(page.chunk)).toEqual(['m.room.member', 'before'])
    expect(page.chunk[0]).toMatchObject({ state_key: aUser('bob'), content: { membership: 'leave' } })
    const forwards = await messages(house, 'bob', roomId, { dir: 'f', limit: 100 })
    expect(idsOf(forwards.chunk)).not.toContain(after)
    expect(forwards).not.toHaveProperty('end')
    expect(await refusal(house.reading.reader.event(as('bob'), roomId, after))).toBe('404 M_NOT_FOUND')
    await house.rooms.membership.forget(as('bob'), roomId)
    expect(await refusal(messages(house, 'bob', roomId))).toBe('403 M_FORBIDDEN')
  })

  test('R-159 who left reads nothing of a time when the room was open to all, once it is not', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'world_readable' })
    const open = await house.message('alice', roomId, 'open')
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'shared' })
    for (const dir of ['b', 'f'] as const) {
      const { chunk } = await messages(house, 'bob', roomId, {
        dir,
        limit: 100,
        to: dir === 'f' ? 't999' : null,
      })
      expect(idsOf(chunk)).not.toContain(open)
    }
    const from = `t${house.stream.current}`
    expect(bodiesOf((await messages(house, 'bob', roomId, { from, limit: 1 })).chunk)).toEqual([
      'm.room.member',
    ])
    expect(await refusal(house.reading.reader.event(as('bob'), roomId, open))).toBe('404 M_NOT_FOUND')
  })

  test('R-160 a filter selects by type, sender and url, and lazy loading adds the senders', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const text = await house.message('alice', roomId, 'text')
    const image = await house.send('bob', roomId, 'm.room.message', { url: 'mxc://a/b', body: 'i' })
    await house.send('bob', roomId, 'm.reaction', {})
    const found = async (filter: RoomEventFilter): Promise<unknown[]> =>
      idsOf((await messages(house, 'alice', roomId, { filter, limit: 100 })).chunk)
    expect(await found({ types: ['m.room.message'] })).toEqual([image, text])
    expect(await found({ types: ['m.room.*'], senders: [aUser('bob')], contains_url: true })).toEqual([image])
    expect(await found({ types: ['m.room.message'], not_senders: [aUser('bob')] })).toEqual([text])
    expect(await found({ types: ['m.room.message'], contains_url: false })).toEqual([text])
    expect(await found({ types: [] })).toEqual([])
    expect(await found({ not_rooms: [roomId] })).toEqual([])
    const filter = { types: ['m.room.message'], senders: [aUser('bob')], lazy_load_members: true }
    const page = await messages(house, 'alice', roomId, { filter })
    expect(page.state).toMatchObject([{ type: 'm.room.member', state_key: aUser('bob'), room_id: roomId }])
    expect(await messages(house, 'alice', roomId)).not.toHaveProperty('state')
  })

  test('R-156 a long page is put together from several reads without a gap or a repetition', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const sent = await house.message('alice', roomId, 'one')
    const row = (await house.store.events([sent]))[0]
    if (row === undefined) throw new Error('no row')
    await house.stream.commit((next) =>
      Array.from({ length: 1_500 }, (_, i) => ({
        put: 'events',
        row: { ...row, eventId: `$copy${i}` as EventId, pos: next() },
      })),
    )
    const filter = { types: ['m.room.message'] }
    const copies = Array.from({ length: 1_500 }, (_, i) => `$copy${i}`)
    const back = await messages(house, 'alice', roomId, { limit: 5_000, filter })
    expect(idsOf(back.chunk)).toEqual(copies.slice(500).reverse())
    const rest = await messages(house, 'alice', roomId, { limit: 1_000, filter, from: back.end ?? null })
    expect(idsOf(rest.chunk)).toEqual([...copies.slice(0, 500).reverse(), sent])
    const forwards = await messages(house, 'alice', roomId, { dir: 'f', limit: 1_000, filter })
    expect(idsOf(forwards.chunk)).toEqual([sent, ...copies.slice(0, 999)])
  })

  test('R-157 a page without a hit still says where to go on, until there is nothing more', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const wanted = await house.send('alice', roomId, 'org.example.wanted', {})
    const row = (await house.store.events([wanted]))[0]
    if (row === undefined) throw new Error('no row')
    await house.stream.commit((next) =>
      Array.from({ length: SCAN_MAX + 100 }, (_, i) => ({
        put: 'events',
        row: {
          ...row,
          type: 'org.example.noise',
          eventId: `$noise${i}` as EventId,
          pos: next(),
          json: row.json.replace('wanted', 'noise'),
        },
      })),
    )
    const filter = { types: ['org.example.wanted'] }
    const first = await messages(house, 'alice', roomId, { filter })
    expect(first.chunk).toEqual([])
    expect(first.end).toBeDefined()
    const second = await messages(house, 'alice', roomId, { filter, from: first.end ?? null })
    expect(idsOf(second.chunk)).toEqual([wanted])
    expect(second.end).toBeUndefined()
  })
})

describe('context and event', () => {
  test('R-161 context holds the event, at most `limit` neighbours, and tokens around them', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const ids: EventId[] = []
    for (let i = 0; i < 7; i += 1) ids.push(await house.message('alice', roomId, `m${i}`))
    const context = async (limit: number) =>
      house.reading.reader.context(as('alice'), roomId, ids[3] as EventId, { limit, filter: {} })
    const alone = await context(0)
    expect(alone).toMatchObject({ event: { event_id: ids[3] }, events_before: [], events_after: [] })
    const three = await context(3)
    expect(idsOf(three.events_before)).toEqual([ids[2]])
    expect(idsOf(three.events_after)).toEqual([ids[4], ids[5]])
    const earlier = await messages(house, 'alice', roomId, { from: three.start, limit: 1 })
    expect(idsOf(earlier.chunk)).toEqual([ids[1]])
    const later = await messages(house, 'alice', roomId, { from: three.end, dir: 'f' })
    expect(idsOf(later.chunk)).toEqual([ids[6]])
    expect(idsOf((await messages(house, 'alice', roomId, { from: alone.start, limit: 1 })).chunk)).toEqual([
      ids[2],
    ])
  })

  test('R-161 the state of a context is the one at its last event; lazily, only the senders', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.state('alice', roomId, 'm.room.topic', { topic: 'then' })
    const sent = await house.message('alice', roomId, 'hello')
    await house.state('alice', roomId, 'm.room.topic', { topic: 'now' })
    const { reader } = house.reading
    const { state } = await reader.context(as('alice'), roomId, sent, { limit: 0, filter: {} })
    expect(state.find((event) => event['type'] === 'm.room.topic')).toMatchObject({
      content: { topic: 'then' },
    })
    const lazily = await reader.context(as('alice'), roomId, sent, {
      limit: 0,
      filter: { lazy_load_members: true },
    })
    const members = lazily.state.filter((event) => event['type'] === 'm.room.member')
    expect(members.map((event) => event['state_key'])).toEqual([aUser('alice')])
  })

  test('R-162 an event that is unknown, of another room or invisible is not found', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const other = await house.create('alice')
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'joined' })
    const hidden = await house.message('alice', roomId, 'hidden')
    await house.join('bob', roomId)
    const { reader } = house.reading
    const around = { limit: 0, filter: {} }
    expect(await refusal(reader.event(as('alice'), roomId, '$unknown' as EventId))).toBe('404 M_NOT_FOUND')
    expect(await refusal(reader.event(as('alice'), other, hidden))).toBe('404 M_NOT_FOUND')
    expect(await refusal(reader.event(as('bob'), roomId, hidden))).toBe('404 M_NOT_FOUND')
    expect(await refusal(reader.event(as('carol'), roomId, hidden))).toBe('404 M_NOT_FOUND')
    expect(await refusal(reader.context(as('bob'), roomId, hidden, around))).toBe('404 M_NOT_FOUND')
    expect(await refusal(reader.context(as('carol'), roomId, hidden, around))).toBe('403 M_FORBIDDEN')
    expect(await reader.event(as('alice'), roomId, hidden)).toMatchObject({
      event_id: hidden,
      room_id: roomId,
    })
  })
})

describe('what stands in an event', () => {
  test('R-168 clients never see what servers add', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    for (const event of (await messages(house, 'alice', roomId, { limit: 100 })).chunk)
      for (const key of ['hashes', 'signatures', 'depth', 'prev_events', 'auth_events'])
        expect(event).not.toHaveProperty(key)
  })

  test('R-169 a state event that replaced another says what, which and whose', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const first = await house.state('alice', roomId, 'm.room.topic', { topic: 'one' })
    const second = await house.state('alice', roomId, 'm.room.topic', { topic: 'two' })
    const { reader } = house.reading
    expect((await reader.event(as('alice'), roomId, second))['unsigned']).toMatchObject({
      prev_content: { topic: 'one' },
      replaces_state: first,
      prev_sender: aUser('alice'),
    })
    await house.redact('alice', roomId, first)
    const { unsigned } = (await reader.event(as('alice'), roomId, second)) as { unsigned: object }
    expect(unsigned).toMatchObject({ replaces_state: first })
    expect(unsigned).not.toHaveProperty('prev_content')
  })

  test('R-170 unsigned.membership is the reader’s membership at the event', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const before = await house.message('alice', roomId, 'before')
    await house.join('bob', roomId)
    const after = await house.message('alice', roomId, 'after')
    const chunk = (await messages(house, 'bob', roomId, { limit: 3 })).chunk
    expect(chunk.map((event) => [event['event_id'], event['unsigned']])).toMatchObject([
      [after, { membership: 'join' }],
      [expect.any(String), { membership: 'join' }],
      [before, { membership: 'leave' }],
    ])
  })

  test('§2.3 the transaction ID is shown only to the device that sent the event', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'hello')
    const read = async (name: string, device?: string): Promise<object> =>
      (await house.reading.reader.event(as(name, device), roomId, sent))['unsigned'] as object
    expect(await read('alice')).toHaveProperty('transaction_id')
    expect(await read('alice', 'LAPTOP')).not.toHaveProperty('transaction_id')
    expect(await read('bob')).not.toHaveProperty('transaction_id')
  })

  test('§2.3 age is how long ago the event was sent', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const sent = await house.message('alice', roomId, 'hello')
    await house.clock.advance(1_234)
    expect(await house.reading.reader.event(as('alice'), roomId, sent)).toMatchObject({
      unsigned: { age: 1_234 },
    })
  })

  test('§5.2.6 messages of a user who wants to be forgotten stay with those who were there', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const topic = { topic: 'what we do' }
    await house.state('alice', roomId, 'm.room.topic', topic)
    const sent = await house.message('alice', roomId, 'hello')
    const answer = await house.message('bob', roomId, 'hello too')
    await house.join('carol', roomId)
    const later = await house.message('alice', roomId, 'hello all')
    const seenBy = async (who: ReadingHouse, name: string): Promise<unknown[]> => {
      const contents: unknown[] = []
      for (const eventId of [sent, answer, later])
        contents.push((await who.reading.reader.event(as(name), roomId, eventId))['content'])
      const page = await messages(who, name, roomId, { filter: { types: ['m.room.topic'] } })
      return [...contents, ...page.chunk.map(({ content }) => content)]
    }
    const text = (body: string): object => ({ msgtype: 'm.text', body })
    const all = [text('hello'), text('hello too'), text('hello all'), topic]
    expect(await seenBy(house, 'carol')).toEqual(all)
    await house.stream.commit(() => [{ put: 'erasures', row: { userId: aUser('alice') } }])
    const again = await aReadingHouse({ store: house.store })
    for (const who of [house, again]) {
      expect(await seenBy(who, 'bob')).toEqual(all)
      expect(await seenBy(who, 'carol')).toEqual([{}, ...all.slice(1)])
    }
    const fresh = await house.sync('carol')
    expect(fresh.joined(roomId).timeline.events.map(({ content }) => content)).toContainEqual({})
  })
})
