import { expect, test } from 'vitest'
import { inviteEvent, OWN_ID, presenceEvent, type FakeServer, later } from './support/fake-server.ts'
import { ADSUM, begins } from './support/story.ts'
import type { InviteChange } from './types.ts'

const BOB = '@bob:hs'
const CAROL = '@carol:hs'
const BASE = '/_matrix/client/unstable/dev.adsum.presence_lists'
const OWN_LIST = `${BASE}/presence/list/%40me%3Ahs`

interface Ends {
  readonly list?: readonly object[]
  readonly incoming?: readonly object[]
  readonly outgoing?: readonly object[]
  readonly observers?: readonly object[]
}

function answers({ list = [], incoming = [], outgoing = [], observers = [] }: Ends) {
  return (server: FakeServer): void => {
    server.always(/presence\/list/, { body: list })
    server.always(/\/invites$/, { body: { incoming, outgoing } })
    server.always(/\/observers$/, { body: { observers } })
  }
}

function accepted(userId: string, content: object = {}): object {
  return {
    ...presenceEvent(userId, { user_id: userId, ...content }),
    user_id: userId,
    accepted: true,
    presence: 'online',
  }
}

const pending = (userId: string): object => ({
  type: 'm.presence',
  user_id: userId,
  content: { user_id: userId },
  accepted: false,
})

const NEWS = 'dev.adsum.presence_lists'

test('lists, invites and observers are read at the start, with what they say of presence', async () => {
  const { client, server } = await begins({
    flags: ADSUM,
    before: answers({
      list: [accepted(BOB, { presence: 'offline', displayname: 'Bob' }), pending(CAROL)],
      incoming: [
        { user_id: '@late:hs', state: 'pending', ts: 20 },
        { user_id: '@early:hs', state: 'pending', ts: 10 },
        { user_id: 5 },
      ],
      outgoing: [{ user_id: CAROL, state: 'pending', ts: 7 }],
      observers: [{ user_id: '@dan:hs', since_ts: 3 }],
    }),
  })
  expect(client.lists()).toEqual({
    incoming: [
      { userId: '@early:hs', ts: 10 },
      { userId: '@late:hs', ts: 20 },
    ],
    outgoing: [{ userId: CAROL, ts: 7 }],
    following: [BOB],
    observers: [{ userId: '@dan:hs', ts: 3 }],
  })
  expect(client.lists()).toBe(client.lists())
  expect(client.get(BOB)).toMatchObject({ presence: 'offline', displayname: 'Bob', listed: 'accepted' })
  expect(client.roster().map(({ userId, listed }) => [userId, listed])).toEqual([
    [BOB, 'accepted'],
    [CAROL, 'pending'],
  ])
  expect(server.requests(/presence\/list/)[0]).toMatchObject({
    path: OWN_LIST,
    query: { 'dev.adsum.presence_lists.include_pending': 'true' },
  })
  client.stop()
})

test('every change of a pair finds its place, in both directions, and is told once', async () => {
  const { client, server } = await begins({ flags: ADSUM, before: answers({}) })
  const heard: InviteChange[] = []
  client.onInvite((change) => heard.push(change))
  let snapshots = 0
  client.subscribe(() => (snapshots += 1))
  const tells = async (...events: object[]): Promise<void> => {
    snapshots = 0
    await server.tells({ [NEWS]: { events } })
    expect(snapshots).toBe(1)
  }
  await tells(inviteEvent('incoming', BOB, 'pending', 5), inviteEvent('outgoing', CAROL, 'pending', 6))
  expect(client.lists()).toMatchObject({
    incoming: [{ userId: BOB, ts: 5 }],
    outgoing: [{ userId: CAROL, ts: 6 }],
  })
  expect(client.get(CAROL).listed).toBe('pending')
  await tells(inviteEvent('incoming', BOB, 'accepted', 7), inviteEvent('outgoing', CAROL, 'accepted', 8))
  expect(client.lists()).toEqual({
    incoming: [],
    outgoing: [],
    following: [CAROL],
    observers: [{ userId: BOB, ts: 7 }],
  })
  expect(client.get(CAROL).listed).toBe('accepted')
  await tells(inviteEvent('incoming', BOB, 'revoked', 9), inviteEvent('outgoing', CAROL, 'revoked', 10))
  expect(client.lists()).toEqual({ incoming: [], outgoing: [], following: [], observers: [] })
  expect(client.get(CAROL).listed).toBeNull()
  for (const [i, end] of ['denied', 'withdrawn', 'expired'].entries()) {
    await tells(
      inviteEvent('incoming', BOB, 'pending', 20 + i),
      inviteEvent('outgoing', CAROL, 'pending', 20 + i),
    )
    await tells(inviteEvent('incoming', BOB, end, 30 + i), inviteEvent('outgoing', CAROL, end, 30 + i))
    expect(client.lists()).toEqual({ incoming: [], outgoing: [], following: [], observers: [] })
  }
  expect(heard).toHaveLength(18)
  expect(heard[0]).toEqual({ userId: BOB, direction: 'incoming', state: 'pending', ts: 5 })
  client.stop()
})

