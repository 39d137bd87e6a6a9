import type { Serial } from '../base/serial.ts'
import { refuse } from '../matrix/errors.ts'
import { parseUserId, type RoomId, type UserId } from '../matrix/ids.ts'
import { isJsonObject, own, type JsonObject } from '../matrix/json.ts'
import { defaultPushRules, type PushRuleset } from '../matrix/push-rules.ts'
import type { Store } from '../ports/store.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import type { Stream } from './stream.ts'

/** Types that have endpoints of their own. */
const SERVER_MANAGED = new Set(['m.fully_read', 'm.push_rules'])

export const TYPE_BYTES_MAX = 255

export interface AccountData {
  /** Refuses data that is not there with M_NOT_FOUND. `roomId` is '' for global data. */
  get(userId: UserId, roomId: RoomId | '', type: string): Promise<JsonObject>
  /** Durable when it resolves; the user's devices are woken. */
  set(userId: UserId, roomId: RoomId | '', type: string, content: JsonObject): Promise<void>
  tags(userId: UserId, roomId: RoomId): Promise<JsonObject>
  setTag(userId: UserId, roomId: RoomId, tag: string, content: JsonObject): Promise<void>
  removeTag(userId: UserId, roomId: RoomId, tag: string): Promise<void>
  pushRules(userId: UserId): Promise<PushRuleset>
  /** Every stored ignore list, told to presence once at start. */
  loadIgnores(): Promise<void>
}

export function createAccountData(deps: {
  readonly store: Pick<Store, 'accountData' | 'accountDataOfType'>
  readonly stream: Pick<Stream, 'commit'>
  readonly users: Serial<UserId>
  readonly submit: Pick<PresenceSubmit, 'ignores'>
  readonly wake: Pick<Wake, 'users'>
}): AccountData {
  const { store, stream, users, submit, wake } = deps

  const find = async (userId: UserId, roomId: RoomId | '', type: string): Promise<JsonObject | null> => {
    const row = await store.accountData(userId, roomId, type)
    return row === null ? null : (JSON.parse(row.json) as JsonObject)
  }

  const put = async (
    userId: UserId,
    roomId: RoomId | '',
    type: string,
    content: JsonObject,
  ): Promise<void> => {
    const json = JSON.stringify(content)
    await stream.commit((next) => [{ put: 'accountData', row: { userId, roomId, type, json, pos: next() } }])
    if (roomId === '' && type === 'm.ignored_user_list') submit.ignores(userId, ignoredUsers(userId, content))
    wake.users([userId], 'rooms')
  }

  const tags = async (userId: UserId, roomId: RoomId): Promise<JsonObject> => {
    const content = await find(userId, roomId, 'm.tag')
    const stored = content === null ? undefined : own(content, 'tags')
    return isJsonObject(stored) ? stored : {}
  }

  /** Tags are one piece of data, changed one at a time. */
  const changeTags = (userId: UserId, roomId: RoomId, change: (tags: JsonObject) => void): Promise<void> =>
    users.run(userId, async () => {
      const all = { ...(await tags(userId, roomId)) }
      change(all)
      await put(userId, roomId, 'm.tag', { tags: all })
    })

  return {
    tags,
    async get(userId, roomId, type) {
      const content = await find(userId, roomId, type)
      if (content === null) throw refuse.notFound('There is no account data of this type')
      return content
    },
    async set(userId, roomId, type, content) {
      if (SERVER_MANAGED.has(type)) throw refuse.notWritable(`${type} has endpoints of its own`)
      if (Buffer.byteLength(type) > TYPE_BYTES_MAX) throw refuse.tooLarge('The type is longer than 255 bytes')
      await users.run(userId, () => put(userId, roomId, type, content))
    },
    setTag: (userId, roomId, tag, content) =>
      changeTags(userId, roomId, (all) => {
        Object.defineProperty(all, tag, {
          value: content,
          enumerable: true,
          configurable: true,
          writable: true,
        })
      }),
    removeTag: (userId, roomId, tag) =>
      changeTags(userId, roomId, (all) => void Reflect.deleteProperty(all, tag)),
    async pushRules(userId) {
      const content = await find(userId, '', 'm.push_rules')
      return (content?.['global'] as unknown as PushRuleset | undefined) ?? defaultPushRules(userId)
    },
    async loadIgnores() {
      for (const row of await store.accountDataOfType('m.ignored_user_list')) {
        if (row.roomId === '')
          submit.ignores(row.userId, ignoredUsers(row.userId, JSON.parse(row.json) as JsonObject))
      }
    },
  }
}

/** Whatever a client stored: only well-formed user IDs count, and nobody ignores themselves. */
function ignoredUsers(userId: UserId, content: JsonObject): UserId[] {
  const listed = own(content, 'ignored_users')
  if (!isJsonObject(listed)) return []
  return Object.keys(listed)
    .map((text) => parseUserId(text))
    .filter((ignored): ignored is UserId => ignored !== null && ignored !== userId)
}
