import type { Millis } from '../../src/base/clock.ts'
import type { Command, StreamPresence } from '../../src/engine/commands.ts'
import type { Effects } from '../../src/engine/effects.ts'
import { Engine } from '../../src/engine/engine.ts'
import type {
  DeviceNum,
  NotifyReason,
  PresencePolicy,
  PresencePosition,
  PresenceRecord,
  PresenceState,
  PresenceView,
  ReadOptions,
  RemotePresence,
  RoomNum,
  ServerNum,
  StatusChange,
  UserNum,
} from '../../src/engine/types.ts'

export const SECOND = 1_000
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR
export const START = Date.UTC(2015, 9, 2, 12)

export const POLICY: PresencePolicy = {
  idleTimeoutMs: 5 * MINUTE,
  activeWindowMs: MINUTE,
  offlineGraceMs: 30 * SECOND,
  busyGraceMs: HOUR,
  offlineCutoffMs: 7 * DAY,
  maxRoomMembers: 0,
  hideFromIgnored: false,
  pingIntervalMs: 25 * MINUTE,
  remoteTimeoutMs: 30 * MINUTE,
  listPeerTimeoutMs: 65 * MINUTE,
}

/** Effects with names in place of numbers. */
export interface Told {
  readonly wakes: readonly string[]
  readonly writes: readonly (readonly [user: string, record: PresenceRecord])[]
  /** `own`: only the user's own devices hear of it. */
  readonly published: readonly (readonly [user: string, reason: NotifyReason | 'own'])[]
  /** `server < user`: the server is to hear of our user. */
  readonly pushes: readonly string[]
  /** `+user` is to be followed at its server, `-user` no longer. */
  readonly polls: readonly string[]
  readonly sighted: readonly string[]
  readonly forgotten: readonly string[]
}

export const NOTHING: Told = {
  wakes: [],
  writes: [],
  published: [],
  pushes: [],
  polls: [],
  sighted: [],
  forgotten: [],
}

/** One entry as the named viewer sees it. */
export type NamedView = Omit<PresenceView, 'user' | 'seq'> & { readonly user: string }

export interface KitOptions {
  readonly policy?: Partial<PresencePolicy>
  readonly head?: number
  /** True: the start has not ended yet, so that users can be restored. */
  readonly isStarting?: boolean
}

export function engineKit(options: KitOptions = {}): EngineKit {
  return new EngineKit(options)
}

/** What a viewer is shown of somebody who is out of sight. */
export const GONE = {
  state: 'offline',
  hidden: false,
  statusMsg: null,
  lastActiveTs: null,
  currentlyActive: false,
  visible: false,
}

/** Alice, Bob and Carol are online with a text and listen; they have read everything and share nothing yet. */
export function strangers(options: KitOptions = {}): EngineKit {
  const kit = engineKit(options)
  for (const name of ['alice', 'bob', 'carol']) {
    kit.opens(name, 'phone')
    kit.puts(name, 'phone', 'online', `text of ${name}`)
  }
  kit.catchUp('alice', 'bob', 'carol')
  return kit
}

/** The same in one room, which they know of. */
export function roommates(options: KitOptions = {}): EngineKit {
  const kit = strangers(options)
  kit.joins('room', 'alice', 'bob', 'carol')
  kit.catchUp('alice', 'bob', 'carol')
  return kit
}

/**
 * An engine with names, a clock, and viewers who remember where they read on: stories about presence, without a server
 * around them. Deadlines are served exactly when they are due.
 */
export class EngineKit {
  readonly policy: PresencePolicy
  engine: Engine
  now: Millis = START
  /** What is on disk. */
  readonly records = new Map<UserNum, PresenceRecord>()
  readonly #positions = new Map<string, PresencePosition>()
  readonly #names: string[] = []
  /** What the shell would tell again after a restart. */
  #lasting: Command[] = []
  readonly #remote: Command[] = []

  constructor({ policy = {}, head = 0, isStarting = false }: KitOptions) {
    this.policy = { ...POLICY, ...policy }
    this.engine = new Engine({ policy: this.policy, head })
    if (!isStarting) this.begins()
  }

  /** The number behind a name: users, rooms and devices (`alice/phone`) alike, so that none happen to be equal. */
  num(name: string): number {
    const known = this.#names.indexOf(name)
    return known === -1 ? this.#names.push(name) - 1 : known
  }

  user(name: string): UserNum {
    return this.num(name) as UserNum
  }

