import { describe, expect, test } from 'vitest'
import {
  ALICE,
  BOB,
  openListHouse,
  ZOE,
  type ListHouse,
  type ListHouseOptions,
} from '../../test/support/list-house.ts'
import type { ListEduKind } from '../matrix/edu.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { WaitingListEdu } from '../ports/edus.ts'
import { createMemoryStore } from '../store/memory.ts'
import { MERE_ANSWERS_MAX } from './presence-list-outbox.ts'

const REMOTE = 'remote' as ServerName

const invite = (house: ListHouse, who: UserId, ...others: UserId[]): Promise<void> =>
  house.lists.change(who, { invite: others, drop: [] })
const drop = (house: ListHouse, who: UserId, other: UserId): Promise<void> =>
  house.lists.change(who, { invite: [], drop: [other] })
const hear = (
  { lists }: ListHouse,
  kind: ListEduKind,
  [observer, observed]: readonly [UserId, UserId],
): Promise<void> => lists.hear(REMOTE, { kind, observer, observed, ask: null })
const waiting = ({ outbox }: ListHouse): Promise<WaitingListEdu[]> => outbox.listEdus(REMOTE, 10_000)

async function words(house: ListHouse): Promise<string[]> {
  return (await waiting(house)).map(({ kind, observer, observed }) => `${kind} ${observer} ${observed}`)
}

describe('what lies ready', () => {
  test('P-195 is there after a restart, until it was acknowledged; what replaced it stays', async () => {
    const options: ListHouseOptions = { store: createMemoryStore() }
    await invite(await openListHouse(options), ALICE, ZOE)
    const house = await openListHouse(options)
    const sent = await waiting(house)
    expect(sent).toMatchObject([{ kind: 'invite' }])
    await drop(house, ALICE, ZOE)
    await house.outbox.listEdusSent(sent)
    expect(await words(house)).toEqual([`withdraw ${ALICE} ${ZOE}`])
    await house.outbox.listEdusSent(await waiting(house))
    expect([await waiting(house), await house.outbox.listServers()]).toEqual([[], []])
  })

  test('is given out oldest first, as many as are asked for', async () => {
    const house = await openListHouse()
    const others = Array.from({ length: 5 }, (_, i) => `@u${i}:remote` as UserId)
    await invite(house, ALICE, ...others)
    await invite(house, ALICE, '@other:elsewhere' as UserId)
    await drop(house, ALICE, others[0] as UserId)
    const some = await house.outbox.listEdus(REMOTE, 4)
    expect(some.map(({ observed }) => observed)).toEqual(others.slice(1))
    expect((await house.outbox.listServers()).toSorted()).toEqual(['elsewhere', REMOTE])
  })

  test('for a server that fetches nothing does not grow by what it makes up', async () => {
    const house = await openListHouse({ gone: new Set([BOB]) })
    const nobody = (i: number): UserId => `@u${i}:remote` as UserId
    for (let i = 0; i < MERE_ANSWERS_MAX + 50; i += 1) {
      await hear(house, 'invite', [nobody(i), BOB])
      await hear(house, 'accept', [BOB, nobody(i)])
    }
    expect(await waiting(house)).toHaveLength(MERE_ANSWERS_MAX)
    // What is a change of ours goes out all the same,
    await invite(house, ALICE, ZOE)
    expect(await waiting(house)).toHaveLength(MERE_ANSWERS_MAX + 1)
    // and answers again once it took some.
    await house.outbox.listEdusSent((await waiting(house)).slice(0, 100))
    for (let i = 0; i < 200; i += 1) await hear(house, 'invite', [nobody(9_000 + i), BOB])
    expect(await waiting(house)).toHaveLength(MERE_ANSWERS_MAX)
  })
})
