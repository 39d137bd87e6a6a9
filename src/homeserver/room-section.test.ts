import { expect, test } from 'vitest'
import { aReadingHouse, bodiesOf, idsOf, keysOf } from '../../test/support/room-reading.ts'
import { aUser, as } from '../../test/support/room-house.ts'

test('R-195 an initial sync shows joined rooms with full state, newest events, account data and push rules', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11', 'bob')
  await house.message('alice', roomId, 'hello')
  const first = await house.sync('bob')
  const room = first.joined(roomId)
  expect(bodiesOf(room.timeline.events).at(-1)).toBe('hello')
  const told = keysOf([...(room.state?.events ?? []), ...room.timeline.events])
  expect(told).toContain('m.room.create|')
  expect(told).toContain(`m.room.member|${aUser('alice')}`)
  expect(room.unread_notifications).toEqual({ notification_count: 1, highlight_count: 0 })
  expect(room.summary['m.joined_member_count']).toBe(2)
  expect(first.body.account_data?.events.map((event) => event['type'])).toEqual(['m.push_rules'])
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

test('R-203 a newly joined room has full state and is limited in an incremental sync', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11')
  const { next } = await house.sync('bob')
  await house.join('bob', roomId)
  const room = (await house.sync('bob', next)).joined(roomId)
  expect(room.timeline.limited).toBe(true)
  expect(keysOf(room.state?.events ?? [])).toContain('m.room.create|')
})

test('R-204 R-205 a room left is told once, ending with the leave', async () => {
  const house = await aReadingHouse()
  const roomId = await house.publicRoom('11', 'bob')
  const { next } = await house.sync('bob')
  await house.message('alice', roomId, 'before')
  await house.rooms.membership.leave(as('bob'), roomId, undefined)
  await house.message('alice', roomId, 'after')
  const second = await house.sync('bob', next)
  const { timeline } = second.left(roomId)
  expect(bodiesOf(timeline.events)).toEqual(['before', 'm.room.member'])
  expect((await house.sync('bob', second.next)).isEmpty).toBe(true)
})
