import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ALICE, ALL, AuthRoom, before, BOB, CAROL, CREATOR } from '../../test/support/auth-room.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { Json, JsonObject } from '../matrix/json.ts'
import { authEventKeys, type RoomEvent } from '../matrix/room-event.ts'
import { authorizeAuthEvents, type CitedEvent } from './room-auth.ts'

describe('rule 1: the create event', () => {
  const judge = (id: string, content: JsonObject, pdu: JsonObject = {}): string => {
    const creator = Number(id) < 11 ? { creator: CREATOR } : {}
    const create = { room_version: id, ...creator, ...content }
    return new AuthRoom(id).judge({
      type: 'm.room.create',
      sender: CREATOR,
      stateKey: '',
      content: create,
      pdu,
    })
  }

  for (const id of ALL) {
    test(`R-052 1a 1g nothing comes before it, in version ${id}`, () => {
      expect(judge(id, {})).toBe('ok')
      expect(judge(id, {}, { prev_events: ['$before'] })).toBe('1a')
    })

    test(`1d its room version is a known one, or not given, in version ${id}`, () => {
      for (const unknown of ['13', '011', 11, null]) expect(judge(id, { room_version: unknown })).toBe('1d')
      expect(judge(id, { room_version: '6' })).toBe('ok')
    })
  }

  for (const id of before('12')) {
    test(`R-052 1b the room ID is of the sender's server, in version ${id}`, () => {
      expect(judge(id, {}, { room_id: '!room:home.example:8448' })).toBe('1b')
      expect(judge(id, {}, { room_id: '!room' })).toBe('1b')
    })
  }

  test('1c in version 12 it has no room ID', () => {
    expect(judge('12', {}, { room_id: '!room:home.example' })).toBe('1c')
  })

  for (const id of ALL) {
    test(`R-053 1e content.creator is needed up to version 10: version ${id}`, () => {
      const room = new AuthRoom(id)
      const create = { type: 'm.room.create', sender: CREATOR, stateKey: '', content: { room_version: id } }
      expect(room.judge(create)).toBe(Number(id) <= 10 ? '1e' : 'ok')
      expect(room.judge({ ...create, content: { creator: 7 } })).toBe('ok')
    })

    test(`R-054 1f additional_creators are an array of user IDs from version 12 on: version ${id}`, () => {
      const wrong: readonly Json[] = [ALICE, null, {}, ['alice'], [7], [ALICE, '@alice']]
      for (const additional of wrong) {
        expect(judge(id, { additional_creators: additional })).toBe(id === '12' ? '1f' : 'ok')
      }
      for (const additional of [[], [ALICE, BOB]]) {
        expect(judge(id, { additional_creators: additional })).toBe('ok')
      }
    })
  }
})

describe('rules 2 and 4: the create event of the room', () => {
  const message = { type: 'm.room.message' }

  test('2 in version 12 the room ID is that of the create event', () => {
    const room = new AuthRoom('12').member(ALICE, 'join')
    expect(room.judge(message)).toBe('ok')
    expect(room.judge({ ...message, pdu: { room_id: `!${'x'.repeat(43)}` } })).toBe('2')
    expect(room.remove('m.room.create', '').judge(message)).toBe('2')
  })

  for (const id of before('12')) {
    test(`3d nothing is allowed in a room without a create event, in version ${id}`, () => {
      const room = new AuthRoom(id).member(ALICE, 'join')
      expect(room.judge(message)).toBe('ok')
      expect(room.remove('m.room.create', '').judge(message)).toBe('3d')
    })
  }

  for (const id of ALL) {
    test(`R-056 4 with m.federate false users of other servers are out, in version ${id}`, () => {
      const closed = new AuthRoom(id, { 'm.federate': false }).joinRule('public')
      closed.member(ALICE, 'join').member(CAROL, 'join')
      expect(closed.judge({ ...message, sender: ALICE })).toBe('ok')
      expect(closed.judge({ ...message, sender: CAROL })).toBe('4')
      expect(closed.judgeMember(CAROL, 'join', CAROL)).toBe('4')
      for (const federate of [true, 'false', 0]) {
        const open = new AuthRoom(id, { 'm.federate': federate }).member(CAROL, 'join')
        expect(open.judge({ ...message, sender: CAROL })).toBe('ok')
      }
    })
  }
})

