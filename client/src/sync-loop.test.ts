import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { settle } from '../../test/support/manual-clock.ts'
import { RequestError } from './request.ts'
import { BACK_OFF_MAX_MS, BACK_OFF_MIN_MS, backOffMs } from './sync-loop.ts'
import { later, presenceEvent } from './support/fake-server.ts'
import { begins } from './support/story.ts'

const BOB = '@bob:hs'
const SYNC = /\/sync$/

test('the first sync comes back at once; later ones wait with the token of the one before', async () => {
  const { server, clock, client } = await begins()
  expect(server.seen.map(({ path }) => path)).toEqual([
    '/_matrix/client/versions',
    '/_matrix/client/v3/sync',
    '/_matrix/client/v3/presence/%40me%3Ahs/status',
    '/_matrix/client/v3/sync',
  ])
  expect(server.syncs.map(({ query }) => [query['since'], query['timeout'], query['set_presence']])).toEqual([
    [undefined, '0', 'online'],
    ['b0', '30000', 'online'],
  ])
  expect(server.syncs[0]?.token).toBe('token')
  await server.tellsPresence(presenceEvent(BOB, { status_msg: 'hi' }))
  expect(client.get(BOB)).toMatchObject({ presence: 'online', statusMsg: 'hi', updatedAt: clock.now() })
  expect(server.syncs.at(-1)?.query).toMatchObject({ since: 'b1', timeout: '30000' })
  client.stop()
})

test('it asks for presence, and for who is in the rooms only if told to', async () => {
  const filters = []
  for (const members of [false, true]) {
    const { server, client } = await begins({ members })
    filters.push(JSON.parse(server.syncs[0]?.query['filter'] ?? '') as unknown)
    client.stop()
  }
  const nothing = { types: [] }
  const memberships = { types: ['m.room.member'] }
  expect(filters).toEqual([
    {
      presence: { types: ['m.presence'] },
      account_data: nothing,
      room: { rooms: [], state: nothing, timeline: nothing, ephemeral: nothing, account_data: nothing },
    },
    {
      presence: { types: ['m.presence'] },
      account_data: nothing,
      room: { state: memberships, timeline: memberships, ephemeral: nothing, account_data: nothing },
    },
  ])
})

test('P-205 being idle aborts the poll and begins it again with the new value; activity does the same', async () => {
  const { server, clock, window, client } = await begins()
  await clock.advance(3 * 60_000 - 1)
  expect(server.syncs.every(({ query }) => query['set_presence'] === 'online')).toBe(true)
  const before = server.syncs.length
  await clock.advance(1)
  expect(server.aborted).toBe(1)
  expect(server.syncs.slice(before).map(({ query }) => query['set_presence'])).toEqual(['unavailable'])
  expect(client.own().isIdle).toBe(true)
  await clock.advance(60_000)
  window.fires('keydown')
  await settle()
  expect(server.aborted).toBe(2)
  expect(server.syncs.at(-1)?.query['set_presence']).toBe('online')
  expect([server.puts, client.own().isIdle, server.polls.length]).toEqual([[], false, 1])
  client.stop()
})

test('P-212 a background client says offline with every sync, whatever is touched', async () => {
  const { server, clock, window, client } = await begins({ background: true })
  await clock.advance(4 * 60_000)
  window.fires('keydown')
  await clock.advance(4 * 60_000)
  expect(new Set(server.syncs.map(({ query }) => query['set_presence']))).toEqual(new Set(['offline']))
  expect(server.puts).toEqual([])
  client.setBackground(false)
  await settle()
  expect(server.syncs.at(-1)?.query['set_presence']).toBe('unavailable')
  client.setBackground(true)
  await clock.advance(5_000)
  expect(server.syncs.at(-1)?.query['set_presence']).toBe('offline')
  client.stop()
})

