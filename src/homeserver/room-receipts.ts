import { createLru } from './lru.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Row, Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'

export type Receipt = Row<'receipts'>

/** The current receipts of rooms, in memory: every receipt and every count of unread events asks. */
export interface RoomReceipts {
  of(roomId: RoomId): Promise<ReceiptsOfRoom>
}

export interface ReceiptsOfRoom {
  all(): Iterable<Receipt>
  /** All types and threads of one user. */
  ofUser(userId: UserId): readonly Receipt[]
}

class LoadedReceipts implements ReceiptsOfRoom {
  readonly #byUser = new Map<UserId, Receipt[]>()

  all(): Iterable<Receipt> {
    return [...this.#byUser.values()].flat()
  }

  ofUser(userId: UserId): readonly Receipt[] {
    return this.#byUser.get(userId) ?? []
  }

  /** Arrays are replaced and not changed, so that readers may keep them while they wait. */
  put(receipt: Receipt): void {
    const others = this.ofUser(receipt.userId).filter(
      ({ type, thread }) => type !== receipt.type || thread !== receipt.thread,
    )
    this.#byUser.set(receipt.userId, [...others, receipt])
  }
}

export function createRoomReceipts(deps: {
  readonly store: Pick<Store, 'receipts'>
  readonly stream: Pick<Stream, 'observe'>
  /** Rooms whose receipts are kept; those used least lately go first. */
  readonly roomsMax: number
}): RoomReceipts {
  const { store, stream, roomsMax } = deps
  const rooms = createLru<RoomId, Promise<LoadedReceipts>>(roomsMax)

  const load = async (roomId: RoomId): Promise<LoadedReceipts> => {
    const receipts = new LoadedReceipts()
    for (const row of await store.receipts(roomId)) receipts.put(row)
    return receipts
  }
  stream.observe((writes) => {
    for (const write of writes) {
      if (!('put' in write) || write.put !== 'receipts') continue
      const { row } = write
      // A room that is being loaded takes the row over when it is.
      void rooms.peek(row.roomId)?.then((receipts) => receipts.put(row))
    }
  })
  return {
    of(roomId) {
      const known = rooms.get(roomId)
      if (known !== undefined) return known
      const loading = load(roomId)
      rooms.set(roomId, loading)
      loading.catch(() => rooms.delete(roomId))
      return loading
    },
  }
}
