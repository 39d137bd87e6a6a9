import { createHash } from 'node:crypto'
import type { Random } from '../../src/base/random.ts'
import { Serial } from '../../src/base/serial.ts'
import { createAccounts, type Accounts } from '../../src/homeserver/accounts.ts'
import { createDevices, type DeviceRequest, type Devices } from '../../src/homeserver/devices.ts'
import { createDirectory, type AccountDirectory } from '../../src/homeserver/directory.ts'
import { createLastSeen, type LastSeen } from '../../src/homeserver/last-seen.ts'
import { createPasswordAttempts } from '../../src/homeserver/password-attempts.ts'
import { createPasswords, type Passwords } from '../../src/homeserver/passwords.ts'
import type { DeviceId, ServerName, UserId } from '../../src/matrix/ids.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { createRateLimits } from '../../src/service/rate-limit.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { ManualClock } from './manual-clock.ts'

/** Chance that comes out the same in every run. */
export function seededRandom(seed: number): Random {
  let count = 0
  const block = (): Buffer =>
    createHash('sha256')
      .update(`${seed} ${(count += 1)}`)
      .digest()
  const bytes = (length: number): Uint8Array => {
    const blocks: Buffer[] = []
    for (let have = 0; have < length; have += 32) blocks.push(block())
    return Buffer.concat(blocks).subarray(0, length)
  }
  const fraction = (): number => block().readUIntBE(0, 6) / 2 ** 48
  return { bytes, fraction, int: (below) => Math.floor(fraction() * below) }
}

export const SERVER = 'hs.test' as ServerName
export const ADDRESS = '192.0.2.1'

/** A device that is asked for, named or not. */
export function aDevice(deviceId: string | null = null, displayName: string | null = null): DeviceRequest {
  return { deviceId: deviceId as DeviceId | null, displayName, ip: ADDRESS }
}

export interface AccountHouse {
  readonly store: Store
  readonly clock: ManualClock
  readonly passwords: Passwords
  readonly users: Serial<UserId>
  readonly lastSeen: LastSeen
  readonly directory: AccountDirectory
  readonly devices: Devices
  readonly accounts: Accounts
  /** What presence and waiting requests were told, in order: `acted @alice:hs.test A`. */
  readonly told: string[]
  readonly left: UserId[]
  readonly faults: unknown[]
}

export interface HouseOptions {
  readonly store?: Store
  readonly onDeactivate?: (userId: UserId) => Promise<void>
  readonly limits?: boolean
  readonly requestersMax?: number
  readonly sightingsMax?: number
}

/** Accounts and what belongs to them, on a memory store, with cheap passwords. */
export function anAccountHouse(options: HouseOptions = {}): AccountHouse {
  const store = options.store ?? createMemoryStore()
  const clock = new ManualClock()
  const random = seededRandom(1)
  const told: string[] = []
  const left: UserId[] = []
  const faults: unknown[] = []
  const tell =
    (what: string) =>
    (...ids: readonly (string | null)[]): void =>
      void told.push([what, ...ids.map(String)].join(' '))
  const submit = {
    registered: tell('registered'),
    deactivated: tell('deactivated'),
    acted: tell('acted'),
    deviceRemoved: tell('deviceRemoved'),
  }
  const users = new Serial<UserId>()
  const passwords = createPasswords({ random, parallelMax: 2, waitingMax: 100, memoryKiB: 8, passes: 1 })
  const lastSeen = createLastSeen({
    store,
    clock,
    users,
    flushMs: 3_600_000,
    devicesMax: options.sightingsMax ?? 100,
  })
  const { requestersMax = 100 } = options
  const directory = createDirectory({ store, clock, lastSeen, requestersMax, profilesMax: 100 })
  const wake = { ended: tell('ended') }
  // Nothing here carries a position.
  const stream: Pick<Stream, 'commit'> = { commit: (build) => store.commit(build(() => 0)) }
  const devices = createDevices({ store, stream, clock, random, users, directory, lastSeen, submit, wake })
  const limits = createRateLimits({
    clock,
    limits: { login: { burst: 3, perSecond: 0.2 } },
    enabled: options.limits ?? false,
    keysMax: 100,
  })
  const accounts = createAccounts({
    store,
    stream,
    clock,
    random,
    serverName: SERVER,
    passwords,
    attempts: createPasswordAttempts({ store, passwords, limits }),
    devices,
    directory,
    users,
    submit,
    onDeactivate: options.onDeactivate ?? (async (userId) => void left.push(userId)),
    log: { error: (fields) => void faults.push(fields.err) },
  })
  return { store, clock, passwords, users, lastSeen, directory, devices, accounts, told, left, faults }
}
