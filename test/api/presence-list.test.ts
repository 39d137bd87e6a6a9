import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { presenceOf, type Actor } from '../support/actors.ts'
import { Follower, listPath, LISTS } from '../support/lists.ts'
import { startServer, type TestServer } from '../support/server.ts'

const SECOND = 1_000
const HOUR = 3_600_000

let server: TestServer
let alice: Actor
let bob: Actor
let follower: Follower
let followed: Follower

async function people(config: Readonly<Record<string, unknown>> = {}): Promise<void> {
  server = await startServer({ config })
  alice = await server.registers('alice')
  bob = await server.registers('bob')
  follower = new Follower(alice)
  followed = new Follower(bob)
}

async function aliceFollowsBob(): Promise<void> {
  await follower.invites(bob)
  expect((await followed.accepts(alice)).status).toBe(200)
}

beforeEach(() => people())
afterEach(async () => {
  // That another server cannot be reached is a complaint, and no fault.
  expect(server.faults).toEqual([])
  await server.close()
})

describe('reading the list', () => {
  test.each(['/api/v1', '/r0', LISTS])('P-043 at %s a new user’s is an empty array', async (surface) => {
    const reply = await alice.request('GET', listPath(alice, surface))
    expect([reply.status, reply.text]).toEqual([200, '[]'])
  })

  test('P-044 P-009 another user’s is refused, a malformed ID is 400', async () => {
    await aliceFollowsBob()
    for (const method of ['GET', 'POST'])
      for (const surface of ['/api/v1', '/r0', LISTS]) {
        const body = method === 'POST' ? { body: { drop: [bob.userId] } } : {}
        const other = await bob.request(method, listPath(alice, surface), body)
        expect([other.status, other.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
        const malformed = await bob.request(method, `${surface}/presence/list/alice`, body)
        expect([malformed.status, malformed.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
      }
    expect(await follower.follows()).toEqual([bob.userId])
  })

  test('P-001 P-025 needs a token, and not a guest’s', async () => {
    const guest = await server.registersGuest()
    for (const method of ['GET', 'POST']) {
      const nobody = await server.request(method, `/_matrix/client${listPath(alice)}`)
      expect([nobody.status, nobody.body['errcode']]).toEqual([401, 'M_MISSING_TOKEN'])
      const reply = await guest.request(method, listPath(guest), method === 'POST' ? { body: {} } : {})
      expect([reply.status, reply.body['errcode']]).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN'])
    }
  })

  test('P-046 P-047 P-117 on r0 an element is the event and the flat object in one', async () => {
    await bob.names('Bob')
    await bob.sets('online', 'reading')
    await aliceFollowsBob()
    await server.clock.advance(7 * SECOND)
    for (const surface of ['/r0', LISTS])
      expect(await follower.list(surface)).toEqual([
        {
          type: 'm.presence',
          sender: bob.userId,
          content: {
            user_id: bob.userId,
            presence: 'online',
            last_active_ago: 7 * SECOND,
            currently_active: true,
            status_msg: 'reading',
            displayname: 'Bob',
          },
          user_id: bob.userId,
          presence: 'online',
          last_active_ago: 7 * SECOND,
          accepted: true,
        },
      ])
  })

  test('P-046 P-047 P-105 P-042 on api/v1 it is the event of 2015, with the states of 2015', async () => {
    await aliceFollowsBob()
    await bob.sets('free_for_chat')
    const [element] = await follower.list('/api/v1')
    expect(element).toEqual({
      type: 'm.presence',
      event_id: expect.stringMatching(/^\$presence_\d+_[\w-]+:home\.example$/),
      content: { user_id: bob.userId, presence: 'free_for_chat', last_active_ago: 0 },
      user_id: bob.userId,
      presence: 'free_for_chat',
      last_active_ago: 0,
      accepted: true,
    })
    expect(await follower.list('/r0')).toMatchObject([
      { presence: 'online', content: { presence: 'online' } },
    ])
  })

  test('P-110 P-111 a hidden user is offline in it, and nothing else', async () => {
    await aliceFollowsBob()
    await bob.sets('hidden', 'a secret')
    for (const surface of ['/api/v1', '/r0']) {
      const [element] = await follower.list(surface)
      expect(element?.content).toEqual({ user_id: bob.userId, presence: 'offline' })
      expect(element).not.toHaveProperty('last_active_ago')
      expect(JSON.stringify(element)).not.toMatch(/hidden|secret/)
    }
  })

  test('P-045 P-053 pending entries are not in it unless asked for, and show no presence without a common room', async () => {
    await bob.sets('online', 'a secret')
    await follower.invites(bob)
    for (const surface of ['/api/v1', '/r0', LISTS]) {
      expect(await follower.list(surface)).toEqual([])
      expect(await follower.list(surface, true)).toEqual([
        { type: 'm.presence', content: { user_id: bob.userId }, user_id: bob.userId, accepted: false },
      ])
    }
    const flag = 'dev.adsum.presence_lists.include_pending'
    const off = await alice.request('GET', listPath(alice), { query: { [flag]: false } })
    expect(off.text).toBe('[]')
    const odd = await alice.request('GET', listPath(alice), { query: { [flag]: 'perhaps' } })
    expect([odd.status, odd.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('P-045 a pending entry of somebody in a common room shows what the room shows', async () => {
    const room = await alice.creates({ preset: 'public_chat' })
    await bob.joins(room)
    await bob.sets('unavailable', 'tea')
    await follower.invites(bob)
    expect(await follower.list('/r0', true)).toMatchObject([
      {
        accepted: false,
        presence: 'unavailable',
        content: { user_id: bob.userId, presence: 'unavailable', status_msg: 'tea' },
      },
    ])
  })

  test('is in the order of consent, not of asking; pending ones come last', async () => {
    const others = await Promise.all(['carol', 'dave', 'erin'].map((name) => server.registers(name)))
    await follower.invites(bob, ...others)
    const [carol, dave, erin] = others as [Actor, Actor, Actor]
    for (const other of [erin, bob, carol]) await new Follower(other).accepts(alice)
    const ids = (await follower.list('/r0', true)).map(({ user_id }) => user_id)
    expect(ids).toEqual([erin, bob, carol, dave].map(({ userId }) => userId))
  })
})

describe('changing the list', () => {
  test('P-048 takes invite, drop, both or neither, and answers 200 with an empty object', async () => {
    const invite = [bob.userId]
    for (const surface of ['/api/v1', '/r0', LISTS])
      for (const body of [
        { invite },
        { drop: invite },
        { invite, drop: invite },
        {},
        { invite: [], drop: [] },
      ]) {
        const reply = await follower.changes(body, surface)
        expect([reply.status, reply.text]).toEqual([200, '{}'])
      }
  })

  test('P-013 unknown keys are ignored, empty texts passed over', async () => {
    expect((await follower.changes({ invite: ['', bob.userId, ''], drop: [''], poll: 1 })).status).toBe(200)
    expect(await followed.pending()).toEqual([[alice.userId], []])
  })

  test.each([
    ['P-007 no JSON', 'not json', 'M_NOT_JSON'],
    ['P-007 an empty body', '', 'M_NOT_JSON'],
    ['P-008 not an object', '[]', 'M_BAD_JSON'],
    ['P-049 a text for invite', '{"invite": "@bob:home.example"}', 'M_BAD_JSON'],
    ['P-049 null for drop', '{"invite": ["@bob:home.example"], "drop": null}', 'M_BAD_JSON'],
    ['P-049 a number among them', '{"invite": ["@bob:home.example", 7]}', 'M_BAD_JSON'],
    ['no user ID', '{"invite": ["@bob:home.example", "bob"]}', 'M_INVALID_PARAM'],
    ['no user ID to drop', '{"invite": ["@bob:home.example"], "drop": ["@bob"]}', 'M_INVALID_PARAM'],
  ])('%s is refused and changes nothing', async (_, rawBody, errcode) => {
    const reply = await alice.request('POST', listPath(alice), { rawBody })
    expect([reply.status, reply.body['errcode']]).toEqual([400, errcode])
    expect(await followed.pending()).toEqual([[], []])
  })

  test('P-049 a list that holds anything but texts is refused whole', async () => {
    const reply = await follower.changes({ invite: [bob.userId, null] })
    expect([reply.status, reply.body['errcode']]).toEqual([400, 'M_BAD_JSON'])
    expect(await follower.list('/r0', true)).toEqual([])
  })

  test('P-050 invites come before drops: who is in both is dropped', async () => {
    await follower.changes({ drop: [bob.userId], invite: [bob.userId] })
    expect(await follower.list('/r0', true)).toEqual([])
    expect(await followed.pending()).toEqual([[], []])
    await aliceFollowsBob()
    await follower.changes({ drop: [bob.userId], invite: [bob.userId] })
    expect(await follower.list('/r0', true)).toEqual([])
    expect(await followed.observers()).toEqual([])
  })

  test('P-051 inviting an accepted user, dropping one not listed and inviting oneself have no effect', async () => {
    await aliceFollowsBob()
    for (const one of [alice, bob]) await one.syncs({ set_presence: 'offline' })
    const before = server.writes.commits
    for (const body of [
      { invite: [bob.userId] },
      { drop: ['@nobody:home.example'] },
      { invite: [alice.userId] },
    ])
      expect((await follower.changes(body)).status).toBe(200)
    expect(server.writes.commits).toBe(before)
    expect(await follower.follows()).toEqual([bob.userId])
    expect(await followed.pending()).toEqual([[], []])
    expect(await follower.pending()).toEqual([[], []])
  })

  test('P-052 a dropped user is gone from the list at once, and their presence with it', async () => {
    await aliceFollowsBob()
    await follower.drops(bob)
    expect(await follower.list('/r0', true)).toEqual([])
    expect(await followed.observers()).toEqual([])
    expect((await alice.status(bob)).status).toBe(403)
  })

  test('P-054 neither reading nor changing it is served under v3, nor under v1', async () => {
    for (const surface of ['/v3', '/v1']) {
      for (const method of ['GET', 'POST']) {
        const reply = await alice.request(
          method,
          listPath(alice, surface),
          method === 'POST' ? { body: {} } : {},
        )
        expect([reply.status, reply.body['errcode']]).toEqual([404, 'M_UNRECOGNIZED'])
      }
    }
    for (const path of ['invites', 'observers', 'policy'])
      expect((await alice.request('GET', `/r0/${path}`)).status).toBe(404)
  })

  test('P-010 P-011 other methods are 405, OPTIONS is answered without a token', async () => {
    const reply = await alice.request('DELETE', listPath(alice))
    expect([reply.status, reply.body['errcode']]).toEqual([405, 'M_UNRECOGNIZED'])
    const options = await server.request('OPTIONS', `/_matrix/client${LISTS}/invites/${bob.userId}/accept`)
    expect(options.status).toBe(200)
  })

  test('a change names at most a hundred users, a list has at most a thousand', async () => {
    const names = (from: number, count: number): string[] =>
      Array.from({ length: count }, (_, i) => `@user${from + i}:remote.example`)
    const tooMany = await follower.changes({ invite: names(0, 60), drop: names(60, 41) })
    expect([tooMany.status, tooMany.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
    expect(await follower.list('/r0', true)).toEqual([])
    for (let from = 0; from < 1_000; from += 100)
      expect((await follower.changes({ invite: names(from, 100) })).status).toBe(200)
    const full = await follower.changes({ invite: [bob.userId] })
    expect([full.status, full.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
    expect(await followed.pending()).toEqual([[], []])
    // Asking again is no growth, and neither is an exchange.
    expect((await follower.changes({ invite: names(0, 1) })).status).toBe(200)
    expect((await follower.changes({ invite: [bob.userId], drop: names(0, 1) })).status).toBe(200)
    expect(await followed.pending()).toEqual([[alice.userId], []])
    expect(await follower.list('/r0', true)).toHaveLength(1_000)
    // Adding back would be one too many: then nothing is accepted either.
    const carol = await server.registers('carol')
    await new Follower(carol).invites(alice)
    expect((await follower.accepts(carol, { add_back: true })).status).toBe(400)
    expect(await follower.observers()).toEqual([])
    expect((await follower.accepts(carol)).status).toBe(200)
  })

  test('an invite to a user of another server stays pending', async () => {
    await follower.invites('@zoe:remote.example')
    expect(await follower.pending()).toEqual([[], ['@zoe:remote.example']])
    await follower.drops('@zoe:remote.example')
    expect(await follower.pending()).toEqual([[], []])
  })

  test('two devices that change it at the same time lose nothing', async () => {
    const others = await Promise.all(Array.from({ length: 8 }, (_, i) => server.registers(`other${i}`)))
    const phone = new Follower(await server.logsIn(alice))
    await Promise.all(others.map((other, i) => (i % 2 === 0 ? follower : phone).invites(other)))
    expect((await follower.pending())[1].toSorted()).toEqual(others.map(({ userId }) => userId).toSorted())
    await Promise.all(others.map((other) => new Follower(other).accepts(alice)))
    expect((await follower.follows()).toSorted()).toEqual(others.map(({ userId }) => userId).toSorted())
  })
})

describe('what a list makes visible', () => {
  test('P-033 P-146 who granted is seen without any common room, and by nobody else', async () => {
    const carol = await server.registers('carol')
    await aliceFollowsBob()
    await bob.sets('unavailable', 'in a meeting')
    for (const surface of ['api/v1', 'r0', 'v3'])
      expect((await alice.status(bob, surface)).body).toMatchObject({
        presence: 'unavailable',
        status_msg: 'in a meeting',
      })
    await alice.sees(bob, 'unavailable')
    expect((await bob.status(alice)).status).toBe(403)
    expect((await carol.status(bob)).status).toBe(403)
    expect(presenceOf(await carol.syncs()).map(({ sender }) => sender)).toEqual([carol.userId])
  })

  test('P-149 P-146 an entry without a grant shows nothing: pending, denied, of another server', async () => {
    await bob.sets('online', 'a secret')
    await follower.invites(bob, '@zoe:remote.example')
    expect((await alice.status(bob)).status).toBe(403)
    expect((await alice.status('@zoe:remote.example')).status).toBe(403)
    expect(presenceOf(await alice.syncs()).map(({ sender }) => sender)).toEqual([alice.userId])
    await followed.denies(alice)
    expect((await alice.status(bob)).status).toBe(403)
    expect(presenceOf(await alice.syncs())).toEqual([])
    // An entry that says "accepted" with nobody's consent behind it.
    await server.store.commit([
      {
        put: 'presenceList',
        row: {
          observer: alice.userId as never,
          observed: bob.userId as never,
          state: 'accepted',
          askedTs: 1,
          ask: 0,
          acceptedPos: 1,
        },
      },
    ])
    await server.restarts()
    expect((await alice.status(bob)).status).toBe(403)
    expect(await follower.list()).toMatchObject([{ user_id: bob.userId, presence: 'offline' }])
    expect(JSON.stringify(await follower.list())).not.toContain('secret')
  })

  test.each(['clean', 'unclean'] as const)(
    'P-151 lists, grants and invites survive a %s end',
    async (end) => {
      const carol = await server.registers('carol')
      await aliceFollowsBob()
      await new Follower(carol).invites(alice)
      await follower.revokes(carol, { ignore_future: true })
      await follower.invites(carol)
      await followed.decides('deny_all')
      await bob.sets('online', 'still seen')
      const { clock } = server
      await clock.advance(SECOND)
      await server.restarts({ end })
      expect(await follower.follows()).toEqual([bob.userId])
      expect(await followed.observers()).toEqual([alice.userId])
      expect(await follower.pending()).toEqual([[], [carol.userId]])
      expect((await alice.status(bob)).body).toMatchObject({ presence: 'online', status_msg: 'still seen' })
      const policy = await bob.ok('GET', `${LISTS}/policy`)
      expect(policy).toEqual({ policy: 'deny_all' })
    },
  )

  test('P-029 with presence switched off lists go on, and everybody in them is offline', async () => {
    await aliceFollowsBob()
    await bob.sets('online')
    await server.restarts({ config: { presence: { enabled: false } } })
    expect(await follower.list()).toMatchObject([
      { user_id: bob.userId, presence: 'offline', accepted: true },
    ])
    await follower.drops(bob)
    expect(await follower.list()).toEqual([])
  })
})

describe('limits', () => {
  test('P-055 P-012 ten changes at once, then one in ten seconds, over all endpoints that change', async () => {
    await server.close()
    await people({ rate_limits: { enabled: true, registration: { burst: 100 } } })
    for (let i = 0; i < 6; i += 1) expect((await follower.changes({})).status).toBe(200)
    expect((await follower.accepts(bob)).status).toBe(404)
    expect((await follower.denies(bob)).status).toBe(404)
    expect((await follower.revokes(bob)).status).toBe(200)
    await follower.decides('manual')
    for (const reply of [
      await follower.changes({ invite: [bob.userId] }),
      await follower.accepts(bob),
      await follower.denies(bob),
      await follower.revokes(bob),
      await alice.request('PUT', `${LISTS}/policy`, { body: { policy: 'manual' } }),
    ]) {
      expect([reply.status, reply.body['errcode']]).toEqual([429, 'M_LIMIT_EXCEEDED'])
      expect(reply.body['retry_after_ms']).toBe(10 * SECOND)
      expect(reply.headers.get('retry-after')).toBe('10')
    }
    // Reading is not limited, nor are others.
    expect(await followed.pending()).toEqual([[], []])
    expect(await follower.list()).toEqual([])
    expect((await followed.changes({})).status).toBe(200)
    await server.clock.advance(10 * SECOND)
    expect((await follower.changes({ invite: [bob.userId] })).status).toBe(200)
    expect((await follower.changes({})).status).toBe(429)
  })

  test('asking again sends the invite again at most once an hour, and tells nobody', async () => {
    const asked = async (): Promise<unknown> => (await bob.ok('GET', `${LISTS}/invites`))['incoming']
    await follower.invites(bob)
    const first = server.clock.now()
    await followed.hears()
    await follower.hears()
    await server.clock.advance(HOUR)
    await follower.invites(bob)
    expect(await asked()).toEqual([{ user_id: alice.userId, state: 'pending', ts: first }])
    await server.clock.advance(1)
    await follower.invites(bob)
    expect(await asked()).toEqual([{ user_id: alice.userId, state: 'pending', ts: first + HOUR + 1 }])
    expect(await followed.hears()).toEqual([])
    expect(await follower.hears()).toEqual([])
  })
})
