import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { presenceOf, type Actor } from '../support/actors.ts'
import type { WireEdu } from '../support/faulty-link.ts'
import { HOME, openFederation, REMOTE, type FederationHouse } from '../support/federation-house.ts'
import { Follower, newsIn } from '../support/lists.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BATCH = 10 * SECOND
const OFF = { set_presence: 'offline' } as const
const ASK = 'dev.adsum.presence_lists.ask'
const WITHDRAW = 'dev.adsum.presence_lists.withdraw'

let house: FederationHouse
let alice: Actor
let bob: Actor
/** Alice, who asks. */
let asker: Follower
/** Bob, at another server, who is asked. */
let asked: Follower

beforeEach(async () => {
  house = await openFederation()
  alice = await house.registers('alice', HOME)
  bob = await house.registers('bob', REMOTE)
  asker = new Follower(alice)
  asked = new Follower(bob)
  for (const one of [alice, bob]) await one.syncs(OFF)
  // Whoever did something just now counts as connected for a while.
  await house.advance(MINUTE)
})
afterEach(() => house.close())

/** EDUs that went to a server, other than presence. */
function listEdus(to: string): WireEdu[] {
  return house
    .link(to)
    .edus()
    .filter(({ edu_type }) => edu_type !== 'm.presence')
}

function typesTo(to: string): string[] {
  return listEdus(to).map(({ edu_type }) => edu_type)
}

/** What was pushed to a server of one user, the oldest first. */
function pushesTo(to: string, of: Actor): JsonObject[] {
  return house
    .link(to)
    .edus('m.presence')
    .flatMap(({ content }) => (content['push'] ?? []) as JsonObject[])
    .filter((push) => push['user_id'] === of.userId)
}

function pairOf(observer: Actor, observed: Actor): JsonObject {
  return { observed_user: observed.userId, observer_user: observer.userId }
}

async function hears(who: Actor): Promise<string[]> {
  return newsIn(await who.syncs(OFF))
}

async function invite(observer = alice, observed = bob): Promise<void> {
  await new Follower(observer).invites(observed)
  await house.quiet()
}

async function answer(how: 'accepts' | 'denies', body: unknown = {}): Promise<void> {
  const reply = await asked[how](alice, body)
  expect(reply.status, reply.text).toBe(200)
  await house.quiet()
}

