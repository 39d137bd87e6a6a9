import { beforeEach, expect, test } from 'vitest'
import { ALICE, BOB, CAROL, openListHouse, type ListHouse } from '../../test/support/list-house.ts'
import { newsIn, NEWS } from '../../test/support/lists.ts'
import type { UserId } from '../matrix/ids.ts'
import { createPresenceListNews, type PresenceListNews } from './presence-list-news.ts'

let house: ListHouse
let news: PresenceListNews
let queries: number

function make(usersMax = 100): PresenceListNews {
  queries = 0
  return createPresenceListNews({
    store: {
      presenceListNews: (...range) => {
        queries += 1
        return house.store.presenceListNews(...range)
      },
    },
    stream: house.stream,
    usersMax,
  })
}

beforeEach(async () => {
  house = await openListHouse()
  news = make()
})

async function reads(userId: UserId, after: number | null, withPending = false): Promise<string[]> {
  const { events } = await news.read(userId, { after, upTo: house.stream.current, withPending })
  return newsIn({ [NEWS]: { events: [...events] } })
}

test('P-068 who has nothing yet gets what is pending, others what changed, with full_state both', async () => {
  await house.lists.change(ALICE, { invite: [BOB, CAROL], drop: [] })
  const since = house.stream.current
  await house.lists.accept(CAROL, ALICE, { addBack: false })
  expect(await reads(ALICE, null)).toEqual([`outgoing ${BOB} pending`])
  expect(await reads(ALICE, since)).toEqual([`outgoing ${CAROL} accepted`])
  expect(await reads(ALICE, since, true)).toEqual([`outgoing ${BOB} pending`, `outgoing ${CAROL} accepted`])
  expect(await reads(ALICE, null, true)).toEqual([`outgoing ${BOB} pending`])
  expect(await reads(BOB, since)).toEqual([])
})

test('P-068 nothing beyond the end of the window is told', async () => {
  await house.lists.change(ALICE, { invite: [BOB], drop: [] })
  const upTo = house.stream.current
  await house.lists.change(ALICE, { invite: [CAROL], drop: [] })
  for (const after of [null, 0]) {
    const { events } = await news.read(ALICE, { after, upTo, withPending: false })
    expect(events).toHaveLength(1)
  }
})

test('users without news cost no query', async () => {
  const since = house.stream.current
  await house.lists.change(ALICE, { invite: [BOB], drop: [] })
  for (const userId of [CAROL, '@dave:hs' as UserId]) expect(await reads(userId, since)).toEqual([])
  expect(queries).toBe(0)
  expect(await reads(ALICE, since)).toHaveLength(1)
  expect(await reads(ALICE, house.stream.current)).toEqual([])
  expect(queries).toBe(1)
})

test('what changed before the start is found in the store', async () => {
  const since = house.stream.current
  await house.lists.change(ALICE, { invite: [BOB], drop: [] })
  news = make()
  expect(await reads(ALICE, since)).toEqual([`outgoing ${BOB} pending`])
})

test('more users than are remembered still get everything', async () => {
  news = make(2)
  const since = house.stream.current
  const users = Array.from({ length: 5 }, (_, i) => `@u${i}:hs` as UserId)
  for (const userId of users) await house.lists.change(userId, { invite: [BOB], drop: [] })
  for (const userId of users) expect(await reads(userId, since)).toEqual([`outgoing ${BOB} pending`])
})

test('P-061 whom the user followed and does not any more is named apart', async () => {
  await house.lists.setPolicy(BOB, 'accept_all')
  const ended = async (since: number): Promise<readonly UserId[]> =>
    (await news.read(ALICE, { after: since, upTo: house.stream.current, withPending: false })).ended
  const steps: [() => Promise<void>, UserId[]][] = [
    [() => house.lists.change(ALICE, { invite: [BOB], drop: [] }), []],
    [() => house.lists.change(ALICE, { invite: [], drop: [BOB] }), [BOB]],
    [() => house.lists.change(ALICE, { invite: [BOB], drop: [] }), []],
    [() => house.lists.revoke(BOB, ALICE, { ignoreFuture: null }), [BOB]],
    [() => house.lists.setPolicy(BOB, 'deny_all'), []],
    [() => house.lists.change(ALICE, { invite: [BOB], drop: [] }), []],
    // Who saw Alice go sees no less.
    [() => house.lists.change(CAROL, { invite: [ALICE], drop: [] }), []],
    [() => house.lists.accept(ALICE, CAROL, { addBack: false }), []],
    [() => house.lists.change(CAROL, { invite: [], drop: [ALICE] }), []],
  ]
  for (const [step, expected] of steps) {
    const since = house.stream.current
    await step()
    expect(await ended(since)).toEqual(expected)
  }
})
