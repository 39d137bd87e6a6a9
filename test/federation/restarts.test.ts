import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor } from '../support/actors.ts'
import type { Exchange, Fault } from '../support/faulty-link.ts'
import { HOME, openFederation, REMOTE, type FederationHouse } from '../support/federation-house.ts'
import { newPair, performs, SCRIPTS, STEPS, type Pair, type Step } from '../support/handshake.ts'
import { choices, SEED } from '../support/list-house.ts'
import type { Client } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BATCH = 10 * SECOND
const RETRY_MIN = 5 * SECOND
const RETRY_MAX = HOUR

let house: FederationHouse

afterEach(() => house.close())

/** Long enough for everything that failed to be tried again. */
async function heals(): Promise<void> {
  for (const name of [HOME, REMOTE]) {
    house.link(name).everything(null)
    house.link(name).release()
  }
  await house.advance(3 * HOUR)
}

/** The pair ended as it should, and consent is what presence follows. */
async function isWell(pair: Pair, ends: readonly string[], what: string): Promise<void> {
  const { observer, observed } = pair
  const sides = (await house.sides(observer, observed)).join(' ')
  expect(ends, what).toContain(sides)
  await house.agrees(observer, observed)
  await observer.syncs({ set_presence: 'unavailable' })
  await house.quiet()
  await observed.sets('online', what)
  await house.advance(BATCH)
  const reply = await observer.status(observed)
  if (sides === 'accepted granted') expect(reply.body, what).toMatchObject({ status_msg: what })
  else expect(reply.status, what).toBe(403)
}

/** Does the step until a server that lives said yes; the other side may need time first. */
async function insists(step: Step, pair: Pair, revive: () => Promise<void>): Promise<void> {
  for (let tries = 0; tries < 50; tries += 1) {
    const isDone = await performs(step, pair)
    await house.quiet()
    await revive()
    if (isDone) return
    await house.advance(5 * MINUTE)
  }
  throw new Error(`${step.what} was never possible`)
}

describe.each([HOME, REMOTE])('killed at any commit: %s', (name) => {
  describe.each(['before', 'after'] as const)('%s it is on disk', (when) => {
    beforeEach(async () => {
      house = await openFederation()
    })

    test.each(SCRIPTS)('P-195 P-194 $name', async ({ steps, ends }) => {
      for (let atCommit = 1; atCommit < 100; atCommit += 1) {
        const pair = await newPair(house)
        await house.advance(MINUTE)
        const death = house.diesAt(name, { atCommit, when })
        let deaths = 0
        const revive = async (): Promise<void> => {
          if (!death.isDead) return
          deaths += 1
          await house.kills(name)
          await house.starts(name)
        }
        for (const step of steps) {
          await insists(step, pair, revive)
          // Somebody who was told yes by a dying server looks again, and does what was lost once more.
          const isLost = deaths === 1 && !step.holds(await house.sides(pair.observer, pair.observed))
          if (isLost) await again(step, pair)
          if (deaths === 1) deaths = 2
        }
        await house.advance(BATCH)
        await revive()
        death.spare()
        await heals()
        await isWell(pair, ends, `killed ${when} commit ${atCommit}`)
        if (deaths === 0) return
      }
      throw new Error('too many commits')
    })
  })
})

async function again(step: Step, pair: Pair): Promise<void> {
  await house.advance(5 * MINUTE)
  await performs(step, pair)
  await house.quiet()
}

const FAULTS: readonly [string, Fault][] = [
  ['lost', 'lose request'],
  ['answered into nothing', 'lose answer'],
  ['doubled', 'twice'],
  ['delayed until after its repetition', 'hold request'],
  ['acknowledged too late', 'hold answer'],
  ['answered 500', { status: 500 }],
  ['answered 429', { status: 429, headers: { 'retry-after': '30' } }],
  ['answered 502 by a proxy', { status: 502 }],
]

