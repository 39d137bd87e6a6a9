import { refuse } from '../matrix/errors.ts'
import { parseEventId, type EventId, type RoomId, type ServerName } from '../matrix/ids.ts'
import { isJsonObject, own, ownString, type JsonObject } from '../matrix/json.ts'
import { redactionTarget } from '../matrix/room-event.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { ActiveUsers } from './active-users.ts'
import type { Aliases } from './aliases.ts'
import { membershipOf } from './auth-state.ts'
import { checkContent, sameJson } from './event-checks.ts'
import type { EventDraft } from './event-making.ts'
import { by, type MembershipChange } from './membership-change.ts'
import { creatorsOf } from './power-levels.ts'
import { hasRedactLevel } from './redaction.ts'
import { authStateOf, contentIn, type RoomState, type RoomStates, type StoredEvent } from './room-state.ts'
import type { Author, RoomWriter } from './room-writer.ts'
import type { Transactions } from './transactions.ts'

/** The client's transaction: method and full path, and the ID at its end. */
export interface ClientTransaction {
  readonly request: string
  readonly txnId: string
}

interface NewEvent {
  readonly roomId: RoomId
  readonly type: string
  readonly content: JsonObject
}

/** Messages, state and redactions of clients (§5.6); all throw what §5.6 lists. */
export interface SendEvent {
  send(requester: Requester, event: NewEvent, txn: ClientTransaction): Promise<EventId>
  /** The same content by the same sender again is the event that is there already. */
  sendState(requester: Requester, event: NewEvent & { readonly stateKey: string }): Promise<EventId>
  redact(
    requester: Requester,
    redaction: { readonly roomId: RoomId; readonly target: EventId; readonly reason: string | undefined },
    txn: ClientTransaction,
  ): Promise<EventId>
}

interface SendEventDeps {
  readonly store: Pick<Store, 'events' | 'eventsBetween'>
  readonly serverName: ServerName
  readonly writer: Pick<RoomWriter, 'append'>
  readonly states: Pick<RoomStates, 'storedEvent'>
  readonly activeUsers: ActiveUsers
  readonly transactions: Transactions
  readonly aliases: Pick<Aliases, 'find'>
  readonly membership: Pick<MembershipChange, 'decide'>
}

/** Events after the target that are searched for the same reaction. */
const REACTION_SEARCH_MAX = 1_000
const NEWEST = Number.MAX_SAFE_INTEGER

export function createSendEvent(deps: SendEventDeps): SendEvent {
  const send: SendEvent['send'] = (requester, { roomId, type, content }, txn) =>
    sendOnce(deps, requester, txn, (author) =>
      deps.writer.append(
        roomId,
        async (state) => {
          const draft = draftOf(state.version, { type, sender: requester.userId, content })
          await check(deps, state, draft)
          return draft
        },
        author,
      ),
    )
  return {
    send,
    sendState: (requester, event) => sendState(deps, requester, event),
    redact(requester, { roomId, target, reason }, txn) {
      const content = { redacts: target, ...(reason === undefined ? {} : { reason }) }
      return send(requester, { roomId, type: 'm.room.redaction', content }, txn)
    },
  }
}

/** The row that remembers the answer goes into the commit of the event. */
async function sendOnce(
  { transactions }: SendEventDeps,
  requester: Requester,
  { request, txnId }: ClientTransaction,
  perform: (author: Author) => Promise<StoredEvent>,
): Promise<EventId> {
  const answerOf = (eventId: EventId): JsonObject => ({ event_id: eventId })
  const answer = await transactions.once(requester, request, async (remember) => {
    const { deviceId } = requester
    const txn = { deviceId, txnId, remember: (eventId: EventId) => remember(answerOf(eventId)) }
    const stored = await perform({ acted: requester, txn })
    return answerOf(stored.row.eventId)
  })
  return answer['event_id'] as EventId
}

async function sendState(
  deps: SendEventDeps,
  requester: Requester,
  { roomId, type, stateKey, content }: NewEvent & { readonly stateKey: string },
): Promise<EventId> {
  const { userId } = requester
  const append = (): Promise<StoredEvent> =>
    deps.writer.append(
      roomId,
      async (state) => {
        const draft = await stateDraft(deps, state, { type, sender: userId, stateKey, content })
        const already = state.get(type, stateKey)
        return already !== undefined && says(already, draft) ? { already } : draft
      },
      by(requester),
    )
  const isOwnMembership = type === 'm.room.member' && stateKey === userId
  const stored = await (isOwnMembership ? deps.activeUsers.run(userId, append) : append())
  return stored.row.eventId
}

