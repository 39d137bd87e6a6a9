import { describe, expect, test } from 'vitest'
import { aReadingHouse, type ReadingHouse } from '../../test/support/room-reading.ts'
import { as, aUser } from '../../test/support/room-house.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { defaultPushRules } from '../matrix/push-rules.ts'
import { UNREAD_LOOKBACK_MAX } from './unread.ts'

const BOB = aUser('bob')

/** `[notifications, highlights]` of bob. */
async function counts(house: ReadingHouse, roomId: RoomId): Promise<[number, number]> {
  const { unread_notifications: unread } = (await house.sync('bob')).joined(roomId)
  return [unread.notification_count, unread.highlight_count]
}

async function threads(house: ReadingHouse, roomId: RoomId): Promise<unknown> {
  const filter = { room: { timeline: { unread_thread_notifications: true } } }
  const room = (await house.sync('bob', null, { filter })).joined(roomId)
  return [room.unread_notifications.notification_count, room.unread_thread_notifications]
}

async function reads(house: ReadingHouse, roomId: RoomId, eventId: EventId, thread = ''): Promise<void> {
  await house.reading.receipts.report(as('bob'), roomId, [{ type: 'm.read', eventId, thread }])
}

function inThread(root: EventId): JsonObject {
  return {
    msgtype: 'm.text',
    body: 'in the thread',
    'm.relates_to': { rel_type: 'm.thread', event_id: root },
  }
}

describe('§6.9 unread counts', () => {
  test('messages since the receipt count, mentions as highlights, own events and joins never', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob', 'carol')
    expect(await counts(house, roomId)).toEqual([0, 0])
    const one = await house.message('alice', roomId, 'one')
    await house.send('alice', roomId, 'm.room.message', { body: 'you!', 'm.mentions': { user_ids: [BOB] } })
    await house.send('alice', roomId, 'm.room.message', { body: 'robot', msgtype: 'm.notice' })
    await house.send('alice', roomId, 'm.reaction', {})
    await house.join('dave', roomId)
    expect(await counts(house, roomId)).toEqual([2, 1])
    await reads(house, roomId, one)
    expect(await counts(house, roomId)).toEqual([1, 1])
    await house.message('alice', roomId, 'two')
    expect(await counts(house, roomId)).toEqual([2, 1])
    await house.message('bob', roomId, 'I have read it')
    expect(await counts(house, roomId)).toEqual([0, 0])
    await house.message('alice', roomId, 'three')
    expect(await counts(house, roomId)).toEqual([1, 0])
  })

  test('the room is listed with new counts on the user’s other devices when a receipt moves', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'one')
    const filter = { room: { ephemeral: { types: [] } } }
    const { next } = await house.sync('bob', null, { filter })
    await reads(house, roomId, sent)
    const second = await house.sync('bob', next, { filter, device: 'LAPTOP' })
    expect(second.joined(roomId).unread_notifications.notification_count).toBe(0)
  })

  test('what came before joining is not unread, nor what came before a restart lost', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11')
    await house.message('alice', roomId, 'before')
    await house.join('bob', roomId)
    await house.message('alice', roomId, 'after')
    expect(await counts(house, roomId)).toEqual([1, 0])
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    await house.message('alice', roomId, 'while away')
    await house.join('bob', roomId)
    expect(await counts(house, roomId)).toEqual([0, 0])
    const again = await aReadingHouse({ store: house.store })
    await again.message('alice', roomId, 'new')
    expect(await counts(again, roomId)).toEqual([1, 0])
  })

  test('the user’s own push rules decide, from the moment they change', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.message('alice', roomId, 'one')
    expect(await counts(house, roomId)).toEqual([1, 0])
    const rules = defaultPushRules(BOB)
    rules.room.push({ rule_id: roomId, default: false, enabled: true, actions: [] })
    const row = {
      userId: BOB,
      roomId: '' as const,
      type: 'm.push_rules',
      json: JSON.stringify({ global: rules }),
    }
    await house.stream.commit((next) => [{ put: 'accountData', row: { ...row, pos: next() } }])
    expect(await counts(house, roomId)).toEqual([0, 0])
  })

  test('ignored users do not count', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const json = JSON.stringify({ ignored_users: { [aUser('alice')]: {} } })
    const row = { userId: BOB, roomId: '' as const, type: 'm.ignored_user_list', json }
    await house.stream.commit((next) => [{ put: 'accountData', row: { ...row, pos: next() } }])
    await house.message('alice', roomId, 'one')
    expect(await counts(house, roomId)).toEqual([0, 0])
  })

  test('threads are counted apart when asked for, and read by their own receipts', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const root = await house.message('alice', roomId, 'root')
    const first = await house.send('alice', roomId, 'm.room.message', inThread(root))
    await house.send('alice', roomId, 'm.room.message', inThread(root))
    expect(await counts(house, roomId)).toEqual([3, 0])
    expect(await threads(house, roomId)).toEqual([
      1,
      { [root]: { notification_count: 2, highlight_count: 0 } },
    ])
    await reads(house, roomId, first, root)
    expect(await threads(house, roomId)).toEqual([
      1,
      { [root]: { notification_count: 1, highlight_count: 0 } },
    ])
    await reads(house, roomId, root, 'main')
    expect(await threads(house, roomId)).toEqual([
      0,
      { [root]: { notification_count: 1, highlight_count: 0 } },
    ])
  })

  test('what cannot be a thread counts as the main timeline, and its name reaches no prototype', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    for (const root of ['__proto__', 'constructor', ''])
      await house.send('alice', roomId, 'm.room.message', inThread(root as EventId))
    expect(await threads(house, roomId)).toEqual([3, {}])
    expect(Object.keys(Object.prototype)).toEqual([])
    expect('notification_count' in {}).toBe(false)
  })

  test('the look-back is bounded', async () => {
    const house = await aReadingHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const sent = await house.message('alice', roomId, 'one')
    const row = (await house.store.events([sent]))[0]
    if (row === undefined) throw new Error('no row')
    await house.stream.commit((next) =>
      Array.from({ length: UNREAD_LOOKBACK_MAX + 5 }, (_, i) => ({
        put: 'events',
        row: { ...row, eventId: `$copy${i}` as EventId, pos: next() },
      })),
    )
    expect(await counts(house, roomId)).toEqual([UNREAD_LOOKBACK_MAX, 0])
  })
})
