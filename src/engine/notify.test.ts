import { describe, expect, test } from 'vitest'
import { isCurrentlyActive, notifyReason, OFFLINE_FACE, type Face } from './notify.ts'
import type { NotifyReason, PresenceState } from './types.ts'

const WINDOW = 60_000
const POLICY = { activeWindowMs: WINDOW }
const TS = Date.UTC(2015, 9, 2)
const STATES: readonly PresenceState[] = ['offline', 'unavailable', 'online', 'free_for_chat', 'busy']

const ONLINE: Face = { state: 'online', statusMsg: 'here', lastActiveTs: TS, currentlyActive: true }
const QUIET: Face = { ...ONLINE, currentlyActive: false }

function why(heard: Face, now: Face, isProfileChanged = false): NotifyReason | null {
  return notifyReason(heard, now, isProfileChanged, POLICY)
}

describe('a reason to tell', () => {
  const otherwise = STATES.flatMap((from) =>
    STATES.filter((to) => to !== from).map((to) => [from, to] as const),
  )
  test.each(otherwise)('P-144 the state: %s to %s', (from, to) => {
    const common = { statusMsg: null, lastActiveTs: TS, currentlyActive: false }
    expect(why({ state: from, ...common }, { state: to, ...common })).toBe('state')
  })

  test.each([
    ['set', null, 'here'],
    ['changed', 'here', 'there'],
    ['cleared', 'here', null],
  ])('P-144 the text is %s, in every state', (_, before, after) => {
    for (const state of STATES)
      expect(why({ ...QUIET, state, statusMsg: before }, { ...QUIET, state, statusMsg: after })).toBe(
        'status',
      )
  })

  test('P-144 the profile, in every state', () => {
    for (const state of STATES) expect(why({ ...QUIET, state }, { ...QUIET, state }, true)).toBe('profile')
  })

  test('P-142 the window passed, or the user acts again', () => {
    for (const state of ['online', 'free_for_chat', 'busy'] as const) {
      expect(why({ ...ONLINE, state }, { ...QUIET, state })).toBe('currently-active')
      expect(why({ ...QUIET, state }, { ...ONLINE, state })).toBe('currently-active')
    }
  })

  test.each(STATES)('P-143 the time moved on by more than the window while %s and not active', (state) => {
    const heard = { ...QUIET, state }
    expect(why(heard, { ...heard, lastActiveTs: TS + WINDOW + 1 })).toBe('last-active')
    expect(why({ ...heard, lastActiveTs: null }, heard)).toBe('last-active')
  })

  test('P-111 a time that others must not see any more', () => {
    expect(why({ ...OFFLINE_FACE, lastActiveTs: TS }, OFFLINE_FACE)).toBe('last-active')
  })

  test('the strongest reason is given', () => {
    const all: Face = {
      state: 'unavailable',
      statusMsg: null,
      lastActiveTs: TS + 1e6,
      currentlyActive: false,
    }
    expect(why(ONLINE, all, true)).toBe('state')
    expect(why(ONLINE, { ...all, state: 'online' }, true)).toBe('status')
    expect(why(ONLINE, { ...all, state: 'online', statusMsg: 'here' }, true)).toBe('profile')
    expect(why(ONLINE, { ...all, state: 'online', statusMsg: 'here' })).toBe('currently-active')
  })
})

describe('silence', () => {
  test.each(STATES)('nothing happened to who is %s', (state) => {
    expect(why({ ...QUIET, state }, { ...QUIET, state })).toBeNull()
  })

  test('P-143 the time moves while currently active', () => {
    expect(why(ONLINE, { ...ONLINE, lastActiveTs: TS + 1e9 })).toBeNull()
  })

  test.each(STATES)('P-143 the time moved by no more than the window while %s', (state) => {
    const heard = { ...QUIET, state }
    expect(why(heard, { ...heard, lastActiveTs: TS + WINDOW })).toBeNull()
  })

  test('nobody was ever there', () => {
    expect(why(OFFLINE_FACE, OFFLINE_FACE)).toBeNull()
  })
})

describe('currently active', () => {
  test.each(STATES)('P-142 within the window, if %s is a state in which it shows', (state) => {
    const isShown = state === 'online' || state === 'free_for_chat' || state === 'busy'
    const user = { state, lastActiveTs: TS }
    expect(isCurrentlyActive(user, TS, POLICY)).toBe(isShown)
    expect(isCurrentlyActive(user, TS + WINDOW - 1, POLICY)).toBe(isShown)
    expect(isCurrentlyActive(user, TS + WINDOW, POLICY)).toBe(false)
    expect(isCurrentlyActive({ state, lastActiveTs: null }, TS, POLICY)).toBe(false)
  })
})
