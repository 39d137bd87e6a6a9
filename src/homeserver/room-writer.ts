import { must } from '../base/assert.ts'
import { Serial } from '../base/serial.ts'
import { refuse } from '../matrix/errors.ts'
import type { DeviceId, EventId, RoomId, UserId } from '../matrix/ids.ts'
import { ownString } from '../matrix/json.ts'
import type { RoomEvent } from '../matrix/room-event.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'
import type { Requester } from '../ports/directory.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import { membershipOf } from './auth-state.ts'
import { prepare, prepareRoom, type EventDraft, type EventMakerDeps, type Prepared } from './event-making.ts'
import type { Memberships } from './memberships.ts'
import { redactedTarget } from './redaction.ts'
import {
  authStateOf,
  emptyState,
  makeStoredEvent,
  stateAfter,
  type RoomHead,
  type RoomState,
  type RoomStates,
  type StoredEvent,
} from './room-state.ts'

/** The client transaction that an event answers; the row goes into the event's own commit (§5.1). */
interface EventTransaction {
  readonly deviceId: DeviceId
  readonly txnId: string
  readonly remember: (eventId: EventId) => Write
}

export interface Author {
  /** Whose doing it was, which makes the device active (PRESENCE-SPEC §4.2); null for the server's own. */
  readonly acted: Pick<Requester, 'userId' | 'deviceId'> | null
  readonly txn: EventTransaction | null
}

/** The event to make, or the one that says it already. */
export type Decision = EventDraft | { readonly already: StoredEvent }

interface NewRoom {
  /** Null: the ID follows from the create event (version 12). */
  readonly roomId: RoomId | null
  readonly version: RoomVersion
  /** The create event first. */
  readonly drafts: readonly EventDraft[]
  /** Rows that belong to the room and go into the same commit. */
  readonly rows: (roomId: RoomId) => readonly Write[]
  readonly author: Author
}

/** The one way into a room: build, check, hash, sign, authorize, store, tell (§2.7). */
export interface RoomWriter {
  /**
   * Makes one event. `decide` sees the room as it is when the event's turn has come, and nothing changes the room until the
   * event is durable; it may refuse, and must not write to the same room.
   *
   * @throws M_FORBIDDEN if the room is not known or the event is not allowed, M_TOO_LARGE, M_BAD_JSON, M_LIMIT_EXCEEDED
   */
  append(
    roomId: RoomId,
    decide: (state: RoomState) => Decision | Promise<Decision>,
    author: Author,
  ): Promise<StoredEvent>
  /**
   * Makes all events of a new room in one commit, so that nobody sees half of it.
   *
   * @throws as `append`; then nothing was stored
   */
  create(room: NewRoom): Promise<RoomId>
  /** Runs `work` while the room does not change; it must not write to the room through `append`. */
  undisturbed<T>(roomId: RoomId, work: () => Promise<T>): Promise<T>
}

interface RoomWriterDeps extends EventMakerDeps {
  readonly store: Pick<Store, 'events' | 'memberships'>
  readonly stream: Pick<Stream, 'commit'>
  readonly states: RoomStates
  readonly memberships: Memberships
  readonly submit: Pick<PresenceSubmit, 'acted' | 'joined' | 'left'>
  readonly wake: Pick<Wake, 'users'>
  /** Requests that may wait for their turn in one room. */
  readonly queuePerRoomMax: number
}

const BUSY_RETRY_MS = 1_000

export function createRoomWriter(deps: RoomWriterDeps): RoomWriter {
  const { states, queuePerRoomMax } = deps
  const turns = new Serial<RoomId>()

  const inTurn = <T>(roomId: RoomId, work: () => Promise<T>): Promise<T> => {
    if (turns.length(roomId) < queuePerRoomMax) return turns.run(roomId, work)
    throw refuse.limitExceeded('Too many requests wait for this room', { retry_after_ms: BUSY_RETRY_MS })
  }
  return {
    append: async (roomId, decide, author) =>
      inTurn(roomId, async () => {
        const head = await states.head(roomId)
        if (head === null) throw refuse.forbidden('You are not in this room, or it does not exist')
        const decision = await decide(head.state)
        if ('already' in decision) return decision.already
        const prepared = prepare(deps, head, decision, deps.clock.now())
        const extra = await sideRows(deps, prepared)
        const [stored] = await commit(deps, { head, prepared: [prepared], author, ...extra })
        return must(stored, 'the event')
      }),
    async create(room) {
      const { roomId, prepared } = prepareRoom(deps, room)
      states.created(roomId, room.version)
      const head: RoomHead = { state: emptyState(roomId, room.version), extremities: [] }
      const { author } = room
      const rows = room.rows(roomId)
      await inTurn(roomId, () =>
        commit(deps, { head, prepared, author, rows, redacted: null, forgotten: false }),
      )
      return roomId
    },
    undisturbed: async (roomId, work) => inTurn(roomId, work),
  }
}

interface Side {
  readonly rows: readonly Write[]
  /** The event that this one redacts. */
  readonly redacted: Row<'events'> | null
  /** The member event's user has forgotten the room, and this does not bring it back. */
  readonly forgotten: boolean
}

/** What an event changes beside its own rows, as far as the store has to be asked. */
async function sideRows(deps: RoomWriterDeps, { event, before }: Prepared): Promise<Side> {
  const target = await redactedTarget(deps.store, event, before)
  const redacted = target === null ? null : { ...target, redactedBy: event.eventId }
  const rows: Write[] = redacted === null ? [] : [{ put: 'events', row: redacted }]
  return { rows, redacted, forgotten: await staysForgotten(deps, event, before) }
}

