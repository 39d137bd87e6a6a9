import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { Serial } from '../base/serial.ts'
import { createAccountData, type AccountData } from '../homeserver/account-data.ts'
import { createAccounts, type Accounts } from '../homeserver/accounts.ts'
import { createDevices, type Devices } from '../homeserver/devices.ts'
import { createDirectory, type AccountDirectory } from '../homeserver/directory.ts'
import { createFilters, type Filters } from '../homeserver/filters.ts'
import { createKeys, type Keys } from '../homeserver/keys.ts'
import { createLastSeen, type LastSeen } from '../homeserver/last-seen.ts'
import { Memberships } from '../homeserver/memberships.ts'
import { createPasswordAttempts } from '../homeserver/password-attempts.ts'
import { createPasswords, type Passwords } from '../homeserver/passwords.ts'
import { createProfiles, type Profiles } from '../homeserver/profiles.ts'
import { createRoomReading, type RoomReading } from '../homeserver/room-reading.ts'
import { createRooms, type Rooms } from '../homeserver/rooms.ts'
import { createUserDirectory, type UserDirectory } from '../homeserver/user-directory.ts'
import { createUserSettings } from '../homeserver/user-settings.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { SigningKey } from '../matrix/signing.ts'
import type { Log } from '../ports/log.ts'
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
  readonly lastSeen: LastSeen
}

export async function composeHomeserver(deps: HomeserverDeps): Promise<Homeserver> {
  const { config, store, clock, stream, submit } = deps
  const serverName = config.serverName
  const memberships = await Memberships.load(store)
  tellMemberships(memberships, submit)
  const userSettings = createUserSettings({ store, stream, usersMax: BOUNDS.usersInMemoryMax })
  const shared = { ...deps, serverName, memberships, userSettings }
  /** One line for each user: account, devices, profile and account data change one at a time. */
  const users = new Serial<UserId>()
  const lastSeen = createLastSeen({
    store,
    clock,
    users,
    flushMs: BOUNDS.lastSeenFlushMs,
    devicesMax: BOUNDS.lastSeenDevicesMax,
  })
  const directory = createDirectory({
    store,
    clock,
    lastSeen,
    requestersMax: BOUNDS.requestersInMemoryMax,
    profilesMax: BOUNDS.profilesInMemoryMax,
  })
  const rooms = await createRooms({
    ...shared,
    directory,
    defaultRoomVersion: config.defaultRoomVersion,
    txnTtlMs: BOUNDS.txnTtlMs,
    roomsInMemoryMax: BOUNDS.roomsInMemoryMax,
    queuePerRoomMax: BOUNDS.queuePerRoomMax,
  })
  const accountData = createAccountData({ ...shared, users })
  await accountData.loadIgnores()
  const devices = createDevices({ ...shared, users, directory, lastSeen })
  const passwords = createPasswords({
    random: deps.random,
    parallelMax: BOUNDS.passwordsParallelMax,
    waitingMax: BOUNDS.passwordsWaitingMax,
    ...deps.passwordCosts,
  })
  return {
    directory,
    passwords,
    devices,
    accountData,
    rooms,
    lastSeen,
    accounts: createAccounts({
      ...shared,
      users,
      directory,
      devices,
      passwords,
      attempts: createPasswordAttempts({ store, passwords, limits: deps.limits }),
      onDeactivate: async (userId) => {
        await deps.onDeactivate(userId)
        await rooms.membership.leaveAll(userId)
      },
    }),
    profiles: createProfiles({ ...shared, users, directory, propagate: rooms.propagateProfile }),
    filters: createFilters({ store, filtersMax: BOUNDS.filtersInMemoryMax }),
    keys: createKeys({ ...shared, users }),
    userDirectory: createUserDirectory({
      ...shared,
      directory,
      isPublic: (roomId) => isPublic(rooms, roomId),
    }),
    reading: createRoomReading({
      ...shared,
      roomStates: rooms.states,
      isListed: (roomId) => rooms.publicRooms.lists(roomId),
      roomsInMemoryMax: BOUNDS.roomsInMemoryMax,
      usersInMemoryMax: BOUNDS.usersInMemoryMax,
    }),
  }
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
