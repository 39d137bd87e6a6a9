import { describe, expect, test } from 'vitest'
import { ALICE, BOB, CAROL, openListHouse, ZOE, type ListHouse } from '../../test/support/list-house.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { INVITES_WAITING_MAX } from './grant-counts.ts'
import { LIST_CHANGE_MAX } from './presence-list.ts'

const HOUR = 3_600_000

const invite = (house: ListHouse, who: UserId, ...others: UserId[]): Promise<void> =>
  house.lists.change(who, { invite: others, drop: [] })

async function sidesOf({ store }: ListHouse, observer: UserId, observed: UserId): Promise<(string | null)[]> {
  const entry = await store.presenceEntry(observer, observed)
  const grant = await store.presenceGrant(observed, observer)
  return [entry?.state ?? null, grant?.state ?? null]
}

async function newsOf({ store }: ListHouse, userId: UserId): Promise<Row<'presenceListNews'>[]> {
  return store.presenceListNews(userId, 0, Number.MAX_SAFE_INTEGER)
}

/** A store that says what it was given, and fails when told to. */
function watched(): { store: Store; commits: Write[][]; fail: { next: boolean } } {
  const inner = createMemoryStore()
  const commits: Write[][] = []
  const fail = { next: false }
  const store: Store = {
    ...inner,
    async commit(writes) {
      if (fail.next) throw new Error('the disk is full')
      commits.push([...writes])
      await inner.commit(writes)
    },
  }
  return { store, commits, fail }
}

describe('one change', () => {
  test('is one commit for both sides of every pair, and what both are told', async () => {
    const { store, commits } = watched()
    const house = await openListHouse({ store, policy: 'accept_all' })
    await invite(house, ALICE, BOB, CAROL)
    expect(commits).toHaveLength(1)
    expect(commits[0]?.map((write) => ('put' in write ? write.put : `no ${write.drop}`)).toSorted()).toEqual([
      'presenceGrants',
      'presenceGrants',
      'presenceList',
      'presenceList',
      ...Array<string>(4).fill('presenceListNews'),
    ])
    expect(await sidesOf(house, ALICE, BOB)).toEqual(['accepted', 'granted'])
  })

  test('is durable first, then in sight, then told', async () => {
    const { store, commits } = watched()
    const house = await openListHouse({ store })
    await invite(house, ALICE, BOB)
    house.happened.length = 0
    const commit = store.commit.bind(store)
    Object.assign(store, {
      commit: async (writes: Write[]) => {
        await commit(writes)
        house.happened.push('durable')
      },
    })
    await house.lists.accept(BOB, ALICE, { addBack: false })
    expect(house.happened).toEqual([
      'durable',
      `granted ${BOB} to ${ALICE}`,
      'news',
      `woken ${BOB} ${ALICE} for rooms`,
    ])
    expect(commits).toHaveLength(2)
  })

  test('that the store refuses changed nothing, and those behind it go on', async () => {
    const { store, fail } = watched()
    const house = await openListHouse({ store, policy: 'accept_all' })
    fail.next = true
    const failing = invite(house, ALICE, BOB)
    await expect(failing).rejects.toThrow('the disk is full')
    expect(house.happened).toEqual([])
    expect(house.loop.view(ALICE, BOB)).toBeNull()
    fail.next = false
    await invite(house, ALICE, BOB)
    expect(house.loop.view(ALICE, BOB)).not.toBeNull()
  })

  test('P-051 that changes nothing writes nothing and wakes nobody', async () => {
    const { store, commits } = watched()
    const house = await openListHouse({ store })
    await invite(house, ALICE, BOB)
    await house.lists.accept(BOB, ALICE, { addBack: false })
    house.happened.length = 0
    commits.length = 0
    await invite(house, ALICE, BOB, ALICE)
    await house.lists.change(ALICE, { invite: [], drop: [CAROL, ALICE] })
    await house.lists.accept(BOB, ALICE, { addBack: false })
    await house.lists.revoke(BOB, CAROL, { ignoreFuture: false })
    await house.lists.revoke(BOB, BOB, { ignoreFuture: true })
    expect([commits, house.happened]).toEqual([[], []])
  })

  test('P-065 tells the latest state of a pair only, at its own place', async () => {
    const house = await openListHouse({ gone: new Set([BOB]) })
    await invite(house, ALICE, BOB, CAROL)
    expect(await newsOf(house, ALICE)).toMatchObject([
      { otherId: BOB, state: 'denied', pos: 1 },
      { otherId: CAROL, state: 'pending', pos: 2 },
    ])
    expect(await newsOf(house, BOB)).toEqual([])
    expect(await newsOf(house, CAROL)).toMatchObject([
      { otherId: ALICE, direction: 'incoming', state: 'pending' },
    ])
  })

  test('of a user for whose answer too many wait is denied at once, until one is answered', async () => {
    const { store } = watched()
    const others = Array.from({ length: INVITES_WAITING_MAX }, (_, i) => `@u${i}:hs` as UserId)
    await store.commit(
      others.map((observer) => ({
        put: 'presenceGrants',
        row: { observed: BOB, observer, state: 'pending', ts: 0, ask: null },
      })),
    )
    const house = await openListHouse({ store })
    await invite(house, ALICE, BOB)
    expect(await newsOf(house, ALICE)).toMatchObject([{ otherId: BOB, state: 'denied' }])
    expect(await newsOf(house, BOB)).toEqual([])
    await house.lists.deny(BOB, others[0] as UserId, { ignoreFuture: false })
    await invite(house, ALICE, BOB)
    expect(await newsOf(house, ALICE)).toMatchObject([{ otherId: BOB, state: 'pending' }])
  })

  test('of more users than one change may name is refused before any look-up', async () => {
    const { store, commits } = watched()
    const house = await openListHouse({ store })
    const many = Array.from({ length: LIST_CHANGE_MAX + 1 }, () => '')
    await expect(house.lists.change(ALICE, { invite: [], drop: many })).rejects.toMatchObject({ status: 400 })
    await house.lists.change(ALICE, { invite: many.slice(1), drop: [] })
    expect(commits).toEqual([])
  })
})