describe('asking', () => {
  test('P-186 P-056 P-057 an invite goes to the server of who is asked, waits there, and shows nothing', async () => {
    await bob.sets('online', 'a secret')
    await invite()
    expect(listEdus(REMOTE)).toEqual([
      {
        edu_type: 'm.presence_invite',
        origin: HOME,
        destination: REMOTE,
        content: { ...pairOf(alice, bob), [ASK]: expect.any(Number) as number },
      },
    ])
    await house.agrees(alice, bob, 'pending pending')
    expect(await asked.pending()).toEqual([[alice.userId], []])
    expect(await asker.pending()).toEqual([[], [bob.userId]])
    expect(await hears(bob)).toEqual([`incoming ${alice.userId} pending`])
    expect(await hears(alice)).toEqual([`outgoing ${bob.userId} pending`])
    expect((await alice.status(bob)).status).toBe(403)
    expect(await asked.observers()).toEqual([])
    await house.advance(2 * BATCH)
    expect(house.link(HOME).transactions()).toEqual([])
  })

  test('P-051 P-186 asking again at once says nothing more; unanswered it is repeated after an hour, then daily, until both give up', async () => {
    await invite()
    await invite()
    expect(typesTo(REMOTE)).toHaveLength(1)
    await house.advance(HOUR + MINUTE)
    expect(typesTo(REMOTE)).toHaveLength(2)
    await house.advance(2 * DAY)
    expect(typesTo(REMOTE)).toHaveLength(4)
    // Bob hears of it once.
    expect(await hears(bob)).toEqual([`incoming ${alice.userId} pending`])
    expect(await hears(alice)).toEqual([`outgoing ${bob.userId} pending`])
    await house.advance(29 * DAY)
    expect(await hears(alice)).toEqual([`outgoing ${bob.userId} expired`])
    // Bob's time began anew with each repetition.
    await house.advance(31 * DAY)
    expect(await hears(bob)).toEqual([`incoming ${alice.userId} expired`])
    await house.agrees(alice, bob, 'absent absent')
    expect(new Set(typesTo(REMOTE))).toEqual(new Set(['m.presence_invite']))
    expect(typesTo(REMOTE).length).toBeLessThan(40)
  })

  test('P-062 P-192 somebody whom the other server does not know ends denied', async () => {
    await invite(alice, { userId: `@nobody:${REMOTE}` } as Actor)
    expect(typesTo(HOME)).toEqual(['m.presence_deny'])
    expect(await asker.pending()).toEqual([[], []])
    expect(await hears(alice)).toEqual([`outgoing @nobody:${REMOTE} denied`])
  })

  test('P-064 who is ignored is denied, and the ignorer hears nothing', async () => {
    await bob.ok('PUT', `/v3/user/${bob.userId}/account_data/m.ignored_user_list`, {
      body: { ignored_users: { [alice.userId]: {} } },
    })
    await invite()
    await house.agrees(alice, bob, 'absent absent')
    expect(await hears(bob)).toEqual([])
    expect(await hears(alice)).toEqual([`outgoing ${bob.userId} denied`])
  })

  test.each([
    ['accept_all', 'accepted granted', 'accepted'],
    ['deny_all', 'absent absent', 'denied'],
    ['accept_shared_room', 'pending pending', 'pending'],
    ['accept_reverse', 'pending pending', 'pending'],
  ])('P-063 P-065 policy %s decides about invites of other servers', async (policy, sides, told) => {
    await asked.decides(policy)
    await invite()
    await house.agrees(alice, bob, sides)
    expect(await hears(alice)).toEqual([`outgoing ${bob.userId} ${told}`])
  })

  test('P-063 who already follows the other accepts at once, if they wish so', async () => {
    await house.follows(bob, alice)
    await asked.decides('accept_reverse')
    await invite()
    await house.agrees(alice, bob, 'accepted granted')
  })

  test('asking back together with accepting makes both see each other', async () => {
    await invite()
    await answer('accepts', { add_back: true })
    await house.agrees(alice, bob, 'accepted granted')
    await house.agrees(bob, alice, 'pending pending')
    expect((await asker.accepts(bob)).status).toBe(200)
    await house.quiet()
    await house.agrees(bob, alice, 'accepted granted')
    expect(await asked.follows()).toEqual([alice.userId])
  })

  test('two who ask each other at the same time get both wishes', async () => {
    house.link(HOME).always('hold request')
    house.link(REMOTE).always('hold request')
    await Promise.all([asker.invites(bob), asked.invites(alice)])
    await house.quiet()
    for (const name of [HOME, REMOTE]) house.link(name).always(null)
    for (const name of [HOME, REMOTE]) house.link(name).release()
    await house.quiet()
    await house.agrees(alice, bob, 'pending pending')
    await house.agrees(bob, alice, 'pending pending')
    await Promise.all([asker.accepts(bob), asked.accepts(alice)])
    await house.quiet()
    await house.agrees(alice, bob, 'accepted granted')
    await house.agrees(bob, alice, 'accepted granted')
  })
})

