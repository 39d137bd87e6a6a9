import { describe, expect, test } from 'vitest'
import { must } from '../base/assert.ts'
import type { Json, JsonObject } from './json.ts'
import { checkPduShape, EVENT_BYTES_MAX, type PduSource } from './pdu-shape.ts'
import { pduBytes, type Pdu } from './room-event.ts'
import { ROOM_VERSIONS, roomVersion } from './room-version/index.ts'

const eventId = (letter: string): string => `$${letter.repeat(43)}`
const message: JsonObject = {
  type: 'm.room.message',
  room_id: '!r:home.example',
  sender: '@u:home.example',
  content: { body: 'hi' },
  origin_server_ts: 1,
  depth: 2,
  prev_events: [eventId('p')],
  auth_events: [eventId('a')],
  hashes: { sha256: 'h' },
  signatures: { 'home.example': { 'ed25519:1': 's' } },
}
const inVersion12: JsonObject = { ...message, room_id: `!${'c'.repeat(43)}` }
const { room_id: _roomId, ...withoutRoom } = message
const create: JsonObject = {
  ...message,
  type: 'm.room.create',
  state_key: '',
  auth_events: [],
  prev_events: [],
}
const { room_id: _createRoomId, ...createWithoutRoom } = create

function outcome(value: Json, id = '11', source: PduSource = 'local'): string {
  const check = checkPduShape(value, must(roomVersion(id), 'version'), source)
  return check.ok ? 'ok' : check.kind
}

describe('keys', () => {
  test('a message and a state event pass; unknown keys are kept', () => {
    expect(outcome(message)).toBe('ok')
    expect(outcome({ ...message, state_key: '', foo: [null], origin: 'x', unsigned: { age: 1 } })).toBe('ok')
  })

  for (const key of Object.keys(message)) {
    test(`an event without ${key} has the wrong shape, and so with null for it`, () => {
      const { [key]: _gone, ...rest } = message
      expect(outcome(rest)).toBe('shape')
      expect(outcome({ ...message, [key]: null })).toBe('shape')
    })
  }

  const WRONG: readonly (readonly [key: string, value: Json])[] = [
    ['type', 1],
    ['sender', 'u:home.example'],
    ['sender', '@u'],
    ['room_id', 'r:home.example'],
    ['state_key', 1],
    ['state_key', null],
    ['content', []],
    ['origin_server_ts', '1'],
    ['origin_server_ts', 1.5],
    ['prev_events', ['$short']],
    ['prev_events', [[eventId('p'), { sha256: 'h' }]]],
    ['auth_events', {}],
    ['auth_events', [1]],
    ['hashes', {}],
    ['hashes', { sha256: 1 }],
    ['signatures', { 'home.example': 's' }],
    ['signatures', { 'home.example': { 'ed25519:1': 1 } }],
    ['unsigned', 1],
    ['event_id', eventId('e')],
    ['content', { number: 1.5 }],
    ['content', { number: 2 ** 53 }],
    ['content', { text: '\ud800' }],
    ['depth', '2'],
  ]
  for (const [key, value] of WRONG) {
    test(`${key} ${JSON.stringify(value)} is the wrong shape`, () => {
      expect(outcome({ ...message, [key]: value })).toBe('shape')
    })
  }

  for (const value of [null, 1, 'x', []]) {
    test(`${JSON.stringify(value)} is not an event`, () => expect(outcome(value)).toBe('shape'))
  }

  test('a depth below 0 or above 2^53 − 1 is refused', () => {
    expect(outcome({ ...message, depth: -1 })).toBe('shape')
    expect(outcome({ ...message, depth: 0 })).toBe('ok')
    expect(outcome({ ...message, depth: 2 ** 53 - 1 })).toBe('ok')
    expect(outcome({ ...message, depth: 2 ** 53 })).toBe('shape')
  })
})

