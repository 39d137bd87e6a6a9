import { afterEach, describe, expect, test } from 'vitest'
import { presenceOf, type Actor, type PresenceEvent } from '../support/actors.ts'
import { startServer, type ServerOptions, type TestServer } from '../support/server.ts'

const SECOND = 1_000
const MINUTE = 60_000
const IDLE_TIMEOUT = 5 * MINUTE
const ACTIVE_WINDOW = MINUTE
const OFFLINE_GRACE = 30 * SECOND
const BUSY_GRACE = 60 * MINUTE
const BUSY = 'org.matrix.msc3026.busy'

let server: TestServer

afterEach(() => server.close())

interface Company {
  alice: Actor
  bob: Actor
  roomId: string
}

async function company(config: ServerOptions['config'] = {}): Promise<Company> {
  server = await startServer({ config })
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  await bob.syncs({ set_presence: 'offline' })
  return { alice, bob, roomId }
}

async function state(of: Actor, seenBy: Actor): Promise<string> {
  return (await seenBy.status(of)).body['presence'] as string
}

/** What a watcher who is not there himself is told of Alice. */
async function told(bob: Actor, alice: Actor): Promise<PresenceEvent['content'][]> {
  const events = presenceOf(await bob.syncs({ set_presence: 'offline' }))
  return events.filter(({ sender }) => sender === alice.userId).map(({ content }) => content)
}

/** Polls one after the other while the time passes, like a client that is left alone. */
async function stays(who: Actor, ms: number, params: Record<string, string> = {}): Promise<void> {
  for (let left = ms; left > 0; left -= 20 * SECOND) {
    const poll = who.polls({ timeout: 20 * SECOND, ...params })
    await server.quiet()
    await server.clock.advance(Math.min(left, 20 * SECOND))
    await poll.body
  }
}

describe('idle', () => {
  test('P-132 P-127 L-13 who only polls is unavailable after five minutes, not before', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    await stays(alice, IDLE_TIMEOUT - 20 * SECOND)
    expect(await state(alice, bob)).toBe('online')
    await stays(alice, 40 * SECOND)
    expect(await state(alice, bob)).toBe('unavailable')
  })

  test('P-132 going idle wakes those who wait', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    await told(bob, alice)
    await stays(alice, IDLE_TIMEOUT - 20 * SECOND)
    await told(bob, alice)
    const poll = bob.polls({ set_presence: 'offline' })
    const stay = alice.polls({ timeout: 60 * SECOND })
    await server.quiet()
    await server.clock.advance(25 * SECOND)
    expect(presenceOf(await poll.body)).toMatchObject([
      { sender: alice.userId, content: { presence: 'unavailable' } },
    ])
    stay.abort()
  })

  test('P-130 P-124 L-07 a message brings back who is idle, and counts as activity', async () => {
    const { alice, bob, roomId } = await company()
    await alice.syncs()
    await stays(alice, IDLE_TIMEOUT + 20 * SECOND)
    await alice.says(roomId, 'I am back')
    expect((await bob.status(alice)).body).toEqual({
      presence: 'online',
      last_active_ago: 0,
      currently_active: true,
    })
  })

  test('P-132 asserting online with every poll keeps a user online', async () => {
    const { alice, bob } = await company()
    await stays(alice, 2 * IDLE_TIMEOUT, { set_presence: 'online' })
    expect(await state(alice, bob)).toBe('online')
  })

  test('P-133 busy does not go idle, and outlives its streams by an hour', async () => {
    const { alice, bob } = await company({ presence: { busy: true } })
    await alice.syncs({ set_presence: BUSY })
    await stays(alice, 2 * IDLE_TIMEOUT)
    expect(await state(alice, bob)).toBe(BUSY)
    await server.clock.advance(BUSY_GRACE - MINUTE)
    expect(await state(alice, bob)).toBe(BUSY)
    await server.clock.advance(2 * MINUTE)
    expect(await state(alice, bob)).toBe('offline')
  })

  test('P-139 who has only idle devices is unavailable, with none offline', async () => {
    const { alice, bob } = await company()
    const laptop = await server.logsIn(alice)
    await alice.syncs({ set_presence: 'unavailable' })
    await laptop.syncs({ set_presence: 'unavailable' })
    expect(await state(alice, bob)).toBe('unavailable')
    await alice.ok('POST', '/v3/logout', { body: {} })
    expect(await state(laptop, bob)).toBe('unavailable')
    await server.clock.advance(OFFLINE_GRACE + 5 * SECOND)
    expect(await state(laptop, bob)).toBe('offline')
  })
})

