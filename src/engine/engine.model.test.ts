import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyStep, Shell, USERS, type Step } from '../../test/support/engine-histories.ts'
import { HOUR, MINUTE, POLICY, START } from '../../test/support/engine-kit.ts'
import { NOTHING_SHOWN, PresenceModel, type Shown } from '../../test/support/engine-model.ts'
import { assert } from '../base/assert.ts'
import type { Command } from './commands.ts'
import type { Effects } from './effects.ts'
import { Engine } from './engine.ts'
import type {
  PresencePolicy,
  PresencePosition,
  PresenceRecord,
  PresenceView,
  ReadOptions,
  UserNum,
} from './types.ts'

type WorldStep =
  | Step
  | { readonly kind: 'reads'; readonly viewer: number; readonly limit: number; readonly isAnew: boolean }
  | { readonly kind: 'restarts'; readonly downMs: number }

const anyWorldStep: fc.Arbitrary<WorldStep> = fc.oneof(
  { weight: 30, arbitrary: anyStep },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('reads' as const),
      viewer: fc.nat(USERS - 1),
      limit: fc.constantFrom(1, 2, 1_000),
      isAnew: fc.nat(9).map((n) => n === 0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('restarts' as const),
      downMs: fc.constantFrom(0, MINUTE, HOUR),
    }),
  },
)

const anyPolicy: fc.Arbitrary<PresencePolicy> = fc
  .tuple(fc.constantFrom(0, 0, 2, 3), fc.boolean())
  .map(([maxRoomMembers, hideFromIgnored]) => Object.assign({}, POLICY, { maxRoomMembers, hideFromIgnored }))

const EVERYBODY = Array.from({ length: USERS }, (_, num) => num as UserNum)

/** One client of a user: where it reads on, and what it was told. */
interface Client {
  position: PresencePosition | null
  known: Map<number, Shown>
}

/** The engine beside the model, and the clients that look on. */
class World {
  readonly #policy: PresencePolicy
  readonly #shell = new Shell()
  readonly #model: PresenceModel
  #engine: Engine
  #now = START
  /** What the shell tells again at a start. */
  readonly #lasting: Command[] = []
  readonly #records = new Map<number, PresenceRecord>()
  readonly #clients: Client[] = EVERYBODY.map(() => ({ position: null, known: new Map() }))
  /** Pairs `viewer-user` that were ever tied. */
  readonly #met = new Set<string>()
  #isFirstRun = true
  readonly #lastListenedTs: number[] = EVERYBODY.map(() => -Infinity)

  constructor(policy: PresencePolicy) {
    this.#policy = policy
    this.#model = new PresenceModel(policy, START)
    this.#engine = new Engine({ policy, head: 0 })
    this.#take(this.#engine.begin(START))
  }

  does(step: WorldStep): void {
    if (step.kind === 'reads') return this.#reads(step.viewer, step.limit, step.isAnew)
    if (step.kind === 'restarts') return this.#restarts(step.downMs)
    if (step.kind === 'passes') return this.#passes(step.ms)
    const command = this.#shell.command(step)
    if (command !== null) this.#applies(command)
  }

  /** Whatever must be so after every step. */
  checks(): void {
    for (const viewer of EVERYBODY) {
      for (const user of EVERYBODY) this.#checkView(viewer, user)
      for (const limit of [1_000, 1]) this.#checkFollowing(viewer, limit)
    }
    this.#checkRecords()
  }

