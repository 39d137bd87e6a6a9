import type { Clock, Millis, Timer } from '../base/clock.ts'
import { Interner } from '../base/interner.ts'
import type { Command, StreamPresence } from '../engine/commands.ts'
import type { Effects, PresenceWrite } from '../engine/effects.ts'
import type { Engine } from '../engine/engine.ts'
import type {
  DeviceNum,
  PresencePosition,
  PresenceState,
  PresenceView,
  RoomNum,
  UserNum,
} from '../engine/types.ts'
import type { DeviceId, RoomId, UserId } from '../matrix/ids.ts'
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
  readonly persist: Pick<Persist, 'add'>
  readonly wakeups: Pick<Wake, 'users'>
  readonly log: Log
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
  readonly #users = new Interner<UserId, UserNum>()
  readonly #rooms = new Interner<RoomId, RoomNum>()
  readonly #devices = new DeviceNumbers()
  #timer: Timer | null = null
  #timerDue: Millis = 0
  #lastTickTs: Millis = 0
  #isStopped = false

  constructor({ enabled, engine, clock, persist, wakeups, log }: LoopDeps) {
    this.#enabled = enabled
    this.#engine = engine
    this.#clock = clock
    this.#persist = persist
    this.#wakeups = wakeups
    this.#log = log
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
      }
      this.#apply({ kind: 'user.restored', user: this.#users.intern(row.userId), record })
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
    this.#apply({ kind: 'device.reported', user: this.#users.intern(userId), device, presence, status })
  }

  openStream(userId: UserId, deviceId: DeviceId, presence: StreamPresence): () => void {
    if (!this.#enabled) return NOTHING
    const stream = {
      user: this.#users.intern(userId),
      device: this.#devices.intern(userId, deviceId),
      presence,
    }
    this.#apply({ kind: 'stream.opened', ...stream })
    return () => this.#apply({ kind: 'stream.closed', ...stream })
  }

  registered(userId: UserId): void {
    if (!this.#enabled) return
    this.#apply({ kind: 'user.registered', user: this.#users.intern(userId) })
  }

  deactivated(userId: UserId): void {
    this.#apply({ kind: 'user.deactivated', user: this.#users.intern(userId) })
    this.#devices.forgetAll(userId)
  }

  acted(userId: UserId, deviceId: DeviceId): void {
    if (!this.#enabled) return
    const device = this.#devices.intern(userId, deviceId)
    this.#apply({ kind: 'device.acted', user: this.#users.intern(userId), device })
  }

  deviceRemoved(userId: UserId, deviceId: DeviceId): void {
    const device = this.#devices.find(userId, deviceId)
    if (device === null) return
    this.#apply({ kind: 'device.removed', user: this.#users.intern(userId), device })
    this.#devices.forget(userId, deviceId)
  }

  profileChanged(userId: UserId, deviceId: DeviceId | null): void {
    if (!this.#enabled) return
    const device: DeviceNum | null = deviceId === null ? null : this.#devices.intern(userId, deviceId)
    this.#apply({ kind: 'profile.changed', user: this.#users.intern(userId), device })
  }

  joined(roomId: RoomId, userId: UserId): void {
    const room = this.#rooms.intern(roomId)
    this.#apply({ kind: 'room.joined', room, user: this.#users.intern(userId) })
  }

  left(roomId: RoomId, userId: UserId): void {
    const room = this.#rooms.intern(roomId)
    this.#apply({ kind: 'room.left', room, user: this.#users.intern(userId) })
  }

  ignores(userId: UserId, ignored: readonly UserId[]): void {
    const user = this.#users.intern(userId)
    this.#apply({ kind: 'ignores.set', user, ignored: ignored.map((other) => this.#users.intern(other)) })
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
      this.#users.intern(viewer),
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

  stop(): void {
    this.#isStopped = true
    this.#timer?.cancel()
    this.#timer = null
  }

  #pair(observer: UserId, observed: UserId): { readonly observer: UserNum; readonly observed: UserNum } {
    return { observer: this.#users.intern(observer), observed: this.#users.intern(observed) }
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
    if (effects.wakes.length === 0) return
    this.#wakeups.users(
      effects.wakes.map((user) => this.#users.text(user)),
      'presence',
    )
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
      refreshedTs: null,
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
