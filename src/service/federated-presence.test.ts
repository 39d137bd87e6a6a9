import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { PeerLoop } from '../../test/support/peer-loop.ts'
import type { PresenceEdu, PresencePush } from '../matrix/edu.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { Destinations } from '../ports/destinations.ts'
import { createMemoryStore } from '../store/memory.ts'
import { EARLY_PUSH_TTL_MS } from './early-pushes.ts'
import { createFederatedPresence, type FederatedPresenceDeps } from './federated-presence.ts'
import { createListPeers } from './list-peers.ts'
import { createPollSubscriptions } from './poll-subscriptions.ts'

const MINUTE = 60_000
const DAY = 86_400_000
const HERE = 'hs' as ServerName
const REMOTE = 'remote' as ServerName
const OTHER = 'other' as ServerName
const ALICE = '@alice:hs' as UserId
const BOB = '@bob:hs' as UserId
const ZOE = '@zoe:remote' as UserId
const YVES = '@yves:remote' as UserId
const XENIA = '@xenia:other' as UserId

/** Zoe and Alice follow each other; of the others nobody sees anybody. */
function world(over: Partial<FederatedPresenceDeps> = {}) {
  const clock = new ManualClock()
  const store = createMemoryStore()
  const loop = new PeerLoop('hs')
  loop.grants = [
    [ZOE, ALICE],
    [ALICE, ZOE],
  ]
  const told: string[] = []
  const say =
    (verb: string) =>
    (server: ServerName, userIds: Iterable<UserId>): void =>
      void told.push(`${verb} ${server} ${[...userIds].join(' ')}`)
  const destinations: Destinations = {
    offerPresence: say('offer'),
    answerPresence: say('answer'),
    offerPolls: (server, { poll }) => say('poll')(server, poll),
    offerLists: () => {},
    heardFrom: (server) => void told.push(`heard ${server}`),
  }
  const shared = { store, clock, loop, destinations, log: { error: () => {} }, random: seededRandom(1) }
  const { takes = true, tells = true } = over
  const peers = createListPeers({
    ...shared,
    takes,
    tells,
    watchdogShortMs: MINUTE,
    watchdogLongMs: 60 * MINUTE,
    peersMax: 100,
  })
  const polls = createPollSubscriptions({
    ...shared,
    heardTs: (server) => peers.heardTs(server),
    subscriptionsMax: 100,
  })
  const names: unknown[] = []
  const presence = createFederatedPresence({
    ...shared,
    serverName: HERE,
    directory: { createdTs: async (userId) => (userId === ALICE ? clock.now() - 5 * DAY : null) },
    peers,
    polls,
    profiles: { heard: (userId, said) => void names.push([userId, said]) },
    offlineCutoffMs: 7 * DAY,
    earlyPushesMax: 100,
    takes,
    tells,
    ...over,
  })
  const receive = (origin: ServerName, edu: Partial<PresenceEdu>): void =>
    presence.presence(origin, { push: [], poll: [], unpoll: [], ...edu })
  return { clock, store, loop, told, names, peers, polls, presence, receive }
}

function push(userId: UserId, over: Partial<PresencePush> = {}): PresencePush {
  return {
    userId,
    state: 'online',
    statusMsg: null,
    lastActiveAgoMs: 1_000,
    currentlyActive: false,
    displayname: null,
    avatarUrl: null,
    ...over,
  }
}

