import { afterEach, describe, expect, test } from 'vitest'
import {
  createPresenceClient,
  IdleTimer,
  type CreateOptions,
  type Fetch,
  type InviteChange,
  type PresenceClient,
} from '../../client/src/index.ts'
import type { Actor } from '../support/actors.ts'
import { ManualClock, until } from '../support/manual-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { StandardServer } from '../support/standard-server.ts'

const MINUTE = 60_000

/** A person with the package: what they see, and an idle timer that a test touches. */
interface User {
  readonly userId: string
  readonly client: PresenceClient
  readonly idle: IdleTimer
}

const ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

function uses(
  clock: ManualClock,
  options: Pick<CreateOptions, 'baseUrl' | 'accessToken' | 'userId'> & Partial<CreateOptions>,
): User {
  const idle = new IdleTimer({ clock, channel: null, locks: null })
  const client = createPresenceClient({ clock, idle, storage: null, channel: () => null, ...options })
  client.start()
  ends.push(
    () => client.stop(),
    () => idle.stop(),
  )
  return { userId: options.userId, client, idle }
}

async function starts(config: Record<string, unknown> = {}): Promise<TestServer> {
  const server = await startServer({ config })
  ends.push(() => server.close())
  return server
}

function opens(server: TestServer, actor: Actor, options: Partial<CreateOptions> = {}): User {
  const { userId, token: accessToken } = actor
  return uses(server.clock, { baseUrl: server.url, userId, accessToken, ...options })
}

/** Time passes in steps that leave clients the time to come back to their polls. */
async function passes(server: TestServer, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 5_000) {
    await server.clock.advance(Math.min(5_000, ms - passed))
    await server.quiet()
  }
}

function sees(one: User, other: User | Actor, presence: string): Promise<void> {
  const { userId } = other
  return until(
    () => one.client.get(userId).presence === presence,
    `${one.userId} sees ${userId} ${presence}, not ${one.client.get(userId).presence}`,
    200_000,
  )
}

async function named(actor: Actor, displayname: string): Promise<void> {
  const path = `/v3/profile/${encodeURIComponent(actor.userId)}/displayname`
  await actor.ok('PUT', path, { body: { displayname } })
}

