import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ChangeLog } from './change-log.ts'
import type { UserNum } from './types.ts'

const user = (num: number): UserNum => num as UserNum
const [ALICE, BOB, CAROL] = [user(0), user(1), user(200)]

describe('ChangeLog', () => {
  test('goes on behind the number it is given', () => {
    const log = new ChangeLog(41)
    expect(log.head).toBe(41)
    expect([log.publish(ALICE, false), log.take(), log.publish(BOB, false)]).toEqual([42, 43, 44])
    expect(log.head).toBe(44)
  })

  test('P-083 has each user once, at the latest change, newest first', () => {
    const log = new ChangeLog(0)
    for (const one of [ALICE, BOB, CAROL, ALICE]) log.publish(one, false)
    expect([...log.changedSince(0)]).toEqual([ALICE, CAROL, BOB])
    expect([...log.changedSince(2)]).toEqual([ALICE, CAROL])
    expect([...log.changedSince(4)]).toEqual([])
    expect(log.seqOf(ALICE, false)).toBe(4)
  })

  test('P-110 a change for the own devices alone has no place for others', () => {
    const log = new ChangeLog(0)
    log.publish(ALICE, false)
    log.publish(BOB, false)
    log.publish(ALICE, true)
    expect([log.seqOf(ALICE, false), log.seqOf(ALICE, true)]).toEqual([1, 3])
    expect([...log.changedSince(2)]).toEqual([ALICE])
  })

  test('knows no place of who never changed', () => {
    const log = new ChangeLog(7)
    expect([log.seqOf(ALICE, false), log.seqOf(user(1e6), true), [...log.changedSince(0)]]).toEqual([
      0,
      0,
      [],
    ])
  })

  test('agrees with a plain list through any history', () => {
    const step = fc.oneof(
      fc.record({ user: fc.oneof(fc.nat(6), fc.nat(300)), isOwn: fc.boolean() }),
      fc.constant('take' as const),
    )
    fc.assert(
      fc.property(fc.nat(5), fc.array(step, { maxLength: 60 }), (head, steps) => {
        const log = new ChangeLog(head)
        let changes: { user: number; publicSeq: number; seq: number }[] = []
        let seq = head
        for (const action of steps) {
          seq += 1
          if (action === 'take') expect(log.take()).toBe(seq)
          else {
            expect(log.publish(user(action.user), action.isOwn)).toBe(seq)
            const before = changes.find((change) => change.user === action.user)
            const publicSeq = action.isOwn ? (before?.publicSeq ?? 0) : seq
            changes = [
              { user: action.user, publicSeq, seq },
              ...changes.filter((change) => change !== before),
            ]
          }
          for (let since = head - 1; since <= seq; since += 1) {
            const expected = changes.filter((change) => change.seq > since).map((change) => change.user)
            expect([...log.changedSince(since)]).toEqual(expected)
          }
          for (const change of changes) {
            expect(log.seqOf(user(change.user), false)).toBe(change.publicSeq)
            expect(log.seqOf(user(change.user), true)).toBe(change.seq)
          }
        }
        expect(log.head).toBe(seq)
      }),
    )
  })
})
