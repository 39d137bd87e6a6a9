import { MatrixError } from '../matrix/errors.ts'
import type { RoomId } from '../matrix/ids.ts'

/** Rooms worked on at the same time. */
const ROOMS_AT_ONCE = 8

/**
 * Does the work in every room, several at a time. A room that refuses does not keep the others from it (P-113); a fault is
 * thrown when all are through.
 */
export async function inEachRoom(
  roomIds: Iterable<RoomId>,
  work: (roomId: RoomId) => Promise<void>,
): Promise<void> {
  const left = [...roomIds].values()
  const faults: unknown[] = []
  const worker = async (): Promise<void> => {
    for (const roomId of left) {
      try {
        await work(roomId)
      } catch (error) {
        if (!(error instanceof MatrixError)) faults.push(error)
      }
    }
  }
  await Promise.all(Array.from({ length: ROOMS_AT_ONCE }, worker))
  if (faults.length > 0) throw faults[0]
}
