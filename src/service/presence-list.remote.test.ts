import { describe, expect, test } from 'vitest'
import { ALICE, BOB, openListHouse, ZOE, type ListHouse } from '../../test/support/list-house.ts'
import type { ListEduKind } from '../matrix/edu.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { InvitePolicy } from '../matrix/presence-list.ts'
import type { WaitingListEdu } from '../ports/edus.ts'
import { createMemoryStore } from '../store/memory.ts'
import { ORIGIN_INVITES_PER_USER_MAX } from './grant-counts.ts'
import { UNHEARD_MAX } from './presence-list.ts'

const REMOTE = 'remote' as ServerName
const EVERYTHING = 10_000

const invite = (house: ListHouse, who: UserId, ...others: UserId[]): Promise<void> =>
  house.lists.change(who, { invite: others, drop: [] })
const drop = (house: ListHouse, who: UserId, other: UserId): Promise<void> =>
  house.lists.change(who, { invite: [], drop: [other] })

/** What their server says of Alice, who asked or is asked. */
const hear = (
  { lists }: ListHouse,
  kind: ListEduKind,
  [observer, observed]: readonly [UserId, UserId],
  ask: number | null = null,
): Promise<void> => lists.hear(REMOTE, { kind, observer, observed, ask })

const waiting = ({ outbox }: ListHouse): Promise<WaitingListEdu[]> => outbox.listEdus(REMOTE, EVERYTHING)

async function words(house: ListHouse): Promise<string[]> {
  return (await waiting(house)).map(({ kind, observer, observed }) => `${kind} ${observer} ${observed}`)
}

async function stateOf({ store }: ListHouse, observer: UserId, observed: UserId): Promise<string> {
  const entry = await store.presenceEntry(observer, observed)
  const grant = await store.presenceGrant(observed, observer)
  return entry?.state ?? grant?.state ?? 'absent'
}

async function told({ store }: ListHouse, userId: UserId): Promise<string[]> {
  const news = await store.presenceListNews(userId, 0, Number.MAX_SAFE_INTEGER)
  return news.map(({ direction, otherId, state }) => `${direction} ${otherId} ${state}`)
}

const ASKS = [ALICE, ZOE] as const
const IS_ASKED = [ZOE, ALICE] as const

