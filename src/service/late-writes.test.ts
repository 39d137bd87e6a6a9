import { expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { Write } from '../ports/store.ts'
import { LateWrites } from './late-writes.ts'

const peer = (name: string, heardTs: number): Write => ({
  put: 'listPeers',
  row: { serverName: name as ServerName, heardTs },
})

function world() {
  const clock = new ManualClock()
  const commits: (readonly Write[])[] = []
  const errors: string[] = []
  const answers: PromiseWithResolvers<void>[] = []
  const store = {
    commit(writes: readonly Write[]): Promise<void> {
      commits.push(writes)
      const answer = Promise.withResolvers<void>()
      answers.push(answer)
      return answer.promise
    },
  }
  const writes = new LateWrites({ store, clock, log: { error: (_, message) => void errors.push(message) } })
  const answer = async (fault?: Error): Promise<void> => {
    const next = answers.shift()
    if (fault === undefined) next?.resolve()
    else next?.reject(fault)
    await settle()
  }
  return { clock, commits, errors, writes, answer }
}

test('the first write begins at once; while it runs the newest of each row waits', async () => {
  const { commits, writes, answer } = world()
  writes.add('a', peer('a', 1))
  expect(commits).toEqual([[peer('a', 1)]])
  writes.add('a', peer('a', 2))
  writes.add('b', peer('b', 2))
  writes.add('a', peer('a', 3))
  expect(commits).toHaveLength(1)
  await answer()
  expect(commits[1]).toEqual([peer('b', 2), peer('a', 3)])
  await answer()
  expect(commits).toHaveLength(2)
})

test('what failed is tried again, but for rows that were written anew meanwhile', async () => {
  const { clock, commits, errors, writes, answer } = world()
  writes.add('a', peer('a', 1))
  writes.add('b', peer('b', 1))
  await answer()
  writes.add('a', peer('a', 2))
  await answer(new Error('disk full'))
  expect(errors).toHaveLength(1)
  expect(clock.timers).toBe(1)
  await clock.advance(5_000)
  expect(commits.at(-1)?.toSorted((x, y) => JSON.stringify(x).localeCompare(JSON.stringify(y)))).toEqual([
    peer('a', 2),
    peer('b', 1),
  ])
  await answer()
  expect(clock.timers).toBe(0)
})

test('while the store fails nothing is tried but by the timer', async () => {
  const { clock, commits, writes, answer } = world()
  writes.add('a', peer('a', 1))
  await answer(new Error('disk full'))
  for (let i = 0; i < 100; i += 1) writes.add(`row ${i}`, peer('x', i))
  expect(commits).toHaveLength(1)
  await clock.advance(5_000)
  expect(commits).toHaveLength(2)
  expect(commits[1]).toHaveLength(101)
})

test('closing waits for what is under way, and writes what waits', async () => {
  const { clock, commits, writes, answer } = world()
  writes.add('a', peer('a', 1))
  writes.add('b', peer('b', 1))
  let closed = false
  void writes.close().then(() => (closed = true))
  await settle()
  expect(closed).toBe(false)
  await answer()
  expect(commits).toHaveLength(2)
  await answer(new Error('disk full'))
  expect(closed).toBe(true)
  expect(clock.timers).toBe(0)
})

test('closing writes what waits for another try', async () => {
  const { clock, commits, writes, answer } = world()
  writes.add('a', peer('a', 1))
  await answer(new Error('disk full'))
  const closing = writes.close()
  expect(commits).toHaveLength(2)
  await answer()
  await closing
  expect(clock.timers).toBe(0)
})

test('a write is begun whenever it comes, also while the one before ends', async () => {
  for (let turns = 0; turns < 10; turns += 1) {
    const stored: Write[] = []
    const commit = async (writes: readonly Write[]): Promise<void> => void stored.push(...writes)
    const writes = new LateWrites({ store: { commit }, clock: new ManualClock(), log: { error: () => {} } })
    writes.add('a', peer('a', 1))
    for (let i = 0; i < turns; i += 1) await Promise.resolve()
    writes.add('b', peer('b', 1))
    await settle()
    expect(stored).toEqual([peer('a', 1), peer('b', 1)])
  }
})
