import { afterAll, beforeAll, expect, test } from 'vitest'
import { tellStory, type Client, type Story } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const CROWD = 200
/** Requests of the test itself at one time. */
const HANDS = 20
/** Nobody wants two hundred members with every first answer. */
const LAZY = { state: { lazy_load_members: true }, timeline: { limit: 1 } }
const FILTER = JSON.stringify({ room: LAZY })
const NO_PRESENCE = JSON.stringify({ room: LAZY, presence: { types: [] } })

let story: Story
/** Everybody in the room who looks. */
let crowd: Client[]
/** In the room as well, but their filter shuts presence out. */
let deaf: Client[]
/** Elsewhere. */
let outside: Client[]
let room: string

beforeAll(async () => {
  story = await tellStory()
  const names = (kind: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${kind}${i}`)
  crowd = await each(names('one', CROWD), (name) => story.person(name))
  deaf = await each(names('deaf', 10), (name) => story.person(name))
  outside = await each(names('out', 10), (name) => story.person(name))
  room = await story.meet(crowd[0] as Client)
  await each([...crowd.slice(1), ...deaf], ({ actor }) => actor.joins(room))
  await story.meet(outside[0] as Client, ...outside.slice(1))
  // Nobody is active any more: what changes from here on, the test changes.
  await each(outside, (client) => client.opens({ filter: FILTER }))
  await story.passes(10 * MINUTE)
  await each(crowd, (client) => client.opens({ set_presence: 'unavailable', filter: FILTER }))
  await each(deaf, (client) => client.opens({ set_presence: 'unavailable', filter: NO_PRESENCE }))
  await story.rest()
}, 120_000)

afterAll(() => story.ends())

async function each<T, R>(all: readonly T[], does: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (let at = 0; at < all.length; at += HANDS)
    results.push(...(await Promise.all(all.slice(at, at + HANDS).map(does))))
  return results
}

/** How many polls of each client were answered during it, and forgets what was heard before it. */
async function answersOf(clients: readonly Client[], during: () => Promise<unknown>): Promise<number[]> {
  await story.rest()
  for (const client of [...crowd, ...deaf, ...outside]) client.hearsOf()
  const before = clients.map(({ answers }) => answers.length)
  await during()
  await story.rest()
  return clients.map(({ answers }, i) => answers.length - (before[i] ?? 0))
}

test('P-083 P-095 P-146 L-12 one change is one answer to everybody in the room, and to nobody else', async () => {
  const speaker = crowd[7] as Client
  const { commits } = story.server.writes
  const answers = await answersOf([...crowd, ...deaf, ...outside], () =>
    speaker.actor.sets('unavailable', 'hello, crowd'),
  )
  expect(answers).toEqual([...crowd.map(() => 1), ...deaf.map(() => 0), ...outside.map(() => 0)])
  for (const client of crowd)
    expect(client.hears(speaker), client.name).toEqual(['unavailable, "hello, crowd"'])
  // One writes, two hundred read.
  expect(story.server.writes.commits - commits).toBe(1)
})

test('P-083 P-087 L-16 when all change at once, everybody hears of everybody exactly once', async () => {
  const answers = await answersOf(crowd, () =>
    each(crowd, ({ actor }) => actor.sets('unavailable', 'all of us')),
  )
  const everybody = crowd.map(({ userId }) => userId).toSorted()
  for (const client of crowd) expect(client.hearsOf().toSorted(), client.name).toEqual(everybody)
  // Many changes in one answer: far fewer answers than there are pairs.
  expect(answers.reduce((sum, count) => sum + count, 0)).toBeLessThan((CROWD * CROWD) / 2)
  for (const client of [...deaf, ...outside])
    expect(client.hearsOf().filter((userId) => everybody.includes(userId))).toEqual([])
}, 120_000)

test('P-143 L-18 when nothing changes nobody is told and nothing is written', async () => {
  // What the test itself did is written by then.
  await story.passes(2 * MINUTE)
  const { commits, rows } = story.server.writes
  const before = story.server.requests.length
  await answersOf(crowd, () => story.passes(5 * MINUTE))
  for (const client of [...crowd, ...outside]) expect(client.hearsOf()).toEqual([])
  expect(story.server.writes).toEqual({ commits, rows })
  // They were not asleep: some ten polls each.
  expect(story.server.requests.length - before).toBeGreaterThan(8 * CROWD)
}, 120_000)

test('P-085 P-086 a newcomer sees all at once, and all see the newcomer', async () => {
  const newcomer = outside[3] as Client
  await answersOf(crowd, () => newcomer.actor.joins(room))
  const seen = newcomer.hearsOf()
  expect(new Set(seen)).toEqual(new Set([...crowd, ...deaf, newcomer].map(({ userId }) => userId)))
  for (const client of crowd) expect(client.hears(newcomer), client.name).toEqual(['online, active'])
})

test('P-097 P-087 L-16 a restart under the whole crowd tells nobody anything', async () => {
  // The newcomer of the last test is not active any more by then, and not yet idle.
  await story.passes(70 * SECOND)
  await answersOf(crowd, () => story.restarts({ end: 'clean' }))
  for (const client of crowd) expect(client.hearsOf(), client.name).toEqual([])
  await answersOf(crowd, () => story.passes(MINUTE))
  for (const client of crowd) expect(client.hearsOf(), client.name).toEqual([])
}, 120_000)
