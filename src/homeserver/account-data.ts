import { IGNORED_USERS, ignoredUsers, PUSH_RULES } from '../matrix/account-data.ts'
import { refuse } from '../matrix/errors.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import { isJsonObject, own, type JsonObject } from '../matrix/json.ts'
import type { PushRuleset } from '../matrix/push-rules.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import type { ActiveUsers } from './active-users.ts'
import type { UserSettingsSource } from './user-settings.ts'

const TAGS = 'm.tag'
/** Types that have endpoints of their own. */
const SERVER_MANAGED = new Set(['m.fully_read', PUSH_RULES])

export const TYPE_BYTES_MAX = 255
/** Of one piece of data as stored. Tags grow one by one, so the limit of a body would not hold them. */
export const CONTENT_BYTES_MAX = 65_536

/** The name of a tag becomes a key of the room's `m.tag`. */
export const TAG_BYTES_MAX = 255

interface Tags {
  tags(userId: UserId, roomId: RoomId): Promise<JsonObject>
  setTag(userId: UserId, roomId: RoomId, tag: string, content: JsonObject): Promise<void>
  /** Fine if it was not there. */
  removeTag(userId: UserId, roomId: RoomId, tag: string): Promise<void>
}

/** What clients keep on the server (ROOMS-SPEC §5.9). Contents are handed out as they came. */
export interface AccountData extends Tags {
  /** Refuses data that is not there with M_NOT_FOUND. `roomId` is '' for global data. */
  get(userId: UserId, roomId: RoomId | '', type: string): Promise<JsonObject>
  /** Durable when it resolves; the user's devices are woken, also by what equals the old: clients wait for the echo. */
  set(userId: UserId, roomId: RoomId | '', type: string, content: JsonObject): Promise<void>
  pushRules(userId: UserId): Promise<PushRuleset>
  /** Every stored ignore list, told to presence once at start. */
  loadIgnores(): Promise<void>
}

interface AccountDataDeps {
  readonly store: Pick<Store, 'accountData' | 'accountDataOfType'>
  readonly stream: Pick<Stream, 'commit'>
  readonly userSettings: UserSettingsSource
  readonly activeUsers: ActiveUsers
  readonly submit: Pick<PresenceSubmit, 'ignores'>
  readonly wake: Pick<Wake, 'users'>
}

export function createAccountData(deps: AccountDataDeps): AccountData {
  const { store, activeUsers, submit, userSettings } = deps
  const rows = createRows(deps)

  const pushRules = async (userId: UserId): Promise<PushRuleset> => (await userSettings.of(userId)).pushRules

  return {
    ...createTags(rows, activeUsers),
    pushRules,
    async get(userId, roomId, type) {
      // What sync delivers under this type, also while it is not stored.
      if (roomId === '' && type === PUSH_RULES)
        return { global: (await pushRules(userId)) as unknown as JsonObject }
      const content = await rows.find(userId, roomId, type)
      if (content === null) throw refuse.notFound('There is no account data of this type')
      return content
    },
    async set(userId, roomId, type, content) {
      if (SERVER_MANAGED.has(type)) throw refuse.notWritable(`${type} has endpoints of its own`)
      if (Buffer.byteLength(type) > TYPE_BYTES_MAX)
        throw refuse.tooLarge(`The type is longer than ${TYPE_BYTES_MAX} bytes`)
      await activeUsers.run(userId, () => rows.put(userId, roomId, type, content))
    },
    async loadIgnores() {
      for (const row of await store.accountDataOfType(IGNORED_USERS)) {
        if (row.roomId === '') tellIgnores(submit, row.userId, JSON.parse(row.json) as JsonObject)
      }
    },
  }
}

interface Rows {
  find(userId: UserId, roomId: RoomId | '', type: string): Promise<JsonObject | null>
  /** Only inside the user's line. */
  put(userId: UserId, roomId: RoomId | '', type: string, content: JsonObject): Promise<void>
}

function createRows({ store, stream, submit, wake }: AccountDataDeps): Rows {
  return {
    async find(userId, roomId, type) {
      const row = await store.accountData(userId, roomId, type)
      return row === null ? null : (JSON.parse(row.json) as JsonObject)
    },
    async put(userId, roomId, type, content) {
      const json = JSON.stringify(content)
      if (Buffer.byteLength(json) > CONTENT_BYTES_MAX)
        throw refuse.tooLarge(`Account data of one type is limited to ${CONTENT_BYTES_MAX} bytes`)
      await stream.commit((next) => [
        { put: 'accountData', row: { userId, roomId, type, json, pos: next() } },
      ])
      if (roomId === '' && type === IGNORED_USERS) tellIgnores(submit, userId, content)
      wake.users([userId], 'rooms')
    },
  }
}

/** A room's tags are one piece of data, changed one at a time. */
function createTags(rows: Rows, activeUsers: ActiveUsers): Tags {
  const tags = async (userId: UserId, roomId: RoomId): Promise<JsonObject> => {
    const stored = own((await rows.find(userId, roomId, TAGS)) ?? {}, 'tags')
    return isJsonObject(stored) ? stored : {}
  }
  return {
    tags,
    async setTag(userId, roomId, tag, content) {
      if (Buffer.byteLength(tag) > TAG_BYTES_MAX)
        throw refuse.tooLarge(`The tag is longer than ${TAG_BYTES_MAX} bytes`)
      await activeUsers.run(userId, async () => {
        await rows.put(userId, roomId, TAGS, { tags: { ...(await tags(userId, roomId)), [tag]: content } })
      })
    },
    async removeTag(userId, roomId, tag) {
      await activeUsers.run(userId, async () => {
        const left = await tags(userId, roomId)
        if (!Object.hasOwn(left, tag)) return
        Reflect.deleteProperty(left, tag)
        await rows.put(userId, roomId, TAGS, { tags: left })
      })
    },
  }
}

function tellIgnores(submit: AccountDataDeps['submit'], userId: UserId, content: JsonObject): void {
  submit.ignores(userId, [...ignoredUsers(content, userId)])
}
