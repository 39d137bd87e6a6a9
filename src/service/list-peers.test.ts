import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { PeerLoop } from '../../test/support/peer-loop.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createListPeers, HEARD_WRITE_MS, type ListPeersDeps } from './list-peers.ts'

const SECOND = 1_000
const MINUTE = 60_000
const HOUR = 3_600_000
const REMOTE = 'remote' as ServerName
const OTHER = 'other' as ServerName
const ALICE = '@alice:hs' as UserId
const BOB = '@bob:hs' as UserId
const ZOE = '@zoe:remote' as UserId
const YVES = '@yves:remote' as UserId

interface Said {
  readonly at: number
  readonly server: ServerName
  readonly push: readonly UserId[]
  readonly poll: readonly UserId[]
}

/** Zoe and Alice follow each other, and Alice is there. */
function world(over: Partial<ListPeersDeps> & { store?: ReturnType<typeof createMemoryStore> } = {}) {
  const clock = new ManualClock()
  const store = over.store ?? createMemoryStore()
  const loop = new PeerLoop('hs')
  loop.grants = [
    [ZOE, ALICE],
    [ALICE, ZOE],
  ]
  loop.connected.add(ALICE)
  const start = clock.now()
  /** Reminders: what was said in one turn is one. */
  const said: Said[] = []
  const errors: string[] = []
  const say = (server: ServerName, what: Partial<Said>): void => {
    const last = said.at(-1)
    const at = clock.now() - start
    if (last?.at === at && last.server === server) said[said.length - 1] = { ...last, ...what }
    else said.push({ at, server, push: [], poll: [], ...what })
  }
  const peers = createListPeers({
    store,
    clock,
    random: { bytes: () => new Uint8Array(), int: () => 0, fraction: () => 0.5 },
    log: { error: (_, message) => void errors.push(message) },
    loop,
    destinations: {
      answerPresence: (server, userIds) => say(server, { push: [...userIds] }),
      offerPolls: (server, { poll, unpoll }) => {
        expect(unpoll).toEqual([])
        say(server, { poll })
      },
    },
    takes: true,
    tells: true,
    watchdogShortMs: MINUTE,
    watchdogLongMs: HOUR,
    peersMax: 100,
    ...over,
  })
  return { clock, store, loop, said, errors, peers, times: () => said.map(({ at }) => at) }
}

/** Something is heard every 30 seconds. */
async function chat(clock: ManualClock, forMs: number, hear: () => void): Promise<void> {
  for (let ms = 0; ms < forMs; ms += 30 * SECOND) {
    await clock.advance(30 * SECOND)
    hear()
  }
}

test('§1.1 a server is a peer from the first poll, unpoll or list EDU on, and stays one', async () => {
  const { store, loop, peers } = world()
  peers.heardFrom(REMOTE)
  peers.refreshed(REMOTE)
  peers.changed(REMOTE)
  peers.answered(REMOTE, { isOver: true })
  expect(peers.speaksLists(REMOTE)).toBe(false)
  peers.spoke(REMOTE)
  expect(peers.speaksLists(REMOTE)).toBe(true)
  expect([...loop.peers]).toEqual([REMOTE])
  await peers.close()
  const next = world({ store })
  await next.peers.restore()
  expect(next.peers.speaksLists(REMOTE)).toBe(true)
  expect([...next.loop.peers]).toEqual([REMOTE])
})

test('servers that are no peers are never reminded', async () => {
  const { clock, said, peers } = world()
  peers.heardFrom(REMOTE)
  peers.answered(REMOTE, { isOver: true })
  await clock.advance(24 * HOUR)
  expect(said).toEqual([])
  expect(clock.timers).toBe(0)
})

test('P-199 a silent peer is told all that it follows and asked for all that we follow, in one turn', async () => {
  const { clock, loop, said, peers } = world()
  loop.grants = [
    [ZOE, ALICE],
    [YVES, BOB],
    [ALICE, ZOE],
    [ALICE, YVES],
    [BOB, YVES],
  ]
  peers.spoke(REMOTE)
  await clock.advance(MINUTE - 1)
  expect(said).toEqual([])
  await clock.advance(1)
  expect(said).toEqual([{ at: MINUTE, server: REMOTE, push: [ALICE, BOB], poll: [ZOE, YVES] }])
})

