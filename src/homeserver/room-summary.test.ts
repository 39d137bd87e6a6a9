import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { aRoomHouse, as, aUser, type RoomHouse } from '../../test/support/room-house.ts'
import { MatrixError } from '../matrix/errors.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import { createRoomSummaries, type RoomSummaries } from './room-summary.ts'

const NAMES = ['bob', 'carol', 'dave', 'erin', 'frank', 'grace', 'heidi'] as const

type Deed = readonly ['join' | 'leave' | 'invite' | 'kick' | 'ban' | 'unban', (typeof NAMES)[number]] | 'name'

const deeds: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(
      fc.constantFrom('join', 'leave', 'invite', 'kick', 'ban', 'unban'),
      fc.constantFrom(...NAMES),
    ),
  },
  { weight: 1, arbitrary: fc.constant('name' as const) },
)

function summariesOf(house: RoomHouse): RoomSummaries {
  return createRoomSummaries({ ...house, roomStates: house.rooms.states, roomsMax: 10 })
}

/** Names the room, or takes the name back by a redaction. */
async function rename(house: RoomHouse, roomId: RoomId, named: EventId | null): Promise<EventId | null> {
  if (named === null) return house.state('alice', roomId, 'm.room.name', { name: `n${house.clock.now()}` })
  await house.redact('alice', roomId, named)
  return null
}

async function perform(house: RoomHouse, roomId: RoomId, [deed, name]: Exclude<Deed, string>): Promise<void> {
  const { membership } = house.rooms
  if (deed === 'join') await house.join(name, roomId)
  else if (deed === 'leave') await membership.leave(as(name), roomId, undefined)
  else await membership[deed](as('alice'), { roomId, target: aUser(name) })
}

test('R-210 a summary that followed every change says what one made from the store says', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(deeds, { maxLength: 25 }), async (history) => {
      const house = await aRoomHouse()
      const roomId = await house.publicRoom('11')
      const followed = summariesOf(house)
      let named: EventId | null = null
      for (const deed of history) {
        const change = async (): Promise<void> => {
          if (deed === 'name') named = await rename(house, roomId, named)
          else await perform(house, roomId, deed)
        }
        await change().catch((error: unknown) => {
          if (!(error instanceof MatrixError)) throw error
        })
        for (const reader of ['alice', 'bob'])
          expect(await followed.summary(roomId, aUser(reader))).toEqual(
            await summariesOf(house).summary(roomId, aUser(reader)),
          )
      }
    }),
    { numRuns: 40 },
  )
})

test('R-210 heroes are the first five others to come, or those who were there when nobody else is', async () => {
  const house = await aRoomHouse()
  const roomId = await house.publicRoom('11')
  const summaries = summariesOf(house)
  const heroes = async (): Promise<unknown> => (await summaries.summary(roomId, aUser('alice')))['m.heroes']
  expect(await heroes()).toEqual([])
  for (const name of [...NAMES].reverse()) await house.join(name, roomId)
  expect(await heroes()).toEqual(['dave', 'erin', 'frank', 'grace', 'heidi'].map(aUser))
  await house.rooms.membership.leave(as('heidi'), roomId, undefined)
  expect(await heroes()).toEqual(['carol', 'dave', 'erin', 'frank', 'grace'].map(aUser))
  for (const name of NAMES.slice(0, -1)) await house.rooms.membership.leave(as(name), roomId, undefined)
  expect(await heroes()).toEqual(['dave', 'erin', 'frank', 'grace', 'heidi'].map(aUser))
  await house.state('alice', roomId, 'm.room.name', { name: 'named' })
  expect(await heroes()).toBeUndefined()
})