describe('answering', () => {
  test('P-190 P-194 P-058 accepting sends the accept, then the present state; both servers keep the subscription', async () => {
    await bob.sets('unavailable', 'tea')
    await invite()
    await alice.syncs(OFF)
    await answer('accepts')
    await house.agrees(alice, bob, 'accepted granted')
    const [ask] = listEdus(REMOTE)
    // Then comes what Alice's server asks for by itself, because she was there just now.
    const edus = house.link(HOME).edus().slice(0, 2)
    expect(edus.map(({ edu_type }) => edu_type)).toEqual(['m.presence_accept', 'm.presence'])
    expect(edus[0]?.content).toEqual({ ...pairOf(alice, bob), [ASK]: ask?.content[ASK] })
    expect(edus[1]?.content['push']).toMatchObject([
      { user_id: bob.userId, presence: 'unavailable', status_msg: 'tea' },
    ])
    const body = await alice.syncs(OFF)
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} accepted`])
    expect(presenceOf(body)).toMatchObject([
      { sender: bob.userId, content: { presence: 'unavailable', status_msg: 'tea' } },
    ])
    expect(await asker.follows()).toEqual([bob.userId])
    expect(await asked.observers()).toEqual([alice.userId])
    // Consent has one direction.
    expect((await bob.status(alice)).status).toBe(403)
  })

  test('P-191 P-059 P-192 denying ends the asking on both sides', async () => {
    await invite()
    await hears(alice)
    await answer('denies')
    await house.agrees(alice, bob, 'absent absent')
    expect(typesTo(HOME)).toEqual(['m.presence_deny'])
    expect(await hears(alice)).toEqual([`outgoing ${bob.userId} denied`])
    await house.advance(2 * DAY)
    expect(typesTo(REMOTE)).toEqual(['m.presence_invite'])
    // It was one no, not for ever.
    await invite()
    await house.agrees(alice, bob, 'pending pending')
  })

  test('P-191 P-065 who wants to hear no more is not asked again, and the observer is denied each time', async () => {
    await invite()
    await answer('denies', { ignore_future: true })
    await house.agrees(alice, bob, 'absent ignored')
    await hears(bob)
    await invite()
    await house.agrees(alice, bob, 'absent ignored')
    expect(await hears(bob)).toEqual([])
    expect(typesTo(HOME)).toEqual(['m.presence_deny', 'm.presence_deny'])
    await asked.revokes(alice, { ignore_future: false })
    await invite()
    await house.agrees(alice, bob, 'pending pending')
  })
})

describe('ending', () => {
  beforeEach(async () => {
    await bob.sets('online', 'here')
    await house.follows(alice, bob)
    await house.advance(BATCH)
    for (const one of [alice, bob]) await one.syncs(OFF)
  })

  test('P-191 P-192 P-061 revoking takes the entry and the sight, and nothing is pushed any more', async () => {
    const client = house.client(alice)
    await client.opens()
    await house.advance(BATCH)
    client.closes()
    expect((await asked.revokes(alice)).status).toBe(200)
    await house.quiet()
    await house.agrees(alice, bob, 'absent absent')
    const body = await alice.syncs(OFF)
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} revoked`])
    const ofBob = presenceOf(body).filter(({ sender }) => sender === bob.userId)
    expect(ofBob.map(({ content }) => content)).toEqual([{ presence: 'offline' }])
    expect((await alice.status(bob)).status).toBe(403)
    const pushed = pushesTo(HOME, bob).length
    await bob.sets('unavailable', 'not for alice')
    await house.advance(HOUR)
    expect(pushesTo(HOME, bob)).toHaveLength(pushed)
  })

  test('P-183 P-052 dropping tells the other side, stops the polling and takes the sight', async () => {
    const client = house.client(alice)
    await client.opens(OFF)
    await asker.drops(bob)
    await house.quiet()
    await house.agrees(alice, bob, 'absent absent')
    expect(typesTo(REMOTE)).toEqual(['m.presence_invite', WITHDRAW])
    expect(await hears(bob)).toEqual([`incoming ${alice.userId} withdrawn`])
    expect(await asked.observers()).toEqual([])
    expect(alice.seen.get(bob.userId)?.presence).toBe('offline')
    const pushed = pushesTo(HOME, bob).length
    await bob.sets('unavailable', 'not for alice')
    await house.advance(HOUR)
    expect(pushesTo(HOME, bob)).toHaveLength(pushed)
    expect((await alice.status(bob)).status).toBe(403)
  })

  test('withdrawing before the answer takes the question away', async () => {
    const carol = await house.registers('carol', REMOTE)
    await carol.syncs(OFF)
    await invite(alice, carol)
    await hears(carol)
    await asker.drops(carol)
    await house.quiet()
    await house.agrees(alice, carol, 'absent absent')
    expect(await hears(carol)).toEqual([`incoming ${alice.userId} withdrawn`])
    expect((await new Follower(carol).accepts(alice)).status).toBe(404)
  })

  test('an accept that crosses a withdraw ends on both sides', async () => {
    const carol = await house.registers('carol', REMOTE)
    await invite(alice, carol)
    house.link(REMOTE).always('hold request')
    house.link(HOME).always('hold request')
    await asker.drops(carol)
    await new Follower(carol).accepts(alice)
    await house.quiet()
    for (const name of [HOME, REMOTE]) house.link(name).always(null)
    house.link(HOME).release()
    await house.quiet()
    house.link(REMOTE).release()
    await house.advance(MINUTE)
    await house.agrees(alice, carol, 'absent absent')
  })

  test('an old accept that crosses a withdraw and a new invite does not leave the two sides apart', async () => {
    const carol = await house.registers('carol', REMOTE)
    await invite(alice, carol)
    house.link(REMOTE).always('hold request')
    house.link(HOME).always('hold request')
    await new Follower(carol).accepts(alice)
    await asker.drops(carol)
    await asker.invites(carol)
    await house.quiet()
    for (const name of [HOME, REMOTE]) house.link(name).always(null)
    house.link(HOME).release()
    await house.quiet()
    house.link(REMOTE).release()
    await house.advance(MINUTE)
    await house.agrees(alice, carol)
  })

  test('an account that ends takes its pairs with it on the other server, too', async () => {
    await house.follows(bob, alice)
    await bob.deactivates()
    await house.advance(MINUTE)
    await house.agrees(alice, bob, 'absent absent')
    await house.agrees(bob, alice, 'absent absent')
    expect((await alice.status(bob)).status).toBe(403)
  })
})

