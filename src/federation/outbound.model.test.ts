import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  failed,
  OutboundKit,
  REMOTE,
  status,
  theirs,
  user,
  type SentEdu,
} from '../../test/support/outbound-kit.ts'
import { settle } from '../../test/support/manual-clock.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Outcome } from './transport.ts'

/**
 * One server that hears us through a line which loses, doubles and refuses. It keeps what it was told as a server does: the newest
 * state of each user, each list EDU, each transaction once.
 */
class Hearer {
  readonly states = new Map<UserId, string>()
  readonly lists = new Map<string, string>()
  readonly #kit: OutboundKit
  readonly #seen = new Map<string, string>()
  outcomes: Outcome[] = []
  /** Did it get what was sent, although its answer may be lost? */
  arrives: boolean[] = []

  constructor(kit: OutboundKit) {
    this.#kit = kit
    kit.peers.answer(REMOTE, ({ txnId, text, edus }) => {
      const outcome = this.outcomes.shift() ?? status(200)
      const arrives = outcome.kind === 'answered' ? outcome.status === 200 : (this.arrives.shift() ?? false)
      // The same ID never comes with other content.
      expect(this.#seen.get(txnId) ?? text).toBe(text)
      if (arrives && !this.#seen.has(txnId)) {
        this.#seen.set(txnId, text)
        for (const edu of edus) this.#hear(edu)
      }
      return outcome
    })
  }

  #hear({ edu_type, content }: SentEdu): void {
    for (const { user_id, presence } of content.push ?? []) this.states.set(user_id, presence)
    if (content.observer_user !== undefined) this.lists.set(content.observer_user, edu_type)
  }

  /** It may have forgotten nobody and believe of nobody what is not so. */
  agrees(): void {
    for (const [userId, { state }] of this.#kit.sources.states)
      expect(this.states.get(userId) ?? 'offline', userId).toBe(state)
    expect(this.#kit.sources.outbox).toEqual([])
  }
}

const NAMES = ['a', 'b', 'c', 'd'] as const
const name = fc.constantFrom(...NAMES)
const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(status(200)) },
  { weight: 3, arbitrary: fc.constant(failed) },
  fc.constantFrom(status(503), status(429, 60_000), status(401), status(413), status(404)),
)

type Step =
  | { kind: 'changes'; name: string; state: 'online' | 'offline' | 'unavailable' }
  | { kind: 'lists'; name: string; list: 'invite' | 'withdraw' }
  | { kind: 'asks'; name: string }
  | { kind: 'passes'; ms: number }
  | { kind: 'is heard' }
  | { kind: 'restarts' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('changes' as const),
    name,
    state: fc.constantFrom('online' as const, 'offline' as const, 'unavailable' as const),
  }),
  fc.record({
    kind: fc.constant('lists' as const),
    name,
    list: fc.constantFrom('invite' as const, 'withdraw' as const),
  }),
  fc.record({ kind: fc.constant('asks' as const), name }),
  fc.record({ kind: fc.constant('passes' as const), ms: fc.integer({ min: 0, max: 40_000 }) }),
  fc.constant({ kind: 'is heard' as const }),
  fc.constant({ kind: 'restarts' as const }),
)

async function take(kit: OutboundKit, step: Step, lists: Map<UserId, string>): Promise<void> {
  switch (step.kind) {
    case 'changes':
      kit.sources.is(user(step.name), step.state)
      kit.outbound.offerPresence(REMOTE, [user(step.name)])
      break
    case 'lists':
      kit.sources.waits(REMOTE, { kind: step.list, observer: user(step.name), observed: theirs('bob') })
      lists.set(
        user(step.name),
        step.list === 'invite' ? 'm.presence_invite' : 'dev.adsum.presence_lists.withdraw',
      )
      kit.outbound.offerLists(REMOTE)
      break
    case 'asks':
      kit.outbound.answerPresence(REMOTE, [user(step.name)])
      break
    case 'passes':
      await kit.clock.advance(step.ms)
      break
    case 'is heard':
      kit.outbound.heardFrom(REMOTE)
      break
    case 'restarts':
      await kit.restarts()
      // The engine tells everybody anew whom it restored; so does this.
      kit.outbound.offerPresence(REMOTE, [...kit.sources.states.keys()])
      break
  }
  // Not always: what happens in one turn is worth trying, too.
  if (step.kind !== 'asks') await settle(3)
}

test('P-162 P-195 P-203 whatever the line does, once it works both sides agree, and one transaction at a time was under way', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.array(outcome, { maxLength: 30 }),
      fc.array(fc.boolean(), { maxLength: 30 }),
      async (steps, outcomes, arrives) => {
        const kit = await OutboundKit.started()
        const hearer = new Hearer(kit)
        hearer.outcomes = outcomes
        hearer.arrives = arrives
        const lists = new Map<UserId, string>()
        for (const step of steps) await take(kit, step, lists)
        hearer.outcomes = []
        // What was refused for good is told with the next that is taken.
        kit.outbound.heardFrom(REMOTE)
        kit.sources.is(user('last'), 'online')
        kit.outbound.offerPresence(REMOTE, [user('last')])
        await settle()
        await kit.clock.advance(60_000)
        hearer.agrees()
        expect(hearer.lists).toEqual(lists)
        expect(kit.peers.parallelMost).toBeLessThanOrEqual(1)
        expect(kit.outbound.size).toBe(0)
        expect(kit.clock.timers).toBe(0)
        expect(await kit.row(REMOTE)).toBeUndefined()
      },
    ),
    { numRuns: 300 },
  )
})
