import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { backOffMs } from './back-off.ts'

const BACK_OFF = { retryMinMs: 5_000, retryMaxMs: 3_600_000 }

test('P-202 the wait doubles from the minimum to the maximum, ± 20 %, and never overflows', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10_000 }), fc.nat(), (failures, seed) => {
      const ms = backOffMs(failures, BACK_OFF, seededRandom(seed))
      const middle = Math.min(5_000 * 2 ** (failures - 1), 3_600_000)
      expect(ms).toBeGreaterThanOrEqual(middle * 0.8 - 1)
      expect(ms).toBeLessThanOrEqual(middle * 1.2 + 1)
    }),
  )
})

test('P-202 servers that failed together are not tried again together', () => {
  const waits = Array.from({ length: 100 }, (_, seed) => backOffMs(10, BACK_OFF, seededRandom(seed)))
  expect(new Set(waits).size).toBeGreaterThan(90)
  expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(0.3 * 2_560_000)
})