test('an invite that is denied at once is told, although it was never seen pending', async () => {
  const { client, server } = await begins({ flags: ADSUM, before: answers({}) })
  const heard: InviteChange[] = []
  client.onInvite((change) => heard.push(change))
  await server.tells({ [NEWS]: { events: [inviteEvent('outgoing', CAROL, 'denied', 4)] } })
  expect(heard).toEqual([{ userId: CAROL, direction: 'outgoing', state: 'denied', ts: 4 }])
  expect(client.lists().outgoing).toEqual([])
  client.stop()
})

test('what changes nothing, is broken, or concerns others, is not news', async () => {
  const { client, server } = await begins({ flags: ADSUM, before: answers({}) })
  const heard: InviteChange[] = []
  client.onInvite((change) => heard.push(change))
  const pending = inviteEvent('incoming', BOB, 'pending', 5)
  await server.tells({ [NEWS]: { events: [pending] } })
  const { content } = pending as { content: object }
  const broken = [
    pending,
    inviteEvent('outgoing', CAROL, 'revoked'),
    inviteEvent('incoming', BOB, 'banana'),
    inviteEvent('incoming', 'bob', 'pending'),
    { ...pending, type: 'm.presence' },
    { ...pending, content: { ...content, direction: 'sideways' } },
    { ...pending, content: { ...content, observed_user: CAROL } },
    { ...pending, content: null },
    null,
  ]
  await server.tells({ [NEWS]: { events: broken } })
  expect(heard).toHaveLength(1)
  expect(client.lists().incoming).toHaveLength(1)
  client.stop()
})

test('changes that come while the lists are being read are newer than the answers', async () => {
  const list = later()
  const { client, server } = await begins({
    flags: ADSUM,
    before: (server) => {
      answers({ incoming: [{ user_id: BOB, ts: 1 }] })(server)
      server.next(/presence\/list/, list.handler)
    },
  })
  await server.tells({
    [NEWS]: {
      events: [inviteEvent('outgoing', CAROL, 'revoked', 9), inviteEvent('incoming', BOB, 'withdrawn', 9)],
    },
  })
  await list.comes({ body: [accepted(CAROL), accepted('@dan:hs')] })
  expect(client.lists()).toMatchObject({ incoming: [], following: ['@dan:hs'] })
  client.stop()
})

test('of two readings the later one counts', async () => {
  const list = later()
  const { client, server, clock } = await begins({
    flags: ADSUM,
    before: (server) => {
      answers({ list: [accepted(BOB)] })(server)
      server.next(/presence\/list/, list.handler)
    },
  })
  server.next(/\/sync$/, 'network', 6)
  await server.tells({})
  await clock.advance(60_000)
  expect(client.lists().following).toEqual([BOB])
  await list.comes({ body: [accepted(CAROL)] })
  expect(client.lists().following).toEqual([BOB])
  client.stop()
})

test('a reading that failed is repeated after the next sync', async () => {
  const { client, server } = await begins({
    flags: ADSUM,
    before: (server) => {
      answers({ list: [accepted(CAROL)] })(server)
      server.next(/\/observers$/, { status: 502 })
    },
  })
  expect(client.lists().following).toEqual([])
  await server.tellsPresence(presenceEvent(BOB, {}))
  expect(client.lists().following).toEqual([CAROL])
  client.stop()
})

test('what a list says of a user gives way to what a sync said later', async () => {
  const { client, server, clock } = await begins({ flags: ADSUM, before: answers({}) })
  const list = later()
  server.next(/presence\/list/, list.handler)
  const read = client.getList()
  await clock.advance(1)
  await server.tellsPresence(presenceEvent(BOB, { presence: 'unavailable' }))
  await list.comes({ body: [accepted(BOB), accepted(CAROL)] })
  expect(await read).toEqual([
    { userId: BOB, accepted: true },
    { userId: CAROL, accepted: true },
  ])
  expect([client.get(BOB).presence, client.get(CAROL).presence]).toEqual(['unavailable', 'online'])
  client.stop()
})

