import { beforeEach, describe, expect, test } from 'vitest'
import {
  failed,
  HOME,
  invite,
  OutboundKit,
  REMOTE,
  RETRY,
  said,
  status,
  theirs,
  user,
  WINDOW_MS,
} from '../../test/support/outbound-kit.ts'
import { settle } from '../../test/support/manual-clock.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { Outcome } from './transport.ts'

const OTHER = 'other.example' as ServerName

let kit: OutboundKit
beforeEach(async () => {
  kit = await OutboundKit.started()
})

const sent = (server: ServerName = REMOTE) => kit.peers.to(server)

describe('the pace of one destination', () => {
  test('P-174 the first change after a silence goes at once, later ones once per window with the newest state', async () => {
    await kit.offers(REMOTE, 'alice', 'online')
    expect(sent().map(said)).toEqual([['alice online']])
    await kit.offers(REMOTE, 'alice', 'unavailable')
    await kit.offers(REMOTE, 'carol', 'online')
    await kit.offers(REMOTE, 'alice', 'busy')
    await kit.clock.advance(WINDOW_MS - 1)
    expect(sent()).toHaveLength(1)
    await kit.clock.advance(1)
    expect(sent().map(said)[1]).toEqual(['alice org.matrix.msc3026.busy', 'carol online'])
    await kit.clock.advance(10 * WINDOW_MS)
    expect(sent()).toHaveLength(2)
    await kit.offers(REMOTE, 'alice', 'online')
    expect(sent()).toHaveLength(3)
  })

  test('P-174 what is offered in one turn is one EDU', async () => {
    for (const name of ['a', 'b', 'c']) {
      kit.sources.is(user(name), 'online')
      kit.outbound.offerPresence(REMOTE, [user(name)])
    }
    await settle()
    expect(sent()).toHaveLength(1)
    expect(sent()[0]?.edus).toHaveLength(1)
  })

  test('P-177 an answer does not wait for the window, and says a waiting change with it', async () => {
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.offers(REMOTE, 'carol', 'online')
    await kit.offers(REMOTE, 'dave', 'online')
    kit.outbound.answerPresence(REMOTE, [user('alice'), user('carol')])
    await settle()
    expect(sent().map(said)[1]).toEqual(['alice online', 'carol online'])
    await kit.clock.advance(WINDOW_MS)
    expect(sent().map(said).slice(2)).toEqual([['dave online']])
  })

  test('P-171 ages are of the moment of writing, not of the change', async () => {
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.offers(REMOTE, 'carol', 'online')
    await kit.clock.advance(WINDOW_MS)
    expect(sent()[1]?.edus[0]?.content.push?.[0]?.last_active_ago).toBe(WINDOW_MS)
  })

  test('polls go in the EDU of the push of the same turn; the latest wish for a user wins', async () => {
    kit.sources.is(user('alice'), 'online')
    kit.outbound.offerPolls(REMOTE, { poll: [theirs('bob'), theirs('eve')], unpoll: [] })
    kit.outbound.offerPolls(REMOTE, { poll: [], unpoll: [theirs('eve'), theirs('zoe')] })
    kit.outbound.answerPresence(REMOTE, [user('alice')])
    await settle()
    expect(sent()[0]?.edus.map(({ content }) => content)).toMatchObject([
      {
        push: [{ user_id: user('alice') }],
        poll: [theirs('bob')],
        unpoll: [theirs('eve'), theirs('zoe')],
      },
    ])
  })

  test('polls one by one are gathered', async () => {
    for (let i = 0; i < 20; i += 1) {
      kit.outbound.offerPolls(REMOTE, { poll: [theirs(`u${i}`)], unpoll: [] })
      await kit.clock.advance(100)
    }
    await kit.clock.advance(1_000)
    expect(sent().length).toBeLessThanOrEqual(4)
    expect(sent().flatMap(({ edus }) => edus.flatMap(({ content }) => content.poll))).toHaveLength(20)
  })

  test('users whom the server may not see any more make no transaction', async () => {
    kit.outbound.offerPresence(REMOTE, [user('gone')])
    await settle()
    expect(sent()).toEqual([])
  })

  test('P-190 list EDUs go at once, in their order, before the presence of the same transaction', async () => {
    await kit.offers(REMOTE, 'alice', 'online')
    kit.sources.waits(REMOTE, { kind: 'accept', observer: theirs('bob'), observed: user('alice') })
    kit.sources.waits(REMOTE, invite('alice'))
    kit.outbound.answerPresence(REMOTE, [user('alice')])
    kit.outbound.offerLists(REMOTE)
    await settle()
    expect(sent()[1]?.edus.map((edu) => edu.edu_type)).toEqual([
      'm.presence_accept',
      'm.presence_invite',
      'm.presence',
    ])
  })

  test('P-185 peers of 2015 find the ends in each EDU, others do not', async () => {
    await kit.offers(REMOTE, 'alice', 'online')
    expect(sent()[0]?.edus[0]).not.toHaveProperty('origin')
    kit.sources.listPeers.add(OTHER)
    await kit.offers(OTHER, 'alice', 'online')
    expect(sent(OTHER)[0]?.edus[0]).toMatchObject({ origin: HOME, destination: OTHER })
  })

  test('a transaction has its frame', async () => {
    await kit.offers(REMOTE, 'alice', 'online')
    expect(JSON.parse(sent()[0]?.text ?? '')).toMatchObject({
      origin: HOME,
      origin_server_ts: kit.clock.now(),
      pdus: [],
      edus: [{ edu_type: 'm.presence' }],
    })
  })
})

