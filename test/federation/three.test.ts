import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Actor } from '../support/actors.ts'
import { HOME, openFederation, REMOTE, THIRD, type FederationHouse } from '../support/federation-house.ts'
import { Follower, newsIn } from '../support/lists.ts'
import type { Client } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const BATCH = 10 * SECOND
const OFF = { set_presence: 'offline' } as const

let house: FederationHouse
let alice: Actor
let bob: Actor
let carol: Actor

beforeEach(async () => {
  house = await openFederation({ names: [HOME, REMOTE, THIRD] })
  alice = await house.registers('alice', HOME)
  bob = await house.registers('bob', REMOTE)
  carol = await house.registers('carol', THIRD)
  for (const each of [alice, bob, carol]) await each.syncs(OFF)
})
afterEach(() => house.close())

/** Everything that was sent to a server, as text. */
function wordsTo(name: string): string {
  return house
    .link(name)
    .exchanges.map(({ received }) => `${received.uri} ${received.body.toString()}`)
    .join('\n')
}

test('P-172 presence of a user of another server is not passed on to a third, by list or by room', async () => {
  await house.follows(alice, bob)
  await house.follows(carol, alice)
  const roomId = await alice.creates({ preset: 'public_chat' })
  await house.plants(HOME, roomId, bob.userId, carol.userId)
  const client = house.client(alice)
  await client.opens()
  await bob.sets('online', 'bob says')
  await alice.sets('online', 'alice says')
  await house.advance(HOUR)
  expect(client.seenOf(bob)).toContain('bob says')
  expect(wordsTo(THIRD)).toContain('alice says')
  expect(wordsTo(THIRD)).not.toContain('bob says')
  expect(wordsTo(THIRD)).not.toContain(bob.userId)
  // Nor back to where it came from.
  const pushed = house
    .link(REMOTE)
    .edus('m.presence')
    .flatMap(({ content }) => content['push'] ?? [])
  expect(JSON.stringify(pushed)).not.toContain(bob.userId)
})

test('P-166 P-194 each pair has its own consent: who sees one does not see the other', async () => {
  await house.follows(alice, bob)
  await new Follower(carol).invites(bob)
  await house.quiet()
  await bob.sets('online', 'for alice')
  await house.advance(MINUTE)
  expect((await alice.status(bob)).body).toMatchObject({ status_msg: 'for alice' })
  expect((await carol.status(bob)).status).toBe(403)
  expect(wordsTo(THIRD)).not.toContain('for alice')
  await house.agrees(carol, bob, 'pending pending')
})

test('P-201 a destination that hangs delays neither another one nor our own people', async () => {
  const dora = await house.registers('dora', HOME)
  await house.follows(bob, alice)
  await house.follows(carol, alice)
  await new Follower(dora).invites(alice)
  await new Follower(alice).accepts(dora)
  const [onHanging, onOther, ours] = [bob, carol, dora].map((actor) => house.client(actor)) as [
    Client,
    Client,
    Client,
  ]
  for (const client of [onHanging, onOther, ours]) await client.opens({ set_presence: 'unavailable' })
  await house.advance(MINUTE)
  house.link(REMOTE).everything('hold request')
  await alice.sets('online', 'no waiting')
  await house.quiet()
  // No time has passed.
  for (const client of [onOther, ours]) expect(client.seenOf(alice)).toBe('online, active, "no waiting"')
  for (let i = 0; i < 6; i += 1) {
    await house.advance(BATCH)
    await alice.sets('online', `still ${i}`)
    await house.quiet()
    for (const client of [onOther, ours]) expect(client.seenOf(alice)).toBe(`online, active, "still ${i}"`)
  }
  // One request at a time waits for the server that hangs.
  expect(house.link(REMOTE).held).toBe(1)
  expect(onHanging.seenOf(alice)).toBe('offline')
  house.link(REMOTE).everything(null)
  house.link(REMOTE).release()
  await house.advance(MINUTE)
  expect(onHanging.seenOf(alice)).toBe('offline, "still 5"')
})

test('P-201 P-202 P-203 a destination that fails for days costs the others nothing, and catches up', async () => {
  await house.follows(bob, alice)
  await house.follows(carol, alice)
  const [onFailing, onOther] = [house.client(bob), house.client(carol)]
  for (const client of [onFailing, onOther])
    await client.opens({ set_presence: 'unavailable', timeout: 300_000 })
  await house.advance(MINUTE)
  await house.stops(REMOTE)
  for (let i = 0; i < 30; i += 1) {
    await alice.sets('online', `hour ${i}`)
    await house.quiet()
    expect(onOther.seenOf(alice)).toBe(`online, active, "hour ${i}"`)
    await house.advance(HOUR)
  }
  await house.starts(REMOTE)
  await house.advance(2 * HOUR)
  expect(onFailing.seenOf(alice)).toBe('offline, "hour 29"')
})

test('P-194 a server that loses one friend keeps the other', async () => {
  await house.follows(bob, alice)
  await house.follows(carol, alice)
  for (const each of [bob, carol]) await each.syncs(OFF)
  const client = house.client(carol)
  await client.opens(OFF)
  await new Follower(alice).revokes(bob)
  await house.quiet()
  client.closes()
  expect(newsIn(await bob.syncs(OFF))).toEqual([`outgoing ${alice.userId} revoked`])
  expect(client.answers.at(-1)).not.toContain('revoked')
  await client.opens({ set_presence: 'unavailable' })
  await house.advance(BATCH)
  await alice.sets('online', 'for carol')
  await house.advance(MINUTE)
  expect(wordsTo(REMOTE)).not.toContain('for carol')
  expect((await carol.status(alice)).body).toMatchObject({ status_msg: 'for carol' })
})
