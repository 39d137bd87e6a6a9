import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { presenceOf, type Actor, type Reply } from '../support/actors.ts'
import { Follower, LISTS, newsIn, newsOf, NEWS } from '../support/lists.ts'
import { startServer, type TestServer } from '../support/server.ts'

const SECOND = 1_000
const DAY = 86_400_000
const INVITE_TTL = 30 * DAY
const OFF = { set_presence: 'offline' } as const

let server: TestServer
let alice: Actor
let bob: Actor
/** Alice, who asks. */
let asker: Follower
/** Bob, who is asked. */
let asked: Follower

async function people(config: Readonly<Record<string, unknown>> = {}): Promise<void> {
  server = await startServer({ config })
  alice = await server.registers('alice')
  bob = await server.registers('bob')
  asker = new Follower(alice)
  asked = new Follower(bob)
  await catchUp()
}

/** From here on syncs are incremental. */
async function catchUp(): Promise<void> {
  for (const one of [alice, bob]) await one.syncs(OFF)
}

async function aliceFollowsBob(): Promise<void> {
  await asker.invites(bob)
  expect((await asked.accepts(alice)).status).toBe(200)
  await catchUp()
}

function refusal(reply: Reply): unknown[] {
  return [reply.status, reply.body['errcode']]
}

beforeEach(() => people())
afterEach(async () => {
  // That another server cannot be reached is a complaint, and no fault.
  expect(server.faults).toEqual([])
  await server.close()
})

