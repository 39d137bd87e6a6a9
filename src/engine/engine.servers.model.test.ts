import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { anyStep, Shell, USERS, type Step } from '../../test/support/engine-histories.ts'
import { MINUTE, POLICY, START } from '../../test/support/engine-kit.ts'
import type { Effects } from './effects.ts'
import { Engine } from './engine.ts'
import { OFFLINE_FACE, type Face } from './notify.ts'
import type { PresencePolicy, PresenceState, ServerNum, UserNum } from './types.ts'

/** Of the few users of a history, two are of other servers, or of the same other one. */
type ServerOf = Readonly<Record<number, ServerNum>>
const REMOTES = [USERS - 2, USERS - 1]
const serverOfEach = (first: number, second: number): ServerOf => ({
  [USERS - 2]: first as ServerNum,
  [USERS - 1]: second as ServerNum,
})
const anyServers = fc.constantFrom(serverOfEach(0, 1), serverOfEach(1, 1))
const SERVERS = [0, 1] as ServerNum[]
const ALL = Array.from({ length: USERS }, (_, num) => num as UserNum)
const OURS = ALL.filter((user) => !REMOTES.includes(user))

type ServerStep =
  | Step
  | { readonly kind: 'says'; readonly user: number; readonly state: PresenceState }
  | { readonly kind: 'polls'; readonly server: number; readonly user: number; readonly wanted: boolean }

const anyServerStep: fc.Arbitrary<ServerStep> = fc.oneof(
  { weight: 20, arbitrary: anyStep },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('says' as const),
      user: fc.constantFrom(...REMOTES),
      state: fc.constantFrom<PresenceState>('online', 'unavailable', 'offline', 'free_for_chat'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('polls' as const),
      server: fc.nat(1),
      user: fc.nat(USERS - 3),
      wanted: fc.boolean(),
    }),
  },
)

const anyHistory = fc.array(anyServerStep, { maxLength: 60, size: 'max' })

const anyPolicy: fc.Arbitrary<PresencePolicy> = fc
  .tuple(fc.constantFrom(0, 0, 2, 3), fc.boolean())
  .map(([maxRoomMembers, hideFromIgnored]) => Object.assign({}, POLICY, { maxRoomMembers, hideFromIgnored }))

/** The engine, and two servers that remember what they were told and whom they were asked to be followed. */
class Neighbourhood {
  readonly engine: Engine
  now = START
  readonly told = new Map<string, Face>()
  readonly followed = new Set<UserNum>()
  readonly #serverOf: ServerOf
  readonly #shell = new Shell()
  readonly #declined = new Set<string>()

  constructor(policy: PresencePolicy, serverOf: ServerOf) {
    this.#serverOf = serverOf
    this.engine = new Engine({ policy, head: 0 })
    for (const user of ALL) {
      const server = this.#serverOf[user]
      if (server !== undefined) this.#take(this.engine.apply({ kind: 'user.remote', user, server }, this.now))
    }
    this.#take(this.engine.begin(this.now))
  }

  step(step: ServerStep): void {
    if (step.kind === 'passes') this.#passes(step.ms)
    else if (step.kind === 'says') this.#says(step.user as UserNum, step.state)
    else if (step.kind === 'polls') this.#polls(step.server as ServerNum, step.user as UserNum, step.wanted)
    else this.#happens(step)
  }

  check(): void {
    for (const server of SERVERS) for (const user of OURS) this.#checkTold(server, user)
    for (const user of ALL) this.#checkRemote(user)
  }

