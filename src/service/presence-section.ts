import type { PresencePosition } from '../engine/types.ts'
import { pickFields } from '../matrix/event-fields.ts'
import { matches, matchesType } from '../matrix/event-match.ts'
import type { EventFilter, Filter } from '../matrix/filter.ts'
import type { UserId } from '../matrix/ids.ts'
import { UNKNOWN_PRESENCE, type PresenceEventForm } from '../matrix/presence.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { SyncToken } from '../matrix/token.ts'
import type { Loop, SeenDelta } from './loop.ts'
import type { PresenceEvents, ShownEntry } from './presence-events.ts'

const PRESENCE = 'm.presence'

/** The most entries of one answer, whatever the filter says; the rest comes with the next sync (§2.9). */
export const PRESENCE_ENTRIES_MAX = 1_000

/** Below every horizon. */
const BEFORE_EVERYTHING: PresencePosition = { seq: -1, skip: 0 }

export interface PresenceQuery {
  readonly viewer: UserId
  readonly filter: Filter
  readonly fullState: boolean
  readonly form: PresenceEventForm
}

/** What the next answer has of presence: taken at one moment, written later. */
export interface PresenceWindow {
  readonly isEmpty: boolean
  /** The presence part of `next_batch`. */
  readonly position: PresencePosition
  /**
   * The events, with profiles and ages as of the moment of writing. `ended`: users whom the viewer stopped following since the
   * same token. Who ceased to be visible before a start is known by nothing else, and still owed one `offline`.
   */
  events(ended?: readonly UserId[]): Promise<ClientEvent[]>
}

/** The presence part of `/sync`, `/events` and `/initialSync` (PRESENCE-SPEC §2.6–§2.9). */
export interface PresenceSection {
  /** False if the filter lets no presence through: nothing to read and nothing to wake for (P-100, R-212). */
  isWanted(filter: Filter): boolean
  /** Synchronous, so that other positions taken beside it are of the same moment. */
  window(query: PresenceQuery, since: SyncToken | null): PresenceWindow
}

export interface PresenceSectionDeps {
  readonly enabled: boolean
  readonly loop: Pick<Loop, 'read' | 'view' | 'head' | 'horizon'>
  readonly events: PresenceEvents
  /** The life of the presence numbers; a token of another one is answered with a snapshot. */
  readonly epoch: string
}

export function createPresenceSection(deps: PresenceSectionDeps): PresenceSection {
  return {
    isWanted: ({ presence }) => admitsPresence(presence),
    window(query, since) {
      const delta = admitsPresence(query.filter.presence) ? read(deps, query, since) : null
      if (delta === null) return { isEmpty: true, position: headOf(deps), events: async () => [] }
      const isAnew = since !== null && (query.fullState || readableFrom(deps, since).seq < deps.loop.horizon)
      return {
        isEmpty: delta.entries.length === 0,
        position: delta.position,
        events: (ended = []) =>
          written(deps, [...delta.entries, ...(isAnew ? lost(deps, query, delta, ended) : [])], query),
      }
    },
  }
}

/** Could an `m.presence` of anybody pass? */
function admitsPresence(filter: EventFilter | undefined): boolean {
  if (filter === undefined) return true
  if (filter.not_types?.some((pattern) => matchesType(pattern, PRESENCE)) === true) return false
  if (filter.types?.some((pattern) => matchesType(pattern, PRESENCE)) === false) return false
  return filter.senders?.length !== 0
}

function headOf({ loop }: PresenceSectionDeps): PresencePosition {
  return { seq: loop.head, skip: 0 }
}

/**
 * Three kinds of answer: everyone who is not offline, for a client that has nothing yet (P-081, P-099); everyone worth
 * telling about, for one whose position means nothing any more (DESIGN §3.4); what changed, for all others.
 */
function read(deps: PresenceSectionDeps, query: PresenceQuery, since: SyncToken | null): SeenDelta | null {
  const { loop, enabled } = deps
  const { viewer, filter, fullState } = query
  const isInitial = since === null || fullState
  // While presence is off there is only the last change to offline to tell, and that to those who saw otherwise.
  if (isInitial && !enabled) return null
  const position = since === null ? headOf(deps) : readableFrom(deps, since)
  const accepts = (userId: UserId): boolean => matches(filter.presence, PRESENCE, userId)
  const delta = loop.read(viewer, position, {
    limit: Math.min(filter.presence?.limit ?? PRESENCE_ENTRIES_MAX, PRESENCE_ENTRIES_MAX),
    omitOffline: isInitial,
    snapshot: isInitial,
    accepts,
  })
  const wantsOwn = isInitial && filter.presence?.limit === undefined && accepts(viewer)
  return wantsOwn ? withOwn(deps, viewer, delta) : delta
}

/** P-081: a first answer has the viewer's own entry even where our own bound would put it off to a later one. */
function withOwn({ loop }: PresenceSectionDeps, viewer: UserId, delta: SeenDelta): SeenDelta {
  if (delta.entries.some(({ userId }) => userId === viewer)) return delta
  const view = loop.view(viewer, viewer)
  return view === null ? delta : { ...delta, entries: [{ userId: viewer, view }, ...delta.entries] }
}

/** A position beyond the current one (a restored backup) counts as current; one of another life is before everything. */
function readableFrom({ loop, epoch }: PresenceSectionDeps, since: SyncToken): PresencePosition {
  if (since.epoch !== epoch) return BEFORE_EVERYTHING
  return since.presence.seq > loop.head ? { seq: loop.head, skip: 0 } : since.presence
}

/** Those of the ended who are out of sight, and not among what is told anyway. */
function lost(
  { loop }: PresenceSectionDeps,
  { viewer, filter }: PresenceQuery,
  { entries, position: { seq } }: SeenDelta,
  ended: readonly UserId[],
): ShownEntry[] {
  const told = new Set(entries.map(({ userId }) => userId))
  return ended
    .filter((userId) => !told.has(userId) && loop.view(viewer, userId) === null)
    .filter((userId) => matches(filter.presence, PRESENCE, userId))
    .map((userId) => ({ userId, view: { ...UNKNOWN_PRESENCE, visible: false, seq } }))
}

async function written(
  { events }: PresenceSectionDeps,
  entries: readonly ShownEntry[],
  { form, filter: { event_fields: fields } }: PresenceQuery,
): Promise<ClientEvent[]> {
  const written = await events.write(entries, form)
  return fields === undefined ? written : written.map((event) => pickFields(event, fields))
}