test('a failing server is tried again less and less often, and the first answer ends that', async () => {
  const { server, clock, client } = await begins({ unknownAfterMs: 3_600_000 })
  server.always(SYNC, { status: 502 })
  await server.tells({})
  const failed = server.syncs.length
  await clock.advance(5 * 60_000)
  const times = server.syncs.slice(failed - 1).map(({ ts }) => ts)
  const gaps = times.slice(1).map((ts, i) => ts - (times[i] ?? 0))
  // With chance in the middle: three quarters of 1, 2, 4 … 30 s.
  expect(gaps.slice(0, 7)).toEqual([750, 1_500, 3_000, 6_000, 12_000, 22_500, 22_500])
  server.heal()
  await clock.advance(30_000)
  const { query } = server.syncs.at(-2) ?? {}
  expect(query).toMatchObject({ since: 'b1', timeout: '0' })
  expect(server.syncs.at(-1)?.query['timeout']).toBe('30000')
  server.next(SYNC, 'network')
  const before = clock.now()
  await server.tells({})
  await clock.advance(1_000)
  expect((server.syncs.at(-1)?.ts ?? 0) - before).toBeLessThanOrEqual(1_000)
  client.stop()
})

test('the wait before another try is never shorter than told nor longer than the bound, and up to chance', () => {
  const retries = fc.option(fc.nat(1e6), { nil: undefined })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 500 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      retries,
      (failures, chance, after) => {
        const error = new RequestError(429, 'M_LIMIT_EXCEEDED', 'slow', after)
        const waitMs = backOffMs({ failures, error, random: () => chance })
        expect(waitMs).toBeGreaterThanOrEqual(after ?? BACK_OFF_MIN_MS / 2)
        expect(waitMs).toBeLessThanOrEqual((after ?? 0) + BACK_OFF_MAX_MS)
      },
    ),
  )
  const at = (chance: number): number => backOffMs({ failures: 4, error: null, random: () => chance })
  expect([at(0), at(0.5)]).toEqual([4_000, 6_000])
})

test('P-213 a sync that is rate limited waits as long as it is told, by header or by body', async () => {
  for (const limited of [
    {
      status: 429,
      headers: { 'retry-after': '20' },
      body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 1 },
    },
    { status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 20_000 } },
    { status: 503, headers: { 'retry-after': new Date(Date.UTC(2015, 9, 2, 12, 0, 20)).toUTCString() } },
  ]) {
    const { server, clock, client, window } = await begins()
    server.next(SYNC, limited)
    await server.tells({})
    const count = server.syncs.length
    await clock.advance(19_999)
    window.fires('keydown')
    expect(server.syncs).toHaveLength(count)
    await clock.advance(1_001)
    expect(server.syncs.length).toBeGreaterThan(count)
    client.stop()
  }
})

test('silence makes everybody unknown, not offline; the next initial sync tells anew', async () => {
  const { server, clock, client } = await begins({
    before: (server) =>
      (server.initial = { presence: { events: [presenceEvent(BOB, { displayname: 'Bob' })] } }),
  })
  expect([client.connection(), client.get(BOB).presence]).toEqual(['connected', 'online'])
  server.always(/./, 'network')
  await server.tells({})
  await clock.advance(9_999)
  expect([client.connection(), client.get(BOB).presence]).toEqual(['connected', 'online'])
  await clock.advance(1)
  expect([client.connection(), client.get(BOB).presence, client.get('@x:hs').presence]).toEqual([
    'lost',
    'unknown',
    'unknown',
  ])
  await clock.advance(10 * 60_000)
  server.heal()
  server.initial = {}
  client.retryNow()
  await settle()
  expect(server.syncs.slice(-2).map(({ query }) => query['since'])).toEqual([undefined, 'b0'])
  expect(client.connection()).toBe('connected')
  expect(client.get(BOB)).toMatchObject({ presence: 'offline', displayname: 'Bob' })
  client.stop()
})

test('an answer that comes after everything was forgotten does not count', async () => {
  const { server, clock, client } = await begins()
  const late = later()
  server.next(SYNC, late.handler)
  server.next(SYNC, 'network')
  await server.tells({})
  await clock.advance(10_000)
  expect(client.connection()).toBe('lost')
  await late.comes({ body: { next_batch: 'late', presence: { events: [presenceEvent(BOB, {})] } } })
  expect([client.connection(), client.get(BOB).presence]).toEqual(['connected', 'offline'])
  expect(server.syncs.slice(-2).map(({ query }) => query['since'])).toEqual([undefined, 'b0'])
  client.stop()
})