describe.each(FAULTS)('a request that is %s, whichever it is', (what, fault) => {
  test.each(SCRIPTS)('P-195 P-162 P-194 $name', async ({ steps, ends }) => {
    house = await openFederation()
    for (const name of [HOME, REMOTE])
      for (let which = 0; ; which += 1) {
        const pair = await newPair(house)
        let seen = 0
        let isHit = false
        house.link(name).rule = () => {
          seen += 1
          if (seen - 1 !== which) return null
          isHit = true
          return fault
        }
        for (const step of steps) {
          await insists(step, pair, async () => {})
          await house.advance(BATCH)
        }
        await house.advance(5 * MINUTE)
        await heals()
        await isWell(pair, ends, `request ${which} to ${name} is ${what}`)
        if (!isHit) break
      }
  })
})

describe('down at any step', () => {
  beforeEach(async () => {
    house = await openFederation({ store: 'sqlite' })
  })

  test.each(SCRIPTS)(
    'P-195 P-202 the other server is away while somebody acts: $name',
    async ({ steps, ends }) => {
      const pair = await newPair(house)
      for (const step of steps) {
        const other = step.at === HOME ? REMOTE : HOME
        await house.kills(other)
        expect(await performs(step, pair), step.what).toBe(true)
        await house.advance(10 * MINUTE)
        // What waits is on disk.
        await house.kills(step.at)
        await house.starts(other)
        await house.starts(step.at)
        await house.advance(HOUR)
        expect(await house.server(step.at).store.listOutboxServers(), step.what).toEqual([])
      }
      await isWell(pair, ends, 'after everything')
    },
  )

  test.each(SCRIPTS)('P-195 both servers stop and start after each step: $name', async ({ steps, ends }) => {
    const pair = await newPair(house)
    for (const end of ['clean', 'unclean'] as const)
      for (const step of end === 'clean' ? steps.slice(0, 1) : steps.slice(1)) {
        expect(await performs(step, pair), step.what).toBe(true)
        for (const name of [HOME, REMOTE]) await house.restarts(name, { end })
        await house.advance(2 * HOUR)
      }
    await isWell(pair, ends, 'after both')
  })
})

test('P-194 P-195 whatever people do and the network does, both sides agree in the end', async () => {
  const { below, of } = choices(SEED)
  house = await openFederation()
  const pairs = [await newPair(house), await newPair(house)]
  const faults: (Fault | null)[] = [
    null,
    null,
    null,
    'lose request',
    'lose answer',
    'twice',
    'hold request',
    'hold answer',
    { status: 503 },
  ]
  for (const name of [HOME, REMOTE]) house.link(name).rule = () => of(faults)
  /** When each server began its present life: what an earlier one sent and nobody heard is not to be heard later (0015). */
  const livesFrom = new Map<string, number>()
  const isGhost = ({ origin, elapsedMs, answered }: Exchange): boolean =>
    answered === null && elapsedMs <= (livesFrom.get(origin ?? '') ?? -1)
  for (let i = 0; i < 150; i += 1) {
    await performs(of(Object.values(STEPS)), of(pairs))
    if (below(3) === 0) await house.advance(below(2 * MINUTE))
    else if (below(2) === 0) await house.quiet()
    const link = house.link(of([HOME, REMOTE]))
    if (below(5) === 0) link.release()
    if (below(15) === 0) {
      await house.restarts(link.name, { end: of(['clean', 'unclean']) })
      livesFrom.set(link.name, house.elapsedMs)
    }
    // What seemed to be lost long ago arrives.
    const [old] = link.transactions().slice(-1 - below(10))
    if (below(8) === 0 && old !== undefined && !isGhost(old)) void link.replays(old)
  }
  await heals()
  await house.advance(2 * DAY)
  for (const { observer, observed } of pairs)
    await expect(house.agrees(observer, observed), `SEED=${SEED}`).resolves.toBeUndefined()
})

