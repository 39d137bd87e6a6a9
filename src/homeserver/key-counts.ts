import type { SyncBody } from '../matrix/sync.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { deviceKey, deviceOfKey } from './device-key.ts'
import { createFollowedCache } from './followed-cache.ts'
import { countKeys } from './keys.ts'

/** The part of every sync answer without which clients upload their keys again. */
type KeyCounts = Pick<SyncBody, 'device_one_time_keys_count' | 'device_unused_fallback_key_types'>

export interface KeyCountsSource {
  of(requester: Requester): Promise<KeyCounts>
}

export function createKeyCounts(deps: {
  readonly store: Pick<Store, 'oneTimeKeys' | 'fallbackKeys'>
  readonly stream: Pick<Stream, 'observe'>
  /** Devices whose counts are kept in memory. */
  readonly devicesMax: number
}): KeyCountsSource {
  const { store, stream, devicesMax } = deps
  const load = async (key: string): Promise<KeyCounts> => {
    const { userId, deviceId } = deviceOfKey(key)
    const [keys, fallbacks] = await Promise.all([
      store.oneTimeKeys(userId, deviceId),
      store.fallbackKeys(userId, deviceId),
    ])
    return {
      device_one_time_keys_count: countKeys(keys),
      device_unused_fallback_key_types: fallbacks.filter((key) => key.used === 0).map((key) => key.algorithm),
    }
  }
  const cache = createFollowedCache({ stream, entriesMax: devicesMax, load, keyOf: keysDevice })
  return { of: (requester) => cache.get(deviceKey(requester)) }
}

/** The device whose one-time or fallback keys this write changes, as a key, or null. */
export function keysDevice(write: Write): string | null {
  if ('put' in write) {
    const isKey = write.put === 'oneTimeKeys' || write.put === 'fallbackKeys'
    return isKey ? deviceKey(write.row) : null
  }
  if (write.drop !== 'oneTimeKeys' && write.drop !== 'fallbackKeys') return null
  const { userId, deviceId } = write.where
  return userId === undefined || deviceId === undefined ? null : deviceKey({ userId, deviceId })
}
