import type { Clock, Millis } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { EduSources } from '../ports/edus.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import { LateWrites } from './late-writes.ts'
import type { Loop } from './loop.ts'
import { Watchdogs } from './watchdogs.ts'

/** A peer is written down again this long after the last time, so what is stored is at most this much too old. */
export const HEARD_WRITE_MS = 86_400_000
/** Peers looked at for one to forget when there are too many. */
const LOOKS_MAX = 32

/** Servers that speak presence lists, "2015-mode peers", and how long they have been silent (PRESENCE-SPEC §5.7). */
export interface ListPeers extends Pick<EduSources, 'speaksLists' | 'answered'> {
  /** At start, before presence begins. */
  restore(): Promise<void>
  /** From here on peers are reminded. */
  begin(): void
  /** It sent `poll`, `unpoll` or a list EDU: from now on it is a peer. */
  spoke(server: ServerName): void
  /** Of a peer came a `poll`, or a push of somebody whom we follow: a reminder, or the answer to one. */
  refreshed(server: ServerName): void
  /** Something between a peer and us is not as it was: whom one follows at the other, or what is told of them. */
  changed(server: ServerName): void
  /** A signed request of this server, whatever it holds. */
  heardFrom(server: ServerName): void
  /** When a peer was last heard; null if it is none. */
  heardTs(server: ServerName): Millis | null
  /** No reminder from here on; resolves when what is to be kept is durable. */
  close(): Promise<void>
}

export interface ListPeersDeps {
  readonly store: Pick<Store, 'all' | 'commit'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Pick<Log, 'error'>
  readonly loop: Pick<Loop, 'peerSpeaksLists' | 'followedBy' | 'followedAt'>
  readonly destinations: Pick<Destinations, 'answerPresence' | 'offerPolls'>
  /** Is presence taken from others, and told to others (options `presence.federation_*`)? */
  readonly takes: boolean
  readonly tells: boolean
  readonly watchdogShortMs: Millis
  readonly watchdogLongMs: Millis
  readonly peersMax: number
}

export function createListPeers(deps: ListPeersDeps): ListPeers {
  return new Peers(deps)
}

interface Peer {
  heardTs: Millis
  writtenTs: Millis
}

class Peers implements ListPeers {
  readonly #deps: ListPeersDeps
  /** Roughly in the order in which they were last heard. */
  readonly #peers = new Map<ServerName, Peer>()
  readonly #watchdogs: Watchdogs
  readonly #writes: LateWrites

  constructor(deps: ListPeersDeps) {
    const { clock, random, log, watchdogShortMs, watchdogLongMs } = deps
    this.#deps = deps
    this.#writes = new LateWrites(deps)
    this.#watchdogs = new Watchdogs({
      clock,
      random,
      log,
      shortMs: watchdogShortMs,
      longMs: watchdogLongMs,
      remind: (server) => this.#remind(server),
    })
  }

  async restore(): Promise<void> {
    const now = this.#deps.clock.now()
    const rows = await this.#deps.store.all('listPeers')
    for (const { serverName, heardTs } of rows.toSorted((a, b) => a.heardTs - b.heardTs)) {
      // It may have been heard since: better believed too long than forgotten too soon.
      this.#peers.set(serverName, { heardTs: Math.min(now, heardTs + HEARD_WRITE_MS), writtenTs: heardTs })
      this.#deps.loop.peerSpeaksLists(serverName)
    }
  }

  begin(): void {
    for (const server of this.#peers.keys()) this.#watchdogs.begin(server)
  }

  speaksLists(server: ServerName): boolean {
    return this.#peers.has(server)
  }

  heardTs(server: ServerName): Millis | null {
    return this.#peers.get(server)?.heardTs ?? null
  }

  spoke(server: ServerName): void {
    this.#admit(server)
    this.heardFrom(server)
  }

  refreshed(server: ServerName): void {
    if (this.#note(server)) this.#watchdogs.refreshed(server)
  }

  changed(server: ServerName): void {
    if (this.#note(server)) this.#watchdogs.changed(server)
  }

  heardFrom(server: ServerName): void {
    if (this.#note(server)) this.#watchdogs.heard(server)
  }

  answered(server: ServerName, { isOver }: { readonly isOver: boolean }): void {
    if (!this.#note(server)) return
    this.#watchdogs.heard(server)
    if (isOver) this.#watchdogs.remind(server)
  }

  async close(): Promise<void> {
    this.#watchdogs.close()
    await this.#writes.close()
  }

  /** False: it is no peer. */
  #note(server: ServerName): boolean {
    const peer = this.#peers.get(server)
    if (peer === undefined) return false
    peer.heardTs = this.#deps.clock.now()
    if (peer.heardTs - peer.writtenTs >= HEARD_WRITE_MS) this.#write(server, peer)
    return true
  }

  #admit(server: ServerName): void {
    if (this.#peers.has(server)) return
    if (this.#peers.size >= this.#deps.peersMax) this.#forgetOne()
    const heardTs = this.#deps.clock.now()
    const peer = { heardTs, writtenTs: heardTs }
    this.#peers.set(server, peer)
    this.#write(server, peer)
    this.#deps.loop.peerSpeaksLists(server)
  }

  /** One that was silent for long and has no subscription with us, if there is one among the first: they cost nothing to make. */
  #forgetOne(): void {
    for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
      const [oldest] = this.#peers
      if (oldest === undefined || !this.#isBound(oldest[0])) break
      this.#toEnd(...oldest)
    }
    const [server] = this.#peers.keys()
    if (server === undefined) return
    this.#peers.delete(server)
    this.#watchdogs.forget(server)
    this.#writes.add(server, { drop: 'listPeers', where: { serverName: server } })
  }

  #isBound(server: ServerName): boolean {
    const { loop } = this.#deps
    return loop.followedBy(server).length > 0 || loop.followedAt(server).length > 0
  }

  #toEnd(server: ServerName, peer: Peer): void {
    this.#peers.delete(server)
    this.#peers.set(server, peer)
  }

  #write(server: ServerName, peer: Peer): void {
    peer.writtenTs = peer.heardTs
    this.#toEnd(server, peer)
    this.#writes.add(server, {
      put: 'listPeers',
      row: { serverName: server, heardTs: peer.heardTs },
    })
  }

  /** Everything there is between us, in one turn, so that it can go in one EDU (P-199). */
  #remind(server: ServerName): boolean {
    const { loop, destinations, takes, tells } = this.#deps
    const push = tells ? loop.followedBy(server) : []
    const poll = takes ? loop.followedAt(server) : []
    if (push.length > 0) destinations.answerPresence(server, push)
    if (poll.length > 0) destinations.offerPolls(server, { poll, unpoll: [] })
    return push.length > 0 || poll.length > 0
  }
}
