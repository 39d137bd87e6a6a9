import { Engine } from '../src/engine/engine.ts'
import { Interest } from '../src/engine/interest.ts'
import type { DeviceNum, PresencePolicy, ReadOptions, RoomNum, UserNum } from '../src/engine/types.ts'
import { heldBytes, perCall } from './support/measure.ts'
import { NaiveInterest } from './support/naive-interest.ts'
import { kibibytes, micros, type Findings, type Row } from './support/table.ts'

export interface EngineBenchOptions {
  readonly roomSizes: readonly number[]
  /** For the questions about many rooms: this many users, a fifth as many rooms, one of them with half of all users. */
  readonly users: number
  /** For each figure. */
  readonly budgetMs: number
}

const POLICY: PresencePolicy = {
  idleTimeoutMs: 300_000,
  activeWindowMs: 60_000,
  offlineGraceMs: 30_000,
  busyGraceMs: 3_600_000,
  offlineCutoffMs: 604_800_000,
  maxRoomMembers: 0,
  hideFromIgnored: false,
  pingIntervalMs: 1_500_000,
  remoteTimeoutMs: 30 * 60_000,
  listPeerTimeoutMs: 65 * 60_000,
}
/** One in this many members has a stream open. */
const LISTENING = 10
const SMALL_ROOM = 10
const START_TS = Date.UTC(2015, 9, 2, 12)

/** What the engine alone costs: no HTTP, no store, no rendering. */
export function benchEngine({ roomSizes, users, budgetMs }: EngineBenchOptions): Findings {
  const rows = [
    ...roomSizes.map((size) => updateRow(size, budgetMs)),
    ...roomSizes.map((size) => readRow(size, budgetMs)),
    pollRow(roomSizes.at(-1) ?? 0, budgetMs),
    interestRow(users, budgetMs),
    memoryRow(users),
  ]
  return { rows, failures: [] }
}

/** One room; every tenth member listens; the last member, who does not, is the one who changes. */
function roomOf(size: number): { engine: Engine; author: UserNum } {
  const engine = startedEngine(size, (join) => {
    for (let user = 0; user < size; user += 1) join(0, user)
  })
  return { engine, author: (size - 1) as UserNum }
}

/** An engine after a restart with these memberships; one user in ten comes back to listen. */
function startedEngine(users: number, tell: (join: (room: number, user: number) => void) => void): Engine {
  const engine = new Engine({ policy: POLICY, head: 0 })
  tell((room, user) =>
    engine.apply({ kind: 'room.joined', room: room as RoomNum, user: user as UserNum }, START_TS),
  )
  engine.begin(START_TS)
  for (let user = 0; user < users; user += LISTENING) open(engine, user)
  return engine
}

function open(engine: Engine, user: number): void {
  const stream = { user: user as UserNum, device: user as DeviceNum, presence: 'implicit' } as const
  engine.apply({ kind: 'stream.opened', ...stream }, START_TS)
}

/** A change of the status text, as `PUT status` gives it; every one is told to every listener. */
function changer(engine: Engine, user: UserNum): () => void {
  let changes = 0
  return () => {
    changes += 1
    const status = { kind: 'set', text: `text ${changes % 2}` } as const
    const report = { user, device: user as number as DeviceNum, presence: 'online', status } as const
    engine.apply({ kind: 'device.reported', ...report }, START_TS)
  }
}

function updateRow(size: number, budgetMs: number): Row {
  const { engine, author } = roomOf(size)
  const cost = perCall(changer(engine, author), budgetMs)
  const naive = new NaiveInterest()
  for (let user = 0; user < size; user += 1) {
    naive.join('!room:bench', userId(user))
    if (user % LISTENING === 0) naive.connected.add(userId(user))
  }
  const naiveCost = perCall(() => naive.watchers(userId(author)), budgetMs)
  return {
    what: `engine: a visible change, room of ${size.toLocaleString('en')}`,
    figure: micros(cost),
    baseline: micros(naiveCost),
    ratio: cost / naiveCost,
    note: '10 % listen; the whole update against “who watches” alone in Map<Set>',
  }
}

/** What each woken request asks: what is new since just before the last change. */
function readRow(size: number, budgetMs: number): Row {
  const { engine, author } = roomOf(size)
  changer(engine, author)()
  const viewer = 0 as UserNum
  const options: ReadOptions = { limit: 1_000, omitOffline: false, snapshot: false, accepts: () => true }
  const since = { seq: engine.head - 1, skip: 0 }
  const cost = perCall(() => engine.read(viewer, since, options, START_TS), budgetMs)
  return { what: `engine: a watcher reads it, room of ${size.toLocaleString('en')}`, figure: micros(cost) }
}

function pollRow(size: number, budgetMs: number): Row {
  const { engine } = roomOf(size)
  const stream = { user: 0 as UserNum, device: 0 as DeviceNum, presence: 'implicit' } as const
  const cost = perCall(() => {
    engine.apply({ kind: 'stream.closed', ...stream }, START_TS)
    engine.apply({ kind: 'stream.opened', ...stream }, START_TS)
  }, budgetMs)
  return {
    what: 'engine: a quiet poll ends and the next begins',
    figure: micros(cost),
    note: `connected user, room of ${size.toLocaleString('en')}; nobody is told`,
  }
}

/** The same rooms for both; small rooms have ten members, chosen by a fixed rule. */
function eachMembership(users: number, join: (room: number, user: number) => void): void {
  for (let user = 0; user < users / 2; user += 1) join(0, user)
  const rooms = Math.floor(users / 5)
  for (let room = 1; room < rooms; room += 1)
    for (let i = 0; i < SMALL_ROOM; i += 1) join(room, (room * 7_919 + i * 104_729) % users)
}

function interestOf(users: number): Interest {
  const interest = new Interest(POLICY)
  eachMembership(users, (room, user) => interest.join(room as RoomNum, user as UserNum, () => 0))
  for (let user = 0; user < users; user += LISTENING) interest.listen(user as UserNum, true)
  return interest
}

function naiveInterestOf(users: number): NaiveInterest {
  const naive = new NaiveInterest()
  eachMembership(users, (room, user) => naive.join(`!room${room}:bench`, userId(user)))
  for (let user = 0; user < users; user += LISTENING) naive.connected.add(userId(user))
  return naive
}

function interestRow(users: number, budgetMs: number): Row {
  const interest = interestOf(users)
  const naive = naiveInterestOf(users)
  const asked = 1 as UserNum
  const found = interest.watchers(asked).length
  if (found !== naive.watchers(userId(asked)).length) throw new Error('the two answers differ')
  const cost = perCall(() => interest.watchers(asked), budgetMs)
  const naiveCost = perCall(() => naive.watchers(userId(asked)), budgetMs)
  return {
    what: 'engine: who watches a user',
    figure: micros(cost),
    baseline: micros(naiveCost),
    ratio: cost / naiveCost,
    note: `${users.toLocaleString('en')} users, one room of half of them, 10 % listen, ${found} found; Map<Set>`,
  }
}

function memoryRow(users: number): Row {
  const bytes = heldBytes(() => startedEngine(users, (join) => eachMembership(users, join)))
  const naiveBytes = heldBytes(() => naiveInterestOf(users))
  return {
    what: 'engine: memory a user',
    figure: kibibytes(bytes / users),
    baseline: kibibytes(naiveBytes / users),
    ratio: bytes / naiveBytes,
    note: 'the same rooms, 10 % connected; Map<Set> keeps memberships only, with their names',
  }
}

function userId(user: number): string {
  return `@user${user}:bench.example`
}
