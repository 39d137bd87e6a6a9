import { beforeEach, describe, expect, test } from 'vitest'
import {
  failed,
  HOME,
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
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { Outcome } from './transport.ts'

const OTHER = 'other.example' as ServerName

let kit: OutboundKit
beforeEach(async () => {
  kit = await OutboundKit.started()
})

const sent = (server: ServerName = REMOTE) => kit.peers.to(server)
const invite = (name: string) => ({
  kind: 'invite' as const,
  observer: user(name),
  observed: theirs('bob'),
})

/** A list EDU lies in the outbox and is announced. */
async function invites(name: string, server: ServerName = REMOTE): Promise<void> {
  kit.sources.waits(server, invite(name))
  kit.outbound.offerLists(server)
  await settle()
}

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
    await invites('dave')
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
      await invites(`u${sent().length}`)
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
    await invites('alice')
    expect(sent()).toHaveLength(1)
    expect(kit.sources.outbox).toHaveLength(1)
    answer.resolve(status(200))
    await settle()
    expect(kit.sources.outbox).toHaveLength(0)
  })

  test('P-195 a newer one of the same pair stays, and goes next', async () => {
    const answer = Promise.withResolvers<Outcome>()
    kit.peers.answer(REMOTE, () => answer.promise)
    await invites('alice')
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
    await invites('alice')
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
    await invites('alice')
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

describe('a destination that fails', () => {
  test('P-202 it is tried again after 5 s, doubled each time up to an hour', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.clock.advance(6 * RETRY.retryMaxMs)
    const gaps = sent().map(({ atTs }, i) => atTs - (sent()[i - 1]?.atTs ?? atTs))
    expect(gaps.slice(1, 12)).toEqual([
      5_000, 10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 3_600_000,
    ])
    expect(gaps.at(-1)).toBe(3_600_000)
  })

  test.each<[string, Outcome, boolean]>([
    ['no answer', failed, true],
    ['500', status(500), true],
    ['502', status(502), true],
    ['429', status(429), true],
    ['200', status(200), false],
    ['400', status(400), false],
    ['401', status(401), false],
    ['404', status(404), false],
  ])('P-202 %s is a failure: %s %s', async (_name, outcome, isFailure) => {
    kit.peers.answer(REMOTE, () => outcome)
    await kit.offers(REMOTE, 'alice', 'online')
    expect(kit.outbound.isFailing(REMOTE)).toBe(isFailure)
    expect(await kit.row(REMOTE)).toEqual(
      isFailure
        ? { serverName: REMOTE, failures: 1, retryTs: kit.clock.now() + RETRY.retryMinMs }
        : undefined,
    )
  })

  test('P-202 Retry-After makes the wait longer, not shorter, and not endless', async () => {
    const gapAfter = async (retryAfterMs: number): Promise<number> => {
      const fresh = await OutboundKit.started()
      fresh.peers.answer(REMOTE, () => status(429, retryAfterMs))
      await fresh.offers(REMOTE, 'alice', 'online')
      return ((await fresh.row(REMOTE))?.retryTs ?? 0) - fresh.clock.now()
    }
    expect(await gapAfter(120_000)).toBe(120_000)
    expect(await gapAfter(10)).toBe(RETRY.retryMinMs)
    expect(await gapAfter(10 ** 12)).toBe(RETRY.retryMaxMs)
  })

  test('P-202 the back-off survives a restart and is forgotten with the first success', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.clock.advance(100_000)
    const before = await kit.row(REMOTE)
    await kit.restarts()
    const count = sent().length
    await kit.clock.advance((before?.retryTs ?? 0) - kit.clock.now() - 1)
    expect(sent()).toHaveLength(count)
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(1)
    expect(sent().length).toBeGreaterThan(count)
    expect(await kit.row(REMOTE)).toBeUndefined()
  })

  test('P-202 a signed request from it ends the back-off at once', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.clock.advance(200_000)
    const count = sent().length
    kit.peers.answer(REMOTE, () => status(200))
    kit.outbound.heardFrom(OTHER)
    await settle()
    expect(sent()).toHaveLength(count)
    kit.outbound.heardFrom(REMOTE)
    await settle()
    expect(sent().length).toBeGreaterThan(count)
    expect(kit.outbound.isFailing(REMOTE)).toBe(false)
  })

  test('P-203 what changed meanwhile is not queued: afterwards the failed transaction, then everybody as they are now', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.offers(REMOTE, 'carol', 'online')
    await kit.offers(REMOTE, 'carol', 'offline')
    await kit.offers(REMOTE, 'alice', 'unavailable')
    kit.sources.is(user('dave'), 'offline')
    kit.sources.is(user('erin'), 'busy')
    kit.outbound.answerPresence(REMOTE, [user('alice')])
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(RETRY.retryMinMs)
    const [first, again, ...after] = sent()
    expect(again?.text).toBe(first?.text)
    expect(after.map(said)).toEqual([['alice unavailable', 'carol offline', 'erin org.matrix.msc3026.busy']])
    expect(kit.sources.outagesOver).toEqual([true, false])
  })

  test('P-203 what waits in the window when it begins to fail is missed, not queued', async () => {
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.offers(REMOTE, 'alice', 'offline')
    kit.peers.answer(REMOTE, () => failed)
    await invites('dave')
    expect(kit.outbound.isFailing(REMOTE)).toBe(true)
    const failedAt = sent().length
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(WINDOW_MS * 3)
    expect(sent().slice(failedAt).flatMap(said)).toEqual(['alice offline'])
  })

  test('P-203 memory of what it misses is bounded; beyond, it is told everybody', async () => {
    kit = await OutboundKit.started({ bounds: { missedMax: 3 } })
    kit.sources.is(user('dave'), 'offline')
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    for (let i = 0; i < 5; i += 1) await kit.offers(REMOTE, `u${i}`, 'offline')
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(RETRY.retryMinMs)
    expect(sent().slice(2).flatMap(said)).toContain('dave offline')
    expect(kit.sources.outagesOver).toContain(true)
  })

  test('P-203 after a restart nobody knows what it missed: everybody is told', async () => {
    kit.sources.is(user('dave'), 'offline')
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'offline')
    await kit.restarts()
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(RETRY.retryMaxMs)
    expect(sent().slice(1).flatMap(said)).toEqual(['dave offline', 'alice offline'])
    expect(kit.sources.outagesOver[0]).toBe(true)
  })

  test('polls are not kept: the end of the outage is told, and a reminder repeats them', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    kit.outbound.offerPolls(REMOTE, { poll: [theirs('bob')], unpoll: [] })
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(60_000)
    expect(sent().flatMap(({ edus }) => edus.map(({ content }) => content.poll))).not.toContainEqual([
      theirs('bob'),
    ])
    expect(kit.sources.outagesOver[0]).toBe(true)
  })

  test('P-201 one that never answers delays no other', async () => {
    kit.peers.answer(REMOTE, () => new Promise(() => {}))
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.offers(OTHER, 'alice', 'online')
    expect(sent(OTHER)).toHaveLength(1)
  })

  test('P-201 any number of strangers that never answer delay none that does', async () => {
    await kit.offers(OTHER, 'alice', 'online')
    for (let i = 0; i < 500; i += 1) {
      const stranger = `s${i}.example` as ServerName
      kit.peers.answer(stranger, () => new Promise(() => {}))
      kit.outbound.offerPresence(stranger, [user('alice')])
    }
    await settle()
    expect(kit.peers.sent.filter(({ destination }) => /^s\d/.test(destination))).toHaveLength(100)
    await kit.clock.advance(WINDOW_MS)
    await kit.offers(OTHER, 'alice', 'unavailable')
    expect(sent(OTHER)).toHaveLength(2)
  })

  test('a failed transaction that is too much to keep is given up; its list EDUs are not lost', async () => {
    kit = await OutboundKit.started({ bounds: { heldBytesMax: 1 } })
    kit.peers.answer(REMOTE, () => failed)
    kit.sources.is(user('carol'), 'offline')
    kit.sources.waits(REMOTE, invite('alice'))
    kit.outbound.offerLists(REMOTE)
    kit.outbound.answerPresence(REMOTE, [user('carol')])
    await settle()
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(60_000)
    const [first, ...later] = sent()
    expect(later.map(({ txnId }) => txnId)).not.toContain(first?.txnId)
    expect(later.flatMap(said)).toEqual(['carol offline'])
    expect(kit.sources.outbox).toHaveLength(0)
  })
})

