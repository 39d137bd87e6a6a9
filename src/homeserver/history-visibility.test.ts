import { describe, expect, test } from 'vitest'
import { aReadingHouse, bodiesOf, type ReadingHouse } from '../../test/support/room-reading.ts'
import { as, aUser } from '../../test/support/room-house.ts'
import type { EventId, RoomId, UserId } from '../matrix/ids.ts'
import { historyView } from './history-visibility.ts'
import type { HistoryStep } from './room-history.ts'

const BOB = '@bob:home.example' as UserId

function steps(...values: readonly (readonly [number, string])[]): HistoryStep[] {
  return values.map(([pos, value]) => ({ pos, value, eventId: `$${pos}` as EventId }))
}

/** Where bob sees a message; at the other places stand his own member events. */
function seen(visibility: string | null, memberships: readonly HistoryStep[], asOf = 100): number[] {
  const visibilities = visibility === null ? [] : steps([0, visibility])
  const view = historyView(BOB, memberships, visibilities, asOf)
  return [1, 3, 5, 6, 8, 9].filter((pos) => view.canSee({ pos, type: 'm.room.message', stateKey: null }))
}

describe('R-167 the table', () => {
  const joinsLater = steps([2, 'invite'], [4, 'join'], [7, 'leave'])

  test.each([
    ['world_readable', [1, 3, 5, 6, 8, 9]],
    ['shared', [1, 3, 5, 6]],
    [null, [1, 3, 5, 6]],
    ['of another kind', [1, 3, 5, 6]],
    ['invited', [3, 5, 6]],
    ['joined', [5, 6]],
  ] as const)('R-167 %s for somebody invited, then joined, then gone', (visibility, expected) => {
    expect(seen(visibility, joinsLater)).toEqual(expected)
  })

  test('R-167 shared history opens with a later join, but not with one after the moment of the answer', () => {
    expect(seen('shared', steps([8, 'join']), 9)).toContain(1)
    expect(seen('shared', steps([8, 'join']), 7)).not.toContain(1)
  })

  test('R-167 nobody sees anything of a room he never joined unless it is open to all', () => {
    expect(seen('shared', [])).toEqual([])
    expect(seen('joined', [])).toEqual([])
    expect(seen('invited', [])).toEqual([])
    expect(seen('world_readable', [])).toHaveLength(6)
  })

  test('R-167 one’s own member event is seen if the membership before or after it allows', () => {
    const view = historyView(BOB, steps([3, 'join'], [6, 'leave']), steps([0, 'joined']), 100)
    const own = (pos: number): boolean => view.canSee({ pos, type: 'm.room.member', stateKey: BOB })
    expect([own(3), own(6)]).toEqual([true, true])
    expect(view.canSee({ pos: 3, type: 'm.room.member', stateKey: '@eve:home.example' })).toBe(false)
    expect(view.canSee({ pos: 3, type: 'm.room.topic', stateKey: BOB })).toBe(false)
  })

  test('R-167 a change of the setting acts only on later events, and is itself seen if either value allows', () => {
    const view = historyView(BOB, [], steps([1, 'joined'], [4, 'world_readable'], [7, 'joined']), 100)
    const message = (pos: number): boolean => view.canSee({ pos, type: 'm.room.message', stateKey: null })
    const change = (pos: number): boolean =>
      view.canSee({ pos, type: 'm.room.history_visibility', stateKey: '' })
    expect([3, 5, 6, 8].map(message)).toEqual([false, true, true, false])
    expect([4, 7].map(change)).toEqual([true, true])
    expect(view.canSee({ pos: 4, type: 'm.room.history_visibility', stateKey: 'other' })).toBe(false)
  })
})

async function readBy(house: ReadingHouse, name: string, roomId: RoomId): Promise<unknown[]> {
  const query = { dir: 'f' as const, from: null, to: null, limit: 100, filter: { types: ['m.room.message'] } }
  return bodiesOf((await house.reading.reader.messages(as(name), roomId, query)).chunk)
}

test.each([
  ['world_readable', ['before', 'invited', 'joined']],
  ['shared', ['before', 'invited', 'joined']],
  ['invited', ['invited', 'joined']],
  ['joined', ['joined']],
] as const)(
  'R-167 %s in a room: who joins later reads his part and nothing after leaving',
  async (visibility, expected) => {
    const house = await aReadingHouse()
    const roomId = await house.create('alice', { preset: 'public_chat' })
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: visibility })
    await house.message('alice', roomId, 'before')
    await house.rooms.membership.invite(as('alice'), { roomId, target: aUser('bob') })
    await house.message('alice', roomId, 'invited')
    await house.join('bob', roomId)
    await house.message('alice', roomId, 'joined')
    expect(await readBy(house, 'bob', roomId)).toEqual(expected)
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    await house.state('alice', roomId, 'm.room.history_visibility', { history_visibility: 'joined' })
    await house.message('alice', roomId, 'after')
    expect(await readBy(house, 'bob', roomId)).toEqual(expected)
  },
)
