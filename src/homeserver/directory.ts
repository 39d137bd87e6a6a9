import type { LRUCache } from 'lru-cache'
import type { Clock, Millis } from '../base/clock.ts'
import { createLru } from './lru.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import type { Directory, PublicProfile, Requester } from '../ports/directory.ts'
import type { Row, Store } from '../ports/store.ts'
import { hashAccessToken } from './access-token.ts'
import type { LastSeen } from './last-seen.ts'

/** ROOMS-SPEC §5.3: `last_seen_ts` need not be finer. */
const LAST_SEEN_RESOLUTION_MS = 120_000

interface DirectoryDeps {
  readonly store: Pick<Store, 'token' | 'account' | 'profiles'>
  readonly clock: Clock
  readonly lastSeen: Pick<LastSeen, 'touch'>
  /** Access tokens whose requester is kept in memory. */
  readonly requestersMax: number
  /** Users whose public profile is kept in memory. */
  readonly profilesMax: number
}

/** The standalone homeserver's answer to what presence asks (DESIGN §3.10), and what must be said for it to stay right. */
export interface AccountDirectory extends Directory {
  requester(accessToken: string, ip?: string): Promise<Requester | null>
  /** The device's tokens changed or ended; said after it is durable. */
  tokensChanged(userId: UserId, deviceId: DeviceId): void
  /** The user's profile changed; said after it is durable. */
  profileChanged(userId: UserId): void
}

interface Known {
  readonly requester: Requester
  seenTs: Millis
}

export function createDirectory(deps: DirectoryDeps): AccountDirectory {
  const tokens = new Tokens(deps)
  const profiles = new Profiles(deps)
  return {
    requester: (accessToken, ip) => tokens.requester(accessToken, ip ?? null),
    profiles: (userIds) => profiles.of(userIds),
    async isMember(userId) {
      const account = await deps.store.account(userId)
      return account !== null && account.deactivatedTs === null && account.guest === 0
    },
    async createdTs(userId) {
      return (await deps.store.account(userId))?.createdTs ?? null
    },
    tokensChanged: (userId, deviceId) => tokens.forget(userId, deviceId),
    profileChanged: (userId) => profiles.forget(userId),
  }
}

class Tokens {
  readonly #deps: DirectoryDeps
  readonly #known: LRUCache<string, Known>
  readonly #hashesByUser = new Map<UserId, Set<string>>()
  /** Grows with every forgetting: what was read before it must not be kept after it. */
  #forgotten = 0

  constructor(deps: DirectoryDeps) {
    this.#deps = deps
    this.#known = createLru(deps.requestersMax, (known, hash) => this.#unlist(known.requester.userId, hash))
  }

  async requester(accessToken: string, ip: string | null): Promise<Requester | null> {
    const hash = hashAccessToken(accessToken)
    const known = this.#known.get(hash) ?? (await this.#load(hash))
    if (known === null) return null
    const now = this.#deps.clock.now()
    if (now - known.seenTs >= LAST_SEEN_RESOLUTION_MS) {
      known.seenTs = now
      this.#deps.lastSeen.touch(known.requester.userId, known.requester.deviceId, ip)
    }
    return known.requester
  }

  forget(userId: UserId, deviceId: DeviceId): void {
    this.#forgotten += 1
    for (const hash of this.#hashesByUser.get(userId) ?? []) {
      if (this.#known.peek(hash)?.requester.deviceId === deviceId) this.#known.delete(hash)
    }
  }

  async #load(hash: string): Promise<Known | null> {
    const { store } = this.#deps
    const forgotten = this.#forgotten
    const token = await store.token(hash)
    const account = token === null ? null : await store.account(token.userId)
    if (token === null || account === null || account.deactivatedTs !== null) return null
    const { userId, deviceId } = token
    const requester = { userId, deviceId, guest: account.guest === 1, admin: account.admin === 1 }
    const known: Known = { requester, seenTs: -Infinity }
    if (forgotten === this.#forgotten) {
      this.#known.set(hash, known)
      this.#list(userId, hash)
    }
    return known
  }

  #list(userId: UserId, hash: string): void {
    const hashes = this.#hashesByUser.get(userId)
    if (hashes === undefined) this.#hashesByUser.set(userId, new Set([hash]))
    else hashes.add(hash)
  }

  #unlist(userId: UserId, hash: string): void {
    const hashes = this.#hashesByUser.get(userId)
    if (hashes?.delete(hash) === true && hashes.size === 0) this.#hashesByUser.delete(userId)
  }
}

class Profiles {
  readonly #store: DirectoryDeps['store']
  /** Users without a profile are kept too, as an empty one. */
  readonly #known: LRUCache<UserId, PublicProfile>
  #forgotten = 0

  constructor(deps: DirectoryDeps) {
    this.#store = deps.store
    this.#known = createLru(deps.profilesMax)
  }

  async of(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, PublicProfile>> {
    const found = new Map<UserId, PublicProfile>()
    const missing: UserId[] = []
    for (const userId of userIds) {
      const known = this.#known.get(userId)
      if (known === undefined) missing.push(userId)
      else if (!isEmpty(known)) found.set(userId, known)
    }
    if (missing.length > 0)
      for (const [userId, profile] of await this.#load(missing)) found.set(userId, profile)
    return found
  }

  forget(userId: UserId): void {
    this.#forgotten += 1
    this.#known.delete(userId)
  }

  async #load(userIds: readonly UserId[]): Promise<ReadonlyMap<UserId, PublicProfile>> {
    const forgotten = this.#forgotten
    const rows = Map.groupBy(await this.#store.profiles(userIds), (row) => row.userId)
    const found = new Map<UserId, PublicProfile>()
    for (const userId of userIds) {
      const profile = publicProfile(rows.get(userId) ?? [])
      if (forgotten === this.#forgotten) this.#known.set(userId, profile)
      if (!isEmpty(profile)) found.set(userId, profile)
    }
    return found
  }
}

function publicProfile(rows: readonly Row<'profiles'>[]): PublicProfile {
  const profile: { displayname?: string; avatarUrl?: string } = {}
  for (const { field, json } of rows) {
    const value: unknown = JSON.parse(json)
    if (typeof value !== 'string' || value === '') continue
    if (field === 'displayname') profile.displayname = value
    if (field === 'avatar_url') profile.avatarUrl = value
  }
  return profile
}

function isEmpty(profile: PublicProfile): boolean {
  return profile.displayname === undefined && profile.avatarUrl === undefined
}
