import type { ListEdu, PresenceEdu, PresencePush } from '../matrix/edu.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'

export type { ListEdu }

/** A list EDU that waits for its server: newest of its pair, durable until a 200 (§5.5). */
export interface WaitingListEdu extends ListEdu {
  /** Its place in the outbox. */
  readonly pos: number
}

/** What there is to say to other servers, asked when a transaction is written; `service/` implements it. */
export interface EduSources {
  /**
   * The present state of these users of ours, with ages as of now; those this server may not see (any more) are left out.
   * In which words depends on the peer, and is `matrix/edu`'s to say.
   */
  presenceFor(server: ServerName, userIds: readonly UserId[]): Promise<PresencePush[]>
  /**
   * All users of ours that this server may see: who is not offline, and who is among `changed` (§5.9). That may be everybody: it
   * can be asked, not counted.
   */
  presenceAfterOutage(server: ServerName, changed: Pick<ReadonlySet<UserId>, 'has'>): UserId[]
  /** What waits for this server, the oldest first. */
  listEdus(server: ServerName, limit: number): Promise<WaitingListEdu[]>
  /** They were acknowledged; one that was replaced meanwhile stays. */
  listEdusSent(edus: readonly WaitingListEdu[]): Promise<void>
  /** Servers for which something waits, at start. */
  listServers(): Promise<ServerName[]>
  /** Does this server speak presence lists ("2015-mode peer")? It gets `origin` and `destination` in each EDU. */
  speaksLists(server: ServerName): boolean
  /** It answered a transaction of ours, after an outage or not (watchdogs, §5.7). */
  answered(server: ServerName, outage: { readonly isOver: boolean }): void
}

/** What other servers say; `federation/inbound` calls it in the order of the EDUs (P-181). */
export interface EduSinks {
  /** A signed request of this server, whatever it holds; said once a request, before its EDUs. */
  heardFrom(origin: ServerName): void
  /** One `m.presence` EDU; entries that were no good, or of users of others, were left out. */
  presence(origin: ServerName, edu: PresenceEdu): void
  /** Durable, and in force, when it resolves. */
  list(origin: ServerName, edu: ListEdu): Promise<void>
}