describe('what others are told', () => {
  test('P-167 P-171 a push says who, what, and an age as of now', async () => {
    const { clock, loop, presence } = world()
    loop.online(ALICE, { lastActiveTs: clock.now() - 3_000, statusMsg: 'here', currentlyActive: true })
    const pushed = { ...push(ALICE), statusMsg: 'here', currentlyActive: true }
    expect(await presence.presenceFor(REMOTE, [ALICE])).toEqual([{ ...pushed, lastActiveAgoMs: 3_000 }])
    await clock.advance(500)
    expect(await presence.presenceFor(REMOTE, [ALICE])).toEqual([{ ...pushed, lastActiveAgoMs: 3_500 }])
    loop.online(ALICE, { lastActiveTs: clock.now() + 10 })
    expect((await presence.presenceFor(REMOTE, [ALICE]))[0]?.lastActiveAgoMs).toBe(0)
  })

  test('P-167 who was never active, or hides, is as old as the account', async () => {
    const { presence } = world()
    expect(await presence.presenceFor(REMOTE, [ALICE])).toEqual([
      { ...push(ALICE), state: 'offline', lastActiveAgoMs: 5 * DAY },
    ])
  })

  test('P-167 of an account that nobody can date the age is 0', async () => {
    const { loop, presence } = world()
    loop.grants.push([ZOE, BOB])
    expect((await presence.presenceFor(REMOTE, [BOB]))[0]?.lastActiveAgoMs).toBe(0)
  })

  test('P-166 P-172 nobody is told of whom it may not see, nor of users of others', async () => {
    const { loop, presence } = world()
    for (const userId of [ALICE, BOB]) loop.online(userId)
    loop.rooms = [[ALICE, ZOE, XENIA]]
    const asked = [BOB, ALICE, ZOE, XENIA]
    expect((await presence.presenceFor(OTHER, asked)).map(({ userId }) => userId)).toEqual([ALICE])
    loop.rooms = []
    expect(await presence.presenceFor(OTHER, asked)).toEqual([])
    expect((await presence.presenceFor(REMOTE, asked)).map(({ userId }) => userId)).toEqual([ALICE])
  })

  test('P-166 what ends while an account is looked up is not told any more', async () => {
    const { clock, loop, presence } = world({
      directory: {
        createdTs: async () => {
          loop.grants = []
          return clock.now()
        },
      },
    })
    expect(await presence.presenceFor(REMOTE, [ALICE])).toEqual([])
  })

  test('P-171 what changes while an account is looked up is told as it is then', async () => {
    const looked: UserId[] = []
    const { clock, loop, presence } = world({
      directory: {
        createdTs: async (userId) => {
          looked.push(userId)
          loop.own.delete(BOB)
          loop.online(ALICE, { lastActiveTs: clock.now() - 7 })
          return clock.now() - 9
        },
      },
    })
    loop.grants.push([ZOE, BOB])
    loop.online(BOB)
    expect(await presence.presenceFor(REMOTE, [ALICE, BOB])).toEqual([
      push(ALICE, { lastActiveAgoMs: 7 }),
      push(BOB, { state: 'offline', lastActiveAgoMs: 9 }),
    ])
    expect(looked).toEqual([ALICE, BOB])
  })

  test('P-203 after an outage it is told of who is not offline and of who changed, if it may see them', () => {
    const { loop, presence } = world()
    const names = ['a', 'b', 'c', 'd'].map((name) => `@${name}:hs` as UserId)
    const [a, b, c, d] = names as [UserId, UserId, UserId, UserId]
    loop.grants = [a, b, c].map((userId) => [ZOE, userId])
    loop.online(a)
    loop.online(d)
    expect(presence.presenceAfterOutage(REMOTE, new Set([b, d]))).toEqual([a, b])
  })

  test('with federation_out off nothing is told, answered or announced', async () => {
    const { clock, loop, told, presence, receive } = world({ tells: false })
    loop.online(ALICE)
    receive(REMOTE, { poll: [ALICE] })
    presence.begin()
    await clock.advance(MINUTE - 1)
    expect(told).toEqual([])
    expect(await presence.presenceFor(REMOTE, [ALICE])).toEqual([])
    expect(presence.presenceAfterOutage(REMOTE, new Set([ALICE]))).toEqual([])
  })
})

