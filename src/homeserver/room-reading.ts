import type { Clock } from '../base/clock.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { EventSection } from '../ports/event-section.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { SyncSection } from '../ports/sync-section.ts'
import type { Wake } from '../ports/wake.ts'
import type { ActiveUsers } from './active-users.ts'
import { createChanges } from './changes.ts'
import type { Erasures } from './erasures.ts'
import { createEventSection } from './event-section.ts'
import { createEventReader } from './event-reader.ts'
import { createEventScan } from './event-scan.ts'
import { createHistoryVisibility } from './history-visibility.ts'
import { createKeyCounts } from './key-counts.ts'
import { LazyMembers } from './lazy-members.ts'
import type { Memberships } from './memberships.ts'
import { createReadMarkers, type ReadMarkers } from './read-markers.ts'
import { createReceipts, type Receipts } from './receipts.ts'
import { createRoomAccesses, type RoomAccesses } from './room-access.ts'
import { createRoomHistory } from './room-history.ts'
import { createRoomReader, type RoomReader } from './room-reader.ts'
import { createRoomReceipts } from './room-receipts.ts'
import { createRoomSection } from './room-section.ts'
import { createRoomStateReader, type RoomStateReader } from './room-state-reader.ts'
import type { RoomStates } from './room-state.ts'
import { createRoomSummaries } from './room-summary.ts'
import { createTyping, type Typing } from './typing.ts'
import { createUnreadCounter } from './unread.ts'
import { createUserRooms } from './user-rooms.ts'
import type { UserSettingsSource } from './user-settings.ts'

/** Histories and counts are per user and room: a user has this many rooms, or a room this many readers, at a time. */
const PAIRS_PER_USER = 20

interface RoomReadingDeps {
  readonly store: Store
  readonly stream: Stream
  readonly clock: Clock
  readonly memberships: Memberships
  readonly roomStates: RoomStates
  readonly userSettings: UserSettingsSource
  readonly activeUsers: ActiveUsers
  readonly erasures: Erasures
  readonly wake: Wake
  readonly submit: Pick<PresenceSubmit, 'acted'>
  /** Is the room in the room directory? */
  readonly isListed: (roomId: RoomId) => boolean
  /** Rooms about which something is kept in memory. */
  readonly roomsInMemoryMax: number
  /** Users about whom something is kept in memory. */
  readonly usersInMemoryMax: number
}

/** Everything that reads rooms, and what clients report while they do. */
export interface RoomReading {
  readonly section: SyncSection
  readonly events: EventSection
  readonly reader: RoomReader
  readonly stateReader: RoomStateReader
  readonly accesses: RoomAccesses
  readonly typing: Typing
  readonly receipts: Receipts
  readonly readMarkers: ReadMarkers
}

/** To be made before the first write of the process: what it keeps in memory follows the stream. */
export function createRoomReading(deps: RoomReadingDeps): RoomReading {
  const roomsMax = deps.roomsInMemoryMax
  const usersMax = deps.usersInMemoryMax
  const pairsMax = PAIRS_PER_USER * usersMax
  const changes = createChanges(deps)
  const roomHistory = createRoomHistory({ ...deps, entriesMax: pairsMax })
  const visibility = createHistoryVisibility({ roomHistory })
  const userRooms = createUserRooms({ ...deps, usersMax })
  const { userSettings } = deps
  const accesses = createRoomAccesses({ ...deps, roomHistory, visibility, userRooms })
  const eventReader = createEventReader(deps)
  const eventScan = createEventScan(deps)
  const roomReceipts = createRoomReceipts({ ...deps, roomsMax })
  const typing = createTyping(deps)
  const parts = {
    ...deps,
    changes,
    roomHistory,
    visibility,
    userRooms,
    eventReader,
    eventScan,
    roomReceipts,
    typing,
  }
  const section = createRoomSection({
    ...parts,
    keyCounts: createKeyCounts({ ...deps, devicesMax: usersMax }),
    lazyMembers: new LazyMembers(),
    summaries: createRoomSummaries({ ...deps, roomsMax }),
    unread: createUnreadCounter({ ...deps, roomReceipts, talliesMax: pairsMax }),
  })
  return {
    section,
    events: createEventSection(parts),
    accesses,
    typing,
    reader: createRoomReader({ ...deps, accesses, eventScan, eventReader, userSettings }),
    stateReader: createRoomStateReader({ ...deps, accesses, eventReader }),
    receipts: createReceipts({ ...deps, roomReceipts }),
    readMarkers: createReadMarkers(deps),
  }
}