for (const id of ALL) {
  describe(`rules 6 to 11 in version ${id}`, () => {
    test(`R-057 6 only members send, in version ${id}`, () => {
      const room = new AuthRoom(id)
      for (const membership of ['leave', 'invite', 'ban', 'knock', 'strange']) {
        expect(room.member(ALICE, membership).judge({ type: 'm.room.message' })).toBe('6')
      }
      expect(room.remove('m.room.member', ALICE).judge({ type: 'm.room.message' })).toBe('6')
      expect(room.member(ALICE, 'join').judge({ type: 'm.room.message' })).toBe('ok')
    })

    test(`7 a third-party invite needs the invite level, and no other, in version ${id}`, () => {
      const room = new AuthRoom(id).member(ALICE, 'join')
      const offer = { type: 'm.room.third_party_invite', stateKey: 'token' }
      expect(room.power({ users: { [ALICE]: 10 }, invite: 10 }).judge(offer)).toBe('ok')
      expect(room.power({ users: { [ALICE]: 10 }, invite: 11 }).judge(offer)).toBe('7')
      expect(room.power({ events: { [offer.type]: 100 }, invite: 0 }).judge(offer)).toBe('ok')
    })

    test(`R-059 8 an event needs the level of its type, in version ${id}`, () => {
      const power = { users: { [ALICE]: 50 }, events: { a: 50, b: 51 }, events_default: 51 }
      const room = new AuthRoom(id).member(ALICE, 'join').power(power)
      expect(room.judge({ type: 'a' })).toBe('ok')
      expect(room.judge({ type: 'a', stateKey: '' })).toBe('ok')
      expect(room.judge({ type: 'b' })).toBe('8')
      expect(room.judge({ type: 'c' })).toBe('8')
      expect(room.judge({ type: 'c', stateKey: '' })).toBe('ok')
      expect(room.power({ ...power, state_default: 51 }).judge({ type: 'c', stateKey: '' })).toBe('8')
    })

    test(`a redaction is like any message, in version ${id}`, () => {
      const room = new AuthRoom(id).member(ALICE, 'join').power({ redact: 100 })
      expect(room.judge({ type: 'm.room.redaction', pdu: { redacts: '$x' } })).toBe('ok')
      room.power({ events: { 'm.room.redaction': 1 } })
      expect(room.judge({ type: 'm.room.redaction', pdu: { redacts: '$x' } })).toBe('8')
    })

    test(`R-058 9 state under a user's ID is that user's, in version ${id}`, () => {
      const room = new AuthRoom(id).member(ALICE, 'join').power({ state_default: 0 })
      expect(room.judge({ type: 'x', stateKey: ALICE })).toBe('ok')
      expect(room.judge({ type: 'x', stateKey: BOB })).toBe('9')
      expect(room.judge({ type: 'x', stateKey: `${ALICE}_more` })).toBe('9')
      expect(room.judge({ type: 'x', stateKey: `_${BOB}` })).toBe('ok')
    })
  })
}

describe('creators of version 12', () => {
  test('R-067 may send any type, whatever the power levels', () => {
    const room = new AuthRoom('12').power({ events: { x: 2 ** 53 - 1 }, state_default: 900 })
    expect(room.judge({ type: 'x', sender: CREATOR })).toBe('ok')
    expect(room.judge({ type: 'y', stateKey: '', sender: CREATOR })).toBe('ok')
  })

  test('may not before version 12', () => {
    const room = new AuthRoom('11').power({ events: { x: 101 }, users: { [CREATOR]: 100 } })
    expect(room.judge({ type: 'x', sender: CREATOR })).toBe('8')
  })
})

