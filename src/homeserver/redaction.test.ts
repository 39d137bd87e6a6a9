import { expect, test } from 'vitest'
import { aRoomHouse, aUser } from '../../test/support/room-house.ts'
import { must } from '../base/assert.ts'
import type { EventId, RoomId, UserId } from '../matrix/ids.ts'
import type { Pdu, RoomEvent } from '../matrix/room-event.ts'
import type { Row } from '../ports/store.ts'
import { redactedTarget } from './redaction.ts'

const EVE = '@eve:away.example' as UserId
const REDACTION = '$redaction' as EventId

async function applied(
  sender: string,
  given: {
    readonly version?: string
    readonly target?: Partial<Row<'events'>>
    readonly names?: EventId
  } = {},
): Promise<boolean> {
  const house = await aRoomHouse()
  const roomId = await house.publicRoom(given.version ?? '11', 'bob')
  const message = await house.message('bob', roomId, 'x')
  const [row] = await house.store.events([message])
  const target = { ...must(row, 'the message'), sender: EVE, ...given.target }
  await house.store.commit([{ put: 'events', row: target }])
  const redacts = given.names ?? message
  const pdu = { type: 'm.room.redaction', sender, content: { redacts }, redacts } as unknown as Pdu
  const event: RoomEvent = { eventId: REDACTION, roomId, pdu }
  const state = must(await house.rooms.states.current(roomId), 'the state')
  return (await redactedTarget(house.store, event, state)) !== null
}

test('R-080 by the redact level, or by the server of the one who wrote it', async () => {
  expect(await applied(aUser('alice'))).toBe(true)
  expect(await applied('@mallory:away.example')).toBe(true)
  expect(await applied(aUser('alice'), { version: '12' })).toBe(true)
  expect(await applied(aUser('alice'), { version: '6' })).toBe(true)
})

test('R-081 by anybody else a received redaction has no effect', async () => {
  expect(await applied(aUser('bob'))).toBe(false)
  expect(await applied('@mallory:elsewhere.example')).toBe(false)
})

test('R-083 neither has one that names itself, another room, or what is not here', async () => {
  const alice = aUser('alice')
  expect(await applied(alice, { names: REDACTION })).toBe(false)
  expect(await applied(alice, { names: '$unknown' as EventId })).toBe(false)
  expect(await applied(alice, { target: { roomId: '!other:home.example' as RoomId } })).toBe(false)
  expect(await applied(alice, { target: { redactedBy: '$first' as EventId } })).toBe(false)
})
