import type { Clock, Millis, Timer } from '../base/clock.ts'
import { Interner } from '../base/interner.ts'
import type { Command, StreamPresence } from '../engine/commands.ts'
import type { Effects, PollTurn, PresenceWrite } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import type { Face } from '../engine/notify.ts'
import type {
  DeviceNum,
  PresencePosition,
  PresenceState,
  PresenceView,
  RemotePresence,
  RoomNum,
  ServerNum,
  UserNum,
} from '../engine/types.ts'
import { serverOf, type DeviceId, type RoomId, type ServerName, type UserId } from '../matrix/ids.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { Log } from '../ports/log.ts'
import type { Row } from '../ports/store.ts'
import type { PresenceReport, PresenceSubmit } from '../ports/submit.ts'
import type { Wake } from '../ports/wake.ts'
import { DeviceNumbers } from './device-numbers.ts'
import type { Persist } from './persist.ts'

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
  /** The newest place in the presence stream. */
  readonly head: number
  /** Positions before this one cannot be read on from. */
  readonly horizon: number
  /** No timer and no command from here on; whoever still reads sees the last state. */
  stop(): void
}

export interface LoopDeps {
  /** False: presence is switched off; nobody comes online any more, who was goes offline (PRESENCE-SPEC §4.8). */
  readonly enabled: boolean
  readonly engine: Engine
  readonly clock: Clock
  readonly persist: Pick<Persist, 'add' | 'drop'>
  readonly wakeups: Pick<Wake, 'users'>
  readonly log: Log
  /** This server; users of any other are remote. */
  readonly serverName: ServerName
  readonly destinations: Pick<Destinations, 'offerPresence' | 'offerPolls'>
  /** A user of another server came into somebody's sight, and nothing is known of them. */
  readonly onSighted: (userId: UserId) => void
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
  readonly #persist: LoopDeps['persist']
  readonly #wakeups: LoopDeps['wakeups']
  readonly #log: Log
  readonly #serverName: ServerName
  readonly #destinations: LoopDeps['destinations']
  readonly #onSighted: LoopDeps['onSighted']
  readonly #servers = new Interner<ServerName, ServerNum>()
  readonly #users = new Interner<UserId, UserNum>()
  readonly #rooms = new Interner<RoomId, RoomNum>()
  readonly #devices = new DeviceNumbers()
  #timer: Timer | null = null
  #timerDue: Millis = 0
  #lastTickTs: Millis = 0
  #isStopped = false

  constructor(deps: LoopDeps) {
    this.#enabled = deps.enabled
    this.#engine = deps.engine
    this.#clock = deps.clock
    this.#persist = deps.persist
    this.#wakeups = deps.wakeups
    this.#log = deps.log
    this.#serverName = deps.serverName
    this.#destinations = deps.destinations
    this.#onSighted = deps.onSighted
  }

  get head(): number {
    return this.#engine.head
  }

  get horizon(): number {
    return this.#engine.horizon
  }

  restore(rows: readonly Row<'presence'>[]): void {
    for (const row of rows) {
      const hiddenBy = row.hiddenBy === null ? null : this.#devices.intern(row.userId, row.hiddenBy)
      const record = {
        state: row.state as PresenceState,
        statusMsg: row.statusMsg,
        lastActiveTs: row.lastActiveTs,
        hidden: row.hidden === 1,
        hiddenBy,
        currentlyActive: row.currentlyActive === 1,
        refreshedTs: row.refreshedTs,
      }
      this.#apply({ kind: 'user.restored', user: this.#user(row.userId), record })
    }
  }

  exclude(roomIds: readonly RoomId[]): void {
    for (const roomId of roomIds) this.#apply({ kind: 'room.excluded', room: this.#rooms.intern(roomId) })
  }

  begin(): void {
    this.#perform(this.#engine.begin(this.#clock.now()))
    this.#arm()
  }

