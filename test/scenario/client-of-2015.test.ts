import { afterEach, beforeEach, expect, test } from 'vitest'
import { ClientOf2015 } from '../support/client-of-2015.ts'
import { tellStory, type Client, type Story } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

let story: Story
let alice: Client
let bob: ClientOf2015
let room: string

/** Alice has a client of today, Bob one that knows nothing newer than October 2015. */
beforeEach(async () => {
  story = await tellStory({ store: 'sqlite' })
  alice = await story.person('alice')
  const account = await story.person('bob')
  room = await story.meet(alice, account)
  bob = new ClientOf2015(story, account.actor)
  await bob.logsIn()
  await story.passes(10 * MINUTE)
})

afterEach(() => story.ends())

test('P-004 P-075 P-076 P-077 P-071 P-080 P-105 P-134 a client of 2015 lives a day among those of today', async () => {
  // He is early. His client says of himself what it knows, and nothing of those who are away.
  await bob.opens()
  await story.rest()
  expect(bob.shows(bob.userId)).toBe('online')
  expect(bob.shows(alice.userId)).toBe('nothing')
  expect(bob.room(room).membership).toBe('join')

  // She comes, and sees him; his waiting request is answered.
  await alice.opens()
  await story.rest()
  expect(alice.seenOf(bob)).toBe('online, active')
  expect(bob.hears(alice.userId)).toEqual(['online'])

  // A word of 2015, which today's clients know as another.
  await bob.sets('free_for_chat', 'coffee?')
  await story.rest()
  expect(bob.shows(bob.userId)).toBe('free_for_chat, "coffee?"')
  expect(alice.seenOf(bob)).toBe('online, active, "coffee?"')
  await alice.actor.sets('online', 'five minutes')
  await story.rest()
  expect(bob.hears(alice.userId)).toEqual(['online, "five minutes"'])
  expect(await bob.asks(alice.userId)).toBe('online, "five minutes"')

  // They talk. Each sees the other type, and what was read.
  await bob.types(room, true)
  await bob.says(room, 'in the kitchen')
  await bob.types(room, false)
  await story.rest()
  await alice.actor.ok('PUT', `/v3/rooms/${room}/typing/${alice.userId}`, { body: { typing: true } })
  await story.rest()
  expect(bob.room(room).typing).toEqual(['alice'])
  const eventId = await alice.actor.says(room, 'coming')
  await alice.actor.ok('PUT', `/v3/rooms/${room}/typing/${alice.userId}`, { body: { typing: false } })
  const reply = await bob.says(room, 'bring cups')
  await alice.actor.ok('POST', `/v3/rooms/${room}/receipt/m.read/${encodeURIComponent(reply)}`)
  await story.rest()
  expect(eventId).toMatch(/^\$/)
  expect(bob.room(room)).toMatchObject({
    messages: ['bob: in the kitchen', 'alice: coming', 'bob: bring cups'],
    typing: [],
  })
  expect(bob.room(room).readBy.get('alice')).toBe(reply)

  // She asks him into another room, where somebody is whom he never saw.
  const carol = await story.person('carol')
  const kitchen = await alice.actor.creates({ preset: 'private_chat' })
  for (const other of [carol.actor.userId, bob.userId])
    await alice.actor.ok('POST', `/v3/rooms/${kitchen}/invite`, { body: { user_id: other } })
  await carol.actor.joins(kitchen)
  await carol.actor.sets('unavailable', 'washing up')
  await story.rest()
  expect(bob.room(kitchen).membership).toBe('invite')
  expect(bob.shows(carol.userId)).toBe('nothing')
  await bob.joins(kitchen)
  await story.rest()
  expect(bob.room(kitchen).membership).toBe('join')
  expect(bob.shows(carol.userId)).toBe('unavailable, "washing up"')

  // The server is restarted. Nobody was away, nothing is lost, nothing comes twice.
  bob.hears(alice.userId)
  alice.hearsOf()
  await story.passes(2 * SECOND)
  await story.restarts()
  await story.passes(20 * SECOND)
  expect(bob.hears(alice.userId)).toEqual([])
  expect(alice.hears(bob)).toEqual([])
  await alice.actor.says(kitchen, 'still here?')
  await story.rest()
  expect(bob.room(kitchen).messages).toEqual(['alice: still here?'])

  // It is killed, too. What was said meanwhile is there, and everybody's dot is right.
  await bob.says(kitchen, 'still here')
  await story.passes(2 * SECOND)
  await story.restarts({ end: 'unclean' })
  await alice.actor.sets('unavailable', 'lunch')
  await story.rest()
  expect(bob.room(kitchen).messages).toEqual(['alice: still here?', 'bob: still here'])
  expect(bob.shows(alice.userId)).toBe('unavailable, "lunch"')

  // He does nothing for a while, and is idle; his client is told so, as everybody is.
  await bob.sets('online', 'coffee?')
  await story.passes(6 * MINUTE)
  expect(bob.shows(bob.userId)).toBe('unavailable, "coffee?"')
  expect(alice.seenOf(bob)).toBe('unavailable, "coffee?"')

  // He wants to be left alone: he sees himself hidden and everybody else as ever, they see him offline.
  await bob.sets('hidden')
  await alice.actor.sets('online', 'back')
  await story.rest()
  expect(bob.shows(bob.userId)).toBe('hidden, "coffee?"')
  expect(bob.shows(alice.userId)).toBe('online, "back"')
  expect(alice.seenOf(bob)).toBe('offline')
  await bob.sets('online', 'coffee?')

  // He leaves the first room; the other still shows her. Then the client is closed.
  await bob.leaves(room)
  await alice.actor.says(room, 'he does not read this')
  await story.rest()
  expect(bob.room(room)).toMatchObject({ membership: 'leave' })
  expect(bob.room(room).messages).not.toContain('alice: he does not read this')
  expect(alice.seenOf(bob)).toBe('online, active, "coffee?"')
  bob.closes()
  await story.passes(35 * SECOND)
  expect(alice.seenOf(bob)).toBe('offline, "coffee?"')

  // Next morning he begins again, and has what he missed.
  await alice.actor.says(kitchen, 'good night')
  await story.passes(30 * MINUTE)
  await bob.opens()
  await story.rest()
  expect([...bob.rooms.keys()]).toEqual([kitchen])
  expect(bob.room(kitchen).messages).toEqual(['alice: still here?', 'bob: still here', 'alice: good night'])
})

