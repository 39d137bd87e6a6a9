import type { Connection, OwnPresence } from '@adsum/client'
import type { Availability } from './availability.ts'

/** The own dot. Others see `offline` while it says `hidden`. */
export function ownAvailability({ state, isIdle }: OwnPresence, connection: Connection): Availability {
  if (connection !== 'connected') return 'unknown'
  const isAutomatic = state === 'online' || state === 'free_for_chat'
  return isIdle && isAutomatic ? 'unavailable' : state
}