describe('pushes', () => {
  test('P-170 a push replaces what was known; times are absolute and never in the future', () => {
    const { clock, loop, receive } = world()
    receive(REMOTE, { push: [push(ZOE, { statusMsg: 'hi', lastActiveAgoMs: 5_000, currentlyActive: true })] })
    const ts = clock.now() - 5_000
    expect(loop.remote.get(ZOE)).toEqual({
      state: 'online',
      statusMsg: 'hi',
      lastActiveTs: ts,
      currentlyActive: true,
    })
    receive(REMOTE, { push: [push(ZOE, { state: 'unavailable', lastActiveAgoMs: -1_000 })] })
    expect(loop.remote.get(ZOE)).toEqual({
      state: 'unavailable',
      statusMsg: null,
      lastActiveTs: clock.now(),
      currentlyActive: false,
    })
    receive(REMOTE, { push: [push(ZOE, { lastActiveAgoMs: null })] })
    expect(loop.remote.get(ZOE)?.lastActiveTs).toBeNull()
    receive(REMOTE, { push: [push(ZOE, { lastActiveAgoMs: 1e15 })] })
    expect(loop.remote.get(ZOE)?.lastActiveTs).toBe(0)
  })

  test('P-168 entries of users of others are ignored, the rest is heard', () => {
    const { loop, receive } = world()
    loop.rooms = [[ALICE, ZOE, YVES, XENIA]]
    receive(REMOTE, { push: [push(XENIA), push(ZOE), push(ALICE), push(YVES)] })
    expect([...loop.remote.keys()]).toEqual([ZOE, YVES])
  })

  test('P-180 a push that overtakes what makes its user visible is heard when that comes, its age counted on', async () => {
    const { clock, loop, presence, receive } = world()
    receive(REMOTE, { push: [push(YVES, { statusMsg: 'old' })] })
    receive(REMOTE, { push: [push(YVES, { statusMsg: 'new', lastActiveAgoMs: 2_000 })] })
    expect(loop.remote.size).toBe(0)
    const ts = clock.now() - 2_000
    await clock.advance(EARLY_PUSH_TTL_MS - 1)
    loop.rooms = [[ALICE, YVES]]
    presence.onSighted(YVES)
    expect(loop.remote.get(YVES)).toMatchObject({ statusMsg: 'new', lastActiveTs: ts })
    loop.remote.clear()
    presence.onSighted(YVES)
    expect(loop.remote.size).toBe(0)
  })

  test('P-180 a push that is heard makes an earlier one worthless', () => {
    const { loop, presence, receive } = world()
    receive(REMOTE, { push: [push(YVES, { statusMsg: 'old' })] })
    loop.rooms = [[ALICE, YVES]]
    receive(REMOTE, { push: [push(YVES, { statusMsg: 'new' })] })
    presence.onSighted(YVES)
    expect(loop.remote.get(YVES)?.statusMsg).toBe('new')
  })

  test('P-180 what is too old is not shown', async () => {
    const { clock, loop, presence, receive } = world()
    receive(REMOTE, { push: [push(YVES)] })
    await clock.advance(EARLY_PUSH_TTL_MS)
    loop.rooms = [[ALICE, YVES]]
    presence.onSighted(YVES)
    expect(loop.remote.size).toBe(0)
  })

  test('§5.4 names are taken from peers of 2015 only, and of visible users', () => {
    const { loop, names, peers, presence, receive } = world()
    const named = { displayname: 'Zoe', avatarUrl: null }
    receive(REMOTE, { push: [push(ZOE, named)] })
    expect(names).toEqual([])
    peers.spoke(REMOTE)
    receive(REMOTE, { push: [push(ZOE, named), push(YVES, { avatarUrl: 'mxc://remote/y' })] })
    receive(REMOTE, { push: [push(ZOE)] })
    expect(names).toEqual([[ZOE, named]])
    loop.rooms = [[ALICE, YVES]]
    presence.onSighted(YVES)
    expect(names.at(-1)).toEqual([YVES, { displayname: null, avatarUrl: 'mxc://remote/y' }])
  })

  test('with federation_in off pushes are ignored, and polls are answered: they are about ours', () => {
    const { loop, told, peers, presence, receive } = world({ takes: false })
    receive(REMOTE, { push: [push(ZOE), push(YVES)], poll: [ALICE] })
    expect(loop.remote.size).toBe(0)
    loop.rooms = [[ALICE, YVES]]
    presence.onSighted(YVES)
    expect(loop.remote.size).toBe(0)
    expect(told).toEqual([`answer remote ${ALICE}`])
    expect(peers.speaksLists(REMOTE)).toBe(true)
  })
})

