import { beforeEach, expect, test } from 'vitest'
import type { UserId } from '../matrix/ids.ts'
import { Waiting } from './waiting.ts'

const [ALICE, BOB, EVE] = ['@alice:a', '@bob:b', '@eve:b'] as UserId[] as [UserId, UserId, UserId]
const NOTHING = { lists: false, users: [], polls: new Map() }

let waiting: Waiting
beforeEach(() => {
  waiting = new Waiting({ batchWindowMs: 10_000, pollGapMs: 1_000 })
})

test('nothing waits, nothing is due', () => {
  expect(waiting.dueTs()).toBe(Infinity)
  expect(waiting.restsFromTs()).toBe(0)
  expect(waiting.take(5)).toEqual(NOTHING)
})

test('P-174 each kind has its own pace, and takes nothing of another along', () => {
  waiting.addChanged([ALICE])
  waiting.addPolls({ poll: [BOB], unpoll: [] })
  expect(waiting.take(100)).toEqual({ lists: false, users: [ALICE], polls: new Map([[BOB, true]]) })
  waiting.addChanged([ALICE])
  waiting.addPolls({ poll: [], unpoll: [BOB] })
  expect(waiting.dueTs()).toBe(1_100)
  waiting.addLists()
  waiting.holdLists(500)
  expect(waiting.dueTs()).toBe(500)
  expect(waiting.take(500)).toEqual({ ...NOTHING, lists: true })
  expect(waiting.take(1_100)).toEqual({ ...NOTHING, polls: new Map([[BOB, false]]) })
  expect(waiting.dueTs()).toBe(10_100)
  expect(waiting.take(10_099)).toEqual(NOTHING)
  expect(waiting.take(10_100)).toEqual({ ...NOTHING, users: [ALICE] })
  expect(waiting.restsFromTs()).toBe(20_100)
})

test('a user is said once, whether changed, asked for, or both in either order', () => {
  waiting.addChanged([ALICE])
  waiting.addAsked([ALICE])
  waiting.addChanged([ALICE])
  expect(waiting.take(0).users).toEqual([ALICE])
  expect(waiting.dueTs()).toBe(Infinity)
})

test('what is put back goes next and at once; a newer wish for the same user wins', () => {
  waiting.addLists()
  waiting.addPolls({ poll: [BOB, EVE], unpoll: [] })
  const taken = waiting.take(0)
  waiting.addPolls({ poll: [], unpoll: [BOB] })
  waiting.putBack({ ...taken, users: [ALICE] })
  expect(waiting.dueTs()).toBe(0)
  expect(waiting.take(0)).toEqual({
    lists: true,
    users: [ALICE],
    polls: new Map([
      [BOB, false],
      [EVE, true],
    ]),
  })
})

test('P-203 what is discarded is presence and polls; lists stay', () => {
  waiting.addChanged([ALICE])
  waiting.addAsked([BOB])
  waiting.addPolls({ poll: [EVE], unpoll: [] })
  waiting.addLists()
  expect(waiting.discard()).toEqual([BOB, ALICE])
  expect(waiting.take(0)).toEqual({ ...NOTHING, lists: true })
})
