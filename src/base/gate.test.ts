import { expect, test } from 'vitest'
import { settle } from '../../test/support/manual-clock.ts'
import { Gate } from './gate.ts'

/** Work that ends when told, and notes what has begun. */
function jobs(gate: Gate) {
  const begun: number[] = []
  const ends: PromiseWithResolvers<void>[] = []
  const results: Promise<number | null>[] = []
  return {
    begun,
    ends,
    results,
    add: (): void => {
      const job = results.length
      const end = Promise.withResolvers<void>()
      ends.push(end)
      results.push(
        gate.run(async () => {
          begun.push(job)
          await end.promise
          return job
        }),
      )
    },
  }
}

test('as many run as may, the others in order of their coming, and beyond the bound none', async () => {
  const { begun, ends, results, add } = jobs(new Gate({ parallelMax: 2, waitingMax: 2 }))
  for (let i = 0; i < 5; i += 1) add()
  await settle()
  expect(begun).toEqual([0, 1])
  expect(await results[4]).toBeNull()
  ends[1]?.resolve()
  await settle()
  expect(begun).toEqual([0, 1, 2])
  ends[0]?.reject(new Error('it failed'))
  await expect(results[0]).rejects.toThrow('it failed')
  await settle()
  expect(begun).toEqual([0, 1, 2, 3])
  ends[2]?.resolve()
  ends[3]?.resolve()
  expect(await Promise.all(results.slice(1, 4))).toEqual([1, 2, 3])
  add()
  await settle()
  expect(begun).toEqual([0, 1, 2, 3, 5])
})

test('nobody who comes takes the place that was handed over', async () => {
  const { begun, ends, add } = jobs(new Gate({ parallelMax: 1, waitingMax: 10 }))
  add()
  add()
  ends[0]?.resolve()
  add()
  await settle()
  expect(begun).toEqual([0, 1])
})