describe('polls', () => {
  test('P-177 a poll for visible users is answered at once, and makes a subscription', async () => {
    const { store, told, peers, polls, receive } = world()
    receive(REMOTE, { poll: [ALICE] })
    expect(told).toEqual([`answer remote ${ALICE}`])
    await polls.close()
    expect(await store.all('polls')).toEqual([{ serverName: REMOTE, userId: ALICE, wanted: 1 }])
    expect(peers.speaksLists(REMOTE)).toBe(true)
  })

  test('P-178 a poll for anybody else gives no answer and no subscription', async () => {
    const { store, loop, told, polls, receive } = world()
    loop.rooms = [[ZOE, XENIA]]
    receive(REMOTE, { poll: [BOB, ZOE, XENIA, '@nobody:hs' as UserId] })
    receive(OTHER, { poll: [ALICE] })
    expect(told).toEqual([])
    receive(REMOTE, { poll: [BOB, ALICE] })
    expect(told).toEqual([`answer remote ${ALICE}`])
    await polls.close()
    expect((await store.all('polls')).map(({ userId }) => userId)).toEqual([ALICE])
  })

  test('P-177 who polls twice is answered twice', () => {
    const { told, receive } = world()
    receive(REMOTE, { poll: [ALICE] })
    receive(REMOTE, { poll: [ALICE] })
    expect(told).toEqual([`answer remote ${ALICE}`, `answer remote ${ALICE}`])
  })

  test('P-179 P-182 P-184 who unpolls follows no more, and is not answered', () => {
    const { loop, told, receive } = world()
    loop.grants.push([ZOE, BOB])
    receive(REMOTE, { poll: [ALICE, BOB] })
    told.length = 0
    receive(REMOTE, { unpoll: [ALICE] })
    expect(loop.followedBy(REMOTE)).toEqual([BOB])
    receive(REMOTE, { poll: [ALICE] })
    expect(loop.followedBy(REMOTE)).toEqual([ALICE, BOB])
    expect(told).toEqual([`answer remote ${ALICE}`])
  })

  test('P-182 an unpoll of somebody else, or of whom it may not see, does nothing', async () => {
    const { store, loop, polls, receive } = world()
    receive(REMOTE, { unpoll: [BOB, XENIA] })
    receive(OTHER, { unpoll: [ALICE] })
    loop.grants.push([XENIA, ALICE])
    expect(loop.followedBy(REMOTE)).toEqual([ALICE])
    expect(loop.followedBy(OTHER)).toEqual([ALICE])
    await polls.close()
    expect(await store.all('polls')).toEqual([])
  })

  test('P-182 an unpoll of whom it may not see any more ends what it asked before', async () => {
    const { store, loop, polls, receive } = world()
    receive(REMOTE, { poll: [ALICE] })
    loop.grants = []
    receive(REMOTE, { unpoll: [ALICE] })
    await polls.close()
    expect(await store.all('polls')).toEqual([])
  })

  test('§1.1 whoever polls is a peer already for what stands in the same EDU', () => {
    const { names, receive } = world()
    const named = { displayname: 'Zoe', avatarUrl: null }
    receive(REMOTE, { push: [push(ZOE, named)], poll: [ALICE] })
    expect(names).toEqual([[ZOE, named]])
  })

  test('P-182 who stands in both lists is polled', () => {
    const { loop, receive } = world()
    receive(REMOTE, { poll: [ALICE], unpoll: [ALICE] })
    expect(loop.followedBy(REMOTE)).toEqual([ALICE])
  })
})

describe('watchdogs', () => {
  const quiet = async (over: (all: ReturnType<typeof world>) => void): Promise<number> => {
    const all = world()
    const { clock, loop, told, peers, receive } = all
    loop.connected.add(ALICE)
    peers.spoke(REMOTE)
    receive(REMOTE, { poll: [ALICE], push: [push(ZOE)] })
    // One reminder each time: the short interval is four minutes then.
    await clock.advance(MINUTE)
    receive(REMOTE, { push: [push(ZOE)] })
    await clock.advance(2 * MINUTE)
    receive(REMOTE, { push: [push(ZOE)] })
    told.length = 0
    over(all)
    for (let ms = 0; ms < 10 * MINUTE && told.length === 0; ms += 1_000) await clock.advance(1_000)
    await peers.close()
    return Math.round(ms(clock, told))
  }
  const ms = (clock: ManualClock, told: readonly string[]): number =>
    told.length === 0 ? -1 : clock.now() - Date.UTC(2015, 9, 2, 12, 3, 0)

  test('§5.7 what says nothing new leaves the short timer long', async () => {
    expect(await quiet(({ receive }) => receive(REMOTE, { push: [push(ZOE)] }))).toBe(4 * MINUTE)
    expect(await quiet(({ receive }) => receive(REMOTE, {}))).toBe(4 * MINUTE)
    expect(await quiet(({ receive }) => receive(REMOTE, { push: [push(YVES)] }))).toBe(4 * MINUTE)
  })

  test.each([
    ['another state', { push: [push(ZOE, { state: 'unavailable' })] }],
    ['another text', { push: [push(ZOE, { statusMsg: 'new' })] }],
    ['an unpoll', { unpoll: [ALICE] }],
  ] as const)('§5.7 after %s silence is noticed soon', async (_, edu) => {
    expect(await quiet(({ receive }) => receive(REMOTE, edu))).toBe(MINUTE)
  })

  test('P-198 a poll, or a push of somebody we follow, puts the long timer back; other pushes do not', async () => {
    const remindedAt = async (edu: Partial<PresenceEdu>): Promise<number> => {
      const { clock, loop, told, peers, receive, presence } = world({ random: seededRandom(2) })
      loop.connected.add(ALICE)
      loop.rooms = [[ALICE, YVES]]
      peers.spoke(REMOTE)
      for (let minutes = 0; minutes < 80; minutes += 0.5) {
        await clock.advance(MINUTE / 2)
        presence.heardFrom(REMOTE)
        if (minutes === 30) receive(REMOTE, edu)
        if (told.some((line) => line.startsWith('poll'))) return minutes
      }
      return 80
    }
    expect(await remindedAt({})).toBeLessThan(67)
    expect(await remindedAt({ push: [push(YVES)] })).toBeLessThan(67)
    expect(await remindedAt({ unpoll: [ALICE] })).toBeLessThan(67)
    expect(await remindedAt({ poll: [ALICE] })).toBe(80)
    expect(await remindedAt({ push: [push(ZOE)] })).toBe(80)
  })
})