describe('seeing each other', () => {
  beforeEach(async () => {
    await house.follows(alice, bob)
    await house.follows(bob, alice)
    await house.advance(MINUTE)
    for (const one of [alice, bob]) await one.syncs(OFF)
  })

  test('P-190 changes go both ways: state, text, activity and its age', async () => {
    const ours = house.client(alice)
    const theirs = house.client(bob)
    await ours.opens()
    await theirs.opens()
    await house.advance(2 * BATCH)
    expect(ours.seenOf(bob)).toBe('online, active')
    expect(theirs.seenOf(alice)).toBe('online, active')
    await bob.sets('unavailable', 'out for lunch')
    await house.advance(BATCH)
    expect(ours.seenOf(bob)).toBe('unavailable, "out for lunch"')
    await alice.sets('online', 'reading')
    await house.advance(BATCH)
    expect(theirs.seenOf(alice)).toBe('online, active, "reading"')
    await house.advance(2 * MINUTE)
    // Its minute of activity is over, and everybody was told.
    expect(theirs.seenOf(alice)).toBe('online, "reading"')
    const { body } = await bob.status(alice)
    expect(body).toMatchObject({ presence: 'online', status_msg: 'reading' })
    expect(body['last_active_ago']).toBeGreaterThan(2 * MINUTE)
    expect(body['last_active_ago']).toBeLessThan(3 * MINUTE)
    await bob.sets('unavailable', '')
    await house.advance(BATCH)
    expect(ours.seenOf(bob)).toBe('unavailable')
    theirs.closes()
    await house.advance(MINUTE)
    expect(ours.seenOf(bob)).toBe('offline')
  })

  test('a change wakes a client that waits at the other server, at once', async () => {
    // Having come back is said, too, and a change right behind it would be gathered.
    await house.advance(BATCH)
    const poll = alice.polls(OFF)
    await house.server(HOME).parked(1)
    await bob.sets('online', 'now')
    const body = await poll.body
    expect(presenceOf(body)).toMatchObject([
      { sender: bob.userId, content: { presence: 'online', status_msg: 'now' } },
    ])
  })

  test('P-165 free for chat stays what it is between servers with presence lists, for old clients', async () => {
    await bob.sets('free_for_chat', undefined, 'api/v1')
    await house.quiet()
    expect(pushesTo(HOME, bob).at(-1)).toMatchObject({ presence: 'free_for_chat' })
    expect((await alice.status(bob, 'api/v1')).body['presence']).toBe('free_for_chat')
    expect((await alice.status(bob)).body).toMatchObject({ presence: 'online', currently_active: true })
  })

  test('P-021 L-05 hiding looks like going away, and nothing of it leaves the server', async () => {
    await bob.sets('online', 'before')
    await house.advance(BATCH)
    await bob.sets('hidden', 'my secret')
    await house.advance(BATCH)
    await alice.sees(bob, 'offline')
    expect((await alice.status(bob)).body).not.toHaveProperty('status_msg')
    const before = pushesTo(HOME, bob)
    expect(before.at(-1)).toMatchObject({ presence: 'offline' })
    expect(before.at(-1)).not.toHaveProperty('status_msg')
    const age = before.at(-1)?.['last_active_ago'] as number
    // Active, under a changed text, for longer than a ping.
    const client = house.client(bob)
    await client.opens({ set_presence: 'online' })
    await house.advance(10 * MINUTE)
    await bob.sets('hidden', 'another secret')
    await bob.creates()
    await house.advance(30 * MINUTE)
    const after = pushesTo(HOME, bob)
    for (const push of after.slice(before.length)) {
      expect(push).toMatchObject({ presence: 'offline' })
      // Whatever age is told, it goes on as if nothing happened.
      expect(push['last_active_ago']).toBeGreaterThanOrEqual(age)
    }
    const words = house.link(HOME).exchanges.map(({ received }) => received.body.toString())
    for (const word of ['hidden', 'secret']) expect(words.join()).not.toContain(word)
    expect((await alice.status(bob)).body).toEqual({
      ...(await alice.status(bob)).body,
      presence: 'offline',
    })
    expect((await alice.status(bob)).body).not.toHaveProperty('currently_active')
  })

  test('P-166 P-172 nobody else’s presence goes along', async () => {
    const carol = await house.registers('carol', HOME)
    await carol.sets('online', 'just between us')
    await alice.sets('online', 'with bob')
    await house.advance(HOUR)
    const words = house
      .link(REMOTE)
      .exchanges.map(({ received }) => received.body.toString())
      .join()
    expect(words).toContain('with bob')
    expect(words).not.toContain('carol')
  })
})