describe('offline grace', () => {
  test('P-134 L-13 who stops polling is offline after the grace, not before, and this is told', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    await told(bob, alice)
    await server.clock.advance(OFFLINE_GRACE - 1)
    expect(await state(alice, bob)).toBe('online')
    const poll = bob.polls({ set_presence: 'offline' })
    await server.quiet()
    await server.clock.advance(5 * SECOND)
    expect(presenceOf(await poll.body)).toMatchObject([
      { sender: alice.userId, content: { presence: 'offline' } },
    ])
  })

  test('P-135 P-136 L-01 forty polls with gaps never look offline, and tell only what is true', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    await told(bob, alice)
    const states: string[] = []
    const client = polls(alice, {}, { count: 40, gapMs: (cycle) => 100 + ((cycle * 379) % 900) })
    while (!client.isOver()) {
      await server.quiet()
      await server.clock.advance(SECOND)
      states.push(...(await told(bob, alice)).map(({ presence }) => presence))
    }
    // Twenty minutes of silence: once not active any more, once idle, nothing else.
    expect(states).toEqual(['online', 'unavailable'])
    expect(client.ms()).toBeGreaterThan(15 * MINUTE)
  })

  test('P-136 a poll longer than the grace keeps the device online', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    const poll = alice.polls({ timeout: 5 * MINUTE, filter: JSON.stringify({ presence: { types: [] } }) })
    await server.parked(1)
    await server.clock.advance(4 * MINUTE)
    expect(await state(alice, bob)).toBe('online')
    poll.abort()
  })

  test('P-134 a dropped connection ends the stream at once, not at its time-out', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    const poll = alice.polls({ timeout: 5 * MINUTE })
    await server.quiet()
    poll.abort()
    await server.quiet()
    await server.clock.advance(OFFLINE_GRACE + 5 * SECOND)
    expect(await state(alice, bob)).toBe('offline')
  })

  test('P-137 a state that was PUT without a stream lapses after the grace', async () => {
    const { alice, bob } = await company()
    await alice.sets('unavailable', 'just the text')
    await server.clock.advance(OFFLINE_GRACE - 1)
    expect(await state(alice, bob)).toBe('unavailable')
    await server.clock.advance(5 * SECOND)
    expect((await bob.status(alice)).body).toMatchObject({ presence: 'offline', status_msg: 'just the text' })
  })

  test('P-141 L-04 neither disconnecting nor syncing touches the text', async () => {
    const { alice, bob } = await company()
    await alice.sets('online', 'on holiday')
    await server.clock.advance(OFFLINE_GRACE + 5 * SECOND)
    await alice.syncs()
    await alice.syncs({ set_presence: 'online' })
    expect((await bob.status(alice)).body).toMatchObject({ presence: 'online', status_msg: 'on holiday' })
  })

  test('P-140 L-19 logging out is offline at once', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    await told(bob, alice)
    await alice.ok('POST', '/v3/logout', { body: {} })
    expect((await told(bob, alice)).map(({ presence }) => presence)).toEqual(['offline'])
  })
})

describe('several devices', () => {
  test('P-138 the highest state wins, down to the last', async () => {
    const { alice, bob } = await company({ presence: { busy: true } })
    const devices = [alice]
    for (let i = 0; i < 3; i += 1) devices.push(await server.logsIn(alice))
    const [first, second, third, fourth] = devices as [Actor, Actor, Actor, Actor]
    await first.sets('unavailable')
    await second.sets('online')
    await third.sets('free_for_chat')
    await fourth.sets(BUSY)
    const seen: string[] = []
    for (const device of [fourth, third, second, first]) {
      seen.push((await bob.status(alice, 'api/v1')).body['presence'] as string)
      await device.sets('offline')
    }
    seen.push(await state(alice, bob))
    expect(seen).toEqual(['unavailable', 'free_for_chat', 'online', 'unavailable', 'offline'])
  })

  test('P-138 L-03 one device’s busy is not caught by another', async () => {
    const { alice, bob } = await company({ presence: { busy: true } })
    const laptop = await server.logsIn(alice)
    await alice.syncs({ set_presence: BUSY })
    await laptop.syncs()
    expect(await state(alice, bob)).toBe(BUSY)
    await alice.sets('online')
    expect(await state(alice, bob)).toBe('online')
  })

  test('P-143 P-087 L-17 two devices that disagree cause no loop', async () => {
    const { alice, bob } = await company()
    const laptop = await server.logsIn(alice)
    await alice.syncs({ set_presence: 'online' })
    await laptop.syncs({ set_presence: 'unavailable' })
    await alice.syncs({ set_presence: 'online' })
    await told(bob, alice)
    const before = server.requests.length
    const clients = [
      polls(alice, { set_presence: 'online' }, { count: 6, gapMs: () => 1 }),
      polls(laptop, { set_presence: 'unavailable' }, { count: 6, gapMs: () => 1 }),
    ]
    while (!clients.every((client) => client.isOver())) {
      await server.quiet()
      await server.clock.advance(SECOND)
    }
    // Six polls each that nothing ended: they took their whole time, or the nine tenths of it that jitter leaves.
    expect(server.requests.length - before).toBe(12)
    for (const client of clients) expect(client.ms()).toBeGreaterThan(6 * 27 * SECOND)
    expect((await told(bob, alice)).filter(({ presence }) => presence !== 'online')).toEqual([])
  })
})

