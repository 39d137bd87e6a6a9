import { Serial } from '../../src/base/serial.ts'
import { createActiveUsers, type ActiveUsers } from '../../src/homeserver/active-users.ts'
import { createDirectory, type AccountDirectory } from '../../src/homeserver/directory.ts'
import { createStream } from '../../src/homeserver/stream.ts'
import { createUserSettings, type UserSettingsSource } from '../../src/homeserver/user-settings.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { makeUserId, type DeviceId, type UserId } from '../../src/matrix/ids.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Requester } from '../../src/ports/directory.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { SERVER } from './accounts.ts'
import { ManualClock } from './manual-clock.ts'

/** What the data of users stands on, on a memory store, with all that it tells others written down. */
export interface UserHouse {
  readonly store: Store
  readonly stream: Stream
  readonly userSettings: UserSettingsSource
  readonly users: Serial<UserId>
  readonly activeUsers: ActiveUsers
  readonly directory: AccountDirectory
  /** What presence and waiting requests were told, in order: `ignores @alice:hs.test …`, `woke @alice:hs.test rooms`. */
  readonly told: string[]
  readonly submit: {
    profileChanged(userId: UserId, deviceId: DeviceId | null): void
    ignores(userId: UserId, ignored: readonly UserId[]): void
  }
  readonly log: Pick<Log, 'error'>
  readonly wake: { users(userIds: Iterable<UserId>, topic: string): void }
}

export async function aUserHouse(store: Store = createMemoryStore()): Promise<UserHouse> {
  const stream = await createStream(store)
  const users = new Serial<UserId>()
  const told: string[] = []
  const tell = (...words: readonly (string | null)[]): void => void told.push(words.map(String).join(' '))
  return {
    store,
    told,
    stream,
    userSettings: createUserSettings({ store, stream, usersMax: 10 }),
    users,
    activeUsers: createActiveUsers({ users, store }),
    directory: createDirectory({
      store,
      clock: new ManualClock(),
      lastSeen: { touch: () => {} },
      requestersMax: 10,
      profilesMax: 10,
    }),
    submit: {
      profileChanged: (userId, deviceId) => tell('profileChanged', userId, deviceId),
      ignores: (userId, ignored) => tell('ignores', userId, ...ignored),
    },
    log: { error: (_, message) => tell('fault', message) },
    wake: { users: (userIds, topic) => tell('woke', ...userIds, topic) },
  }
}

/** An account with a device, on the given store. */
export async function enrol(
  { store }: Pick<UserHouse, 'store'>,
  name: string,
  options: { readonly deviceId?: string; readonly deviceName?: string; readonly guest?: boolean } = {},
): Promise<Requester> {
  const { deviceId = 'A', deviceName = null, guest = false } = options
  const userId = makeUserId(name, SERVER)
  const device = deviceId as DeviceId
  const account = { userId, passwordHash: null, admin: 0, guest: guest ? 1 : 0, createdTs: 1 } as const
  const seen = { createdTs: 1, lastSeenTs: null, lastSeenIp: null }
  await store.commit([
    { put: 'accounts', row: { ...account, deactivatedTs: null } },
    { put: 'devices', row: { userId, deviceId: device, displayName: deviceName, ...seen } },
  ])
  return { userId, deviceId: device, guest, admin: false }
}

/** Closes the account as a deactivation does. */
export async function close({ store }: Pick<UserHouse, 'store'>, { userId }: Requester): Promise<void> {
  const account = await store.account(userId)
  if (account === null) throw new Error('no such account')
  await store.commit([
    { put: 'accounts', row: { ...account, deactivatedTs: 2 } },
    { drop: 'devices', where: { userId } },
  ])
}

/** What a parser makes of the text: keys such as `__proto__` are the object's own. */
export function parsed(text: string): JsonObject {
  return JSON.parse(text) as JsonObject
}