test('P-183 P-192 whom nobody connected follows, or nobody any more, is not polled', async () => {
  const { clock, loop, said, peers } = world()
  loop.grants.push([BOB, YVES])
  peers.spoke(REMOTE)
  await clock.advance(MINUTE)
  loop.grants.splice(1, 1)
  peers.heardFrom(REMOTE)
  await clock.advance(2 * MINUTE)
  expect(said.map(({ poll }) => poll)).toEqual([[ZOE], []])
})

test('P-198 the short timer is put back by any message of the peer and by any answer', async () => {
  const { clock, said, peers } = world()
  peers.spoke(REMOTE)
  await chat(clock, 10 * MINUTE, () => peers.heardFrom(REMOTE))
  await chat(clock, 10 * MINUTE, () => peers.answered(REMOTE, { isOver: false }))
  expect(said).toEqual([])
  await clock.advance(MINUTE)
  expect(said).toHaveLength(1)
})

test('P-198 the long timer is put back by reminders and answers only', async () => {
  const { clock, peers, times } = world()
  peers.spoke(REMOTE)
  await chat(clock, 59 * MINUTE, () => peers.heardFrom(REMOTE))
  expect(times()).toEqual([])
  await chat(clock, MINUTE, () => peers.heardFrom(REMOTE))
  expect(times()).toEqual([HOUR])
  const next = world()
  next.peers.spoke(REMOTE)
  await chat(next.clock, 40 * MINUTE, () => next.peers.heardFrom(REMOTE))
  next.peers.refreshed(REMOTE)
  await chat(next.clock, 50 * MINUTE, () => next.peers.heardFrom(REMOTE))
  expect(next.times()).toEqual([])
  await chat(next.clock, 10 * MINUTE, () => next.peers.heardFrom(REMOTE))
  expect(next.times()).toEqual([100 * MINUTE])
})

test('P-198 P-199 the long timer of a peer that chats but tells no presence ends once an hour', async () => {
  const { clock, peers, times } = world()
  peers.spoke(REMOTE)
  await chat(clock, 4 * HOUR, () => peers.heardFrom(REMOTE))
  expect(times()).toEqual([HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR])
})

test('P-200 the long timers of peers are spread over ± 10 %', async () => {
  const { clock, loop, said, peers } = world({ random: seededRandom(7) })
  const servers = Array.from({ length: 50 }, (_, i) => `s${i}` as ServerName)
  loop.grants = servers.map((server) => [`@a:${server}` as UserId, ALICE])
  for (const server of servers) peers.spoke(server)
  const chatAll = (): void => {
    for (const server of servers) peers.heardFrom(server)
  }
  await chat(clock, 54 * MINUTE - 30 * SECOND, chatAll)
  expect(said).toEqual([])
  await chat(clock, 13 * MINUTE, chatAll)
  expect(new Set(said.map(({ server }) => server)).size).toBe(50)
  expect(new Set(said.map(({ at }) => at)).size).toBeGreaterThan(40)
  const early = said.filter(({ at }) => at < HOUR).length
  expect(early).toBeGreaterThan(10)
  expect(early).toBeLessThan(40)
})

test('§5.7 the short timer doubles after each reminder that brought no change, up to the long one', async () => {
  const { clock, peers, said, times } = world()
  peers.spoke(REMOTE)
  for (let count = 1; count <= 12; count += 1) {
    while (said.length < count) await clock.advance(SECOND)
    peers.refreshed(REMOTE)
  }
  const gaps = times().map((at, i) => (at - (times()[i - 1] ?? 0)) / MINUTE)
  expect(gaps).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60])
})

test('§5.7 something changed: the short timer is short again', async () => {
  const { clock, peers, said } = world()
  peers.spoke(REMOTE)
  await clock.advance(MINUTE)
  peers.refreshed(REMOTE)
  await clock.advance(2 * MINUTE)
  peers.refreshed(REMOTE)
  expect(said).toHaveLength(2)
  await clock.advance(MINUTE)
  peers.changed(REMOTE)
  await clock.advance(MINUTE - 1)
  expect(said).toHaveLength(2)
  await clock.advance(1)
  expect(said).toHaveLength(3)
})