test('invites are read page by page, with an end', async () => {
  let pages = 0
  const { client, server } = await begins({
    flags: ADSUM,
    before: (server) => {
      answers({})(server)
      server.always(/\/invites$/, ({ query }) => {
        pages += 1
        return {
          body: {
            incoming: [{ user_id: `@${query['from'] ?? 'first'}:hs`, ts: pages }],
            next_batch: `p${pages}`,
          },
        }
      })
    },
  })
  expect(
    client
      .lists()
      .incoming.map(({ userId }) => userId)
      .slice(0, 3),
  ).toEqual(['@first:hs', '@p1:hs', '@p2:hs'])
  expect(pages).toBe(10)
  server.next(/\/invites$/, { body: { incoming: [{ user_id: BOB, ts: 1 }] } })
  expect(await client.incoming()).toEqual([{ userId: BOB, ts: 1 }])
  expect(server.seen.at(-1)?.query).toEqual({ direction: 'incoming' })
  client.stop()
})

test('each call is the request that the specification names', async () => {
  const { client, server } = await begins({ flags: ADSUM, before: answers({}) })
  const asks = async (call: () => Promise<unknown>): Promise<unknown[]> => {
    const before = server.seen.length
    await call()
    return server.seen.slice(before).map(({ method, path, query, body }) => [method, path, query, body])
  }
  const bob = encodeURIComponent(BOB)
  expect(await asks(() => client.invite(BOB))).toEqual([['POST', OWN_LIST, {}, { invite: [BOB] }]])
  expect(await asks(() => client.drop([BOB, CAROL]))).toEqual([
    ['POST', OWN_LIST, {}, { drop: [BOB, CAROL] }],
  ])
  expect(await asks(() => client.accept(BOB, { addBack: true }))).toEqual([
    ['POST', `${BASE}/invites/${bob}/accept`, {}, { add_back: true }],
  ])
  expect(await asks(() => client.accept(BOB))).toEqual([
    ['POST', `${BASE}/invites/${bob}/accept`, {}, { add_back: false }],
  ])
  expect(await asks(() => client.deny(BOB, { ignoreFuture: true }))).toEqual([
    ['POST', `${BASE}/invites/${bob}/deny`, {}, { ignore_future: true }],
  ])
  expect(await asks(() => client.revoke(BOB))).toEqual([
    ['DELETE', `${BASE}/observers/${bob}`, {}, undefined],
  ])
  expect(await asks(() => client.revoke(BOB, { ignoreFuture: false }))).toEqual([
    ['DELETE', `${BASE}/observers/${bob}`, { ignore_future: 'false' }, undefined],
  ])
  expect(await asks(() => client.setPolicy('deny_all'))).toEqual([
    ['PUT', `${BASE}/policy`, {}, { policy: 'deny_all' }],
  ])
  server.next(/policy$/, { body: { policy: 'accept_all' } })
  expect(await client.policy()).toBe('accept_all')
  server.next(/policy$/, { body: { policy: 'of the future' } })
  expect(await client.policy()).toBe('manual')
  client.stop()
})

test('an invite that is gone already is no error, and goes from the inbox', async () => {
  const { client, server } = await begins({
    flags: ADSUM,
    before: answers({ incoming: [{ user_id: BOB, ts: 1 }] }),
  })
  server.always(/\/(accept|deny)$/, { status: 404, body: { errcode: 'M_NOT_FOUND', error: 'None' } })
  await client.deny(BOB)
  expect(client.lists().incoming).toEqual([])
  await client.accept(BOB)
  server.always(/\/(accept|deny)$/, { status: 403, body: { errcode: 'M_FORBIDDEN', error: 'No' } })
  await expect(client.accept(BOB)).rejects.toMatchObject({ errcode: 'M_FORBIDDEN' })
  client.stop()
})

test('a server without lists is not asked about them, and every call says so', async () => {
  const { client, server } = await begins()
  const calls = [
    client.getList(),
    client.invite(BOB),
    client.drop(BOB),
    client.incoming(),
    client.accept(BOB),
    client.deny(BOB),
    client.observers(),
    client.revoke(BOB),
    client.policy(),
    client.setPolicy('manual'),
  ]
  for (const call of calls)
    await expect(call).rejects.toMatchObject({ status: 404, errcode: 'M_UNRECOGNIZED' })
  expect(server.requests(/presence_lists/)).toEqual([])
  expect(client.lists()).toEqual({ incoming: [], outgoing: [], following: [], observers: [] })
  expect(client.get(OWN_ID).userId).toBe(OWN_ID)
  client.stop()
})
