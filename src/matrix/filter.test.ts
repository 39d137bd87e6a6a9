import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { filterSchema, roomEventFilterSchema } from './filter.ts'

const passes = (value: unknown): boolean => filterSchema.safeParse(value).success

describe('the shape of a filter', () => {
  test('P-102 a presence section that is not an EventFilter is refused', () => {
    const sections = [
      null,
      [],
      'm.presence',
      1,
      true,
      { types: 'm.presence' },
      { types: [1] },
      { types: null },
      { not_types: {} },
      { senders: ['alice'] },
      { senders: '@alice:hs.test' },
      { not_senders: ['@alice'] },
      { limit: 0 },
      { limit: -1 },
      { limit: 1.5 },
      { limit: '10' },
      { limit: null },
    ]
    for (const presence of sections) expect(passes({ presence }), JSON.stringify(presence)).toBe(false)
    const senders = ['@alice:hs.test', '@Old One:hs.test']
    for (const presence of [
      {},
      { types: [] },
      { types: ['*'] },
      { senders },
      { not_senders: senders },
      { limit: 1 },
    ])
      expect(passes({ presence }), JSON.stringify(presence)).toBe(true)
  })

  test('R-181 what the test suites call invalid is refused', () => {
    const event = [
      { types: 1 },
      { not_types: 'm.*' },
      { senders: ['x'] },
      { not_senders: [1] },
      { limit: 'a' },
    ]
    const roomEvent = [
      ...event,
      { rooms: ['x'] },
      { rooms: '!a:b' },
      { not_rooms: ['@a:b'] },
      { contains_url: 'yes' },
      { lazy_load_members: 1 },
      { include_redundant_members: 'true' },
      { unread_thread_notifications: 1 },
      { related_by_senders: ['x'] },
      { related_by_rel_types: [1] },
      { limit: -1 },
      'not an object',
      [],
    ]
    const rooms = [
      { rooms: ['not a room ID'] },
      { rooms: {} },
      { not_rooms: [1] },
      { include_leave: 'true' },
      ...['timeline', 'state', 'ephemeral', 'account_data'].flatMap((section) =>
        roomEvent.map((bad) => ({ [section]: bad })),
      ),
    ]
    const filters = [
      [],
      'filter',
      null,
      1,
      { event_fields: 'type' },
      { event_fields: [1] },
      { event_format: 'xml' },
      { event_format: null },
      ...event.map((bad) => ({ account_data: bad })),
      { account_data: 'x' },
      { room: 'x' },
      { room: [] },
      ...rooms.map((room) => ({ room })),
    ]
    for (const filter of filters) expect(passes(filter), JSON.stringify(filter)).toBe(false)
  })

  test('R-181 what clients send passes, unknown keys too', () => {
    const timeline = {
      limit: 0,
      types: ['m.room.*'],
      contains_url: true,
      rooms: ['!a:b', `!${'x'.repeat(43)}`],
    }
    const state = { lazy_load_members: true, include_redundant_members: false }
    const filters = [
      {},
      { room: { timeline, state, include_leave: true, not_rooms: ['!c:d'] } },
      { room: { timeline: { limit: 20, unread_thread_notifications: true } } },
      { room: { timeline: { related_by_senders: ['@a:b'], related_by_rel_types: ['m.thread'] } } },
      { event_fields: ['content.body', String.raw`content.m\.x`], event_format: 'federation' },
      { 'org.example.more': { limit: 'any' }, presence: { 'org.example.more': 1 } },
    ]
    for (const filter of filters) expect(passes(filter), JSON.stringify(filter)).toBe(true)
    expect(roomEventFilterSchema.safeParse({ contains_url: false }).success).toBe(true)
    expect(roomEventFilterSchema.safeParse({ contains_url: 'no' }).success).toBe(false)
  })

  test('R-182 a filter comes back as it was sent, prototype keys included', () => {
    const text =
      '{"zeta":1,"__proto__":{"limit":1},"presence":{"constructor":[],"__proto__":null,"limit":5},"room":{"timeline":{"x":0.5}}}'
    const checked = filterSchema.parse(JSON.parse(text))
    expect(JSON.stringify(checked)).toBe(text)
    expect(({} as { limit?: unknown }).limit).toBeUndefined()
  })

  test('R-181 any JSON is either passed unchanged or refused with the path of the fault', () => {
    const anyFilter = fc.record(
      {
        event_fields: fc.jsonValue(),
        presence: fc.oneof(fc.jsonValue(), fc.record({ limit: fc.jsonValue(), types: fc.jsonValue() })),
        room: fc.oneof(fc.jsonValue(), fc.record({ timeline: fc.jsonValue(), rooms: fc.jsonValue() })),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), anyFilter), (value) => {
        const before = JSON.stringify(value)
        const checked = filterSchema.safeParse(value)
        if (checked.success) expect(JSON.stringify(checked.data)).toBe(before)
        else expect(checked.error.issues.length).toBeGreaterThan(0)
      }),
    )
  })

  test('R-181 the fault is named', () => {
    const checked = filterSchema.safeParse({ room: { timeline: { types: ['a', 1] } } })
    expect(checked.error?.issues[0]?.path).toEqual(['room', 'timeline', 'types', 1])
  })
})