describe('a destination that refuses', () => {
  test('a transaction that is refused is dropped; the next is another, and after it everybody is told', async () => {
    kit.peers.answer(REMOTE, () => status(401))
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.clock.advance(RETRY.retryMaxMs)
    expect(sent()).toHaveLength(1)
    expect(kit.complaints).toEqual(['another server refused a transaction'])
    kit.peers.answer(REMOTE, () => status(200))
    await kit.offers(REMOTE, 'carol', 'online')
    expect(sent().slice(1).map(said)).toEqual([['carol online'], ['alice online', 'carol online']])
    expect(new Set(sent().map(({ txnId }) => txnId)).size).toBe(3)
  })

  test('413 splits: the halves together say what the whole did, in order', async () => {
    const names = Array.from({ length: 260 }, (_, i) => user(`u${i}`))
    for (const userId of names) kit.sources.is(userId, 'online')
    kit.peers.answer(REMOTE, ({ edus }) => status(edus.length > 2 ? 413 : 200))
    kit.outbound.answerPresence(REMOTE, names)
    await settle(20)
    const taken = sent().filter(({ edus }) => edus.length <= 2)
    const users = taken.flatMap(({ edus }) => edus.flatMap(({ content }) => content.push ?? []))
    expect(users.map(({ user_id }) => user_id)).toEqual(names)
    expect(new Set(sent().map(({ txnId }) => txnId)).size).toBe(sent().length)
  })

  test('413 for a single EDU is a refusal', async () => {
    kit.peers.answer(REMOTE, () => status(413))
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.clock.advance(60_000)
    expect(sent()).toHaveLength(1)
  })

  test('P-162 a half that fails is tried again as it is, before the other', async () => {
    const names = Array.from({ length: 100 }, (_, i) => user(`u${i}`))
    for (const userId of names) kit.sources.is(userId, 'offline')
    kit.peers.answer(REMOTE, ({ edus }) => (edus.length > 1 ? status(413) : failed))
    kit.outbound.answerPresence(REMOTE, names)
    await settle()
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(RETRY.retryMinMs)
    const [, half, again, rest] = sent()
    expect(again?.text).toBe(half?.text)
    expect(rest?.edus[0]?.content.push?.map(({ user_id }) => user_id)).toEqual(names.slice(50))
  })
})