describe('transactions', () => {
  test('P-159 P-173 many users are cut into EDUs of 50 and transactions of bounded size; nobody is lost or doubled', async () => {
    const everybody = Array.from({ length: 7_321 }, (_, i) => user(`u${i}`))
    for (const userId of everybody) kit.sources.is(userId, 'online')
    kit.outbound.answerPresence(REMOTE, everybody)
    await settle(100)
    for (const { edus } of sent()) expect(edus.length).toBeLessThanOrEqual(100)
    const pushes = sent().flatMap(({ edus }) => edus.map(({ content }) => content.push ?? []))
    for (const push of pushes) expect(push.length).toBeLessThanOrEqual(50)
    expect(pushes.flat().map(({ user_id }) => user_id)).toEqual(everybody)
  })

  test('P-159 250 list EDUs are three transactions, in order', async () => {
    for (let i = 0; i < 250; i += 1) kit.sources.waits(REMOTE, invite(`u${i}`))
    kit.outbound.offerLists(REMOTE)
    await settle(20)
    expect(sent().map(({ edus }) => edus.length)).toEqual([100, 100, 50])
    const observers = sent().flatMap(({ edus }) => edus.map(({ content }) => content.observer_user))
    expect(observers).toEqual(Array.from({ length: 250 }, (_, i) => user(`u${i}`)))
  })

  test('P-162 one at a time: what comes meanwhile is the next one', async () => {
    const answer = Promise.withResolvers<Outcome>()
    kit.peers.answer(REMOTE, () => answer.promise)
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.clock.advance(WINDOW_MS)
    await kit.offers(REMOTE, 'carol', 'online')
    await kit.invites('dave')
    expect(sent()).toHaveLength(1)
    answer.resolve(status(200))
    await settle()
    expect(sent()).toHaveLength(2)
    expect(kit.peers.parallelMost).toBe(1)
  })

  test('P-162 a retry has the same ID and the same bytes, whatever changed meanwhile', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.clock.advance(3_000)
    await kit.offers(REMOTE, 'alice', 'unavailable')
    await kit.clock.advance(RETRY.retryMinMs * 3)
    const [first, second, third] = sent()
    expect(third?.txnId).toBe(first?.txnId)
    expect(second?.text).toBe(first?.text)
    expect(third?.text).toBe(first?.text)
  })

  test('P-162 IDs are never used twice, not even by a server that is started anew in the same millisecond', async () => {
    const offerTwo = async (): Promise<void> => {
      await kit.offers(REMOTE, 'alice', 'online')
      await kit.invites(`u${sent().length}`)
    }
    await offerTwo()
    await kit.restarts()
    await offerTwo()
    await kit.restarts()
    await offerTwo()
    const ids = sent().map(({ txnId }) => txnId)
    expect(ids.length).toBeGreaterThanOrEqual(6)
    expect(new Set(ids).size).toBe(ids.length)
    for (const id of ids) expect(id).toMatch(/^[A-Za-z0-9._-]+$/)
  })
})

