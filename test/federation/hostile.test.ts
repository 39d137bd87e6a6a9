import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { JsonObject } from '../../src/matrix/json.ts'
import { presenceOf, type Actor } from '../support/actors.ts'
import { certificateAuthority } from '../support/certificate.ts'
import { HOME, openFederation, REMOTE, type FederationHouse } from '../support/federation-house.ts'
import { HostileServer, json, KEY_PATH, newKey, type HostileReply } from '../support/hostile-server.ts'
import { Follower } from '../support/lists.ts'
import { listEdu, Outsider, presenceEdu, WITHDRAW } from '../support/pairs.ts'
import type { TestServer } from '../support/server.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BATCH = 10 * SECOND
const EVIL = 'evil.example'
const GOOD = 'good.example'
const OFF = { set_presence: 'offline' } as const

let house: FederationHouse
let home: TestServer
let evil: HostileServer
let good: HostileServer
let alice: Actor
let bob: Actor
let eve: Outsider
let greta: Outsider

beforeEach(async () => {
  house = await openFederation({ names: [HOME], hostile: [EVIL, GOOD] })
  home = house.server(HOME)
  evil = house.peer(EVIL)
  good = house.peer(GOOD)
  alice = await home.registers('alice')
  bob = await home.registers('bob')
  eve = new Outsider('eve', evil, home)
  greta = new Outsider('greta', good, home)
  for (const each of [alice, bob]) await each.syncs(OFF)
})
afterEach(() => house.close())

function refusal({ status, body }: HostileReply): unknown[] {
  return [status, body['errcode']]
}

/** Everything works for others: an honest server is heard and answered, people here see each other, at once. */
async function othersAreWell(): Promise<void> {
  const text = `well at ${house.elapsedMs}`
  await greta.pushes({ presence: 'online', status_msg: text })
  expect((await alice.status(greta.userId)).body).toMatchObject({ status_msg: text })
  await bob.sets('online', text)
  expect((await alice.status(bob)).body).toMatchObject({ status_msg: text })
}

async function friends(): Promise<void> {
  await greta.isFollowedBy(alice, house)
  await new Follower(alice).invites(bob)
  await new Follower(bob).accepts(alice)
  await alice.syncs(OFF)
}

async function pendingOf(who: Actor): Promise<string[]> {
  const [incoming] = await new Follower(who).pending()
  return incoming
}

/** Rows that other servers can cause. */
async function rows(): Promise<Record<string, number>> {
  const { store } = home
  const count = async (rows: Promise<readonly unknown[]>): Promise<number> => (await rows).length
  return {
    presence: (await store.all('presence')).filter(({ userId }) => !userId.endsWith(`:${HOME}`)).length,
    presenceList: await count(store.all('presenceList')),
    presenceGrants: await count(store.all('presenceGrants')),
    polls: await count(store.all('polls')),
    listPeers: await count(store.all('listPeers')),
    destinations: await count(store.all('destinations')),
  }
}

