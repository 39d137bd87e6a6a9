import * as fc from 'fast-check'
import type { RoomId } from '../../src/matrix/ids.ts'
import { as, aUser, type RoomHouse } from './room-house.ts'

/** What can happen in the house; `who` and `room` are taken modulo what there is. */
export type RoomStep =
  | { do: 'message' | 'state' | 'rename' | 'join' | 'leave' | 'kick' | 'invite'; who: number; room: number }
  | { do: 'visibility'; room: number; value: number }
  | { do: 'sync' }

const NAMES = ['alice', 'bob', 'carol'] as const
const VISIBILITIES = ['shared', 'invited', 'joined', 'world_readable'] as const

export const roomStep: fc.Arbitrary<RoomStep> = fc.oneof(
  { weight: 8, arbitrary: acting('message') },
  { weight: 3, arbitrary: acting('state') },
  { weight: 2, arbitrary: acting('rename') },
  { weight: 3, arbitrary: acting('join') },
  { weight: 2, arbitrary: acting('leave') },
  { weight: 1, arbitrary: acting('kick') },
  { weight: 1, arbitrary: acting('invite') },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('visibility' as const), room: fc.nat(1), value: fc.nat(3) }),
  },
  { weight: 5, arbitrary: fc.constant({ do: 'sync' as const }) },
)

function acting<Do extends string>(act: Do): fc.Arbitrary<{ do: Do; who: number; room: number }> {
  return fc.record({ do: fc.constant(act), who: fc.nat(NAMES.length - 1), room: fc.nat(1) })
}

/** What is not allowed is refused, and that is part of the history. */
export async function act(
  house: RoomHouse,
  rooms: readonly RoomId[],
  step: RoomStep,
  count: number,
): Promise<void> {
  if (step.do === 'sync') return
  const roomId = rooms[step.room % rooms.length] as RoomId
  try {
    switch (step.do) {
      case 'visibility':
        await house.state('alice', roomId, 'm.room.history_visibility', {
          history_visibility: VISIBILITIES[step.value] ?? 'shared',
        })
        break
      case 'message':
        await house.message(NAMES[step.who] ?? '', roomId, `message ${count}`)
        break
      case 'state':
        await house.state('alice', roomId, 'org.example.counter', { count }, NAMES[step.who] ?? '')
        break
      case 'rename': {
        const name = NAMES[step.who] ?? ''
        await house.state(
          name,
          roomId,
          'm.room.member',
          { membership: 'join', displayname: `${name} ${count}` },
          aUser(name),
        )
        break
      }
      case 'join':
        await house.join(NAMES[step.who] ?? '', roomId)
        break
      case 'leave':
        if (step.who !== 0) await house.rooms.membership.leave(as(NAMES[step.who] ?? ''), roomId, undefined)
        break
      case 'kick':
        if (step.who !== 0)
          await house.rooms.membership.kick(as('alice'), {
            roomId,
            target: aUser(NAMES[step.who] ?? ''),
            reason: undefined,
          })
        break
      case 'invite':
        await house.rooms.membership.invite(as('alice'), {
          roomId,
          target: aUser(NAMES[step.who] ?? ''),
          reason: undefined,
        })
        break
    }
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'MatrixError') throw error
  }
}
