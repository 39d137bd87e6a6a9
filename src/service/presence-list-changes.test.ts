import { describe, expect, test } from 'vitest'
import { ALICE, BOB, ZOE } from '../../test/support/list-house.ts'
import { serverOf, type UserId } from '../matrix/ids.ts'
import type { Row, Write } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { PairChanges } from './presence-list-changes.ts'

const NOW = 5_000

async function changes(rows: readonly Write[] = []): Promise<PairChanges> {
  const store = createMemoryStore()
  await store.commit(rows)
  return new PairChanges({ store, now: NOW, isLocal: (userId) => serverOf(userId) === 'hs' })
}

const entry = (cells: Partial<Row<'presenceList'>> = {}): Write => ({
  put: 'presenceList',
  row: { observer: ALICE, observed: BOB, state: 'pending', askedTs: 1, acceptedPos: null, ask: 0, ...cells },
})
const grant = (cells: Partial<Row<'presenceGrants'>> = {}): Write => ({
  put: 'presenceGrants',
  row: { observed: BOB, observer: ALICE, state: 'pending', ts: 1, ask: null, ...cells },
})
const news = (
  userId: UserId,
  otherId: UserId,
  direction: 'incoming' | 'outgoing',
  state: string,
  pos: number,
): Write => ({
  put: 'presenceListNews',
  row: { userId, otherId, direction, state, ts: NOW, pos },
})

function writesOf(one: PairChanges): Write[] {
  let pos = 100
  return one.writes(() => (pos += 1))
}

describe('both users of this server', () => {
  test('P-056 an invite changes both sides and is told to both', async () => {
    const one = await changes()
    one.atList(await one.pair(ALICE, BOB), 'invite', 'ask')
    expect(writesOf(one)).toEqual([
      entry({ askedTs: NOW }),
      grant({ ts: NOW }),
      news(ALICE, BOB, 'outgoing', 'pending', 101),
      news(BOB, ALICE, 'incoming', 'pending', 102),
    ])
    expect([one.turns, [...one.told]]).toEqual([[], [ALICE, BOB]])
  })

  test('P-065 an invite that is answered at once is told by its answer only', async () => {
    const accepted = await changes()
    accepted.atList(await accepted.pair(ALICE, BOB), 'invite', 'accept')
    expect(writesOf(accepted)).toEqual([
      entry({ state: 'accepted', askedTs: NOW, acceptedPos: 102 }),
      grant({ state: 'granted', ts: NOW }),
      news(BOB, ALICE, 'incoming', 'accepted', 101),
      news(ALICE, BOB, 'outgoing', 'accepted', 102),
    ])
    expect(accepted.turns).toEqual([{ observer: ALICE, observed: BOB, visible: true }])
    const denied = await changes()
    denied.atList(await denied.pair(ALICE, BOB), 'invite', 'deny')
    expect(writesOf(denied)).toEqual([news(ALICE, BOB, 'outgoing', 'denied', 101)])
    expect([denied.isEmpty, denied.turns]).toEqual([false, []])
  })

  test('P-061 a revoke drops both rows; a tombstone stays where one was asked for', async () => {
    for (const [input, left] of [
      ['revoke', { drop: 'presenceGrants', where: { observed: BOB, observer: ALICE } }],
      ['revoke and ignore', grant({ state: 'ignored', ts: NOW })],
    ] as const) {
      const one = await changes([entry({ state: 'accepted', acceptedPos: 3 }), grant({ state: 'granted' })])
      one.atGrant(await one.pair(ALICE, BOB), input)
      expect(writesOf(one).slice(0, 2)).toEqual([
        { drop: 'presenceList', where: { observer: ALICE, observed: BOB } },
        left,
      ])
      expect(one.turns).toEqual([{ observer: ALICE, observed: BOB, visible: false }])
    }
  })

  test('an entry of which the observed user’s side knows nothing is put right by asking again', async () => {
    const one = await changes([entry()])
    one.atList(await one.pair(ALICE, BOB), 'resend', 'ask')
    expect(writesOf(one)).toEqual([
      entry({ askedTs: NOW }),
      grant({ ts: NOW }),
      news(BOB, ALICE, 'incoming', 'pending', 101),
    ])
  })

  test('a grant of which the observer’s side knows nothing is repaired by an invite', async () => {
    const one = await changes([grant({ state: 'granted' })])
    one.atList(await one.pair(ALICE, BOB), 'invite', 'deny')
    expect(writesOf(one)).toEqual([
      entry({ state: 'accepted', askedTs: NOW, acceptedPos: 101 }),
      news(ALICE, BOB, 'outgoing', 'accepted', 101),
    ])
    expect(one.turns).toEqual([])
  })

  test('an accept that nobody waits for is taken back', async () => {
    const one = await changes([grant()])
    one.atGrant(await one.pair(ALICE, BOB), 'accept')
    expect(one.turns).toEqual([])
    expect(writesOf(one)).toEqual([
      { drop: 'presenceGrants', where: { observed: BOB, observer: ALICE } },
      news(BOB, ALICE, 'incoming', 'withdrawn', 101),
    ])
  })

  test('a pair that was only looked at leaves nothing', async () => {
    const one = await changes([entry(), grant()])
    expect(await one.pair(ALICE, BOB)).toMatchObject({
      list: 'pending',
      grant: 'pending',
      askedTs: 1,
      grantTs: 1,
    })
    await one.pair(BOB, ALICE)
    expect([one.isEmpty, writesOf(one), one.turns, [...one.told]]).toEqual([true, [], [], []])
  })
})

test('P-053 what is said to another server does not arrive on this one', async () => {
  const one = await changes()
  one.atList(await one.pair(ALICE, ZOE), 'invite', 'accept')
  expect(writesOf(one)).toEqual([
    entry({ observed: ZOE, askedTs: NOW }),
    news(ALICE, ZOE, 'outgoing', 'pending', 101),
  ])
  const other = await changes([grant({ observer: ZOE, ts: 1 })])
  other.atGrant(await other.pair(ZOE, BOB), 'accept')
  expect(writesOf(other)).toEqual([
    grant({ observer: ZOE, state: 'granted', ts: NOW }),
    news(BOB, ZOE, 'incoming', 'accepted', 101),
  ])
})