describe('users of others', () => {
  test('P-187 P-188 L-09 list EDUs in the name of others, or about users of others, do nothing', async () => {
    await greta.follows(alice, house)
    await greta.isFollowedBy(alice, house)
    await new Follower(alice).invites(bob, `@asked:${GOOD}`)
    await house.quiet()
    const asking = good.edus('m.presence_invite').at(-1)
    const before = [
      await rows(),
      await new Follower(alice).list('/r0', true),
      await new Follower(alice).observers(),
    ]
    const [a, b, g, e] = [alice.userId, bob.userId, greta.userId, eve.userId]
    const spoofed = [
      // In the name of users of another server, and of our own.
      listEdu('invite', g, b),
      listEdu('invite', a, b),
      listEdu('accept', a, `@asked:${GOOD}`),
      { edu_type: 'm.presence_accept', content: asking?.content ?? {} },
      listEdu('deny', a, g),
      listEdu('accept', a, b),
      listEdu('deny', a, b),
      listEdu('withdraw', g, a),
      listEdu('withdraw', a, b),
      // About users who are not ours.
      listEdu('invite', e, g),
      listEdu('accept', g, e),
      listEdu('deny', g, e),
      listEdu('withdraw', e, g),
      // In the wrong direction.
      listEdu('invite', a, e),
      listEdu('withdraw', a, e),
      listEdu('accept', e, a),
      listEdu('deny', e, a),
      // About themselves.
      listEdu('invite', e, e),
    ]
    for (const edu of spoofed) expect((await evil.says(home, [edu])).status).toBe(200)
    await house.advance(MINUTE)
    const after = [
      await rows(),
      await new Follower(alice).list('/r0', true),
      await new Follower(alice).observers(),
    ]
    expect({ ...(after[0] as object), listPeers: 0 }).toEqual({ ...(before[0] as object), listPeers: 0 })
    expect(after[2]).toEqual(before[2])
    expect(await pendingOf(bob)).toEqual([alice.userId])
    expect(await new Follower(alice).follows()).toEqual([greta.userId])
    // Good’s users were told nothing of it.
    expect(good.edus(WITHDRAW)).toEqual([])
  })

  test('P-168 P-178 L-09 presence in the name of others is not shown, polls for others are not answered', async () => {
    await friends()
    await greta.pushes({ presence: 'unavailable', status_msg: 'hers' })
    await bob.sets('unavailable', 'his')
    const entry = (userId: string): JsonObject => ({
      user_id: userId,
      presence: 'online',
      last_active_ago: 0,
      status_msg: 'spoofed',
    })
    await evil.says(home, [
      presenceEdu({
        push: [
          greta.userId,
          bob.userId,
          alice.userId,
          '@eve',
          'eve',
          '',
          `@eve:${EVIL}:8448`,
          `@eve:${EVIL}.`,
        ].map(entry),
        poll: [greta.userId, bob.userId, alice.userId],
        unpoll: [greta.userId, bob.userId],
      }),
    ])
    await house.advance(MINUTE)
    expect((await alice.status(greta.userId)).body).toMatchObject({ status_msg: 'hers' })
    expect((await alice.status(bob)).body).toMatchObject({ status_msg: 'his' })
    expect(evil.transactions).toEqual([])
    const text = JSON.stringify(await home.store.all('presence'))
    expect(text).not.toContain('spoofed')
  })

  test('P-189 an accept that nobody asked for creates nothing, and is answered with a withdraw', async () => {
    await evil.says(home, [listEdu('accept', alice.userId, eve.userId)])
    await house.quiet()
    expect(await new Follower(alice).list('/r0', true)).toEqual([])
    expect(evil.edus(WITHDRAW)).toMatchObject([
      { content: { observer_user: alice.userId, observed_user: eve.userId } },
    ])
    await evil.pushesTo(home, { user_id: eve.userId, presence: 'online', last_active_ago: 0 })
    expect((await alice.status(eve.userId)).status).toBe(403)
  })

  test('P-189 a hundred accepts for users that do not exist leave nothing behind', async () => {
    const before = await rows()
    for (let i = 0; i < 10; i += 1)
      await evil.says(
        home,
        Array.from({ length: 100 }, (_, k) => listEdu('accept', `@ghost${i}-${k}:${HOME}`, eve.userId)),
      )
    await house.advance(HOUR)
    const after = await rows()
    expect({ ...after, listPeers: 0 }).toEqual({ ...before, listPeers: 0 })
    expect(await home.store.listOutboxServers()).toEqual([])
  })

  test('P-193 an invite for a pair that is granted is answered with the accept and a push again', async () => {
    await eve.follows(alice, house)
    await alice.sets('unavailable', 'again')
    await house.advance(MINUTE)
    evil.heard.length = 0
    await evil.says(home, [listEdu('invite', eve.userId, alice.userId, 77)])
    await house.quiet()
    expect(evil.edus().map(({ edu_type }) => edu_type)).toEqual(['m.presence_accept', 'm.presence'])
    expect(evil.edus()[0]?.content).toMatchObject({ 'dev.adsum.presence_lists.ask': 77 })
    expect(evil.pushes()).toMatchObject([{ user_id: alice.userId, status_msg: 'again' }])
  })

  test('P-188 an answer to an older asking is out of date, one that names none counts', async () => {
    await new Follower(alice).invites(eve.userId)
    await new Follower(alice).drops(eve.userId)
    await new Follower(alice).invites(eve.userId)
    await house.quiet()
    const ask = evil.edus('m.presence_invite').at(-1)?.content['dev.adsum.presence_lists.ask'] as number
    for (const kind of ['accept', 'deny'] as const)
      await evil.says(home, [listEdu(kind, alice.userId, eve.userId, ask - 1)])
    expect(await new Follower(alice).pending()).toEqual([[], [eve.userId]])
    await evil.says(home, [listEdu('accept', alice.userId, eve.userId)])
    expect(await new Follower(alice).follows()).toEqual([eve.userId])
  })

  test('invites of one server fill nobody’s inbox without end', async () => {
    for (let i = 0; i < 12; i += 1) {
      await evil.says(
        home,
        Array.from({ length: 100 }, (_, k) => listEdu('invite', `@flood${i}-${k}:${EVIL}`, alice.userId)),
      )
      await house.advance(MINUTE)
    }
    const grants = (await home.store.all('presenceGrants')).filter(({ state }) => state === 'pending')
    expect(grants.length).toBeLessThanOrEqual(1_000)
    await friends()
    await othersAreWell()
  })
})

