import { beforeEach, describe, expect, test } from 'vitest'
import {
  failed,
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

  test.each<[string, Outcome, 'acknowledged' | 'refused' | 'failed']>([
    ['no answer', failed, 'failed'],
    ['500', status(500), 'failed'],
    ['502', status(502), 'failed'],
    ['429', status(429), 'failed'],
    ['200', status(200), 'acknowledged'],
    ['400', status(400), 'refused'],
    ['401', status(401), 'refused'],
    ['404', status(404), 'refused'],
    ['413', status(413), 'refused'],
  ])(
    'P-202 after %s: %s it counts as %s, and only failures end in a back-off',
    async (_, outcome, counted) => {
      const isFailure = counted === 'failed'
      kit.peers.answer(REMOTE, () => outcome)
      await kit.offers(REMOTE, 'alice', 'online')
      expect(kit.observed).toEqual([{ kind: 'transaction sent', outcome: counted }])
      expect([kit.outbound.size, kit.outbound.failing]).toEqual([1, isFailure ? 1 : 0])
      expect(kit.outbound.isFailing(REMOTE)).toBe(isFailure)
      expect(await kit.row(REMOTE)).toEqual(
        isFailure
          ? { serverName: REMOTE, failures: 1, retryTs: kit.clock.now() + RETRY.retryMinMs }
          : undefined,
      )
    },
  )

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
    await kit.invites('dave')
    expect(kit.outbound.isFailing(REMOTE)).toBe(true)
    const failedAt = sent().length
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(WINDOW_MS * 3)
    expect(sent().slice(failedAt).flatMap(said)).toEqual(['alice offline'])
  })

  test.each([
    ['changes', (name: string) => kit.offers(REMOTE, name, 'offline')],
    ['answers', async (name: string) => kit.outbound.answerPresence(REMOTE, [user(name)])],
  ])('P-203 memory of missed %s is bounded; beyond, it is told everybody', async (_what, misses) => {
    kit = await OutboundKit.started({ bounds: { missedMax: 3 } })
    kit.sources.is(user('dave'), 'offline')
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    for (let i = 0; i < 5; i += 1) await misses(`u${i}`)
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

test('P-201 one that answered once and fails now has no place among those that answer', async () => {
  kit = await OutboundKit.started({ bounds: { provenParallelMax: 1 } })
  await kit.offers(REMOTE, 'alice', 'online')
  await kit.offers(OTHER, 'alice', 'online')
  await kit.clock.advance(WINDOW_MS)
  kit.peers.answer(REMOTE, () => failed)
  await kit.offers(REMOTE, 'alice', 'offline')
  kit.peers.answer(REMOTE, () => new Promise(() => {}))
  await kit.clock.advance(RETRY.retryMinMs)
  await kit.offers(OTHER, 'alice', 'offline')
  expect(sent(OTHER)).toHaveLength(2)
})

test('room for failed transactions is free again when they are gone', async () => {
  kit.peers.answer(REMOTE, () => failed)
  await kit.offers(REMOTE, 'alice', 'online')
  // Of an EDU as long as that one there is room for one, not for two.
  const heldBytesMax = (sent()[0]?.text.length ?? 0) * 1.2
  kit = await OutboundKit.started({ bounds: { heldBytesMax } })
  for (let times = 0; times < 3; times += 1) {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    kit.peers.answer(REMOTE, () => status(200))
    await kit.clock.advance(RETRY.retryMaxMs)
  }
  expect(kit.complaints).not.toContain('a failed transaction was given up')
  kit.peers.answer(REMOTE, () => failed)
  kit.peers.answer(OTHER, () => failed)
  await kit.offers(REMOTE, 'alice', 'online')
  await kit.offers(OTHER, 'alice', 'online')
  expect(kit.complaints).toContain('a failed transaction was given up')
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
