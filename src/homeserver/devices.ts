import type { Clock } from '../base/clock.ts'
import { randomText, type Random } from '../base/random.ts'
import type { Serial } from '../base/serial.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import { hashAccessToken, makeAccessToken } from './access-token.ts'
import type { AccountDirectory } from './directory.ts'
import type { LastSeen } from './last-seen.ts'

/** Devices of one user. One more logs out the one that was silent longest: bots that never log out lock nobody out. */
export const DEVICES_MAX = 200

const DEVICE_ID_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
const DEVICE_ID_LENGTH = 10

/** Where a login comes from and what it wants to be called. */
export interface DeviceRequest {
  /** Null: a new one, named by us. An existing one is taken over with its keys and display name. */
  readonly deviceId: DeviceId | null
  readonly displayName: string | null
  readonly ip: string | null
}

/** What a login answers; the only time that the token itself is known. */
export interface Session {
  readonly userId: UserId
  readonly deviceId: DeviceId
  readonly accessToken: string
}

/** What is to be committed, and what to call once it is durable. */
interface Plan {
  readonly writes: readonly Write[]
  readonly done: () => void
}

interface DevicesDeps {
  readonly store: Pick<Store, 'devices'>
  readonly stream: Pick<Stream, 'commit'>
  readonly clock: Clock
  readonly random: Random
  /** The line of each user's account and device changes, shared with `accounts`. */
  readonly users: Serial<UserId>
  readonly directory: Pick<AccountDirectory, 'tokensChanged'>
  readonly lastSeen: Pick<LastSeen, 'unwritten' | 'forget'>
  readonly submit: Pick<PresenceSubmit, 'deviceRemoved'>
  readonly wake: Pick<Wake, 'ended'>
}

export interface Devices {
  list(userId: UserId): Promise<Row<'devices'>[]>
  get(userId: UserId, deviceId: string): Promise<Row<'devices'> | null>
  /** False if there is no such device. With null it only asks. */
  rename(userId: UserId, deviceId: string, displayName: string | null): Promise<boolean>
  /** Logs devices out and removes all that is theirs; unknown ones are passed over. */
  remove(userId: UserId, deviceIds: readonly string[]): Promise<void>
  removeAll(userId: UserId): Promise<void>
  /** A token for a new or existing device. Only inside the user's line; the caller commits. */
  planOpening(userId: UserId, request: DeviceRequest): Promise<Plan & { readonly session: Session }>
  /** The end of all devices but one. Only inside the user's line; the caller commits. */
  planRemovalOfAll(userId: UserId, except: DeviceId | null): Promise<Plan>
}

export function createDevices(deps: DevicesDeps): Devices {
  const { store, stream, users } = deps
  const seen = (row: Row<'devices'>): Row<'devices'> => {
    const sighting = deps.lastSeen.unwritten(row.userId, row.deviceId)
    return sighting === null ? row : { ...row, lastSeenTs: sighting.ts, lastSeenIp: sighting.ip }
  }
  const list = async (userId: UserId): Promise<Row<'devices'>[]> => (await store.devices(userId)).map(seen)
  const find = async (userId: UserId, deviceId: string): Promise<Row<'devices'> | null> =>
    (await list(userId)).find((row) => row.deviceId === deviceId) ?? null
  const removeWhere = async (userId: UserId, goes: (row: Row<'devices'>) => boolean): Promise<void> =>
    await users.run(userId, async () => {
      const plan = planRemoval(deps, userId, (await store.devices(userId)).filter(goes))
      if (plan.writes.length > 0) await stream.commit(() => plan.writes)
      plan.done()
    })

  return {
    list,
    get: find,
    rename: async (userId, deviceId, displayName) =>
      await users.run(userId, async () => {
        const row = await find(userId, deviceId)
        if (row !== null && displayName !== null && displayName !== row.displayName)
          await stream.commit(() => [{ put: 'devices', row: { ...row, displayName } }])
        return row !== null
      }),
    async remove(userId, deviceIds) {
      const going = new Set(deviceIds)
      await removeWhere(userId, (row) => going.has(row.deviceId))
    },
    removeAll: async (userId) => await removeWhere(userId, () => true),
    planOpening: async (userId, request) => planOpening(deps, userId, request, await list(userId)),
    planRemovalOfAll: async (userId, except) =>
      planRemoval(
        deps,
        userId,
        (await store.devices(userId)).filter((row) => row.deviceId !== except),
      ),
  }
}

function planOpening(
  deps: DevicesDeps,
  userId: UserId,
  request: DeviceRequest,
  existing: readonly Row<'devices'>[],
): Plan & { readonly session: Session } {
  const now = deps.clock.now()
  const deviceId =
    request.deviceId ?? (randomText(deps.random, DEVICE_ID_LETTERS, DEVICE_ID_LENGTH) as DeviceId)
  const session = { userId, deviceId, accessToken: makeAccessToken(deps.random) }
  const tokenHash = hashAccessToken(session.accessToken)
  const known = existing.find((row) => row.deviceId === deviceId)
  const fresh = { userId, deviceId, displayName: request.displayName, createdTs: now }
  const row = { ...(known ?? fresh), lastSeenTs: now, lastSeenIp: request.ip }
  const evicted = known === undefined ? planRemoval(deps, userId, beyond(existing, DEVICES_MAX - 1)) : null
  return {
    session,
    writes: [
      ...(evicted?.writes ?? []),
      // earlier tokens of the device end. A new device finds nothing left of an older one of its name.
      ...(known === undefined ? dropDevice(userId, deviceId) : dropTokens(userId, deviceId)),
      { put: 'devices', row },
      { put: 'tokens', row: { tokenHash, userId, deviceId, createdTs: now } },
    ],
    done() {
      evicted?.done()
      deps.lastSeen.forget(userId, deviceId)
      deps.directory.tokensChanged(userId, deviceId)
      if (known !== undefined) deps.wake.ended(userId, deviceId)
    },
  }
}

/** The devices that were silent longest, so that `keep` are left. */
function beyond(rows: readonly Row<'devices'>[], keep: number): readonly Row<'devices'>[] {
  const lastSign = (row: Row<'devices'>): number => row.lastSeenTs ?? row.createdTs
  return [...rows].sort((a, b) => lastSign(b) - lastSign(a)).slice(keep)
}

function planRemoval(deps: DevicesDeps, userId: UserId, rows: readonly Row<'devices'>[]): Plan {
  return {
    writes: rows.flatMap((row) => dropDevice(userId, row.deviceId)),
    done() {
      for (const { deviceId } of rows) {
        deps.lastSeen.forget(userId, deviceId)
        deps.directory.tokensChanged(userId, deviceId)
        // Before presence hears of it: the user's own change to offline would wake the request with an answer.
        deps.wake.ended(userId, deviceId)
      }
      // P-140: each counts no more from now on.
      for (const { deviceId } of rows) deps.submit.deviceRemoved(userId, deviceId)
    },
  }
}

function dropTokens(userId: UserId, deviceId: DeviceId): Write[] {
  return [{ drop: 'tokens', where: { userId, deviceId } }]
}

/** Everything that is the device's own. */
function dropDevice(userId: UserId, deviceId: DeviceId): Write[] {
  const where = { userId, deviceId }
  return [
    ...dropTokens(userId, deviceId),
    { drop: 'devices', where },
    { drop: 'deviceKeys', where },
    { drop: 'oneTimeKeys', where },
    { drop: 'fallbackKeys', where },
    { drop: 'transactions', where },
  ]
}
