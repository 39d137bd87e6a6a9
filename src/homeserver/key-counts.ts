import { createLru } from './lru.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store, Write } from '../ports/store.ts'
import type { SyncBody } from '../matrix/sync.ts'
import type { Stream } from '../ports/stream.ts'
import { countKeys } from './keys.ts'

/** The part of every sync answer without which clients upload their keys again. */
export type KeyCounts = Pick<SyncBody, 'device_one_time_keys_count' | 'device_unused_fallback_key_types'>

export interface KeyCountsSource {
  /** As remembered: enough for a device that goes on from an earlier answer. */
  of(requester: Requester): Promise<KeyCounts>
  /** From the store: a device that begins anew may be another one than before under its ID. */
  fresh(requester: Requester): Promise<KeyCounts>
}

export function createKeyCounts(deps: {
  readonly store: Pick<Store, 'oneTimeKeys' | 'fallbackKeys'>
  readonly stream: Pick<Stream, 'observe'>
  /** Devices whose counts are kept in memory. */
  readonly devicesMax: number
}): KeyCountsSource {
  const { store, stream, devicesMax } = deps
  const known = createLru<string, Promise<KeyCounts>>(devicesMax)
  stream.observe((writes) => {
    for (const write of writes) {
      const device = deviceOf(write)
      if (device !== null) known.delete(device)
    }
  })
  const load = async ({ userId, deviceId }: Requester): Promise<KeyCounts> => {
    const [keys, fallbacks] = await Promise.all([
      store.oneTimeKeys(userId, deviceId),
      store.fallbackKeys(userId, deviceId),
    ])
    return {
      device_one_time_keys_count: countKeys(keys),
      device_unused_fallback_key_types: fallbacks.filter((key) => key.used === 0).map((key) => key.algorithm),
    }
  }
  const fresh = (requester: Requester): Promise<KeyCounts> => {
    const key = deviceKey(requester.userId, requester.deviceId)
    const loading = load(requester)
    known.set(key, loading)
    loading.catch(() => known.delete(key))
    return loading
  }
  return {
    fresh,
    of: (requester) => known.get(deviceKey(requester.userId, requester.deviceId)) ?? fresh(requester),
  }
}

function deviceOf(write: Write): string | null {
  if ('put' in write) {
    if (write.put !== 'oneTimeKeys' && write.put !== 'fallbackKeys') return null
    return deviceKey(write.row.userId, write.row.deviceId)
  }
  if (write.drop !== 'oneTimeKeys' && write.drop !== 'fallbackKeys') return null
  const { userId, deviceId } = write.where
  return userId === undefined || deviceId === undefined ? null : deviceKey(userId, deviceId)
}

function deviceKey(userId: string, deviceId: string): string {
  return `${userId}\u0000${deviceId}`
}
