import type { Clock } from '../base/clock.ts'
import type { Directory } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceEvents } from '../service/presence-events.ts'
import { createPresenceListExpiry, type PresenceListExpiry } from '../service/presence-list-expiry.ts'
import { createPresenceListNews, type PresenceListNews } from '../service/presence-list-news.ts'
import { createPresenceListReads, type PresenceListReads } from '../service/presence-list-reads.ts'
import { createPresenceLists, type PresenceLists } from '../service/presence-list.ts'
import { BOUNDS } from './bounds.ts'
import type { PresenceCore } from './compose-presence.ts'
import type { Config } from './options.ts'

/** Presence lists: what changes them, what reads them, what ends them. */
export interface PresenceListParts {
  readonly lists: PresenceLists
  readonly listReads: PresenceListReads
  readonly listNews: PresenceListNews
  readonly listExpiry: PresenceListExpiry
}

export function composePresenceLists(deps: {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  readonly stream: Stream
  readonly core: PresenceCore
  readonly directory: Directory
  readonly events: PresenceEvents
}): PresenceListParts {
  const { config, store, clock, log, stream, core, directory, events } = deps
  const { enabled, invitePolicy } = config.presence
  const lists: PresenceLists = createPresenceLists({
    store,
    stream,
    clock,
    serverName: config.serverName,
    directory,
    loop: core.loop,
    wake: core.wakeups,
    defaultPolicy: invitePolicy,
    onNews: () => listExpiry.noteNews(),
  })
  const listExpiry = createPresenceListExpiry({
    store,
    clock,
    log,
    expire: (observer, observed, until) => lists.expire(observer, observed, until),
  })
  return {
    lists,
    listReads: createPresenceListReads({ store, enabled, loop: core.loop, events }),
    listNews: createPresenceListNews({ store, stream, usersMax: BOUNDS.usersInMemoryMax }),
    listExpiry,
  }
}
