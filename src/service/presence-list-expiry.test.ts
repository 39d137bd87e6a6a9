import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ALICE, BOB, openListHouse, type ListHouse } from '../../test/support/list-house.ts'
import { settle } from '../../test/support/manual-clock.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Store } from '../ports/store.ts'
import { createPresenceListExpiry, INVITE_TTL_MS, type PresenceListExpiry } from './presence-list-expiry.ts'

const MINUTE = 60_000

let house: ListHouse
let expiry: PresenceListExpiry
let failures: string[]

function make(store: Store): PresenceListExpiry {
  failures = []
  return createPresenceListExpiry({
    store,
    clock: house.clock,
    log: { error: (_, message) => void failures.push(message) },
    expire: (observer, observed, until) => house.lists.expire(observer, observed, until),
  })
}

beforeEach(async () => {
  house = await openListHouse()
  expiry = make(house.store)
})
afterEach(() => expiry.close())

const invite = (from: UserId, to: UserId): Promise<void> =>
  house.lists.change(from, { invite: [to], drop: [] })

async function pending(): Promise<number> {
  const [entries, grants] = await Promise.all([
    house.store.presenceEntriesAsked(Number.MAX_SAFE_INTEGER, 1_000),
    house.store.presenceGrantsAsked(Number.MAX_SAFE_INTEGER, 1_000),
  ])
  expect(entries).toHaveLength(grants.length)
  return entries.length
}

async function told(userId: UserId): Promise<string[]> {
  return (await house.store.presenceListNews(userId, 0, Number.MAX_SAFE_INTEGER)).map(({ state }) => state)
}

describe('without anything to end', () => {
  test('there is no timer, before and after', async () => {
    await expiry.begin()
    expect(house.clock.timers).toBe(0)
    await invite(ALICE, BOB)
    expiry.noteNews()
    expect(house.clock.timers).toBe(1)
    await house.clock.advance(INVITE_TTL_MS)
    expect(await told(ALICE)).toEqual(['expired'])
    // What was told is forgotten in its turn, and then there is nothing left.
    await house.clock.advance(INVITE_TTL_MS)
    expect(await told(ALICE)).toEqual([])
    expect(house.clock.timers).toBe(0)
    expect(failures).toEqual([])
  })

  test('any number of invites is one timer', async () => {
    await expiry.begin()
    for (let i = 0; i < 10; i += 1) {
      await invite(`@u${i}:hs` as UserId, BOB)
      expiry.noteNews()
    }
    expect(house.clock.timers).toBe(1)
  })
})

describe('what is due', () => {
  test('ends at its time, found again after a restart', async () => {
    await invite(ALICE, BOB)
    await house.clock.advance(1_000)
    await expiry.begin()
    await house.clock.advance(INVITE_TTL_MS - 1_001)
    expect(await pending()).toBe(1)
    await house.clock.advance(1)
    expect(await pending()).toBe(0)
    expect([await told(ALICE), await told(BOB)]).toEqual([['expired'], ['expired']])
  })

  test('ends together within a minute, more than one look holds included', async () => {
    await expiry.begin()
    for (let i = 0; i < 250; i += 1) {
      await invite(`@u${i}:hs` as UserId, BOB)
      await house.clock.advance(100)
    }
    expiry.noteNews()
    await house.clock.advance(INVITE_TTL_MS)
    await settle(500)
    await house.clock.advance(MINUTE)
    await settle(500)
    expect(await pending()).toBe(0)
    expect(await told(BOB)).toHaveLength(250)
    await house.clock.advance(INVITE_TTL_MS + MINUTE)
    await settle(500)
    expect(await told(BOB)).toEqual([])
  })

  test('is not what was answered: consent does not lapse', async () => {
    await expiry.begin()
    await invite(ALICE, BOB)
    expiry.noteNews()
    await house.lists.accept(BOB, ALICE, { addBack: false })
    await house.clock.advance(2 * INVITE_TTL_MS)
    expect(await house.store.presenceEntry(ALICE, BOB)).toMatchObject({ state: 'accepted' })
    expect(house.loop.view(ALICE, BOB)).not.toBeNull()
    expect(await told(ALICE)).toEqual([])
  })

  test('is not what was told since: only the row that was read is forgotten', async () => {
    await invite(ALICE, BOB)
    await house.lists.deny(BOB, ALICE, { ignoreFuture: false })
    await house.clock.advance(INVITE_TTL_MS)
    const slow: Store = {
      ...house.store,
      async presenceListNewsUntil(until, limit) {
        const rows = await house.store.presenceListNewsUntil(until, limit)
        if (rows.length > 0 && limit > 1) await invite(ALICE, BOB)
        return rows
      },
    }
    await make(slow).begin()
    await house.clock.advance(0)
    await settle(50)
    expect(await told(ALICE)).toEqual(['pending'])
  })
})

describe('when things go wrong', () => {
  test('a store that fails is tried again a minute later', async () => {
    let isBroken = true
    const broken: Store = {
      ...house.store,
      presenceGrantsAsked: (until, limit) =>
        isBroken && limit > 1
          ? Promise.reject(new Error('no disk'))
          : house.store.presenceGrantsAsked(until, limit),
    }
    await invite(ALICE, BOB)
    const own = make(broken)
    await own.begin()
    await house.clock.advance(INVITE_TTL_MS)
    expect([failures.length, await pending()]).toEqual([1, 1])
    isBroken = false
    await house.clock.advance(MINUTE - 1)
    expect(await pending()).toBe(1)
    await house.clock.advance(1)
    expect(await pending()).toBe(0)
    await own.close()
  })

  test('news that come while the store is asked for the oldest are not forgotten', async () => {
    const gate = Promise.withResolvers<void>()
    let isLate = false
    const late: Store = {
      ...house.store,
      async presenceListNewsUntil(until, limit) {
        const rows = await house.store.presenceListNewsUntil(until, limit)
        if (isLate && limit === 1) await gate.promise
        return rows
      },
    }
    await invite(ALICE, BOB)
    await house.lists.deny(BOB, ALICE, { ignoreFuture: false })
    const own = make(late)
    await own.begin()
    isLate = true
    await house.clock.advance(INVITE_TTL_MS)
    await settle(20)
    await invite(ALICE, BOB)
    own.noteNews()
    gate.resolve()
    await settle(20)
    expect(house.clock.timers).toBe(1)
    await house.clock.advance(INVITE_TTL_MS)
    expect(await told(ALICE)).toEqual(['expired'])
    await own.close()
  })

  test('closing takes the timer away, and waits for what runs', async () => {
    await invite(ALICE, BOB)
    await expiry.begin()
    await expiry.close()
    expect(house.clock.timers).toBe(0)
    expiry.noteNews()
    expect(house.clock.timers).toBe(0)
  })
})
