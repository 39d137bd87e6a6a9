import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ALICE, BOB, openListHouse, ZOE, type ListHouse } from '../../test/support/list-house.ts'
import { settle } from '../../test/support/manual-clock.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import { createPresenceListRepeats, type PresenceListRepeats } from './presence-list-repeats.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const REMOTE = 'remote' as ServerName

let house: ListHouse
let repeats: PresenceListRepeats
let failures: string[]
/** When invites were repeated, in hours since the start. */
let repeated: string[]
let startTs: number

function make(over: Partial<Parameters<typeof createPresenceListRepeats>[0]> = {}): PresenceListRepeats {
  return createPresenceListRepeats({
    ...house,
    log: { error: (_, message) => void failures.push(message) },
    serverName: 'hs' as ServerName,
    repeat: async (observer, observed) => {
      repeated.push(`${observed} ${(house.clock.now() - startTs) / HOUR}`)
      await house.lists.repeat(observer, observed)
    },
    ...over,
  })
}

beforeEach(async () => {
  house = await openListHouse()
  startTs = house.clock.now()
  failures = []
  repeated = []
  repeats = make()
  await repeats.begin()
})
afterEach(() => repeats.close())

const invite = (...others: UserId[]): Promise<void> => house.lists.change(ALICE, { invite: others, drop: [] })
const answer = (kind: 'accept' | 'deny'): Promise<void> =>
  house.lists.hear(REMOTE, { kind, observer: ALICE, observed: ZOE, ask: null })
const acknowledge = async (): Promise<void> =>
  house.outbox.listEdusSent(await house.outbox.listEdus(REMOTE, 1_000))

describe('an invite that nobody answers', () => {
  test('§5.5 is repeated after an hour, then daily, until it expires', async () => {
    await invite(ZOE)
    await acknowledge()
    await house.clock.advance(HOUR - 1)
    expect(repeated).toEqual([])
    await house.clock.advance(1)
    expect(repeated).toEqual([`${ZOE} 1`])
    expect(await house.outbox.listEdus(REMOTE, 10)).toMatchObject([{ kind: 'invite', observed: ZOE }])
    await house.clock.advance(40 * DAY)
    expect(repeated).toEqual(Array.from({ length: 30 }, (_, day) => `${ZOE} ${1 + 24 * day}`))
    expect([house.clock.timers, failures]).toEqual([0, []])
  })

  test('is repeated by the time at which the user asked last', async () => {
    await invite(ZOE)
    await house.clock.advance(2 * HOUR)
    await invite(ZOE)
    expect(repeated).toEqual([`${ZOE} 1`])
    await house.clock.advance(DAY)
    expect(repeated).toEqual([`${ZOE} 1`, `${ZOE} 3`])
    await house.clock.advance(DAY)
    expect(repeated.slice(2)).toEqual([`${ZOE} 27`])
  })

  test('is found again after a restart, at its next time', async () => {
    await invite(ZOE)
    await house.clock.advance(10 * HOUR)
    await repeats.close()
    repeated.length = 0
    repeats = make()
    await repeats.begin()
    await house.clock.advance(15 * HOUR - 1)
    expect(repeated).toEqual([])
    await house.clock.advance(1)
    expect(repeated).toEqual([`${ZOE} 25`])
  })

  test.each(['accept', 'deny'] as const)('is not repeated after its %s', async (kind) => {
    await invite(ZOE)
    await answer(kind)
    await house.clock.advance(3 * DAY)
    expect(repeated).toEqual([])
  })

  test('is not repeated after it was taken back', async () => {
    await invite(ZOE)
    await house.lists.change(ALICE, { invite: [], drop: [ZOE] })
    await house.clock.advance(3 * DAY)
    expect(repeated).toEqual([])
  })
})

test('invites within this server are not repeated, and cost no timer', async () => {
  const before = house.clock.timers
  await invite(BOB)
  expect(house.clock.timers).toBe(before)
  await house.clock.advance(3 * DAY)
  expect(repeated).toEqual([])
})

test('many at the same time go a bounded number at a time, all of them, and by one timer', async () => {
  const before = house.clock.timers
  const others = Array.from({ length: 1_500 }, (_, i) => [`@a${i % 15}:hs`, `@u${i}:remote`] as const)
  for (const [observer, observed] of others)
    await house.lists.change(observer as UserId, { invite: [observed], drop: [] })
  expect(house.clock.timers).toBe(before + 1)
  await house.clock.advance(HOUR)
  await settle(2_000)
  expect(repeated).toHaveLength(1_000)
  await house.clock.advance(60_000)
  await settle(2_000)
  expect(new Set(repeated).size).toBe(1_500)
})

test('that one could not be repeated is said, and does not keep the others from it', async () => {
  await repeats.close()
  const [first, second] = ['@u1:remote', '@u2:remote'] as [UserId, UserId]
  repeats = make({
    repeat: async (_, observed) => {
      if (observed === first) throw new Error('the disk is full')
      repeated.push(observed)
    },
  })
  await invite(first, second)
  await house.clock.advance(HOUR)
  expect([repeated, failures]).toEqual([[second], ['a presence invite could not be repeated']])
  await house.clock.advance(DAY)
  expect([repeated.length, failures.length]).toEqual([2, 2])
})

test('that was answered while it was repeated is not repeated again', async () => {
  await repeats.close()
  repeats = make({
    repeat: async (_, observed) => {
      repeated.push(observed)
      await answer('accept')
    },
  })
  await invite(ZOE)
  await house.clock.advance(3 * DAY)
  expect(repeated).toEqual([ZOE])
})

test('after the end there is no timer, and what runs stops', async () => {
  const before = house.clock.timers
  await invite(ZOE, '@yan:remote' as UserId)
  await repeats.close()
  expect(house.clock.timers).toBe(before)
  await invite('@xen:remote' as UserId)
  expect(house.clock.timers).toBe(before)
  const stopped = make({
    repeat: async (_, observed) => {
      repeated.push(observed)
      void stopped.close()
    },
  })
  await stopped.begin()
  await house.clock.advance(HOUR)
  expect(repeated).toHaveLength(1)
})
