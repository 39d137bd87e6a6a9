import { describe, expect, test } from 'vitest'
import { ALICE, ALL, AuthRoom, before, BOB, CAROL, CREATOR, since } from '../../test/support/auth-room.ts'
import type { Json, JsonObject } from '../matrix/json.ts'
import { SINGLE_LEVELS } from './power-levels.ts'

/** ALICE has 50 and may send power levels; BOB has 50, CAROL 20. */
const USERS = { [ALICE]: 50, [BOB]: 50, [CAROL]: 20 }
const CURRENT: JsonObject = { users: USERS, events: { 'm.room.power_levels': 50 } }

function aRoom(id: string, current: JsonObject = CURRENT): AuthRoom {
  return new AuthRoom(id).member(ALICE, 'join').power(current)
}

/** ALICE replaces the current power levels by these keys over them; `undefined` removes a key. */
function judgeChange(room: AuthRoom, current: JsonObject, change: Record<string, Json | undefined>): string {
  const content = Object.fromEntries(
    Object.entries({ ...current, ...change }).filter(([, value]) => value !== undefined),
  ) as JsonObject
  return room.judge({ type: 'm.room.power_levels', stateKey: '', content })
}

for (const id of ALL) {
  describe(`version ${id}`, () => {
    const change = (content: Record<string, Json | undefined>, current: JsonObject = CURRENT): string =>
      judgeChange(aRoom(id, current), current, content)
    const users = (entries: JsonObject): string => change({ users: { ...USERS, ...entries } })

    test(`R-062 10f a single level may move within the sender's own, in version ${id}`, () => {
      for (const name of SINGLE_LEVELS) {
        expect(change({ [name]: 50 })).toBe('ok')
        expect(change({ [name]: 51 })).toBe('10f')
        expect(change({ [name]: undefined }, { ...CURRENT, [name]: 50 })).toBe('ok')
      }
    })

    test(`R-062 10f a level above the sender's may be neither lowered nor removed, in version ${id}`, () => {
      for (const name of ['ban', 'kick', 'redact', 'invite', 'events_default']) {
        const current = { ...CURRENT, [name]: 51 }
        expect(change({ [name]: 10 }, current)).toBe('10f')
        expect(change({ [name]: undefined }, current)).toBe('10f')
        expect(change({ 'm.custom': 1 }, current)).toBe('ok')
      }
    })

    test(`R-062 10f an absent level is not compared by its default, in version ${id}`, () => {
      const low = { users: { [ALICE]: 0 }, events: { 'm.room.power_levels': 0 } }
      expect(change({ ban: 0 }, low)).toBe('ok')
      expect(change({ ban: undefined }, { ...low, ban: 0 })).toBe('ok')
      expect(change({ ban: 1 }, low)).toBe('10f')
    })

    test(`R-062 R-065 10g entries of events and notifications obey the same limits, in version ${id}`, () => {
      for (const table of ['events', 'notifications']) {
        const base = { 'm.room.power_levels': 50 }
        const current = { ...CURRENT, [table]: { ...base, a: 50, b: 51 } }
        const entries = (value: JsonObject): string => change({ [table]: { ...base, ...value } }, current)
        expect(entries({ a: 50, b: 51, c: 50 })).toBe('ok')
        expect(entries({ b: 51 })).toBe('ok')
        expect(entries({ a: 49, b: 51 })).toBe('ok')
        expect(entries({ a: 51, b: 51 })).toBe('10g')
        expect(entries({ a: 50, b: 51, c: 51 })).toBe('10g')
        expect(entries({ a: 50, b: 50 })).toBe('10g')
        expect(entries({ a: 50 })).toBe('10g')
      }
    })

    test(`R-063 10h another user's level at or above the sender's is out of reach, in version ${id}`, () => {
      expect(users({ [BOB]: 49 })).toBe('10h')
      expect(change({ users: { [ALICE]: 50, [CAROL]: 20 } })).toBe('10h')
      expect(users({ [CAROL]: 10 })).toBe('ok')
      expect(change({ users: { [ALICE]: 50, [BOB]: 50 } })).toBe('ok')
    })

    test(`R-063 10h the sender may lower or remove his own, in version ${id}`, () => {
      expect(users({ [ALICE]: 10 })).toBe('ok')
      expect(change({ users: { [BOB]: 50, [CAROL]: 20 } })).toBe('ok')
    })

    test(`R-062 10i nobody gets more than the sender has, himself included, in version ${id}`, () => {
      expect(users({ [CAROL]: 50 })).toBe('ok')
      expect(users({ [CAROL]: 51 })).toBe('10i')
      expect(users({ [ALICE]: 51 })).toBe('10i')
      expect(users({ '@new:home.example': 50 })).toBe('ok')
      expect(users({ '@new:home.example': 51 })).toBe('10i')
    })

    test(`the sender may lower a users_default that he lives by, in version ${id}`, () => {
      const current = { users_default: 50, events: { 'm.room.power_levels': 50 } }
      expect(change({ users_default: 0 }, current)).toBe('ok')
    })

    test(`10c users are user IDs with levels; without users is fine, in version ${id}`, () => {
      expect(users({ 'not a user': 1 })).toBe('10c')
      expect(users({ '@new:home.example': 'x' })).toBe('10c')
      expect(users({ '@new:home.example': null })).toBe('10c')
      expect(change({ users: [] })).toBe('10c')
      expect(change({ users: null })).toBe('10c')
      const open = { users_default: 50 }
      expect(change({ ban: 1 }, open)).toBe('ok')
    })

    test(`10e the first power levels event is free, but for its shape, in version ${id}`, () => {
      const room = new AuthRoom(id)
      const first = (content: JsonObject): string =>
        room.judge({ type: 'm.room.power_levels', sender: CREATOR, stateKey: '', content })
      expect(first({ users: { [ALICE]: 1_000 }, ban: 1_000 })).toBe('ok')
      expect(first({ users: 1 })).toBe('10c')
    })

    test(`10 any event of the type is judged, also under another state key, in version ${id}`, () => {
      const event = { type: 'm.room.power_levels', content: { ...CURRENT, ban: 51 } }
      expect(aRoom(id).judge({ ...event, stateKey: 'other' })).toBe('10f')
      expect(aRoom(id).judge(event)).toBe('10f')
    })
  })
}

