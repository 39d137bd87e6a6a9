import type { Millis } from '../base/clock.ts'
import { isPresent } from './aggregate.ts'
import type { NotifyReason, PresencePolicy, UserPresence } from './types.ts'

/** Did the user act within the window, in a state in which that is shown (PRESENCE-SPEC §3.4)? */
export function isCurrentlyActive(
  { state, lastActiveTs }: Pick<UserPresence, 'state' | 'lastActiveTs'>,
  now: Millis,
  { activeWindowMs }: Pick<PresencePolicy, 'activeWindowMs'>,
): boolean {
  return isPresent(state) && lastActiveTs !== null && now - lastActiveTs < activeWindowMs
}

/** What somebody may be shown of a user: all of it by itself, or, when hidden, `offline` and nothing else (P-111). */
export type Face = Omit<UserPresence, 'hidden'>

export const OFFLINE_FACE: Face = {
  state: 'offline',
  statusMsg: null,
  lastActiveTs: null,
  currentlyActive: false,
}

/**
 * Why watchers should hear of the change from what they heard last, or null when they should not (PRESENCE-SPEC §4.5). While
 * a user is currently active, the moving time alone is never a reason (P-143).
 */
export function notifyReason(
  heard: Face,
  now: Face,
  isProfileChanged: boolean,
  { activeWindowMs }: Pick<PresencePolicy, 'activeWindowMs'>,
): NotifyReason | null {
  if (now.state !== heard.state) return 'state'
  if (now.statusMsg !== heard.statusMsg) return 'status'
  if (isProfileChanged) return 'profile'
  if (isPresent(now.state) && now.currentlyActive !== heard.currentlyActive) return 'currently-active'
  // Somebody who was offline anyway went into hiding: the time goes, too (P-111).
  if (now.lastActiveTs === null) return heard.lastActiveTs === null ? null : 'last-active'
  const movedMs = now.lastActiveTs - (heard.lastActiveTs ?? 0)
  return !now.currentlyActive && movedMs > activeWindowMs ? 'last-active' : null
}

/** Offline for longer than anybody cares to be told, and without a text to be read. */
export function isLongGone(
  { state, statusMsg, lastActiveTs }: Pick<Face, 'state' | 'statusMsg' | 'lastActiveTs'>,
  now: Millis,
  { offlineCutoffMs }: Pick<PresencePolicy, 'offlineCutoffMs'>,
): boolean {
  return state === 'offline' && statusMsg === null && (lastActiveTs ?? -Infinity) <= now - offlineCutoffMs
}

/** Where only the time moved, that may wait for the next answer (PRESENCE-SPEC §4.5). */
export function isUrgent(reason: NotifyReason | null): boolean {
  return reason !== null && reason !== 'last-active'
}
