import { afterEach, describe, expect, test } from 'vitest'
import { tellStory, type Client, type Story } from '../support/story.ts'
import type { ServerOptions } from '../support/server.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const BUSY = 'org.matrix.msc3026.busy'

let story: Story
let alice: Client
let bob: Client
let room: string

async function begins(options: ServerOptions = {}): Promise<void> {
  story = await tellStory(options)
  alice = await story.person('alice')
  bob = await story.person('bob')
  room = await story.meet(alice, bob)
  await story.passes(10 * MINUTE)
}

afterEach(() => story.ends())

/**
 * The moments, in seconds, at which Bob was told of Alice while the time passed. Whoever hears at 60 heard within a tenth of a
 * second around it: timers may be late by that.
 */
async function toldWhile(ms: number): Promise<[seconds: number, words: string][]> {
  const start = story.server.clock.now()
  const told: [number, string][] = []
  const listen = async (until: number, named: number): Promise<void> => {
    await story.passes(start + until - story.server.clock.now())
    for (const words of bob.hears(alice)) told.push([named / SECOND, words])
  }
  for (let at = 5 * SECOND; at <= ms; at += 5 * SECOND) {
    await listen(at - 100, at - 100)
    await listen(at + 100, at)
  }
  return told
}

describe('every timer, to the second', () => {
  test('P-132 P-142 P-134 L-13 a minute active, five minutes online, half a minute of grace', async () => {
    await begins()
    await bob.opens({ set_presence: 'unavailable' })
    await alice.opens()
    await story.rest()
    expect(bob.hears(alice)).toEqual(['online, active'])
    const told = await toldWhile(10 * MINUTE)
    expect(told).toEqual([
      [60, 'online'],
      [300, 'unavailable'],
    ])
    alice.closes()
    expect(await toldWhile(10 * MINUTE)).toEqual([[30, 'offline']])
  })

  test('P-133 P-142 L-13 an hour of busy', async () => {
    await begins({ config: { presence: { busy: true } } })
    await bob.opens({ set_presence: 'unavailable' })
    await alice.opens()
    await alice.actor.sets(BUSY)
    alice.closes()
    await story.rest()
    bob.hears(alice)
    expect(await toldWhile(2 * HOUR)).toEqual([
      [60, BUSY],
      [3600, 'offline'],
    ])
  })

  test('P-132 P-134 P-142 L-13 the times are those of the configuration', async () => {
    await begins({
      config: {
        presence: { idle_timeout: '2m', last_active_granularity: '20s', sync_online_timeout: '10s' },
      },
    })
    await bob.opens({ set_presence: 'unavailable' })
    await alice.opens()
    await story.rest()
    bob.hears(alice)
    expect(await toldWhile(3 * MINUTE)).toEqual([
      [20, 'online'],
      [120, 'unavailable'],
    ])
    alice.closes()
    expect(await toldWhile(MINUTE)).toEqual([[10, 'offline']])
  })
})

describe('a working day', () => {
  test('P-130 P-135 P-142 P-143 L-01 L-22 eight hours: three tellings for each thing she does, and she never seems to leave', async () => {
    await begins()
    await bob.opens({ set_presence: 'unavailable' })
    await alice.opens()
    await story.passes(10 * MINUTE)
    bob.hears(alice)
    for (let doings = 0; doings < 8 * 3; doings += 1) {
      await alice.actor.says(room, `thought ${doings}`)
      await story.rest()
      expect(bob.hears(alice)).toEqual(['online, active'])
      expect(await toldWhile(20 * MINUTE)).toEqual([
        [60, 'online'],
        [300, 'unavailable'],
      ])
    }
    // A poll takes half a minute, give or take its jitter and the few seconds until the next.
    const polls = alice.answers.length
    expect(polls).toBeGreaterThan(8 * 60 * 1.5)
    expect(polls).toBeLessThan(8 * 60 * 2.5)
  })

  test('P-143 P-130 L-06 who never stops working is told of once', async () => {
    await begins()
    await bob.opens({ set_presence: 'unavailable' })
    await alice.opens()
    await alice.actor.says(room, 'a long day begins')
    await story.rest()
    bob.hears(alice)
    for (let minutes = 0; minutes < 120; minutes += 1) {
      await alice.actor.says(room, `minute ${minutes}`)
      await story.passes(30 * SECOND)
    }
    expect(bob.hears(alice)).toEqual([])
    expect(await toldWhile(10 * MINUTE)).toEqual([
      [30, 'online'],
      [270, 'unavailable'],
    ])
  })
})

