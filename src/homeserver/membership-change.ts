import { must } from '../base/assert.ts'
import { refuse } from '../matrix/errors.ts'
import {
  parseRoomAlias,
  parseRoomId,
  parseUserId,
  serverOf,
  type RoomId,
  type UserId,
} from '../matrix/ids.ts'
import { own, ownString, type JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { ActiveUsers } from './active-users.ts'
import type { Aliases } from './aliases.ts'
import { membershipOf } from './auth-state.ts'
import { inEachRoom } from './each-room.ts'
import { sameJson } from './event-checks.ts'
import type { EventDraft } from './event-making.ts'
import { memberContent, ownKeys, profileOf, reasonKey, type MemberContentDeps } from './member-content.ts'
import type { Membership, Memberships } from './memberships.ts'
import { authorisingKeys } from './restricted-join.ts'
import { authStateOf, contentIn, type RoomState, type RoomStates } from './room-state.ts'
import type { Author, Decision, RoomWriter } from './room-writer.ts'
import type { UserSettingsSource } from './user-settings.ts'

/** Somebody does something to another user; the empty reason is none. */
interface MembershipRequest {
  readonly roomId: RoomId
  readonly target: UserId
  readonly reason?: string | undefined
}

/** Joining, leaving and what others do about it (§5.5). All throw M_FORBIDDEN if the auth rules say so. */
export interface MembershipChange {
  /**
   * By room ID or alias. Further keys of `body` go into the member event.
   *
   * @throws M_INVALID_PARAM, M_NOT_FOUND, M_UNABLE_TO_AUTHORISE_JOIN, M_UNABLE_TO_GRANT_JOIN
   */
  join(requester: Requester, roomIdOrAlias: string, body: JsonObject): Promise<RoomId>
  /** @throws M_INVALID_PARAM, M_NOT_FOUND */
  knock(requester: Requester, roomIdOrAlias: string, body: JsonObject): Promise<RoomId>
  /** Also rejects an invite and retracts a knock. @throws M_NOT_FOUND if the user never was there */
  leave(requester: Requester, roomId: RoomId, reason: string | undefined): Promise<void>
  /** @throws M_UNKNOWN while the user is in the room, M_NOT_FOUND if he never was */
  forget(requester: Requester, roomId: RoomId): Promise<void>
  /** @throws M_UNKNOWN for users of other servers, which cannot be reached yet; M_INVITE_BLOCKED */
  invite(requester: Requester, request: MembershipRequest): Promise<void>
  kick(requester: Requester, request: MembershipRequest): Promise<void>
  ban(requester: Requester, request: MembershipRequest): Promise<void>
  /** @throws M_BAD_STATE if the target is not banned */
  unban(requester: Requester, request: MembershipRequest): Promise<void>
  /**
   * The member event that a client wants to write itself; `draft.stateKey` names the target. Fills in the profile, and what a
   * restricted join needs.
   */
  decide(state: RoomState, draft: MemberDraft): Promise<EventDraft>
  /** For a deactivated account; rooms that refuse are skipped. Nobody becomes active by it. */
  leaveAll(userId: UserId): Promise<void>
}

type MemberDraft = EventDraft & { readonly stateKey: string }

interface MembershipChangeDeps extends MemberContentDeps {
  readonly store: Pick<Store, 'memberships'>
  readonly userSettings: UserSettingsSource
  readonly activeUsers: ActiveUsers
  readonly stream: Pick<Stream, 'commit'>
  readonly memberships: Memberships
  readonly states: RoomStates
  readonly writer: RoomWriter
  readonly aliases: Pick<Aliases, 'find'>
}

const IN_ROOM: ReadonlySet<string> = new Set<Membership>(['join', 'invite', 'knock'])

export function createMembershipChange(deps: MembershipChangeDeps): MembershipChange {
  return {
    ...ownChanges(deps),
    ...changesOfOthers(deps),
    decide: (state, draft) => decideMember(deps, state, draft),
    async leaveAll(userId) {
      const rows = await deps.store.memberships(userId)
      const rooms = rows.filter(({ membership }) => IN_ROOM.has(membership)).map(({ roomId }) => roomId)
      await inEachRoom(rooms, (roomId) =>
        change(deps, SERVER, { roomId, target: userId, sender: userId }, (state) =>
          leaveContent(deps, state, userId, undefined),
        ),
      )
    },
  }
}

/** The server's own doing: nobody becomes active by it. */
const SERVER: Author = { acted: null, txn: null }

/** Of the new member event; null if the one that holds says it already. */
type ContentOf = (state: RoomState) => JsonObject | null | Promise<JsonObject | null>

/** One member event about somebody, made from the state at its turn. */
async function change(
  { writer }: MembershipChangeDeps,
  author: Author,
  { roomId, target, sender }: { readonly roomId: RoomId; readonly target: UserId; readonly sender: UserId },
  contentOf: ContentOf,
): Promise<void> {
  const decide = async (state: RoomState): Promise<Decision> => {
    const content = await contentOf(state)
    if (content === null) return { already: must(state.get('m.room.member', target), 'the member event') }
    return { type: 'm.room.member', sender, stateKey: target, content }
  }
  await writer.append(roomId, decide, author)
}

function ownChanges(
  deps: MembershipChangeDeps,
): Pick<MembershipChange, 'join' | 'knock' | 'leave' | 'forget'> {
  const changeOwn = (requester: Requester, roomId: RoomId, contentOf: ContentOf): Promise<void> => {
    const { userId } = requester
    return change(deps, by(requester), { roomId, target: userId, sender: userId }, contentOf)
  }
  const enter = (requester: Requester, roomId: RoomId, contentOf: ContentOf): Promise<void> =>
    deps.activeUsers.run(requester.userId, () => changeOwn(requester, roomId, contentOf))

  return {
    async join(requester, roomIdOrAlias, body) {
      const roomId = knownRoom(deps, roomIdOrAlias)
      const keys = ownKeys(body)
      await enter(requester, roomId, (state) => joinContent(deps, state, requester.userId, keys))
      return roomId
    },
    async knock(requester, roomIdOrAlias, body) {
      const roomId = knownRoom(deps, roomIdOrAlias)
      const keys = ownKeys(body)
      await enter(requester, roomId, async (state) => {
        const content = memberContent('knock', await profileOf(deps, requester.userId), keys)
        return isSame(state, requester.userId, content) ? null : content
      })
      return roomId
    },
    async leave(requester, roomId, reason) {
      await changeOwn(requester, knownRoom(deps, roomId), (state) =>
        leaveContent(deps, state, requester.userId, reason),
      )
    },
    async forget(requester, roomId) {
      await deps.writer.undisturbed(roomId, () => forget(deps, requester.userId, roomId))
    },
  }
}

function changesOfOthers(
  deps: MembershipChangeDeps,
): Pick<MembershipChange, 'invite' | 'kick' | 'ban' | 'unban'> {
  const changeOther = (
    requester: Requester,
    { roomId, target }: MembershipRequest,
    contentOf: ContentOf,
  ): Promise<void> => change(deps, by(requester), { roomId, target, sender: requester.userId }, contentOf)

  return {
    async invite(requester, request) {
      await changeOther(requester, request, async (state) => {
        await refuseUnreachable(deps, state, request.target)
        return memberContent('invite', await profileOf(deps, request.target), reasonKey(request.reason))
      })
    },
    async kick(requester, request) {
      await changeOther(requester, request, (state) => {
        if (!IN_ROOM.has(membershipOf(request.target, authStateOf(state))))
          throw refuse.forbidden('The user is not in the room')
        return memberContent('leave', reasonKey(request.reason))
      })
    },
    async ban(requester, request) {
      await changeOther(requester, request, (state) => {
        const content = memberContent('ban', reasonKey(request.reason))
        const current = state.get('m.room.member', request.target)
        const isMine = current?.row.sender === requester.userId
        return isMine && isSame(state, request.target, content) ? null : content
      })
    },
    async unban(requester, request) {
      await changeOther(requester, request, (state) => {
        if (!deps.memberships.isJoined(request.roomId, requester.userId))
          throw refuse.forbidden('You are not in the room')
        if (membershipOf(request.target, authStateOf(state)) !== 'ban')
          throw refuse.badState('The user is not banned')
        return memberContent('leave', reasonKey(request.reason))
      })
    },
  }
}

/** The user did it, so his device is active. */
export function by(requester: Requester): Author {
  return { acted: requester, txn: null }
}

/** Rooms of other servers cannot be asked for until there is room federation. */
function knownRoom({ aliases, states }: MembershipChangeDeps, text: string): RoomId {
  const alias = parseRoomAlias(text)
  const named = alias === null ? parseRoomId(text) : aliases.find(alias)
  if (named === null && alias === null) throw refuse.invalidParam('This is neither a room ID nor an alias')
  if (named === null || states.versionOf(named) === null)
    throw refuse.notFound('The room is not known to this server')
  return named
}

/** Null if the user is joined and says nothing new. What he said of himself in this room stays. */
async function joinContent(
  deps: MembershipChangeDeps,
  state: RoomState,
  userId: UserId,
  keys: JsonObject,
): Promise<JsonObject | null> {
  const current = contentIn(state, 'm.room.member', userId)
  const isJoined = current !== undefined && ownString(current, 'membership') === 'join'
  if (isJoined && Object.keys(keys).length === 0) return null
  const profile = isJoined ? profileIn(current) : await profileOf(deps, userId)
  const content = memberContent('join', profile, keys, authorisingKeys(deps, state, userId))
  return isSame(state, userId, content) ? null : content
}

function profileIn(content: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(content).filter(([key]) => key === 'displayname' || key === 'avatar_url'),
  )
}

