import { describe, expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { systemRandom } from '../base/random.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createPersist, loadPresence, PUBLISHED_INTERVAL_MS } from './persist.ts'

const INTERVAL_MS = 60_000

function row(name: string, statusMsg: string | null = null): Row<'presence'> {
  return {
    userId: `@${name}:home.example` as UserId,
    state: 'online',
    statusMsg,
    lastActiveTs: 5,
    hidden: 0,
    hiddenBy: null,
    currentlyActive: 0,
    refreshedTs: null,
  }
}

function world(store: Pick<Store, 'commit'> = createMemoryStore()) {
  const clock = new ManualClock()
  const errors: string[] = []
  const note = (_: unknown, message: string): void => void errors.push(message)
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const persist = createPersist({ store, clock, log, intervalMs: INTERVAL_MS, head: () => 42 })
  return { clock, errors, persist }
}

/** A store that fails while told to, and counts what it was given. */
function flakyStore() {
  const commits: Write[][] = []
  const state = { fails: false, running: 0 }
  return {
    commits,
    state,
    async commit(writes: readonly Write[]): Promise<void> {
      state.running += 1
      expect(state.running, 'commits at once').toBe(1)
      await settle(1)
      state.running -= 1
      if (state.fails) throw new Error('disk full')
      commits.push([...writes])
    },
    rows: (): string[] =>
      commits
        .flat()
        .flatMap((write) => ('put' in write && write.put === 'presence' ? [write.row.statusMsg ?? ''] : [])),
  }
}

describe('write-behind', () => {
  test('a row is on disk after the interval, not before, the newest of a user only', async () => {
    const store = createMemoryStore()
    const { clock, persist } = world(store)
    persist.add(row('alice', 'one'), true)
    persist.add(row('alice', 'two'), true)
    await clock.advance(PUBLISHED_INTERVAL_MS - 1)
    expect(await store.all('presence')).toEqual([])
    await clock.advance(1)
    expect(await store.all('presence')).toEqual([row('alice', 'two')])
    expect(await store.meta('presence_seq')).toBe('42')
  })

  test('an activity that nobody was told of waits longer, but not when something else is written', async () => {
    const store = flakyStore()
    const { clock, persist } = world(store)
    persist.add(row('alice', 'quiet'), false)
    await clock.advance(INTERVAL_MS - 1)
    expect(store.rows()).toEqual([])
    await clock.advance(1)
    expect(store.rows()).toEqual(['quiet'])
    persist.add(row('alice', 'quiet again'), false)
    persist.add(row('bob', 'told'), true)
    await clock.advance(PUBLISHED_INTERVAL_MS)
    expect(store.rows()).toEqual(['quiet', 'quiet again', 'told'])
    expect(clock.timers).toBe(0)
  })

  test('who is dropped is gone after the interval, and comes back with a newer row', async () => {
    const store = createMemoryStore()
    const { clock, persist } = world(store)
    persist.add(row('zoe'), true)
    persist.drop(row('zoe').userId)
    persist.add(row('alice'), true)
    await persist.flush()
    expect(await store.all('presence')).toEqual([row('alice')])
    persist.drop(row('alice').userId)
    await clock.advance(INTERVAL_MS)
    expect(await store.all('presence')).toEqual([])
    persist.drop(row('alice').userId)
    persist.add(row('alice', 'again'), true)
    await persist.flush()
    expect(await store.all('presence')).toEqual([row('alice', 'again')])
  })

  test('L-18 at rest there is no timer and no commit', async () => {
    const store = flakyStore()
    const { clock, persist } = world(store)
    persist.add(row('alice'), true)
    await clock.advance(PUBLISHED_INTERVAL_MS)
    expect(clock.timers).toBe(0)
    await clock.advance(60 * 60_000)
    expect(store.commits).toHaveLength(1)
  })

  test('flush waits for what is being written and for what was added meanwhile', async () => {
    const store = flakyStore()
    const { persist } = world(store)
    persist.add(row('alice', 'a'), true)
    const first = persist.flush()
    await Promise.resolve()
    persist.add(row('bob', 'b'), true)
    const second = persist.flush()
    const third = persist.flush()
    await Promise.all([first, second, third])
    expect(store.rows()).toEqual(['a', 'b'])
    expect(store.commits.length).toBeLessThanOrEqual(2)
  })

  test('many who flush in one moment share one commit', async () => {
    const store = flakyStore()
    const { persist } = world(store)
    await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        persist.add(row(`u${i}`), true)
        return persist.flush()
      }),
    )
    expect(store.commits.length).toBeLessThanOrEqual(2)
    expect(store.rows()).toHaveLength(50)
  })

  test('what could not be stored is tried again, and a newer row of the user wins', async () => {
    const store = flakyStore()
    const { clock, persist, errors } = world(store)
    store.state.fails = true
    persist.add(row('alice', 'old'), true)
    persist.add(row('bob', 'kept'), true)
    const failing = persist.flush()
    await Promise.resolve()
    persist.add(row('alice', 'new'), true)
    await expect(failing).rejects.toThrow('disk full')
    await clock.advance(PUBLISHED_INTERVAL_MS)
    expect(errors).toHaveLength(1)
    store.state.fails = false
    await clock.advance(PUBLISHED_INTERVAL_MS)
    expect(store.rows().toSorted()).toEqual(['kept', 'new'])
  })

  test('big batches are cut, so that others get their turn', async () => {
    const store = flakyStore()
    const { persist } = world(store)
    for (let i = 0; i < 2_500; i += 1) persist.add(row(`u${i}`), true)
    await persist.flush()
    expect(store.commits.map((writes) => writes.length)).toEqual([1_001, 1_001, 501])
  })
})

describe('the epoch', () => {
  const random = systemRandom()

  test('P-097 survives a clean shutdown, with the sequence number', async () => {
    const store = createMemoryStore()
    const first = await loadPresence({ store, random })
    const { persist } = world(store)
    persist.add(row('alice'), true)
    await persist.close()
    const second = await loadPresence({ store, random })
    expect(second).toEqual({ epoch: first.epoch, head: 42, rows: [row('alice')] })
  })

  test('P-097 changes after an unclean end, also when a clean one came before', async () => {
    const store = createMemoryStore()
    const first = await loadPresence({ store, random })
    await world(store).persist.close()
    const second = await loadPresence({ store, random })
    const third = await loadPresence({ store, random })
    expect(second.epoch).toBe(first.epoch)
    expect(third.epoch).not.toBe(first.epoch)
  })

  test('P-097 is one that a sync token can carry', async () => {
    const { epoch, head } = await loadPresence({ store: createMemoryStore(), random })
    expect(epoch).toMatch(/^[A-Za-z0-9]{1,32}$/)
    expect(head).toBe(0)
  })

  test('a shutdown that could not write everything is not clean', async () => {
    const store = flakyStore()
    const { persist } = world(store)
    persist.add(row('alice'), true)
    store.state.fails = true
    await expect(persist.close()).rejects.toThrow('disk full')
    expect(store.commits).toEqual([])
  })
})
