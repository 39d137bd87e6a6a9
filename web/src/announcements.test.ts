import { expect, test } from 'vitest'
import type { ShownPresence, UserPresence } from '@adsum/client'
import { announcement, type Scene } from './announcements.ts'

const QUIET: Scene = { connection: 'connected', followed: [], incoming: [] }

function person(name: string, presence: ShownPresence): UserPresence {
  return {
    userId: `@${name.toLowerCase()}:hs`,
    displayname: name,
    presence,
    rawPresence: presence,
    currentlyActive: false,
    updatedAt: 0,
    rooms: [],
    listed: 'accepted',
  }
}

const showing = (...followed: UserPresence[]): Scene => ({ ...QUIET, followed })

test('a changed state is said, other changes are not', () => {
  const bob = person('Bob', 'online')
  expect(announcement(showing(bob), showing(person('Bob', 'unavailable')))).toBe('Bob: Idle.')
  expect(announcement(showing(bob), showing({ ...bob, statusMsg: 'x', currentlyActive: true }))).toBe('')
})

test('whoever is new on the list is not announced as changed', () => {
  expect(announcement(QUIET, showing(person('Bob', 'online')))).toBe('')
})

test('new questions are said, and each once', () => {
  const asked: Scene = { ...QUIET, incoming: [{ userId: '@bob:hs', ts: 1 }] }
  expect(announcement(QUIET, asked)).toBe('@bob:hs asks to see you.')
  expect(announcement(asked, asked)).toBe('')
})

test('losing the server and finding it again are one sentence each, not one for each person', () => {
  const before = showing(person('Bob', 'online'), person('Carol', 'offline'))
  const lost = {
    ...showing(person('Bob', 'unknown'), person('Carol', 'unknown')),
    connection: 'lost',
  } as const
  expect(announcement(before, lost)).toBe('The server cannot be reached. Everyone is unknown.')
  expect(announcement(lost, before)).toBe('The server is back.')
  expect(announcement({ ...lost, connection: 'connected' }, before)).toBe('')
})

test('a crowd is counted', () => {
  const people = ['Ann', 'Bob', 'Carol', 'Dan', 'Eve']
  const scene = (presence: ShownPresence): Scene => showing(...people.map((name) => person(name, presence)))
  expect(announcement(scene('online'), scene('offline'))).toBe(
    'Ann: Offline. Bob: Offline. Carol: Offline. And 2 more.',
  )
})
