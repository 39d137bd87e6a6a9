import type { Filter } from '../matrix/filter.ts'
import type { RoomsPosition } from '../matrix/token.ts'
import type { SyncBody } from '../matrix/sync.ts'
import type { Requester } from './directory.ts'

/** The window that a sync answer covers: (since, now]; `since` is null for an initial sync. */
export interface SyncWindow {
  readonly since: RoomsPosition | null
  readonly now: RoomsPosition
}

export interface SyncQuery {
  readonly requester: Requester
  readonly filter: Filter
  readonly fullState: boolean
  /** False: `state`; else the key under which the state after the timeline is wanted (ROOMS-SPEC §6.5). */
  readonly stateAfterKey: false | 'state_after' | 'org.matrix.msc4222.state_after'
}

/**
 * A part of the `/sync` answer that another layer knows: everything but presence. Positions are taken before reading, so
 * nothing falls between two answers.
 */
export interface SyncSection {
  /** The newest position all of whose changes are durable and readable. */
  position(): RoomsPosition
  /** The keys of the answer that this section fills, and whether there is anything worth answering for. */
  read(
    query: SyncQuery,
    window: SyncWindow,
  ): Promise<{ readonly body: Partial<SyncBody>; readonly isEmpty: boolean }>
}
