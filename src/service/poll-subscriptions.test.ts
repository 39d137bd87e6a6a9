import { expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { PeerLoop } from '../../test/support/peer-loop.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { Row } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createPollSubscriptions, POLL_SILENCE_MAX_MS } from './poll-subscriptions.ts'

const HOUR = 3_600_000
const REMOTE = 'remote' as ServerName
const ALICE = '@alice:hs' as UserId
const BOB = '@bob:hs' as UserId
const ZOE = '@zoe:remote' as UserId

function world(options: { store?: ReturnType<typeof createMemoryStore>; max?: number } = {}) {
  const { store = createMemoryStore(), max = 100 } = options
  const clock = new ManualClock()
  const loop = new PeerLoop('hs')
  loop.grants = [
    [ZOE, ALICE],
    [ZOE, BOB],
  ]
  const heard = new Map([[REMOTE, clock.now()]])
  let commits = 0
  const counted = {
    all: store.all.bind(store),
    commit: async (writes: Parameters<typeof store.commit>[0]) => {
      commits += 1
      await store.commit(writes)
    },
  }
  const polls = createPollSubscriptions({
    store: counted,
    clock,
    log: { error: () => {} },
    loop,
    heardTs: (server) => heard.get(server) ?? null,
    subscriptionsMax: max,
  })
  const rows = async (): Promise<Row<'polls'>[]> => {
    await settle()
    return (await store.all('polls')).toSorted((a, b) => a.userId.localeCompare(b.userId))
  }
  return { store, clock, loop, heard, polls, rows, commits: () => commits }
}

const row = (userId: UserId, wanted: 0 | 1): Row<'polls'> => ({ serverName: REMOTE, userId, wanted })

test('P-182 poll and unpoll are differences: each changes its own user and leaves the others', async () => {
  const { polls, loop, rows } = world()
  expect(polls.ask(REMOTE, ALICE, true)).toBe(true)
  expect(polls.ask(REMOTE, BOB, true)).toBe(true)
  expect(polls.ask(REMOTE, ALICE, false)).toBe(true)
  expect(await rows()).toEqual([row(ALICE, 0), row(BOB, 1)])
  expect(loop.followedBy(REMOTE)).toEqual([BOB])
  expect(polls.ask(REMOTE, ALICE, true)).toBe(true)
  expect(await rows()).toEqual([row(ALICE, 1), row(BOB, 1)])
  expect(loop.followedBy(REMOTE)).toEqual([ALICE, BOB])
})

test('what is asked again is no news and writes nothing', async () => {
  const { polls, commits, rows } = world()
  polls.ask(REMOTE, ALICE, true)
  await rows()
  expect(polls.ask(REMOTE, ALICE, true)).toBe(false)
  await rows()
  expect(commits()).toBe(1)
})

test('P-179 a subscription survives a restart, and so does its end', async () => {
  const { store, polls } = world()
  polls.ask(REMOTE, ALICE, true)
  polls.ask(REMOTE, BOB, false)
  await polls.close()
  const next = world({ store })
  expect(next.loop.followedBy(REMOTE)).toEqual([ALICE, BOB])
  await next.polls.restore()
  expect(next.loop.followedBy(REMOTE)).toEqual([ALICE])
  expect(next.polls.ask(REMOTE, ALICE, true)).toBe(false)
  expect(next.polls.ask(REMOTE, BOB, true)).toBe(true)
})

test('§5.6 a subscription that nothing justifies any more is forgotten within the hour', async () => {
  const { clock, loop, polls, rows } = world()
  polls.ask(REMOTE, ALICE, true)
  polls.ask(REMOTE, BOB, false)
  loop.grants = [[ZOE, ALICE]]
  await clock.advance(HOUR)
  expect(await rows()).toEqual([row(ALICE, 1)])
  // Nothing is left of the `unpoll`: who is granted anew is followed.
  loop.grants = [[ZOE, BOB]]
  expect(loop.followedBy(REMOTE)).toEqual([BOB])
  await clock.advance(HOUR)
  expect(await rows()).toEqual([])
  expect(clock.timers).toBe(0)
})

test('§5.6 a common room is reason enough', async () => {
  const { clock, loop, polls, rows } = world()
  polls.ask(REMOTE, ALICE, true)
  loop.grants = []
  loop.rooms = [[ALICE, ZOE]]
  await clock.advance(HOUR)
  expect(await rows()).toEqual([row(ALICE, 1)])
})

test('§5.6 after seven days without any message the peer follows nobody', async () => {
  const { clock, heard, loop, polls, rows } = world()
  polls.ask(REMOTE, ALICE, true)
  await clock.advance(POLL_SILENCE_MAX_MS - HOUR)
  expect(await rows()).toEqual([row(ALICE, 1)])
  heard.set(REMOTE, clock.now())
  await clock.advance(POLL_SILENCE_MAX_MS - HOUR)
  expect(await rows()).toEqual([row(ALICE, 1)])
  await clock.advance(HOUR)
  expect(await rows()).toEqual([row(ALICE, 0)])
  expect(loop.followedBy(REMOTE)).toEqual([BOB])
  expect(polls.ask(REMOTE, ALICE, true)).toBe(true)
})

test('what a server asked that is no peer any more is forgotten', async () => {
  const { clock, heard, polls, rows } = world()
  polls.ask(REMOTE, ALICE, false)
  heard.delete(REMOTE)
  await clock.advance(HOUR)
  expect(await rows()).toEqual([])
})

test('full, it forgets what is asked anew, and who is not unpolled stays followed', async () => {
  const { loop, polls, rows } = world({ max: 1 })
  polls.ask(REMOTE, ALICE, true)
  expect(polls.ask(REMOTE, BOB, false)).toBe(false)
  expect(await rows()).toEqual([row(ALICE, 1)])
  expect(loop.followedBy(REMOTE)).toEqual([ALICE, BOB])
  expect(polls.ask(REMOTE, ALICE, false)).toBe(true)
  polls.drop(REMOTE, ALICE)
  expect(polls.ask(REMOTE, BOB, false)).toBe(true)
  expect(await rows()).toEqual([row(BOB, 0)])
})

test('a sweep looks at a thousand subscriptions at a time', async () => {
  const { clock, loop, polls } = world({ max: 10_000 })
  let looks = 0
  loop.serverSees = () => {
    looks += 1
    return true
  }
  for (let i = 0; i < 2_500; i += 1) polls.ask(REMOTE, `@user${i}:hs` as UserId, true)
  await clock.advance(HOUR)
  expect(looks).toBe(1_000)
  await clock.advance(10_000)
  expect(looks).toBe(2_500)
  await clock.advance(HOUR)
  expect(looks).toBeGreaterThan(2_500)
  await polls.close()
  expect(clock.timers).toBe(0)
})
