import type { Clock, Millis, Timer } from '../base/clock.ts'
import type { Serial } from '../base/serial.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import type { Store, Write } from '../ports/store.ts'

/** When, and from which address, a device last sent a request. */
interface Sighting {
  readonly ts: Millis
  readonly ip: string | null
}

interface LastSeenDeps {
  readonly store: Pick<Store, 'commit' | 'devices'>
  readonly clock: Clock
  /** The line of each user's account and device changes: a deleted device must not be written back. */
  readonly users: Serial<UserId>
  /** Sightings may be lost by a crash for this long; idle devices that poll cost one write in it. */
  readonly flushMs: Millis
  /** Devices with a sighting not yet written; reaching it writes early. */
  readonly devicesMax: number
}

export interface LastSeen {
  touch(userId: UserId, deviceId: DeviceId, ip: string | null): void
  /** The sighting not yet written, or null: then the stored row is right. */
  unwritten(userId: UserId, deviceId: DeviceId): Sighting | null
  forget(userId: UserId, deviceId: DeviceId): void
  flush(): Promise<void>
  /** Writes what is left. */
  close(): Promise<void>
}

/** Users written at once by a flush. */
const FLUSH_PARALLEL = 32

/** Write-behind of `last_seen_ts` and `last_seen_ip` (ROOMS-SPEC §5.3). */
export function createLastSeen(deps: LastSeenDeps): LastSeen {
  const { store, clock, users, flushMs, devicesMax } = deps
  let pending = new Map<UserId, Map<DeviceId, Sighting>>()
  let count = 0
  let timer: Timer | null = null

  async function flush(): Promise<void> {
    timer?.cancel()
    timer = null
    const taken = [...pending]
    pending = new Map()
    count = 0
    for (let at = 0; at < taken.length; at += FLUSH_PARALLEL) {
      const some = taken.slice(at, at + FLUSH_PARALLEL)
      await Promise.all(some.map(([userId, seen]) => users.run(userId, () => write(userId, seen))))
    }
  }

  async function write(userId: UserId, seen: ReadonlyMap<DeviceId, Sighting>): Promise<void> {
    const writes: Write[] = []
    for (const row of await store.devices(userId)) {
      const sighting = seen.get(row.deviceId)
      if (sighting === undefined) continue
      writes.push({ put: 'devices', row: { ...row, lastSeenTs: sighting.ts, lastSeenIp: sighting.ip } })
    }
    if (writes.length > 0) await store.commit(writes)
  }

  /** A sighting that could not be written is not worth more than the next one. */
  function flushSoon(): void {
    void flush().catch(() => {})
  }

  return {
    touch(userId, deviceId, ip) {
      const devices = pending.get(userId) ?? new Map<DeviceId, Sighting>()
      pending.set(userId, devices)
      if (!devices.has(deviceId)) count += 1
      devices.set(deviceId, { ts: clock.now(), ip })
      if (count >= devicesMax) flushSoon()
      else timer ??= clock.after(flushMs, flushSoon)
    },
    unwritten: (userId, deviceId) => pending.get(userId)?.get(deviceId) ?? null,
    forget(userId, deviceId) {
      const devices = pending.get(userId)
      if (devices?.delete(deviceId) !== true) return
      count -= 1
      if (devices.size === 0) pending.delete(userId)
    },
    flush,
    close: flush,
  }
}
