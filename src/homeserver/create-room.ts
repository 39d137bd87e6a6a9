import type { Clock } from '../base/clock.ts'
import { randomText, type Random } from '../base/random.ts'
import { MatrixError, refuse } from '../matrix/errors.ts'
import { areUserIds, parseUserId, serverOf, type RoomAlias, type RoomId, type UserId } from '../matrix/ids.ts'
import { isJsonObject, own, type JsonObject } from '../matrix/json.ts'
import { roomVersion, type RoomVersion } from '../matrix/room-version/index.ts'
import type { Requester } from '../ports/directory.ts'
import type { Row } from '../ports/store.ts'
import type { Aliases, ReservedAlias } from './aliases.ts'
import { checkContent } from './event-checks.ts'
import type { EventDraft } from './event-making.ts'
import { memberContent, profileOf, type MemberContentDeps } from './member-content.ts'
import type { PublicRooms } from './public-rooms.ts'
import { defaultPowerLevels, presetState, trustsInvitees, type Preset } from './room-presets.ts'
import type { RoomWriter } from './room-writer.ts'
import type { UserSettingsSource } from './user-settings.ts'

/** The body of createRoom, as far as its shape goes (§5.4). */
export interface CreateRoomRequest {
  readonly preset?: Preset | undefined
  readonly visibility?: 'public' | 'private' | undefined
  readonly room_version?: string | undefined
  readonly creation_content?: JsonObject | undefined
  readonly room_alias_name?: string | undefined
  readonly name?: string | undefined
  readonly topic?: string | undefined
  readonly initial_state?: readonly InitialState[] | undefined
  readonly power_level_content_override?: JsonObject | undefined
  readonly invite?: readonly string[] | undefined
  readonly invite_3pid?: readonly unknown[] | undefined
  readonly is_direct?: boolean | undefined
}

interface InitialState {
  readonly type: string
  readonly state_key?: string | undefined
  readonly content: JsonObject
}

export interface CreatedRoom {
  readonly roomId: RoomId
  readonly alias: RoomAlias | null
}

interface CreateRoomDeps extends MemberContentDeps {
  readonly userSettings: UserSettingsSource
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly writer: Pick<RoomWriter, 'create'>
  readonly aliases: Pick<Aliases, 'reserve'>
  readonly publicRooms: Pick<PublicRooms, 'created'>
  readonly defaultRoomVersion: string
}

const INVITES_MAX = 100
const INITIAL_STATE_MAX = 500
const ROOM_ID_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const ROOM_ID_LENGTH = 18

/** Everything that is known of the room before its first event. */
interface RoomPlan {
  readonly version: RoomVersion
  readonly preset: Preset
  readonly creator: UserId
  readonly creatorProfile: JsonObject
  /** Invitees of this server; until there is room federation, others cannot be reached and are dropped. */
  readonly invitees: readonly UserId[]
  readonly request: CreateRoomRequest
  readonly alias: RoomAlias | null
}

/**
 * Makes a room, all of it or nothing (§5.4).
 *
 * @throws M_BAD_JSON, M_INVALID_PARAM, M_UNSUPPORTED_ROOM_VERSION, M_ROOM_IN_USE, M_INVALID_ROOM_STATE, M_UNRECOGNIZED
 */
export async function createRoom(
  deps: CreateRoomDeps,
  requester: Requester,
  request: CreateRoomRequest,
): Promise<CreatedRoom> {
  const version = versionOf(deps, request)
  const named = inviteesOf(deps, requester.userId, request)
  refuseUnsupported(request)
  const invitees = await reachable(deps, named)
  const creatorProfile = await profileOf(deps, requester.userId)
  const invites = await invitesOf(deps, requester.userId, request, invitees)
  const reserved =
    request.room_alias_name === undefined ? null : deps.aliases.reserve(request.room_alias_name, requester)
  try {
    const plan: RoomPlan = {
      version,
      preset: request.preset ?? (request.visibility === 'public' ? 'public_chat' : 'private_chat'),
      creator: requester.userId,
      creatorProfile,
      invitees,
      request,
      alias: reserved?.alias ?? null,
    }
    return await make(deps, requester, { plan, invites, reserved })
  } finally {
    reserved?.giveBack()
  }
}

