import { expect, test } from 'vitest'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { HistoryStep } from './room-history.ts'
import { transition, type Transition, type TransitionQuery } from './room-section-transitions.ts'

const ROOM = '!room:home.example' as RoomId

/** `at(5, 'join')` and so on, at these positions; the answer is for (since, now]. */
function between(
  steps: readonly (readonly [number, string])[],
  query: Partial<TransitionQuery>,
  forgotten: 0 | 1 = 0,
): Transition | null {
  const known: HistoryStep[] = steps.map(([pos, value]) => ({ pos, value, eventId: `$${pos}` as EventId }))
  const full = { since: 10, now: 20, includeLeave: false, fullState: false, ...query }
  return transition({ roomId: ROOM, forgotten }, known, full)
}

test('§6.6 what lies beyond the window does not count, so that the next answer tells it', () => {
  expect(
    between(
      [
        [5, 'join'],
        [25, 'leave'],
      ],
      {},
    ),
  ).toMatchObject({ section: 'join', isNew: false })
  expect(between([[25, 'invite']], {})).toBeNull()
})

test('§6.6 an invite or a knock is told once, and again when it is made anew', () => {
  for (const value of ['invite', 'knock']) {
    expect(between([[5, value]], {})).toBeNull()
    expect(between([[15, value]], {})).toMatchObject({ section: value, step: { pos: 15 } })
    expect(
      between(
        [
          [5, value],
          [15, value],
        ],
        {},
      ),
    ).toMatchObject({ section: value, step: { pos: 15 } })
    expect(between([[5, value]], { since: null })).toMatchObject({ section: value })
  }
})

test.each([
  [
    'join → leave',
    [
      [5, 'join'],
      [15, 'leave'],
    ],
    { upTo: 15, baseline: 10, hasState: true },
  ],
  [
    'join → leave → ban: as of the leaving',
    [
      [5, 'join'],
      [15, 'leave'],
      [16, 'ban'],
    ],
    { upTo: 15, baseline: 10 },
  ],
  [
    'none → join → leave',
    [
      [14, 'join'],
      [15, 'leave'],
    ],
    { upTo: 15, baseline: null, hasState: true },
  ],
  [
    'join → leave → join → leave',
    [
      [5, 'join'],
      [12, 'leave'],
      [13, 'join'],
      [15, 'ban'],
    ],
    { upTo: 15, baseline: 10 },
  ],
  [
    'invite → leave',
    [
      [5, 'invite'],
      [15, 'leave'],
    ],
    { upTo: 15, baseline: null, hasState: false },
  ],
  [
    'none → invite → leave',
    [
      [14, 'invite'],
      [15, 'leave'],
    ],
    { upTo: 15, hasState: false },
  ],
  [
    'knock → ban',
    [
      [5, 'knock'],
      [15, 'ban'],
    ],
    { upTo: 15, hasState: false },
  ],
  [
    'left long ago, invited, rejected',
    [
      [1, 'join'],
      [2, 'leave'],
      [5, 'invite'],
      [15, 'leave'],
    ],
    { upTo: 15, hasState: false },
  ],
] as const)('§6.6 %s is in leave', (_, steps, window) => {
  expect(between(steps, {})).toMatchObject({ section: 'leave', window: { after: 10, ...window } })
})

test.each([
  [
    'leave',
    [
      [1, 'join'],
      [5, 'leave'],
    ],
  ],
  [
    'leave → ban',
    [
      [1, 'join'],
      [5, 'leave'],
      [15, 'ban'],
    ],
  ],
  [
    'ban → leave',
    [
      [1, 'join'],
      [5, 'ban'],
      [15, 'leave'],
    ],
  ],
  ['none → ban', [[15, 'ban']]],
  ['nothing', []],
] as const)('§6.6 %s is not told', (_, steps) => {
  expect(between(steps, {})).toBeNull()
})

test.each([
  ['stays', [[5, 'join']], {}, { baseline: 10, isLimited: false }, false],
  [
    'renames',
    [
      [5, 'join'],
      [15, 'join'],
    ],
    {},
    { baseline: 10, isLimited: false },
    false,
  ],
  [
    'was away',
    [
      [5, 'join'],
      [14, 'leave'],
      [15, 'join'],
    ],
    {},
    { baseline: 10, isLimited: true },
    false,
  ],
  [
    'joins',
    [
      [5, 'invite'],
      [15, 'join'],
    ],
    {},
    { baseline: null, after: 10, isLimited: true },
    true,
  ],
  ['full state', [[5, 'join']], { fullState: true }, { baseline: null, after: 10, isLimited: false }, false],
  ['initial', [[5, 'join']], { since: null }, { baseline: null, after: 0, isLimited: false }, true],
] as const)('§6.6 %s is in join', (_, steps, query, window, isNew) => {
  expect(between(steps, query)).toMatchObject({ section: 'join', isNew, window: { upTo: 20, ...window } })
})

test('R-206 an initial sync has left rooms only if asked for, as of the leaving, and no forgotten ones', () => {
  const steps = [
    [5, 'join'],
    [8, 'leave'],
    [9, 'ban'],
  ] as const
  expect(between(steps, { since: null })).toBeNull()
  const asked = { since: null, includeLeave: true }
  expect(between(steps, asked)).toMatchObject({
    section: 'leave',
    window: { after: 0, upTo: 8, hasState: true },
  })
  expect(between(steps, asked, 1)).toBeNull()
  expect(
    between(
      [
        [5, 'invite'],
        [8, 'leave'],
      ],
      asked,
    ),
  ).toMatchObject({ window: { upTo: 8, hasState: false } })
})
