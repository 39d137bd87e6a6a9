import type { Clock, Millis } from '../base/clock.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import type { PublicProfile } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { QueryProfile, RemoteProfiles, SaidProfile } from '../ports/remote-profiles.ts'

/** What another server said of a user is asked for again after this (PRESENCE-SPEC §5.8), */
const FRESH_MS = 86_400_000
/** and after this, if it did not answer. */
const RETRY_MS = 600_000
/** Queries on their way at the same time, to all servers and to one: a slow server must leave room for the others. */
const QUERIES_MAX = 20
const QUERIES_PER_SERVER_MAX = 2
/** Users to be asked for; who does not fit is asked for with the next event. */
const ASKED_MAX = 10_000
const ASKED_PER_SERVER_MAX = 1_000
/** As long as a name or avatar of our own users may be; what is longer is none. */
const NAME_BYTES_MAX = 1_024

const NOBODY: PublicProfile = {}

export interface RemoteProfilesDeps {
  readonly clock: Pick<Clock, 'now'>
  readonly log: Pick<Log, 'debug'>
  readonly query: QueryProfile
  /** The names are others now than those that events told so far. */
  readonly onChanged: (userId: UserId) => void
  /** Users whose profiles are kept; the ones that nobody looked at for longest go. */
  readonly usersMax: number
}

/** Names of other servers' users in memory. */
export interface RemoteProfileCache extends RemoteProfiles {
  /** No query from here on, and nothing becomes of those on their way. */
  close(): void
}

export function createRemoteProfiles(deps: RemoteProfilesDeps): RemoteProfileCache {
  return new Cache(deps)
}

interface Known {
  readonly profile: PublicProfile
  /** When to ask again. */
  readonly dueTs: Millis
}

class Cache implements RemoteProfileCache {
  readonly #deps: RemoteProfilesDeps
  /** The one looked at last stands last. */
  readonly #known = new Map<UserId, Known>()
  /** Waiting to be asked for, by server; the server that was asked last stands last. */
  readonly #waiting = new Map<ServerName, Set<UserId>>()
  #waitingUsers = 0
  readonly #running = new Map<UserId, ServerName>()
  #isClosed = false

  constructor(deps: RemoteProfilesDeps) {
    this.#deps = deps
  }

  known(userIds: readonly UserId[]): ReadonlyMap<UserId, PublicProfile> {
    const now = this.#deps.clock.now()
    const found = new Map<UserId, PublicProfile>()
    for (const userId of userIds) {
      const known = this.#known.get(userId)
      if (known !== undefined) {
        this.#keep(userId, known)
        found.set(userId, known.profile)
      }
      if (known === undefined || known.dueTs <= now) this.#ask(userId)
    }
    this.#query()
    return found
  }

  heard(userId: UserId, { displayname, avatarUrl }: SaidProfile): void {
    if (displayname === null && avatarUrl === null) return
    const before = this.#known.get(userId)?.profile ?? NOBODY
    this.#learn(userId, {
      ...before,
      ...(displayname !== null && { displayname }),
      ...(avatarUrl !== null && { avatarUrl }),
    })
  }

  close(): void {
    this.#isClosed = true
    this.#waiting.clear()
    this.#waitingUsers = 0
  }

  #ask(userId: UserId): void {
    if (this.#isClosed || this.#running.has(userId) || this.#waitingUsers >= ASKED_MAX) return
    const server = serverOf(userId)
    const waiting = this.#waiting.get(server) ?? new Set()
    if (waiting.has(userId) || waiting.size >= ASKED_PER_SERVER_MAX) return
    this.#waiting.set(server, waiting.add(userId))
    this.#waitingUsers += 1
  }

  /** As many as there is room for, each server in its turn. */
  #query(): void {
    while (this.#running.size < QUERIES_MAX) {
      const userId = this.#next()
      if (userId === null) return
      this.#running.set(userId, serverOf(userId))
      void this.#queryOne(userId)
    }
  }

  #next(): UserId | null {
    for (const [server, users] of this.#waiting) {
      const [userId] = users
      const running = [...this.#running.values()].filter((other) => other === server)
      if (userId === undefined || running.length >= QUERIES_PER_SERVER_MAX) continue
      users.delete(userId)
      this.#waitingUsers -= 1
      this.#waiting.delete(server)
      if (users.size > 0) this.#waiting.set(server, users)
      return userId
    }
    return null
  }

  async #queryOne(userId: UserId): Promise<void> {
    const { query, clock, log } = this.#deps
    try {
      const profile = await query(userId)
      if (!this.#isClosed) this.#learn(userId, profile ?? NOBODY)
    } catch (err) {
      log.debug({ err, userId }, 'a profile of another server could not be read')
      // What was known stays known: a server that is away has not renamed anybody.
      const profile = this.#known.get(userId)?.profile ?? NOBODY
      this.#keep(userId, { profile, dueTs: clock.now() + RETRY_MS })
    }
    this.#running.delete(userId)
    this.#query()
  }

  #learn(userId: UserId, said: PublicProfile): void {
    const { clock, onChanged } = this.#deps
    const before = this.#known.get(userId)?.profile ?? NOBODY
    const profile = cleaned(said)
    this.#keep(userId, { profile, dueTs: clock.now() + FRESH_MS })
    if (profile.displayname !== before.displayname || profile.avatarUrl !== before.avatarUrl)
      onChanged(userId)
  }

  #keep(userId: UserId, known: Known): void {
    this.#known.delete(userId)
    this.#known.set(userId, known)
    if (this.#known.size <= this.#deps.usersMax) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined) this.#known.delete(oldest)
  }
}

/** What our own users could have set, too; the rest is left out. */
function cleaned({ displayname, avatarUrl }: PublicProfile): PublicProfile {
  return {
    ...(isName(displayname) && { displayname }),
    ...(isName(avatarUrl) && /^mxc:\/\/./.test(avatarUrl) && { avatarUrl }),
  }
}

function isName(value: string | undefined): value is string {
  return value !== undefined && value !== '' && Buffer.byteLength(value) <= NAME_BYTES_MAX
}
