import { describe, expect, test } from 'vitest'
import { must } from '../base/assert.ts'
import { toClientEvent, toFederationFormat, toOldClientEvent, toStrippedEvent } from './client-event.ts'
import type { EventId, RoomId, UserId } from './ids.ts'
import type { JsonObject } from './json.ts'
import type { Pdu, RoomEvent } from './room-event.ts'
import { ROOM_VERSIONS, roomVersion } from './room-version/index.ts'

const alice = '@alice:home.example' as UserId
const bob = '@bob:home.example' as UserId
const roomId = '!r:home.example' as RoomId
const v11 = must(roomVersion('11'), 'version')
const plain = { version: v11, now: 1_500, withRoomId: false }

function anEvent(pdu: Partial<Pdu> & { type: string }, eventId = '$event'): RoomEvent {
  return {
    eventId: eventId as EventId,
    roomId,
    pdu: {
      room_id: roomId,
      sender: alice,
      content: {},
      origin_server_ts: 1_000,
      depth: 3,
      prev_events: [],
      auth_events: [],
      hashes: { sha256: 'h' },
      signatures: { 'home.example': {} },
      unsigned: { age: 99, prev_content: { forged: true }, invite_room_state: [] },
      origin: 'home.example',
      ...pdu,
    },
  }
}

describe('the client format', () => {
  const topic = anEvent({ type: 'm.room.topic', state_key: '', content: { topic: 't' } })

  test('has what §2.3 lists, and nothing of the federation format', () => {
    expect(toClientEvent(topic, plain)).toEqual({
      event_id: '$event',
      type: 'm.room.topic',
      sender: alice,
      state_key: '',
      origin_server_ts: 1_000,
      content: { topic: 't' },
      unsigned: { age: 500 },
    })
  })

  test('has no state_key for a message, and the room ID where it is asked for', () => {
    const message = toClientEvent(anEvent({ type: 'm.room.message' }), { ...plain, withRoomId: true })
    expect(message).not.toHaveProperty('state_key')
    expect(message['room_id']).toBe(roomId)
  })

  test('the create event of version 12 is served with its room ID', () => {
    const { room_id: _roomId, ...pdu } = anEvent({ type: 'm.room.create', state_key: '' }).pdu
    const create: RoomEvent = { eventId: '$c' as EventId, roomId: '!c' as RoomId, pdu }
    expect(toClientEvent(create, { ...plain, withRoomId: true })['room_id']).toBe('!c')
  })

  test('the age is never below 0', () => {
    expect(toClientEvent(topic, { ...plain, now: 10 })['unsigned']).toEqual({ age: 0 })
  })

  test('unsigned carries what the context knows', () => {
    const replaced = { eventId: '$old' as EventId, sender: bob, content: { topic: 'old' } }
    const event = toClientEvent(topic, { ...plain, transactionId: 'm1', membership: 'join', replaced })
    expect(event['unsigned']).toEqual({
      age: 500,
      transaction_id: 'm1',
      membership: 'join',
      replaces_state: '$old',
      prev_sender: bob,
      prev_content: { topic: 'old' },
    })
  })

  test('the content of a replaced event that was redacted is not shown', () => {
    const replaced = { eventId: '$old' as EventId, sender: bob, content: null }
    expect(toClientEvent(topic, { ...plain, replaced })['unsigned']).toEqual({
      age: 500,
      replaces_state: '$old',
      prev_sender: bob,
    })
  })
})

