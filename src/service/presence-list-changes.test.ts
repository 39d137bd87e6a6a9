import { describe, expect, test } from 'vitest'
import { ALICE, BOB, ZOE } from '../../test/support/list-house.ts'
import type { ListEduKind } from '../matrix/edu.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import type { Row, Write } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { PairChanges } from './presence-list-changes.ts'

const NOW = 5_000
const REMOTE = 'remote' as ServerName

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
      entry({ askedTs: NOW, ask: 101 }),
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
      entry({ state: 'accepted', askedTs: NOW, acceptedPos: 102, ask: 102 }),
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
      entry({ state: 'accepted', askedTs: NOW, acceptedPos: 101, ask: 101 }),
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

describe('a user of another server', () => {
  const waiting = (kind: ListEduKind, cells: Partial<Row<'listOutbox'>>): Write => ({
    put: 'listOutbox',
    row: { observer: ALICE, observed: ZOE, serverName: REMOTE, kind, ask: null, pos: 0, ...cells },
  })
  const remoteEntry = (cells: Partial<Row<'presenceList'>> = {}): Write =>
    entry({ observed: ZOE, ask: 7, ...cells })
  const remoteGrant = (cells: Partial<Row<'presenceGrants'>> = {}): Write =>
    grant({ observer: ZOE, ask: 7, ...cells })
  const noEntry: Write = { drop: 'presenceList', where: { observer: ALICE, observed: ZOE } }
  const noGrant: Write = { drop: 'presenceGrants', where: { observed: BOB, observer: ZOE } }

  test('P-053 P-186 is invited in the outbox, by a name for this asking', async () => {
    const one = await changes()
    one.atList(await one.pair(ALICE, ZOE), 'invite', 'accept')
    expect(writesOf(one)).toEqual([
      remoteEntry({ askedTs: NOW, ask: 101 }),
      waiting('invite', { ask: 101, pos: 102 }),
      news(ALICE, ZOE, 'outgoing', 'pending', 101),
    ])
    expect([[...one.addressed], one.turns, one.isMereAnswer]).toEqual([[REMOTE], [], false])
  })

  test('P-190 is let in by an accept and a push', async () => {
    const one = await changes([remoteGrant()])
    one.atGrant(await one.pair(ZOE, BOB), 'accept')
    expect(writesOf(one)).toEqual([
      remoteGrant({ state: 'granted', ts: NOW }),
      waiting('accept', { observer: ZOE, observed: BOB, ask: 7, pos: 102 }),
      news(BOB, ZOE, 'incoming', 'accepted', 101),
    ])
    expect(one.turns).toEqual([{ observer: ZOE, observed: BOB, visible: true }])
    expect(one.pushes).toEqual([{ server: REMOTE, observed: BOB }])
    // And stays so whatever else happens to the pair in the same change.
    one.atGrant(await one.pair(ZOE, BOB), 'lift')
    expect(one.pushes).toHaveLength(1)
    one.atGrant(await one.pair(ZOE, BOB), 'revoke')
    expect(one.pushes).toEqual([])
  })

  test.each([
    ['pending', 'deny', 'denied'],
    ['granted', 'revoke', 'revoked'],
  ] as const)('P-191 hears of the end of a %s grant', async (state, input, told) => {
    const one = await changes([remoteGrant({ state })])
    one.atGrant(await one.pair(ZOE, BOB), input)
    expect(writesOf(one)).toEqual([
      noGrant,
      waiting('deny', { observer: ZOE, observed: BOB, ask: 7, pos: 102 }),
      news(BOB, ZOE, 'incoming', told, 101),
    ])
    expect(one.turns).toEqual(state === 'granted' ? [{ observer: ZOE, observed: BOB, visible: false }] : [])
  })

  test('is told the newest word of a change only, of the asking that it is about', async () => {
    const one = await changes([remoteEntry({ state: 'accepted', acceptedPos: 8 })])
    one.atList(await one.pair(ALICE, ZOE), 'drop', 'ask')
    one.atList(await one.pair(ALICE, ZOE), 'invite', 'ask')
    expect(writesOf(one)).toEqual([
      remoteEntry({ askedTs: NOW, ask: 101 }),
      waiting('invite', { ask: 101, pos: 102 }),
      news(ALICE, ZOE, 'outgoing', 'pending', 101),
    ])
    one.atList(await one.pair(ALICE, ZOE), 'drop', 'ask')
    expect(writesOf(one)).toEqual([
      noEntry,
      waiting('withdraw', { ask: 101, pos: 102 }),
      news(ALICE, ZOE, 'outgoing', 'withdrawn', 101),
    ])
  })

  test('is asked again, and reminded, about the same asking', async () => {
    const asked = await changes([remoteEntry()])
    asked.atList(await asked.pair(ALICE, ZOE), 'resend', 'ask')
    expect(writesOf(asked)).toEqual([remoteEntry({ askedTs: NOW }), waiting('invite', { ask: 7, pos: 101 })])
    const reminded = await changes([remoteEntry()])
    reminded.atList(await reminded.pair(ALICE, ZOE), 'repeat', 'ask')
    expect(writesOf(reminded)).toEqual([waiting('invite', { ask: 7, pos: 101 })])
  })

  test('does not hear of an invite whose time is over, but if it is on its way', async () => {
    const one = await changes([remoteEntry()])
    one.atList(await one.pair(ALICE, ZOE), 'expire', 'ask')
    expect(writesOf(one)).toEqual([
      noEntry,
      { drop: 'listOutbox', where: { observer: ALICE, observed: ZOE } },
      news(ALICE, ZOE, 'outgoing', 'expired', 101),
    ])
    expect([...one.addressed]).toEqual([])
    const accepted = await changes([remoteEntry({ state: 'accepted' })])
    accepted.atList(await accepted.pair(ALICE, ZOE), 'expire', 'ask')
    expect(accepted.isEmpty).toBe(true)
  })

  test.each([7, 8, null])('P-192 answers an asking, by its name, a later one, or none: %s', async (ask) => {
    const accepted = await changes([remoteEntry()])
    accepted.hear(await accepted.pair(ALICE, ZOE), { kind: 'accept', ask }, 'ask')
    expect(writesOf(accepted)).toEqual([
      remoteEntry({ state: 'accepted', acceptedPos: 101 }),
      news(ALICE, ZOE, 'outgoing', 'accepted', 101),
    ])
    expect(accepted.turns).toEqual([{ observer: ALICE, observed: ZOE, visible: true }])
    for (const [state, told] of [
      ['pending', 'denied'],
      ['accepted', 'revoked'],
    ] as const) {
      const denied = await changes([remoteEntry({ state })])
      denied.hear(await denied.pair(ALICE, ZOE), { kind: 'deny', ask }, 'ask')
      expect(writesOf(denied)).toEqual([noEntry, news(ALICE, ZOE, 'outgoing', told, 101)])
      expect(denied.turns).toEqual(
        state === 'accepted' ? [{ observer: ALICE, observed: ZOE, visible: false }] : [],
      )
    }
  })

  test('who answers an older asking is not heard', async () => {
    for (const state of ['pending', 'accepted'] as const)
      for (const kind of ['accept', 'deny'] as const) {
        const one = await changes([remoteEntry({ state })])
        one.hear(await one.pair(ALICE, ZOE), { kind, ask: 6 }, 'ask')
        expect([one.isEmpty, one.turns]).toEqual([true, []])
      }
    for (const state of ['pending', 'granted'] as const) {
      const one = await changes([remoteGrant({ state })])
      one.hear(await one.pair(ZOE, BOB), { kind: 'withdraw', ask: 6 }, 'ask')
      expect([one.isEmpty, one.turns]).toEqual([true, []])
    }
  })

  test.each([7, 8, null])('who takes an invite back is heard: %s', async (ask) => {
    const one = await changes([remoteGrant({ state: 'granted' })])
    one.hear(await one.pair(ZOE, BOB), { kind: 'withdraw', ask }, 'ask')
    expect(writesOf(one)).toEqual([noGrant, news(BOB, ZOE, 'incoming', 'withdrawn', 101)])
    expect(one.turns).toEqual([{ observer: ZOE, observed: BOB, visible: false }])
  })

  test('P-189 who accepts what nobody asks here is told that nobody does, and nothing becomes of it', async () => {
    const one = await changes()
    one.hear(await one.pair(ALICE, ZOE), { kind: 'accept', ask: 3 }, 'ask')
    expect(writesOf(one)).toEqual([waiting('withdraw', { ask: 3, pos: 101 })])
    expect([one.turns, [...one.told], one.isMereAnswer]).toEqual([[], [], true])
    const denied = await changes()
    denied.hear(await denied.pair(ALICE, ZOE), { kind: 'deny', ask: 3 }, 'ask')
    expect(denied.isEmpty).toBe(true)
  })

  test('an accept of what was taken back does not take the place of a later withdraw', async () => {
    const later = waiting('withdraw', { ask: 8, pos: 5 })
    const old = await changes([later])
    old.hear(await old.pair(ALICE, ZOE), { kind: 'accept', ask: 7 }, 'ask')
    expect(old.isEmpty).toBe(true)
    for (const ask of [8, 9, null]) {
      const one = await changes([later])
      one.hear(await one.pair(ALICE, ZOE), { kind: 'accept', ask }, 'ask')
      expect(writesOf(one)).toEqual([waiting('withdraw', { ask, pos: 101 })])
    }
  })

  test('P-193 who is let in already is let in again, by the name of the latest asking', async () => {
    const one = await changes([remoteGrant({ state: 'granted', ts: NOW })])
    one.hear(await one.pair(ZOE, BOB), { kind: 'invite', ask: 9 }, 'deny')
    expect(writesOf(one)).toEqual([
      remoteGrant({ state: 'granted', ts: NOW, ask: 9 }),
      waiting('accept', { observer: ZOE, observed: BOB, ask: 9, pos: 101 }),
    ])
    expect([one.pushes.length, one.turns, one.told.size]).toEqual([1, [], 0])
    // One that was overtaken does not turn that back.
    const late = await changes([remoteGrant({ state: 'granted', ts: NOW })])
    late.hear(await late.pair(ZOE, BOB), { kind: 'invite', ask: 6 }, 'deny')
    expect(writesOf(late)).toEqual([waiting('accept', { observer: ZOE, observed: BOB, ask: 7, pos: 101 })])
    expect(late.isMereAnswer).toBe(true)
    late.silence()
    expect([late.isEmpty, late.pushes]).toEqual([true, []])
  })

  test('is denied without a trace, ignored ones too', async () => {
    const unknown = await changes()
    unknown.hear(await unknown.pair(ZOE, BOB), { kind: 'invite', ask: 9 }, 'deny')
    const deny = waiting('deny', { observer: ZOE, observed: BOB, ask: 9, pos: 101 })
    expect([writesOf(unknown), unknown.isMereAnswer]).toEqual([[deny], true])
    const ignored = await changes([remoteGrant({ state: 'ignored' })])
    ignored.hear(await ignored.pair(ZOE, BOB), { kind: 'invite', ask: 9 }, 'accept')
    expect([writesOf(ignored), ignored.isMereAnswer]).toEqual([[deny], true])
  })

  test('an invite that crosses its deny is no new one, and one that asks anew is', async () => {
    const denied = waiting('deny', { observer: ZOE, observed: BOB, ask: 7, pos: 5 })
    for (const ask of [6, 7]) {
      const one = await changes([denied])
      one.hear(await one.pair(ZOE, BOB), { kind: 'invite', ask }, 'accept')
      expect(one.isEmpty).toBe(true)
    }
    for (const ask of [8, null]) {
      const one = await changes([denied])
      one.hear(await one.pair(ZOE, BOB), { kind: 'invite', ask }, 'ask')
      expect(writesOf(one)).toContainEqual(remoteGrant({ ts: NOW, ask }))
    }
    const nameless = await changes([waiting('deny', { observer: ZOE, observed: BOB, pos: 5 })])
    nameless.hear(await nameless.pair(ZOE, BOB), { kind: 'invite', ask: 7 }, 'ask')
    expect(nameless.isEmpty).toBe(false)
    const granted = await changes([
      remoteGrant({ state: 'granted' }),
      waiting('accept', { observer: ZOE, observed: BOB, ask: 7, pos: 5 }),
    ])
    granted.hear(await granted.pair(ZOE, BOB), { kind: 'invite', ask: 7 }, 'ask')
    expect(granted.isMereAnswer).toBe(true)
  })

  test('a deny that crosses an invite is followed by a withdraw of that', async () => {
    for (const state of ['pending', 'accepted'] as const) {
      const one = await changes([remoteEntry({ state }), waiting('invite', { ask: 7, pos: 5 })])
      one.hear(await one.pair(ALICE, ZOE), { kind: 'deny', ask: 7 }, 'ask')
      expect(writesOf(one)).toContainEqual(waiting('withdraw', { ask: 7, pos: 102 }))
      expect([...one.addressed]).toEqual([REMOTE])
    }
    const accepted = await changes([remoteEntry(), waiting('invite', { ask: 7, pos: 5 })])
    accepted.hear(await accepted.pair(ALICE, ZOE), { kind: 'accept', ask: 7 }, 'ask')
    expect([...accepted.addressed]).toEqual([])
  })

  test('who waits, waits for the answer to the latest asking', async () => {
    const one = await changes([remoteGrant()])
    one.hear(await one.pair(ZOE, BOB), { kind: 'invite', ask: 9 }, 'accept')
    expect(writesOf(one)).toEqual([remoteGrant({ ts: NOW, ask: 9 })])
    const nameless = await changes([remoteGrant()])
    nameless.hear(await nameless.pair(ZOE, BOB), { kind: 'invite', ask: null }, 'ask')
    expect(writesOf(nameless)).toEqual([remoteGrant({ ts: NOW, ask: null })])
  })
})

test('a pair that was not looked up cannot be changed', async () => {
  const [one, other] = [await changes(), await changes()]
  const pair = await one.pair(ALICE, BOB)
  expect(() => other.atList(pair, 'invite', 'ask')).toThrow('not looked up')
})
