import type { DeviceNum } from '../engine/types.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'

/**
 * The engine's numbers of devices. A device ID is unique for one user only, so the two name the number together. Numbers
 * are never given out twice; those of ended devices are forgotten, so the table is as big as the logins are many.
 */
export class DeviceNumbers {
  readonly #byUser = new Map<UserId, Map<DeviceId, DeviceNum>>()
  readonly #ids = new Map<DeviceNum, DeviceId>()
  #given = 0

  /** The number of the device, given out now if it has none. */
  intern(userId: UserId, deviceId: DeviceId): DeviceNum {
    let ofUser = this.#byUser.get(userId)
    if (ofUser === undefined) this.#byUser.set(userId, (ofUser = new Map()))
    const known = ofUser.get(deviceId)
    if (known !== undefined) return known
    this.#given += 1
    const fresh = this.#given as DeviceNum
    ofUser.set(deviceId, fresh)
    this.#ids.set(fresh, deviceId)
    return fresh
  }

  /** The number of the device, or null: a question must not grow the table. */
  find(userId: UserId, deviceId: DeviceId): DeviceNum | null {
    return this.#byUser.get(userId)?.get(deviceId) ?? null
  }

  /** The device behind a number, null once it was forgotten. */
  id(device: DeviceNum): DeviceId | null {
    return this.#ids.get(device) ?? null
  }

  forget(userId: UserId, deviceId: DeviceId): void {
    const ofUser = this.#byUser.get(userId)
    const device = ofUser?.get(deviceId)
    if (ofUser === undefined || device === undefined) return
    this.#ids.delete(device)
    ofUser.delete(deviceId)
    if (ofUser.size === 0) this.#byUser.delete(userId)
  }

  forgetAll(userId: UserId): void {
    for (const deviceId of this.#byUser.get(userId)?.keys() ?? []) this.forget(userId, deviceId)
  }
}
