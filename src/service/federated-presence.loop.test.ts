import { expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { MINUTE, POLICY } from '../../test/support/engine-kit.ts'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { Engine } from '../engine/engine.ts'
import type { PresenceEdu, PresencePush } from '../matrix/edu.ts'
import type { DeviceId, ServerName, UserId } from '../matrix/ids.ts'
import type { Row } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createFederatedPresence, type FederatedPresence } from './federated-presence.ts'
import { createListPeers } from './list-peers.ts'
import { createLoop } from './loop.ts'
import { createPollSubscriptions } from './poll-subscriptions.ts'

const HERE = 'hs' as ServerName
const REMOTE = 'remote' as ServerName
const ALICE = '@alice:hs' as UserId
const ZOE = '@zoe:remote' as UserId
const PHONE = 'PHONE' as DeviceId

/** The real loop and engine, and of the transport only what it is told. */
async function world(store = createMemoryStore(), grants: (readonly [UserId, UserId])[] = []) {
  const clock = new ManualClock()
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const offered: string[] = []
  const rows: Row<'presence'>[] = []
  const destinations = {
    offerPresence: (_: ServerName, userIds: Iterable<UserId>) =>
      void offered.push(`offer ${[...userIds].join(' ')}`),
    answerPresence: (_: ServerName, userIds: Iterable<UserId>) =>
      void offered.push(`answer ${[...userIds].join(' ')}`),
    offerPolls: (_: ServerName, { poll, unpoll }: Pick<PresenceEdu, 'poll' | 'unpoll'>) =>
      void offered.push(`poll ${poll.join(' ')} unpoll ${unpoll.join(' ')}`),
    heardFrom: () => {},
  }
  const parts: { presence: FederatedPresence | null } = { presence: null }
  const loop = createLoop({
    enabled: true,
    engine: new Engine({ policy: POLICY, head: 0 }),
    clock,
    log,
    serverName: HERE,
    persist: { add: (row) => void rows.push(row), drop: () => {} },
    wakeups: { users: () => {} },
    destinations,
    onSighted: (userId) => parts.presence?.onSighted(userId),
  })
  const shared = { store, clock, loop, log, destinations, random: seededRandom(1), takes: true, tells: true }
  const peers = createListPeers({
    ...shared,
    watchdogShortMs: MINUTE,
    watchdogLongMs: 60 * MINUTE,
    peersMax: 10,
  })
  const polls = createPollSubscriptions({
    ...shared,
    heardTs: (server) => peers.heardTs(server),
    subscriptionsMax: 10,
  })
  const presence = createFederatedPresence({
    ...shared,
    serverName: HERE,
    directory: { createdTs: async () => clock.now() },
    peers,
    polls,
    profiles: { heard: () => {} },
    offlineCutoffMs: POLICY.offlineCutoffMs,
    earlyPushesMax: 10,
  })
  parts.presence = presence
  for (const [observer, observed] of grants) loop.granted(observer, observed)
  await peers.restore()
  await polls.restore()
  loop.begin()
  const receive = (edu: Partial<PresenceEdu>): void =>
    presence.presence(REMOTE, { push: [], poll: [], unpoll: [], ...edu })
  return { clock, store, loop, rows, offered, peers, polls, presence, receive }
}

const online: PresencePush = {
  userId: ZOE,
  state: 'online',
  statusMsg: 'hi',
  lastActiveAgoMs: 5_000,
  currentlyActive: true,
  displayname: null,
  avatarUrl: null,
}

test('P-180 a push that overtook the accept is shown, and stored, as soon as the accept is there', async () => {
  const { clock, loop, rows, receive } = await world()
  receive({ push: [online] })
  expect(loop.view(ALICE, ZOE)).toBeNull()
  expect(rows).toEqual([])
  const ts = clock.now() - 5_000
  await clock.advance(MINUTE)
  loop.granted(ALICE, ZOE)
  expect(loop.view(ALICE, ZOE)).toMatchObject({ state: 'online', statusMsg: 'hi', lastActiveTs: ts })
  expect(rows.at(-1)).toMatchObject({ userId: ZOE, state: 'online', refreshedTs: clock.now() })
})

test('P-180 what came before a user went out of sight is not shown when they come back', async () => {
  const { loop, receive } = await world()
  loop.granted(ALICE, ZOE)
  receive({ push: [online] })
  loop.revoked(ALICE, ZOE)
  loop.granted(ALICE, ZOE)
  expect(loop.view(ALICE, ZOE)).toMatchObject({ state: 'offline', statusMsg: null })
})

test('P-179 after an unpoll no change is offered, from the next poll on each is; over restarts, too', async () => {
  const { loop, offered, receive, presence, peers, polls, store } = await world()
  loop.granted(ZOE, ALICE)
  const set = (text: string): void => {
    offered.length = 0
    loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'set', text } })
  }
  set('one')
  expect(offered).toEqual([`offer ${ALICE}`])
  receive({ unpoll: [ALICE] })
  set('two')
  expect(offered).toEqual([])
  receive({ poll: [ALICE] })
  expect(offered).toEqual([`answer ${ALICE}`])
  set('three')
  expect(offered).toEqual([`offer ${ALICE}`])
  expect(await presence.presenceFor(REMOTE, [ALICE])).toMatchObject([{ state: 'online', statusMsg: 'three' }])
  receive({ unpoll: [ALICE] })
  await peers.close()
  await polls.close()
  const next = await world(store, [[ZOE, ALICE]])
  next.loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'keep' } })
  expect(next.offered).toEqual([])
  next.receive({ poll: [ALICE] })
  next.loop.report(ALICE, PHONE, { presence: 'unavailable', status: { kind: 'keep' } })
  expect(next.offered).toEqual([`answer ${ALICE}`, `offer ${ALICE}`])
})

test('P-172 P-166 hidden users are offline since the account began; nobody is told of others', async () => {
  const { loop, presence } = await world()
  loop.granted(ZOE, ALICE)
  loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'set', text: 'here' } })
  loop.report(ALICE, PHONE, { presence: 'hidden', status: { kind: 'keep' } })
  expect(await presence.presenceFor(REMOTE, [ALICE, ZOE])).toEqual([
    {
      ...online,
      userId: ALICE,
      state: 'offline',
      statusMsg: null,
      lastActiveAgoMs: 0,
      currentlyActive: false,
    },
  ])
  loop.revoked(ZOE, ALICE)
  expect(await presence.presenceFor(REMOTE, [ALICE])).toEqual([])
})

test('P-199 a reminder names whom the peer follows and whom connected users follow there', async () => {
  const { clock, loop, offered, peers } = await world()
  loop.granted(ZOE, ALICE)
  loop.granted(ALICE, ZOE)
  const close = loop.openStream(ALICE, PHONE, 'implicit')
  peers.spoke(REMOTE)
  offered.length = 0
  await clock.advance(MINUTE)
  await settle()
  expect(offered).toContain(`answer ${ALICE}`)
  expect(offered).toContain(`poll ${ZOE} unpoll `)
  close()
  await clock.advance(MINUTE)
  offered.length = 0
  peers.answered(REMOTE, { isOver: true })
  expect(offered).toEqual([`answer ${ALICE}`])
})
