import type { Clock } from '../base/clock.ts'
import { Serial } from '../base/serial.ts'
import { refuse } from '../matrix/errors.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import type { Memberships } from './memberships.ts'
import type { Receipt, RoomReceipts } from './room-receipts.ts'

export const RECEIPT_TYPES = ['m.read', 'm.read.private'] as const
export type ReceiptType = (typeof RECEIPT_TYPES)[number]

export interface ReceiptReport {
  readonly type: ReceiptType
  readonly eventId: EventId
  /** '' for an unthreaded receipt. */
  readonly thread: string
}

export interface Receipts {
  /**
   * Takes receipts over where they name newer events than before; older ones are no error. Refuses users who are not
   * joined (403).
   */
  report(requester: Requester, roomId: RoomId, reports: readonly ReceiptReport[]): Promise<void>
}

/** Receipts kept of one user in one room: clients name threads as they like. */
export const RECEIPTS_PER_USER_MAX = 200

/** The place of an event in the stream; -1 if the room has no such event. */
export async function eventPosition(
  store: Pick<Store, 'events'>,
  roomId: RoomId,
  eventId: EventId,
): Promise<number> {
  const [row] = await store.events([eventId])
  return row?.roomId === roomId ? row.pos : -1
}

export function createReceipts(deps: {
  readonly store: Pick<Store, 'events'>
  readonly stream: Pick<Stream, 'commit'>
  readonly clock: Pick<Clock, 'now'>
  readonly memberships: Memberships
  readonly roomReceipts: RoomReceipts
  readonly wake: Wake
  readonly submit: Pick<PresenceSubmit, 'acted'>
}): Receipts {
  const { store, stream, clock, memberships, roomReceipts, wake, submit } = deps
  /** What a user has read is compared and written in one turn. */
  const turns = new Serial<string>()

  const take = async (requester: Requester, roomId: RoomId, report: ReceiptReport): Promise<void> => {
    const { userId } = requester
    const { type, eventId, thread } = report
    const mine = (await roomReceipts.of(roomId)).ofUser(userId)
    const before = mine.find((receipt) => receipt.type === type && receipt.thread === thread)
    if (before?.eventId === eventId) return
    const eventPos = await eventPosition(store, roomId, eventId)
    if (before !== undefined && eventPos < before.eventPos) return
    const row = { roomId, userId, type, thread, eventId, eventPos, ts: clock.now() }
    const dropped = before === undefined && mine.length >= RECEIPTS_PER_USER_MAX ? dropOldest(mine) : []
    await stream.commit((next) => [...dropped, { put: 'receipts', row: { ...row, pos: next() } }])
    wake.users(type === 'm.read' ? memberships.joinedMembers(roomId) : [userId], 'rooms')
  }

  return {
    async report(requester, roomId, reports) {
      const { userId, deviceId } = requester
      if (!memberships.isJoined(roomId, userId)) throw refuse.forbidden('You are not in this room')
      await turns.run(`${roomId}\u0000${userId}`, async () => {
        for (const report of reports) await take(requester, roomId, report)
      })
      submit.acted(userId, deviceId)
    },
  }
}

/** The thread that was read longest ago is forgotten; receipts for the room as a whole are kept. */
function dropOldest(receipts: readonly Receipt[]): Write[] {
  const threaded = receipts.filter(({ thread }) => thread !== '')
  const oldest = threaded.reduce((one, other) => (other.pos < one.pos ? other : one))
  const { roomId, userId, type, thread } = oldest
  return [{ drop: 'receipts', where: { roomId, userId, type, thread } }]
}
