import { must } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { CanonicalJsonError } from '../matrix/canonical-json.ts'
import { refuse } from '../matrix/errors.ts'
import type { RoomId, ServerName, UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { checkPduShape } from '../matrix/pdu-shape.ts'
import { authEventKeys, hashAndSign, type RoomEvent, type UnsignedPdu } from '../matrix/room-event.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'
import type { SigningKey } from '../matrix/signing.ts'
import type { Row } from '../ports/store.ts'
import type { AuthVerdict } from './auth-verdict.ts'
import { authorize, authorizeAuthEvents, type CitedEvent } from './room-auth.ts'
import {
  authStateOf,
  emptyState,
  makeStoredEvent,
  stateAfter,
  type RoomHead,
  type RoomState,
  type RoomStates,
} from './room-state.ts'

/** What somebody wants to say in a room; the writer makes an event of it. */
export interface EventDraft {
  readonly type: string
  readonly sender: UserId
  readonly stateKey?: string
  readonly content: JsonObject
  /** Target of a redaction, up to room version 10. */
  readonly redacts?: string
}

/** An event that may be stored, and what it means for the room. */
export interface Prepared {
  readonly event: RoomEvent
  readonly row: Row<'events'>
  /** The state before it. */
  readonly before: RoomState
}

export interface EventMakerDeps {
  readonly clock: Pick<Clock, 'now'>
  readonly serverName: ServerName
  readonly signingKey: SigningKey
}

/** More extremities than these are not cited (§2.7 step 2). */
const PREV_EVENTS_SENT_MAX = 10
const DEPTH_MAX = Number.MAX_SAFE_INTEGER
/** Stands in a row until the commit gives out the real one. */
const NO_POSITION = 0

/** All events of a new room, each authorized by those before it. */
export function prepareRoom(
  deps: EventMakerDeps & { readonly states: Pick<RoomStates, 'versionOf'> },
  room: {
    readonly roomId: RoomId | null
    readonly version: RoomVersion
    readonly drafts: readonly EventDraft[]
  },
): { readonly roomId: RoomId; readonly prepared: readonly Prepared[] } {
  const { version, drafts } = room
  const [create, ...others] = drafts
  const nowTs = deps.clock.now()
  const placeholder = room.roomId ?? ('' as RoomId)
  let ts = nowTs
  let first: Prepared
  // in version 12 the same content in the same ms would be the same room.
  do {
    const head: RoomHead = { state: emptyState(placeholder, version), extremities: [] }
    first = prepare(deps, head, must(create, 'the create event'), ts)
    ts += 1
  } while (deps.states.versionOf(first.event.roomId) !== null)
  const { roomId } = first.event
  const prepared = [{ ...first, before: emptyState(roomId, version) }]
  let head = headAfter({ state: emptyState(roomId, version), extremities: [] }, first)
  for (const draft of others) {
    const next = prepare(deps, head, draft, nowTs)
    prepared.push(next)
    head = headAfter(head, next)
  }
  return { roomId, prepared }
}

function headAfter(head: RoomHead, { row }: Prepared): RoomHead {
  const state = stateAfter(head.state, makeStoredEvent(row, head.state.version))
  return { state, extremities: [{ eventId: row.eventId, depth: row.depth }] }
}

/** §2.7 steps 2 to 6. The state before the event is that of the one extremity that rooms have without federation. */
export function prepare(deps: EventMakerDeps, head: RoomHead, draft: EventDraft, nowTs: number): Prepared {
  const { state } = head
  const { version } = state
  const { pdu, cited } = unsignedPdu(head, draft, nowTs)
  const event = hashed(deps, pdu, version)
  const check = checkPduShape(event.pdu, version, 'local')
  if (!check.ok) throw check.kind === 'size' ? refuse.tooLarge(check.reason) : refuse.badJson(check.reason)
  refuseUnlessAllowed(authorizeAuthEvents(event, cited, version))
  // Of the state the rules read only what the event cites, so this is the judgement by its auth_events, too.
  refuseUnlessAllowed(authorize(event, authStateOf(state), version))
  const stateKey = event.pdu.state_key ?? null
  const row: Row<'events'> = {
    eventId: event.eventId,
    roomId: event.roomId,
    pos: NO_POSITION,
    depth: event.pdu.depth,
    type: draft.type,
    stateKey,
    sender: draft.sender,
    originServerTs: event.pdu.origin_server_ts,
    json: JSON.stringify(event.pdu),
    replaces: (stateKey === null ? undefined : state.get(draft.type, stateKey))?.row.eventId ?? null,
    redactedBy: null,
    txnDevice: null,
    txnId: null,
  }
  return { event, row, before: state }
}

function refuseUnlessAllowed(verdict: AuthVerdict): void {
  if (!verdict.allowed) throw refuse.forbidden(verdict.reason)
}

/** Also the events that its `auth_events` name. */
function unsignedPdu(
  { state, extremities }: RoomHead,
  draft: EventDraft,
  nowTs: number,
): { readonly pdu: UnsignedPdu; readonly cited: readonly CitedEvent[] } {
  const before = extremities.toSorted((one, other) => other.depth - one.depth).slice(0, PREV_EVENTS_SENT_MAX)
  const { version, roomId } = state
  const pdu: UnsignedPdu = {
    type: draft.type,
    sender: draft.sender,
    content: draft.content,
    origin_server_ts: Math.max(0, nowTs),
    depth: Math.min(DEPTH_MAX, (before[0]?.depth ?? 0) + 1),
    prev_events: before.map(({ eventId }) => eventId),
    auth_events: [],
  }
  if (!(version.roomIdFromCreate && draft.type === 'm.room.create')) pdu.room_id = roomId
  if (draft.stateKey !== undefined) pdu.state_key = draft.stateKey
  if (draft.redacts !== undefined) pdu.redacts = draft.redacts
  const authEvents = authEventKeys(pdu, version).flatMap(([type, key]) => state.get(type, key)?.event ?? [])
  pdu.auth_events = authEvents.map(({ eventId }) => eventId)
  // What was rejected is in no state of ours.
  return { pdu, cited: authEvents.map((event) => ({ event, rejected: false })) }
}

function hashed(deps: EventMakerDeps, pdu: UnsignedPdu, version: RoomVersion): RoomEvent {
  try {
    return hashAndSign(pdu, version, deps.serverName, deps.signingKey)
  } catch (error) {
    if (error instanceof CanonicalJsonError) throw refuse.badJson(error.message)
    throw error
  }
}