describe('redactions', () => {
  const inContent = anEvent({ type: 'm.room.redaction', content: { redacts: '$x', reason: 'spam' } }, '$red')
  const atTop = anEvent({ type: 'm.room.redaction', content: { reason: 'spam' }, redacts: '$x' }, '$red')

  for (const version of ROOM_VERSIONS) {
    test(`R-084 the target stands in both places for clients of version ${version.id}`, () => {
      const event = version.redactsInContent ? inContent : atTop
      const client = toClientEvent(event, { ...plain, version })
      expect(client['redacts']).toBe('$x')
      expect(client['content']).toEqual({ redacts: '$x', reason: 'spam' })
    })
  }

  test('`redacts` in other events is nothing', () => {
    const message = anEvent({ type: 'm.room.message', content: { redacts: '$x' } })
    expect(toClientEvent(message, plain)).not.toHaveProperty('redacts')
  })

  test('a redacted event is emptied and says by what', () => {
    const message = anEvent({ type: 'm.room.message', content: { body: 'secret' } })
    const client = toClientEvent(message, { ...plain, redactedBy: inContent })
    expect(client['content']).toEqual({})
    expect(client['unsigned']).toEqual({
      age: 500,
      redacted_by: '$red',
      redacted_because: {
        event_id: '$red',
        type: 'm.room.redaction',
        sender: alice,
        origin_server_ts: 1_000,
        content: { redacts: '$x', reason: 'spam' },
        redacts: '$x',
        unsigned: { age: 500 },
      },
    })
    expect(message.pdu.content).toEqual({ body: 'secret' })
  })

  test('a redacted member keeps its membership', () => {
    const member = anEvent({
      type: 'm.room.member',
      state_key: alice,
      content: { membership: 'join', displayname: 'A' },
    })
    expect(toClientEvent(member, { ...plain, redactedBy: inContent })).toMatchObject({
      state_key: alice,
      content: { membership: 'join' },
    })
  })
})

test('the federation format is the PDU, with event_id and our unsigned', () => {
  const event = anEvent({ type: 'm.room.message', content: { body: 'b' } })
  const { unsigned: _theirs, ...pdu } = event.pdu
  expect(toFederationFormat(event, { ...plain, transactionId: 'm1' })).toEqual({
    ...pdu,
    event_id: '$event',
    unsigned: { age: 500, transaction_id: 'm1' },
  })
  const redaction = anEvent({ type: 'm.room.redaction', content: { redacts: '$event' } }, '$red')
  const redacted = toFederationFormat(event, { ...plain, redactedBy: redaction })
  expect(redacted['content']).toEqual({})
  expect((redacted['unsigned'] as JsonObject)['redacted_by']).toBe('$red')
})

describe('stripped state', () => {
  test('has four keys', () => {
    const name = anEvent({ type: 'm.room.name', state_key: '', content: { name: 'n' } })
    expect(toStrippedEvent(name)).toEqual({
      type: 'm.room.name',
      state_key: '',
      sender: alice,
      content: { name: 'n' },
    })
  })

  test('the create event has its time too', () => {
    const create = anEvent({ type: 'm.room.create', state_key: '' })
    expect(toStrippedEvent(create)).toEqual({
      type: 'm.room.create',
      state_key: '',
      sender: alice,
      content: {},
      origin_server_ts: 1_000,
    })
  })
})

describe('the format of 2015', () => {
  const context = { ...plain, withRoomId: true }

  test('has user_id for sender, and beside the content what later formats have in unsigned', () => {
    const replaced = { eventId: '$old' as EventId, sender: bob, content: { name: 'one' } }
    const name = anEvent({ type: 'm.room.name', state_key: '', content: { name: 'two' } })
    const event = toClientEvent(name, { ...context, replaced, membership: 'join', transactionId: 't' })
    expect(toOldClientEvent(event)).toEqual({
      event_id: '$event',
      type: 'm.room.name',
      room_id: roomId,
      user_id: alice,
      state_key: '',
      origin_server_ts: 1_000,
      age: 500,
      content: { name: 'two' },
      prev_content: { name: 'one' },
      replaces_state: '$old',
    })
  })

  test('has the redaction of an event in the same format', () => {
    const redaction = anEvent({ type: 'm.room.redaction', sender: bob }, '$redaction')
    const event = toClientEvent(anEvent({ type: 'm.room.message' }), { ...context, redactedBy: redaction })
    const old = toOldClientEvent(event)
    expect(old['redacted_because']).toMatchObject({ event_id: '$redaction', user_id: bob, age: 500 })
    expect(old['redacted_because']).not.toHaveProperty('sender')
  })

  test('makes nothing up for what has no sender', () => {
    expect(toOldClientEvent({ type: 'm.typing', content: {} })).toEqual({ type: 'm.typing', content: {} })
  })
})
