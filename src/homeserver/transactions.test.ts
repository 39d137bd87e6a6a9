import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { as } from '../../test/support/room-house.ts'
import type { JsonObject } from '../matrix/json.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createTransactions, type Remember, type Transactions } from './transactions.ts'

const TTL = 24 * 3_600_000

function someTransactions(): {
  readonly transactions: Transactions
  readonly clock: ManualClock
  readonly perform: (remember: Remember) => Promise<JsonObject>
  readonly store: ReturnType<typeof createMemoryStore>
} {
  const store = createMemoryStore()
  const clock = new ManualClock()
  let count = 0
  const perform = async (remember: Remember): Promise<JsonObject> => {
    count += 1
    const answer = { count }
    await store.commit([remember(answer)])
    return answer
  }
  return { transactions: createTransactions({ store, clock, txnTtlMs: TTL }), clock, perform, store }
}

test('R-146 an answer is remembered for its time, and then forgotten', async () => {
  const { transactions, clock, perform } = someTransactions()
  const once = (): Promise<JsonObject> => transactions.once(as('alice'), 'PUT /t', perform)
  expect(await once()).toEqual({ count: 1 })
  await clock.advance(TTL)
  expect(await once()).toEqual({ count: 1 })
  await clock.advance(1)
  expect(await once()).toEqual({ count: 2 })
})

test('old answers are swept out with later requests', async () => {
  const { transactions, clock, perform, store } = someTransactions()
  const { userId, deviceId } = as('alice')
  await transactions.once(as('alice'), 'PUT /old', perform)
  await clock.advance(TTL + 1)
  await transactions.once(as('alice'), 'PUT /new', perform)
  expect(await store.transaction(userId, deviceId, 'PUT /old')).toBeNull()
  expect(await store.transaction(userId, deviceId, 'PUT /new')).not.toBeNull()
})

test('R-146 a failure is shared with those who wait, and not remembered', async () => {
  const { transactions, perform } = someTransactions()
  const fails = (): Promise<JsonObject> => Promise.reject(new Error('no'))
  const outcomes = await Promise.allSettled([
    transactions.once(as('alice'), 'PUT /t', fails),
    transactions.once(as('alice'), 'PUT /t', perform),
  ])
  expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(await transactions.once(as('alice'), 'PUT /t', perform)).toEqual({ count: 1 })
})

test('R-147 R-148 the device is part of the key, and the user is', async () => {
  const { transactions, perform } = someTransactions()
  expect(await transactions.once(as('alice', 'A'), 'PUT /t', perform)).toEqual({ count: 1 })
  expect(await transactions.once(as('alice', 'B'), 'PUT /t', perform)).toEqual({ count: 2 })
  expect(await transactions.once(as('bob', 'A'), 'PUT /t', perform)).toEqual({ count: 3 })
  expect(await transactions.once(as('alice', 'A'), 'PUT /t', perform)).toEqual({ count: 1 })
})
