import type { EventId, RoomId } from '../matrix/ids.ts'
import type { Requester } from '../ports/directory.ts'
import { deviceKey } from './device-key.ts'
import { createLru } from './lru.ts'

/** Devices remembered; one that is forgotten is sent its members again. */
const DEVICES_MAX = 5_000
/** Members remembered per device, those sent longest ago forgotten first. */
const MEMBERS_PER_DEVICE_MAX = 5_000

interface Sent {
  readonly eventId: EventId
  /** End of the window of the answer; the client has seen it when it syncs from there. */
  readonly at: number
}

/** Which member events each device was sent, so that lazy loading does not repeat them (ROOMS-SPEC §6.7). */
export class LazyMembers {
  readonly #devices = createLru<string, Map<string, Sent>>(DEVICES_MAX)

  /** Was exactly this event in an answer that the device has acknowledged by syncing from `since`? */
  has(requester: Requester, key: LazyMemberKey, eventId: EventId, since: number): boolean {
    const sent = this.#devices.get(deviceKey(requester))?.get(memberKey(key))
    return sent?.eventId === eventId && sent.at <= since
  }

  sent(requester: Requester, key: LazyMemberKey, eventId: EventId, at: number): void {
    const device = deviceKey(requester)
    const members = this.#devices.get(device) ?? new Map<string, Sent>()
    const member = memberKey(key)
    const before = members.get(member)
    // An answer that repeats what was acknowledged must not make it look new.
    if (before?.eventId === eventId && before.at <= at) return
    members.delete(member)
    members.set(member, { eventId, at })
    if (members.size > MEMBERS_PER_DEVICE_MAX) {
      const [oldest] = members.keys()
      if (oldest !== undefined) members.delete(oldest)
    }
    this.#devices.set(device, members)
  }
}

interface LazyMemberKey {
  readonly roomId: RoomId
  readonly member: string
}

function memberKey({ roomId, member }: LazyMemberKey): string {
  return `${roomId}\u0000${member}`
}