describe('against the real server', () => {
  async function meet(config: Record<string, unknown> = {}) {
    const server = await starts(config)
    const [aliceActor, bobActor] = [await server.registers('alice'), await server.registers('bob')]
    const roomId = await aliceActor.creates({ preset: 'public_chat' })
    await bobActor.joins(roomId)
    await named(aliceActor, 'Alice')
    const [alice, bob] = [opens(server, aliceActor), opens(server, bobActor)]
    await sees(alice, bob, 'online')
    await sees(bob, alice, 'online')
    await server.quiet()
    return { server, aliceActor, bobActor, alice, bob, roomId }
  }

  test('P-205 two people see each other online, then idle, then back', async () => {
    const { server, alice, bob } = await meet()
    expect(bob.client.get(alice.userId)).toMatchObject({ currentlyActive: true, displayname: 'Alice' })
    expect(bob.client.roster().map(({ userId }) => userId)).toEqual([alice.userId])
    await passes(server, 2 * MINUTE)
    bob.idle.activity()
    await passes(server, MINUTE)
    await sees(bob, alice, 'unavailable')
    expect(alice.client.own()).toMatchObject({ state: 'online', isIdle: true })
    expect(alice.client.get(bob.userId).presence).toBe('online')
    await passes(server, 5_000)
    alice.idle.activity()
    await sees(bob, alice, 'online')
    expect(server.complaints).toEqual([])
  })

  test('P-210 a text stays through every change of the state, is seen, and is cleared', async () => {
    const { server, alice, bob } = await meet()
    const textOfAlice = (): string | undefined => bob.client.get(alice.userId).statusMsg
    await alice.client.setPresence({ state: 'unavailable', statusMsg: 'lunch <b>break</b>' })
    await sees(bob, alice, 'unavailable')
    expect(textOfAlice()).toBe('lunch <b>break</b>')
    await passes(server, 5_000)
    await alice.client.setPresence({ state: 'online' })
    await sees(bob, alice, 'online')
    expect(textOfAlice()).toBe('lunch <b>break</b>')
    await passes(server, 10_000)
    expect(alice.client.own()).toMatchObject({ statusMsg: 'lunch <b>break</b>', isSaving: false })
    await alice.client.setPresence({ statusMsg: null })
    await until(() => textOfAlice() === undefined, 'no text')
  })

  test('a choice by hand is not undone by the polls that follow', async () => {
    const { server, alice, bob } = await meet({ presence: { busy: true } })
    for (const [state, shown] of [
      ['unavailable', 'unavailable'],
      ['busy', 'busy'],
      ['offline', 'offline'],
      ['online', 'online'],
      ['hidden', 'offline'],
      ['free_for_chat', 'online'],
      ['unavailable', 'unavailable'],
    ] as const) {
      await alice.client.setPresence({ state })
      await sees(bob, alice, shown)
      alice.idle.activity()
      await passes(server, 70_000)
      expect([state, bob.client.get(alice.userId).presence]).toEqual([state, shown])
    }
  })

  test('P-112 who hides is offline to others and still sees them; a second session and a reload know it', async () => {
    const { server, alice, bob, aliceActor } = await meet()
    await alice.client.setPresence({ state: 'hidden', statusMsg: 'shh' })
    await sees(bob, alice, 'offline')
    expect(bob.client.get(alice.userId)).not.toHaveProperty('statusMsg')
    const reloaded = opens(server, await server.logsIn(aliceActor))
    await until(() => reloaded.client.own().state === 'hidden', 'hidden is known')
    expect(reloaded.client.own().statusMsg).toBe('shh')
    expect(reloaded.client.get(bob.userId).presence).toBe('online')
    await passes(server, 2 * MINUTE)
    expect(bob.client.get(alice.userId).presence).toBe('offline')
    await alice.client.setPresence({ state: 'online' })
    await sees(bob, alice, 'online')
    await until(() => reloaded.client.own().state === 'online', 'shown is known')
  })

  test('a stranger is invited, accepts, is seen, revokes, and is not', async () => {
    const server = await starts()
    const [alice, bob] = [
      opens(server, await server.registers('alice')),
      opens(server, await server.registers('bob')),
    ]
    await until(() => alice.client.features().lists && bob.client.connection() === 'connected', 'connected')
    await server.quiet()
    const heard: InviteChange[] = []
    alice.client.onInvite((change) => heard.push(change))
    await alice.client.invite(bob.userId)
    await until(() => bob.client.lists().incoming.length === 1, 'the invite arrives')
    await until(() => alice.client.lists().outgoing.length === 1, 'it was sent')
    expect(alice.client.get(bob.userId)).toMatchObject({ presence: 'offline', listed: 'pending' })
    expect(await bob.client.incoming()).toEqual(bob.client.lists().incoming)
    expect(bob.client.lists().incoming[0]?.userId).toBe(alice.userId)

    await bob.client.accept(alice.userId, { addBack: true })
    await sees(alice, bob, 'online')
    await until(() => alice.client.lists().following.length === 1, 'alice follows')
    await until(() => bob.client.lists().observers.length === 1, 'bob is observed')
    await until(() => alice.client.lists().incoming.length === 1, 'and asks back')
    expect(alice.client.get(bob.userId).listed).toBe('accepted')
    await alice.client.deny(bob.userId)
    await until(() => bob.client.lists().outgoing.length === 0, 'the denial arrives')
    expect([await alice.client.getList(), await bob.client.observers()]).toMatchObject([
      [{ userId: bob.userId, accepted: true }],
      [{ userId: alice.userId }],
    ])

    await bob.client.revoke(alice.userId)
    await sees(alice, bob, 'offline')
    await until(() => alice.client.lists().following.length === 0, 'alice does not follow any more')
    expect(heard.map(({ direction, state }) => `${direction} ${state}`)).toEqual([
      'outgoing pending',
      'outgoing accepted',
      'incoming pending',
      'incoming denied',
      'outgoing revoked',
    ])
    await bob.client.setPolicy('deny_all')
    expect(await bob.client.policy()).toBe('deny_all')
    await expect(bob.client.accept(alice.userId)).resolves.toBeUndefined()
    await expect(alice.client.fetchPresence(bob.userId)).rejects.toMatchObject({ status: 403 })
    expect(server.complaints).toEqual([])
  })

  test('what was pending and accepted is there after a reload, and drop ends it', async () => {
    const server = await starts()
    const [aliceActor, bobActor, carolActor] = [
      await server.registers('alice'),
      await server.registers('bob'),
      await server.registers('carol'),
    ]
    const [first, bob] = [opens(server, aliceActor), opens(server, bobActor)]
    await until(() => first.client.features().lists && bob.client.features().lists, 'connected')
    await first.client.invite([bob.userId, carolActor.userId])
    await until(() => bob.client.lists().incoming.length === 1, 'invited')
    await bob.client.accept(first.userId)
    first.client.stop()
    const again = opens(server, aliceActor)
    await until(() => again.client.lists().following.length === 1, 'read')
    expect(again.client.lists()).toMatchObject({
      following: [bob.userId],
      outgoing: [{ userId: carolActor.userId }],
    })
    await again.client.drop([bob.userId, carolActor.userId])
    await until(() => again.client.roster().every(({ listed }) => listed === null), 'dropped')
    await until(() => bob.client.lists().observers.length === 0, 'bob hears of it')
    expect(again.client.lists()).toEqual({ incoming: [], outgoing: [], following: [], observers: [] })
  })

  test('a server that goes makes everybody unknown; when it is back all is as it was', async () => {
    const { server, aliceActor, bobActor } = await meet()
    let isCut = false
    // The server has another port after each start.
    const fetch: Fetch = async (url, init) => {
      if (isCut) throw new TypeError('cut')
      return globalThis.fetch(url.replace('http://hs', server.url), init)
    }
    const [alice, bob] = [aliceActor, bobActor].map((actor) =>
      opens(server, actor, { baseUrl: 'http://hs', fetch }),
    )
    if (alice === undefined || bob === undefined) throw new Error('two users')
    await sees(bob, alice, 'online')
    await alice.client.setPresence({ state: 'unavailable', statusMsg: 'still here' })
    await until(() => bob.client.get(alice.userId).statusMsg === 'still here', 'the text')
    isCut = true
    await server.restarts({ end: 'unclean' })
    await until(() => server.requests.length > 0 && bob.client.connection() === 'connected', 'not lost yet')
    for (let second = 0; second < 45; second += 1) await server.clock.advance(1_000)
    await sees(bob, alice, 'unknown')
    expect([alice, bob].map(({ client }) => client.connection())).toEqual(['lost', 'lost'])
    isCut = false
    await server.clock.advance(30_000)
    await sees(bob, alice, 'unavailable')
    expect(bob.client.get(alice.userId).statusMsg).toBe('still here')
    expect(alice.client.own().state).toBe('unavailable')
  })

  test('a login that ends stops the client', async () => {
    const { server, alice, aliceActor, bob } = await meet()
    await aliceActor.ok('POST', '/v3/logout', { body: {} })
    await sees(bob, alice, 'offline')
    await passes(server, 30_000)
    await until(() => alice.client.connection() === 'unauthorized', 'stopped')
    expect(alice.client.get(bob.userId).presence).toBe('unknown')
  })

  test('P-212 in the background nobody is made to look online', async () => {
    const server = await starts()
    const [aliceActor, bobActor] = [await server.registers('alice'), await server.registers('bob')]
    const roomId = await aliceActor.creates({ preset: 'public_chat' })
    await bobActor.joins(roomId)
    const bob = opens(server, bobActor)
    await passes(server, MINUTE)
    const alice = opens(server, aliceActor, { background: true })
    await sees(alice, bob, 'online')
    await passes(server, 2 * MINUTE)
    expect(bob.client.get(alice.userId).presence).toBe('offline')
    alice.client.setBackground(false)
    alice.idle.activity()
    await sees(bob, alice, 'online')
  })

  test('members: who is in the rooms is known by name, also offline, and goes with the room', async () => {
    const { server, aliceActor, bobActor, roomId } = await meet()
    const carolActor = await server.registers('carol')
    await named(carolActor, 'Carol')
    await carolActor.joins(roomId)
    const alice = opens(server, await server.logsIn(aliceActor), { members: true })
    await until(() => alice.client.roster().length === 2, 'two others')
    await until(() => alice.client.get(bobActor.userId).presence === 'online', 'bob')
    expect(alice.client.get(carolActor.userId)).toMatchObject({
      presence: 'offline',
      displayname: 'Carol',
      rooms: [roomId],
    })
    await carolActor.leaves(roomId)
    await until(() => alice.client.roster().length === 1, 'carol is gone')
    await aliceActor.leaves(roomId)
    await until(() => alice.client.roster().length === 0, 'and so is everybody')
  })

  test('an idle client costs a few requests a minute', async () => {
    const { server } = await meet()
    await passes(server, 5 * MINUTE)
    const before = server.requests.length
    await passes(server, 5 * MINUTE)
    expect(server.requests.length - before).toBeLessThanOrEqual(24)
  })
})

