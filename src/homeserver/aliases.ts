import type { Clock } from '../base/clock.ts'
import { MatrixError, refuse } from '../matrix/errors.ts'
import { parseRoomAlias, serverOf, type RoomAlias, type RoomId, type ServerName } from '../matrix/ids.ts'
import { own, type JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Memberships } from './memberships.ts'
import { levelOf, requiredLevel } from './power-levels.ts'
import { authStateOf, contentIn, type RoomState, type RoomStates } from './room-state.ts'
import type { RoomWriter } from './room-writer.ts'

/** An alias that nobody else can take, until it is kept or given back. */
export interface ReservedAlias {
  readonly alias: RoomAlias
  /** The row that makes it last. */
  row(roomId: RoomId): Write
  /** The row is durable. */
  keep(roomId: RoomId): void
  giveBack(): void
}

/** The room directory of this server (§5.8). */
export interface Aliases {
  /** The room of an alias of ours, or null. */
  find(alias: RoomAlias): RoomId | null
  /** The room's aliases here. @throws M_FORBIDDEN for those outside, unless the room is world-readable */
  list(requester: Requester, roomId: RoomId): Promise<RoomAlias[]>
  /**
   * For a room that is being made; `localpart` comes from `room_alias_name`.
   *
   * @throws M_INVALID_PARAM, or M_ROOM_IN_USE if it is taken
   */
  reserve(localpart: string, creator: Requester): ReservedAlias
  /** @throws M_INVALID_PARAM, 409 if it exists, M_FORBIDDEN if the caller is not in the room */
  put(requester: Requester, alias: RoomAlias, roomId: RoomId): Promise<void>
  /**
   * Also takes it out of the room's `m.room.canonical_alias`, if the caller may change that.
   *
   * @throws M_INVALID_PARAM, M_NOT_FOUND, M_FORBIDDEN
   */
  drop(requester: Requester, alias: RoomAlias): Promise<void>
}

interface AliasesDeps {
  readonly store: Pick<Store, 'aliasesOf' | 'all' | 'commit'>
  readonly clock: Pick<Clock, 'now'>
  readonly serverName: ServerName
  readonly memberships: Memberships
  readonly states: Pick<RoomStates, 'current'>
  readonly writer: Pick<RoomWriter, 'append'>
}

/** All aliases are kept in memory: every look-up of an alias is a question of a client. */
export async function createAliases(deps: AliasesDeps): Promise<Aliases> {
  const { store, clock, serverName, memberships } = deps
  const rows = new Map<RoomAlias, Row<'aliases'>>()
  for (const row of await store.all('aliases')) rows.set(row.alias, row)
  const reserved = new Set<RoomAlias>()

  const reserve = (alias: RoomAlias, creator: Requester): ReservedAlias | null => {
    if (rows.has(alias) || reserved.has(alias)) return null
    reserved.add(alias)
    const createdTs = clock.now()
    const rowOf = (roomId: RoomId): Row<'aliases'> => ({ alias, roomId, creator: creator.userId, createdTs })
    return {
      alias,
      row: (roomId) => ({ put: 'aliases', row: rowOf(roomId) }),
      keep(roomId) {
        reserved.delete(alias)
        rows.set(alias, rowOf(roomId))
      },
      giveBack: () => void reserved.delete(alias),
    }
  }
  return {
    find: (alias) => rows.get(alias)?.roomId ?? null,
    async list({ userId }, roomId) {
      const state = await deps.states.current(roomId)
      const visibility = state === null ? undefined : contentIn(state, 'm.room.history_visibility')
      const isOpen = visibility !== undefined && own(visibility, 'history_visibility') === 'world_readable'
      if (!isOpen && !memberships.isJoined(roomId, userId))
        throw refuse.forbidden('You are not in this room, or it does not exist')
      return (await store.aliasesOf(roomId)).map(({ alias }) => alias)
    },
    reserve(localpart, creator) {
      const taken = reserve(aliasNamed(localpart, serverName), creator)
      if (taken === null) throw refuse.roomInUse('The room alias is taken')
      return taken
    },
    async put(requester, alias, roomId) {
      refuseOther(alias, serverName)
      if (!memberships.isJoined(roomId, requester.userId)) throw refuse.forbidden('You are not in the room')
      const mine = reserve(alias, requester)
      if (mine === null) throw refuse.aliasExists()
      try {
        await store.commit([mine.row(roomId)])
        mine.keep(roomId)
      } finally {
        mine.giveBack()
      }
    },
    async drop(requester, alias) {
      refuseOther(alias, serverName)
      const row = rows.get(alias)
      if (row === undefined) throw refuse.notFound('There is no such alias')
      if (!(await mayDrop(deps, requester, row))) throw refuse.forbidden('You may not delete this alias')
      // Another may have dropped it meanwhile, and a third taken the name.
      if (rows.get(alias) !== row) throw refuse.notFound('There is no such alias')
      await store.commit([{ drop: 'aliases', where: { alias } }])
      rows.delete(alias)
      await unname(deps, requester, row)
    },
  }
}

function aliasNamed(localpart: string, serverName: ServerName): RoomAlias {
  const alias = /[:\s\0]/u.test(localpart) ? null : parseRoomAlias(`#${localpart}:${serverName}`)
  if (alias === null || localpart === '') throw refuse.invalidParam('"room_alias_name" is malformed')
  return alias
}

function refuseOther(alias: RoomAlias, serverName: ServerName): void {
  if (serverOf(alias) !== serverName) throw refuse.invalidParam('The alias belongs to another server')
}

async function mayDrop(
  { states, memberships }: AliasesDeps,
  { userId, admin }: Requester,
  { creator, roomId }: Row<'aliases'>,
): Promise<boolean> {
  if (creator === userId || admin) return true
  const state = await states.current(roomId)
  return state !== null && memberships.isJoined(roomId, userId) && mayNameRoom(state, userId)
}

/** Has the user the level for `m.room.canonical_alias`? */
export function mayNameRoom(state: RoomState, userId: string): boolean {
  const authState = authStateOf(state)
  const required = requiredLevel({ type: 'm.room.canonical_alias', isState: true }, authState, state.version)
  return levelOf(userId, authState, state.version) >= required
}

/** The room goes by this name no more; if the caller may not say so, the event stays as it is. */
async function unname(
  deps: AliasesDeps,
  requester: Requester,
  { alias, roomId }: Row<'aliases'>,
): Promise<void> {
  const type = 'm.room.canonical_alias'
  const state = await deps.states.current(roomId)
  const content = state === null ? undefined : contentIn(state, type)
  if (content === undefined || withoutAlias(content, alias) === null) return
  try {
    await deps.writer.append(
      roomId,
      (now) => {
        const kept = withoutAlias(contentIn(now, type) ?? {}, alias)
        if (kept === null) throw refuse.notFound('The alias is not in the event any more')
        return { type, stateKey: '', sender: requester.userId, content: kept }
      },
      { acted: requester, txn: null },
    )
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
  }
}

/** The content without the alias, or null if it does not name it. */
function withoutAlias(content: JsonObject, alias: RoomAlias): JsonObject | null {
  const others = own(content, 'alt_aliases')
  const isMain = own(content, 'alias') === alias
  const isOther = Array.isArray(others) && others.includes(alias)
  if (!isMain && !isOther) return null
  const { alias: _alias, ...rest } = content
  const kept: JsonObject = isMain ? rest : { ...content }
  if (isOther) kept['alt_aliases'] = others.filter((other) => other !== alias)
  return kept
}
