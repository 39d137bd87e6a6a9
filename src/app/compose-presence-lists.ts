import type { Clock } from '../base/clock.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { Directory } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { GrantCounts } from '../service/grant-counts.ts'
import type { PresenceEvents } from '../service/presence-events.ts'
import { createPresenceListExpiry, type PresenceListExpiry } from '../service/presence-list-expiry.ts'
import { createPresenceListNews, type PresenceListNews } from '../service/presence-list-news.ts'
import { createListOutbox, type ListOutbox } from '../service/presence-list-outbox.ts'
import { createPresenceListReads, type PresenceListReads } from '../service/presence-list-reads.ts'
import { createPresenceListRepeats, type PresenceListRepeats } from '../service/presence-list-repeats.ts'
import { createPresenceLists, type PresenceLists } from '../service/presence-list.ts'
import { BOUNDS } from './bounds.ts'
import type { PresenceCore } from './compose-presence.ts'
import type { Config } from './options.ts'

/** Presence lists: what changes them, what reads them, what other servers are told of them, what ends them. */
export interface PresenceListParts {
  readonly lists: PresenceLists
  readonly listReads: PresenceListReads
  readonly listNews: PresenceListNews
  readonly listExpiry: PresenceListExpiry
  readonly listRepeats: PresenceListRepeats
  readonly listOutbox: ListOutbox
}

export async function composePresenceLists(deps: {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly stream: Stream
  readonly core: PresenceCore
  readonly directory: Directory
  readonly events: PresenceEvents
  readonly destinations: Pick<Destinations, 'offerLists' | 'answerPresence'>
}): Promise<PresenceListParts> {
  const { config, store, clock, log, stream, core, directory, events, destinations } = deps
  const { serverName } = config
  const { enabled, invitePolicy } = config.presence
  const listOutbox = createListOutbox({ store, serverName })
  const lists: PresenceLists = createPresenceLists({
    store,
    stream,
    clock,
    serverName,
    directory,
    loop: core.loop,
    wake: core.wakeups,
    destinations,
    outbox: listOutbox,
    counts: new GrantCounts({ rows: await store.all('presenceGrants'), serverName }),
    federates: config.federation.enabled,
    defaultPolicy: invitePolicy,
    onNews: () => listExpiry.noteNews(),
  })
  const listExpiry = createPresenceListExpiry({
    store,
    clock,
    log,
    expire: (observer, observed, until) => lists.expire(observer, observed, until),
  })
  const listRepeats = createPresenceListRepeats({
    store,
    stream,
    clock,
    log,
    serverName,
    repeat: (observer, observed) => lists.repeat(observer, observed),
  })
  return {
    lists,
    listReads: createPresenceListReads({ store, enabled, loop: core.loop, events }),
    listNews: createPresenceListNews({ store, stream, usersMax: BOUNDS.usersInMemoryMax }),
    listExpiry,
    listRepeats,
    listOutbox,
  }
}