describe('rule 3: the auth_events', () => {
  const message = { type: 'm.room.message', sender: ALICE }
  /** The events a message of ALICE cites, in a room where all exist. */
  const cited = (room: AuthRoom, event: RoomEvent): CitedEvent[] =>
    authEventKeys(event.pdu, room.version)
      .map(([type, stateKey]) => room.get(type, stateKey))
      .filter((entry) => entry !== undefined)
      .map((entry) => ({ event: entry, rejected: false }))
  const rule = (room: AuthRoom, event: RoomEvent, entries: readonly CitedEvent[]): string => {
    const verdict = authorizeAuthEvents(event, entries, room.version)
    return verdict.allowed ? 'ok' : verdict.rule
  }

  for (const id of ALL) {
    const room = new AuthRoom(id).member(ALICE, 'join').member(BOB, 'join').power({}).joinRule('public')
    const event = room.event(message)
    const right = cited(room, event)
    const accepted = (type: string, stateKey: string): CitedEvent => ({
      event: room.get(type, stateKey) as RoomEvent,
      rejected: false,
    })

    test(`R-055 the entries of §2.7 are right, in any order, and not all need exist: version ${id}`, () => {
      expect(right).toHaveLength(id === '12' ? 2 : 3)
      expect(rule(room, event, right)).toBe('ok')
      expect(rule(room, event, right.toReversed())).toBe('ok')
      expect(rule(room, event, right.slice(0, 1))).toBe('ok')
    })

    test(`R-055 3a two entries of one key, in version ${id}`, () => {
      expect(rule(room, event, [...right, ...right.slice(-1)])).toBe('3a')
      const other = { event: room.event({ type: 'm.room.power_levels', stateKey: '' }), rejected: false }
      expect(rule(room, event, [...right, other])).toBe('3a')
    })

    test(`R-055 3b an entry that the event does not need, in version ${id}`, () => {
      expect(rule(room, event, [...right, accepted('m.room.join_rules', '')])).toBe('3b')
      expect(rule(room, event, [...right, accepted('m.room.member', BOB)])).toBe('3b')
      expect(rule(room, event, [...right, { event: room.event(message), rejected: false }])).toBe('3b')
    })

    test(`R-055 3c a rejected entry, in version ${id}`, () => {
      for (const at of right.keys()) {
        const entries = right.map((entry, index) => (index === at ? { ...entry, rejected: true } : entry))
        expect(rule(room, event, entries)).toBe('3c')
      }
    })

    test(`R-055 3e an entry of another room, in version ${id}`, () => {
      const elsewhere = '!other:home.example' as RoomId
      const entries = right.map(({ event: { eventId, pdu }, rejected }) => ({
        event: { eventId, roomId: elsewhere, pdu },
        rejected,
      }))
      expect(rule(room, event, entries)).toBe('3e')
    })
  }

  for (const id of before('12')) {
    test(`R-055 3d the create event is missing, in version ${id}`, () => {
      const room = new AuthRoom(id).member(ALICE, 'join')
      const event = room.event(message)
      const entries = cited(room, event).filter((entry) => entry.event.eventId !== room.createId)
      expect(rule(room, event, entries)).toBe('3d')
    })
  }

  test('R-055 R-047 3b in version 12 the create event must not be there', () => {
    const room = new AuthRoom('12').member(ALICE, 'join')
    const event = room.event(message)
    const create = room.get('m.room.create', '') as RoomEvent
    expect(rule(room, event, [...cited(room, event), { event: create, rejected: false }])).toBe('3b')
  })
})

describe('R-079', () => {
  const users = [CREATOR, ALICE, BOB, CAROL]
  const membership = fc.constantFrom('join', 'invite', 'leave', 'ban', 'knock', 'odd')
  const level = fc.constantFrom<Json[]>(0, 49, 50, 51, 100, '50', true)
  const powerLevels = fc.record(
    {
      users: fc.dictionary(fc.constantFrom(...users), level),
      users_default: level,
      events: fc.dictionary(fc.constantFrom('x', 'm.room.power_levels'), level),
      ban: level,
      kick: level,
      invite: level,
      state_default: level,
    },
    { requiredKeys: [] },
  )
  const roomParts = fc.record({
    id: fc.constantFrom(...ALL),
    members: fc.array(fc.tuple(fc.constantFrom(...users), membership)),
    joinRule: fc.constantFrom('public', 'invite', 'knock', 'restricted', 'knock_restricted', 'private'),
    power: fc.option(powerLevels),
    federate: fc.boolean(),
  })
  const content = fc.oneof(
    fc.record(
      {
        membership,
        join_authorised_via_users_server: fc.constantFrom(...users),
        third_party_invite: fc.constant({ signed: { token: 'token', mxid: BOB } }),
      },
      { requiredKeys: ['membership'] },
    ),
    powerLevels,
  )
  const events = fc.record({
    type: fc.constantFrom(
      'm.room.member',
      'm.room.member',
      'm.room.power_levels',
      'x',
      'm.room.third_party_invite',
    ),
    sender: fc.constantFrom(...users),
    stateKey: fc.constantFrom('', ...users),
    content,
    signed: fc.boolean(),
    afterCreate: fc.boolean(),
  })

  test('R-079 authorize reads nothing outside §2.7, and answers the same from that alone and in any order', () => {
    const answers = new Set<string>()
    fc.assert(
      fc.property(roomParts, events, (parts, { signed, afterCreate, ...sketch }) => {
        const room = new AuthRoom(parts.id, { 'm.federate': parts.federate }).joinRule(parts.joinRule)
        for (const [user, state] of parts.members) room.member(user, state)
        if (parts.power !== null) room.power(parts.power)
        room.set('m.room.third_party_invite', 'token', {}, ALICE).set('m.room.topic', '', {})
        const signatures = signed ? { 'home.example': { k: 's' }, 'away.example': { k: 's' } } : {}
        const prev = afterCreate ? { prev_events: [room.createId] } : {}
        // `judge` records what is read, and asks again with a state of just that in another order.
        answers.add(room.judge({ ...sketch, pdu: { signatures, ...prev } }))
      }),
      { numRuns: 3_000 },
    )
    expect(answers.size).toBeGreaterThan(15)
  })
})
