import { afterEach, beforeEach, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { eventsOf, joinedRoom, presenceOf } from '../support/actors.ts'
import { tellStory, type Client, type Story } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

let story: Story
let alice: Client
let bob: Client
let room: string

beforeEach(async () => {
  story = await tellStory()
  alice = await story.person('alice')
  bob = await story.person('bob')
  room = await story.meet(alice, bob)
  // Registering and joining is being there for a moment; let that moment pass.
  await story.passes(10 * MINUTE)
})

afterEach(() => story.ends())

test('P-083 P-135 P-142 P-132 P-130 P-134 P-141 L-22 a day of two friends', async () => {
  // Bob is there early, and finds nobody.
  await bob.opens()
  expect(bob.hears(bob)).toEqual(['online, active'])
  expect(bob.hears(alice)).toEqual([])
  expect(await bob.asks(alice)).toBe('offline')
  await story.passes(2 * MINUTE)

  // Alice comes online: Bob's waiting poll is answered, and she sees him at once.
  await alice.opens()
  await story.rest()
  expect(bob.hears(alice)).toEqual(['online, active'])
  expect(alice.hears(bob)).toEqual(['online'])

  // She is around without touching anything: after a minute not active, after five idle, then nothing more.
  await story.passes(MINUTE + 5 * SECOND)
  expect(bob.hears(alice)).toEqual(['online'])
  await story.passes(4 * MINUTE - 10 * SECOND)
  expect(bob.hears(alice)).toEqual([])
  await story.passes(10 * SECOND)
  expect(bob.hears(alice)).toEqual(['unavailable'])
  await story.passes(20 * MINUTE)
  expect(bob.hears(alice)).toEqual([])

  // She writes something, and is back.
  await alice.actor.says(room, 'good morning')
  await story.rest()
  expect(bob.hears(alice)).toEqual(['online, active'])

  // A line of text, told once, however often she polls.
  await alice.actor.sets('online', 'in a meeting')
  await story.passes(30 * SECOND)
  expect(bob.hears(alice)).toEqual(['online, active, "in a meeting"'])

  // The train goes into a tunnel and comes out again within the grace: nobody notices.
  alice.closes()
  await story.passes(25 * SECOND)
  await alice.opens()
  await story.passes(10 * SECOND)
  expect(bob.hears(alice).filter((words) => words.startsWith('offline'))).toEqual([])

  // The laptop is shut: half a minute later she is gone, and the text is still hers.
  alice.closes()
  await story.passes(25 * SECOND)
  expect(bob.hears(alice).filter((words) => words.startsWith('offline'))).toEqual([])
  await story.passes(10 * SECOND)
  expect(bob.hears(alice)).toEqual(['offline, "in a meeting"'])
  await story.passes(60 * MINUTE)
  expect(bob.hears(alice)).toEqual([])

  // In the evening she is back, with the same text, which she then clears.
  await alice.opens()
  await story.rest()
  expect(bob.hears(alice)).toEqual(['online, active, "in a meeting"'])
  await alice.actor.sets('online', null)
  await story.rest()
  expect(bob.hears(alice)).toEqual(['online, active'])
})

test('P-113 P-114 L-12 a new name reaches the friend who waits, with presence and in the room', async () => {
  await alice.opens()
  await bob.opens()
  await story.rest()
  bob.hears(alice)
  const before = bob.answers.length
  await alice.actor.names('Alice Liddell')
  await story.rest()
  expect(bob.hears(alice)).toEqual(['online, active, as Alice Liddell'])
  const members = bob.answers
    .slice(before)
    .flatMap((answer) => eventsOf(joinedRoom(JSON.parse(answer) as JsonObject, room), 'timeline'))
  expect(members).toMatchObject([
    {
      type: 'm.room.member',
      state_key: alice.userId,
      content: { membership: 'join', displayname: 'Alice Liddell' },
    },
  ])
  // From now on every telling carries the name.
  await alice.actor.sets('unavailable', 'reading')
  await story.rest()
  expect(bob.hears(alice)).toEqual(['unavailable, "reading", as Alice Liddell'])
})

test('P-098 P-085 P-086 P-146 who leaves the last common room is offline to the other, until they meet again', async () => {
  await alice.opens()
  await bob.opens()
  await story.rest()
  for (const client of [alice, bob]) client.hearsOf()
  await alice.actor.leaves(room)
  await story.rest()
  expect(bob.hears(alice)).toEqual(['offline'])
  expect(alice.hears(bob)).toEqual(['offline'])
  expect(await bob.asks(alice)).toBe('M_FORBIDDEN')

  // What she does now is not his business.
  await alice.actor.sets('online', 'a secret')
  await story.passes(20 * MINUTE)
  expect(bob.hears(alice)).toEqual([])

  await alice.actor.joins(room)
  await story.rest()
  expect(bob.hears(alice)).toEqual(['online, active, "a secret"'])
  expect(alice.hears(bob)).toEqual(['unavailable'])
})

test('P-083 P-087 what happened while a friend was away is one entry when he returns', async () => {
  await alice.opens()
  await bob.opens()
  await story.rest()
  bob.closes()
  bob.hearsOf()
  for (const [state, text] of [
    ['unavailable', 'one'],
    ['online', 'two'],
    ['unavailable', 'three'],
  ] as const) {
    await alice.actor.sets(state, text)
    await story.passes(MINUTE)
  }
  const missed = presenceOf(await bob.actor.syncs({ set_presence: 'offline' }))
  expect(missed.filter(({ sender }) => sender === alice.userId)).toMatchObject([
    { content: { presence: 'unavailable', status_msg: 'three' } },
  ])
})
