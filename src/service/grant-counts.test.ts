import { expect, test } from 'vitest'
import type { GrantState } from '../engine/presence-list.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import type { Row } from '../ports/store.ts'
import {
  GrantCounts,
  INVITES_WAITING_MAX,
  OBSERVERS_MAX,
  ORIGIN_INVITES_MAX,
  ORIGIN_INVITES_PER_USER_MAX,
} from './grant-counts.ts'

const BOB = '@bob:hs' as UserId

type Pairs = readonly (readonly [observer: string, observed: string])[]

const rowsOf = (pairs: Pairs, state: Row<'presenceGrants'>['state']): Row<'presenceGrants'>[] =>
  pairs.map(([observer, observed]) => ({
    observer: observer as UserId,
    observed: observed as UserId,
    state,
    ts: 0,
    ask: null,
  }))
const countsOf = (rows: readonly Row<'presenceGrants'>[] = []): GrantCounts =>
  new GrantCounts({ rows, serverName: 'hs' as ServerName })
const many = (count: number, server: string): Pairs =>
  Array.from({ length: count }, (_, i) => [`@u${i}:${server}`, BOB])
const from = (server: string, observed = BOB): { observer: UserId; observed: UserId } => ({
  observer: `@new:${server}` as UserId,
  observed,
})

test('invites of one server to one user are bounded, and leave room for others', () => {
  const counts = countsOf(rowsOf(many(ORIGIN_INVITES_PER_USER_MAX, 'far'), 'pending'))
  expect(counts.mayWait(from('far'))).toBe(false)
  expect(counts.mayWait(from('near'))).toBe(true)
  expect(counts.mayWait(from('hs'))).toBe(true)
  expect(counts.mayWait(from('far', '@carol:hs' as UserId))).toBe(true)
})

test('invites to one user are bounded, whoever they come from; those of our own users have no origin', () => {
  const counts = countsOf(rowsOf(many(INVITES_WAITING_MAX - 1, 'hs'), 'pending'))
  expect([counts.mayWait(from('hs')), counts.mayWait(from('far'))]).toEqual([true, true])
  counts.turned({ ...from('hs'), before: 'absent', after: 'pending' })
  expect([counts.mayWait(from('hs')), counts.mayWait(from('far'))]).toEqual([false, false])
})

test('invites of one server to anybody are bounded', () => {
  const spread = many(ORIGIN_INVITES_MAX, 'far').map(
    ([observer], i) => [observer, `@b${i % 100}:hs`] as const,
  )
  const counts = countsOf(rowsOf(spread, 'pending'))
  expect(counts.mayWait(from('far'))).toBe(false)
  expect(counts.mayWait(from('near'))).toBe(true)
})

test('grants by policy are bounded; waiting and ignored ones are none', () => {
  const others: readonly GrantState[] = ['pending', 'ignored']
  const counts = countsOf(rowsOf(many(OBSERVERS_MAX - 1, 'far'), 'granted'))
  for (const after of others) counts.turned({ ...from('x'), before: 'absent', after })
  expect(counts.mayBeGiven(BOB)).toBe(true)
  counts.turned({ ...from('y'), before: 'pending', after: 'granted' })
  expect(counts.mayBeGiven(BOB)).toBe(false)
  expect(counts.mayBeGiven('@carol:hs' as UserId)).toBe(true)
})

test('what ends makes room', () => {
  const counts = countsOf(rowsOf(many(ORIGIN_INVITES_PER_USER_MAX, 'far'), 'pending'))
  const first = { observer: '@u0:far' as UserId, observed: BOB }
  for (const after of ['absent', 'granted', 'ignored'] as const) {
    counts.turned({ ...first, before: 'pending', after })
    expect(counts.mayWait(from('far'))).toBe(true)
    counts.turned({ ...first, before: after, after: 'pending' })
    expect(counts.mayWait(from('far'))).toBe(false)
  }
})
