import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { createQueryProfile } from '../federation/queries.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { Directory } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { AskProfile } from '../ports/remote-profiles.ts'
import type { Store } from '../ports/store.ts'
import { createFederatedPresence, type FederatedPresence } from '../service/federated-presence.ts'
import { createListPeers, type ListPeers } from '../service/list-peers.ts'
import type { Loop, LoopDeps } from '../service/loop.ts'
import { createPollSubscriptions, type PollSubscriptions } from '../service/poll-subscriptions.ts'
import { createRemoteProfiles, type RemoteProfileCache } from '../service/remote-profiles.ts'
import { BOUNDS } from './bounds.ts'
import type { Edus } from './compose-federation.ts'
import type { PresenceListParts } from './compose-presence-lists.ts'
import type { Config } from './options.ts'

/** What there is to know and to say between this server and others, but for presence lists. */
export interface Neighbours {
  readonly presence: FederatedPresence
  readonly peers: ListPeers
  readonly polls: PollSubscriptions
  readonly profiles: RemoteProfileCache
  /** At start, when the grants are restored and before presence begins. */
  restore(): Promise<void>
  /** Said when the server listens. */
  begin(): void
  close(): Promise<void>
}

/** Is presence taken from other servers, and told to them? */
function switchesOf({ presence, federation }: Config): { takes: boolean; tells: boolean } {
  return {
    takes: federation.enabled && presence.federationIn && presence.enabled,
    // Switched off, presence still has one thing to say: that nobody is online any more (PRESENCE-SPEC §4.8).
    tells: federation.enabled && presence.federationOut,
  }
}

/** What the engine may say to other servers. */
export function audibleDestinations(config: Config, destinations: Destinations): LoopDeps['destinations'] {
  const { takes, tells } = switchesOf(config)
  return {
    offerPresence(server, userIds) {
      if (tells) destinations.offerPresence(server, userIds)
    },
    offerPolls(server, change) {
      if (takes) destinations.offerPolls(server, change)
    },
  }
}

export function composeNeighbours(deps: {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly loop: Loop
  readonly directory: Directory
  readonly destinations: Destinations
  readonly askProfile: AskProfile
}): Neighbours {
  const { config, log, clock, loop } = deps
  const switches = switchesOf(config)
  const { watchdogShortMs, watchdogLongMs } = config.federation
  const peers = createListPeers({
    ...deps,
    ...switches,
    watchdogShortMs,
    watchdogLongMs,
    peersMax: BOUNDS.listPeersMax,
  })
  const polls = createPollSubscriptions({
    ...deps,
    heardTs: (server) => peers.heardTs(server),
    subscriptionsMax: BOUNDS.pollSubscriptionsMax,
  })
  const profiles = createRemoteProfiles({
    clock,
    log,
    query: createQueryProfile(deps.askProfile),
    onChanged: (userId) => loop.remoteProfileChanged(userId),
    usersMax: BOUNDS.remoteProfilesMax,
  })
  const presence = createFederatedPresence({
    ...deps,
    ...switches,
    peers,
    polls,
    profiles,
    serverName: config.serverName,
    offlineCutoffMs: config.presence.offlineCutoffMs,
    earlyPushesMax: BOUNDS.earlyPushesMax,
  })
  return {
    presence,
    peers,
    polls,
    profiles,
    async restore() {
      await peers.restore()
      await polls.restore()
    },
    begin() {
      peers.begin()
      presence.begin()
    },
    async close() {
      presence.close()
      profiles.close()
      await peers.close()
      await polls.close()
    },
  }
}

interface EduParts extends Pick<PresenceListParts, 'lists' | 'listOutbox'> {
  readonly neighbours: Neighbours
}

/** Both halves of what is said and heard, presence and lists; the road to other servers is there before either. */
export function joinEdus(parts: () => EduParts): Edus {
  return {
    presenceFor: (server, userIds) => parts().neighbours.presence.presenceFor(server, userIds),
    presenceAfterOutage: (server, changed) =>
      parts().neighbours.presence.presenceAfterOutage(server, changed),
    listEdus: (server, limit) => parts().listOutbox.listEdus(server, limit),
    listEdusSent: (edus) => parts().listOutbox.listEdusSent(edus),
    listServers: () => parts().listOutbox.listServers(),
    speaksLists: (server) => parts().neighbours.peers.speaksLists(server),
    answered: (server, outage) => parts().neighbours.peers.answered(server, outage),
    heardFrom: (origin) => parts().neighbours.presence.heardFrom(origin),
    presence: (origin, edu) => parts().neighbours.presence.presence(origin, edu),
    async list(origin, edu) {
      parts().neighbours.peers.spoke(origin)
      await parts().lists.hear(origin, edu)
    },
  }
}