async function make(
  deps: CreateRoomDeps,
  requester: Requester,
  room: {
    readonly plan: RoomPlan
    readonly invites: readonly EventDraft[]
    readonly reserved: ReservedAlias | null
  },
): Promise<CreatedRoom> {
  const { plan, invites, reserved } = room
  const drafts = [...roomDrafts(deps, plan), ...invites]
  const createdTs = deps.clock.now()
  const rowOf = (roomId: RoomId): Row<'rooms'> => ({
    roomId,
    version: plan.version.id,
    creator: plan.creator,
    createdTs,
    listed: plan.request.visibility === 'public' ? 1 : 0,
  })
  const roomId = await deps.writer
    .create({
      roomId: plan.version.roomIdFromCreate ? null : randomRoomId(deps),
      version: plan.version,
      drafts,
      rows: (roomId) => [
        { put: 'rooms', row: rowOf(roomId) },
        ...(reserved === null ? [] : [reserved.row(roomId)]),
      ],
      author: { acted: requester, txn: null },
    })
    .catch((error: unknown) => {
      const isAuth = error instanceof MatrixError && error.errcode === 'M_FORBIDDEN'
      throw isAuth ? refuse.invalidRoomState(error.message) : error
    })
  reserved?.keep(roomId)
  deps.publicRooms.created(rowOf(roomId))
  return { roomId, alias: plan.alias }
}

function versionOf({ defaultRoomVersion }: CreateRoomDeps, request: CreateRoomRequest): RoomVersion {
  const version = roomVersion(request.room_version ?? defaultRoomVersion)
  if (version === null) throw refuse.unsupportedRoomVersion()
  return version
}

function inviteesOf({ serverName }: CreateRoomDeps, creator: UserId, request: CreateRoomRequest): UserId[] {
  const named = request.invite ?? []
  if (named.length > INVITES_MAX) throw refuse.badJson(`More than ${INVITES_MAX} invites at once`)
  const invitees = new Set<UserId>()
  for (const text of named) {
    const userId = parseUserId(text)
    if (userId === null) throw refuse.invalidParam('"invite" must be a list of user IDs')
    if (userId !== creator && serverOf(userId) === serverName) invitees.add(userId)
  }
  return [...invitees]
}

/** Those who take invites; if nobody does, the room would be pointless. */
async function reachable({ userSettings }: CreateRoomDeps, named: readonly UserId[]): Promise<UserId[]> {
  const settings = await Promise.all(named.map((userId) => userSettings.of(userId)))
  const invitees = named.filter((_, index) => settings[index]?.blocksInvites === false)
  if (named.length > 0 && invitees.length === 0) throw refuse.inviteBlocked()
  return invitees
}

function refuseUnsupported({
  invite_3pid: thirdParty,
  initial_state: initial = [],
}: CreateRoomRequest): void {
  if (thirdParty !== undefined && thirdParty.length > 0)
    throw new MatrixError(400, 'M_UNRECOGNIZED', 'Invites by third-party ID are not supported')
  if (initial.length > INITIAL_STATE_MAX)
    throw refuse.badJson(`More than ${INITIAL_STATE_MAX} entries in "initial_state"`)
}

async function invitesOf(
  deps: CreateRoomDeps,
  creator: UserId,
  request: CreateRoomRequest,
  invitees: readonly UserId[],
): Promise<EventDraft[]> {
  const direct: JsonObject = request.is_direct === true ? { is_direct: true } : {}
  return Promise.all(
    invitees.map(async (stateKey) => ({
      type: 'm.room.member',
      sender: creator,
      stateKey,
      content: memberContent('invite', await profileOf(deps, stateKey), direct),
    })),
  )
}