describe('activity', () => {
  test('P-125 P-126 a rise counts as activity, a fall does not', async () => {
    const { alice, bob } = await company()
    const ago = async (): Promise<unknown> => (await bob.status(alice)).body['last_active_ago']
    await alice.sets('online')
    await server.clock.advance(10 * SECOND)
    await alice.sets('unavailable')
    expect(await ago()).toBe(10 * SECOND)
    await server.clock.advance(10 * SECOND)
    await alice.sets('online')
    expect(await ago()).toBe(0)
    await server.clock.advance(10 * SECOND)
    await alice.sets('offline')
    expect(await ago()).toBe(10 * SECOND)
    await alice.sets('unavailable')
    expect(await ago()).toBe(0)
  })

  test('P-128 typing, receipts and read markers count', async () => {
    const { alice, bob, roomId } = await company()
    const room = `/v3/rooms/${encodeURIComponent(roomId)}`
    const eventId = await bob.says(roomId, 'read me')
    const event = encodeURIComponent(eventId)
    await alice.syncs()
    for (const act of [
      () =>
        alice.ok('PUT', `${room}/typing/${encodeURIComponent(alice.userId)}`, {
          body: { typing: true, timeout: 1_000 },
        }),
      () => alice.ok('POST', `${room}/receipt/m.read/${event}`, { body: {} }),
      () => alice.ok('POST', `${room}/read_markers`, { body: { 'm.fully_read': eventId } }),
    ]) {
      await server.clock.advance(10 * SECOND)
      expect((await bob.status(alice)).body['last_active_ago']).toBe(10 * SECOND)
      await act()
      expect((await bob.status(alice)).body['last_active_ago']).toBe(0)
    }
  })

  test('P-127 polling alone does not count', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    await server.clock.advance(10 * SECOND)
    await alice.syncs()
    await alice.syncs({ set_presence: 'unavailable' })
    await alice.ok('GET', '/v3/account/whoami')
    expect((await bob.status(alice)).body['last_active_ago']).toBe(10 * SECOND)
  })

  test('P-129 the last activity never moves backwards', async () => {
    const { alice, bob, roomId } = await company()
    const laptop = await server.logsIn(alice)
    await alice.says(roomId, 'one')
    await server.clock.advance(10 * SECOND)
    await laptop.says(roomId, 'two')
    await laptop.ok('POST', '/v3/logout', { body: {} })
    expect((await bob.status(alice)).body['last_active_ago']).toBe(0)
  })

  test('P-131 L-05 no activity lifts a manual offline, nor hiding', async () => {
    const { alice, bob, roomId } = await company()
    await alice.syncs()
    for (const set of ['offline', 'hidden']) {
      await alice.sets(set)
      await alice.says(roomId, `while ${set}`)
      await alice.syncs()
      expect(await state(alice, bob)).toBe('offline')
    }
  })

  test('P-142 P-143 L-13 one update when the activity ends, none while it lasts', async () => {
    const { alice, bob, roomId } = await company()
    await alice.syncs()
    await told(bob, alice)
    const stay = alice.polls({ timeout: 5 * MINUTE, filter: JSON.stringify({ room: { rooms: [] } }) })
    await server.quiet()
    for (let i = 0; i < 10; i += 1) {
      await server.clock.advance(5 * SECOND)
      await alice.says(roomId, `message ${i}`)
    }
    expect(await told(bob, alice)).toEqual([])
    await server.clock.advance(ACTIVE_WINDOW - 1)
    expect(await told(bob, alice)).toEqual([])
    await server.clock.advance(5 * SECOND)
    expect(await told(bob, alice)).toMatchObject([{ presence: 'online', currently_active: false }])
    stay.abort()
  })

  test('P-130 P-143 L-06 ten receipts of a client that polls as unavailable are told of twice a round, not twenty times', async () => {
    const { alice, bob, roomId } = await company()
    const eventId = encodeURIComponent(await bob.says(roomId, 'read me'))
    await alice.syncs({ set_presence: 'unavailable' })
    await told(bob, alice)
    const poll = alice.polls({
      set_presence: 'unavailable',
      timeout: MINUTE,
      filter: JSON.stringify({ presence: { types: [] }, room: { rooms: [] } }),
    })
    await server.quiet()
    for (let i = 0; i < 10; i += 1)
      await alice.ok('POST', `/v3/rooms/${encodeURIComponent(roomId)}/receipt/m.read/${eventId}`, {
        body: {},
      })
    expect((await told(bob, alice)).map(({ presence }) => presence)).toEqual(['online'])
    poll.abort()
  })
})

/** A client that polls again and again, with a gap on the server's clock in between. */
function polls(
  who: Actor,
  params: Record<string, string>,
  { count, gapMs }: { count: number; gapMs: (cycle: number) => number },
): { isOver: () => boolean; ms: () => number } {
  const start = server.clock.now()
  let end: number | null = null
  const run = async (): Promise<void> => {
    for (let cycle = 0; cycle < count; cycle += 1) {
      await who.polls({ timeout: 30 * SECOND, ...params }).body
      await new Promise<void>((resolve) => {
        server.clock.after(gapMs(cycle), resolve)
      })
    }
    end = server.clock.now()
  }
  void run()
  return { isOver: () => end !== null, ms: () => (end ?? 0) - start }
}
