import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { Follower, newsIn } from '../support/lists.ts'
import type { Restart } from '../support/server.ts'
import { tellStory, type Client, type Story } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND

let story: Story

afterEach(() => story.ends())

/** What a client's polls said of pairs since the last question. */
class Inbox {
  readonly #client: Client
  #read: number

  constructor(client: Client) {
    this.#client = client
    this.#read = client.answers.length
  }

  hears(): string[] {
    const news = this.#client.answers.slice(this.#read)
    this.#read = this.#client.answers.length
    return news.flatMap((answer) => newsIn(JSON.parse(answer) as JsonObject))
  }
}

describe.each<[string, Restart | null]>([
  ['without a break', null],
  ['with a restart at every step', { end: 'clean' }],
  ['with a kill -9 at every step', { end: 'unclean' }],
])('two who share no room, %s', (_, restart) => {
  /**
   * Something happens, and its being told must not depend on the server's living on: before a kill, the clients are not
   * even connected, so that nobody has heard of it when the server comes back.
   */
  const happens = async (what: () => Promise<unknown>, ...clients: Client[]): Promise<void> => {
    const isKill = restart?.end === 'unclean'
    if (isKill) for (const client of clients) client.closes()
    await what()
    await story.rest()
    if (restart !== null) await story.restarts(restart)
    if (isKill) for (const client of clients) await client.opens()
    await story.rest()
  }

  test('P-033 P-056 P-058 P-061 P-068 P-069 P-146 P-149 L-21 ask, agree, follow each other and part', async () => {
    story = await tellStory({ store: 'sqlite' })
    const alice = await story.person('alice')
    const bob = await story.person('bob')
    const [aliceLists, bobLists] = [new Follower(alice.actor), new Follower(bob.actor)]
    await bob.opens()
    bob.closes()
    await alice.opens()
    await story.passes(MINUTE)
    const aliceInbox = new Inbox(alice)
    alice.hearsOf()

    // Bob's phone is in a drawer. Alice asks to follow him; her tablet knows of it, and she sees nothing yet.
    await happens(() => aliceLists.invites(bob.actor), alice)
    expect(aliceInbox.hears()).toEqual([`outgoing ${bob.userId} pending`])
    const tablet = await story.another(alice, 'alice-2')
    await tablet.opens()
    expect(newsIn(JSON.parse(tablet.answers[0] ?? '{}') as JsonObject)).toEqual([
      `outgoing ${bob.userId} pending`,
    ])
    expect(await alice.asks(bob)).toBe('M_FORBIDDEN')
    tablet.closes()

    // Later the phone comes back: the invite is there, once, and Bob is nobody's business still.
    await happens(() => story.passes(2 * MINUTE))
    const bobInbox = new Inbox(bob)
    await bob.opens()
    await story.rest()
    expect(bobInbox.hears()).toEqual([`incoming ${alice.userId} pending`])
    await story.passes(MINUTE)
    expect(bobInbox.hears()).toEqual([])
    expect(alice.hears(bob)).toEqual([])

    // He agrees, and asks to follow her, too. Her dot of him turns at once.
    await happens(() => bobLists.accepts(alice.actor, { add_back: true }), alice, bob)
    expect(aliceInbox.hears()).toEqual([`outgoing ${bob.userId} accepted`, `incoming ${bob.userId} pending`])
    expect(bobInbox.hears()).toEqual([
      `incoming ${alice.userId} accepted`,
      `outgoing ${alice.userId} pending`,
    ])
    expect(alice.seenOf(bob)).toMatch(/^online/)
    expect(bob.seenOf(alice)).toBe('nothing')

    // She agrees as well: now his dot of her turns.
    await happens(() => aliceLists.accepts(bob.actor), alice, bob)
    expect(bobInbox.hears()).toEqual([`outgoing ${alice.userId} accepted`])
    expect(aliceInbox.hears()).toEqual([`incoming ${bob.userId} accepted`])
    expect(bob.seenOf(alice)).toMatch(/^(?:online|unavailable)/)

    // They live side by side for a while.
    for (const client of [alice, bob]) client.hearsOf()
    await alice.actor.sets('online', 'writing')
    await story.rest()
    expect(bob.hears(alice)).toEqual(['online, active, "writing"'])
    await happens(() => bob.actor.sets('unavailable', 'tea'), alice)
    expect(alice.seenOf(bob)).toBe('unavailable, "tea"')
    expect([await aliceLists.follows(), await bobLists.follows()]).toEqual([[bob.userId], [alice.userId]])

    // Bob changes his mind. Alice sees one offline.
    alice.hears(bob)
    await happens(() => bobLists.revokes(alice.actor), alice, bob)
    expect(aliceInbox.hears()).toEqual([`outgoing ${bob.userId} revoked`])
    expect(alice.hears(bob)).toEqual(['offline'])
    expect(await alice.asks(bob)).toBe('M_FORBIDDEN')

    // And nothing after, whatever he does.
    await happens(() => bob.actor.sets('online', 'dancing'), alice)
    await story.passes(20 * MINUTE)
    await bob.actor.sets('unavailable', 'sleeping')
    await story.rest()
    expect(alice.hears(bob)).toEqual([])
    expect(alice.answers.join('\n')).not.toMatch(/dancing|sleeping/)
    expect(aliceInbox.hears()).toEqual([])
    expect(await aliceLists.list('/r0', true)).toEqual([])

    // Her consent was hers to give, and still stands: he sees her until he lets go of it himself.
    await alice.actor.sets('online', 'painting')
    await story.rest()
    expect(bob.seenOf(alice)).toBe('online, active, "painting"')
    bobInbox.hears()
    bob.hears(alice)
    await happens(() => bobLists.drops(alice.actor), alice, bob)
    expect(bob.hears(alice)).toEqual(['offline'])
    expect(bobInbox.hears()).toEqual([`outgoing ${alice.userId} withdrawn`])
    expect(aliceInbox.hears()).toEqual([`incoming ${bob.userId} withdrawn`])
    expect(await aliceLists.observers()).toEqual([])
  })
})

test('P-061 P-146 a revoke in the middle of a batch of changes cuts at once', async () => {
  story = await tellStory()
  const alice = await story.person('alice')
  const bob = await story.person('bob')
  const [aliceLists, bobLists] = [new Follower(alice.actor), new Follower(bob.actor)]
  await aliceLists.invites(bob.actor)
  await bobLists.accepts(alice.actor)
  await bob.opens()
  await alice.opens()
  await story.rest()
  // Everything at the same time: whatever is told after the revoke was said must not be of him.
  const said = Array.from({ length: 10 }, (_, i) => bob.actor.sets('online', `before ${i}`))
  const revoked = bobLists.revokes(alice.actor)
  await Promise.all([...said, revoked])
  const after = Array.from({ length: 10 }, (_, i) => bob.actor.sets('online', `after ${i}`))
  await Promise.all(after)
  await story.passes(MINUTE)
  expect(alice.answers.join('\n')).not.toContain('after')
  expect(alice.seenOf(bob)).toBe('offline')
  expect(alice.hears(bob).filter((words) => words === 'offline')).toHaveLength(1)
})