test('§5.7 two reminders in a row without an answer: the peer is down and left alone until it is heard', async () => {
  const { clock, peers, times } = world()
  peers.spoke(REMOTE)
  await clock.advance(24 * HOUR)
  expect(times()).toEqual([MINUTE, 3 * MINUTE])
  expect(clock.timers).toBe(0)
  peers.heardFrom(REMOTE)
  await clock.advance(MINUTE)
  expect(times()).toHaveLength(3)
})

test('§5.7 an answer to the second reminder is enough to stay up', async () => {
  const { clock, peers, times } = world()
  peers.spoke(REMOTE)
  await clock.advance(3 * MINUTE)
  peers.answered(REMOTE, { isOver: false })
  await clock.advance(4 * MINUTE)
  expect(times()).toEqual([MINUTE, 3 * MINUTE, 7 * MINUTE])
})

test('§5.9 P-203 an outage that is over is followed by one reminder', async () => {
  const { clock, peers, said } = world()
  peers.spoke(REMOTE)
  await clock.advance(24 * HOUR)
  said.length = 0
  peers.answered(REMOTE, { isOver: true })
  expect(said).toMatchObject([{ server: REMOTE, push: [ALICE], poll: [ZOE] }])
  peers.answered(REMOTE, { isOver: false })
  expect(said).toHaveLength(1)
  await clock.advance(MINUTE)
  expect(said).toHaveLength(1)
})

test('§5.7 without a subscription nothing is said, and no timer runs; with the first one it begins', async () => {
  const { clock, loop, peers, said } = world()
  const { grants } = loop
  loop.grants = []
  peers.spoke(REMOTE)
  await clock.advance(HOUR)
  expect(said).toEqual([])
  expect(clock.timers).toBe(0)
  loop.grants = grants
  peers.spoke(REMOTE)
  await clock.advance(MINUTE)
  expect(said).toHaveLength(1)
})

test.each([
  { takes: false, tells: true, push: [ALICE], poll: [] },
  { takes: true, tells: false, push: [], poll: [ZOE] },
])('with takes $takes and tells $tells the other half is left out', async ({ takes, tells, push, poll }) => {
  const { clock, peers, said } = world({ takes, tells })
  peers.spoke(REMOTE)
  await clock.advance(MINUTE)
  expect(said).toMatchObject([{ push, poll }])
})

test('after a restart the peers are looked at in their own time', async () => {
  const before = world()
  const servers = Array.from({ length: 50 }, (_, i) => `s${i}` as ServerName)
  for (const server of servers) before.peers.spoke(server)
  await before.peers.close()
  const { clock, loop, peers, said } = world({ store: before.store, random: seededRandom(3) })
  loop.grants = servers.map((server) => [`@a:${server}` as UserId, ALICE])
  await peers.restore()
  expect(clock.timers).toBe(0)
  peers.begin()
  await clock.advance(2 * MINUTE)
  expect(said).toHaveLength(50)
  expect(said.every(({ at }) => at >= MINUTE)).toBe(true)
  expect(new Set(said.map(({ at }) => at)).size).toBeGreaterThan(45)
})

test('when a peer was heard is written once a day, and believed for as long after a restart', async () => {
  const { clock, store, peers } = world()
  const start = clock.now()
  const heardTs = async (): Promise<number | undefined> => {
    await settle()
    return (await store.all('listPeers'))[0]?.heardTs
  }
  peers.spoke(REMOTE)
  expect(await heardTs()).toBe(start)
  await clock.advance(HEARD_WRITE_MS - 1)
  peers.heardFrom(REMOTE)
  expect(await heardTs()).toBe(start)
  expect(peers.heardTs(REMOTE)).toBe(start + HEARD_WRITE_MS - 1)
  await clock.advance(1)
  peers.heardFrom(REMOTE)
  expect(await heardTs()).toBe(start + HEARD_WRITE_MS)
  await clock.advance(HEARD_WRITE_MS - 1)
  peers.heardFrom(REMOTE)
  const next = world({ store, clock })
  await next.peers.restore()
  expect(next.peers.heardTs(REMOTE)).toBe(clock.now())
  await clock.advance(10 * HEARD_WRITE_MS)
  const later = world({ store, clock })
  await later.peers.restore()
  expect(later.peers.heardTs(REMOTE)).toBe(start + 2 * HEARD_WRITE_MS)
  expect(later.peers.heardTs(OTHER)).toBeNull()
})

