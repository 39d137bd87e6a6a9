import { describe, expect, test } from 'vitest'
import { aReadingHouse, type ReadingHouse } from '../../test/support/room-reading.ts'
import { as, aUser, refusal } from '../../test/support/room-house.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import { RECEIPTS_PER_USER_MAX, type ReceiptType } from './receipts.ts'

const BOB = aUser('bob')

async function reads(
  house: ReadingHouse,
  name: string,
  roomId: RoomId,
  eventId: EventId,
  { type = 'm.read', thread = '' }: { type?: ReceiptType; thread?: string } = {},
): Promise<void> {
  await house.reading.receipts.report(as(name), roomId, [{ type, eventId, thread }])
}

async function receiptsSeen(house: ReadingHouse, name: string, roomId: RoomId): Promise<unknown[]> {
  const { ephemeral } = (await house.sync(name)).joined(roomId)
  return ephemeral.events.map((event: ClientEvent) => event['content'])
}

describe('receipts', () => {
  test('R-177 a read receipt reaches the other members once, in the sync of the room', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'hello')
    const first = await house.sync('alice')
    house.woken.length = 0
    await reads(house, 'bob', roomId, sent)
    expect(house.woken).toEqual([[aUser('alice'), BOB]])
    const second = await house.sync('alice', first.next)
    expect(second.joined(roomId).ephemeral.events).toEqual([
      { type: 'm.receipt', content: { [sent]: { 'm.read': { [BOB]: { ts: house.clock.now() } } } } },
    ])
    expect((await house.sync('alice', second.next)).isEmpty).toBe(true)
    expect(house.acted).toEqual([`${BOB} PHONE`])
  })

  test('R-177 a private receipt reaches only own devices, and wakes only them', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'hello')
    const [alice, bob] = [await house.sync('alice'), await house.sync('bob')]
    house.woken.length = 0
    await reads(house, 'bob', roomId, sent, { type: 'm.read.private' })
    expect(house.woken).toEqual([[BOB]])
    expect((await house.sync('alice', alice.next)).isEmpty).toBe(true)
    expect(await receiptsSeen(house, 'alice', roomId)).toEqual([])
    expect(await receiptsSeen(house, 'bob', roomId)).toMatchObject([
      { [sent]: { 'm.read.private': { [BOB]: {} } } },
    ])
    expect((await house.sync('bob', bob.next)).joined(roomId).unread_notifications.notification_count).toBe(0)
  })

  test('§5.9 the newest event in stream order wins; an older one, and the same again, are ignored', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const one = await house.message('alice', roomId, 'one')
    const two = await house.message('alice', roomId, 'two')
    await reads(house, 'bob', roomId, two)
    const { next } = await house.sync('alice')
    await reads(house, 'bob', roomId, one)
    await reads(house, 'bob', roomId, two)
    expect((await house.sync('alice', next)).isEmpty).toBe(true)
    expect(await receiptsSeen(house, 'alice', roomId)).toMatchObject([{ [two]: {} }])
    const three = await house.message('alice', roomId, 'three')
    await Promise.all([reads(house, 'bob', roomId, three), reads(house, 'bob', roomId, one)])
    expect(await receiptsSeen(house, 'alice', roomId)).toEqual([
      { [three]: { 'm.read': { [BOB]: { ts: house.clock.now() } } } },
    ])
  })

  test('one user’s threads are bounded: the one read longest ago goes, the receipt for the room stays', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'hello')
    await reads(house, 'bob', roomId, sent)
    const threadOf = (i: number): string => `$thread${i}`
    for (let i = 0; i < RECEIPTS_PER_USER_MAX + 1; i += 1)
      await reads(house, 'bob', roomId, sent, { thread: threadOf(i) })
    const kept = ['', ...Array.from({ length: RECEIPTS_PER_USER_MAX - 1 }, (_, i) => threadOf(i + 2))]
    const rows = await house.store.receipts(roomId)
    expect(rows.map(({ thread }) => thread).sort()).toEqual(kept.toSorted())
    const again = await aReadingHouse({ store: house.store })
    for (const reader of [house, again])
      expect(await receiptsSeen(reader, 'alice', roomId)).toHaveLength(RECEIPTS_PER_USER_MAX)
  })

  test('§5.9 receipts of threads stand beside each other, also for one event', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'hello')
    await reads(house, 'bob', roomId, sent)
    await reads(house, 'bob', roomId, sent, { thread: 'main' })
    const ts = house.clock.now()
    expect(await receiptsSeen(house, 'alice', roomId)).toEqual([
      { [sent]: { 'm.read': { [BOB]: { ts } } } },
      { [sent]: { 'm.read': { [BOB]: { ts, thread_id: 'main' } } } },
    ])
  })

  test('§5.9 a receipt for an unknown event is no error, and never replaces a known one', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'hello')
    await reads(house, 'bob', roomId, '$unknown' as EventId)
    expect((await house.sync('bob')).joined(roomId).unread_notifications.notification_count).toBe(1)
    await reads(house, 'bob', roomId, sent)
    await reads(house, 'bob', roomId, '$unknown2' as EventId)
    const elsewhere = await house.message('alice', await house.publicRoom('11', 'bob'), 'another room')
    await reads(house, 'bob', roomId, elsewhere)
    expect(await receiptsSeen(house, 'alice', roomId)).toMatchObject([{ [sent]: {} }])
  })

  test('§5.9 who is not joined cannot report', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    const sent = await house.message('alice', roomId, 'hello')
    expect(await refusal(reads(house, 'bob', roomId, sent))).toBe('403 M_FORBIDDEN')
    expect(await refusal(house.reading.readMarkers.set(as('bob'), roomId, sent))).toBe('403 M_FORBIDDEN')
  })

  test('§6.10 a newly joined room comes with all its current receipts', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'hello')
    await reads(house, 'bob', roomId, sent)
    const { next } = await house.sync('carol')
    await house.join('carol', roomId)
    expect((await house.sync('carol', next)).joined(roomId).ephemeral.events).toHaveLength(1)
  })
})

describe('read markers', () => {
  const markerOf = async (house: ReadingHouse, roomId: RoomId): Promise<unknown> =>
    (await house.sync('bob')).joined(roomId).account_data.events

  test('R-179 the marker becomes room account data and never moves backwards', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const one = await house.message('alice', roomId, 'one')
    const two = await house.message('alice', roomId, 'two')
    const { next } = await house.sync('bob')
    house.woken.length = 0
    await house.reading.readMarkers.set(as('bob'), roomId, two)
    expect(house.woken).toEqual([[BOB]])
    const marker = [{ type: 'm.fully_read', content: { event_id: two } }]
    expect((await house.sync('bob', next)).joined(roomId).account_data.events).toEqual(marker)
    const { readMarkers } = house.reading
    await Promise.all([
      readMarkers.set(as('bob'), roomId, one),
      readMarkers.set(as('bob'), roomId, '$no' as EventId),
    ])
    expect(await markerOf(house, roomId)).toEqual(marker)
    const three = await house.message('alice', roomId, 'three')
    await readMarkers.set(as('bob'), roomId, three)
    expect(await markerOf(house, roomId)).toEqual([{ type: 'm.fully_read', content: { event_id: three } }])
    expect(house.acted).toHaveLength(4)
  })
})