describe('requests that outlive their account', () => {
  test('are answered as if the token were unknown, and change nothing', async () => {
    const gone = new Set<UserId>()
    const house = await openListHouse({ gone })
    await invite(house, BOB, ALICE)
    gone.add(ALICE)
    const requests = [
      invite(house, ALICE, BOB),
      house.lists.accept(ALICE, BOB, { addBack: true }),
      house.lists.deny(ALICE, BOB, { ignoreFuture: true }),
      house.lists.revoke(ALICE, BOB, { ignoreFuture: true }),
      house.lists.setPolicy(ALICE, 'accept_all'),
    ]
    for (const request of requests)
      await expect(request).rejects.toMatchObject({ errcode: 'M_UNKNOWN_TOKEN' })
    expect(await sidesOf(house, BOB, ALICE)).toEqual(['pending', 'pending'])
    expect(await house.store.invitePolicy(ALICE)).toBeNull()
  })
})

describe('users of other servers', () => {
  test('have one side here: an entry, and nobody to accept it', async () => {
    const house = await openListHouse({ policy: 'accept_all' })
    await invite(house, ALICE, ZOE)
    expect(await sidesOf(house, ALICE, ZOE)).toEqual(['pending', null])
    expect(await newsOf(house, ALICE)).toMatchObject([{ otherId: ZOE, state: 'pending' }])
    expect(await newsOf(house, ZOE)).toEqual([])
    expect(house.loop.view(ALICE, ZOE)).toBeNull()
  })
})

describe('asking again', () => {
  test('renews both sides after an hour, not before', async () => {
    const house = await openListHouse()
    const askedAt = async (): Promise<unknown[]> => [
      (await house.store.presenceEntry(ALICE, BOB))?.askedTs,
      (await house.store.presenceGrant(BOB, ALICE))?.ts,
    ]
    const start = house.clock.now()
    await invite(house, ALICE, BOB)
    await house.clock.advance(HOUR)
    await invite(house, ALICE, BOB)
    expect(await askedAt()).toEqual([start, start])
    await house.clock.advance(1)
    await invite(house, ALICE, BOB)
    expect(await askedAt()).toEqual([start + HOUR + 1, start + HOUR + 1])
    await house.clock.advance(HOUR)
    await house.lists.accept(BOB, ALICE, { addBack: false })
    expect(await askedAt()).toEqual([start + HOUR + 1, house.clock.now()])
  })
})

