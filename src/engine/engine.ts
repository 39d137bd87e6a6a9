import { assert, assertNever, must } from '../base/assert.ts'
import type { Millis } from '../base/clock.ts'
import { Deadlines } from '../base/deadlines.ts'
import { ChangeLog } from './change-log.ts'
import type { Command } from './commands.ts'
import { Crossings } from './crossings.ts'
import { Outcome, type Effects } from './effects.ts'
import { Interest } from './interest.ts'
import { isLongGone, isUrgent, notifyReason, OFFLINE_FACE, type Face } from './notify.ts'
import { Pings } from './pings.ts'
import { Reader } from './reader.ts'
import { isWorthWriting } from './record.ts'
import { RemoteUser } from './remote.ts'
import { Servers, type ServersView } from './servers.ts'
import type {
  DeviceNum,
  NotifyReason,
  PresenceDelta,
  PresencePolicy,
  PresencePosition,
  PresenceState,
  PresenceView,
  ReadOptions,
  RemotePresence,
  RoomNum,
  UserNum,
} from './types.ts'
import { User } from './user.ts'

/**
 * The presence engine: pure and deterministic. It is told what happened (`apply`) and that time passed (`tick`), says what
 * should be done about it (`Effects`) and when it wants to be called next (`nextDeadline`), and answers what a viewer may
 * see (`view`, `read`). It waits for nothing, reads no clock, and does nothing itself.
 *
 *     command ─► user.ts: the devices (device.ts), aggregated (aggregate.ts)
 *                   │
 *                notify.ts: a reason to tell others? ── no ─► only a deadline moves
 *                   │ yes
 *                change-log.ts: the next place in the stream
 *                   │
 *                interest.ts: who listens and may see ─► wakes
 *                servers.ts: which other servers may ─► pushes
 *
 * Users of other servers are what their servers say of them (remote.ts), and go the same way from `notify` on.
 * Reading goes the other way: reader.ts finds whom a viewer is to be told of since a place, `#shown` what is shown there.
 *
 * A start has two phases: commands that restore what was stored, then `begin`. Until `begin` nothing takes a place in the
 * stream, because nothing changes. Positions before `horizon` are from before the start and did not reach its end: nobody
 * knows any more what they miss, so they are answered with everything (decision 0004).
 */
export class Engine {
  readonly #policy: PresencePolicy
  readonly #users: (User | RemoteUser | undefined)[] = []
  readonly #deadlines = new Deadlines()
  readonly #log: ChangeLog
  readonly #interest: Interest
  readonly #servers: Servers
  readonly #crossings: Crossings
  readonly #pings: Pings
  readonly #reader: Reader
  /** The place of everything that was there before the start. */
  readonly #origin: number
  #isRestoring = true

  #outcome = new Outcome()