test('a signed request ends the back-off and is heard', () => {
  const { told, peers, presence, clock } = world()
  peers.spoke(REMOTE)
  presence.heardFrom(REMOTE)
  expect(told).toEqual(['heard remote'])
  expect(peers.heardTs(REMOTE)).toBe(clock.now())
})

describe('at a start', () => {
  const servers = Array.from({ length: 40 }, (_, i) => `s${i}` as ServerName)

  test('§4.8 every server is told once of the users it may see, one after the other', async () => {
    const { clock, loop, told, presence } = world()
    loop.online(ALICE)
    loop.grants = servers.map((server) => [`@a:${server}` as UserId, ALICE])
    const times: number[] = []
    presence.begin()
    expect(told).toEqual([])
    for (let step = 0; step < 1_000; step += 1) {
      await clock.advance(10)
      while (times.length < told.length) times.push(clock.now())
    }
    expect(told.toSorted()).toEqual(servers.map((server) => `offer ${server} ${ALICE}`).toSorted())
    expect(told).not.toEqual(servers.map((server) => `offer ${server} ${ALICE}`))
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThan(2_000)
    expect(clock.timers).toBe(0)
  })

  test('§4.7 who was gone for long and left no text is no news', async () => {
    const { clock, loop, told, presence } = world()
    const ids = ['gone', 'recent', 'text', 'never', 'here'].map((name) => `@${name}:hs` as UserId)
    const [gone, recent, text, never, here] = ids as [UserId, UserId, UserId, UserId, UserId]
    const long = clock.now() - 8 * DAY
    loop.grants = ids.map((userId) => [ZOE, userId])
    loop.online(gone, { state: 'offline', lastActiveTs: long })
    loop.online(recent, { state: 'offline', lastActiveTs: clock.now() - 6 * DAY })
    loop.online(text, { state: 'offline', lastActiveTs: long, statusMsg: 'away' })
    loop.online(here, { lastActiveTs: long })
    presence.begin()
    await clock.advance(1_000)
    expect(told).toEqual([`offer remote ${[recent, text, never, here].join(' ')}`])
  })

  test('nothing is said with federation_out off, nor once it closed', async () => {
    const silent = world({ tells: false })
    silent.loop.online(ALICE)
    silent.presence.begin()
    await silent.clock.advance(DAY)
    expect(silent.told).toEqual([])
    const closed = world()
    closed.loop.online(ALICE)
    closed.presence.begin()
    closed.presence.close()
    await closed.clock.advance(DAY)
    expect(closed.told).toEqual([])
    expect(closed.clock.timers).toBe(0)
  })

  test('a fault at one server leaves the others', async () => {
    const { clock, loop, told, presence } = world()
    loop.online(ALICE)
    loop.grants = servers.map((server) => [`@a:${server}` as UserId, ALICE])
    const visible = loop.visibleToServer.bind(loop)
    loop.visibleToServer = (server) => {
      if (server === servers[0]) throw new Error('broken')
      return visible(server)
    }
    presence.begin()
    await clock.advance(MINUTE)
    expect(told).toHaveLength(39)
  })
})