describe('memory', () => {
  test('a server at rest takes none', async () => {
    for (let i = 0; i < 50; i += 1) await kit.offers(`s${i}.example` as ServerName, 'alice', 'online')
    expect(kit.outbound.size).toBe(50)
    await kit.clock.advance(WINDOW_MS)
    expect(kit.outbound.size).toBe(0)
    kit.outbound.heardFrom(REMOTE)
    expect(kit.outbound.size).toBe(0)
    expect(kit.clock.timers).toBe(0)
  })

  test('servers are bounded: one that fails makes room', async () => {
    kit = await OutboundKit.started({ bounds: { destinationsMax: 2 } })
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    await kit.offers(OTHER, 'alice', 'online')
    await kit.offers('third.example' as ServerName, 'alice', 'online')
    expect(kit.outbound.size).toBe(2)
    expect(kit.outbound.isFailing(REMOTE)).toBe(false)
    await kit.offers('fourth.example' as ServerName, 'alice', 'online')
    expect(sent('fourth.example' as ServerName)).toEqual([])
    expect(await kit.row(REMOTE)).toBeDefined()
  })

  test('offers while it fails set no timers and write nothing', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    for (let i = 0; i < 100; i += 1) await kit.offers(REMOTE, 'alice', i % 2 === 0 ? 'online' : 'offline')
    expect(kit.clock.timers).toBe(1)
    expect(sent()).toHaveLength(1)
  })
})

describe('start and stop', () => {
  test('what is offered before the start goes after it', async () => {
    kit = new OutboundKit()
    await kit.offers(REMOTE, 'alice', 'online')
    expect(sent()).toEqual([])
    await kit.outbound.begin()
    await settle()
    expect(sent().map(said)).toEqual([['alice online']])
  })

  test('outboxes of the last run are spread', async () => {
    let fraction = 0
    kit = new OutboundKit({
      random: { bytes: (count) => new Uint8Array(count), int: () => 0, fraction: () => (fraction += 0.01) },
    })
    for (let i = 0; i < 50; i += 1)
      kit.sources.waits(`s${i}.example` as ServerName, {
        ...invite(`u${i}`),
        observed: `@b:s${i}.example` as UserId,
      })
    await kit.outbound.begin()
    await kit.clock.advance(10_000)
    expect(new Set(kit.peers.sent.map(({ atTs }) => atTs)).size).toBe(50)
    expect(kit.sources.outbox).toEqual([])
  })

  test('stopping waits a short time for what is under way, and begins nothing', async () => {
    const answer = Promise.withResolvers<Outcome>()
    kit.peers.answer(REMOTE, () => answer.promise)
    await invites('alice')
    const closed = kit.outbound.close()
    kit.outbound.offerPresence(OTHER, [user('alice')])
    kit.outbound.offerPresence(REMOTE, [user('alice')])
    answer.resolve(status(200))
    await closed
    expect(kit.sources.outbox).toEqual([])
    await kit.clock.advance(WINDOW_MS)
    expect(kit.peers.sent).toHaveLength(1)
    expect(kit.clock.timers).toBe(0)
  })

  test('stopping does not wait for what hangs', async () => {
    kit.peers.answer(REMOTE, () => new Promise(() => {}))
    await kit.offers(REMOTE, 'alice', 'online')
    let isClosed = false
    void kit.outbound.close().then(() => (isClosed = true))
    await kit.clock.advance(1_999)
    expect(isClosed).toBe(false)
    await kit.clock.advance(1)
    expect(isClosed).toBe(true)
  })

  test('a source that fails delays, loses nothing, and stops no other', async () => {
    kit.sources.listEdus = () => Promise.reject(new Error('the disk is full'))
    await invites('alice')
    expect(sent()).toEqual([])
    expect(kit.complaints).toEqual(['what to tell another server could not be read'])
    kit.sources.listEdus = async (server, limit) =>
      kit.sources.outbox.filter((edu) => edu.server === server).slice(0, limit)
    await kit.clock.advance(RETRY.retryMinMs)
    expect(kit.sources.outbox).toEqual([])
  })
})
