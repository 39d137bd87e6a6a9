import type { RoomId, UserId } from '../matrix/ids.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache } from './followed-cache.ts'

export type Receipt = Row<'receipts'>

/** The current receipts of rooms, in memory: every receipt and every count of unread events asks. */
export interface RoomReceipts {
  of(roomId: RoomId): Promise<ReceiptsOfRoom>
}

interface ReceiptsOfRoom {
  all(): Iterable<Receipt>
  /** All types and threads of one user. */
  ofUser(userId: UserId): readonly Receipt[]
}

class LoadedReceipts implements ReceiptsOfRoom {
  readonly #byUser = new Map<UserId, readonly Receipt[]>()

  all(): Iterable<Receipt> {
    return [...this.#byUser.values()].flat()
  }

  ofUser(userId: UserId): readonly Receipt[] {
    return this.#byUser.get(userId) ?? []
  }

  /** Arrays are replaced and not changed, so that readers may keep them while they wait. */
  put(receipt: Receipt): void {
    this.#byUser.set(receipt.userId, [...this.#without(receipt), receipt])
  }

  drop(place: Pick<Receipt, 'userId' | 'type' | 'thread'>): void {
    this.#byUser.set(place.userId, this.#without(place))
  }

  #without({ userId, type, thread }: Pick<Receipt, 'userId' | 'type' | 'thread'>): Receipt[] {
    return this.ofUser(userId).filter((receipt) => receipt.type !== type || receipt.thread !== thread)
  }
}

export function createRoomReceipts(deps: {
  readonly store: Pick<Store, 'receipts'>
  readonly stream: Pick<Stream, 'observe'>
  /** Rooms whose receipts are kept; those used least lately go first. */
  readonly roomsMax: number
}): RoomReceipts {
  const { store, stream, roomsMax } = deps
  const cache = createFollowedCache<RoomId, LoadedReceipts>({
    stream,
    entriesMax: roomsMax,
    async load(roomId) {
      const receipts = new LoadedReceipts()
      for (const row of await store.receipts(roomId)) receipts.put(row)
      return receipts
    },
    keyOf,
    update,
  })
  return { of: (roomId) => cache.get(roomId) }
}

function keyOf(write: Write): RoomId | null {
  if ('put' in write) return write.put === 'receipts' ? write.row.roomId : null
  return write.drop === 'receipts' ? (write.where.roomId ?? null) : null
}

function update(receipts: LoadedReceipts, write: Write): void {
  if ('put' in write) {
    if (write.put === 'receipts') receipts.put(write.row)
  } else if (write.drop === 'receipts') receipts.drop(write.where as Receipt)
}
