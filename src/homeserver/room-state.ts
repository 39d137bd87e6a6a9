import { createLru } from './lru.ts'
import { assert, must } from '../base/assert.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { redact, stateKeyOf, type Pdu, type RoomEvent } from '../matrix/room-event.ts'
import { roomVersion, type RoomVersion } from '../matrix/room-version/index.ts'
import type { Row, Store } from '../ports/store.ts'
import type { AuthState } from './auth-state.ts'

/** An event and where it lies. `event` is its redacted form once an accepted redaction names it (§2.9). */
export interface StoredEvent {
  readonly row: Row<'events'>
  readonly event: RoomEvent
}

/** A snapshot of a room's state; it never changes. */
export interface RoomState {
  readonly roomId: RoomId
  readonly version: RoomVersion
  get(type: string, stateKey: string): StoredEvent | undefined
  all(): Iterable<StoredEvent>
}

/** An accepted event that no other cites yet. */
interface Extremity {
  readonly eventId: EventId
  readonly depth: number
}

/** What the next event of a room builds on (§2.7). */
export interface RoomHead {
  readonly state: RoomState
  readonly extremities: readonly Extremity[]
}

/** For the room writer alone: it keeps what readers see equal to what is durable. */
interface RoomHeads {
  head(roomId: RoomId): Promise<RoomHead | null>
  /** A room that is about to be committed, known to `versionOf` from now on. */
  created(roomId: RoomId, version: RoomVersion): void
  /** Positions of the room were given out that the head does not show yet. */
  writing(roomId: RoomId): void
  /** The commit is done: what the room is now; null if it is not known whether it is done. */
  written(roomId: RoomId, head: RoomHead | null): void
}

export interface RoomStates extends RoomHeads {
  /** Null for a room that this server does not know. */
  versionOf(roomId: RoomId): RoomVersion | null
  current(roomId: RoomId): Promise<RoomState | null>
  /** The state after the event at `pos`, or the last one before it. The room must be known. */
  at(roomId: RoomId, pos: number): Promise<RoomState>
  /** The row must be of a known room. */
  storedEvent(row: Row<'events'>): StoredEvent
}

/** Above this many changes since the last full copy, a new full copy is made. */
const CHANGES_MAX = 64
const NEWEST = Number.MAX_SAFE_INTEGER

type Entries = ReadonlyMap<string, StoredEvent>

interface RoomEntries {
  readonly base: Entries
  readonly changes: Entries
  readonly newestPos: number
}

/** Shares its entries with the snapshot that it came from, so that a change in a big room costs little. */
class RoomSnapshot implements RoomState {
  readonly roomId: RoomId
  readonly version: RoomVersion
  /** The position of the newest entry; 0 without one. */
  readonly newestPos: number
  readonly #base: Entries
  readonly #changes: Entries

  constructor(roomId: RoomId, version: RoomVersion, entries: RoomEntries) {
    this.roomId = roomId
    this.version = version
    this.newestPos = entries.newestPos
    this.#base = entries.base
    this.#changes = entries.changes
  }

  static of(roomId: RoomId, version: RoomVersion, stored: readonly StoredEvent[]): RoomSnapshot {
    const base = new Map(stored.map((entry) => [keyOf(entry), entry]))
    const newestPos = stored.reduce((pos, { row }) => Math.max(pos, row.pos), 0)
    return new RoomSnapshot(roomId, version, { base, changes: new Map(), newestPos })
  }

  get(type: string, stateKey: string): StoredEvent | undefined {
    const key = stateKeyOf(type, stateKey)
    return this.#changes.get(key) ?? this.#base.get(key)
  }

