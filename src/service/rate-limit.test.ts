import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { MatrixError } from '../matrix/errors.ts'
import { createRateLimits } from './rate-limit.ts'

function setUp(limit = { burst: 3, perSecond: 2 }, enabled = true, keysMax = 100) {
  const clock = new ManualClock()
  const limits = createRateLimits({ clock, limits: { presence: limit, login: limit }, enabled, keysMax })
  const granted = (key: string, tries: number) =>
    Array.from({ length: tries }, () => limits.tryTake('presence', key)).filter(Boolean).length
  return { clock, limits, granted }
}

function refusalOf(run: () => void): MatrixError {
  try {
    run()
  } catch (error) {
    if (error instanceof MatrixError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('rate limits', () => {
  test('P-012 P-027 beyond the burst the answer is 429 with the time to wait', async () => {
    const { clock, limits } = setUp()
    for (let i = 0; i < 3; i += 1) limits.take('presence', '@a:hs')
    const refusal = refusalOf(() => limits.take('presence', '@a:hs'))
    expect(refusal.status).toBe(429)
    expect(refusal.toBody()).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 500 })
    await clock.advance(499)
    expect(refusalOf(() => limits.take('presence', '@a:hs')).extra).toEqual({ retry_after_ms: 1 })
    await clock.advance(1)
    limits.take('presence', '@a:hs')
  })

  test('P-012 what costs more takes more', async () => {
    const { limits, granted } = setUp()
    limits.take('presence', '@a:hs', 2)
    expect(granted('@a:hs', 5)).toBe(1)
    expect(granted('@b:hs', 5)).toBe(3)
  })

  test('P-012 what costs more than is left passes, and is paid off afterwards', async () => {
    const { clock, limits, granted } = setUp()
    limits.take('presence', '@a:hs', 7)
    expect(refusalOf(() => limits.take('presence', '@a:hs', 7)).extra).toEqual({ retry_after_ms: 2_500 })
    expect(refusalOf(() => limits.check('presence', '@a:hs')).extra).toEqual({ retry_after_ms: 2_500 })
    await clock.advance(2_499)
    expect(granted('@a:hs', 1)).toBe(0)
    await clock.advance(1)
    expect(granted('@a:hs', 5)).toBe(1)
  })

  test('P-093 trying is answered and never thrown', () => {
    const { granted } = setUp()
    expect(granted('@a:hs', 50)).toBe(3)
  })

  test('keys and names have allowances of their own', () => {
    const { limits, granted } = setUp()
    expect(granted('@a:hs', 5)).toBe(3)
    expect(granted('@b:hs', 5)).toBe(3)
    expect(limits.tryTake('login', '@a:hs')).toBe(true)
  })

  test('switched off, nothing is refused', () => {
    expect(setUp({ burst: 1, perSecond: 1 }, false).granted('@a:hs', 1_000)).toBe(1_000)
  })

  test('a limit that lets nothing pass is refused at the start', () => {
    expect(() => setUp({ burst: 0, perSecond: 1 })).toThrow('let something pass')
    expect(() => setUp({ burst: 1, perSecond: 0 })).toThrow('let something pass')
  })

  test('beyond the most keys the one served longest ago starts afresh', () => {
    const { granted } = setUp({ burst: 1, perSecond: 0.001 }, true, 3)
    for (const key of ['a', 'b', 'c', 'a']) granted(key, 1)
    expect(granted('d', 1)).toBe(1)
    expect([granted('b', 1), granted('c', 1), granted('d', 1)]).toEqual([0, 0, 0])
    expect(granted('a', 1)).toBe(1)
  })

  test('a key that is served again is not the one served longest ago', () => {
    const { granted } = setUp({ burst: 2, perSecond: 0.001 }, true, 3)
    for (const key of ['a', 'b', 'c', 'a', 'd']) granted(key, 1)
    expect([granted('a', 2), granted('c', 2), granted('d', 2)]).toEqual([0, 1, 1])
    expect(granted('b', 2)).toBe(2)
  })

  test('checking refuses as taking would, and takes nothing', () => {
    const { limits, granted } = setUp()
    for (let i = 0; i < 10; i += 1) limits.check('presence', '@a:hs')
    expect(granted('@a:hs', 5)).toBe(3)
    expect(refusalOf(() => limits.check('presence', '@a:hs')).extra).toEqual({ retry_after_ms: 500 })
    expect(() => setUp({ burst: 1, perSecond: 1 }, false).limits.check('login', 'x')).not.toThrow()
  })

  test('idle keys are forgotten, a few with each one served, long before there are too many', async () => {
    const { clock, limits, granted } = setUp({ burst: 1, perSecond: 1 })
    for (let i = 0; i < 10; i += 1) granted(`old ${i}`, 1)
    expect(limits.keyCount).toBe(10)
    await clock.advance(1_000)
    granted('new', 1)
    expect(limits.keyCount).toBe(9)
    for (let i = 0; i < 10; i += 1) granted(`new ${i}`, 1)
    expect(limits.keyCount).toBe(11)
  })

  test('idle keys make room before busy ones', async () => {
    const { clock, granted } = setUp({ burst: 1, perSecond: 1 }, true, 3)
    granted('old', 1)
    granted('older', 1)
    await clock.advance(1_000)
    for (const key of ['x', 'y', 'z']) expect(granted(key, 1)).toBe(1)
    for (const key of ['x', 'y', 'z']) expect(granted(key, 1)).toBe(0)
  })

  test('no window ever sees more than burst and rate allow, and patience is always rewarded', () => {
    const limit = fc.record({
      burst: fc.integer({ min: 1, max: 20 }),
      perSecond: fc.constantFrom(0.05, 0.3, 1, 3, 7, 50, 999),
    })
    const gaps = fc.array(fc.oneof(fc.constant(0), fc.nat(50), fc.nat(5_000)), { maxLength: 150 })
    fc.assert(
      fc.property(limit, gaps, (limit, gaps) => {
        let now = 1_000
        const limits = createRateLimits({
          clock: { now: () => now },
          limits: { x: limit },
          enabled: true,
          keysMax: 10,
        })
        const grants: number[] = []
        for (const gap of gaps) {
          now += gap
          if (limits.tryTake('x', 'key')) grants.push(now)
          else {
            const wait = refusalOf(() => limits.take('x', 'key')).extra['retry_after_ms'] as number
            now += wait
            expect(limits.tryTake('x', 'key')).toBe(true)
            grants.push(now)
          }
        }
        for (const [i, from] of grants.entries())
          for (const [j, to] of grants.slice(i).entries())
            expect(j + 1).toBeLessThanOrEqual(limit.burst + (limit.perSecond * (to - from)) / 1_000 + 1e-6)
      }),
    )
  })
})
