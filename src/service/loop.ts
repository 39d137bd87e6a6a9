import type { Clock, Millis, Timer } from '../base/clock.ts'
import type { Command, StreamPresence } from '../engine/commands.ts'
import type { Engine } from '../engine/engine.ts'
import type { Face } from '../engine/notify.ts'
import type {
  DeviceNum,
  PresencePosition,
  PresenceState,
  PresenceView,
  RemotePresence,
  ServerNum,
  UserNum,
} from '../engine/types.ts'
import type { DeviceId, RoomId, ServerName, UserId } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Row } from '../ports/store.ts'
import type { PresenceReport, PresenceSubmit } from '../ports/submit.ts'
import { Numbers } from './numbers.ts'
import { Performer, type PerformerDeps } from './performer.ts'

/** One entry of a presence section, under its name. */
export interface SeenPresence {
  readonly userId: UserId
  readonly view: PresenceView
}

/** What is new for a viewer: at most one entry a user, in stream order, and where to read on. */
export interface SeenDelta {
  readonly entries: readonly SeenPresence[]
  readonly position: PresencePosition
}

/** `ReadOptions` of the engine, with names in place of numbers. */
export interface SeeOptions {
  readonly limit: number
  readonly omitOffline: boolean
  readonly snapshot: boolean
  readonly accepts: (userId: UserId) => boolean
}

/**
 * The engine's one way in and out (DESIGN §2): turns what happens into commands, performs the effects, and sleeps until
 * the next deadline. All of it is synchronous; nothing is in between a fact and its effects.
 */
export interface Loop extends PresenceSubmit {
  /** The observed user lets the observer see them from now on, or no longer; also at start, before `begin`. */
  granted(observer: UserId, observed: UserId): void
  revoked(observer: UserId, observed: UserId): void
  /** Is the other on the user's ignore list? */
  isIgnored(other: UserId, by: UserId): boolean
  /** First at start: what was published when the server stopped (PRESENCE-SPEC §4.8). */
  restore(rows: readonly Row<'presence'>[]): void
  /** At start, before the memberships: rooms that create no visibility. */
  exclude(roomIds: readonly RoomId[]): void
  /**
   * Ends the start, after memberships and ignore lists were told: from here on changes are published, deadlines served, and
   * restored users have one offline grace to come back (P-152). Nothing else may happen before.
   */
  begin(): void
  /** `PUT status`. */
  report(userId: UserId, deviceId: DeviceId, report: PresenceReport): void
  /** A streaming request begins; call what is returned when it ends, once. */
  openStream(userId: UserId, deviceId: DeviceId, presence: StreamPresence): () => void
  /** The state of one device, null if it is not there; for judging whether a report changes anything. */
  deviceState(userId: UserId, deviceId: DeviceId): PresenceState | null
  /** What changed for the viewer since a position, as of now. */
  read(viewer: UserId, since: PresencePosition, options: SeeOptions): SeenDelta
  /** What the viewer may see of the user, null if nothing; a user never heard of is not visible either. */
  view(viewer: UserId, userId: UserId): PresenceView | null
  /**
   * What another server said of one of its users; false if nobody here may see them: then nothing was kept. The time is ours
   * to compute, from the age that was said.
   */
  pushed(userId: UserId, presence: RemotePresence): boolean
  /** A name or avatar of another server's user became known, or another. */
  remoteProfileChanged(userId: UserId): void
  /** What others may be shown of our user now; whoever they are: ask `serverSees` first. */
  published(userId: UserId): Face
  /** Other servers of which users are, or were, of interest here. */
  servers(): ServerName[]
  /** May any user of the server see our user? */
  serverSees(server: ServerName, userId: UserId): boolean
  /** Our users whom the server may see. */
  visibleToServer(server: ServerName): UserId[]
  /** Our users whom the server follows by grants, unless it said `unpoll`. */
  followedBy(server: ServerName): UserId[]
  /** Users of the server whom connected users of ours follow by grants: those whom we poll. */
  followedAt(server: ServerName): UserId[]
  /** Our connected users who follow the user of another server by a grant. */
  followersOf(userId: UserId): UserId[]
  /** The server said `poll` (wanted) or `unpoll` of our user; also at start, after the grants. */
  polled(server: ServerName, userId: UserId, wanted: boolean): void
  /** The server speaks presence lists: its users expire later. */
  peerSpeaksLists(server: ServerName): void
  /** Users of other servers that were ever spoken of since the start. */
  readonly remoteUsers: number
  /** The newest place in the presence stream. */
  readonly head: number
  /** Positions before this one cannot be read on from. */
  readonly horizon: number
  /** No timer and no command from here on; whoever still reads sees the last state. */
  stop(): void
}

