import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { UserId } from '../matrix/ids.ts'
import { EARLY_PUSH_TTL_MS, EarlyPushes, type EarlyPush } from './early-pushes.ts'

const ZOE = '@zoe:remote' as UserId

function push(text: string): EarlyPush {
  const presence = { state: 'online', statusMsg: text, lastActiveTs: null, currentlyActive: false } as const
  return { presence, displayname: null, avatarUrl: null }
}

function kept(usersMax = 100): { clock: ManualClock; early: EarlyPushes } {
  const clock = new ManualClock()
  return { clock, early: new EarlyPushes({ clock, usersMax }) }
}

test('P-180 the latest push of a user is kept, and given out once', () => {
  const { early } = kept()
  early.keep(ZOE, push('one'))
  early.keep(ZOE, push('two'))
  expect(early.size).toBe(1)
  expect(early.take(ZOE)).toEqual(push('two'))
  expect(early.take(ZOE)).toBeNull()
  expect(early.size).toBe(0)
})

test('P-180 it is kept for ten minutes and no longer', async () => {
  const { clock, early } = kept()
  early.keep(ZOE, push('one'))
  await clock.advance(EARLY_PUSH_TTL_MS - 1)
  expect(early.take(ZOE)).toEqual(push('one'))
  early.keep(ZOE, push('two'))
  await clock.advance(EARLY_PUSH_TTL_MS)
  expect(early.take(ZOE)).toBeNull()
})

test('what is too old goes when something new comes', async () => {
  const { clock, early } = kept()
  for (const name of ['a', 'b', 'c']) early.keep(`@${name}:${name}` as UserId, push(name))
  await clock.advance(EARLY_PUSH_TTL_MS)
  early.keep(ZOE, push('one'))
  expect(early.size).toBe(1)
})

test('P-201 a server that says much drives out nothing but its own', () => {
  const { early } = kept(10)
  for (const name of ['a', 'b', 'c']) early.keep(`@${name}:${name}` as UserId, push(name))
  for (let i = 0; i < 1_000; i += 1) early.keep(`@${i}:loud` as UserId, push(String(i)))
  expect(early.size).toBe(10)
  for (const name of ['a', 'b', 'c'])
    expect(early.take(`@${name}:${name}` as UserId)?.presence.statusMsg).toBe(name)
  expect(early.take('@999:loud' as UserId)).not.toBeNull()
  expect(early.take('@992:loud' as UserId)).toBeNull()
})

test('P-180 one server alone may fill it, and makes room for a second', () => {
  const { early } = kept(10)
  for (let i = 0; i < 10; i += 1) early.keep(`@${i}:first` as UserId, push(String(i)))
  expect(early.size).toBe(10)
  for (let i = 0; i < 3; i += 1) early.keep(`@${i}:second` as UserId, push(String(i)))
  expect(early.size).toBe(10)
  for (let i = 0; i < 3; i += 1) expect(early.take(`@${i}:second` as UserId)).not.toBeNull()
})

test('P-180 it never holds more than its bound, and always the newest that was said', () => {
  const userId = fc
    .tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 3 }))
    .map(([user, server]) => `@${user}:s${server}` as UserId)
  const step = fc.record({ userId, takes: fc.boolean(), passes: fc.integer({ min: 0, max: 300_000 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 12 }), (steps, max) => {
      const clock = { nowTs: 0, now: () => clock.nowTs, after: () => ({ cancel: () => {} }) }
      const early = new EarlyPushes({ clock, usersMax: max })
      let wasFull = false
      const said = new Map<UserId, { text: string; ts: number }>()
      for (const [at, { userId, takes, passes }] of steps.entries()) {
        clock.nowTs += passes
        const known = said.get(userId)
        if (takes) {
          const taken = early.take(userId)
          // Full, it may have forgotten; it never makes anything up.
          if (taken !== null) {
            expect(taken.presence.statusMsg).toBe(known?.text)
            expect(clock.nowTs - (known?.ts ?? 0)).toBeLessThan(EARLY_PUSH_TTL_MS)
          } else if (!wasFull && known !== undefined)
            expect(clock.nowTs - known.ts).toBeGreaterThanOrEqual(EARLY_PUSH_TTL_MS)
          said.delete(userId)
        } else {
          early.keep(userId, push(String(at)))
          said.set(userId, { text: String(at), ts: clock.nowTs })
          expect(early.take(userId)).toEqual(push(String(at)))
          early.keep(userId, push(String(at)))
        }
        wasFull ||= said.size > max
        expect(early.size).toBeLessThanOrEqual(max)
      }
    }),
  )
})
