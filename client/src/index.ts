export type { PresenceClient } from './client.ts'
export type { Clock, Millis, Timer } from './clock.ts'
export { createPresenceClient, type CreateOptions } from './create.ts'
export type { Unsubscribe } from './emitter.ts'
export {
  IdleTimer,
  type IdleState,
  type IdleTarget,
  type IdleTimerOptions,
  type Locks,
} from './idle-timer.ts'
export { RequestError, type Fetch, type OnUnauthorized } from './request.ts'
export { activeAgoMs } from './store.ts'
export type { TabChannel } from './tabs.ts'
export type {
  Connection,
  Features,
  Invite,
  InviteChange,
  InvitePolicy,
  InviteState,
  ListEntry,
  Lists,
  OwnPresence,
  OwnState,
  SetPresence,
  ShownPresence,
  UserPresence,
} from './types.ts'