test('full, it forgets a peer without subscriptions, the longest known first', async () => {
  const { store, loop, peers } = world({ peersMax: 3 })
  loop.grants = [['@a:s0' as UserId, ALICE]]
  for (let i = 0; i < 5; i += 1) peers.spoke(`s${i}` as ServerName)
  await settle()
  expect((await store.all('listPeers')).map(({ serverName }) => serverName).toSorted()).toEqual([
    's0',
    's3',
    's4',
  ])
  expect(peers.speaksLists('s0' as ServerName)).toBe(true)
  expect(peers.speaksLists('s1' as ServerName)).toBe(false)
})

test('full of peers with subscriptions, it still takes no more than its bound', async () => {
  const { loop, peers, store } = world({ peersMax: 40 })
  loop.grants = Array.from({ length: 100 }, (_, i) => [`@a:s${i}` as UserId, ALICE])
  for (let i = 0; i < 100; i += 1) peers.spoke(`s${i}` as ServerName)
  await settle()
  expect(await store.all('listPeers')).toHaveLength(40)
  expect(peers.speaksLists('s99' as ServerName)).toBe(true)
})

test('a fault while a reminder is made is logged, and the next one comes', async () => {
  const { clock, loop, errors, said, peers } = world()
  const followedBy = loop.followedBy.bind(loop)
  loop.followedBy = () => {
    throw new Error('broken')
  }
  peers.spoke(REMOTE)
  await clock.advance(MINUTE)
  expect(errors).toHaveLength(1)
  loop.followedBy = followedBy
  await clock.advance(2 * MINUTE)
  expect(said).toHaveLength(1)
})

test('closed, it reminds nobody, whatever is heard', async () => {
  const { clock, peers, said } = world()
  peers.spoke(REMOTE)
  await peers.close()
  peers.heardFrom(REMOTE)
  peers.changed(REMOTE)
  expect(clock.timers).toBe(0)
  await clock.advance(HOUR)
  expect(said).toEqual([])
})

test('P-198 P-199 whatever is heard and when: reminders are a short interval apart from anything heard', async () => {
  const step = fc.record({
    what: fc.constantFrom('heardFrom', 'refreshed', 'changed', 'answered', 'nothing'),
    waitMs: fc.integer({ min: 1, max: 90 * MINUTE }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { clock, peers, times } = world({ random: seededRandom(1) })
      const start = clock.now()
      peers.spoke(REMOTE)
      const heard: number[] = [0]
      const refreshed: number[] = [0]
      for (const { what, waitMs } of steps) {
        await clock.advance(waitMs)
        if (what === 'nothing') continue
        if (what === 'answered') peers.answered(REMOTE, { isOver: false })
        else peers[what](REMOTE)
        heard.push(clock.now() - start)
        if (what === 'refreshed') refreshed.push(clock.now() - start)
      }
      await clock.advance(HOUR)
      const before = (marks: readonly number[], at: number): number =>
        Math.max(...marks.filter((mark) => mark < at))
      const reminders = times()
      for (const [i, at] of reminders.entries()) {
        // A reminder is due to silence, or to the long timer.
        const isShort = at - before(heard, at) >= MINUTE
        const isLong = at - before(refreshed, at) >= 54 * MINUTE
        expect(isShort || isLong).toBe(true)
        // Never three in a row without anything in between.
        const third = reminders[i + 2]
        if (third !== undefined) expect(heard.some((mark) => mark >= at && mark <= third)).toBe(true)
      }
      // Silence is noticed: within the hour after the last word something was said.
      expect(reminders.some((at) => at >= (heard.at(-1) ?? 0))).toBe(true)
      await peers.close()
    }),
    { numRuns: 60 },
  )
})