describe('room IDs', () => {
  test('R-043 in version 12 every event but create has a room_id, and create has none', () => {
    expect(outcome(inVersion12, '12')).toBe('ok')
    expect(outcome(withoutRoom, '12')).toBe('shape')
    expect(outcome(createWithoutRoom, '12')).toBe('ok')
    expect(outcome({ ...createWithoutRoom, room_id: `!${'c'.repeat(43)}` }, '12')).toBe('shape')
  })

  test('in version 12 a room ID is that of a create event; before it has a server', () => {
    expect(outcome(message, '12')).toBe('shape')
    expect(outcome(inVersion12, '11')).toBe('shape')
    expect(outcome(create, '11')).toBe('ok')
    expect(outcome(createWithoutRoom, '11')).toBe('shape')
  })
})

describe('citations', () => {
  test('at most 20 prev_events and 10 auth_events, but for /backfill', () => {
    const ids = (count: number): string[] => Array.from({ length: count }, () => eventId('x'))
    for (const source of ['local', 'remote'] as const) {
      expect(outcome({ ...message, prev_events: ids(20), auth_events: ids(10) }, '11', source)).toBe('ok')
      expect(outcome({ ...message, prev_events: ids(21) }, '11', source)).toBe('shape')
      expect(outcome({ ...message, auth_events: ids(11) }, '11', source)).toBe('shape')
    }
    expect(outcome({ ...message, prev_events: ids(21), auth_events: ids(11) }, '11', 'backfill')).toBe('ok')
  })

  test('a create event cites no auth_events', () => {
    expect(outcome({ ...create, auth_events: [eventId('a')] })).toBe('shape')
  })

  test('R-047 in version 12 the create event is not cited', () => {
    const cites = { ...inVersion12, auth_events: [eventId('a'), eventId('c')] }
    expect(outcome(cites, '12')).toBe('shape')
  })
})

describe('limits', () => {
  const padded = (bytes: number): JsonObject => {
    const body = 'x'.repeat(bytes - pduBytes({ ...(message as Pdu), content: { body: '' } }))
    return { ...message, content: { body } }
  }

  test('R-037 an event of 65,536 bytes passes, with one more it is too large', () => {
    expect(outcome(padded(EVENT_BYTES_MAX))).toBe('ok')
    expect(outcome(padded(EVENT_BYTES_MAX + 1))).toBe('size')
  })

  for (const key of ['type', 'state_key']) {
    test(`R-038 a ${key} of 255 bytes passes, with one more it is too large`, () => {
      expect(outcome({ ...message, [key]: 'é'.repeat(127) + 'x' })).toBe('ok')
      expect(outcome({ ...message, [key]: 'é'.repeat(128) })).toBe('size')
    })
  }

  test('sender and room_id have the same limit', () => {
    expect(outcome({ ...message, sender: `@${'u'.repeat(241)}:home.example` })).toBe('ok')
    expect(outcome({ ...message, sender: `@${'u'.repeat(242)}:home.example` })).toBe('size')
    expect(outcome({ ...message, room_id: `!${'r'.repeat(243)}:home.example` })).toBe('size')
  })

  for (const { id, limitsInBytes } of ROOM_VERSIONS) {
    test(`a state key of 70 code points and 280 bytes from another server, in version ${id}`, () => {
      const event = { ...(id === '12' ? inVersion12 : message), state_key: '😀'.repeat(70) }
      expect(outcome(event, id, 'remote')).toBe(limitsInBytes ? 'size' : 'ok')
      expect(outcome(event, id, 'local')).toBe('size')
      expect(outcome({ ...event, state_key: '😀'.repeat(256) }, id, 'remote')).toBe('size')
    })
  }

  test('a sender of 255 code points from another server, before version 11', () => {
    const sender = `@${'é'.repeat(200)}:home.example`
    expect(outcome({ ...message, sender }, '10', 'remote')).toBe('ok')
    expect(outcome({ ...message, sender }, '10', 'local')).toBe('size')
  })

  test('100 levels pass, one more does not', () => {
    const nested = (levels: number): Json => {
      let value: Json = 1
      for (let i = 0; i < levels; i += 1) value = [value]
      return value
    }
    expect(outcome({ ...message, content: { a: nested(98) } })).toBe('ok')
    expect(outcome({ ...message, content: { a: nested(99) } })).toBe('shape')
    expect(outcome({ ...message, content: { a: nested(5_000) } })).toBe('shape')
  })
})