export interface LoopDeps extends PerformerDeps {
  /** False: presence is switched off; nobody comes online any more, who was goes offline (PRESENCE-SPEC §4.8). */
  readonly enabled: boolean
  readonly engine: Engine
  readonly clock: Clock
  readonly log: Log
  /** This server; users of any other are remote. */
  readonly serverName: ServerName
}

/** Deadlines closer together than this are served by one tick; §4.4 allows five seconds. */
const TICK_GAP_MS = 50
/** After a fault of ours in a tick, so that it does not spin. */
const TICK_RETRY_MS = 5_000

const NOTHING = (): void => {}

export function createLoop(deps: LoopDeps): Loop {
  return new PresenceLoop(deps)
}

class PresenceLoop implements Loop {
  readonly #enabled: boolean
  readonly #engine: Engine
  readonly #clock: Clock
  readonly #log: Log
  readonly #numbers: Numbers
  readonly #performer: Performer
  #timer: Timer | null = null
  #timerDue: Millis = 0
  #lastTickTs: Millis = 0
  #remoteUsers = 0
  #isStopped = false

  constructor(deps: LoopDeps) {
    this.#enabled = deps.enabled
    this.#engine = deps.engine
    this.#clock = deps.clock
    this.#log = deps.log
    this.#numbers = new Numbers(deps.serverName, (user, server) => {
      this.#remoteUsers += 1
      this.#apply({ kind: 'user.remote', user, server })
    })
    this.#performer = new Performer(deps, this.#numbers)
  }

  get remoteUsers(): number {
    return this.#remoteUsers
  }

  get head(): number {
    return this.#engine.head
  }

  get horizon(): number {
    return this.#engine.horizon
  }

  restore(rows: readonly Row<'presence'>[]): void {
    for (const row of rows) {
      const hiddenBy = row.hiddenBy === null ? null : this.#numbers.devices.intern(row.userId, row.hiddenBy)
      const record = {
        state: row.state as PresenceState,
        statusMsg: row.statusMsg,
        lastActiveTs: row.lastActiveTs,
        hidden: row.hidden === 1,
        hiddenBy,
        currentlyActive: row.currentlyActive === 1,
        refreshedTs: row.refreshedTs,
      }
      this.#apply({ kind: 'user.restored', user: this.#numbers.user(row.userId), record })
    }
  }

  exclude(roomIds: readonly RoomId[]): void {
    for (const roomId of roomIds)
      this.#apply({ kind: 'room.excluded', room: this.#numbers.rooms.intern(roomId) })
  }

  begin(): void {
    this.#performer.perform(this.#engine.begin(this.#clock.now()))
    this.#arm()
  }

  report(userId: UserId, deviceId: DeviceId, { presence, status }: PresenceReport): void {
    if (!this.#enabled) return
    const device = this.#numbers.devices.intern(userId, deviceId)
    this.#apply({ kind: 'device.reported', user: this.#numbers.user(userId), device, presence, status })
  }

  openStream(userId: UserId, deviceId: DeviceId, presence: StreamPresence): () => void {
    if (!this.#enabled) return NOTHING
    const stream = {
      user: this.#numbers.user(userId),
      device: this.#numbers.devices.intern(userId, deviceId),
      presence,
    }
    this.#apply({ kind: 'stream.opened', ...stream })
    return () => this.#apply({ kind: 'stream.closed', ...stream })
  }

  registered(userId: UserId): void {
    if (!this.#enabled) return
    this.#apply({ kind: 'user.registered', user: this.#numbers.user(userId) })
  }

  deactivated(userId: UserId): void {
    this.#apply({ kind: 'user.deactivated', user: this.#numbers.user(userId) })
    this.#numbers.devices.forgetAll(userId)
  }

  acted(userId: UserId, deviceId: DeviceId): void {
    if (!this.#enabled) return
    const device = this.#numbers.devices.intern(userId, deviceId)
    this.#apply({ kind: 'device.acted', user: this.#numbers.user(userId), device })
  }

  deviceRemoved(userId: UserId, deviceId: DeviceId): void {
    const device = this.#numbers.devices.find(userId, deviceId)
    if (device === null) return
    this.#apply({ kind: 'device.removed', user: this.#numbers.user(userId), device })
    this.#numbers.devices.forget(userId, deviceId)
  }

  profileChanged(userId: UserId, deviceId: DeviceId | null): void {
    if (!this.#enabled) return
    const device: DeviceNum | null = deviceId === null ? null : this.#numbers.devices.intern(userId, deviceId)
    this.#apply({ kind: 'profile.changed', user: this.#numbers.user(userId), device })
  }

  joined(roomId: RoomId, userId: UserId): void {
    const room = this.#numbers.rooms.intern(roomId)
    this.#apply({ kind: 'room.joined', room, user: this.#numbers.user(userId) })
  }

  left(roomId: RoomId, userId: UserId): void {
    const room = this.#numbers.rooms.intern(roomId)
    this.#apply({ kind: 'room.left', room, user: this.#numbers.user(userId) })
  }

  ignores(userId: UserId, ignored: readonly UserId[]): void {
    const user = this.#numbers.user(userId)
    this.#apply({ kind: 'ignores.set', user, ignored: ignored.map((other) => this.#numbers.user(other)) })
  }

  granted(observer: UserId, observed: UserId): void {
    this.#apply({ kind: 'grant.given', ...this.#pair(observer, observed) })
  }

  revoked(observer: UserId, observed: UserId): void {
    this.#apply({ kind: 'grant.removed', ...this.#pair(observer, observed) })
  }

  isIgnored(other: UserId, by: UserId): boolean {
    const user = this.#numbers.findUser(by)
    const ignored = this.#numbers.findUser(other)
    return user !== null && ignored !== null && this.#engine.ignores(user, ignored)
  }

  deviceState(userId: UserId, deviceId: DeviceId): PresenceState | null {
    const user = this.#numbers.findUser(userId)
    const device = this.#numbers.devices.find(userId, deviceId)
    return user === null || device === null ? null : this.#engine.deviceState(user, device)
  }

  read(viewer: UserId, since: PresencePosition, options: SeeOptions): SeenDelta {
    // Whoever polls again right after an answer: nothing took a place behind it.
    if (!options.snapshot && since.seq === this.head && since.skip === 0)
      return { entries: [], position: since }
    const accepts = (user: UserNum): boolean => options.accepts(this.#numbers.userId(user))
    const { entries, position } = this.#engine.read(
      this.#numbers.user(viewer),
      since,
      { ...options, accepts },
      this.#clock.now(),
    )
    return { entries: entries.map((view) => ({ userId: this.#numbers.userId(view.user), view })), position }
  }

  view(viewer: UserId, userId: UserId): PresenceView | null {
    const observer = this.#numbers.findUser(viewer)
    const user = this.#numbers.findUser(userId)
    return observer === null || user === null ? null : this.#engine.view(observer, user, this.#clock.now())
  }

  pushed(userId: UserId, presence: RemotePresence): boolean {
    const user = this.#numbers.findUser(userId)
    if (user === null || !this.#engine.servers.isInSight(user)) return false
    this.#apply({ kind: 'remote.pushed', user, presence })
    return true
  }

  remoteProfileChanged(userId: UserId): void {
    const user = this.#numbers.findUser(userId)
    if (user === null || !this.#engine.servers.isInSight(user)) return
    this.#apply({ kind: 'profile.changed', user, device: null })
  }

  published(userId: UserId): Face {
    return this.#engine.published(this.#numbers.user(userId), this.#clock.now())
  }

  servers(): ServerName[] {
    return this.#engine.servers.all().map((num) => this.#numbers.servers.text(num))
  }

  serverSees(server: ServerName, userId: UserId): boolean {
    const user = this.#numbers.findUser(userId)
    const viewer = this.#numbers.servers.find(server)
    return user !== null && viewer !== null && this.#engine.servers.sees(viewer, user)
  }

  visibleToServer(server: ServerName): UserId[] {
    return this.#usersOf(server, (num) => this.#engine.servers.visibleTo(num))
  }

  followedBy(server: ServerName): UserId[] {
    return this.#usersOf(server, (num) => this.#engine.servers.followedBy(num))
  }

  followedAt(server: ServerName): UserId[] {
    return this.#usersOf(server, (num) => this.#engine.servers.followedAt(num))
  }

  followersOf(userId: UserId): UserId[] {
    const user = this.#numbers.findUser(userId)
    return user === null ? [] : this.#numbers.userIds(this.#engine.servers.followersOf(user))
  }

  polled(server: ServerName, userId: UserId, wanted: boolean): void {
    this.#apply({
      kind: 'server.polled',
      server: this.#numbers.servers.intern(server),
      user: this.#numbers.user(userId),
      wanted,
    })
  }

  peerSpeaksLists(server: ServerName): void {
    this.#apply({ kind: 'server.speaks-lists', server: this.#numbers.servers.intern(server) })
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = null
  }

  #pair(observer: UserId, observed: UserId): { readonly observer: UserNum; readonly observed: UserNum } {
    return { observer: this.#numbers.user(observer), observed: this.#numbers.user(observed) }
  }

  #usersOf(server: ServerName, list: (num: ServerNum) => UserNum[]): UserId[] {
    const num = this.#numbers.servers.find(server)
    return num === null ? [] : this.#numbers.userIds(list(num))
  }

  #apply(command: Command): void {
    if (this.#isStopped) return
    this.#performer.perform(this.#engine.apply(command, this.#clock.now()))
    this.#arm()
  }

  /** One timer, set anew only if something is due before it fires: moving a deadline back costs nothing. */
  #arm(): void {
    const soonest = this.#lastTickTs + TICK_GAP_MS
    // Most commands put deadlines back: not worth a search, which costs as much as there are users of the same moment.
    if (this.#timer !== null && Math.max(this.#engine.deadlineBound, soonest) >= this.#timerDue) return
    const next = this.#engine.nextDeadline()
    if (next === null) return
    const due = Math.max(next, soonest)
    if (this.#timer === null || due < this.#timerDue) this.#sleepUntil(due)
  }

  #sleepUntil(due: Millis): void {
    this.#timer?.cancel()
    this.#timerDue = due
    this.#timer = this.#clock.after(due - this.#clock.now(), () => this.#tick())
  }

  #tick(): void {
    this.#timer = null
    this.#lastTickTs = this.#clock.now()
    try {
      this.#performer.perform(this.#engine.tick(this.#lastTickTs))
      this.#arm()
    } catch (thrown) {
      this.#log.error({ err: thrown }, 'a presence deadline failed')
      this.#sleepUntil(this.#clock.now() + TICK_RETRY_MS)
    }
  }
}