  /** `head`: the last number of the stream that was given out before the start; 0 in a new epoch. */
  constructor(options: { readonly policy: PresencePolicy; readonly head: number }) {
    this.#policy = options.policy
    this.#log = new ChangeLog(options.head)
    this.#origin = this.#log.take()
    this.#interest = new Interest(options.policy)
    this.#servers = new Servers(options.policy, this.#interest)
    this.#pings = new Pings(options.policy.pingIntervalMs)
    this.#reader = new Reader(this.#interest, this.#log, this.#origin)
    this.#crossings = new Crossings({
      interest: this.#interest,
      servers: this.#servers,
      outcome: () => this.#outcome,
      isWorthTelling: (num, now) => {
        const user = this.#users[num]
        return user !== undefined && !isLongGone(user.heard, now, options.policy)
      },
      onAudience: (user, now) => this.#watchOver(user, now),
      isKnown: (user) => this.#users[user] !== undefined,
      forget: (user) => this.#forget(user),
    })
  }

  /** The newest place of the stream. */
  get head(): number {
    return this.#log.head
  }

  /** Positions below this one are answered with everything the viewer may see. */
  get horizon(): number {
    return this.#reader.horizon
  }

  /** Ends the restore: restored users have one offline grace from now to come back (P-152). */
  begin(now: Millis): Effects {
    assert(this.#isRestoring, 'a start begins once')
    this.#isRestoring = false
    for (const [num, user] of this.#users.entries()) {
      if (user instanceof User) user.beginGrace(now)
      if (user instanceof RemoteUser && !this.#servers.isInSight(num as UserNum)) this.#forget(num as UserNum)
      else if (user !== undefined) this.#settle(num as UserNum, now)
    }
    return this.#takeEffects()
  }

  apply(command: Command, now: Millis): Effects {
    this.#perform(command, now)
    return this.#takeEffects()
  }

  /** Does what is due at `now`. Called late it does the same, called early nothing. */
  tick(now: Millis): Effects {
    for (const num of this.#deadlines.take(now)) this.#settle(num as UserNum, now)
    return this.#takeEffects()
  }

  /** When `tick` will have something to do; null: never, unless something happens. */
  nextDeadline(): Millis | null {
    return this.#deadlines.next()
  }

  /** Nothing is due before; Infinity: never. Known without the search that `nextDeadline` is. */
  get deadlineBound(): Millis {
    return this.#deadlines.bound
  }

  /** May the viewer see the user? The one rule, used by every path (P-146). */
  sees(viewer: UserNum, user: UserNum): boolean {
    return this.#interest.sees(viewer, user)
  }

  /** Is the other on the user's ignore list? */
  ignores(user: UserNum, other: UserNum): boolean {
    return this.#interest.ignores(user, other)
  }

  /** What the viewer may see of the user now; null: nothing, whether the user exists or not. */
  view(viewer: UserNum, user: UserNum, now: Millis): PresenceView | null {
    return this.sees(viewer, user)
      ? this.#shown(viewer, user, this.#log.seqOf(user, viewer === user), now, true)
      : null
  }

  /** The state of one device; null if it is not there. */
  deviceState(user: UserNum, device: DeviceNum): PresenceState | null {
    const known = this.#users[user]
    return known instanceof User ? known.deviceState(device) : null
  }

  /** What others may be shown of our user now, whoever they are: ask `serverSees` first. */
  published(user: UserNum, now: Millis): Face {
    return this.#users[user]?.face(now) ?? OFFLINE_FACE
  }

  /** Other servers: what they may see, and whom somebody here follows there. */
  get servers(): ServersView {
    return this.#servers
  }

  /** What is new for the viewer since a position: at most one entry a user, in stream order (P-082, P-083, P-087). */
  read(viewer: UserNum, since: PresencePosition, options: ReadOptions, now: Millis): PresenceDelta {
    return this.#reader.read(viewer, since, options, (user, place) => {
      const view = this.#shown(viewer, user, place, now, this.#interest.isShown(viewer, user))
      return user === viewer || this.#isWorthTelling(view, options, now) ? view : null
    })
  }

  /** All that the engine knows, as text: equal histories give equal digests. */
  digest(): string {
    const users = this.#users.map((user, num) => [user ?? null, this.#deadlines.get(num)])
    return JSON.stringify({ head: this.head, users, interest: this.#interest, servers: this.#servers })
  }

  #perform(command: Command, now: Millis): void {
    switch (command.kind) {
      case 'user.restored':
        return this.#known(command.user).restore(command.record)
      case 'user.remote':
        return this.#servers.declare(command.user, command.server)
      case 'remote.pushed':
        return this.#push(command.user, command.presence, now)
      case 'server.polled':
        this.#servers.poll(command.server, command.user, command.wanted)
        return this.#watchOver(command.user, now)
      case 'server.speaks-lists':
        return this.#servers.speaksLists(command.server)
      case 'room.excluded':
        return this.#interest.exclude(command.room)
      case 'room.joined':
        return this.#join(command.room, command.user, now)
      case 'room.left':
        return this.#leave(command.room, command.user, now)
      case 'grant.given':
        this.#wakeAll(this.#interest.grant(command.observer, command.observed, this.#take))
        return this.#isRestoring
          ? undefined
          : this.#crossings.granted(command.observer, command.observed, now)
      case 'grant.removed':
        this.#wakeAll(this.#interest.revoke(command.observer, command.observed, this.#take))
        return this.#crossings.revoked(command.observer, command.observed)
      case 'ignores.set':
        return this.#ignore(command.user, command.ignored)
      case 'profile.changed':
        return this.#rename(command.user, command.device, now)
      case 'user.registered':
        return this.#change(command.user, now, (user) => user.act(null, now))
      case 'user.deactivated':
        return this.#change(command.user, now, (user) => user.deactivate())
      case 'device.reported':
        return this.#change(command.user, now, (user) =>
          user.report(command.device, command.presence, command.status, now),
        )
      case 'device.acted':
        return this.#change(command.user, now, (user) => user.act(command.device, now))
      case 'device.removed':
        return this.#change(command.user, now, (user) => user.remove(command.device))
      case 'stream.opened':
        return this.#change(command.user, now, (user) =>
          user.openStream(command.device, command.presence, now),
        )
      case 'stream.closed':
        return this.#change(command.user, now, (user) =>
          user.closeStream(command.device, command.presence, now),
        )
      default:
        return assertNever(command)
    }
  }

  #join(num: RoomNum, user: UserNum, now: Millis): void {
    if (this.#interest.room(num)?.members.has(user) === true) return
    this.#wakeAll(this.#interest.join(num, user, this.#take))
    const room = must(this.#interest.room(num), 'the room that was joined')
    if (!this.#isRestoring) this.#crossings.joined(room, user, now)
  }

  #leave(num: RoomNum, user: UserNum, now: Millis): void {
    const room = this.#interest.room(num)
    if (room === null || !room.members.has(user)) return
    const wasOpen = this.#interest.counts(room)
    this.#wakeAll(this.#interest.leave(num, user, this.#take))
    this.#crossings.left(room, user, wasOpen, now)
  }

  #ignore(user: UserNum, list: readonly UserNum[]): void {
    const before = this.#interest.ties(user).ignored
    this.#wakeAll(this.#interest.ignore(user, list, this.#take))
    if (!this.#isRestoring) this.#crossings.ignored(user, before)
  }

  #rename(num: UserNum, device: DeviceNum | null, now: Millis): void {
    const user = this.#known(num)
    user.passTime(now)
    if (user instanceof User && device !== null) user.act(device, now)
    this.#publish(num, user, now, true)
  }

  #push(num: UserNum, presence: RemotePresence, now: Millis): void {
    const user = this.#known(num)
    assert(user instanceof RemoteUser, 'presence is pushed of users of other servers')
    user.push(presence, now)
    this.#settle(num, now)
  }

  #change(num: UserNum, now: Millis, change: (user: User) => unknown): void {
    const user = this.#known(num)
    assert(user instanceof User, 'a user of another server has no devices here')
    user.passTime(now)
    change(user)
    this.#publish(num, user, now, false)
  }

  #settle(num: UserNum, now: Millis): void {
    const user = this.#known(num)
    user.passTime(now)
    this.#publish(num, user, now, false)
  }

  /** The audience of our user is another: the pings begin or end. */
  #watchOver(num: UserNum, now: Millis): void {
    if (!this.#isRestoring && this.#users[num] !== undefined) this.#settle(num, now)
  }

  /** Compares what is true with what was told, and tells the difference to whom it concerns; everything ends here. */
  #publish(num: UserNum, user: User | RemoteUser, now: Millis, isProfileChanged: boolean): void {
    if (user instanceof RemoteUser) this.#publishRemote(num, user, now, isProfileChanged)
    else this.#publishLocal(num, user, now, isProfileChanged)
    const next = Math.min(user.nextChangeAt(now), this.#pings.dueTs(num))
    if (next === Infinity) this.#deadlines.clear(num)
    else this.#deadlines.set(num, next)
  }

  #publishRemote(num: UserNum, user: RemoteUser, now: Millis, isProfileChanged: boolean): void {
    const face = user.face()
    const reason = notifyReason(user.heard, face, isProfileChanged, this.#policy)
    if (reason !== null) {
      user.heard = face
      this.#tell(num, reason, null)
    }
    this.#write(num, user, now)
  }

  #publishLocal(num: UserNum, user: User, now: Millis, isProfileChanged: boolean): void {
    const face = user.face(now)
    const own = user.ownFace(now)
    const reason = notifyReason(user.heard, face, isProfileChanged, this.#policy)
    const ownReason =
      user.heardOwn.hidden === own.hidden ? notifyReason(user.heardOwn, own, false, this.#policy) : 'state'
    if (reason !== null || ownReason !== null) {
      this.#tell(num, reason, ownReason)
      user.heardOwn = own
    }
    if (reason !== null) user.heard = face
    this.#write(num, user, now)
    this.#listen(num, user.isListening(now))
    this.#pings.keep(num, face.state !== 'offline' && this.#servers.hasAudience(num), now)
    const isPinged = this.#pings.take(num, now)
    if (reason !== null || isPinged) this.#tellServers(num)
  }

  #listen(num: UserNum, isListening: boolean): void {
    if (this.#interest.ties(num).isListening === isListening) return
    this.#interest.listen(num, isListening)
    this.#crossings.listened(num)
  }

  /** `reason` for others, `ownReason` for the user's own devices, who know more; not both are null. */
  #tell(num: UserNum, reason: NotifyReason | null, ownReason: NotifyReason | null): void {
    const seq = this.#log.publish(num, reason === null)
    this.#outcome.publish({ user: num, seq, reason })
    if (isUrgent(reason) || isUrgent(ownReason)) this.#wakeAll([num])
    if (isUrgent(reason)) this.#wakeAll(this.#interest.watchers(num))
  }

  #tellServers(num: UserNum): void {
    for (const server of this.#servers.audienceOf(num)) this.#outcome.push(server, num)
  }

  #forget(num: UserNum): void {
    this.#users[num] = undefined
    this.#deadlines.clear(num)
    this.#outcome.forget(num)
  }

  #write(num: UserNum, user: User | RemoteUser, now: Millis): void {
    const record = user.record(now)
    if (user.written !== null && !isWorthWriting(user.written, record)) return
    user.written = record
    this.#outcome.write(num, record)
  }

  #wakeAll(users: Iterable<UserNum>): void {
    for (const user of users) if (this.#interest.ties(user).isListening) this.#outcome.wake(user)
  }

  /** The next number of the stream; before the start nothing takes one. */
  readonly #take = (): number => (this.#isRestoring ? 0 : this.#log.take())

  #takeEffects(): Effects {
    const effects = this.#outcome.effects()
    this.#outcome = new Outcome()
    return effects
  }

  #known(num: UserNum): User | RemoteUser {
    const known = this.#users[num]
    if (known !== undefined) return known
    const server = this.#servers.of(num)
    return (this.#users[num] =
      server === null ? new User(this.#policy) : new RemoteUser(this.#servers.peer(server)))
  }

  /** What the viewer is shown of the user at a place of the stream; `offline` and nothing else where they may not see. */
  #shown(viewer: UserNum, num: UserNum, seq: number, now: Millis, visible: boolean): PresenceView {
    const user = this.#users[num]
    if (user === undefined || !visible) return { user: num, ...OFFLINE_FACE, hidden: false, seq, visible }
    const isOwn = viewer === num && user instanceof User
    const face = isOwn ? user.ownFace(now) : { ...user.face(now), hidden: false }
    return { user: num, ...face, seq, visible }
  }

  /**
   * Long gone users are nothing to tell to who sees them anew (PRESENCE-SPEC §2.8). Whoever changed since the start may have been
   * told of otherwise, by an answer that this one reads on from.
   */
  #isWorthTelling(view: PresenceView, { omitOffline, snapshot }: ReadOptions, now: Millis): boolean {
    if (!view.visible || view.state !== 'offline') return true
    if (!snapshot && this.#log.seqOf(view.user, false) > this.#origin) return true
    if (omitOffline) return false
    return !isLongGone(view, now, this.#policy)
  }
}
