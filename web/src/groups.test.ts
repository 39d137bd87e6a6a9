import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ShownPresence, UserPresence } from '@adsum/client'
import { comparePeople, groupPeople } from './groups.ts'

function person(userId: string, parts: Partial<UserPresence> = {}): UserPresence {
  const presence = parts.presence ?? 'offline'
  return {
    userId,
    presence,
    rawPresence: presence,
    currentlyActive: false,
    updatedAt: 0,
    rooms: [],
    listed: null,
    ...parts,
  }
}

const names = (people: readonly UserPresence[]): string[] => people.map(({ userId }) => userId)
const shown = (people: readonly UserPresence[]): object =>
  Object.fromEntries(groupPeople(people).map(({ id, people }) => [id, names(people)]))

test('people are grouped by why one sees them, the list first, and no group is empty', () => {
  const people = [
    person('@asked:hs', { listed: 'pending' }),
    person('@room:hs', { rooms: ['!a:hs'] }),
    person('@friend:hs', { listed: 'accepted' }),
    person('@both:hs', { listed: 'accepted', rooms: ['!a:hs'] }),
  ]
  expect(groupPeople(people).map(({ id }) => id)).toEqual(['list', 'rooms', 'asked'])
  expect(shown(people)).toEqual({
    list: ['@both:hs', '@friend:hs'],
    rooms: ['@room:hs'],
    asked: ['@asked:hs'],
  })
  expect(groupPeople([])).toEqual([])
})

test('whoever was asked but shares a room is seen, and stands with the rooms', () => {
  expect(shown([person('@a:hs', { listed: 'pending', rooms: ['!a:hs'] })])).toEqual({ rooms: ['@a:hs'] })
})

test('whoever is only remembered is not shown; whoever is told of is', () => {
  expect(shown([person('@gone:hs'), person('@lost:hs', { presence: 'unknown' })])).toEqual({})
  expect(shown([person('@told:hs', { presence: 'online' })])).toEqual({ rooms: ['@told:hs'] })
})

test('in a group the one who is easiest to reach comes first', () => {
  const states: ShownPresence[] = ['unknown', 'offline', 'unavailable', 'busy', 'online', 'free_for_chat']
  const people = states.map((presence) => person(`@${presence}:hs`, { presence, listed: 'accepted' }))
  expect(groupPeople(people)[0]?.people.map(({ presence }) => presence)).toEqual(states.toReversed())
})

test('among equals the name decides, as people sort names, and then the ID', () => {
  const people = [
    person('@3:hs', { displayname: 'carol' }),
    person('@2:hs', { displayname: 'Émile' }),
    person('@4:hs', { displayname: 'Bob 10' }),
    person('@5:hs', { displayname: 'bob 9' }),
    person('@alice:hs'),
    person('@1b:hs', { displayname: 'Dan' }),
    person('@1a:hs', { displayname: 'Dan' }),
    person('@6:hs', { displayname: '  ' }),
  ]
  expect(names(people.toSorted(comparePeople))).toEqual([
    '@6:hs',
    '@alice:hs',
    '@5:hs',
    '@4:hs',
    '@3:hs',
    '@1a:hs',
    '@1b:hs',
    '@2:hs',
  ])
})

test('the order does not depend on the order in which people were heard of', () => {
  const anybody = fc.record({
    userId: fc.constantFrom('@a:hs', '@b:hs', '@c:hs', '@d:hs'),
    displayname: fc.constantFrom('Ann', 'ann', 'Änn', ''),
    presence: fc.constantFrom<ShownPresence>('online', 'unavailable', 'offline'),
  })
  const people = fc.uniqueArray(anybody, { selector: ({ userId }) => userId })
  fc.assert(
    fc.property(people, (some) => {
      const all = some.map(({ userId, ...parts }) => person(userId, { ...parts, listed: 'accepted' }))
      expect(shown(all.toReversed())).toEqual(shown(all))
    }),
  )
})
