export type { Clock, Millis, Timer } from './clock.ts'
export type {
  Connection,
  Features,
  Invite,
  InviteChange,
  InvitePolicy,
  InviteState,
  Lists,
  OwnPresence,
  OwnState,
  SetPresence,
  ShownPresence,
  UserPresence,
} from './types.ts'
