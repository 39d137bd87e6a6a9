import { beforeEach, describe, expect, test } from 'vitest'
import {
  failed,
  invite,
  OutboundKit,
  REMOTE,
  RETRY,
  said,
  status,
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

  test('one that is being tried is not forgotten', async () => {
    kit = await OutboundKit.started({ bounds: { destinationsMax: 1 } })
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    const answer = Promise.withResolvers<Outcome>()
    kit.peers.answer(REMOTE, () => answer.promise)
    await kit.clock.advance(RETRY.retryMinMs)
    await kit.offers(OTHER, 'alice', 'online')
    expect(sent(OTHER)).toEqual([])
    answer.resolve(status(200))
    await settle()
    expect(await kit.row(REMOTE)).toBeUndefined()
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

  test('P-202 what is offered before the start respects the back-offs of the last run', async () => {
    kit.peers.answer(REMOTE, () => failed)
    await kit.offers(REMOTE, 'alice', 'online')
    const retryTs = (await kit.row(REMOTE))?.retryTs ?? 0
    await kit.restarts(() => kit.outbound.offerPresence(REMOTE, [user('alice')]))
    await kit.clock.advance(retryTs - kit.clock.now() - 1)
    expect(sent()).toHaveLength(1)
    await kit.clock.advance(1)
    expect(sent()).toHaveLength(2)
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
    await kit.invites('alice')
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

  test('P-202 what is cut off by the end is no failure of the other server', async () => {
    const answer = Promise.withResolvers<Outcome>()
    kit.peers.answer(REMOTE, () => answer.promise)
    await kit.offers(REMOTE, 'alice', 'online')
    const closed = kit.outbound.close()
    answer.resolve(failed)
    await closed
    expect(await kit.row(REMOTE)).toBeUndefined()
  })

  test('P-202 back-offs that ended while the server was down are spread', async () => {
    let fraction = 0
    kit = new OutboundKit({
      random: { bytes: (count) => new Uint8Array(count), int: () => 0, fraction: () => (fraction += 0.01) },
    })
    for (let i = 0; i < 50; i += 1)
      await kit.store.commit([
        {
          put: 'destinations',
          row: { serverName: `s${i}.example` as ServerName, failures: 1, retryTs: kit.clock.now() - 1 },
        },
      ])
    await kit.outbound.begin()
    await kit.clock.advance(10_000)
    expect(new Set(kit.peers.sent.map(({ atTs }) => atTs)).size).toBe(50)
    expect(await kit.store.all('destinations')).toEqual([])
  })

  test('presence that could not be read is told with the next that can', async () => {
    const presenceFor = kit.sources.presenceFor.bind(kit.sources)
    kit.sources.presenceFor = () => Promise.reject(new Error('the disk is full'))
    await kit.offers(REMOTE, 'alice', 'offline')
    kit.sources.presenceFor = presenceFor
    await kit.clock.advance(WINDOW_MS)
    await kit.offers(REMOTE, 'carol', 'online')
    expect(sent().flatMap(said)).toContain('alice offline')
  })

  test('a source that fails delays, loses nothing, and stops no other', async () => {
    kit.sources.listEdus = () => Promise.reject(new Error('the disk is full'))
    await kit.invites('alice')
    expect(sent()).toEqual([])
    expect(kit.complaints).toEqual(['what to tell another server could not be read'])
    kit.sources.listEdus = async (server, limit) =>
      kit.sources.outbox.filter((edu) => edu.server === server).slice(0, limit)
    await kit.clock.advance(RETRY.retryMinMs)
    expect(kit.sources.outbox).toEqual([])
  })
})
