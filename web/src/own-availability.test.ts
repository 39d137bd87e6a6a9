import { expect, test } from 'vitest'
import type { OwnPresence, OwnState } from '@adsum/client'
import { ownAvailability } from './own-availability.ts'

function own(state: OwnState, isIdle: boolean): OwnPresence {
  const userId = '@alice:hs'
  const published = {
    userId,
    presence: 'offline',
    rawPresence: 'offline',
    currentlyActive: false,
    updatedAt: 0,
    rooms: [],
    listed: null,
  } as const
  return { userId, state, isIdle, published, isSaving: false }
}

test('the own dot is what was chosen', () => {
  for (const state of ['online', 'free_for_chat', 'busy', 'unavailable', 'hidden', 'offline'] as const)
    expect(ownAvailability(own(state, false), 'connected')).toBe(state)
})

test('idling shows where it is told: not while busy or hidden', () => {
  const idle = (state: OwnState): string => ownAvailability(own(state, true), 'connected')
  expect(['online', 'free_for_chat'].map((state) => idle(state as OwnState))).toEqual([
    'unavailable',
    'unavailable',
  ])
  expect(['busy', 'hidden'].map((state) => idle(state as OwnState))).toEqual(['busy', 'hidden'])
})

test('without the server nobody knows', () => {
  for (const connection of ['lost', 'connecting', 'stopped'] as const)
    expect(ownAvailability(own('online', false), connection)).toBe('unknown')
})
