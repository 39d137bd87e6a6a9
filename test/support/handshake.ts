import { expect } from 'vitest'
import type { Actor, Reply } from './actors.ts'
import { HOME, REMOTE, type FederationHouse, type Sides } from './federation-house.ts'
import { Follower } from './lists.ts'

/** What a user does, and at which server. */
export interface Step {
  readonly what: string
  readonly at: string
  readonly does: (pair: Pair) => Promise<Reply | void>
  /** Is it on disk at the server of who did it? */
  readonly holds: (sides: Sides) => boolean
}

/** An observer at one server and the observed user at the other. */
export interface Pair {
  readonly observer: Actor
  readonly observed: Actor
}

const asker = ({ observer }: Pair): Follower => new Follower(observer)
const asked = ({ observed }: Pair): Follower => new Follower(observed)

const isGrant =
  (...states: readonly string[]) =>
  ([, grant]: Sides): boolean =>
    states.includes(grant)

export const STEPS = {
  invite: {
    what: 'invite',
    at: HOME,
    does: (pair) => asker(pair).invites(pair.observed),
    holds: ([entry]) => entry !== 'absent',
  },
  drop: {
    what: 'drop',
    at: HOME,
    does: (pair) => asker(pair).drops(pair.observed),
    holds: ([entry]) => entry === 'absent',
  },
  accept: {
    what: 'accept',
    at: REMOTE,
    does: (pair) => asked(pair).accepts(pair.observer),
    holds: isGrant('granted'),
  },
  deny: {
    what: 'deny',
    at: REMOTE,
    does: (pair) => asked(pair).denies(pair.observer),
    holds: isGrant('absent'),
  },
  ignore: {
    what: 'deny for ever',
    at: REMOTE,
    does: (pair) => asked(pair).denies(pair.observer, { ignore_future: true }),
    holds: isGrant('ignored'),
  },
  revoke: {
    what: 'revoke',
    at: REMOTE,
    does: (pair) => asked(pair).revokes(pair.observer),
    holds: isGrant('absent'),
  },
  lift: {
    what: 'lift',
    at: REMOTE,
    does: (pair) => asked(pair).revokes(pair.observer, { ignore_future: false }),
    holds: isGrant('absent', 'pending', 'granted'),
  },
} as const satisfies Record<string, Step>

/** What people do, one after the other, and how it may end: an invite that overtakes the withdraw before it takes its place. */
export interface Script {
  readonly name: string
  readonly steps: readonly Step[]
  readonly ends: readonly string[]
}

const { invite, drop, accept, deny, ignore, revoke } = STEPS

export const SCRIPTS: readonly Script[] = [
  { name: 'invite, accept', steps: [invite, accept], ends: ['accepted granted'] },
  { name: 'invite, deny', steps: [invite, deny], ends: ['absent absent'] },
  { name: 'invite, deny for ever', steps: [invite, ignore], ends: ['absent ignored'] },
  { name: 'invite, withdraw', steps: [invite, drop], ends: ['absent absent'] },
  { name: 'invite, accept, revoke', steps: [invite, accept, revoke], ends: ['absent absent'] },
  {
    name: 'invite, accept, drop, invite',
    steps: [invite, accept, drop, invite],
    ends: ['pending pending', 'accepted granted'],
  },
]

let pairs = 0

/** Two people who have nothing to do with anybody else. */
export async function newPair(house: FederationHouse): Promise<Pair> {
  pairs += 1
  return {
    observer: await house.registers(`observer${pairs}`, HOME),
    observed: await house.registers(`observed${pairs}`, REMOTE),
  }
}

/** Refusals are answers: the invite to accept may not have arrived yet. */
export async function performs({ does, what }: Step, pair: Pair): Promise<boolean> {
  const reply = await does(pair)
  if (reply === undefined || reply.status === 200) return true
  expect([reply.status, reply.body['errcode']], what).toEqual([404, 'M_NOT_FOUND'])
  return false
}