  #applies(command: Command): void {
    const isLasting = /^(room|grant|ignores)/.test(command.kind)
    if (isLasting) this.#lasting.push(command)
    const before = this.#before()
    this.#model.apply(command)
    if (command.kind === 'stream.closed') this.#lastListenedTs[command.user] = this.#now
    this.#meet()
    const effects = this.#take(this.#engine.apply(command, this.#now))
    this.#checkEffects(effects, before, command)
  }

  #passes(ms: number): void {
    const end = this.#now + ms
    for (
      let due = this.#engine.nextDeadline();
      due !== null && due <= end;
      due = this.#engine.nextDeadline()
    ) {
      assert(due >= this.#now, 'deadlines lie ahead')
      this.#tick(due)
    }
    this.#tick(end)
  }

  #tick(now: number): void {
    const before = this.#before()
    const counted = this.#shell.countedStreams.map(({ user, num }) => ({
      user,
      num,
      state: this.#engine.deviceState(user as UserNum, num),
    }))
    this.#now = this.#model.now = now
    this.#checkEffects(this.#take(this.#engine.tick(now)), before, null)
    for (const { user, num, state } of counted) {
      const after = this.#engine.deviceState(user as UserNum, num)
      assert(after !== null, 'P-136 a device that polls is there')
      assert(state === 'offline' || after !== 'offline', 'P-136 a device that polls stays')
    }
  }

  #restarts(downMs: number): void {
    const { head } = this.#engine
    this.#now = this.#model.now = this.#now + downMs
    this.#engine = new Engine({ policy: this.#policy, head })
    for (const [user, record] of this.#records)
      this.#engine.apply({ kind: 'user.restored', user: user as UserNum, record }, this.#now)
    for (const command of this.#lasting) this.#engine.apply(command, this.#now)
    this.#isFirstRun = false
    this.#shell.restarts()
    this.#lastListenedTs.fill(-Infinity)
    this.#model.restarts(this.#records)
    this.#take(this.#engine.begin(this.#now))
  }

  /**
   * Who was lost before the start, or went offline long ago, is not told to a client that had not read to its end: of the
   * past, only what is left of it is known.
   */
  #forgetsUnread(viewer: UserNum, { position, known }: Client): void {
    const { horizon } = this.#engine
    const isFromBefore =
      position !== null && (position.seq < horizon || (position.seq === horizon && position.skip > 0))
    if (!isFromBefore) return
    for (const user of EVERYBODY) {
      const isWorth =
        this.#model.isShown(viewer, user) && this.#isWorthTelling(this.#model.shown(viewer, user))
      if (user !== viewer && !isWorth) known.delete(user)
    }
  }

  #isWorthTelling({ state, statusMsg, lastActiveTs }: Shown): boolean {
    const isRecent = (lastActiveTs ?? -Infinity) > this.#now - this.#policy.offlineCutoffMs
    return state !== 'offline' || statusMsg !== null || isRecent
  }

  #reads(viewer: number, limit: number, isAnew: boolean): void {
    const client = this.#client(viewer)
    if (isAnew) {
      client.position = null
      client.known.clear()
    }
    this.#page(viewer as UserNum, client, limit)
  }

  /** One answer to a client; the users it told of. */
  #page(viewer: UserNum, client: Client, limit: number): number[] {
    this.#forgetsUnread(viewer, client)
    const isFirst = client.position === null
    const since = client.position ?? { seq: 0, skip: 0 }
    const options = { limit, omitOffline: isFirst, snapshot: isFirst, accepts: () => true }
    const { entries, position } = this.#engine.read(viewer, since, options, this.#now)
    assert(entries.length <= limit, 'P-104 no more than asked for')
    for (const entry of entries) {
      this.#checkEntry(viewer, entry)
      client.known.set(entry.user, shownOf(entry))
    }
    const isAhead = position.seq > since.seq || (position.seq === since.seq && position.skip > since.skip)
    assert(entries.length === 0 || isFirst || isAhead, 'an answer with entries moves on')
    client.position = position
    return entries.map(({ user }) => user)
  }

  #checkEntry(viewer: UserNum, entry: PresenceView): void {
    const { user } = entry
    const haveMet = user === viewer || this.#met.has(`${viewer}-${user}`)
    assert(haveMet, `P-146 ${viewer} hears of ${user}, who was never visible`)
    const isShown = this.#model.isShown(viewer, user)
    assert(entry.visible === isShown, `P-148 is ${user} visible to ${viewer}`)
    same(
      shownOf(entry),
      isShown ? this.#model.shown(viewer, user) : NOTHING_SHOWN,
      `${viewer} is told of ${user}`,
    )
  }

  #checkView(viewer: UserNum, user: UserNum): void {
    const view = this.#engine.view(viewer, user, this.#now)
    const isSeen = this.#model.sees(viewer, user)
    assert(this.#engine.sees(viewer, user) === isSeen, `P-146 does ${viewer} see ${user}`)
    const expected = isSeen ? this.#model.shown(viewer, user) : null
    same(view === null ? null : shownOf(view), expected, `${viewer} asks for ${user}`)
  }

  /** A client that reads to the end knows what is so, and was told of nobody twice. */
  #checkFollowing(viewer: UserNum, limit: number): void {
    const real = this.#client(viewer)
    const client: Client = { position: real.position, known: new Map(real.known) }
    const told: number[] = []
    for (
      let page = this.#page(viewer, client, limit);
      page.length > 0;
      page = this.#page(viewer, client, limit)
    )
      told.push(...page)
    assert(new Set(told).size === told.length, `P-083 nobody twice: ${told.join()}`)
    same(client.position, { seq: this.#engine.head, skip: 0 }, 'the end')
    for (const user of EVERYBODY) this.#checkKnown(viewer, user, client.known.get(user))
  }

  #checkKnown(viewer: UserNum, user: UserNum, known: Shown | undefined): void {
    const isShown = this.#model.isShown(viewer, user)
    const present = isShown ? this.#model.shown(viewer, user) : NOTHING_SHOWN
    if (known === undefined) return same(present.state, 'offline', `what ${viewer} missed of ${user}`)
    const { lastActiveTs, ...rest } = known
    const { lastActiveTs: presentTs, ...presentRest } = present
    same(rest, presentRest, `what ${viewer} knows of ${user}`)
    // While currently active the time may move unheard; else by no more than the window.
    const behindMs = (presentTs ?? 0) - (lastActiveTs ?? 0)
    // A restart may cost the last second of it (§4.2).
    assert(behindMs > (this.#isFirstRun ? -1 : -1_000), 'P-129 the time never goes back')
    const isSilent = present.state === 'offline' || present.currentlyActive
    assert(isSilent || behindMs <= this.#policy.activeWindowMs, `P-144 ${viewer} is behind with ${user}`)
  }

  #checkRecords(): void {
    for (const user of EVERYBODY) {
      const { lastActiveTs: writtenTs, ...written } = this.#records.get(user) ?? NEVER_WRITTEN
      const { lastActiveTs, ...record } = this.#model.record(user)
      same(written, record, `what is stored of ${user}`)
      assert((lastActiveTs ?? 0) - (writtenTs ?? 0) < 1_000, `the time stored of ${user}`)
    }
  }

  /** Wakes and places in the stream: for whom something changed, and for nobody else. */
  #checkEffects(effects: Effects, before: Before, command: Command | null): void {
    const { wakes, published } = effects
    assert(new Set(wakes).size === wakes.length, 'nobody is woken twice')
    const isOfTies = command !== null && /^(room|grant|ignores)/.test(command.kind)
    for (const user of EVERYBODY) {
      const [was, is] = [before.own[user], this.#model.shown(user, user)]
      const isSame = JSON.stringify(was) === JSON.stringify(is)
      const isTold = published.some((one) => one.user === user)
      assert(!isTold || !isSame || command?.kind === 'profile.changed', 'no change, no place in the stream')
    }
    const silent = new Set(published.flatMap((one) => (one.reason === 'last-active' ? [one.user] : [])))
    for (const viewer of EVERYBODY) {
      const all = {
        limit: 1_000,
        omitOffline: false,
        snapshot: false,
        accepts: () => true,
      } satisfies ReadOptions
      const { entries } = this.#engine.read(viewer, { seq: before.head, skip: 0 }, all, this.#now)
      const loud = entries.filter(({ user }) => user === viewer || !silent.has(user))
      const isWoken = wakes.includes(viewer)
      const deafMs = this.#deafMs(viewer)
      assert(!isWoken || deafMs <= 0, `${viewer} listens, or did just now`)
      assert(!isWoken || isOfTies || entries.length > 0, `${viewer} was woken for something`)
      const isDue = deafMs < 0 && loud.some(({ user }) => user !== viewer)
      assert(isWoken || !isDue, `${viewer} has something to read`)
    }
  }

  #before(): Before {
    return { head: this.#engine.head, own: EVERYBODY.map((user) => this.#model.shown(user, user)) }
  }

  /** For how long the user has not listened any more; negative while they do. */
  #deafMs(user: number): number {
    if (this.#shell.hasStream(user)) return -Infinity
    return this.#now - (this.#lastListenedTs[user] ?? -Infinity) - this.#policy.offlineGraceMs
  }

  #meet(): void {
    for (const viewer of EVERYBODY)
      for (const user of EVERYBODY) if (this.#model.isTied(viewer, user)) this.#met.add(`${viewer}-${user}`)
  }

  #take(effects: Effects): Effects {
    for (const { user, record } of effects.writes) this.#records.set(user, record)
    return effects
  }

  #client(viewer: number): Client {
    return this.#clients[viewer] as Client
  }
}

interface Before {
  readonly head: number
  readonly own: readonly Shown[]
}

const NEVER_WRITTEN: PresenceRecord = {
  state: 'offline',
  statusMsg: null,
  lastActiveTs: null,
  hidden: false,
  hiddenBy: null,
  currentlyActive: false,
  refreshedTs: null,
}

function shownOf({ state, hidden, statusMsg, lastActiveTs, currentlyActive }: PresenceView): Shown {
  return { state, hidden, statusMsg, lastActiveTs, currentlyActive }
}

/** Nearly all are, so the look is cheap and only the complaint is not. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) expect(actual, what).toEqual(expected)
}

test('P-083 P-087 P-104 P-111 P-129 P-136 P-146 whoever reads on knows what the specification says, through any history', () => {
  fc.assert(
    fc.property(anyPolicy, fc.array(anyWorldStep, { maxLength: 80, size: 'max' }), (policy, steps) => {
      const world = new World(policy)
      for (const step of steps) {
        world.does(step)
        world.checks()
      }
    }),
  )
})
