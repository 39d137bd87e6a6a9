import { describe, expect, test } from 'vitest'
import {
  stepGrant,
  stepList,
  type Action,
  type GrantInput,
  type GrantState,
  type ListInput,
  type ListState,
  type Step,
} from './presence-list.ts'

const LIST_STATES: readonly ListState[] = ['absent', 'pending', 'accepted']
const LIST_INPUTS: readonly ListInput[] = ['invite', 'resend', 'repeat', 'drop', 'expire', 'accept', 'deny']
const GRANT_STATES: readonly GrantState[] = ['absent', 'pending', 'granted', 'ignored']
const GRANT_INPUTS: readonly GrantInput[] = [
  'invite, ask',
  'invite, accept',
  'invite, deny',
  'withdraw',
  'accept',
  'deny',
  'deny and ignore',
  'revoke',
  'revoke and ignore',
  'lift',
  'expire',
]

/** The rows of PRESENCE-SPEC §5.5: state | input | new state | actions. A pair that is not here changes nothing. */
const LIST_ROWS = `
  absent   | invite | pending  | send invite; event pending
  pending  | resend | pending  | refresh; send invite
  pending  | repeat | pending  | send invite
  pending  | accept | accepted | event accepted
  pending  | deny   | absent   | event denied
  accepted | deny   | absent   | event revoked
  pending  | drop   | absent   | send withdraw; event withdrawn
  accepted | drop   | absent   | send withdraw; event withdrawn
  pending  | expire | absent   | event expired
  absent   | accept | absent   | send withdraw
`

const GRANT_ROWS = `
  absent  | invite, ask       | pending | event pending
  absent  | invite, accept    | granted | send accept; push; event accepted
  absent  | invite, deny      | absent  | send deny
  pending | invite, ask       | pending | refresh
  pending | invite, accept    | pending | refresh
  pending | invite, deny      | pending | refresh
  granted | invite, ask       | granted | send accept; push
  granted | invite, accept    | granted | send accept; push
  granted | invite, deny      | granted | send accept; push
  ignored | invite, ask       | ignored | send deny
  ignored | invite, accept    | ignored | send deny
  ignored | invite, deny      | ignored | send deny
  pending | accept            | granted | send accept; push; event accepted
  pending | deny              | absent  | send deny; event denied
  pending | deny and ignore   | ignored | send deny; event denied
  granted | revoke            | absent  | send deny; event revoked
  granted | revoke and ignore | ignored | send deny; event revoked
  pending | withdraw          | absent  | event withdrawn
  granted | withdraw          | absent  | event withdrawn
  pending | expire            | absent  | event expired
  ignored | lift              | absent  |
  absent  | revoke and ignore | ignored |
  pending | revoke and ignore | ignored | send deny; event denied
`

function rowsOf(text: string): ReadonlyMap<string, string> {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([state, input, next, actions]) => [`${state} | ${input}`, `${next} | ${actions}`] as const)
  expect(new Set(rows.map(([key]) => key)).size, 'a row twice').toBe(rows.length)
  return new Map(rows)
}

function inWords({ state, actions }: Step<string, string>): string {
  return `${state} | ${actions.map(actionInWords).join('; ')}`
}

function actionInWords(action: Action<string>): string {
  if (action.kind === 'send') return `send ${action.message}`
  return action.kind === 'event' ? `event ${action.state}` : action.kind
}

describe('the observer’s side', () => {
  const rows = rowsOf(LIST_ROWS)
  const pairs = LIST_STATES.flatMap((state) => LIST_INPUTS.map((input) => [state, input] as const))

  test.each(pairs)('P-051 P-053 L-21 %s, %s', (state, input) => {
    const key = `${state} | ${input}`
    expect(inWords(stepList(state, input))).toBe(rows.get(key) ?? `${state} | `)
  })

  test('every row of §5.5 is a pair', () => {
    const keys = new Set(pairs.map(([state, input]) => `${state} | ${input}`))
    expect([...rows.keys()].filter((key) => !keys.has(key))).toEqual([])
  })

  test('P-051 an input that comes twice changes nothing and tells nobody the second time', () => {
    for (const [state, input] of pairs) {
      const once = stepList(state, input)
      const twice = stepList(once.state, input)
      expect(twice.state, `${state}, ${input}`).toBe(once.state)
      expect(twice.actions.filter(({ kind }) => kind === 'event')).toEqual([])
    }
  })
})

describe('the observed user’s side', () => {
  const rows = rowsOf(GRANT_ROWS)
  const pairs = GRANT_STATES.flatMap((state) => GRANT_INPUTS.map((input) => [state, input] as const))

  test.each(pairs)('P-057 L-21 %s, %s', (state, input) => {
    const key = `${state} | ${input}`
    expect(inWords(stepGrant(state, input))).toBe(rows.get(key) ?? `${state} | `)
  })

  test('every row of §5.5 is a pair', () => {
    const keys = new Set(pairs.map(([state, input]) => `${state} | ${input}`))
    expect([...rows.keys()].filter((key) => !keys.has(key))).toEqual([])
  })

  test('P-051 an input that comes twice changes nothing and tells nobody the second time', () => {
    for (const [state, input] of pairs) {
      const once = stepGrant(state, input)
      const twice = stepGrant(once.state, input)
      expect(twice.state, `${state}, ${input}`).toBe(once.state)
      expect(twice.actions.filter(({ kind }) => kind === 'event')).toEqual([])
    }
  })
})
