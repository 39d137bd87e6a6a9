import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { POLICY, START } from '../../test/support/engine-kit.ts'
import { anyHistory, Shell, USERS, type Step } from '../../test/support/engine-histories.ts'
import type { Effects } from './effects.ts'
import { Engine } from './engine.ts'
import type { PresenceView, UserNum } from './types.ts'

type Ticking = 'on time' | 'late' | 'never'

function live(steps: readonly Step[], ticking: Ticking): { engine: Engine; effects: Effects[]; now: number } {
  const engine = new Engine({ policy: POLICY, head: 0 })
  const effects: Effects[] = [engine.begin(START)]
  const shell = new Shell()
  let now = START
  for (const step of steps) {
    if (step.kind !== 'passes') {
      const command = shell.command(step)
      if (command !== null) effects.push(engine.apply(command, now))
      continue
    }
    const end = now + step.ms
    if (ticking === 'on time')
      for (let due = engine.nextDeadline(); due !== null && due <= end; due = engine.nextDeadline())
        effects.push(engine.tick((now = due)))
    now = end
    if (ticking === 'late') effects.push(engine.tick(now))
  }
  effects.push(engine.tick(now))
  return { engine, effects, now }
}

/** What everybody may see of everybody, the exact places in the stream apart. */
function shown({ engine, now }: { engine: Engine; now: number }): unknown[] {
  const views: unknown[] = []
  for (let viewer = 0; viewer < USERS; viewer += 1)
    for (let user = 0; user < USERS; user += 1)
      views.push(withoutPlace(engine.view(viewer as UserNum, user as UserNum, now)))
  return views
}

function withoutPlace(view: PresenceView | null): unknown {
  return view === null ? null : { ...view, seq: 0 }
}

describe('determinism', () => {
  test('the same commands at the same times twice have the same effects and end in the same state', () => {
    fc.assert(
      fc.property(anyHistory, fc.constantFrom('on time', 'late', 'never' as const), (steps, ticking) => {
        const [one, other] = [live(steps, ticking), live(steps, ticking)]
        expect(other.effects).toEqual(one.effects)
        expect(other.engine.digest()).toBe(one.engine.digest())
        expect(other.engine.nextDeadline()).toBe(one.engine.nextDeadline())
      }),
    )
  })

  test('deadlines served late or never lead to the same presence as deadlines served on time', () => {
    fc.assert(
      fc.property(anyHistory, fc.constantFrom('late', 'never' as const), (steps, ticking) => {
        const [onTime, other] = [live(steps, 'on time'), live(steps, ticking)]
        expect(shown(other)).toEqual(shown(onTime))
      }),
      { numRuns: 300 },
    )
  })
})