describe('an invite to another server', () => {
  test('P-186 lies ready for it, and waits there whether or not it can be reached', async () => {
    const house = await openListHouse()
    await invite(house, ALICE, ZOE)
    expect(await words(house)).toEqual([`invite ${ALICE} ${ZOE}`])
    expect(await house.outbox.listServers()).toEqual([REMOTE])
    expect(house.happened).toEqual([`lists for ${REMOTE}`, 'news', `woken ${ALICE} for rooms`])
    expect([await stateOf(house, ALICE, ZOE), await told(house, ALICE)]).toEqual([
      'pending',
      [`outgoing ${ZOE} pending`],
    ])
  })

  test('is refused, with all of its change, where other servers are not spoken with', async () => {
    const house = await openListHouse({ federates: false })
    await expect(invite(house, ALICE, BOB, ZOE)).rejects.toMatchObject({
      status: 400,
      errcode: 'M_INVALID_PARAM',
    })
    expect(await stateOf(house, ALICE, BOB)).toBe('absent')
    await hear(house, 'invite', IS_ASKED)
    await expect(house.lists.accept(ALICE, ZOE, { addBack: true })).rejects.toMatchObject({ status: 400 })
    expect(await stateOf(house, ZOE, ALICE)).toBe('pending')
    await drop(house, ALICE, ZOE)
    await invite(house, ALICE, BOB)
    expect(await stateOf(house, ALICE, BOB)).toBe('pending')
  })

  test('L-18 is refused while too many servers have not heard whom the list dropped', async () => {
    const house = await openListHouse()
    const others = Array.from({ length: UNHEARD_MAX + 1 }, (_, i) => `@u${i}:${REMOTE}` as UserId)
    for (const other of others) {
      await invite(house, ALICE, other)
      await drop(house, ALICE, other)
    }
    await expect(invite(house, ALICE, ZOE)).rejects.toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
    expect(await stateOf(house, ALICE, ZOE)).toBe('absent')
    await house.outbox.listEdusSent((await waiting(house)).slice(0, 1))
    await invite(house, ALICE, ZOE)
    expect(await stateOf(house, ALICE, ZOE)).toBe('pending')
  })

  test('P-053 P-194 is accepted when their server says so; from then on they are in sight', async () => {
    const house = await openListHouse()
    await invite(house, ALICE, ZOE)
    expect(house.loop.view(ALICE, ZOE)).toBeNull()
    house.happened.length = 0
    await hear(house, 'accept', ASKS)
    await hear(house, 'accept', ASKS)
    expect(await stateOf(house, ALICE, ZOE)).toBe('accepted')
    expect(house.loop.view(ALICE, ZOE)).not.toBeNull()
    expect(house.happened).toEqual([`granted ${ZOE} to ${ALICE}`, 'news', `woken ${ALICE} for rooms`])
    expect(await told(house, ALICE)).toEqual([`outgoing ${ZOE} accepted`])
  })

  test.each([
    [false, 'denied'],
    [true, 'revoked'],
  ])('P-192 ends when their server denies; accepted before: %s', async (isAccepted, state) => {
    const house = await openListHouse()
    await invite(house, ALICE, ZOE)
    if (isAccepted) await hear(house, 'accept', ASKS)
    await hear(house, 'deny', ASKS)
    await hear(house, 'deny', ASKS)
    expect(await stateOf(house, ALICE, ZOE)).toBe('absent')
    expect(house.loop.view(ALICE, ZOE)).toBeNull()
    expect(house.happened.includes(`revoked ${ZOE} from ${ALICE}`)).toBe(isAccepted)
    expect(await told(house, ALICE)).toEqual([`outgoing ${ZOE} ${state}`])
  })

  test('P-189 an accept that nobody waits for makes no entry, and is answered with a withdraw', async () => {
    const house = await openListHouse()
    await hear(house, 'accept', ASKS, 4)
    expect([await stateOf(house, ALICE, ZOE), house.loop.view(ALICE, ZOE)]).toEqual(['absent', null])
    expect(await waiting(house)).toMatchObject([{ kind: 'withdraw', ask: 4 }])
    expect([await told(house, ALICE), house.happened]).toEqual([[], [`lists for ${REMOTE}`]])
  })

  test('an old answer that crosses a withdraw and a new invite is passed over', async () => {
    const house = await openListHouse()
    await invite(house, ALICE, ZOE)
    const [first] = await waiting(house)
    await drop(house, ALICE, ZOE)
    await invite(house, ALICE, ZOE)
    const [second] = await waiting(house)
    expect(second?.ask).toBeGreaterThan(first?.ask as number)
    await hear(house, 'accept', ASKS, first?.ask)
    expect(await stateOf(house, ALICE, ZOE)).toBe('pending')
    await hear(house, 'accept', ASKS, second?.ask)
    await hear(house, 'deny', ASKS, first?.ask)
    expect(await stateOf(house, ALICE, ZOE)).toBe('accepted')
    await hear(house, 'deny', ASKS, second?.ask)
    expect(await stateOf(house, ALICE, ZOE)).toBe('absent')
  })

  test('taken back is said to their server, and cut here at once', async () => {
    const house = await openListHouse()
    await invite(house, ALICE, ZOE)
    const [asked] = await waiting(house)
    await hear(house, 'accept', ASKS)
    await drop(house, ALICE, ZOE)
    expect(house.loop.view(ALICE, ZOE)).toBeNull()
    expect(await waiting(house)).toMatchObject([{ kind: 'withdraw', ask: asked?.ask }])
  })

  test('is repeated without asking anew: its time goes on', async () => {
    const house = await openListHouse()
    await invite(house, ALICE, ZOE)
    const before = await house.store.presenceEntry(ALICE, ZOE)
    const asked = await waiting(house)
    await house.outbox.listEdusSent(asked)
    await house.clock.advance(3_600_000)
    house.happened.length = 0
    await house.lists.repeat(ALICE, ZOE)
    expect(await house.store.presenceEntry(ALICE, ZOE)).toEqual(before)
    expect(await waiting(house)).toMatchObject([{ kind: 'invite', ask: asked[0]?.ask }])
    expect(house.happened).toEqual([`lists for ${REMOTE}`])
    await hear(house, 'accept', ASKS)
    await house.outbox.listEdusSent(await waiting(house))
    await house.lists.repeat(ALICE, ZOE)
    expect(await waiting(house)).toEqual([])
  })

  test('that nobody answered is over on this side, and not sent any more', async () => {
    const house = await openListHouse()
    await invite(house, ALICE, ZOE)
    await house.lists.expire(ALICE, ZOE, house.clock.now())
    expect([await stateOf(house, ALICE, ZOE), await waiting(house)]).toEqual(['absent', []])
    expect(await told(house, ALICE)).toEqual([`outgoing ${ZOE} expired`])
  })
})

