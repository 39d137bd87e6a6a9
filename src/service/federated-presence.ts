import type { Clock, Millis } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { PresenceEdu, PresencePush } from '../matrix/edu.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { Directory } from '../ports/directory.ts'
import type { EduSinks, EduSources } from '../ports/edus.ts'
import type { Log } from '../ports/log.ts'
import type { RemoteProfiles } from '../ports/remote-profiles.ts'
import { Announcement } from './announcement.ts'
import { EarlyPushes, type EarlyPush } from './early-pushes.ts'
import type { ListPeers } from './list-peers.ts'
import type { Loop } from './loop.ts'
import type { PollSubscriptions } from './poll-subscriptions.ts'

/**
 * Presence between the loop and the transport (PRESENCE-SPEC §5.4, §5.6): what other servers are told of our users, and what
 * becomes of what they tell and ask. What a server may see is the engine's to say; here it is asked at every word.
 */
export interface FederatedPresence
  extends Pick<EduSources, 'presenceFor' | 'presenceAfterOutage'>, Pick<EduSinks, 'heardFrom' | 'presence'> {
  /**
   * From here on. What waited when the last run ended is missing, and pings have other places than they had, so every server is
   * told again what it may see, one after the other.
   */
  begin(): void
  /** A user of another server came into somebody's sight (P-180). */
  onSighted(userId: UserId): void
  close(): void
}

export interface FederatedPresenceDeps {
  readonly serverName: ServerName
  readonly clock: Clock
  readonly random: Random
  readonly log: Pick<Log, 'error'>
  readonly loop: Pick<
    Loop,
    'pushed' | 'published' | 'serverSees' | 'visibleToServer' | 'servers' | 'followersOf' | 'view'
  >
  readonly directory: Pick<Directory, 'createdTs'>
  readonly destinations: Pick<Destinations, 'offerPresence' | 'answerPresence' | 'heardFrom'>
  readonly peers: Pick<ListPeers, 'speaksLists' | 'heardFrom' | 'spoke' | 'refreshed' | 'changed'>
  readonly polls: Pick<PollSubscriptions, 'ask' | 'drop'>
  readonly profiles: Pick<RemoteProfiles, 'heard'>
  /** Is presence taken from others, and told to others (options `presence.federation_*`)? */
  readonly takes: boolean
  readonly tells: boolean
  /** Users offline for longer, and without text, are not told of at start. */
  readonly offlineCutoffMs: Millis
  readonly earlyPushesMax: number
}

export function createFederatedPresence(deps: FederatedPresenceDeps): FederatedPresence {
  return new Presence(deps)
}

class Presence implements FederatedPresence {
  readonly #deps: FederatedPresenceDeps
  readonly #early: EarlyPushes
  readonly #announcement: Announcement

  constructor(deps: FederatedPresenceDeps) {
    const { clock, random, log, earlyPushesMax } = deps
    this.#deps = deps
    this.#early = new EarlyPushes({ clock, usersMax: earlyPushesMax })
    this.#announcement = new Announcement({ clock, random, log, tell: (server) => this.#announceTo(server) })
  }