describe('names', () => {
  test('P-204 who is only on a list is shown with the name and picture that their server tells', async () => {
    await bob.names('Bob the Builder')
    await bob.ok('PUT', `/v3/profile/${bob.userId}/avatar_url`, {
      body: { avatar_url: 'mxc://remote.example/bob' },
    })
    await bob.sets('online', 'building')
    await house.follows(alice, bob)
    await alice.syncs(OFF)
    await house.quiet()
    await bob.sets('online', 'still building')
    await house.advance(BATCH)
    const content = await alice.sees(bob, 'online')
    expect(content).toMatchObject({ displayname: 'Bob the Builder', avatar_url: 'mxc://remote.example/bob' })
    const [entry] = await asker.list()
    expect(entry?.content).toMatchObject({ displayname: 'Bob the Builder' })
    const asked = house
      .link(REMOTE)
      .exchanges.filter(({ received }) => received.uri.includes('/query/profile'))
    expect(asked.length).toBeGreaterThan(0)
    expect(asked[0]?.received.headers['authorization']).toMatch(/^X-Matrix /)
  })

  test('P-204 names are asked for again when they are old, and not before', async () => {
    await bob.names('Bob')
    await house.follows(alice, bob)
    const client = house.client(alice)
    await client.opens(OFF)
    await house.advance(MINUTE)
    const queries = (): number =>
      house.link(REMOTE).exchanges.filter(({ received }) => received.uri.includes('/query/profile')).length
    const atFirst = queries()
    for (let i = 0; i < 20; i += 1) {
      await bob.sets('online', `change ${i}`)
      await house.advance(MINUTE)
    }
    expect(queries()).toBe(atFirst)
    await bob.names('Robert')
    await house.advance(25 * HOUR)
    await bob.sets('online', 'a day later')
    await house.advance(MINUTE)
    await bob.sets('online', 'and again')
    await house.advance(MINUTE)
    expect(queries()).toBeGreaterThan(atFirst)
    expect(client.seenOf(bob)).toContain('as Robert')
  })
})
