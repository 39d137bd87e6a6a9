import type { DeviceId, UserId } from '../matrix/ids.ts'

interface Device {
  readonly userId: UserId
  readonly deviceId: DeviceId
}

/** A device as the key of a map; neither ID can hold a NUL. */
export function deviceKey({ userId, deviceId }: Device): string {
  return `${userId}\u0000${deviceId}`
}

/** The device of a key that was made here. */
export function deviceOfKey(key: string): Device {
  const end = key.indexOf('\u0000')
  return { userId: key.slice(0, end) as UserId, deviceId: key.slice(end + 1) as DeviceId }
}