/** Events 1 to 7, in the order of §5.4. */
function roomDrafts(deps: CreateRoomDeps, plan: RoomPlan): EventDraft[] {
  const { creator, creatorProfile, request, preset } = plan
  const draft = (type: string, content: JsonObject, stateKey = ''): EventDraft => ({
    type,
    sender: creator,
    stateKey,
    content,
  })
  const createContent = createContentOf(plan)
  const creators = unlistedCreators(plan, createContent)
  const initial = initialStateOf(plan)
  const ofPreset = presetState(preset).filter(({ type }) => !initial.has(type))
  const drafts = [
    draft('m.room.create', createContent),
    draft('m.room.member', memberContent('join', creatorProfile), creator),
    draft('m.room.power_levels', powerLevelsOf(plan)),
    ...(plan.alias === null || initial.has('m.room.canonical_alias')
      ? []
      : [draft('m.room.canonical_alias', { alias: plan.alias })]),
    ...ofPreset.map(({ type, content }) => draft(type, content)),
    ...initial.entries.map((entry) => draft(entry.type, entry.content, entry.state_key)),
    ...(request.name === undefined ? [] : [draft('m.room.name', { name: request.name })]),
    ...(request.topic === undefined ? [] : [draft('m.room.topic', topicContent(request.topic))]),
  ]
  for (const { type, content } of drafts.slice(1))
    checkContent(type, content, {
      serverName: deps.serverName,
      roomId: null,
      unlistedCreators: creators,
      current: undefined,
      pointsHere: (alias) => alias === plan.alias,
    })
  return drafts
}

/** R-125; `additional_creators` means something from version 12 on. */
function createContentOf({ version, request, creator, preset, invitees }: RoomPlan): JsonObject {
  const { creator: _creator, ...given } = request.creation_content ?? {}
  const content: JsonObject = { ...given, room_version: version.id }
  if (version.creator === 'content') content['creator'] = creator
  if (version.creator !== 'sender-and-additional') return content
  const additional = own(given, 'additional_creators')
  if (additional !== undefined && !areUserIds(additional))
    throw refuse.badJson('"additional_creators" must be an array of user IDs')
  const trusted = trustsInvitees(preset) ? invitees : []
  if (additional !== undefined || trusted.length > 0)
    content['additional_creators'] = [...new Set([...(additional ?? []), ...trusted])]
  return content
}

/** Those that power levels must not list. */
function unlistedCreators({ version, creator }: RoomPlan, createContent: JsonObject): readonly string[] {
  if (!version.infiniteCreators) return []
  const additional = own(createContent, 'additional_creators')
  return [creator, ...(areUserIds(additional) ? additional : [])]
}

/** The initial state that is sent in its place (6); what was given by other keys of the request wins. */
function initialStateOf({ request }: RoomPlan): {
  readonly entries: readonly InitialState[]
  readonly has: (type: string) => boolean
} {
  const all = request.initial_state ?? []
  const replaced = new Set(['m.room.power_levels'])
  if (request.name !== undefined) replaced.add('m.room.name')
  if (request.topic !== undefined) replaced.add('m.room.topic')
  return {
    entries: all.filter((entry) => !(replaced.has(entry.type) && isOfRoom(entry))),
    has: (type) => all.some((entry) => entry.type === type && isOfRoom(entry)),
  }
}

function isOfRoom({ state_key: stateKey = '' }: InitialState): boolean {
  return stateKey === ''
}

/** Those of `initial_state` as they are, else the default with the override over it. */
function powerLevelsOf({ version, preset, creator, invitees, request }: RoomPlan): JsonObject {
  const initial = request.initial_state?.findLast(
    (entry) => entry.type === 'm.room.power_levels' && isOfRoom(entry),
  )
  if (initial !== undefined) return initial.content
  const override = request.power_level_content_override ?? {}
  const users = own(override, 'users')
  // the creator would have no power in the room.
  if (!version.infiniteCreators && isJsonObject(users) && !Object.hasOwn(users, creator))
    throw refuse.badJson('"power_level_content_override" must list the creator in "users"')
  const trusted = trustsInvitees(preset) ? invitees : []
  return { ...defaultPowerLevels(version, preset, { creator, trusted }), ...override }
}

function topicContent(topic: string): JsonObject {
  return { topic, 'm.topic': { 'm.text': [{ body: topic }] } }
}

function randomRoomId({ random, serverName }: CreateRoomDeps): RoomId {
  return `!${randomText(random, ROOM_ID_CHARACTERS, ROOM_ID_LENGTH)}:${serverName}` as RoomId
}