describe('against a server that has only the standard', () => {
  async function meet() {
    const clock = new ManualClock()
    const server = new StandardServer(clock)
    const baseUrl = await server.start()
    ends.push(() => server.close())
    const [alice, bob] = ['@alice:hs', '@bob:hs'].map((userId) =>
      uses(clock, { baseUrl, userId, accessToken: encodeURIComponent(userId) }),
    )
    if (alice === undefined || bob === undefined) throw new Error('two users')
    await sees(alice, bob, 'online')
    await sees(bob, alice, 'online')
    return { server, clock, alice, bob }
  }

  test('P-205 seeing, idling, coming back and hiding work', async () => {
    const { server, alice, bob } = await meet()
    await server.passes(2 * MINUTE, 2)
    bob.idle.activity()
    await server.passes(MINUTE, 2)
    await sees(bob, alice, 'unavailable')
    await server.passes(5_000, 2)
    alice.idle.activity()
    await sees(bob, alice, 'online')
    await server.passes(5_000, 2)
    await alice.client.setPresence({ state: 'hidden' })
    await sees(bob, alice, 'offline')
    expect([server.puts, alice.client.own().state]).toEqual([[{ presence: 'offline' }], 'hidden'])
    expect(alice.client.features()).toEqual({ lists: false, busy: false, hidden: false, freeForChat: false })
  })

  test('P-211 a text survives a change of the state, and busy is never sent', async () => {
    const { server, alice, bob } = await meet()
    await alice.client.setPresence({ statusMsg: 'reading' })
    await until(() => bob.client.get(alice.userId).statusMsg === 'reading', 'the text')
    await server.passes(5_000, 2)
    await alice.client.setPresence({ state: 'busy' })
    await sees(bob, alice, 'unavailable')
    expect(bob.client.get(alice.userId).statusMsg).toBe('reading')
    expect(server.puts).toEqual([
      { presence: 'online', status_msg: 'reading' },
      { presence: 'unavailable', status_msg: 'reading' },
    ])
  })

  test('nothing is asked that the standard does not know', async () => {
    const { server, alice } = await meet()
    await expect(alice.client.invite('@bob:hs')).rejects.toMatchObject({ errcode: 'M_UNRECOGNIZED' })
    await server.passes(10 * MINUTE, 2)
    expect(server.unrecognized).toEqual([])
  })
})
