import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Deadlines } from './deadlines.ts'

const START = Date.UTC(2015, 9, 2)

describe('Deadlines', () => {
  test('gives back what is due, earliest first, and nothing early', () => {
    const deadlines = new Deadlines()
    deadlines.set(3, START + 5_000)
    deadlines.set(1, START + 4_999)
    deadlines.set(2, START + 5_000)
    expect(deadlines.next()).toBe(START + 4_999)
    expect(deadlines.take(START + 4_998)).toEqual([])
    expect(deadlines.take(START + 5_000)).toEqual([1, 2, 3])
    expect(deadlines.next()).toBeNull()
  })

  test('a deadline far beyond the wheel does not hide a nearer one that is set later', () => {
    const deadlines = new Deadlines()
    deadlines.set(1, START + 86_400_000)
    expect(deadlines.next()).toBe(START + 86_400_000)
    deadlines.set(2, START + 1_000)
    expect(deadlines.next()).toBe(START + 1_000)
    expect(deadlines.take(START + 86_400_000)).toEqual([2, 1])
  })

  test('an overdue deadline is taken at once', () => {
    const deadlines = new Deadlines()
    expect(deadlines.take(START)).toEqual([])
    deadlines.set(1, 0)
    expect(deadlines.next()).toBe(0)
    expect(deadlines.take(START)).toEqual([1])
  })

  test('clearing is forgetting', () => {
    const deadlines = new Deadlines()
    deadlines.set(200, START)
    deadlines.clear(200)
    deadlines.clear(7)
    expect([deadlines.size, deadlines.get(200), deadlines.next()]).toEqual([0, null, null])
  })

  test('agrees with a plain map through any history', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('set' as const),
        id: fc.nat(30),
        in: fc.integer({ min: -5_000, max: 4_000_000 }),
      }),
      fc.record({ kind: fc.constant('clear' as const), id: fc.nat(30) }),
      fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(2_000_000) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, asksNext) => {
        const deadlines = new Deadlines()
        const model = new Map<number, number>()
        let now = START
        for (const action of steps) {
          if (action.kind === 'set') {
            deadlines.set(action.id, now + action.in)
            model.set(action.id, now + action.in)
          } else if (action.kind === 'clear') {
            deadlines.clear(action.id)
            model.delete(action.id)
          } else {
            now += action.ms
            const due = [...model].filter(([, at]) => at <= now).sort(([a, x], [b, y]) => x - y || a - b)
            for (const [id] of due) model.delete(id)
            expect(deadlines.take(now)).toEqual(due.map(([id]) => id))
          }
          const earliest = Math.min(...model.values())
          expect(deadlines.bound).toBeLessThanOrEqual(earliest)
          if (asksNext) expect(deadlines.next()).toBe(model.size === 0 ? null : earliest)
          if (asksNext) expect(deadlines.bound).toBe(earliest)
          expect(deadlines.size).toBe(model.size)
        }
      }),
      { numRuns: 500 },
    )
  })
})
