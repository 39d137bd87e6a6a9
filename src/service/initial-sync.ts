import type { RoomId, UserId } from '../matrix/ids.ts'
import { PRESENCE_LISTS } from '../matrix/presence-list.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import { formatSyncToken } from '../matrix/token.ts'
import type { EventsAudience, EventSection, InitialRooms, RoomInfo } from '../ports/event-section.ts'
import type { Loop, SeenPresence } from './loop.ts'
import type { PresenceEvents } from './presence-events.ts'
import type { PresenceListNews } from './presence-list-news.ts'
import type { PresenceSection } from './presence-section.ts'

export interface InitialSyncRequest extends EventsAudience {
  /** Messages of each room. */
  readonly limit: number
  /** Rooms that were left, too. */
  readonly archived: boolean
}

/** The answer on the wire. */
export interface InitialSyncBody extends InitialRooms {
  /** Where `/events` goes on, without losing or repeating anything (P-075). */
  readonly end: string
  readonly presence: readonly ClientEvent[]
  /** Invites that wait for their answer, both directions (PRESENCE-SPEC §2.5.3). */
  readonly [PRESENCE_LISTS]: readonly ClientEvent[]
}

/** What a client of 2015 begins with (PRESENCE-SPEC §2.7). It is not a stream: nobody comes online by it. */
export interface InitialSync {
  all(request: InitialSyncRequest): Promise<InitialSyncBody>
  /** Refuses with 403 who never was in the room. */
  room(request: Omit<InitialSyncRequest, 'archived'>, roomId: RoomId): Promise<RoomInfo>
}

export interface InitialSyncDeps {
  readonly loop: Pick<Loop, 'head' | 'view'>
  readonly presence: Pick<PresenceSection, 'window'>
  readonly events: PresenceEvents
  readonly rooms: Pick<EventSection, 'position' | 'initial' | 'initialRoom'>
  readonly lists: PresenceListNews
  /** The life of the presence numbers. */
  readonly epoch: string
}

export function createInitialSync(deps: InitialSyncDeps): InitialSync {
  const { loop, presence, events, rooms, lists, epoch } = deps
  return {
    async all(request) {
      const { requester, form } = request
      // Both positions are taken before anything is awaited: they are of one moment.
      const now = rooms.position()
      const query = { viewer: requester.userId, filter: {}, fullState: false, form }
      const seen = presence.window(query, null)
      const end = formatSyncToken({ epoch, presence: seen.position, rooms: now })
      const [shown, initial, news] = await Promise.all([
        seen.events(),
        rooms.initial({ ...request, now, end }),
        lists.read(requester.userId, { after: null, upTo: now.stream, withPending: true }),
      ])
      return { end, presence: shown, [PRESENCE_LISTS]: news.events, ...initial }
    },
    async room(request, roomId) {
      const { requester, form } = request
      const now = rooms.position()
      const end = formatSyncToken({ epoch, presence: { seq: loop.head, skip: 0 }, rooms: now })
      const query = { ...request, archived: true, now, end }
      const { info, receipts, members } = await rooms.initialRoom(query, roomId)
      const shown = await events.write(seenOf(deps, requester.userId, members), form)
      return { ...info, presence: shown, receipts: [...receipts] }
    },
  }
}

/** As everywhere at the beginning, others who are offline are left out. */
function seenOf({ loop }: InitialSyncDeps, viewer: UserId, members: readonly UserId[]): SeenPresence[] {
  return members.flatMap((userId) => {
    const view = loop.view(viewer, userId)
    return view === null || (view.state === 'offline' && userId !== viewer) ? [] : [{ userId, view }]
  })
}