describe('integers', () => {
  const room = (id: string): AuthRoom => aRoom(id)
  const WRONG: readonly Json[] = ['50', 1.5, true, null, 2 ** 53, {}]

  for (const id of since('10')) {
    test(`R-064 10a 10b 10c strings, floats and booleans are rejected in version ${id}`, () => {
      for (const value of WRONG) {
        for (const name of SINGLE_LEVELS) {
          expect(judgeChange(room(id), CURRENT, { [name]: value })).toBe('10a')
        }
        for (const table of ['events', 'notifications']) {
          expect(judgeChange(room(id), CURRENT, { [table]: { a: value } })).toBe('10b')
        }
        expect(judgeChange(room(id), CURRENT, { users: { ...USERS, [CAROL]: value } })).toBe('10c')
      }
      for (const table of ['events', 'notifications']) {
        for (const value of [null, [], 1]) {
          expect(judgeChange(room(id), CURRENT, { [table]: value })).toBe('10b')
        }
      }
    })
  }

  for (const id of before('10')) {
    test(`R-064 strings of digits are accepted, with their value, in version ${id}`, () => {
      expect(judgeChange(room(id), CURRENT, { ban: '50' })).toBe('ok')
      expect(judgeChange(room(id), CURRENT, { ban: '51' })).toBe('10f')
      expect(judgeChange(room(id), CURRENT, { users: { ...USERS, [CAROL]: ' 50 ' } })).toBe('ok')
      expect(judgeChange(room(id), CURRENT, { users: { ...USERS, [CAROL]: '51' } })).toBe('10i')
      expect(judgeChange(room(id), CURRENT, { events: { 'm.room.power_levels': '50' } })).toBe('ok')
    })

    test(`other values are not looked at outside users, in version ${id}`, () => {
      for (const value of [1.5, true, null, {}]) {
        expect(judgeChange(room(id), CURRENT, { ban: value, notifications: value })).toBe('ok')
        expect(judgeChange(room(id), CURRENT, { users: { ...USERS, [CAROL]: value } })).toBe('10c')
      }
    })
  }
})

describe('creators', () => {
  test('R-066 10d version 12: no power levels event may name a creator', () => {
    const room = new AuthRoom('12', { additional_creators: [ALICE] }).member(ALICE, 'join')
    const power = (users: JsonObject): string =>
      room.judge({ type: 'm.room.power_levels', sender: CREATOR, stateKey: '', content: { users } })
    expect(power({ [CREATOR]: 100 })).toBe('10d')
    expect(power({ [ALICE]: 100 })).toBe('10d')
    expect(power({ [BOB]: 100 })).toBe('ok')
  })

  test('R-066 before version 12 a power levels event may name the creator', () => {
    const room = new AuthRoom('11')
    const content = { users: { [CREATOR]: 100 } }
    expect(room.judge({ type: 'm.room.power_levels', sender: CREATOR, stateKey: '', content })).toBe('ok')
  })

  test('R-067 version 12: a creator may change any level', () => {
    const current = { users: { [BOB]: 900 }, ban: 900 }
    const room = new AuthRoom('12').power(current)
    const content = { users: { [BOB]: 1, [ALICE]: 1_000 }, ban: 1 }
    expect(room.judge({ type: 'm.room.power_levels', sender: CREATOR, stateKey: '', content })).toBe('ok')
  })
})