describe.each(['clean', 'unclean'] as const)('the server restarts in the middle (%s)', (end) => {
  test('P-097 P-135 P-152 P-087 L-22 with everybody connected, nobody sees anything of it', async () => {
    await begins({ store: 'sqlite' })
    await bob.opens({ set_presence: 'unavailable' })
    await alice.opens()
    await alice.actor.sets('online', 'all day')
    await story.passes(MINUTE)
    for (let restarts = 0; restarts < 6; restarts += 1) {
      // Once while she is active, once while she is idle: each goes on as if nothing had been.
      await alice.actor.says(room, `before restart ${restarts}`)
      await story.passes(30 * SECOND)
      bob.hears(alice)
      await story.restarts({ end })
      expect(bob.hears(alice).filter((words) => words !== 'online, active, "all day"')).toEqual([])
      expect(await toldWhile(10 * MINUTE)).toEqual([
        [30, 'online, "all day"'],
        [270, 'unavailable, "all day"'],
      ])
      await story.restarts({ end })
      bob.hears(alice)
      expect(await toldWhile(MINUTE)).toEqual([])
    }
    expect(await bob.asks(alice)).toBe('unavailable, "all day"')
  })

  test('P-152 P-134 P-141 who does not come back is offline after the grace, and the text stays', async () => {
    await begins({ store: 'sqlite' })
    await bob.opens({ set_presence: 'unavailable' })
    await alice.opens()
    await alice.actor.sets('online', 'back soon')
    await story.passes(2 * MINUTE)
    alice.closes()
    await story.restarts({ end })
    bob.hears(alice)
    expect(await toldWhile(HOUR)).toEqual([[30, 'offline, "back soon"']])
  })

  test('P-151 P-111 L-05 who hides stays hidden through it', async () => {
    await begins({ store: 'sqlite' })
    await bob.opens()
    await alice.opens()
    await alice.actor.sets('hidden', 'nobody knows')
    await story.passes(MINUTE)
    bob.hears(alice)
    await story.restarts({ end })
    await alice.actor.says(room, 'hello')
    await story.passes(10 * MINUTE)
    expect(bob.hears(alice).filter((words) => words !== 'offline')).toEqual([])
    expect(await bob.asks(alice)).toBe('offline')
  })
})

test('P-143 L-18 a night: clients poll, nothing changes, nobody is told and nothing is written', async () => {
  await begins()
  await alice.opens()
  await bob.opens()
  // Beyond the hourly note of when the devices were last seen.
  await story.passes(55 * MINUTE)
  for (const client of [alice, bob]) client.hearsOf()
  const { server } = story
  const [answers, commits, timers] = [alice.answers.length, server.writes.commits, server.clock.timers]
  await story.passes(50 * MINUTE)
  expect(server.writes.commits).toBe(commits)
  expect(alice.answers.length - answers).toBeGreaterThan(80)
  await story.passes(8 * HOUR)
  // That note is one commit for each of the two.
  expect(server.writes.commits - commits).toBe(2 * 8)
  for (const client of [alice, bob]) expect(client.hearsOf()).toEqual([])
  // Two polls and a handful of the server's own: no poll leaves one behind.
  expect([timers < 10, server.clock.timers < 10]).toEqual([true, true])
})