describe('an invite from another server', () => {
  test('P-194 waits for the user’s answer, told once however often it comes', async () => {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED, 1)
    await hear(house, 'invite', IS_ASKED, 1)
    expect([await stateOf(house, ZOE, ALICE), await told(house, ALICE)]).toEqual([
      'pending',
      [`incoming ${ZOE} pending`],
    ])
    expect(house.happened).toEqual(['news', `woken ${ALICE} for rooms`])
    expect([await words(house), house.loop.serverSees(REMOTE, ALICE)]).toEqual([[], false])
  })

  test('P-190 accepted: the accept goes first, then the presence that it lets through', async () => {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED, 5)
    house.happened.length = 0
    await house.lists.accept(ALICE, ZOE, { addBack: false })
    expect(house.happened).toEqual([
      `lists for ${REMOTE}`,
      `granted ${ALICE} to ${ZOE}`,
      `presence of ${ALICE} for ${REMOTE}`,
      'news',
      `woken ${ALICE} for rooms`,
    ])
    expect(await waiting(house)).toMatchObject([{ kind: 'accept', observer: ZOE, observed: ALICE, ask: 5 }])
  })

  test('P-193 of who has a grant is answered with an accept and a push again', async () => {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED, 5)
    await house.lists.accept(ALICE, ZOE, { addBack: false })
    await house.outbox.listEdusSent(await waiting(house))
    house.happened.length = 0
    await hear(house, 'invite', IS_ASKED, 5)
    expect(house.happened).toEqual([`lists for ${REMOTE}`, `presence of ${ALICE} for ${REMOTE}`])
    expect(await waiting(house)).toMatchObject([{ kind: 'accept', ask: 5 }])
  })

  test('with add_back goes both ways', async () => {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED)
    await house.lists.accept(ALICE, ZOE, { addBack: true })
    expect(await words(house)).toEqual([`accept ${ZOE} ${ALICE}`, `invite ${ALICE} ${ZOE}`])
    expect(house.happened).toContain(`presence of ${ALICE} for ${REMOTE}`)
  })

  test('P-191 denied, revoked: a deny goes out, and they are out of sight at once', async () => {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED, 5)
    await house.lists.deny(ALICE, ZOE, { ignoreFuture: false })
    expect(await waiting(house)).toMatchObject([{ kind: 'deny', observer: ZOE, observed: ALICE, ask: 5 }])
    await hear(house, 'invite', IS_ASKED, 6)
    await house.lists.accept(ALICE, ZOE, { addBack: false })
    expect(house.loop.serverSees(REMOTE, ALICE)).toBe(true)
    await house.lists.revoke(ALICE, ZOE, { ignoreFuture: null })
    expect(house.loop.serverSees(REMOTE, ALICE)).toBe(false)
    expect(await waiting(house)).toMatchObject([{ kind: 'deny', ask: 6 }])
  })

  test('that was sent before the deny of it arrived is no new one; one that asks anew is', async () => {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED, 5)
    await house.lists.deny(ALICE, ZOE, { ignoreFuture: false })
    house.happened.length = 0
    await hear(house, 'invite', IS_ASKED, 5)
    expect([await stateOf(house, ZOE, ALICE), house.happened]).toEqual(['absent', []])
    expect(await waiting(house)).toMatchObject([{ kind: 'deny', ask: 5 }])
    // Once they know, whatever comes is new; and so is what does not say which asking it is.
    await hear(house, 'invite', IS_ASKED, 6)
    expect(await stateOf(house, ZOE, ALICE)).toBe('pending')
    await house.lists.deny(ALICE, ZOE, { ignoreFuture: false })
    await hear(house, 'invite', IS_ASKED, null)
    expect(await stateOf(house, ZOE, ALICE)).toBe('pending')
    await house.lists.deny(ALICE, ZOE, { ignoreFuture: false })
    await house.outbox.listEdusSent(await waiting(house))
    await hear(house, 'invite', IS_ASKED, 6)
    expect(await stateOf(house, ZOE, ALICE)).toBe('pending')
  })

  test('is over when it is withdrawn, granted or not', async () => {
    const house = await openListHouse({ policy: 'accept_all' })
    await hear(house, 'invite', IS_ASKED, 5)
    expect(house.loop.serverSees(REMOTE, ALICE)).toBe(true)
    await hear(house, 'withdraw', IS_ASKED, 5)
    await hear(house, 'withdraw', IS_ASKED, 5)
    expect([await stateOf(house, ZOE, ALICE), house.loop.serverSees(REMOTE, ALICE)]).toEqual([
      'absent',
      false,
    ])
    expect(await told(house, ALICE)).toEqual([`incoming ${ZOE} withdrawn`])
  })

  test.each<[InvitePolicy, boolean, string]>([
    ['manual', true, 'pending'],
    ['accept_all', false, 'granted'],
    ['deny_all', true, 'absent'],
    ['accept_reverse', true, 'granted'],
    ['accept_reverse', false, 'pending'],
    ['accept_shared_room', false, 'pending'],
  ])('P-063 meets the policy %s; followed back: %s', async (policy, followsBack, state) => {
    const house = await openListHouse({ policy })
    if (followsBack) await invite(house, ALICE, ZOE)
    await hear(house, 'invite', IS_ASKED)
    expect((await house.store.presenceGrant(ALICE, ZOE))?.state ?? 'absent').toBe(state)
    const answer = { pending: [], granted: [`accept ${ZOE} ${ALICE}`], absent: [`deny ${ZOE} ${ALICE}`] }[
      state
    ]
    expect((await words(house)).filter((word) => !word.startsWith('invite'))).toEqual(answer)
  })

  test('is accepted at once by who shares a room, if that is their policy', async () => {
    const house = await openListHouse({ policy: 'accept_shared_room' })
    house.loop.joined('!room:hs' as never, ALICE)
    house.loop.joined('!room:hs' as never, ZOE)
    await hear(house, 'invite', IS_ASKED)
    expect(await stateOf(house, ZOE, ALICE)).toBe('granted')
  })

  test('P-062 P-064 of who is unknown, or ignores, is denied without a word to them', async () => {
    const house = await openListHouse({ gone: new Set([BOB]), policy: 'accept_all' })
    house.loop.ignores(ALICE, [ZOE])
    await hear(house, 'invite', IS_ASKED, 3)
    await hear(house, 'invite', [ZOE, BOB], 4)
    expect(await waiting(house)).toMatchObject([
      { kind: 'deny', observed: ALICE, ask: 3 },
      { kind: 'deny', observed: BOB, ask: 4 },
    ])
    expect([await told(house, ALICE), await told(house, BOB)]).toEqual([[], []])
    expect(await stateOf(house, ZOE, ALICE)).toBe('absent')
  })

  test('of who is never to be heard of again is denied each time, until the user invites them', async () => {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED, 3)
    await house.lists.deny(ALICE, ZOE, { ignoreFuture: true })
    await house.outbox.listEdusSent(await waiting(house))
    await hear(house, 'invite', IS_ASKED, 4)
    expect(await waiting(house)).toMatchObject([{ kind: 'deny', ask: 4 }])
    expect(await told(house, ALICE)).toEqual([`incoming ${ZOE} denied`])
    await invite(house, ALICE, ZOE)
    await hear(house, 'invite', IS_ASKED, 5)
    expect(await house.store.presenceGrant(ALICE, ZOE)).toMatchObject({ state: 'pending', ask: 5 })
  })
})