  device(user: string, device: string): DeviceNum {
    return this.num(`${user}/${device}`) as DeviceNum
  }

  begins(): Told {
    return this.#told(this.engine.begin(this.now))
  }

  apply(command: Command): Told {
    return this.#told(this.engine.apply(command, this.now))
  }

  restored(user: string, record: Partial<PresenceRecord>): Told {
    const nothing = { state: 'offline', statusMsg: null, lastActiveTs: null, hidden: false } as const
    const whole = { ...nothing, hiddenBy: null, currentlyActive: false, refreshedTs: null, ...record }
    this.records.set(this.user(user), whole)
    return this.apply({ kind: 'user.restored', user: this.user(user), record: whole })
  }

  registers(user: string): Told {
    return this.apply({ kind: 'user.registered', user: this.user(user) })
  }

  deactivates(user: string): Told {
    return this.apply({ kind: 'user.deactivated', user: this.user(user) })
  }

  renames(user: string, device: string | null): Told {
    const num = device === null ? null : this.device(user, device)
    return this.apply({ kind: 'profile.changed', user: this.user(user), device: num })
  }

  /** `PUT status`; no text keeps, null clears. */
  puts(user: string, device: string, presence: PresenceState | 'hidden', text?: string | null): Told {
    const status: StatusChange =
      text === undefined ? { kind: 'keep' } : text === null ? { kind: 'clear' } : { kind: 'set', text }
    return this.apply({
      kind: 'device.reported',
      user: this.user(user),
      device: this.device(user, device),
      presence,
      status,
    })
  }

  acts(user: string, device: string): Told {
    return this.apply({ kind: 'device.acted', user: this.user(user), device: this.device(user, device) })
  }

  logsOut(user: string, device: string): Told {
    return this.apply({ kind: 'device.removed', user: this.user(user), device: this.device(user, device) })
  }

  opens(user: string, device: string, presence: StreamPresence = 'implicit'): Told {
    const stream = { user: this.user(user), device: this.device(user, device), presence }
    return this.apply({ kind: 'stream.opened', ...stream })
  }

  closes(user: string, device: string, presence: StreamPresence = 'implicit'): Told {
    const stream = { user: this.user(user), device: this.device(user, device), presence }
    return this.apply({ kind: 'stream.closed', ...stream })
  }

  /** Hears of others without being there. */
  listens(...users: string[]): void {
    for (const user of users) this.opens(user, 'ear', 'offline')
  }

  /** These users are of another server; before anything else of them. */
  comeFrom(server: string, ...users: string[]): void {
    for (const user of users) {
      const command = { kind: 'user.remote', user: this.user(user), server: this.server(server) } as const
      this.#remote.push(command)
      this.apply(command)
    }
  }

  server(name: string): ServerNum {
    return this.num(`server ${name}`) as ServerNum
  }

  /** What another server says of its user. */
  says(user: string, state: PresenceState, more: Partial<RemotePresence> = {}): Told {
    const presence = { state, statusMsg: null, lastActiveTs: null, currentlyActive: false, ...more }
    return this.apply({ kind: 'remote.pushed', user: this.user(user), presence })
  }

  /** A server says `poll` or, with false, `unpoll` of our user. */
  polled(server: string, user: string, wanted = true): Told {
    return this.#lasts({ kind: 'server.polled', server: this.server(server), user: this.user(user), wanted })
  }

  excludes(room: string): Told {
    return this.#lasts({ kind: 'room.excluded', room: this.num(room) as RoomNum })
  }

  joins(room: string, ...users: string[]): Told {
    const each = users.map((user) =>
      this.#lasts({ kind: 'room.joined', room: this.num(room) as RoomNum, user: this.user(user) }),
    )
    return together(each)
  }

  leaves(room: string, user: string): Told {
    return this.#lasts({ kind: 'room.left', room: this.num(room) as RoomNum, user: this.user(user) })
  }