describe('expiry', () => {
  test('ends only what is still pending and that old', async () => {
    const house = await openListHouse()
    await invite(house, ALICE, BOB)
    const askedTs = house.clock.now()
    await house.lists.expire(ALICE, BOB, askedTs - 1)
    expect(await sidesOf(house, ALICE, BOB)).toEqual(['pending', 'pending'])
    await house.lists.expire(ALICE, BOB, askedTs)
    expect(await sidesOf(house, ALICE, BOB)).toEqual([null, null])
    await invite(house, ALICE, BOB)
    await house.lists.accept(BOB, ALICE, { addBack: false })
    await house.lists.expire(ALICE, BOB, askedTs)
    expect(await sidesOf(house, ALICE, BOB)).toEqual(['accepted', 'granted'])
  })
})

describe('changes at the same time', () => {
  test('of both sides of a pair leave both sides equal', async () => {
    const house = await openListHouse()
    const both = (): Promise<unknown> =>
      Promise.allSettled([
        invite(house, ALICE, BOB),
        house.lists.accept(BOB, ALICE, { addBack: true }),
        house.lists.change(ALICE, { invite: [], drop: [BOB] }),
        house.lists.deny(BOB, ALICE, { ignoreFuture: false }),
        invite(house, BOB, ALICE),
        house.lists.accept(ALICE, BOB, { addBack: true }),
        house.lists.revoke(BOB, ALICE, { ignoreFuture: null }),
      ])
    for (let round = 0; round < 20; round += 1) {
      await both()
      for (const [observer, observed] of [
        [ALICE, BOB],
        [BOB, ALICE],
      ] as const) {
        const sides = (await sidesOf(house, observer, observed)).join()
        expect(['', ',', 'pending,pending', 'accepted,granted']).toContain(sides)
        expect(house.loop.view(observer, observed) !== null).toBe(sides === 'accepted,granted')
      }
    }
  })

  test('of one list from many devices never pass its limit', async () => {
    const house = await openListHouse()
    const names = (from: number): string[] => Array.from({ length: 100 }, (_, i) => `@u${from + i}:remote`)
    for (let from = 0; from < 900; from += 100)
      await house.lists.change(ALICE, { invite: names(from), drop: [] })
    const outcomes = await Promise.allSettled(
      [900, 1_000, 1_100].map((from) => house.lists.change(ALICE, { invite: names(from), drop: [] })),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected'])
    expect(await house.store.presenceEntries(ALICE)).toHaveLength(1_000)
  })
})

describe('the end of an account', () => {
  test('ends more pairs than one commit holds, and may be repeated', async () => {
    const gone = new Set<UserId>()
    const { store, commits } = watched()
    const house = await openListHouse({ gone, store })
    const others = Array.from({ length: 150 }, (_, i) => `@u${i}:hs` as UserId)
    await invite(house, ALICE, ...others.slice(0, 100))
    await invite(house, ALICE, ...others.slice(100))
    for (const other of others) await invite(house, other, ALICE)
    gone.add(ALICE)
    commits.length = 0
    await house.lists.end(ALICE)
    expect(Math.max(...commits.map(({ length }) => length))).toBeLessThanOrEqual(4 * LIST_CHANGE_MAX)
    for (const other of others) {
      expect(await sidesOf(house, ALICE, other)).toEqual([null, null])
      expect(await sidesOf(house, other, ALICE)).toEqual([null, null])
      expect((await newsOf(house, other)).map(({ state }) => state).toSorted()).toEqual([
        'denied',
        'withdrawn',
      ])
    }
    expect(await newsOf(house, ALICE)).toEqual([])
    const before = commits.length
    await house.lists.end(ALICE)
    expect(
      commits
        .slice(before)
        .flat()
        .every((write) => 'drop' in write),
    ).toBe(true)
  })
})
