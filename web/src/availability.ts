/** What a dot can say. `hidden` is only ever one's own; `unknown` means that the server cannot be asked. */
export type Availability =
  'free_for_chat' | 'online' | 'busy' | 'unavailable' | 'offline' | 'hidden' | 'unknown'

/** The words under which people know the states. */
export const AVAILABILITY_NAMES: Readonly<Record<Availability, string>> = {
  free_for_chat: 'Free to chat',
  online: 'Online',
  busy: 'Busy',
  unavailable: 'Idle',
  offline: 'Offline',
  hidden: 'Hidden',
  unknown: 'Unknown',
}

const ORDER: readonly Availability[] = [
  'free_for_chat',
  'online',
  'busy',
  'unavailable',
  'offline',
  'hidden',
  'unknown',
]

/** Who is easiest to reach comes first. */
export function compareAvailability(a: Availability, b: Availability): number {
  return ORDER.indexOf(a) - ORDER.indexOf(b)
}

export function isAround(availability: Availability): boolean {
  return compareAvailability(availability, 'unavailable') < 0
}