  begin(): void {
    if (this.#deps.tells) this.#announcement.begin(this.#deps.loop.servers())
  }

  close(): void {
    this.#announcement.close()
  }

  async presenceFor(server: ServerName, userIds: readonly UserId[]): Promise<PresencePush[]> {
    const createdTs = new Map<UserId, Millis>()
    for (;;) {
      // Judged anew after every wait: what is said is true, and may be said, when this resolves.
      const told = userIds.filter((userId) => this.#mayTell(server, userId))
      const ageless = told.filter((userId) => this.#lastActiveTs(userId, createdTs) === null)
      if (ageless.length === 0) return told.map((userId) => this.#pushOf(userId, createdTs))
      for (const userId of ageless)
        createdTs.set(userId, (await this.#deps.directory.createdTs(userId)) ?? this.#deps.clock.now())
    }
  }

  presenceAfterOutage(server: ServerName, changed: Pick<ReadonlySet<UserId>, 'has'>): UserId[] {
    const { loop, tells } = this.#deps
    if (!tells) return []
    return loop
      .visibleToServer(server)
      .filter((userId) => changed.has(userId) || loop.published(userId).state !== 'offline')
  }

  heardFrom(origin: ServerName): void {
    this.#deps.destinations.heardFrom(origin)
    this.#deps.peers.heardFrom(origin)
  }

  presence(origin: ServerName, { push, poll, unpoll }: PresenceEdu): void {
    const { peers, takes } = this.#deps
    // First of all: whoever asks is a peer, and what a peer says of names counts.
    if (poll.length > 0 || unpoll.length > 0) peers.spoke(origin)
    const isPeer = peers.speaksLists(origin)
    // What it asks is about ours, and answered whether or not its own presence is taken.
    const heard = (takes ? push : [])
      .filter(({ userId }) => serverOf(userId) === origin)
      .map((entry) => this.#hear(entry, isPeer))
    const isNewAsking = this.#asked(origin, poll, unpoll)
    if (!isPeer) return
    if (poll.length > 0 || heard.some(({ isFollowed }) => isFollowed)) peers.refreshed(origin)
    if (isNewAsking || heard.some(({ isChange }) => isChange)) peers.changed(origin)
  }

  onSighted(userId: UserId): void {
    const early = this.#early.take(userId)
    if (early !== null && this.#deps.loop.pushed(userId, early.presence)) this.#name(userId, early)
  }

  #mayTell(server: ServerName, userId: UserId): boolean {
    const { serverName, loop, tells } = this.#deps
    return tells && serverOf(userId) === serverName && loop.serverSees(server, userId)
  }

  /** Of a user who was never active, the beginning of the account, if that was looked up (§5.4). */
  #lastActiveTs(userId: UserId, createdTs: ReadonlyMap<UserId, Millis>): Millis | null {
    return this.#deps.loop.published(userId).lastActiveTs ?? createdTs.get(userId) ?? null
  }

  #pushOf(userId: UserId, createdTs: ReadonlyMap<UserId, Millis>): PresencePush {
    const { clock, loop } = this.#deps
    const { state, statusMsg, currentlyActive, lastActiveTs } = loop.published(userId)
    const activeTs = lastActiveTs ?? createdTs.get(userId) ?? clock.now()
    const lastActiveAgoMs = Math.max(0, Math.floor(clock.now() - activeTs))
    return {
      userId,
      state,
      statusMsg,
      lastActiveAgoMs,
      currentlyActive,
      displayname: null,
      avatarUrl: null,
    }
  }

  #hear(push: PresencePush, isPeer: boolean): { readonly isFollowed: boolean; readonly isChange: boolean } {
    const { loop } = this.#deps
    const { userId } = push
    const early = this.#received(push, isPeer)
    const [follower] = isPeer ? loop.followersOf(userId) : []
    const before = follower === undefined ? null : loop.view(follower, userId)
    if (!loop.pushed(userId, early.presence)) {
      this.#early.keep(userId, early)
      return { isFollowed: false, isChange: false }
    }
    this.#early.take(userId)
    this.#name(userId, early)
    const { state, statusMsg } = early.presence
    const isChange = before !== null && (before.state !== state || before.statusMsg !== statusMsg)
    return { isFollowed: follower !== undefined, isChange }
  }

  /** Ages become times, which go on by themselves; names are taken from those only who send them by their text. */
  #received(push: PresencePush, isPeer: boolean): EarlyPush {
    const { state, statusMsg, currentlyActive, lastActiveAgoMs } = push
    const lastActiveTs =
      lastActiveAgoMs === null ? null : Math.max(0, this.#deps.clock.now() - Math.max(0, lastActiveAgoMs))
    return {
      presence: { state, statusMsg, currentlyActive, lastActiveTs },
      displayname: isPeer ? push.displayname : null,
      avatarUrl: isPeer ? push.avatarUrl : null,
    }
  }

  #name(userId: UserId, { displayname, avatarUrl }: EarlyPush): void {
    if (displayname !== null || avatarUrl !== null)
      this.#deps.profiles.heard(userId, { displayname, avatarUrl })
  }

  /** True: it asked for something new. Whoever stands in both lists is polled: too much does less harm than too little. */
  #asked(origin: ServerName, poll: readonly UserId[], unpoll: readonly UserId[]): boolean {
    const { serverName, loop, polls, destinations, tells } = this.#deps
    const isVisible = (userId: UserId): boolean =>
      serverOf(userId) === serverName && loop.serverSees(origin, userId)
    let isNew = false
    for (const userId of unpoll) {
      if (!isVisible(userId)) polls.drop(origin, userId)
      else if (polls.ask(origin, userId, false)) isNew = true
    }
    const entitled = poll.filter(isVisible)
    for (const userId of entitled) if (polls.ask(origin, userId, true)) isNew = true
    if (tells && entitled.length > 0) destinations.answerPresence(origin, entitled)
    return isNew
  }

  /** As for a server that is new to a room (§4.7): who was gone for long and left no text is no news. */
  #announceTo(server: ServerName): void {
    const { clock, loop, destinations, offlineCutoffMs } = this.#deps
    const isNews = (userId: UserId): boolean => {
      const { state, statusMsg, lastActiveTs } = loop.published(userId)
      // Never active looks like hidden, and of one who hid just now a server may have heard something else last.
      const isLongGone = lastActiveTs !== null && lastActiveTs <= clock.now() - offlineCutoffMs
      return state !== 'offline' || statusMsg !== null || !isLongGone
    }
    const userIds = loop.visibleToServer(server).filter(isNews)
    if (userIds.length > 0) destinations.offerPresence(server, userIds)
  }
}