test('a short failure loses nothing: the poll goes on with its token', async () => {
  const { server, clock, client } = await begins()
  await server.tellsPresence(presenceEvent(BOB, {}))
  server.next(SYNC, 'network', 2)
  await server.tells({})
  await clock.advance(5_000)
  expect(server.syncs.at(-1)?.query['since']).toBe('b2')
  await clock.advance(30_000)
  expect([client.connection(), client.get(BOB).presence]).toEqual(['connected', 'online'])
  client.stop()
})

test('a poll that hangs beyond its time counts as silence at once', async () => {
  const { server, clock, client } = await begins()
  await server.tellsPresence(presenceEvent(BOB, {}))
  server.next(SYNC, 'hang')
  await server.tells({})
  await clock.advance(44_999)
  expect(client.connection()).toBe('connected')
  server.always(/./, 'network')
  await clock.advance(1)
  expect([client.connection(), client.get(BOB).presence]).toEqual(['lost', 'unknown'])
  client.stop()
})

test('a server that was never reached is lost as well, and found', async () => {
  const { server, clock, client } = await begins({ before: (server) => server.always(/./, 'network') })
  expect(client.connection()).toBe('connecting')
  await clock.advance(10_000)
  expect(client.connection()).toBe('lost')
  server.heal()
  await clock.advance(30_000)
  expect(client.connection()).toBe('connected')
  client.stop()
})

test('the token is kept only after the batch was applied: a broken answer is asked for again', async () => {
  const { server, clock, client } = await begins()
  await server.tells({ next_batch: 17, presence: { events: [presenceEvent(BOB, {})] } })
  await clock.advance(1_000)
  expect(server.syncs.slice(1).map(({ query }) => query['since'])).toEqual(['b0', 'b0', 'b0'])
  await server.tells({ presence: { events: [null, 5, presenceEvent('no id', {}), presenceEvent(BOB, {})] } })
  expect(client.get(BOB).presence).toBe('online')
  expect(server.syncs.at(-1)?.query['since']).toBe('b2')
  client.stop()
})

test('a server that answers nothing at once is not asked in a tight loop', async () => {
  const { server, clock, client } = await begins()
  server.always(SYNC, { body: { next_batch: 'same' } })
  await server.tells({})
  await clock.advance(60_000)
  expect(server.syncs.length).toBeLessThan(65)
  expect(server.syncs.length).toBeGreaterThan(20)
  client.stop()
})