/** Null if the user left already. */
async function leaveContent(
  deps: MembershipChangeDeps,
  state: RoomState,
  userId: UserId,
  reason: string | undefined,
): Promise<JsonObject | null> {
  const current = contentIn(state, 'm.room.member', userId)
  if (current === undefined) throw refuse.notFound('You never were in this room')
  const membership = ownString(current, 'membership')
  if (membership === 'ban') throw refuse.forbidden('You are banned from this room')
  if (membership === 'leave') return null
  return memberContent('leave', await profileOf(deps, userId), reasonKey(reason))
}

async function forget(deps: MembershipChangeDeps, userId: UserId, roomId: RoomId): Promise<void> {
  const rows = await deps.store.memberships(userId)
  const row = rows.find((one) => one.roomId === roomId)
  if (row === undefined) throw refuse.notFound('You never were in this room')
  if (IN_ROOM.has(row.membership)) throw refuse.unknown('You are still in this room; leave it first')
  if (row.forgotten === 1) return
  await deps.stream.commit(() => [{ put: 'memberships', row: { ...row, forgotten: 1 } }])
}

function isSame(state: RoomState, userId: UserId, content: JsonObject): boolean {
  const current = contentIn(state, 'm.room.member', userId)
  return current !== undefined && sameJson(current, content)
}

