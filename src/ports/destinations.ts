import type { ServerName, UserId } from '../matrix/ids.ts'

/**
 * What presence has to say to other servers; `federation/outbound` implements it. Every call is synchronous, cannot fail and
 * never waits: each destination has a queue of its own, with its own pace and its own failures (P-201). What waits are names;
 * what is said of them is asked of `ports/edus` when a transaction is written (P-171).
 */
export interface Destinations {
  /** This server is to hear the newest presence of these users of ours. Doubled names cost nothing. */
  offerPresence(server: ServerName, userIds: Iterable<UserId>): void
  /** The same at once and whether or not it was said before: the answer to a `poll` (P-177), a reminder (P-199). */
  answerPresence(server: ServerName, userIds: Iterable<UserId>): void
  /** Changes to the set of its users that we follow (§5.6); the latest wish for a user wins. */
  offerPolls(server: ServerName, change: PollChange): void
  /** List EDUs for this server lie in the store (§5.5). */
  offerLists(server: ServerName): void
  /** It sent a signed request: its back-off ends (§5.9). */
  heardFrom(server: ServerName): void
}

export interface PollChange {
  readonly poll: readonly UserId[]
  readonly unpoll: readonly UserId[]
}
