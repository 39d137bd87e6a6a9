import { serverOf } from '../matrix/ids.ts'
import { redactionTarget, type RoomEvent } from '../matrix/room-event.ts'
import type { Row, Store } from '../ports/store.ts'
import { levelOf, redactLevel } from './power-levels.ts'
import { authStateOf, type RoomState } from './room-state.ts'

/**
 * The event that this redaction empties, or null if it has no effect (§2.9 steps 1 to 4): it is no redaction, names itself,
 * an event of another room, a create event, one that is emptied already or that is not here, or may not.
 */
export async function redactedTarget(
  store: Pick<Store, 'events'>,
  event: RoomEvent,
  state: RoomState,
): Promise<Row<'events'> | null> {
  const targetId = redactionTarget(event.pdu, state.version)
  if (targetId === null || targetId === event.eventId) return null
  const [target] = await store.events([targetId])
  if (target === undefined || target.roomId !== event.roomId) return null
  if (target.redactedBy !== null || target.type === 'm.room.create') return null
  const { sender } = event.pdu
  const isOfServer = serverOf(target.sender) === serverOf(sender)
  return isOfServer || hasRedactLevel(sender, state) ? target : null
}

/** Levels are those of the state at the redaction; creators of version 12 always have it. */
export function hasRedactLevel(userId: string, state: RoomState): boolean {
  const authState = authStateOf(state)
  return levelOf(userId, authState, state.version) >= redactLevel(authState, state.version)
}
