import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { Serial } from '../base/serial.ts'
import { createAccountData, type AccountData } from '../homeserver/account-data.ts'
import { createAccounts, type Accounts } from '../homeserver/accounts.ts'
import { createActiveUsers, type ActiveUsers } from '../homeserver/active-users.ts'
import { createDevices, type Devices } from '../homeserver/devices.ts'
import { createDirectory, type AccountDirectory } from '../homeserver/directory.ts'
import { loadErasures, type Erasures } from '../homeserver/erasures.ts'
import { createFilters, type Filters } from '../homeserver/filters.ts'
import { createKeys, type Keys } from '../homeserver/keys.ts'
import { createLastSeen, type LastSeen } from '../homeserver/last-seen.ts'
import { Memberships } from '../homeserver/memberships.ts'
import { createPasswordAttempts } from '../homeserver/password-attempts.ts'
import { createPasswords, type Passwords } from '../homeserver/passwords.ts'
import { createProfiles, type Profiles } from '../homeserver/profiles.ts'
import { createRemoteFields } from '../homeserver/remote-fields.ts'
import { createRoomReading, type RoomReading } from '../homeserver/room-reading.ts'
import { createRooms, type Rooms } from '../homeserver/rooms.ts'
import { createUserDirectory, type UserDirectory } from '../homeserver/user-directory.ts'
import { createUserSettings, type UserSettingsSource } from '../homeserver/user-settings.ts'
import type { RoomId, ServerName, UserId } from '../matrix/ids.ts'
import type { SigningKey } from '../matrix/signing.ts'
import type { Log } from '../ports/log.ts'
import type { AskProfile } from '../ports/remote-profiles.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import { BOUNDS } from './bounds.ts'
import type { Config } from './options.ts'

export interface HomeserverDeps {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signingKey: SigningKey
  readonly stream: Stream
  readonly submit: PresenceSubmit
  /** Asks other servers for profiles of their users. */
  readonly askProfile: AskProfile
  readonly wake: Wake
  readonly limits: { check(name: 'login', key: string): void; tryTake(name: 'login', key: string): boolean }
  /** Ends what an account that ended leaves behind elsewhere; may be called again for what it left undone. */
  readonly onDeactivate: (userId: UserId) => Promise<void>
  /** Costs of password hashes; tests take cheaper ones. */
  readonly passwordCosts: { readonly memoryKiB: number; readonly passes: number }
}

/** Accounts, rooms and what belongs to them: the standalone directory. */
export interface Homeserver {
  readonly directory: AccountDirectory
  readonly accounts: Accounts
  readonly passwords: Passwords
  readonly devices: Devices
  readonly profiles: Profiles
  readonly accountData: AccountData
  readonly filters: Filters
  readonly keys: Keys
  readonly userDirectory: UserDirectory
  readonly rooms: Rooms
  readonly reading: RoomReading
  /** Takes up what an earlier process did not finish; said once, when requests may come. */
  resume(): Promise<void>
  /** Finishes and writes what is under way; no request comes any more. */
  close(): Promise<void>
}