/** Clients name the target of a redaction inside the content; up to version 10 its place is above. */
function draftOf(version: RoomVersion, draft: EventDraft): EventDraft {
  if (draft.type !== 'm.room.redaction') return draft
  const target = ownString(draft.content, 'redacts')
  if (target === undefined || parseEventId(target) === null)
    throw refuse.badJson('"redacts" must be an event ID')
  if (version.redactsInContent) return draft
  const { redacts: _redacts, ...content } = draft.content
  return { ...draft, content, redacts: target }
}

async function stateDraft(
  deps: SendEventDeps,
  state: RoomState,
  given: EventDraft & { readonly stateKey: string },
): Promise<EventDraft> {
  if (given.type === 'm.room.member') return deps.membership.decide(state, given)
  const draft = draftOf(state.version, given)
  await check(deps, state, draft)
  return draft
}

function says({ row, event }: StoredEvent, draft: EventDraft): boolean {
  const { pdu } = event
  return row.sender === draft.sender && pdu.redacts === draft.redacts && sameJson(pdu.content, draft.content)
}

async function check(deps: SendEventDeps, state: RoomState, draft: EventDraft): Promise<void> {
  const { type, stateKey, content } = draft
  // Before the checks tell anything about the room.
  if (membershipOf(draft.sender, authStateOf(state)) !== 'join')
    throw refuse.forbidden('You are not in this room, or it does not exist')
  const create = state.get('m.room.create', '')
  const isUnlisted = state.version.infiniteCreators && create !== undefined
  checkContent(type, content, {
    serverName: deps.serverName,
    roomId: state.roomId,
    unlistedCreators: isUnlisted ? creatorsOf(create.event, state.version) : [],
    current: stateKey === undefined ? undefined : contentIn(state, type, stateKey),
    pointsHere: (alias) => deps.aliases.find(alias) === state.roomId,
  })
  if (type === 'm.room.redaction') await checkRedaction(deps, state, draft)
  if (type === 'm.reaction') await checkReaction(deps, state, draft)
}

/** An unknown target is no error: it may come from elsewhere later (§2.9). */
async function checkRedaction(deps: SendEventDeps, state: RoomState, draft: EventDraft): Promise<void> {
  const targetId = redactionTarget(draft, state.version)
  const [target] = targetId === null ? [] : await deps.store.events([targetId])
  if (target === undefined) return
  if (target.roomId !== state.roomId) throw refuse.invalidParam('The event is of another room')
  if (target.sender !== draft.sender && !hasRedactLevel(draft.sender, state))
    throw refuse.forbidden('You may not redact the events of others')
}

/** The same reaction of the same user to the same event, not redacted, is there already. */
async function checkReaction(deps: SendEventDeps, state: RoomState, draft: EventDraft): Promise<void> {
  const annotation = annotationIn(draft.content)
  const [target] = annotation === null ? [] : await deps.store.events([annotation.target])
  if (annotation === null || target?.roomId !== state.roomId) return
  const later = await deps.store.eventsBetween({
    roomId: state.roomId,
    after: target.pos,
    upTo: NEWEST,
    limit: REACTION_SEARCH_MAX,
    newestFirst: true,
  })
  const isSame = (stored: StoredEvent): boolean => {
    const other = annotationIn(stored.event.pdu.content)
    return other?.target === annotation.target && other.key === annotation.key
  }
  const mine = later.filter((row) => row.type === draft.type && row.sender === draft.sender)
  // A redacted one says nothing any more.
  if (mine.some((row) => isSame(deps.states.storedEvent(row)))) throw refuse.duplicateAnnotation()
}

function annotationIn(content: JsonObject): { readonly target: EventId; readonly key: string } | null {
  const relation = own(content, 'm.relates_to')
  if (!isJsonObject(relation) || own(relation, 'rel_type') !== 'm.annotation') return null
  const target = parseEventId(ownString(relation, 'event_id') ?? '')
  const key = ownString(relation, 'key')
  return target === null || key === undefined ? null : { target, key }
}