test('what the store refuses is neither in force nor said, and may come again', async () => {
  const store = createMemoryStore()
  const house = await openListHouse({ store, policy: 'accept_all' })
  const commit = store.commit.bind(store)
  Object.assign(store, { commit: () => Promise.reject(new Error('the disk is full')) })
  await expect(hear(house, 'invite', IS_ASKED)).rejects.toThrow('the disk is full')
  expect([house.happened, house.loop.serverSees(REMOTE, ALICE)]).toEqual([[], false])
  Object.assign(store, { commit })
  await hear(house, 'invite', IS_ASKED)
  expect(house.loop.serverSees(REMOTE, ALICE)).toBe(true)
})

test('one server cannot fill a user’s inbox for the others', async () => {
  const house = await openListHouse()
  for (let i = 0; i < ORIGIN_INVITES_PER_USER_MAX + 10; i += 1)
    await hear(house, 'invite', [`@u${i}:remote` as UserId, ALICE])
  expect(await house.store.presenceGrants(ALICE, 'pending')).toHaveLength(ORIGIN_INVITES_PER_USER_MAX)
  expect((await words(house)).every((word) => word.startsWith('deny'))).toBe(true)
  await house.lists.hear('far' as ServerName, {
    kind: 'invite',
    observer: '@yan:far' as UserId,
    observed: ALICE,
    ask: null,
  })
  await invite(house, BOB, ALICE)
  expect(await stateOf(house, '@yan:far' as UserId, ALICE)).toBe('pending')
  expect(await stateOf(house, BOB, ALICE)).toBe('pending')
  // And of who asks in vain an answer makes room for the next.
  await house.lists.deny(ALICE, '@u0:remote' as UserId, { ignoreFuture: false })
  await hear(house, 'invite', IS_ASKED)
  expect(await stateOf(house, ZOE, ALICE)).toBe('pending')
})