describe('keys', () => {
  const invite = (): Promise<HostileReply> => evil.says(home, [listEdu('invite', eve.userId, alice.userId)])

  test.each<[string, () => void]>([
    ['answers with an error', () => void (evil.publishes = () => Promise.resolve(json({}, 500)))],
    ['does not know the path', () => void (evil.publishes = () => Promise.resolve(json({}, 404)))],
    ['cuts the line', () => void (evil.publishes = () => Promise.resolve(null))],
    [
      'speaks no JSON',
      () => void (evil.publishes = () => Promise.resolve({ status: 200, headers: {}, body: '<html>' })),
    ],
    [
      'gives a list',
      () => void (evil.publishes = () => Promise.resolve({ status: 200, headers: {}, body: '[]' })),
    ],
    [
      'speaks for another server',
      () => void (evil.publishes = () => Promise.resolve(json(evil.keyObject({ server_name: GOOD })))),
    ],
    [
      'does not sign',
      () => void (evil.publishes = () => Promise.resolve(json({ ...evil.keyObject(), signatures: {} }))),
    ],
    [
      'signs with a key that it does not publish',
      () => void (evil.publishes = () => Promise.resolve(json(evil.keyObject({}, newKey('k2'))))),
    ],
    [
      'signs with a wrong key of that name',
      () => void (evil.publishes = () => Promise.resolve(json(evil.keyObject({}, newKey())))),
    ],
    [
      'publishes another key under that name',
      () => {
        const { key } = evil
        const other = newKey()
        evil.publishes = () => {
          evil.key = other
          const object = evil.keyObject()
          evil.key = key
          return Promise.resolve(json(object))
        }
      },
    ],
    [
      'publishes keys that were valid until yesterday',
      () =>
        void (evil.publishes = () =>
          Promise.resolve(json(evil.keyObject({ valid_until_ts: home.clock.now() - DAY })))),
    ],
    [
      'publishes no validity',
      () =>
        void (evil.publishes = () => Promise.resolve(json(evil.keyObject({ valid_until_ts: 'for ever' })))),
    ],
    [
      'publishes the key as an old one only',
      () => {
        const { keyId, publicKey } = evil.key
        const old = { [keyId]: { key: publicKey, expired_ts: home.clock.now() - DAY } }
        evil.publishes = () =>
          Promise.resolve(json(evil.keyObject({ verify_keys: {}, old_verify_keys: old })))
      },
    ],
    [
      'publishes ten thousand keys',
      () => {
        const { keyId, publicKey } = evil.key
        const many = Object.fromEntries(
          Array.from({ length: 10_000 }, (_, i) => [`ed25519:n${i}`, { key: publicKey }]),
        )
        evil.publishes = () =>
          Promise.resolve(json(evil.keyObject({ verify_keys: { ...many, [keyId]: { key: publicKey } } })))
      },
    ],
    [
      'never ends',
      () =>
        void (evil.publishes = () =>
          Promise.resolve({ status: 200, headers: {}, body: ' '.repeat(20_000_000) })),
    ],
    [
      'sends us elsewhere',
      () =>
        void (evil.publishes = () =>
          Promise.resolve(json({}, 302, { location: `https://127.0.0.1:${good.port}${KEY_PATH}` }))),
    ],
  ])('P-158 a server whose key server %s is refused, and nobody else is', async (_, spoil) => {
    await friends()
    spoil()
    expect(refusal(await invite())).toEqual([401, 'M_UNAUTHORIZED'])
    expect(await pendingOf(alice)).toEqual([])
    expect(good.asked(KEY_PATH)).toHaveLength(1)
    expect((await home.store.serverKeys(EVIL as never)).length).toBeLessThanOrEqual(100)
    await othersAreWell()
  })

  test('P-158 P-201 a key server that hangs ends in a refusal, and delays nobody else', async () => {
    await friends()
    evil.publishes = async () => {
      await evil.holds()
      return null
    }
    const replies = Array.from({ length: 20 }, () => invite())
    await house.quiet()
    await othersAreWell()
    // Many requests wait for one question.
    expect(evil.asked(KEY_PATH)).toHaveLength(1)
    await house.advance(2 * MINUTE)
    for (const reply of await Promise.all(replies)) expect(refusal(reply)).toEqual([401, 'M_UNAUTHORIZED'])
    expect(await pendingOf(alice)).toEqual([])
  })

  test('P-158 keys that were not to be had are not asked for at each request', async () => {
    evil.publishes = () => Promise.resolve(json({}, 500))
    for (let i = 0; i < 50; i += 1) expect((await invite()).status).toBe(401)
    expect(evil.asked(KEY_PATH).length).toBeLessThanOrEqual(3)
    evil.publishes = () => Promise.resolve(json(evil.keyObject()))
    await house.advance(HOUR)
    expect((await invite()).status).toBe(200)
  })

  test('P-158 made-up key names do not make us ask each time', async () => {
    expect((await invite()).status).toBe(200)
    const before = evil.asked(KEY_PATH).length
    for (let i = 0; i < 50; i += 1)
      expect((await evil.says(home, [], { key: newKey(`made_up_${i}`) })).status).toBe(401)
    expect(evil.asked(KEY_PATH).length - before).toBeLessThanOrEqual(3)
    expect((await invite()).status).toBe(200)
  })

  test('P-153 P-158 a key is asked for once, kept over a restart, and again when it is no longer valid', async () => {
    for (let i = 0; i < 5; i += 1) expect((await invite()).status).toBe(200)
    expect(evil.asked(KEY_PATH)).toHaveLength(1)
    await house.restarts(HOME, { end: 'unclean' })
    expect((await invite()).status).toBe(200)
    expect(evil.asked(KEY_PATH)).toHaveLength(1)
    await house.advance(8 * DAY)
    expect((await invite()).status).toBe(200)
    expect(evil.asked(KEY_PATH).length).toBeGreaterThanOrEqual(2)
  })

  test('P-158 a key is believed for seven days at most, whatever is said of it', async () => {
    evil.publishes = () =>
      Promise.resolve(json(evil.keyObject({ valid_until_ts: home.clock.now() + 1_000 * DAY })))
    expect((await invite()).status).toBe(200)
    evil.publishes = () => Promise.resolve(null)
    await house.advance(6 * DAY)
    expect((await invite()).status).toBe(200)
    await house.advance(2 * DAY)
    expect(refusal(await invite())).toEqual([401, 'M_UNAUTHORIZED'])
  })

  test('P-158 a new key is learnt when it is first used', async () => {
    expect((await invite()).status).toBe(200)
    await house.advance(HOUR)
    evil.key = newKey('k2')
    expect((await invite()).status).toBe(200)
  })

  test('P-158 P-201 a storm of servers that do not exist is refused, and others are heard meanwhile', async () => {
    await friends()
    const replies = []
    for (let i = 0; i < 200; i += 1) {
      const origin = `127.0.0.1:${1 + (i % 100)}`
      replies.push(
        evil.says(home, [], {
          header: ({ destination, key, sig }) =>
            `X-Matrix origin="${origin}",destination="${destination}",key="${key}",sig="${sig}"`,
        }),
      )
    }
    await othersAreWell()
    await house.quiet()
    await house.advance(2 * MINUTE)
    for (const reply of await Promise.all(replies)) expect([401, 429]).toContain(reply.status)
  })
})

