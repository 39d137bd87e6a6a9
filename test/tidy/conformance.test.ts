import { expect, test } from 'vitest'
import { rules, testedRules, waitingFor } from '../../scripts/conformance.ts'
import { WAITING } from '../../scripts/waiting.ts'

const all = rules()
const tested = testedRules()

test('every MUST rule of the specifications has a test, or is listed as waiting', () => {
  const gaps = all.filter(
    (rule) => rule.level.startsWith('MUST') && !tested.has(rule.id) && waitingFor(rule) === null,
  )
  expect(gaps.map(({ id, rule }) => `${id} ${rule}`)).toEqual([])
})

test('every rule id in a test name exists', () => {
  const known = new Set(all.map(({ id }) => id))
  expect([...tested.keys()].filter((id) => !known.has(id))).toEqual([])
})

test('no rule is listed as waiting that has a test, and none twice', () => {
  const waiting = Object.values(WAITING).flat()
  expect(waiting.filter((id) => tested.has(id))).toEqual([])
  expect(waiting.filter((id, i) => waiting.indexOf(id) !== i)).toEqual([])
})
