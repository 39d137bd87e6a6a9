import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { SigningKey } from '../matrix/signing.ts'
import type { Directory, Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import type { ActiveUsers } from './active-users.ts'
import { createAliases, type Aliases } from './aliases.ts'
import { createRoom, type CreatedRoom, type CreateRoomRequest } from './create-room.ts'
import { createMembershipChange, type MembershipChange } from './membership-change.ts'
import type { Memberships } from './memberships.ts'
import { createPropagateProfile, type PropagateProfile } from './profile-propagation.ts'
import { createPublicRooms, type PublicRooms } from './public-rooms.ts'
import { createRoomStates, type RoomStates } from './room-state.ts'
import { createRoomWriter } from './room-writer.ts'
import { createSendEvent, type SendEvent } from './send-event.ts'
import { createTransactions, type Transactions } from './transactions.ts'
import type { UserSettingsSource } from './user-settings.ts'

interface RoomsDeps {
  readonly store: Store
  readonly stream: Pick<Stream, 'commit'>
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  readonly serverName: ServerName
  readonly signingKey: SigningKey
  readonly memberships: Memberships
  readonly directory: Pick<Directory, 'profiles'>
  readonly userSettings: UserSettingsSource
  /** Users join in their own line: no new name passes a join by, and nobody joins whose account is closed. */
  readonly activeUsers: ActiveUsers
  readonly submit: Pick<PresenceSubmit, 'acted' | 'joined' | 'left'>
  readonly wake: Pick<Wake, 'users'>
  readonly defaultRoomVersion: string
  /** How long answers to client transactions are remembered. */
  readonly txnTtlMs: number
  /** Rooms whose current state is kept in memory. */
  readonly roomsInMemoryMax: number
  /** Requests that may wait for their turn in one room. */
  readonly queuePerRoomMax: number
}

/** Rooms as far as they are written to; `states` is also what reading builds on. */
export interface Rooms {
  readonly states: RoomStates
  readonly aliases: Aliases
  readonly publicRooms: PublicRooms
  readonly transactions: Transactions
  readonly membership: MembershipChange
  readonly events: SendEvent
  create(requester: Requester, request: CreateRoomRequest): Promise<CreatedRoom>
  readonly propagateProfile: PropagateProfile
}

export async function createRooms(deps: RoomsDeps): Promise<Rooms> {
  const states = await createRoomStates({ store: deps.store, roomsMax: deps.roomsInMemoryMax })
  const writer = createRoomWriter({ ...deps, states })
  const aliases = await createAliases({ ...deps, states, writer })
  const publicRooms = await createPublicRooms({ ...deps, states })
  const transactions = createTransactions(deps)
  const membership = createMembershipChange({ ...deps, states, writer, aliases })
  return {
    states,
    aliases,
    publicRooms,
    transactions,
    membership,
    events: createSendEvent({ ...deps, writer, states, transactions, aliases, membership }),
    create: (requester, request) =>
      deps.activeUsers.run(requester.userId, () =>
        createRoom({ ...deps, writer, aliases, publicRooms }, requester, request),
      ),
    propagateProfile: createPropagateProfile({ ...deps, writer }),
  }
}
