import { assertNever } from '../base/assert.ts'
import type { Millis } from '../base/clock.ts'
import { isPresent, isRise } from './aggregate.ts'
import type { StreamPresence } from './commands.ts'
import type { DevicePresence, PresencePolicy, PresenceState } from './types.ts'

/*
 * The state machine of one device (PRESENCE-SPEC §4.3), one function an event. A device carries only its own state: it
 * learns nothing from the user's other devices, and tells them nothing (LESSONS §2 row 3).
 */

type Policy = Pick<PresencePolicy, 'idleTimeoutMs' | 'offlineGraceMs' | 'busyGraceMs'>

/** What a device is before anything was heard of it. */
export const UNKNOWN_DEVICE: DevicePresence = {
  state: 'offline',
  source: 'auto',
  lastActiveTs: 0,
  lastPutTs: 0,
  lastStreamEndTs: 0,
  openStreams: 0,
}

/** `PUT status`: exactly this state, by hand. Activity if it rises or says that somebody is there (P-125, A-09). */
export function reported(device: DevicePresence, state: PresenceState, now: Millis): DevicePresence {
  const isActivity = isRise(device.state, state) || isPresent(state)
  return {
    ...device,
    state,
    source: 'manual',
    lastPutTs: now,
    lastActiveTs: isActivity ? now : device.lastActiveTs,
  }
}

/** A `/sync` or `/events` request began. `offline` is invisible to the machine, but ends an automatic state (P-089). */
export function streamOpened(
  before: DevicePresence,
  presence: StreamPresence,
  now: Millis,
  policy: Policy,
): DevicePresence {
  if (presence === 'offline') return before.source === 'auto' ? { ...before, state: 'offline' } : before
  const isNewSession = !isConnected(before, now, policy)
  const device = { ...before, openStreams: before.openStreams + 1 }
  switch (presence) {
    case 'implicit':
      // A deliberate offline holds for as long as the same session keeps polling.
      return device.state === 'offline' && (device.source === 'auto' || isNewSession)
        ? arrived(device, now)
        : device
    case 'online':
      // What says more than online stays; online by hand becomes the client's own again (§2.8).
      return device.state === 'busy' || device.state === 'free_for_chat'
        ? { ...device, lastActiveTs: now }
        : arrived(device, now)
    case 'unavailable':
      return { ...device, state: 'unavailable', source: 'auto' }
    case 'busy':
      return { ...device, state: 'busy', source: 'auto', lastActiveTs: now }
    default:
      return assertNever(presence)
  }
}

/** The request ended, answered or dropped; the grace begins when the last one does (P-136). */
export function streamClosed(device: DevicePresence, presence: StreamPresence, now: Millis): DevicePresence {
  if (presence === 'offline') return device
  return { ...device, openStreams: device.openStreams - 1, lastStreamEndTs: now }
}

/** A pro-active event of kind (b)–(d): lifts `unavailable`, nothing else (P-130, P-131). */
export function acted(device: DevicePresence, now: Millis): DevicePresence {
  return device.state === 'unavailable' ? arrived(device, now) : { ...device, lastActiveTs: now }
}

/** What time alone made of the device; null when it is gone (P-132, P-134). */
export function settled(device: DevicePresence, now: Millis, policy: Policy): DevicePresence | null {
  if (!isConnected(device, now, policy)) return null
  return now >= idleAt(device, policy) ? { ...device, state: 'unavailable', source: 'auto' } : device
}

/** When time alone will next change the device; Infinity if it will not. */
export function nextChangeAt(device: DevicePresence, policy: Policy): Millis {
  return Math.min(idleAt(device, policy), goneAt(device, policy))
}

/** Is a stream open, or did one end, or was the device heard of, less than a grace ago? */
export function isConnected(device: DevicePresence, now: Millis, policy: Policy): boolean {
  return now < goneAt(device, policy)
}

function arrived(device: DevicePresence, now: Millis): DevicePresence {
  return { ...device, state: 'online', source: 'auto', lastActiveTs: now }
}

/** Busy users do not idle (P-133). */
function idleAt({ state, lastActiveTs }: DevicePresence, policy: Policy): Millis {
  return state === 'online' || state === 'free_for_chat' ? lastActiveTs + policy.idleTimeoutMs : Infinity
}

function goneAt(device: DevicePresence, policy: Policy): Millis {
  if (device.openStreams > 0) return Infinity
  const lastSeenTs = Math.max(device.lastStreamEndTs, device.lastActiveTs, device.lastPutTs)
  return lastSeenTs + (device.state === 'busy' ? policy.busyGraceMs : policy.offlineGraceMs)
}