describe('certificates', () => {
  async function stranger(
    certificate: ConstructorParameters<typeof HostileServer>[0]['certificate'],
  ): Promise<void> {
    const name = 'stranger.example'
    const peer = new HostileServer({
      name,
      authority: house.authority,
      now: () => home.clock.now(),
      ...(certificate && { certificate }),
    })
    await peer.listens()
    house.hostile.set(name, peer)
    await house.restarts(HOME, {
      config: { federation: { destinations: { [name]: `127.0.0.1:${peer.port}` } } },
    })
    await new Follower(alice).invites(`@x:${name}`)
    await house.advance(MINUTE)
    expect(refusal(await peer.says(home, []))).toEqual([401, 'M_UNAUTHORIZED'])
    expect(peer.connections).toBeGreaterThan(0)
    expect(peer.heard).toEqual([])
  }

  test('P-201 a server whose certificate is for another name is not spoken to', () =>
    stranger(house.authority.issue(['other.example'])))

  test('P-201 a server whose certificate is of an unknown authority is not spoken to', () =>
    stranger(certificateAuthority().issue(['stranger.example'])))

  test('P-201 a server whose certificate has expired is not spoken to', () =>
    stranger(house.authority.issue(['stranger.example'], { isExpired: true })))
})

describe('sizes', () => {
  beforeEach(async () => {
    await friends()
    await eve.isFollowedBy(alice, house)
    await alice.syncs(OFF)
  })

  test('P-160 L-08 EDUs and transactions that are too large are refused or passed over, valid neighbours kept', async () => {
    const large = presenceEdu({
      push: [
        { user_id: eve.userId, presence: 'online', last_active_ago: 0, status_msg: 'x'.repeat(1_000_000) },
      ],
    })
    const small = presenceEdu({
      push: [{ user_id: eve.userId, presence: 'unavailable', last_active_ago: 0, status_msg: 'small' }],
    })
    const reply = await evil.says(home, [small, large])
    expect(reply.status).toBe(200)
    expect((await alice.status(eve.userId)).body).toMatchObject({
      presence: 'unavailable',
      status_msg: 'small',
    })
    const huge = await evil.says(
      home,
      Array.from({ length: 30 }, () => large),
    )
    expect([400, 413]).toContain(huge.status)
    await othersAreWell()
  })

  test('P-173 an EDU with far too many entries does not store far too many users', async () => {
    const before = await rows()
    const push = Array.from({ length: 1_000 }, (_, i) => ({
      user_id: `@e${i}:${EVIL}`,
      presence: 'online',
      last_active_ago: 0,
    }))
    for (let i = 0; i < 20; i += 1) expect((await evil.pushesTo(home, ...push)).status).toBe(200)
    expect(await rows()).toEqual(before)
    await othersAreWell()
  })

  test('texts, names and IDs at the edge do no harm', async () => {
    const pushOfEve = { user_id: eve.userId, presence: 'online', last_active_ago: 0 }
    for (const text of ['\u0000', '\u202E', '<script>', '__proto__', '🏳️‍🌈'.repeat(500)])
      expect((await evil.pushesTo(home, { ...pushOfEve, status_msg: text })).status).toBe(200)
    for (const key of ['__proto__', 'constructor', 'toString'])
      await evil.says(home, [{ edu_type: key, content: { [key]: { polluted: true } } }])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
    const reply = await evil.transacts(
      home,
      'deep',
      {},
      { rawBody: `{"origin":"${EVIL}","pdus":[],"edus":${deep}}` },
    )
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(reply.status).toBeLessThan(500)
    await othersAreWell()
  })

  test('numbers at the edge are ages or nothing', async () => {
    for (const age of [Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 2 ** 40]) {
      await evil.pushesTo(home, { user_id: eve.userId, presence: 'online', last_active_ago: age })
      const { body } = await alice.status(eve.userId)
      expect(body['presence']).toBe('online')
      const shown = body['last_active_ago'] ?? 0
      expect(Number.isSafeInteger(shown)).toBe(true)
      expect(shown).toBeGreaterThanOrEqual(0)
    }
  })

  test('rate limits hold a server that talks too much, and only that one', async () => {
    await house.restarts(HOME, {
      config: { rate_limits: { enabled: true, federation: { burst: 200, per_second: 1 } } },
    })
    const push = Array.from({ length: 100 }, () => ({
      user_id: eve.userId,
      presence: 'online',
      last_active_ago: 0,
    }))
    const statuses: number[] = []
    for (let i = 0; i < 10; i += 1) statuses.push((await evil.pushesTo(home, ...push)).status)
    for (const status of statuses) expect([200, 429]).toContain(status)
    await evil.pushesTo(home, {
      user_id: eve.userId,
      presence: 'unavailable',
      last_active_ago: 0,
      status_msg: 'one too many',
    })
    expect((await alice.status(eve.userId)).body).not.toMatchObject({ status_msg: 'one too many' })
    await othersAreWell()
  })
})