describe('failures', () => {
  let alice: Actor
  let bob: Actor
  let observer: Client

  beforeEach(async () => {
    house = await openFederation()
    alice = await house.registers('alice', HOME)
    bob = await house.registers('bob', REMOTE)
    await house.follows(alice, bob)
    observer = house.client(alice)
    // Whom nobody watches is not told of.
    await observer.opens({ set_presence: 'unavailable', timeout: 300_000 })
    await house.advance(MINUTE)
    house.link(HOME).exchanges.length = 0
  })

  function succeeded(): Exchange[] {
    return house
      .link(HOME)
      .transactions()
      .filter(({ answered }) => answered?.status === 200)
  }

  function pushed(exchanges = succeeded()): JsonObject[] {
    return exchanges
      .flatMap(({ edus }) => edus)
      .flatMap(({ content }) => (content['push'] ?? []) as JsonObject[])
  }

  test('P-202 a server that fails is tried again after longer and longer, between the least and the most', async () => {
    await house.stops(HOME)
    await bob.sets('online', 'nobody hears')
    await house.advance(12 * HOUR)
    const times = house
      .link(HOME)
      .transactions()
      .map(({ elapsedMs }) => elapsedMs)
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    expect(gaps.length).toBeGreaterThan(12)
    for (const [index, gap] of gaps.entries()) {
      const expected = Math.min(RETRY_MIN * 2 ** index, RETRY_MAX)
      expect(gap, `retry ${index + 1}`).toBeGreaterThanOrEqual(expected * 0.8 - SECOND)
      expect(gap, `retry ${index + 1}`).toBeLessThanOrEqual(expected * 1.2 + SECOND)
    }
  })

  test('P-202 the back-off survives a restart', async () => {
    await house.stops(HOME)
    await bob.sets('online', 'nobody hears')
    await house.advance(6 * HOUR)
    const row = (await house.server(REMOTE).store.all('destinations')).find(
      ({ serverName }) => serverName === HOME,
    )
    expect(row?.failures).toBeGreaterThan(8)
    await house.restarts(REMOTE, { end: 'unclean' })
    const before = house.link(HOME).exchanges.length
    const attempts = (): number => house.link(HOME).exchanges.length - before
    const waitMs = (row?.retryTs ?? 0) - house.server(REMOTE).clock.now()
    await house.advance(waitMs - SECOND)
    expect(attempts()).toBe(0)
    await house.advance(15 * SECOND)
    expect(attempts()).toBe(1)
    await house.advance(40 * MINUTE)
    expect(attempts()).toBe(1)
  })

  test('P-202 any signed request of the other server ends the wait at once', async () => {
    await house.stops(HOME)
    await bob.sets('online', 'while you were away')
    await house.advance(6 * HOUR)
    // Alice is back, and her server asks for Bob.
    await house.starts(HOME)
    await house.advance(2 * SECOND)
    expect(pushed()).toContainEqual(
      expect.objectContaining({ user_id: bob.userId, status_msg: 'while you were away' }),
    )
  })

  test('P-162 L-10 what failed is sent again under the same ID with the same content, and nothing beside it', async () => {
    house.link(HOME).next('lose request', { status: 500 }, 'lose answer')
    await bob.sets('online', 'first')
    await house.quiet()
    await bob.sets('online', 'second')
    await house.advance(5 * MINUTE)
    const sent = house.link(HOME).transactions()
    const [first] = sent
    const same = sent.filter(({ txnId }) => txnId === first?.txnId)
    expect(same).toHaveLength(4)
    for (const each of same) expect(each.received.body.equals(first?.received.body ?? Buffer.of())).toBe(true)
    expect(sent.slice(0, 4)).toEqual(same)
    expect(observer.seenOf(bob)).toContain('"second"')
  })

  test('P-162 while one is in flight there is no other', async () => {
    house.link(HOME).next('hold request')
    for (let i = 0; i < 20; i += 1) {
      await bob.sets('online', `change ${i}`)
      await house.advance(2 * SECOND)
    }
    expect(house.link(HOME).transactions()).toHaveLength(1)
    house.link(HOME).release()
    await house.advance(2 * BATCH)
    expect(observer.seenOf(bob)).toContain('"change 19"')
  })

  test('P-203 L-10 what changed meanwhile is not queued up; on recovery the present state is told, once', async () => {
    const carol = await house.registers('carol', REMOTE)
    await house.follows(alice, carol)
    await carol.sets('unavailable', 'unchanged')
    await house.advance(MINUTE)
    house.link(HOME).everything('lose request')
    for (let i = 0; i < 60; i += 1) {
      await bob.sets(i % 2 === 0 ? 'online' : 'unavailable', `change ${i}`)
      await house.advance(MINUTE)
    }
    await bob.sets('offline', 'gone meanwhile')
    house.link(HOME).exchanges.length = 0
    house.link(HOME).everything(null)
    await house.advance(2 * HOUR)
    // The transaction that failed, the present state, and the answer to whoever asked meanwhile.
    const [first] = succeeded()
    const atOnce = succeeded().filter(({ elapsedMs }) => elapsedMs - (first?.elapsedMs ?? 0) < BATCH)
    const ofBob = pushed(atOnce).filter(({ user_id }) => user_id === bob.userId)
    expect(ofBob.length).toBeLessThanOrEqual(3)
    expect(ofBob.at(-1)).toMatchObject({ presence: 'offline', status_msg: 'gone meanwhile' })
    expect(observer.seenOf(bob)).toBe('offline, "gone meanwhile"')
    expect(observer.seenOf(carol)).toContain('"unchanged"')
  })

  test('P-203 polls go on after an outage', async () => {
    house.link(REMOTE).everything({ status: 503 })
    await house.advance(6 * HOUR)
    house.link(REMOTE).exchanges.length = 0
    house.link(REMOTE).everything(null)
    await house.advance(2 * HOUR)
    expect(
      house
        .link(REMOTE)
        .edus('m.presence')
        .flatMap(({ content }) => content['poll'] ?? []),
    ).toContain(bob.userId)
  })

  test('P-197 P-203 users of a server that is gone go offline here, and come back with it', async () => {
    const theirs = house.client(bob)
    await theirs.opens({ set_presence: 'online' })
    await house.advance(MINUTE)
    expect((await alice.status(bob)).body).toMatchObject({ presence: 'online' })
    await house.stops(REMOTE)
    await house.advance(10 * MINUTE)
    expect((await alice.status(bob)).body).toMatchObject({ presence: 'online' })
    await house.advance(70 * MINUTE)
    expect((await alice.status(bob)).body).toMatchObject({ presence: 'offline' })
    await house.starts(REMOTE)
    await house.advance(MINUTE)
    expect((await alice.status(bob)).body).toMatchObject({ presence: 'online' })
  })

  test('P-203 a state that was set while this server was away arrives after its restart', async () => {
    await house.kills(HOME)
    await bob.sets('unavailable', 'while you were away')
    await house.advance(30 * MINUTE)
    await house.starts(HOME)
    await house.advance(2 * HOUR)
    expect((await alice.status(bob)).body).toMatchObject({ status_msg: 'while you were away' })
  })

  test('P-203 a state that waited for its window when its server was stopped arrives all the same', async () => {
    await bob.sets('online', 'opens the window')
    await house.advance(SECOND)
    await bob.sets('offline', 'closing time')
    await house.stops(REMOTE)
    await house.advance(MINUTE)
    await house.starts(REMOTE)
    await house.advance(5 * MINUTE)
    expect((await alice.status(bob)).body).toMatchObject({ presence: 'offline', status_msg: 'closing time' })
  })

  test('P-203 a state that was set just before this server was killed arrives after its restart', async () => {
    house.link(HOME).everything('lose request')
    await bob.sets('unavailable', 'last words')
    await house.quiet()
    await house.kills(REMOTE)
    house.link(HOME).everything(null)
    await house.starts(REMOTE)
    await house.advance(5 * MINUTE)
    expect((await alice.status(bob)).body).toMatchObject({ status_msg: 'last words' })
  })
})