  report(userId: UserId, deviceId: DeviceId, { presence, status }: PresenceReport): void {
    if (!this.#enabled) return
    const device = this.#devices.intern(userId, deviceId)
    this.#apply({ kind: 'device.reported', user: this.#user(userId), device, presence, status })
  }

  openStream(userId: UserId, deviceId: DeviceId, presence: StreamPresence): () => void {
    if (!this.#enabled) return NOTHING
    const stream = {
      user: this.#user(userId),
      device: this.#devices.intern(userId, deviceId),
      presence,
    }
    this.#apply({ kind: 'stream.opened', ...stream })
    return () => this.#apply({ kind: 'stream.closed', ...stream })
  }

  registered(userId: UserId): void {
    if (!this.#enabled) return
    this.#apply({ kind: 'user.registered', user: this.#user(userId) })
  }

  deactivated(userId: UserId): void {
    this.#apply({ kind: 'user.deactivated', user: this.#user(userId) })
    this.#devices.forgetAll(userId)
  }

  acted(userId: UserId, deviceId: DeviceId): void {
    if (!this.#enabled) return
    const device = this.#devices.intern(userId, deviceId)
    this.#apply({ kind: 'device.acted', user: this.#user(userId), device })
  }

  deviceRemoved(userId: UserId, deviceId: DeviceId): void {
    const device = this.#devices.find(userId, deviceId)
    if (device === null) return
    this.#apply({ kind: 'device.removed', user: this.#user(userId), device })
    this.#devices.forget(userId, deviceId)
  }

  profileChanged(userId: UserId, deviceId: DeviceId | null): void {
    if (!this.#enabled) return
    const device: DeviceNum | null = deviceId === null ? null : this.#devices.intern(userId, deviceId)
    this.#apply({ kind: 'profile.changed', user: this.#user(userId), device })
  }

  joined(roomId: RoomId, userId: UserId): void {
    const room = this.#rooms.intern(roomId)
    this.#apply({ kind: 'room.joined', room, user: this.#user(userId) })
  }

  left(roomId: RoomId, userId: UserId): void {
    const room = this.#rooms.intern(roomId)
    this.#apply({ kind: 'room.left', room, user: this.#user(userId) })
  }

  ignores(userId: UserId, ignored: readonly UserId[]): void {
    const user = this.#user(userId)
    this.#apply({ kind: 'ignores.set', user, ignored: ignored.map((other) => this.#user(other)) })
  }

  granted(observer: UserId, observed: UserId): void {
    this.#apply({ kind: 'grant.given', ...this.#pair(observer, observed) })
  }

  revoked(observer: UserId, observed: UserId): void {
    this.#apply({ kind: 'grant.removed', ...this.#pair(observer, observed) })
  }

  isIgnored(other: UserId, by: UserId): boolean {
    const user = this.#users.find(by)
    const ignored = this.#users.find(other)
    return user !== null && ignored !== null && this.#engine.ignores(user, ignored)
  }

  deviceState(userId: UserId, deviceId: DeviceId): PresenceState | null {
    const user = this.#users.find(userId)
    const device = this.#devices.find(userId, deviceId)
    return user === null || device === null ? null : this.#engine.deviceState(user, device)
  }

  read(viewer: UserId, since: PresencePosition, options: SeeOptions): SeenDelta {
    // Whoever polls again right after an answer: nothing took a place behind it.
    if (!options.snapshot && since.seq === this.head && since.skip === 0)
      return { entries: [], position: since }
    const accepts = (user: UserNum): boolean => options.accepts(this.#users.text(user))
    const { entries, position } = this.#engine.read(
      this.#user(viewer),
      since,
      { ...options, accepts },
      this.#clock.now(),
    )
    return { entries: entries.map((view) => ({ userId: this.#users.text(view.user), view })), position }
  }

  view(viewer: UserId, userId: UserId): PresenceView | null {
    const observer = this.#users.find(viewer)
    const user = this.#users.find(userId)
    return observer === null || user === null ? null : this.#engine.view(observer, user, this.#clock.now())
  }

  pushed(userId: UserId, presence: RemotePresence): boolean {
    const user = this.#users.find(userId)
    if (user === null || !this.#engine.isInSight(user)) return false
    this.#apply({ kind: 'remote.pushed', user, presence })
    return true
  }

  remoteProfileChanged(userId: UserId): void {
    const user = this.#users.find(userId)
    if (user === null || !this.#engine.isInSight(user)) return
    this.#apply({ kind: 'profile.changed', user, device: null })
  }

  published(userId: UserId): Face {
    return this.#engine.published(this.#user(userId), this.#clock.now())
  }

  serverSees(server: ServerName, userId: UserId): boolean {
    const user = this.#users.find(userId)
    const viewer = this.#servers.find(server)
    return user !== null && viewer !== null && this.#engine.serverSees(viewer, user)
  }

  visibleToServer(server: ServerName): UserId[] {
    return this.#usersOf(server, (num) => this.#engine.visibleToServer(num))
  }

  followedBy(server: ServerName): UserId[] {
    return this.#usersOf(server, (num) => this.#engine.followedBy(num))
  }

  followedAt(server: ServerName): UserId[] {
    return this.#usersOf(server, (num) => this.#engine.followedAt(num))
  }

  followersOf(userId: UserId): UserId[] {
    const user = this.#users.find(userId)
    return user === null ? [] : this.#engine.followersOf(user).map((num) => this.#users.text(num))
  }

  polled(server: ServerName, userId: UserId, wanted: boolean): void {
    this.#apply({
      kind: 'server.polled',
      server: this.#servers.intern(server),
      user: this.#user(userId),
      wanted,
    })
  }

  peerSpeaksLists(server: ServerName): void {
    this.#apply({ kind: 'server.speaks-lists', server: this.#servers.intern(server) })
  }

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = null
  }

  #pair(observer: UserId, observed: UserId): { readonly observer: UserNum; readonly observed: UserNum } {
    return { observer: this.#user(observer), observed: this.#user(observed) }
  }

  /** The user's number; the engine hears of whose server they are before anything else. */
  #user(userId: UserId): UserNum {
    const known = this.#users.find(userId)
    if (known !== null) return known
    const user = this.#users.intern(userId)
    const server = serverOf(userId)
    if (server !== this.#serverName)
      this.#apply({ kind: 'user.remote', user, server: this.#servers.intern(server) })
    return user
  }

  #usersOf(server: ServerName, list: (num: ServerNum) => UserNum[]): UserId[] {
    const num = this.#servers.find(server)
    return num === null ? [] : list(num).map((user) => this.#users.text(user))
  }

  #apply(command: Command): void {
    if (this.#isStopped) return
    this.#perform(this.#engine.apply(command, this.#clock.now()))
    this.#arm()
  }

  /** The one place where effects happen. */
  #perform(effects: Effects): void {
    const published = new Set(effects.published.map(({ user }) => user))
    for (const write of effects.writes) this.#persist.add(this.#row(write), published.has(write.user))
    for (const user of effects.forgotten) this.#persist.drop(this.#users.text(user))
    for (const { server, users } of effects.pushes)
      this.#destinations.offerPresence(
        this.#servers.text(server),
        users.map((user) => this.#users.text(user)),
      )
    this.#poll(effects.polls)
    for (const user of effects.sighted) this.#onSighted(this.#users.text(user))
    if (effects.wakes.length === 0) return
    this.#wakeups.users(
      effects.wakes.map((user) => this.#users.text(user)),
      'presence',
    )
  }

  /** One offer a server. */
  #poll(polls: readonly PollTurn[]): void {
    if (polls.length === 0) return
    const changes = new Map<ServerName, { poll: UserId[]; unpoll: UserId[] }>()
    for (const { user, wanted } of polls) {
      const userId = this.#users.text(user)
      const server = serverOf(userId)
      const change = changes.get(server) ?? { poll: [], unpoll: [] }
      changes.set(server, change)
      change[wanted ? 'poll' : 'unpoll'].push(userId)
    }
    for (const [server, change] of changes) this.#destinations.offerPolls(server, change)
  }

  #row({ user, record }: PresenceWrite): Row<'presence'> {
    return {
      userId: this.#users.text(user),
      state: record.state,
      statusMsg: record.statusMsg,
      lastActiveTs: record.lastActiveTs,
      hidden: record.hidden ? 1 : 0,
      hiddenBy: record.hiddenBy === null ? null : this.#devices.id(record.hiddenBy),
      currentlyActive: record.currentlyActive ? 1 : 0,
      refreshedTs: record.refreshedTs,
    }
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
      this.#perform(this.#engine.tick(this.#lastTickTs))
      this.#arm()
    } catch (thrown) {
      this.#log.error({ err: thrown }, 'a presence deadline failed')
      this.#sleepUntil(this.#clock.now() + TICK_RETRY_MS)
    }
  }
}
