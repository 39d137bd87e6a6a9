import { expect, test } from 'vitest'
import { activityText, agoText } from './age.ts'

const NOW = new Date(2026, 10, 22, 12, 0, 0).getTime()
const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

test('P-206 who is currently active is active now, whatever the time says', () => {
  expect(activityText({ currentlyActive: true, lastActiveTs: NOW - DAY }, NOW)).toBe('active now')
  expect(activityText({ currentlyActive: true }, NOW)).toBe('active now')
})

test('of who was never seen active nothing is said', () => {
  expect(activityText({ currentlyActive: false }, NOW)).toBe('')
})

test.each([
  [0, 'active just now'],
  [MINUTE - 1, 'active just now'],
  [MINUTE, 'active 1 min ago'],
  [5 * MINUTE + 30_000, 'active 5 min ago'],
  [HOUR - 1, 'active 59 min ago'],
  [HOUR, 'active 1 h ago'],
  [DAY - 1, 'active 23 h ago'],
  [DAY, 'active a day ago'],
  [2 * DAY, 'active 2 days ago'],
  [7 * DAY - 1, 'active 6 days ago'],
  [7 * DAY, 'active on 15 November'],
  [400 * DAY, 'active on 18 October 2025'],
])('%i ms later the text is "%s"', (ageMs, text) => {
  expect(activityText({ currentlyActive: false, lastActiveTs: NOW - ageMs }, NOW)).toBe(text)
})

test('a time in the future, by a clock that was set back, is now', () => {
  expect(agoText(NOW + HOUR, NOW)).toBe('just now')
})