describe('asking and answering', () => {
  test('P-056 P-057 by default an invite waits for its answer, and nothing is granted before', async () => {
    await bob.sets('online', 'a secret')
    await asker.invites(bob)
    const ts = server.clock.now()
    expect(await bob.ok('GET', `${LISTS}/invites`)).toEqual({
      incoming: [{ user_id: alice.userId, state: 'pending', ts }],
      outgoing: [],
    })
    expect(await alice.ok('GET', `${LISTS}/invites`)).toEqual({
      incoming: [],
      outgoing: [{ user_id: bob.userId, state: 'pending', ts }],
    })
    expect((await alice.status(bob)).status).toBe(403)
    expect(presenceOf(await alice.syncs(OFF))).toEqual([])
    expect(await asked.observers()).toEqual([])
  })

  test('P-058 P-065 accepting moves the entry and shows the observed user at once, in one answer', async () => {
    await bob.sets('unavailable', 'tea')
    await asker.invites(bob)
    await catchUp()
    await asked.accepts(alice)
    const body = await alice.syncs(OFF)
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} accepted`])
    expect(presenceOf(body)).toMatchObject([
      { sender: bob.userId, content: { presence: 'unavailable', status_msg: 'tea' } },
    ])
    expect(await asker.follows()).toEqual([bob.userId])
    expect(await asker.pending()).toEqual([[], []])
    expect(await bob.ok('GET', `${LISTS}/observers`)).toEqual({
      observers: [{ user_id: alice.userId, since_ts: server.clock.now() }],
    })
    // Consent has one direction.
    expect((await bob.status(alice)).status).toBe(403)
    expect(await asked.follows()).toEqual([])
  })

  test('P-058 somebody offline is told of too: recently there, or with a text', async () => {
    await bob.sets('offline', 'gone fishing')
    await asker.invites(bob)
    await asked.accepts(alice)
    expect(presenceOf(await alice.syncs(OFF))).toMatchObject([
      { sender: bob.userId, content: { presence: 'offline', status_msg: 'gone fishing' } },
    ])
  })

  test('P-058 with add_back the observer is asked in return', async () => {
    await asker.invites(bob)
    expect((await asked.accepts(alice, { add_back: true })).text).toBe('{}')
    expect(await asker.pending()).toEqual([[bob.userId], []])
    expect(await asked.pending()).toEqual([[], [alice.userId]])
    await asker.accepts(bob)
    expect(await asked.follows()).toEqual([alice.userId])
    expect((await bob.status(alice)).status).toBe(200)
  })

  test('accepting again is fine, and may still add back', async () => {
    await aliceFollowsBob()
    expect((await asked.accepts(alice)).status).toBe(200)
    expect(await asked.hears()).toEqual([])
    expect((await asked.accepts(alice, { add_back: true })).status).toBe(200)
    expect(await asker.pending()).toEqual([[bob.userId], []])
  })

  test('P-059 denying ends the observer’s entry', async () => {
    await asker.invites(bob)
    expect((await asked.denies(alice)).text).toBe('{}')
    expect(await asker.list('/r0', true)).toEqual([])
    expect(await asker.pending()).toEqual([[], []])
    expect(await asked.pending()).toEqual([[], []])
    // It was one answer to one invite.
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[alice.userId], []])
  })

  test('P-060 without an invite there is nothing to accept or deny', async () => {
    for (const answer of [() => asked.accepts(alice), () => asked.denies(alice)])
      expect(refusal(await answer())).toEqual([404, 'M_NOT_FOUND'])
    await asker.invites(bob)
    // Not by the one who asked, and not twice.
    expect(refusal(await asker.accepts(bob))).toEqual([404, 'M_NOT_FOUND'])
    await asked.denies(alice)
    expect(refusal(await asked.denies(alice))).toEqual([404, 'M_NOT_FOUND'])
    expect(refusal(await asked.accepts(alice))).toEqual([404, 'M_NOT_FOUND'])
    await asker.invites(bob)
    await asked.accepts(alice)
    expect(refusal(await asked.denies(alice))).toEqual([404, 'M_NOT_FOUND'])
    expect(await asker.follows()).toEqual([bob.userId])
    // What is to be ignored cannot be accepted either.
    await asked.revokes(alice, { ignore_future: true })
    expect(refusal(await asked.accepts(alice))).toEqual([404, 'M_NOT_FOUND'])
    expect(refusal(await asked.denies(alice))).toEqual([404, 'M_NOT_FOUND'])
    expect(refusal(await asker.accepts(alice))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('P-061 revoking ends the grant: one offline, and nothing after', async () => {
    await bob.sets('online', 'here')
    await aliceFollowsBob()
    expect((await asked.revokes(alice)).text).toBe('{}')
    const body = await alice.syncs(OFF)
    expect(presenceOf(body)).toEqual([
      { type: 'm.presence', sender: bob.userId, content: { presence: 'offline' } },
    ])
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} revoked`])
    expect(await asker.list('/r0', true)).toEqual([])
    expect((await alice.status(bob)).status).toBe(403)
    await bob.sets('online', 'a secret')
    await server.clock.advance(10 * SECOND)
    expect(presenceOf(await alice.syncs(OFF))).toEqual([])
    // Whether it existed or not.
    expect((await asked.revokes(alice)).status).toBe(200)
    expect((await asked.revokes(bob)).status).toBe(200)
  })

  test('P-061 who shares a room is still seen after a revoke', async () => {
    const room = await alice.creates({ preset: 'public_chat' })
    await bob.joins(room)
    await bob.sets('online', 'here')
    await aliceFollowsBob()
    await asked.revokes(alice)
    const body = await alice.syncs(OFF)
    expect(presenceOf(body)).toEqual([])
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} revoked`])
    expect((await alice.status(bob)).body).toMatchObject({ presence: 'online', status_msg: 'here' })
  })

  test('revoking leaves an invite that waits, unless its future is to be ignored', async () => {
    await asker.invites(bob)
    await asked.revokes(alice)
    expect(await asked.pending()).toEqual([[alice.userId], []])
    await asked.revokes(alice, { ignore_future: true })
    expect(await asked.pending()).toEqual([[], []])
    expect(await asker.pending()).toEqual([[], []])
  })

  test('P-052 dropping tells both sides, and shows one offline', async () => {
    await bob.sets('online')
    await aliceFollowsBob()
    await asker.drops(bob)
    const body = await alice.syncs(OFF)
    expect(presenceOf(body).map(({ content }) => content)).toEqual([{ presence: 'offline' }])
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} withdrawn`])
    expect(await asked.hears()).toEqual([`incoming ${alice.userId} withdrawn`])
    expect(await asked.observers()).toEqual([])
  })
})