async function refuseUnreachable(
  { serverName, userSettings }: MembershipChangeDeps,
  state: RoomState,
  target: UserId,
): Promise<void> {
  if (serverOf(target) === serverName) {
    if ((await userSettings.of(target)).blocksInvites) throw refuse.inviteBlocked()
    return
  }
  if (own(contentIn(state, 'm.room.create') ?? {}, 'm.federate') === false)
    throw refuse.forbidden('The room is closed to users of other servers')
  throw refuse.unknown('Users of other servers cannot be invited: this server has no room federation yet')
}

async function decideMember(
  deps: MembershipChangeDeps,
  state: RoomState,
  draft: MemberDraft,
): Promise<EventDraft> {
  const target = parseUserId(draft.stateKey)
  if (target === null) throw refuse.invalidParam('The state key must be a user ID')
  const membership = ownString(draft.content, 'membership') as Membership | undefined
  if (membership === undefined) throw refuse.badJson('"membership" must be a string')
  const keys = ownKeys(draft.content)
  const isOwn = target === draft.sender
  const withContent = (...parts: readonly JsonObject[]): EventDraft => ({
    ...draft,
    content: memberContent(membership, ...parts),
  })
  if (membership === 'invite') {
    await refuseUnreachable(deps, state, target)
    const { displayname: _name, avatar_url: _avatar, ...others } = keys
    return withContent(others, await profileOf(deps, target))
  }
  if (!isOwn) {
    const isPointless = membership === 'leave' && membershipOf(target, authStateOf(state)) === 'leave'
    if (isPointless) throw refuse.forbidden('The user is not in the room')
    return withContent(keys)
  }
  const authorising = membership === 'join' ? authorisingKeys(deps, state, target) : {}
  return withContent(await profileOf(deps, target), keys, authorising)
}
