import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RecentLog } from './recent-log.ts'

interface Entry {
  readonly seq: number
  readonly text: string
}

function logOf(max: number, ...seqs: number[]): RecentLog<Entry> {
  const log = new RecentLog<Entry>(max)
  for (const seq of seqs) log.push({ seq, text: `entry ${seq}` })
  return log
}

const seqsSince = (log: RecentLog<Entry>, seq: number): number[] => log.since(seq).map((entry) => entry.seq)

describe('RecentLog', () => {
  test('gives what is above a number, oldest first', () => {
    const log = logOf(10, 2, 4, 4, 9)
    expect(seqsSince(log, 0)).toEqual([2, 4, 4, 9])
    expect(seqsSince(log, 2)).toEqual([4, 4, 9])
    expect(seqsSince(log, 3)).toEqual([4, 4, 9])
    expect(seqsSince(log, 4)).toEqual([9])
    expect(seqsSince(log, 9)).toEqual([])
    expect(log.covers(0)).toBe(true)
  })

  test('knows nothing and has forgotten nothing at first', () => {
    const log = logOf(3)
    expect([log.since(0), log.covers(0)]).toEqual([[], true])
  })

  test('forgets the older half when it is too full, and says so', () => {
    const log = logOf(4, 1, 2, 3, 4)
    expect(log.covers(0)).toBe(true)
    log.push({ seq: 5, text: 'one too many' })
    expect(seqsSince(log, 0)).toEqual([3, 4, 5])
    expect([log.covers(1), log.covers(2)]).toEqual([false, true])
  })

  test('what it covers it knows, and it never holds more than it may', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(3), { maxLength: 60 }), (max, steps) => {
        const log = new RecentLog<Entry>(max)
        const all: number[] = []
        let seq = 1
        for (const step of steps) {
          seq += step
          all.push(seq)
          log.push({ seq, text: '' })
          expect(log.since(-1).length).toBeLessThanOrEqual(max)
          expect(seqsSince(log, -1).at(-1)).toBe(seq)
          for (let since = 0; since <= seq; since += 1)
            if (log.covers(since)) expect(seqsSince(log, since)).toEqual(all.filter((one) => one > since))
        }
      }),
    )
  })
})
