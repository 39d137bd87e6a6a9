import { describe, expect, test } from 'vitest'
import { ALICE, ALL, AuthRoom, before, BOB, CREATOR, since } from '../../test/support/auth-room.ts'
import {
  banLevel,
  inviteLevel,
  kickLevel,
  levelOf,
  parseLevel,
  redactLevel,
  requiredLevel,
} from './power-levels.ts'

const state = { type: 'm.room.topic', isState: true }
const message = { type: 'm.room.message', isState: false }

function levels(room: AuthRoom): Record<string, number> {
  const { version } = room
  return {
    user: levelOf(ALICE, room, version),
    state: requiredLevel(state, room, version),
    message: requiredLevel(message, room, version),
    ban: banLevel(room, version),
    kick: kickLevel(room, version),
    redact: redactLevel(room, version),
    invite: inviteLevel(room, version),
  }
}

const DEFAULTS = { user: 0, state: 50, message: 0, ban: 50, kick: 50, redact: 50, invite: 0 }

for (const id of ALL) {
  describe(`version ${id}`, () => {
    test(`R-060 the defaults hold without the keys, and without the event, in version ${id}`, () => {
      expect(levels(new AuthRoom(id))).toEqual(DEFAULTS)
      expect(levels(new AuthRoom(id).power({}))).toEqual(DEFAULTS)
    })

    test('what the event says holds', () => {
      const room = new AuthRoom(id).power({
        users_default: 1,
        state_default: 2,
        events_default: 3,
        ban: 4,
        kick: 5,
        redact: 6,
        invite: 7,
      })
      expect(levels(room)).toEqual({ user: 1, state: 2, message: 3, ban: 4, kick: 5, redact: 6, invite: 7 })
    })

    test('the entry of a user or a type comes before the default', () => {
      const room = new AuthRoom(id).power({
        users: { [ALICE]: -5 },
        users_default: 9,
        events: { 'm.room.topic': 70, 'm.room.message': 80 },
        state_default: 1,
        events_default: 1,
      })
      expect(levels(room)).toMatchObject({ user: -5, state: 70, message: 80 })
      expect(levelOf(BOB, room, room.version)).toBe(9)
    })

    test('names of Object.prototype are no entries', () => {
      const room = new AuthRoom(id).power({ users: {}, events: {} })
      expect(levelOf('constructor', room, room.version)).toBe(0)
      expect(requiredLevel({ type: 'toString', isState: true }, room, room.version)).toBe(50)
    })
  })
}

describe('the creator', () => {
  for (const id of before('12')) {
    test(`R-061 has 100 without a power levels event, then what it says, in version ${id}`, () => {
      const room = new AuthRoom(id)
      expect(levelOf(CREATOR, room, room.version)).toBe(100)
      expect(levelOf(ALICE, room, room.version)).toBe(0)
      room.power({ users_default: 7 })
      expect(levelOf(CREATOR, room, room.version)).toBe(7)
    })
  }

  test('R-061 R-067 has ∞ in version 12, whatever the event says; so have the additional creators', () => {
    const room = new AuthRoom('12', { additional_creators: [ALICE] })
    for (const power of [null, { users: { [ALICE]: 5 } }]) {
      if (power !== null) room.power(power)
      expect(levelOf(CREATOR, room, room.version)).toBe(Infinity)
      expect(levelOf(ALICE, room, room.version)).toBe(Infinity)
      expect(levelOf(BOB, room, room.version)).toBe(0)
    }
  })

  test('R-061 additional creators mean nothing before version 12', () => {
    const room = new AuthRoom('11', { additional_creators: [ALICE] })
    expect(levelOf(ALICE, room, room.version)).toBe(0)
  })

  test('R-061 is content.creator up to version 10, then the sender', () => {
    const named = new AuthRoom('10', { creator: ALICE })
    expect(levelOf(ALICE, named, named.version)).toBe(100)
    expect(levelOf(CREATOR, named, named.version)).toBe(0)
    const sent = new AuthRoom('11', { creator: ALICE })
    expect(levelOf(ALICE, sent, sent.version)).toBe(0)
    expect(levelOf(CREATOR, sent, sent.version)).toBe(100)
  })
})

describe('values', () => {
  for (const id of before('10')) {
    test(`R-064 strings of digits count with their value in version ${id}`, () => {
      const { version } = new AuthRoom(id)
      expect(['50', ' +7 ', '-3', '007'].map((text) => parseLevel(text, version))).toEqual([50, 7, -3, 7])
      for (const text of ['', ' ', '5.0', '1e2', '0x1', 'x', '9007199254740992', '- 3']) {
        expect(parseLevel(text, version)).toBeNull()
      }
    })
  }

  for (const id of since('10')) {
    test(`R-064 strings are no levels in version ${id}`, () => {
      expect(parseLevel('50', new AuthRoom(id).version)).toBeNull()
    })
  }

  for (const id of ALL) {
    test(`other values count as absent in version ${id}`, () => {
      const { version } = new AuthRoom(id)
      for (const value of [undefined, null, true, 1.5, 2 ** 53, [], {}]) {
        expect(parseLevel(value, version)).toBeNull()
      }
      const room = new AuthRoom(id).power({ ban: true, users: 7, events: [], users_default: 1.5 })
      expect(levels(room)).toEqual(DEFAULTS)
    })
  }
})
