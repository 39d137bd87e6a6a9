import type { EventSection } from '../ports/event-section.ts'
import type { Stream } from '../ports/stream.ts'
import { readEvents, type EventStreamDeps } from './event-stream.ts'
import { readInitialRoom, readInitialRooms, type InitialSyncDeps } from './initial-sync.ts'
import type { Typing } from './typing.ts'

export interface EventSectionDeps extends EventStreamDeps, Omit<InitialSyncDeps, 'store'> {
  readonly store: EventStreamDeps['store'] & InitialSyncDeps['store']
  readonly stream: Pick<Stream, 'current'>
  readonly roomHistory: InitialSyncDeps['roomHistory']
  readonly typing: EventStreamDeps['typing'] & Pick<Typing, 'position'>
}

/** Everything of the 2015 stream but presence. */
export function createEventSection(deps: EventSectionDeps): EventSection {
  return {
    position: () => ({ stream: deps.stream.current, typing: deps.typing.position }),
    read: (audience, window) => readEvents(deps, audience, window),
    initial: (query) => readInitialRooms(deps, query),
    initialRoom: (query, roomId) => readInitialRoom(deps, query, roomId),
  }
}