describe('list EDUs', () => {
  test('P-195 they leave the outbox after the 200 and not before', async () => {
    const answer = Promise.withResolvers<Outcome>()
    kit.peers.answer(REMOTE, () => answer.promise)
    await kit.invites('alice')
    expect(sent()).toHaveLength(1)
    expect(kit.sources.outbox).toHaveLength(1)
    answer.resolve(status(200))
    await settle()
    expect(kit.sources.outbox).toHaveLength(0)
  })

  test('P-195 a newer one of the same pair stays, and goes next', async () => {
    const answer = Promise.withResolvers<Outcome>()
    kit.peers.answer(REMOTE, () => answer.promise)
    await kit.invites('alice')
    kit.sources.waits(REMOTE, { ...invite('alice'), kind: 'withdraw' })
    kit.outbound.offerLists(REMOTE)
    answer.resolve(status(200))
    await settle()
    expect(sent().map(({ edus }) => edus[0]?.edu_type)).toEqual([
      'm.presence_invite',
      'dev.adsum.presence_lists.withdraw',
    ])
    expect(kit.sources.outbox).toHaveLength(0)
  })

  test('P-195 they survive failures and a restart', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.invites('alice')
    await kit.clock.advance(60_000)
    await kit.restarts()
    kit.peers.answer(REMOTE, () => status(200))
    expect(kit.sources.outbox).toHaveLength(1)
    await kit.clock.advance(RETRY.retryMaxMs)
    expect(kit.sources.outbox).toHaveLength(0)
    expect(sent().at(-1)?.edus[0]?.content.observer_user).toBe(user('alice'))
  })

  test('P-195 a server that refuses them is tried again, at growing intervals', async () => {
    kit.peers.answer(REMOTE, () => status(403))
    await kit.invites('alice')
    await kit.clock.advance(RETRY.retryMaxMs * 10)
    const gaps = sent().map(({ atTs }, i) => atTs - (sent()[i - 1]?.atTs ?? atTs))
    expect(gaps.slice(1, 5)).toEqual([5_000, 10_000, 20_000, 40_000])
    expect(gaps.at(-1)).toBe(RETRY.retryMaxMs)
    expect(kit.sources.outbox).toHaveLength(1)
    kit.peers.answer(REMOTE, () => status(200))
    kit.outbound.heardFrom(REMOTE)
    await settle()
    expect(kit.sources.outbox).toHaveLength(0)
  })
})

test('P-195 after a success the waits for refused list EDUs begin anew', async () => {
  kit.peers.answer(REMOTE, () => status(403))
  await kit.invites('alice')
  await kit.clock.advance(RETRY.retryMinMs * 7 - 1)
  kit.peers.answer(REMOTE, () => status(200))
  // With it there is a window to be remembered: the server is not at rest.
  await kit.offers(REMOTE, 'dave', 'online')
  await kit.clock.advance(1)
  expect(kit.sources.outbox).toHaveLength(0)
  kit.peers.answer(REMOTE, () => status(403))
  await kit.invites('carol')
  const count = sent().length
  await kit.clock.advance(RETRY.retryMinMs)
  expect(sent()).toHaveLength(count + 1)
})
