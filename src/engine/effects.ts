import type { NotifyReason, PresenceRecord, UserNum } from './types.ts'

/** A user's durable record changed. Written behind, except where the shell waits for it (PUT status). */
export interface PresenceWrite {
  readonly user: UserNum
  readonly record: PresenceRecord
}

/** A change that took a place in the change log. */
export interface Published {
  readonly user: UserNum
  readonly seq: number
  /** Null: only the user's own devices hear of it (the user is hidden). */
  readonly reason: NotifyReason | null
}

/**
 * What the shell should make happen; the engine itself does nothing but keep its state. Arrays, in the order in which
 * things happened, so that the same commands and times twice give the same effects.
 */
export interface Effects {
  /** Users with a stream open who may now read something new; each at most once. */
  readonly wakes: readonly UserNum[]
  readonly writes: readonly PresenceWrite[]
  readonly published: readonly Published[]
}

export const NO_EFFECTS: Effects = { wakes: [], writes: [], published: [] }