test('the end of an account is said to other servers', async () => {
  const gone = new Set<UserId>()
  const house = await openListHouse({ gone })
  await invite(house, ALICE, ZOE)
  await hear(house, 'accept', ASKS)
  await hear(house, 'invite', IS_ASKED)
  await house.lists.accept(ALICE, ZOE, { addBack: false })
  await hear(house, 'invite', ['@yan:remote' as UserId, ALICE])
  await house.outbox.listEdusSent(await waiting(house))
  gone.add(ALICE)
  await house.lists.end(ALICE)
  expect((await words(house)).toSorted()).toEqual(
    [`deny ${ZOE} ${ALICE}`, `deny @yan:remote ${ALICE}`, `withdraw ${ALICE} ${ZOE}`].toSorted(),
  )
  expect([house.loop.serverSees(REMOTE, ALICE), house.loop.view(ALICE, ZOE)]).toEqual([false, null])
})

test('words at the same time leave one of their outcomes', async () => {
  for (let round = 0; round < 30; round += 1) {
    const house = await openListHouse()
    await hear(house, 'invite', IS_ASKED)
    await Promise.allSettled([
      house.lists.accept(ALICE, ZOE, { addBack: false }),
      hear(house, 'withdraw', IS_ASKED),
      house.lists.revoke(ALICE, ZOE, { ignoreFuture: null }),
      hear(house, 'invite', IS_ASKED),
    ])
    const state = await stateOf(house, ZOE, ALICE)
    expect(house.loop.serverSees(REMOTE, ALICE)).toBe(state === 'granted')
    expect(['absent', 'pending', 'granted']).toContain(state)
  }
})
