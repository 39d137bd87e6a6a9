import type { DevicePresence, PresenceState } from './types.ts'

/** Which change counts as a rise, hence as activity (PRESENCE-SPEC §1.3). Not the order of aggregation. */
const AVAILABILITY: Readonly<Record<PresenceState, number>> = {
  offline: 0,
  unavailable: 1,
  online: 2,
  busy: 2,
  free_for_chat: 3,
}

/** Which device speaks for its user (P-138). Not the order of availability. */
const AGGREGATION: Readonly<Record<PresenceState, number>> = {
  offline: 0,
  unavailable: 1,
  online: 2,
  free_for_chat: 3,
  busy: 4,
}

/** Does going from one state to the other move up the availability order (P-125, P-126)? */
export function isRise(from: PresenceState, to: PresenceState): boolean {
  return AVAILABILITY[to] > AVAILABILITY[from]
}

/** States in which a user can be "currently active" (PRESENCE-SPEC §3.4). */
export function isPresent(state: PresenceState): boolean {
  return AGGREGATION[state] >= AGGREGATION.online
}

/** The state of a user with these devices: the highest in the order of aggregation; none is `offline` (P-138, P-139). */
export function aggregate(devices: Iterable<Pick<DevicePresence, 'state'>>): PresenceState {
  let highest: PresenceState = 'offline'
  for (const { state } of devices) highest = higher(highest, state)
  return highest
}

/** Of two states, the one that speaks for the user. */
export function higher(one: PresenceState, other: PresenceState): PresenceState {
  return AGGREGATION[other] > AGGREGATION[one] ? other : one
}