describe('answers to what we send', () => {
  beforeEach(async () => {
    await friends()
    await greta.follows(alice, house)
    await eve.follows(alice, house)
    await house.advance(MINUTE)
    for (const each of [evil, good]) each.heard.length = 0
  })

  async function aliceIsHeard(text: string): Promise<void> {
    good.heard.length = 0
    await alice.sets('online', text)
    await house.advance(BATCH)
    expect(good.pushes(alice.userId).at(-1)).toMatchObject({ status_msg: text })
  }

  test('P-201 P-162 an answer that never comes delays nobody, and is waited for once at a time', async () => {
    evil.answers = async () => {
      await evil.holds()
      return null
    }
    for (let i = 0; i < 5; i += 1) await aliceIsHeard(`number ${i}`)
    await othersAreWell()
    expect(evil.transactions).toHaveLength(1)
    evil.release()
    await house.quiet()
  })

  test('P-201 an answer that drips is cut off at its time', async () => {
    evil.answers = async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{"pdus":')
      await evil.holds()
      return null
    }
    await aliceIsHeard('dripping')
    await house.advance(2 * MINUTE)
    await aliceIsHeard('still here')
    await othersAreWell()
    // It failed, and is tried again.
    expect(evil.transactions.length).toBeGreaterThanOrEqual(2)
    expect(new Set(evil.transactions.map(({ txnId }) => txnId)).size).toBe(1)
  })

  test('an answer without end is not read to its end', async () => {
    evil.answers = () =>
      Promise.resolve({ status: 200, headers: {}, body: `{"pdus":{},"x":"${'x'.repeat(30_000_000)}"}` })
    await aliceIsHeard('no end')
    await othersAreWell()
  })

  test.each([301, 302, 303, 307, 308])(
    'a redirect (%i) is not followed with what was signed for another',
    async (status) => {
      const location = `https://127.0.0.1:${good.port}/_matrix/federation/v1/send/stolen`
      evil.answers = () => Promise.resolve({ status, headers: { location }, body: '' })
      await aliceIsHeard('redirected')
      await house.advance(HOUR)
      expect(good.asked('/_matrix/federation/v1/send/stolen')).toEqual([])
      await othersAreWell()
    },
  )

  test.each<[string, Awaited<ReturnType<HostileServer['answers']>>]>([
    ['no JSON', { status: 200, headers: {}, body: 'yes' }],
    ['a list', { status: 200, headers: {}, body: '[]' }],
    ['nothing', { status: 200, headers: {}, body: '' }],
    ['errors per event', { status: 200, headers: {}, body: '{"pdus":{"$x":{"error":"no"}}}' }],
    ['teapots', { status: 418, headers: {}, body: '{}' }],
    ['refusals', json({ errcode: 'M_FORBIDDEN', error: 'no' }, 403)],
    ['401', json({ errcode: 'M_UNAUTHORIZED', error: 'who?' }, 401)],
    ['too large', json({ errcode: 'M_TOO_LARGE', error: 'no' }, 413)],
  ])('P-201 %s as an answer breaks nothing', async (_, answered) => {
    evil.answers = () => Promise.resolve(answered)
    for (let i = 0; i < 5; i += 1) await aliceIsHeard(`answer ${i}`)
    await house.advance(HOUR)
    expect(evil.transactions.length).toBeLessThan(200)
    evil.answers = () => Promise.resolve(json({ pdus: {} }))
    evil.heard.length = 0
    await house.advance(HOUR)
    await alice.sets('unavailable', 'heard again')
    await house.advance(2 * HOUR)
    expect(evil.pushes(alice.userId).at(-1)).toMatchObject({ status_msg: 'heard again' })
  })

  test('P-202 Retry-After of a 429 is kept, up to a bound', async () => {
    evil.answers = () =>
      Promise.resolve(json({ errcode: 'M_LIMIT_EXCEEDED', error: 'slowly' }, 429, { 'retry-after': '600' }))
    await alice.sets('online', 'first')
    await house.advance(9 * MINUTE)
    expect(evil.transactions).toHaveLength(1)
    evil.answers = () => Promise.resolve(json({ pdus: {} }))
    await house.advance(5 * MINUTE)
    expect(evil.transactions.length).toBeGreaterThan(1)
    evil.heard.length = 0
    evil.answers = () => Promise.resolve(json({}, 429, { 'retry-after': '99999999999' }))
    await alice.sets('unavailable', 'second')
    await house.advance(BATCH)
    evil.answers = () => Promise.resolve(json({ pdus: {} }))
    await house.advance(8 * DAY)
    expect(evil.transactions.length).toBeGreaterThan(1)
  })

  test('P-201 a socket that says nothing at all, not even hello, delays nobody', async () => {
    const silent = await listenSilently()
    const { port } = silent.address() as AddressInfo
    const routes = {
      [EVIL]: `127.0.0.1:${evil.port}`,
      [GOOD]: `127.0.0.1:${good.port}`,
      'silent.example': `127.0.0.1:${port}`,
    }
    await house.restarts(HOME, { config: { federation: { destinations: routes } } })
    await new Follower(alice).invites('@x:silent.example')
    await house.quiet()
    await aliceIsHeard('silence')
    await house.advance(5 * MINUTE)
    await othersAreWell()
    expect((await home.store.all('destinations')).map(({ serverName }) => serverName)).toContain(
      'silent.example',
    )
    silent.close()
  })

  test('a profile that is no profile is no name', async () => {
    const profiles: JsonObject[] = [
      { displayname: 7 },
      { displayname: 'x'.repeat(500_000) },
      { avatar_url: ['mxc://a/b'] },
    ]
    for (const [index, body] of profiles.entries()) {
      evil.answers = (received) =>
        Promise.resolve(received.uri.includes('/query/profile') ? json(body) : json({ pdus: {} }))
      const other = new Outsider(`other${index}`, evil, home)
      await other.isFollowedBy(alice, house)
      await other.pushes({ presence: 'online' })
      await house.quiet()
      const event = presenceOf(await alice.syncs(OFF)).find(({ sender }) => sender === other.userId)
      expect(event?.content.presence).toBe('online')
      expect(JSON.stringify(event).length).toBeLessThan(2_000)
    }
    await othersAreWell()
  })

  test('P-201 profiles that never come delay no presence', async () => {
    evil.answers = async (received) => {
      if (received.uri.includes('/query/profile')) await evil.holds()
      return json({ pdus: {} })
    }
    await eve.isFollowedBy(alice, house)
    const poll = alice.polls(OFF)
    await eve.pushes({ presence: 'online', status_msg: 'nameless' })
    expect(JSON.stringify(await poll.body)).toContain(eve.userId)
    expect((await alice.status(eve.userId)).body).toMatchObject({ status_msg: 'nameless' })
    await new Follower(alice).list()
  })
})