describe('who is not to be asked', () => {
  test('P-062 P-057 unknown, deactivated and guest users: 200, and denied at once', async () => {
    const gone = await server.registers('gone')
    await gone.deactivates()
    const guest = await server.registersGuest()
    for (const userId of ['@nobody:home.example', gone.userId, guest.userId]) {
      expect((await asker.changes({ invite: [userId] })).text).toBe('{}')
      expect(await asker.hears()).toEqual([`outgoing ${userId} denied`])
      expect(await asker.list('/r0', true)).toEqual([])
    }
  })

  test('P-064 an invite by somebody ignored is denied silently, whatever the policy', async () => {
    for (const policy of ['manual', 'accept_all', 'accept_reverse', 'accept_shared_room']) {
      await asked.decides(policy)
      await bob.ok('PUT', `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`, {
        body: { ignored_users: { [alice.userId]: {} } },
      })
      await bob.syncs(OFF)
      await asker.invites(bob)
      expect(await asker.hears()).toEqual([`outgoing ${bob.userId} denied`])
      const body = await bob.syncs(OFF)
      expect(NEWS in body).toBe(false)
      expect(await asked.pending()).toEqual([[], []])
      expect(await asker.list('/r0', true)).toEqual([])
    }
  })

  test('P-064 ignoring somebody does not take back what was granted', async () => {
    await aliceFollowsBob()
    await bob.ok('PUT', `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`, {
      body: { ignored_users: { [alice.userId]: {} } },
    })
    expect(await asked.observers()).toEqual([alice.userId])
    expect((await alice.status(bob)).status).toBe(200)
    // But who drops is not let in again.
    await asker.drops(bob)
    await asker.invites(bob)
    expect(await asker.list('/r0', true)).toEqual([])
  })

  test('deny with ignore_future denies every later invite silently, until it is lifted', async () => {
    await asker.invites(bob)
    await asked.denies(alice, { ignore_future: true })
    await catchUp()
    await asker.invites(bob)
    expect(await asker.hears()).toEqual([`outgoing ${bob.userId} denied`])
    expect(await asked.hears()).toEqual([])
    await server.restarts()
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[], []])
    await asked.revokes(alice, { ignore_future: false })
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[alice.userId], []])
  })

  test('a revoke with ignore_future does the same, also before any invite; ignore_future=false only revokes', async () => {
    await asked.revokes(alice, { ignore_future: true })
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[], []])
    // A plain revoke lifts nothing.
    await asked.revokes(alice)
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[], []])
    await asked.revokes(alice, { ignore_future: false })
    await aliceFollowsBob()
    await asked.revokes(alice, { ignore_future: true })
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[], []])
    await asked.revokes(alice, { ignore_future: false })
    await aliceFollowsBob()
    await asked.revokes(alice, { ignore_future: false })
    expect(await asker.list('/r0', true)).toEqual([])
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[alice.userId], []])
  })

  test('inviting somebody oneself lifts it, too', async () => {
    await asked.revokes(alice, { ignore_future: true })
    await asked.invites(alice)
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[alice.userId], [alice.userId]])
  })
})

