import type { PresenceView, RemotePresence, UserNum } from '../../src/engine/types.ts'
import { serverOf, type ServerName, type UserId } from '../../src/matrix/ids.ts'
import type { Loop } from '../../src/service/loop.ts'

const OFFLINE: RemotePresence = {
  state: 'offline',
  statusMsg: null,
  lastActiveTs: null,
  currentlyActive: false,
}

/** What the loop knows of other servers, as plain sets that a test writes. */
export class PeerLoop implements Pick<
  Loop,
  | 'pushed'
  | 'published'
  | 'serverSees'
  | 'visibleToServer'
  | 'servers'
  | 'followersOf'
  | 'followedBy'
  | 'followedAt'
  | 'view'
  | 'polled'
  | 'peerSpeaksLists'
> {
  readonly #name: ServerName
  /** Presence of our users; hidden ones have none here. */
  readonly own = new Map<UserId, RemotePresence>()
  /** What was pushed of others. */
  readonly remote = new Map<UserId, RemotePresence>()
  /** Rooms: all see each other. */
  rooms: UserId[][] = []
  /** Pairs of observer and observed. */
  grants: (readonly [UserId, UserId])[] = []
  readonly connected = new Set<UserId>()
  readonly unpolled = new Set<string>()
  readonly peers = new Set<ServerName>()

  constructor(name: string) {
    this.#name = name as ServerName
  }

  online(userId: UserId, over: Partial<RemotePresence> = {}): void {
    this.own.set(userId, { ...OFFLINE, state: 'online', lastActiveTs: 0, ...over })
  }

  pushed(userId: UserId, presence: RemotePresence): boolean {
    const isSeen = [...this.#pairs()].some(([a, b]) => b === userId && serverOf(a) === this.#name)
    if (isSeen) this.remote.set(userId, presence)
    return isSeen
  }

  published(userId: UserId): RemotePresence {
    return this.own.get(userId) ?? OFFLINE
  }

  serverSees(server: ServerName, userId: UserId): boolean {
    return [...this.#pairs()].some(([a, b]) => serverOf(a) === server && b === userId)
  }

  visibleToServer(server: ServerName): UserId[] {
    const seen = [...this.#pairs()].filter(([a, b]) => serverOf(a) === server && serverOf(b) === this.#name)
    return [...new Set(seen.map(([, b]) => b))]
  }

  servers(): ServerName[] {
    const others = [...this.#pairs()].flat().map(serverOf)
    return [...new Set(others)].filter((server) => server !== this.#name)
  }

  followersOf(userId: UserId): UserId[] {
    return this.grants.filter(([a, b]) => b === userId && this.connected.has(a)).map(([a]) => a)
  }

  view(_viewer: UserId, userId: UserId): PresenceView {
    const shown = this.remote.get(userId) ?? OFFLINE
    return { user: 0 as UserNum, hidden: false, seq: 0, visible: true, ...shown }
  }

  peerSpeaksLists(server: ServerName): void {
    this.peers.add(server)
  }

  followedBy(server: ServerName): UserId[] {
    const followed = this.grants.filter(
      ([a, b]) =>
        serverOf(a) === server && serverOf(b) === this.#name && !this.unpolled.has(`${server} ${b}`),
    )
    return [...new Set(followed.map(([, b]) => b))]
  }

  followedAt(server: ServerName): UserId[] {
    const observed = this.grants.map(([, b]) => b).filter((b) => serverOf(b) === server)
    return [...new Set(observed)].filter((b) => this.followersOf(b).length > 0)
  }

  polled(server: ServerName, userId: UserId, wanted: boolean): void {
    if (wanted) this.unpolled.delete(`${server} ${userId}`)
    else this.unpolled.add(`${server} ${userId}`)
  }

  *#pairs(): Generator<readonly [UserId, UserId]> {
    yield* this.grants
    for (const members of this.rooms)
      for (const a of members) for (const b of members) if (a !== b) yield [a, b]
  }
}