  /** Whoever may see our user, and did not decline, knows what the others know. */
  #checkTold(server: ServerNum, user: UserNum): void {
    const viewers = ALL.filter((num) => this.#serverOf[num] === server)
    const sees = viewers.some((viewer) => this.engine.sees(viewer, user))
    expect(this.engine.servers.sees(server, user)).toBe(sees)
    expect(this.engine.servers.visibleTo(server).includes(user)).toBe(sees)
    // What was told before does not count once it was out of sight: it has expired there.
    if (!sees) this.told.delete(`${server} ${user}`)
    const isFollowed = this.engine.servers.followedBy(server).includes(user)
    if (!sees || (this.#declined.has(`${server} ${user}`) && !isFollowed)) return
    const { state, statusMsg } = this.engine.published(user, this.now)
    const told = this.told.get(`${server} ${user}`) ?? OFFLINE_FACE
    expect({ state: told.state, statusMsg: told.statusMsg }).toEqual({ state, statusMsg })
  }

  /** Nothing is known of who is out of sight; who is followed has a connected follower here. */
  #checkRemote(user: UserNum): void {
    if (this.#serverOf[user] === undefined) return
    const { state } = this.engine.published(user, this.now)
    if (state !== 'offline') expect(this.engine.servers.isInSight(user)).toBe(true)
    expect(this.followed.has(user)).toBe(this.engine.servers.followersOf(user).length > 0)
    for (const follower of this.engine.servers.followersOf(user))
      expect(this.engine.sees(follower, user)).toBe(true)
  }

  #passes(ms: number): void {
    const end = this.now + ms
    for (let due = this.engine.nextDeadline(); due !== null && due <= end; due = this.engine.nextDeadline()) {
      this.now = Math.max(this.now, due)
      this.#take(this.engine.tick(this.now))
    }
    this.now = end
    this.#take(this.engine.tick(end))
  }

  #says(user: UserNum, state: PresenceState): void {
    if (!this.engine.servers.isInSight(user)) return
    const presence = { state, statusMsg: null, lastActiveTs: null, currentlyActive: false }
    this.#take(this.engine.apply({ kind: 'remote.pushed', user, presence }, this.now))
    expect(this.engine.published(user, this.now).state).toBe(state)
  }

  /** A `poll` is answered with the present state (§5.6). */
  #polls(server: ServerNum, user: UserNum, wanted: boolean): void {
    if (wanted && !this.engine.servers.sees(server, user)) return
    this.#take(this.engine.apply({ kind: 'server.polled', server, user, wanted }, this.now))
    const key = `${server} ${user}`
    if (wanted) this.#declined.delete(key)
    else this.#declined.add(key)
    if (wanted) this.told.set(key, this.engine.published(user, this.now))
  }

  #happens(step: Exclude<Step, { kind: 'passes' }>): void {
    // Of devices and ignore lists elsewhere nothing is known here.
    const isHere = !['joins', 'leaves', 'grants', 'revokes'].includes(step.kind)
    if (isHere && 'user' in step && this.#serverOf[step.user] !== undefined) return
    const command = this.#shell.command(step)
    if (command !== null) this.#take(this.engine.apply(command, this.now))
  }

  #take({ pushes, polls, forgotten }: Effects): void {
    for (const { server, users } of pushes)
      for (const user of users) {
        expect(this.#serverOf[user], 'a user of another server is never passed on').toBeUndefined()
        expect(this.engine.servers.sees(server, user), 'a push needs an interest').toBe(true)
        this.told.set(`${server} ${user}`, this.engine.published(user, this.now))
      }
    for (const { user, wanted } of polls) {
      expect(this.followed.has(user), 'a turn is one').toBe(!wanted)
      if (wanted) this.followed.add(user)
      else this.followed.delete(user)
    }
    for (const user of forgotten) expect(this.engine.servers.isInSight(user)).toBe(false)
  }
}

test('P-165 P-166 P-172 P-183 through any history, servers that see a user know what others know, and nothing else', () => {
  fc.assert(
    fc.property(anyPolicy, anyServers, anyHistory, (policy, serverOf, steps) => {
      const world = new Neighbourhood(policy, serverOf)
      for (const step of steps) {
        world.step(step)
        world.check()
      }
      world.step({ kind: 'passes', ms: 65 * MINUTE })
      world.check()
    }),
    { numRuns: 500 },
  )
})