describe('policies', () => {
  test('begin with the server’s, and are each user’s own', async () => {
    expect(await bob.ok('GET', `${LISTS}/policy`)).toEqual({ policy: 'manual' })
    await asked.decides('deny_all')
    expect(await bob.ok('GET', `${LISTS}/policy`)).toEqual({ policy: 'deny_all' })
    expect(await alice.ok('GET', `${LISTS}/policy`)).toEqual({ policy: 'manual' })
    await server.restarts({ config: { presence: { invite_policy: 'accept_all' } } })
    expect(await bob.ok('GET', `${LISTS}/policy`)).toEqual({ policy: 'deny_all' })
    expect(await alice.ok('GET', `${LISTS}/policy`)).toEqual({ policy: 'accept_all' })
  })

  test('P-008 an unknown one, a missing one and what is no object are refused', async () => {
    for (const body of [{ policy: 'everybody' }, { policy: 7 }, {}, []]) {
      const reply = await bob.request('PUT', `${LISTS}/policy`, { body })
      expect(refusal(reply)).toEqual([400, 'M_BAD_JSON'])
    }
    expect(refusal(await bob.request('PUT', `${LISTS}/policy`))).toEqual([400, 'M_NOT_JSON'])
    expect(await bob.ok('GET', `${LISTS}/policy`)).toEqual({ policy: 'manual' })
  })

  test('P-065 accept_all grants at once, and says accepted without pending before', async () => {
    await asked.decides('accept_all')
    await bob.sets('online')
    await catchUp()
    await asker.invites(bob)
    const body = await alice.syncs(OFF)
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} accepted`])
    expect(presenceOf(body)).toMatchObject([{ sender: bob.userId, content: { presence: 'online' } }])
    expect(await asked.hears()).toEqual([`incoming ${alice.userId} accepted`])
  })

  test('deny_all denies at once and says nothing to who denied', async () => {
    await asked.decides('deny_all')
    await asker.invites(bob)
    expect(await asker.hears()).toEqual([`outgoing ${bob.userId} denied`])
    expect(await asked.hears()).toEqual([])
  })

  test('P-063 accept_reverse accepts whom one follows or has invited, and asks about others', async () => {
    const carol = await server.registers('carol')
    const dave = await server.registers('dave')
    await asked.decides('accept_reverse')
    await asked.invites(alice, carol)
    await asker.accepts(bob)
    await asker.invites(bob)
    expect(await asker.follows()).toEqual([bob.userId])
    await new Follower(carol).invites(bob)
    expect(await new Follower(carol).follows()).toEqual([bob.userId])
    await new Follower(dave).invites(bob)
    expect(await asked.pending()).toEqual([[dave.userId], [carol.userId]])
  })

  test('P-063 whoever accepts and adds back is accepted in return', async () => {
    await asker.decides('accept_reverse')
    await asker.invites(bob)
    await asked.accepts(alice, { add_back: true })
    expect([await asker.follows(), await asked.follows()]).toEqual([[bob.userId], [alice.userId]])
  })

  test('accept_shared_room accepts whom one is seen by anyway, and asks about others', async () => {
    const carol = await server.registers('carol')
    const room = await bob.creates({ preset: 'public_chat' })
    await asked.decides('accept_shared_room')
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[alice.userId], []])
    await carol.joins(room)
    await new Follower(carol).invites(bob)
    expect(await new Follower(carol).follows()).toEqual([bob.userId])
    expect(await asked.pending()).toEqual([[alice.userId], []])
  })

  test('P-147 a common room in which one only was invited is none', async () => {
    const room = await bob.creates()
    await asked.decides('accept_shared_room')
    await bob.invites(room, alice)
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[alice.userId], []])
  })

  test('P-057 changing it later answers no invite that waits', async () => {
    await asker.invites(bob)
    await asked.decides('accept_all')
    expect(await asked.pending()).toEqual([[alice.userId], []])
    await server.clock.advance(2 * 3_600_000)
    await asker.invites(bob)
    expect(await asked.pending()).toEqual([[alice.userId], []])
  })
})

describe('what is common to all endpoints', () => {
  const endpoints = (): [string, string, unknown?][] => [
    ['GET', '/invites'],
    ['POST', `/invites/${bob.userId}/accept`, {}],
    ['POST', `/invites/${bob.userId}/deny`, {}],
    ['GET', '/observers'],
    ['DELETE', `/observers/${bob.userId}`],
    ['GET', '/policy'],
    ['PUT', '/policy', { policy: 'manual' }],
  ]

  test('P-001 P-002 P-025 a known token is needed, and not a guest’s', async () => {
    const guest = await server.registersGuest()
    for (const [method, path, body] of endpoints()) {
      const options = body === undefined ? {} : { body }
      const full = `/_matrix/client${LISTS}${path}`
      expect(refusal(await server.request(method, full, options))).toEqual([401, 'M_MISSING_TOKEN'])
      expect(refusal(await server.request(method, full, { ...options, token: 'x' }))).toEqual([
        401,
        'M_UNKNOWN_TOKEN',
      ])
      expect(refusal(await guest.request(method, full, options))).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN'])
    }
  })

  test('P-009 a malformed user ID in the path is 400', async () => {
    for (const [method, path] of [
      ['POST', '/invites/bob/accept'],
      ['POST', '/invites/@bob/deny'],
      ['DELETE', '/observers/bob:home.example'],
    ] as const)
      expect(refusal(await alice.request(method, `${LISTS}${path}`))).toEqual([400, 'M_INVALID_PARAM'])
    const odd = await asked.revokes(alice, { ignore_future: 'yes' as never })
    expect(refusal(odd)).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('P-008 P-013 bodies: none is as good as {}, the wrong shape is refused, unknown keys are not', async () => {
    await asker.invites(bob)
    for (const body of [[], { add_back: 'yes' }, { ignore_future: null, add_back: 1 }])
      expect(refusal(await asked.accepts(alice, body))).toEqual([400, 'M_BAD_JSON'])
    expect(refusal(await asked.denies(alice, { ignore_future: 'yes' }))).toEqual([400, 'M_BAD_JSON'])
    expect(await asked.pending()).toEqual([[alice.userId], []])
    const path = `${LISTS}/invites/${encodeURIComponent(alice.userId)}/accept`
    expect((await bob.request('POST', path)).status).toBe(200)
    expect((await bob.request('POST', path, { body: { why: 'not' } })).status).toBe(200)
  })

  test('versions says that they are there', async () => {
    const { body } = await server.request('GET', '/_matrix/client/versions')
    expect(body['unstable_features']).toMatchObject({ [NEWS]: true })
  })

  test('invites come in pages: incoming first, each direction from the oldest', async () => {
    const others = []
    for (const name of ['carol', 'dave', 'erin']) {
      const other = await server.registers(name)
      others.push(other)
      await new Follower(other).invites(alice)
      await asker.invites(other)
      await server.clock.advance(SECOND)
    }
    const ids = others.map(({ userId }) => userId)
    const path = `${LISTS}/invites`
    const seen: string[] = []
    let from: string | undefined
    let pages = 0
    do {
      const query = { limit: 2, ...(from !== undefined && { from }) }
      const body = await alice.ok('GET', path, { query })
      for (const direction of ['incoming', 'outgoing'])
        for (const { user_id } of body[direction] as unknown as { user_id: string }[])
          seen.push(`${direction} ${user_id}`)
      from = body['next_batch'] as string | undefined
      pages += 1
    } while (from !== undefined)
    expect(pages).toBe(3)
    expect(seen).toEqual(['incoming', 'outgoing'].flatMap((way) => ids.map((id) => `${way} ${id}`)))
    const outgoing = await alice.ok('GET', path, { query: { direction: 'outgoing', limit: 3 } })
    expect(outgoing).toMatchObject({ incoming: [], outgoing: ids.map((user_id) => ({ user_id })) })
    expect('next_batch' in outgoing).toBe(false)
    const incoming = await alice.ok('GET', path, { query: { direction: 'incoming', limit: 1_000 } })
    expect(incoming).toMatchObject({ incoming: ids.map((user_id) => ({ user_id })), outgoing: [] })
    for (const query of [
      { direction: 'sideways' },
      { limit: 0 },
      { limit: 'x' },
      { from: 'x' },
      { from: 'i1_x' },
    ])
      expect(refusal(await alice.request('GET', path, { query }))).toEqual([400, 'M_INVALID_PARAM'])
  })
})

describe('what devices are told', () => {
  test('P-065 P-066 every change gives each party one event, with the sender who caused it', async () => {
    const pairs = { observer_user: alice.userId, observed_user: bob.userId }
    const ts = server.clock.now()
    const told = async (who: Actor): Promise<unknown[]> => newsOf(await who.syncs(OFF))
    const expected = (direction: string, state: string, sender: Actor): object[] => [
      {
        type: `${NEWS}.invite`,
        sender: sender.userId,
        content: { ...pairs, direction, state, ts },
      },
    ]
    const steps: [() => Promise<unknown>, string, Actor][] = [
      [() => asker.invites(bob), 'pending', alice],
      [() => asked.accepts(alice), 'accepted', bob],
      [() => asked.revokes(alice), 'revoked', bob],
      [() => asker.invites(bob), 'pending', alice],
      [() => asked.denies(alice), 'denied', bob],
      [() => asker.invites(bob), 'pending', alice],
      [() => asker.drops(bob), 'withdrawn', alice],
    ]
    for (const [step, state, sender] of steps) {
      await step()
      expect(await told(alice)).toEqual(expected('outgoing', state, sender))
      expect(await told(bob)).toEqual(expected('incoming', state, sender))
      expect(await told(alice)).toEqual([])
      expect(await told(bob)).toEqual([])
    }
  })

  test('P-065 the other devices of each party learn it, too', async () => {
    const tablet = new Follower(await server.logsIn(alice))
    const phone = new Follower(await server.logsIn(bob))
    for (const one of [tablet, phone]) await one.hears()
    await asker.invites(bob)
    expect(await tablet.hears()).toEqual([`outgoing ${bob.userId} pending`])
    await asked.accepts(alice)
    expect(await phone.hears()).toEqual([`incoming ${alice.userId} accepted`])
  })

  test('P-066 P-067 under a key of its own, and only if there is something', async () => {
    await bob.sets('online')
    await asker.invites(bob)
    await asked.accepts(alice)
    for (const body of [await alice.syncs(OFF), await bob.syncs(OFF)]) {
      expect(newsOf(body)).toHaveLength(1)
      for (const { type } of presenceOf(body)) expect(type).toBe('m.presence')
    }
    expect(NEWS in (await alice.syncs(OFF))).toBe(false)
    const fresh = await server.logsIn(alice)
    const initial = await fresh.syncs(OFF)
    expect(NEWS in initial).toBe(false)
    for (const { type } of presenceOf(initial)) expect(type).toBe('m.presence')
  })

  test('P-068 a first sync has every pending pair, both directions, and nothing that is over', async () => {
    const carol = await server.registers('carol')
    const dave = await server.registers('dave')
    await asker.invites(bob, dave)
    await new Follower(carol).invites(alice)
    await new Follower(dave).denies(alice)
    const fresh = new Follower(await server.logsIn(alice))
    expect((await fresh.hears()).toSorted()).toEqual([
      `incoming ${carol.userId} pending`,
      `outgoing ${bob.userId} pending`,
    ])
    expect(await fresh.hears()).toEqual([])
    const full = await fresh.actor.syncs({ ...OFF, full_state: true })
    expect(newsIn(full)).toHaveLength(2)
  })

  test('P-068 an incremental one has the latest state of each pair that changed', async () => {
    const carol = await server.registers('carol')
    await asker.invites(bob, carol)
    await new Follower(carol).accepts(alice)
    await asked.denies(alice)
    await asker.invites(bob)
    await asker.drops(bob)
    expect(await asker.hears()).toEqual([
      `outgoing ${carol.userId} accepted`,
      `outgoing ${bob.userId} withdrawn`,
    ])
    expect(await asked.hears()).toEqual([`incoming ${alice.userId} withdrawn`])
  })

  test.each(['clean', 'unclean'] as const)(
    'P-068 P-097 each change once, also over a %s end',
    async (end) => {
      await asker.invites(bob)
      expect(await asked.hears()).toEqual([`incoming ${alice.userId} pending`])
      await server.restarts({ end })
      expect(await asked.hears()).toEqual([])
      expect(await asker.hears()).toEqual([`outgoing ${bob.userId} pending`])
      await asked.accepts(alice)
      await server.restarts({ end })
      expect(await asker.hears()).toEqual([`outgoing ${bob.userId} accepted`])
      expect(await asker.hears()).toEqual([])
      expect(await asked.hears()).toEqual([`incoming ${alice.userId} accepted`])
      const fresh = new Follower(await server.logsIn(alice))
      expect(await fresh.hears()).toEqual([])
    },
  )

  test('P-069 every change ends the waiting syncs of both, also of clients that want no presence', async () => {
    const filter = JSON.stringify({ presence: { types: [] } })
    for (const [step, state] of [
      [() => asker.invites(bob), 'pending'],
      [() => asked.accepts(alice), 'accepted'],
      [() => asked.revokes(alice), 'revoked'],
    ] as const) {
      await catchUp()
      const polls = [alice.polls({ ...OFF, filter }), bob.polls({ ...OFF, filter })]
      await server.parked(2)
      await step()
      const bodies = await Promise.all(polls.map(({ body }) => body))
      expect(bodies.map(newsIn)).toEqual([
        [`outgoing ${bob.userId} ${state}`],
        [`incoming ${alice.userId} ${state}`],
      ])
      for (const body of bodies) expect(presenceOf(body)).toEqual([])
    }
  })

  test('P-058 P-069 the waiting sync that accepting ends has the presence, too', async () => {
    await bob.sets('online', 'here')
    await asker.invites(bob)
    await catchUp()
    const poll = alice.polls(OFF)
    await server.parked(1)
    await asked.accepts(alice)
    const body = await poll.body
    expect(newsIn(body)).toEqual([`outgoing ${bob.userId} accepted`])
    expect(presenceOf(body)).toMatchObject([{ content: { presence: 'online', status_msg: 'here' } }])
  })

  test('nobody else is woken or told', async () => {
    const carol = await server.registers('carol')
    await carol.syncs(OFF)
    const poll = carol.polls(OFF)
    await server.parked(1)
    await aliceFollowsBob()
    await asked.revokes(alice)
    await server.parked(1)
    poll.abort()
    expect(newsIn(await carol.syncs(OFF))).toEqual([])
  })

  test.each(['clean', 'unclean'] as const)(
    'P-061 P-098 a revoke that was followed by a %s end shows its one offline, and nothing after',
    async (end) => {
      await bob.sets('online', 'here')
      await aliceFollowsBob()
      await alice.sees(bob, 'online')
      await asked.revokes(alice)
      await server.restarts({ end })
      const body = await alice.syncs(OFF)
      expect(newsIn(body)).toEqual([`outgoing ${bob.userId} revoked`])
      expect(presenceOf(body).filter(({ sender }) => sender === bob.userId)).toEqual([
        { type: 'm.presence', sender: bob.userId, content: { presence: 'offline' } },
      ])
      await bob.sets('online', 'a secret')
      expect(presenceOf(await alice.syncs(OFF))).toEqual([])
    },
  )

  test('a filter of presence is kept to after such an end, and a common room still shows', async () => {
    const carol = await server.registers('carol')
    const room = await alice.creates({ preset: 'public_chat' })
    await carol.joins(room)
    await carol.sets('online')
    await asker.invites(bob, carol)
    await asked.accepts(alice)
    await new Follower(carol).accepts(alice)
    await catchUp()
    await asker.drops(bob, carol)
    await server.restarts({ end: 'unclean' })
    const filter = JSON.stringify({ presence: { not_senders: [bob.userId] } })
    const body = await alice.syncs({ ...OFF, filter })
    expect(newsIn(body)).toHaveLength(2)
    const told = presenceOf(body).filter(({ sender }) => sender !== alice.userId)
    expect(told).toMatchObject([{ sender: carol.userId, content: { presence: 'online' } }])
  })
})

describe('what ends by itself', () => {
  test('P-065 an invite that nobody answers lapses for both after thirty days', async () => {
    await asker.invites(bob)
    await catchUp()
    await server.clock.advance(INVITE_TTL - 1)
    expect(await asked.pending()).toEqual([[alice.userId], []])
    expect(await asker.hears()).toEqual([])
    await server.clock.advance(1)
    expect(await asked.pending()).toEqual([[], []])
    expect(await asker.pending()).toEqual([[], []])
    expect(await asked.hears()).toEqual([`incoming ${alice.userId} expired`])
    expect(await asker.hears()).toEqual([`outgoing ${bob.userId} expired`])
    expect(refusal(await asked.accepts(alice))).toEqual([404, 'M_NOT_FOUND'])
  })

  test('asking again begins the time anew; a restart does not', async () => {
    await asker.invites(bob)
    await server.clock.advance(20 * DAY)
    await asker.invites(bob)
    await server.clock.advance(10 * DAY)
    expect(await asked.pending()).toEqual([[alice.userId], []])
    await server.restarts()
    await server.clock.advance(20 * DAY - 1)
    expect(await asked.pending()).toEqual([[alice.userId], []])
    await server.clock.advance(1)
    expect(await asked.pending()).toEqual([[], []])
  })

  test('what lapsed while the server was down ends when it comes back', async () => {
    await asker.invites(bob, '@zoe:remote.example')
    await server.clock.advance(INVITE_TTL - 1)
    await server.restarts()
    await server.clock.advance(1)
    expect(await asker.pending()).toEqual([[], []])
    expect(newsIn(await alice.syncs(OFF)).toSorted()).toEqual(
      [`outgoing ${bob.userId} expired`, 'outgoing @zoe:remote.example expired'].toSorted(),
    )
  })

  test('consent does not lapse, and what was told is forgotten after thirty days', async () => {
    await aliceFollowsBob()
    const stored = (): Promise<unknown[]> =>
      server.store.presenceListNews(alice.userId as never, 0, Number.MAX_SAFE_INTEGER)
    expect(await stored()).toHaveLength(1)
    await server.clock.advance(INVITE_TTL)
    expect(await stored()).toEqual([])
    expect(await asker.follows()).toEqual([bob.userId])
    expect((await alice.status(bob)).status).toBe(200)
  })

  test('P-140 logging out of the last device keeps lists, grants and invites', async () => {
    const carol = await server.registers('carol')
    await aliceFollowsBob()
    await new Follower(carol).invites(bob)
    await bob.ok('POST', '/v3/logout', { body: {} })
    expect(await asker.follows()).toEqual([bob.userId])
    const back = new Follower(await server.logsIn(bob))
    expect(await back.observers()).toEqual([alice.userId])
    expect(await back.hears()).toEqual([`incoming ${carol.userId} pending`])
  })
})

describe('when an account ends', () => {
  test.each(['at once', 'after a kill'])(
    'its lists, grants and invites end, each side is told: %s',
    async (when) => {
      const [carol, dave, erin] = (await Promise.all(
        ['carol', 'dave', 'erin'].map((name) => server.registers(name)),
      )) as [Actor, Actor, Actor]
      const follower = (actor: Actor): Follower => new Follower(actor)
      await bob.sets('online', 'here')
      // Bob is followed by Alice, was asked by Carol, follows Dave, and asked Erin.
      await aliceFollowsBob()
      await follower(carol).invites(bob)
      await asked.invites(dave, erin)
      await follower(dave).accepts(bob)
      await asked.decides('accept_all')
      for (const one of [alice, carol, dave, erin]) await one.syncs(OFF)
      await bob.deactivates()
      if (when === 'after a kill') await server.restarts({ end: 'unclean' })
      await server.quiet()
      const ended = async (): Promise<boolean> => (await follower(dave).observers()).length === 0
      for (let i = 0; i < 100 && !(await ended()); i += 1) await server.quiet()
      const body = await alice.syncs(OFF)
      expect(newsIn(body)).toEqual([`outgoing ${bob.userId} revoked`])
      const shown = presenceOf(body).filter(({ sender }) => sender === bob.userId)
      expect(shown.map(({ content }) => content)).toEqual([{ presence: 'offline' }])
      expect(await follower(carol).hears()).toEqual([`outgoing ${bob.userId} denied`])
      expect(await follower(dave).hears()).toEqual([`incoming ${bob.userId} withdrawn`])
      expect(await follower(erin).hears()).toEqual([`incoming ${bob.userId} withdrawn`])
      expect(await asker.list('/r0', true)).toEqual([])
      expect(await follower(carol).pending()).toEqual([[], []])
      expect(await follower(erin).pending()).toEqual([[], []])
      expect((await alice.status(bob)).status).toBe(403)
      const id = bob.userId as never
      expect(await server.store.presenceEntries(id)).toEqual([])
      for (const state of ['pending', 'granted', 'ignored'] as const)
        expect(await server.store.presenceGrants(id, state)).toEqual([])
      expect(await server.store.invitePolicy(id)).toBeNull()
      expect(await server.store.presenceListNews(id, 0, Number.MAX_SAFE_INTEGER)).toEqual([])
      await asker.invites(bob)
      expect(await asker.hears()).toEqual([`outgoing ${bob.userId} denied`])
    },
  )
})