  *all(): Generator<StoredEvent> {
    yield* this.#changes.values()
    for (const [key, stored] of this.#base) if (!this.#changes.has(key)) yield stored
  }

  with(stored: StoredEvent): RoomSnapshot {
    const changes = new Map(this.#changes).set(keyOf(stored), stored)
    const newestPos = Math.max(this.newestPos, stored.row.pos)
    const entries: RoomEntries =
      changes.size <= CHANGES_MAX
        ? { base: this.#base, changes, newestPos }
        : { base: new Map([...this.#base, ...changes]), changes: new Map(), newestPos }
    return new RoomSnapshot(this.roomId, this.version, entries)
  }
}

/** Parses when first asked: most state of most rooms is never looked at. */
class LazyStoredEvent implements StoredEvent {
  readonly row: Row<'events'>
  readonly #version: RoomVersion
  #event: RoomEvent | null = null

  constructor(row: Row<'events'>, version: RoomVersion) {
    this.row = row
    this.#version = version
  }

  get event(): RoomEvent {
    this.#event ??= parsed(this.row, this.#version)
    return this.#event
  }
}

export function emptyState(roomId: RoomId, version: RoomVersion): RoomState {
  return RoomSnapshot.of(roomId, version, [])
}

/** The state after the event; events that are not state change nothing. */
export function stateAfter(state: RoomState, stored: StoredEvent): RoomState {
  assert(state instanceof RoomSnapshot, 'states come from here')
  return stored.row.stateKey === null ? state : state.with(stored)
}

/** The same state as the auth rules ask it. */
export function authStateOf(state: RoomState): AuthState {
  return { get: (type, stateKey) => state.get(type, stateKey)?.event }
}

/** The content of a state event; undefined without the event. */
export function contentIn(state: RoomState, type: string, stateKey = ''): JsonObject | undefined {
  return state.get(type, stateKey)?.event.pdu.content
}

/** An event that was just made, as it will be read. */
export function makeStoredEvent(row: Row<'events'>, version: RoomVersion): StoredEvent {
  return new LazyStoredEvent(row, version)
}

/**
 * The states of rooms. Current ones are kept in memory, at most `roomsMax` of them, those used least lately given up first;
 * the writer keeps them up to date.
 */
export async function createRoomStates(deps: {
  readonly store: Pick<Store, 'all' | 'events' | 'extremities' | 'stateAt'>
  readonly roomsMax: number
}): Promise<RoomStates> {
  const { store, roomsMax } = deps
  const versions = new Map<RoomId, RoomVersion>()
  for (const row of await store.all('rooms')) {
    const version = roomVersion(row.version)
    if (version !== null) versions.set(row.roomId, version)
  }
  const heads = createLru<RoomId, Promise<RoomHead | null>>(roomsMax)
  const beingWritten = new Set<RoomId>()
  const storedEvent = (row: Row<'events'>): StoredEvent =>
    makeStoredEvent(row, must(versions.get(row.roomId), `the version of ${row.roomId}`))

  const read = async (roomId: RoomId, version: RoomVersion, upTo: number): Promise<RoomSnapshot> => {
    const ids = (await store.stateAt(roomId, upTo)).map((entry) => entry.eventId)
    return RoomSnapshot.of(roomId, version, (await store.events(ids)).map(storedEvent))
  }
  const readHead = async (roomId: RoomId, version: RoomVersion): Promise<RoomHead | null> => {
    const state = await read(roomId, version, NEWEST)
    // The room is being made, or could not be made.
    if (state.get('m.room.create', '') === undefined) return null
    const rows = await store.events(await store.extremities(roomId))
    return { state, extremities: rows.map(extremityOf) }
  }
  const head = (roomId: RoomId): Promise<RoomHead | null> => {
    const version = versions.get(roomId)
    if (version === undefined) return Promise.resolve(null)
    const known = heads.get(roomId)
    if (known !== undefined) return known
    const reading = readHead(roomId, version)
    heads.set(roomId, reading)
    reading.catch(() => heads.get(roomId) === reading && heads.delete(roomId))
    return reading
  }

  return {
    head,
    storedEvent,
    versionOf: (roomId) => versions.get(roomId) ?? null,
    current: async (roomId) => (await head(roomId))?.state ?? null,
    async at(roomId, pos) {
      const version = must(versions.get(roomId), `the version of ${roomId}`)
      // While a commit is on its way, the head may be older than a position that is already readable.
      const known = beingWritten.has(roomId) ? undefined : await heads.get(roomId)
      if (known && (known.state as RoomSnapshot).newestPos <= pos) return known.state
      return read(roomId, version, pos)
    },
    created: (roomId, version) => void versions.set(roomId, version),
    writing: (roomId) => void beingWritten.add(roomId),
    written(roomId, now) {
      beingWritten.delete(roomId)
      if (now === null) heads.delete(roomId)
      else heads.set(roomId, Promise.resolve(now))
    },
  }
}

function parsed(row: Row<'events'>, version: RoomVersion): RoomEvent {
  const pdu = JSON.parse(row.json) as Pdu
  const shown = row.redactedBy === null ? pdu : redact(pdu, version)
  return { eventId: row.eventId, roomId: row.roomId, pdu: shown }
}

function keyOf({ row }: StoredEvent): string {
  return stateKeyOf(row.type, must(row.stateKey, `the state key of ${row.eventId}`))
}

function extremityOf({ eventId, depth }: Row<'events'>): Extremity {
  return { eventId, depth }
}