export async function composeHomeserver(deps: HomeserverDeps): Promise<Homeserver> {
  const { config, store, stream } = deps
  const memberships = await Memberships.load(store)
  tellMemberships(memberships, deps.submit)
  /** One line for each user: account, devices, profile, account data and joins change one at a time. */
  const users = new Serial<UserId>()
  const shared: Shared = {
    ...deps,
    serverName: config.serverName,
    memberships,
    users,
    activeUsers: createActiveUsers({ users, store }),
    userSettings: createUserSettings({ store, stream, usersMax: BOUNDS.usersInMemoryMax }),
    erasures: await loadErasures({ store, stream }),
  }
  const { lastSeen, directory } = composeDirectory(shared)
  const rooms = await createRooms({
    ...shared,
    ...ROOM_BOUNDS,
    directory,
    defaultRoomVersion: config.defaultRoomVersion,
  })
  const accountData = createAccountData(shared)
  await accountData.loadIgnores()
  const profiles = createProfiles({
    ...shared,
    directory,
    propagate: rooms.propagateProfile,
    remoteFields: createRemoteFields({
      ask: deps.askProfile,
      clock: deps.clock,
      usersMax: BOUNDS.remoteFieldsMax,
    }),
  })
  const identities = composeAccounts(shared, { lastSeen, directory, rooms })
  return {
    ...identities,
    directory,
    accountData,
    profiles,
    rooms,
    filters: createFilters({ ...shared, filtersMax: BOUNDS.filtersInMemoryMax }),
    keys: createKeys(shared),
    userDirectory: createUserDirectory({
      ...shared,
      directory,
      isPublic: (roomId) => isPublic(rooms, roomId),
    }),
    reading: createRoomReading({
      ...shared,
      ...ROOM_BOUNDS,
      roomStates: rooms.states,
      isListed: (roomId) => rooms.publicRooms.lists(roomId),
      usersInMemoryMax: BOUNDS.usersInMemoryMax,
    }),
    async resume() {
      await identities.accounts.resume()
      await profiles.resume()
    },
    async close() {
      await identities.accounts.close()
      await profiles.close()
      await lastSeen.close()
    },
  }
}

const ROOM_BOUNDS = {
  txnTtlMs: BOUNDS.txnTtlMs,
  roomsInMemoryMax: BOUNDS.roomsInMemoryMax,
  queuePerRoomMax: BOUNDS.queuePerRoomMax,
}

interface Shared extends HomeserverDeps {
  readonly serverName: ServerName
  readonly memberships: Memberships
  readonly users: Serial<UserId>
  readonly activeUsers: ActiveUsers
  readonly userSettings: UserSettingsSource
  readonly erasures: Erasures
}

interface KnownUsers {
  readonly lastSeen: LastSeen
  readonly directory: AccountDirectory
}

function composeDirectory(shared: Shared): KnownUsers {
  const lastSeen = createLastSeen({
    ...shared,
    flushMs: BOUNDS.lastSeenFlushMs,
    devicesMax: BOUNDS.lastSeenDevicesMax,
  })
  const directory = createDirectory({
    ...shared,
    lastSeen,
    requestersMax: BOUNDS.requestersInMemoryMax,
    profilesMax: BOUNDS.profilesInMemoryMax,
  })
  return { lastSeen, directory }
}

function composeAccounts(
  shared: Shared,
  { lastSeen, directory, rooms }: KnownUsers & { readonly rooms: Rooms },
): Pick<Homeserver, 'accounts' | 'devices' | 'passwords'> {
  const devices = createDevices({ ...shared, directory, lastSeen })
  const passwords = createPasswords({
    random: shared.random,
    parallelMax: BOUNDS.passwordsParallelMax,
    waitingMax: BOUNDS.passwordsWaitingMax,
    ...shared.passwordCosts,
  })
  const accounts = createAccounts({
    ...shared,
    directory,
    devices,
    passwords,
    attempts: createPasswordAttempts({ ...shared, passwords }),
    onDeactivate: async (userId) => {
      await shared.onDeactivate(userId)
      await rooms.membership.leaveAll(userId)
    },
  })
  return { accounts, devices, passwords }
}

/** By the current join rule: may everyone join? */
async function isPublic({ states }: Rooms, roomId: RoomId): Promise<boolean> {
  const state = await states.current(roomId)
  return state?.get('m.room.join_rules', '')?.event.pdu.content['join_rule'] === 'public'
}

/** Before presence begins: who is together with whom is no news then. */
function tellMemberships(memberships: Memberships, submit: Pick<PresenceSubmit, 'joined'>): void {
  for (const [roomId, members] of memberships.rooms())
    for (const userId of members) submit.joined(roomId, userId)
}
