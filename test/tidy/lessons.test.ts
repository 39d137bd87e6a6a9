import { expect, test } from 'vitest'
import { LESSONS, shownLessons } from '../../scripts/lessons.ts'

const shown = shownLessons()

test('every lesson has a test on a whole server, or says what it waits for', () => {
  const gaps = LESSONS.filter(({ id, waitsFor }) => waitsFor === undefined && !shown.has(id))
  expect(gaps.map(({ id, trap }) => `${id} ${trap}`)).toEqual([])
})

test('no lesson waits that has a test', () => {
  const early = LESSONS.filter(({ id, waitsFor }) => waitsFor !== undefined && shown.has(id))
  expect(early.map(({ id }) => id)).toEqual([])
})

test('every lesson in a test name exists', () => {
  const known = new Set(LESSONS.map(({ id }) => id))
  expect([...shown.keys()].filter((id) => !known.has(id))).toEqual([])
})