describe('replays', () => {
  test('P-163 a transaction that is recorded and sent again, by whomever, does nothing a second time', async () => {
    const both = await openFederation({ names: [HOME, REMOTE], hostile: [EVIL] })
    const dora = await both.registers('dora', HOME)
    const rolf = await both.registers('rolf', REMOTE)
    await both.follows(dora, rolf)
    await rolf.sets('online', 'recorded')
    await both.advance(BATCH)
    const recorded = both.link(HOME).transactions(REMOTE)
    await dora.syncs({ set_presence: 'unavailable' })
    await rolf.sets('unavailable', 'newer')
    await both.advance(BATCH)
    expect((await dora.status(rolf)).body).toMatchObject({ status_msg: 'newer' })
    for (const exchange of recorded) {
      const answered = await both.link(HOME).replays(exchange)
      expect([answered?.status, String(answered?.body)]).toEqual([
        200,
        JSON.stringify(exchange.answered?.body),
      ])
    }
    expect((await dora.status(rolf)).body).toMatchObject({ status_msg: 'newer' })
    await new Follower(dora).drops(rolf)
    await both.advance(MINUTE)
    await both.agrees(dora, rolf, 'absent absent')
    for (const exchange of recorded) await both.link(HOME).replays(exchange)
    await both.advance(HOUR)
    await both.agrees(dora, rolf, 'absent absent')
    // The same to another server is for another destination.
    const [first] = recorded
    const { method, uri, headers, body } = first?.received ?? {
      method: '',
      uri: '',
      headers: { authorization: '' },
      body: '',
    }
    const reply = await both.peer(EVIL).requests(both.server(REMOTE), method, uri, undefined, {
      header: () => String(headers['authorization']),
      rawBody: String(body),
    })
    expect(refusal(reply)).toEqual([401, 'M_UNAUTHORIZED'])
    await both.close()
  })

  test('P-163 L-18 remembered transactions do not pile up', async () => {
    for (let i = 0; i < 500; i += 1) await evil.says(home, [])
    await house.advance(3 * DAY)
    for (let i = 0; i < 10; i += 1) await evil.says(home, [])
    expect(await home.store.inboundTransaction(EVIL as never, 't1')).toBeNull()
    expect(await home.store.inboundTransaction(EVIL as never, 't510')).not.toBeNull()
  })
})

function listenSilently(): Promise<Server> {
  return new Promise((listening) => {
    const server: Server = createServer(() => {}).listen(0, '127.0.0.1', () => listening(server))
  })
}