test('P-043 P-052 P-065 P-066 P-068 P-069 somebody of 2015 and somebody of today follow each other, with consent', async () => {
  // Dave is nobody to Bob: they share no room. Bob's client knows how to ask, and that nothing is answered yet.
  const dave = await story.person('dave')
  await dave.actor.sets('online', 'at sea')
  await bob.opens()
  expect(await bob.follows()).toEqual({})
  await bob.lists({ invite: [dave.userId] })
  expect(await bob.follows()).toEqual({})
  await story.rest()
  expect(bob.consent).toEqual([`outgoing pending ${dave.userId}`])
  expect(bob.shows(dave.userId)).toBe('nothing')

  // It is there when Dave's client comes back, after a restart too. He accepts, and asks in turn.
  await story.passes(2 * SECOND)
  await story.restarts({ end: 'unclean' })
  await dave.opens()
  await story.rest()
  expect(dave.answers[0]).toContain('dev.adsum.presence_lists.invite')
  const accept = `/unstable/dev.adsum.presence_lists/invites/${encodeURIComponent(bob.userId)}/accept`
  await dave.actor.ok('POST', accept, { body: { add_back: true } })
  await story.rest()
  expect(bob.shows(dave.userId)).toBe('online, "at sea"')
  expect(bob.consent.slice(1)).toEqual([
    `outgoing accepted ${dave.userId}`,
    `incoming pending ${dave.userId}`,
  ])
  expect(dave.seenOf(bob)).toBe('nothing')

  // Bob's client learned one new endpoint: he accepts, and is seen.
  await bob.answers(dave.userId, 'accept')
  await bob.sets('free_for_chat', 'ahoy')
  await story.rest()
  expect(bob.consent.at(-1)).toBe(`incoming accepted ${dave.userId}`)
  expect(dave.seenOf(bob)).toBe('online, active, "ahoy"')

  // Both dots turn, through another restart.
  await story.passes(2 * SECOND)
  await story.restarts()
  await dave.actor.sets('unavailable', 'in the rigging')
  await story.rest()
  expect(bob.shows(dave.userId)).toBe('unavailable, "in the rigging"')
  expect(await bob.follows()).toEqual({ [dave.userId]: 'unavailable, "in the rigging"' })

  // Bob has enough of it: one last offline, and nothing after. Dave still sees Bob.
  bob.hears(dave.userId)
  await bob.lists({ drop: [dave.userId] })
  expect(await bob.follows()).toEqual({})
  await story.rest()
  expect(bob.hears(dave.userId)).toEqual(['offline'])
  await dave.actor.sets('online', 'a secret')
  await bob.sets('unavailable', 'asleep')
  await story.rest()
  expect(bob.hears(dave.userId)).toEqual([])
  expect(dave.seenOf(bob)).toBe('unavailable, "asleep"')

  // Who begins anew has the open invites with the rest.
  await alice.actor.ok('POST', `/r0/presence/list/${encodeURIComponent(alice.userId)}`, {
    body: { invite: [bob.userId] },
  })
  bob.consent.length = 0
  await bob.opens()
  expect(bob.consent).toEqual([`incoming pending ${alice.userId}`])
})