  /** The observed lets the observer see them. */
  grants(observed: string, observer: string): Told {
    return this.#lasts({
      kind: 'grant.given',
      observed: this.user(observed),
      observer: this.user(observer),
    })
  }

  revokes(observed: string, observer: string): Told {
    return this.#lasts({
      kind: 'grant.removed',
      observed: this.user(observed),
      observer: this.user(observer),
    })
  }

  ignores(user: string, ...ignored: string[]): Told {
    return this.#lasts({
      kind: 'ignores.set',
      user: this.user(user),
      ignored: ignored.map((other) => this.user(other)),
    })
  }

  /** Time passes, and every deadline on the way is served when it is due. */
  passes(ms: Millis): Told {
    const end = this.now + ms
    const told: Told[] = []
    for (let due = this.engine.nextDeadline(); due !== null && due <= end; due = this.engine.nextDeadline()) {
      this.now = Math.max(this.now, due)
      told.push(this.#told(this.engine.tick(this.now)))
    }
    this.now = end
    return together([...told, this.#told(this.engine.tick(end))])
  }

  /** Time passes, and nobody looks at the deadlines. */
  oversleeps(ms: Millis): void {
    this.now += ms
  }

  /** Down and up again, with what was written; whoever polled has to come back. */
  restarts(downMs: Millis = 0, head = this.engine.head): Told {
    this.now += downMs
    this.engine = new Engine({ policy: this.policy, head })
    const told = this.#remote.map((command) => this.apply(command))
    for (const [user, record] of this.records) told.push(this.apply({ kind: 'user.restored', user, record }))
    for (const command of this.#lasting) told.push(this.apply(command))
    return together([...told, this.begins()])
  }

  /** What is new for the viewer, who remembers where to read on; everything at first. */
  reads(viewer: string, options: Partial<ReadOptions> = {}): NamedView[] {
    const since = this.#positions.get(viewer)
    const isFirst = since === undefined
    const all = { limit: 1_000, omitOffline: isFirst, snapshot: isFirst, accepts: () => true, ...options }
    const { entries, position } = this.engine.read(
      this.user(viewer),
      since ?? { seq: this.engine.head, skip: 0 },
      all,
      this.now,
    )
    this.#positions.set(viewer, position)
    return entries.map((view) => this.named(view))
  }

  /** The same, to the end, short: `alice online`. */
  hears(viewer: string, options: Partial<ReadOptions> = {}): string[] {
    return this.reads(viewer, options).map(({ user, state }) => `${user} ${state}`)
  }

  /** Reads all that is there, so that the next read has only what is new. */
  catchUp(...viewers: string[]): void {
    for (const viewer of viewers) this.reads(viewer)
  }

  positionOf(viewer: string): PresencePosition {
    return this.#positions.get(viewer) ?? { seq: this.engine.head, skip: 0 }
  }

  /** Goes back (or on) to where the viewer was. */
  resumes(viewer: string, position: PresencePosition): void {
    this.#positions.set(viewer, position)
  }

  /** What an explicit question is answered with; null: nothing. */
  view(viewer: string, user: string): NamedView | null {
    const view = this.engine.view(this.user(viewer), this.user(user), this.now)
    return view === null ? null : this.named(view)
  }

  /** The user's state as somebody else is shown it. */
  state(user: string, viewer = user): PresenceState | null {
    return this.view(viewer, user)?.state ?? null
  }

  named(view: PresenceView): NamedView {
    const { state, hidden, statusMsg, lastActiveTs, currentlyActive, visible } = view
    return { user: this.name(view.user), state, hidden, statusMsg, lastActiveTs, currentlyActive, visible }
  }

  name(num: number): string {
    return this.#names[num] ?? `nobody ${num}`
  }

  #lasts(command: Command): Told {
    this.#lasting.push(command)
    return this.apply(command)
  }

  #told({ wakes, writes, published, pushes, polls, sighted, forgotten }: Effects): Told {
    for (const { user, record } of writes) this.records.set(user, record)
    for (const user of forgotten) this.records.delete(user)
    return {
      wakes: wakes.map((user) => this.name(user)),
      writes: writes.map(({ user, record }) => [this.name(user), record]),
      published: published.map(({ user, reason }) => [this.name(user), reason ?? 'own']),
      pushes: pushes.flatMap(({ server, users }) =>
        users.map((user) => `${this.name(server).slice('server '.length)} < ${this.name(user)}`),
      ),
      polls: polls.map(({ user, wanted }) => `${wanted ? '+' : '-'}${this.name(user)}`),
      sighted: sighted.map((user) => this.name(user)),
      forgotten: forgotten.map((user) => this.name(user)),
    }
  }
}

function together(all: readonly Told[]): Told {
  return {
    wakes: all.flatMap(({ wakes }) => wakes),
    writes: all.flatMap(({ writes }) => writes),
    published: all.flatMap(({ published }) => published),
    pushes: all.flatMap(({ pushes }) => pushes),
    polls: all.flatMap(({ polls }) => polls),
    sighted: all.flatMap(({ sighted }) => sighted),
    forgotten: all.flatMap(({ forgotten }) => forgotten),
  }
}