test('401 asks for a new token, once for all requests, and goes on with it', async () => {
  const refusals: boolean[] = []
  const onUnauthorized = async ({ softLogout }: { readonly softLogout: boolean }): Promise<string> => {
    refusals.push(softLogout)
    await settle(3)
    return 'fresh'
  }
  const { server, client } = await begins({ onUnauthorized })
  server.always(/./, ({ token }) =>
    token === 'fresh'
      ? { body: { next_batch: 'b1' } }
      : { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', error: 'Expired', soft_logout: true } },
  )
  const both = [client.fetchPresence(BOB), client.setPresence({ state: 'unavailable' })]
  await server.tells({})
  await Promise.all(both)
  expect(refusals).toEqual([true])
  expect(server.syncs.at(-1)?.token).toBe('fresh')
  expect(client.connection()).toBe('connected')
  client.stop()
})

test('a refusal that comes after the token was renewed asks for no other one', async () => {
  let asked = 0
  const onUnauthorized = (): string => {
    asked += 1
    return `fresh ${asked}`
  }
  const { server, client } = await begins({ onUnauthorized })
  const [early, late] = [later(), later()]
  server.next(/carol/, late.handler)
  server.next(/bob/, early.handler)
  const both = [client.fetchPresence(BOB), client.fetchPresence('@carol:hs')]
  await early.comes({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
  await late.comes({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
  await Promise.all(both)
  expect([asked, server.seen.at(-1)?.token]).toEqual([1, 'fresh 1'])
  client.stop()
})

test('401 without a new token stops the client for good, and everybody is unknown', async () => {
  for (const onUnauthorized of [undefined, () => null, () => 'token']) {
    const { server, clock, client } = await begins({ ...(onUnauthorized && { onUnauthorized }) })
    await server.tellsPresence(presenceEvent(BOB, {}))
    server.always(SYNC, { status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', error: 'Gone' } })
    await server.tells({})
    expect([client.connection(), client.get(BOB).presence]).toEqual(['unauthorized', 'unknown'])
    const count = server.seen.length
    await clock.advance(3_600_000)
    expect(server.seen).toHaveLength(count)
  }
})

test('a renewal that fails is not a refusal: it is tried again', async () => {
  let tries = 0
  const onUnauthorized = (): string => {
    tries += 1
    if (tries === 1) throw new TypeError('offline')
    return 'fresh'
  }
  const { server, clock, client } = await begins({ onUnauthorized })
  server.always(SYNC, ({ token }) => (token === 'fresh' ? { body: { next_batch: 'b' } } : { status: 401 }))
  await server.tells({})
  await clock.advance(5_000)
  expect([tries, client.connection()]).toEqual([2, 'connected'])
  client.stop()
})

test('a stopped client asks nothing, holds no timer, and can be started again from the beginning', async () => {
  const { server, clock, client } = await begins({ idle: false })
  await server.tellsPresence(presenceEvent(BOB, {}))
  client.stop()
  client.stop()
  await settle()
  expect([client.connection(), client.get(BOB).presence, server.polls, clock.timers]).toEqual([
    'stopped',
    'unknown',
    [],
    // The story's own idle timer.
    1,
  ])
  client.start()
  client.start()
  await settle()
  expect([client.connection(), server.polls.length]).toEqual(['connected', 1])
  expect(server.syncs.at(-2)?.query['since']).toBeUndefined()
  client.stop()
})

test('members: who is in the rooms is followed, with names, also of those who are offline', async () => {
  const member = (userId: string, membership: string): object => ({
    type: 'm.room.member',
    state_key: userId,
    sender: userId,
    content: { membership, displayname: `Name of ${userId}` },
  })
  const { server, client } = await begins({
    members: true,
    before: (server) =>
      (server.initial = {
        rooms: {
          join: {
            '!a': {
              state: { events: [member(BOB, 'join'), member('@gone:hs', 'leave')] },
              timeline: { events: [member('@carol:hs', 'join')] },
            },
          },
        },
      }),
  })
  expect(client.roster().map(({ userId, presence, rooms }) => [userId, presence, rooms])).toEqual([
    [BOB, 'offline', ['!a']],
    ['@carol:hs', 'offline', ['!a']],
  ])
  expect(client.get(BOB).displayname).toBe(`Name of ${BOB}`)
  await server.tells({ rooms: { join: { '!a': { timeline: { events: [member(BOB, 'ban')] } } } } })
  expect(client.roster().map(({ userId }) => userId)).toEqual(['@carol:hs'])
  await server.tells({ rooms: { leave: { '!a': {} } } })
  expect(client.roster()).toEqual([])
  client.stop()
})

test('fetchPresence keeps what it learned, and passes a refusal on', async () => {
  const { server, client, clock } = await begins()
  server.next(/bob/, { body: { presence: 'unavailable', last_active_ago: 60_000 } })
  expect(await client.fetchPresence(BOB)).toMatchObject({
    presence: 'unavailable',
    lastActiveTs: clock.now() - 60_000,
  })
  server.next(/bob/, { status: 403, body: { errcode: 'M_FORBIDDEN', error: 'No.' } })
  await expect(client.fetchPresence(BOB)).rejects.toMatchObject({
    name: 'RequestError',
    status: 403,
    errcode: 'M_FORBIDDEN',
    message: 'No.',
  })
  server.next(/bob/, 'network')
  await expect(client.fetchPresence(BOB)).rejects.toMatchObject({ status: 0 })
  expect(client.get(BOB).presence).toBe('unavailable')
  client.stop()
})