/** Only an invite, a knock or a join clears the mark (§5.5). */
async function staysForgotten(
  { store }: RoomWriterDeps,
  { roomId, pdu }: RoomEvent,
  before: RoomState,
): Promise<boolean> {
  if (pdu.type !== 'm.room.member' || pdu.state_key === undefined) return false
  const isOut = (membership: string): boolean => membership === 'leave' || membership === 'ban'
  const membership = ownString(pdu.content, 'membership') ?? ''
  if (!isOut(membership) || !isOut(membershipOf(pdu.state_key, authStateOf(before)))) return false
  const rows = await store.memberships(pdu.state_key as UserId)
  return rows.some((row) => row.roomId === roomId && row.forgotten === 1)
}

interface Commit extends Side {
  readonly head: RoomHead
  readonly prepared: readonly Prepared[]
  readonly author: Author
}

/** §2.7 step 7: makes the events durable, then shows them, then wakes whoever waits for them. */
async function commit(deps: RoomWriterDeps, change: Commit): Promise<StoredEvent[]> {
  const { states, stream } = deps
  const { version } = change.head.state
  const roomId = must(change.prepared[0], 'an event').event.roomId
  const stored: StoredEvent[] = []
  states.writing(roomId)
  try {
    await stream.commit((next) => {
      const { txn } = change.author
      for (const { row } of change.prepared) {
        const placed = { ...row, pos: next(), txnDevice: txn?.deviceId ?? null, txnId: txn?.txnId ?? null }
        stored.push(makeStoredEvent(placed, version))
      }
      return rowsOf(change, stored)
    })
  } catch (error) {
    // Nobody knows whether it is on the disk: read again.
    states.written(roomId, null)
    throw error
  }
  states.written(roomId, headWith(change, stored))
  tell(deps, change, stored)
  return stored
}

function rowsOf({ prepared, author, rows, forgotten }: Commit, stored: readonly StoredEvent[]): Write[] {
  const writes: Write[] = []
  for (const { row, event } of stored) {
    const { roomId, type, stateKey, pos, eventId } = row
    writes.push({ put: 'events', row })
    if (stateKey !== null) writes.push({ put: 'stateLog', row: { roomId, type, stateKey, pos, eventId } })
    const member = membershipRow(row, event)
    if (member !== null) writes.push({ put: 'memberships', row: { ...member, forgotten: forgotten ? 1 : 0 } })
  }
  const { roomId, eventId } = must(stored.at(-1), 'an event').row
  for (const cited of citedBy(prepared))
    writes.push({ drop: 'extremities', where: { roomId, eventId: cited } })
  writes.push({ put: 'extremities', row: { roomId, eventId } })
  if (author.txn !== null) writes.push(author.txn.remember(eventId))
  return [...writes, ...rows]
}

/** The extremities that were there before: only the first of the events cites them. */
function citedBy([first]: readonly Prepared[]): readonly EventId[] {
  return must(first, 'an event').event.pdu.prev_events
}

function membershipRow(row: Row<'events'>, { pdu }: RoomEvent): Row<'memberships'> | null {
  if (row.type !== 'm.room.member' || row.stateKey === null) return null
  const { roomId, eventId, pos } = row
  const membership = ownString(pdu.content, 'membership') ?? 'leave'
  return { roomId, userId: row.stateKey as UserId, membership, eventId, pos, forgotten: 0 }
}

function headWith({ head, prepared, redacted }: Commit, stored: readonly StoredEvent[]): RoomHead {
  const { version } = head.state
  let { state } = head
  for (const event of stored) state = stateAfter(state, event)
  if (redacted !== null && redacted.stateKey !== null) {
    const holder = state.get(redacted.type, redacted.stateKey)
    if (holder?.row.eventId === redacted.eventId)
      state = stateAfter(state, makeStoredEvent(redacted, version))
  }
  const { eventId, depth } = must(stored.at(-1), 'an event').row
  const cited = citedBy(prepared)
  const uncited = head.extremities.filter((extremity) => !cited.includes(extremity.eventId))
  return { state, extremities: [{ eventId, depth }, ...uncited] }
}

function tell(deps: RoomWriterDeps, { author, prepared }: Commit, stored: readonly StoredEvent[]): void {
  const { memberships, submit, wake } = deps
  const roomId = must(stored[0], 'an event').row.roomId
  const concerned = new Set<UserId>()
  stored.forEach(({ row, event }, index) => {
    const member = membershipRow(row, event)
    if (member === null) return
    const { userId } = member
    const before = must(prepared[index], 'the prepared event').before
    const wasJoined = membershipOf(userId, authStateOf(before)) === 'join'
    const isJoined = member.membership === 'join'
    memberships.set(member)
    concerned.add(userId)
    if (isJoined && !wasJoined) submit.joined(roomId, userId)
    if (wasJoined && !isJoined) submit.left(roomId, userId)
  })
  if (author.acted !== null) submit.acted(author.acted.userId, author.acted.deviceId)
  wake.users(joinedAnd(concerned, roomId, memberships), 'rooms')
}

/** Not gathered first: the room may be big. */
function* joinedAnd(
  others: Iterable<UserId>,
  roomId: RoomId,
  memberships: Memberships,
): Generator<UserId, void, undefined> {
  yield* memberships.joinedMembers(roomId)
  for (const userId of others) if (!memberships.isJoined(roomId, userId)) yield userId
}
