import { expect, test } from 'vitest'
import { seededRandom } from '../../test/support/accounts.ts'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { PeerLoop } from '../../test/support/peer-loop.ts'
import type { PresenceEdu } from '../matrix/edu.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import { createMemoryStore } from '../store/memory.ts'
import { createFederatedPresence, type FederatedPresence } from './federated-presence.ts'
import { createListPeers, type ListPeers } from './list-peers.ts'
import { createPollSubscriptions } from './poll-subscriptions.ts'

const MINUTE = 60_000
const HOUR = 3_600_000
const LATENCY_MS = 20
/** A transaction that failed is tried again after this, as long as it takes. */
const RETRY_MS = HOUR
const ALICE = '@alice:a' as UserId
const BOB = '@bob:b' as UserId

interface Sent {
  readonly at: number
  readonly from: string
  readonly edu: PresenceEdu
}

/** Two servers with nothing between them but their transactions: one in flight each way, what comes meanwhile goes with the next. */
class Wire {
  readonly clock = new ManualClock()
  readonly startTs = this.clock.now()
  readonly sent: Sent[] = []
  isCut = false
  readonly houses = new Map<string, House>()

  house(name: string): House {
    const house = this.houses.get(name)
    if (house === undefined) throw new Error(`no server ${name}`)
    return house
  }
}

class House {
  readonly loop: PeerLoop
  readonly peers: ListPeers
  readonly presence: FederatedPresence
  readonly #wire: Wire
  readonly #name: ServerName
  readonly #other: ServerName
  readonly #push = new Set<UserId>()
  readonly #poll = new Map<UserId, boolean>()
  #isBusy = false

  constructor(wire: Wire, name: string, other: string) {
    this.#wire = wire
    this.#name = name as ServerName
    this.#other = other as ServerName
    this.loop = new PeerLoop(name)
    const { clock } = wire
    const shared = {
      clock,
      loop: this.loop,
      store: createMemoryStore(),
      log: { error: () => {} },
      random: seededRandom(name.charCodeAt(0)),
      takes: true,
      tells: true,
      destinations: {
        offerPresence: (_: ServerName, userIds: Iterable<UserId>) => this.#offer(userIds, {}),
        answerPresence: (_: ServerName, userIds: Iterable<UserId>) => this.#offer(userIds, {}),
        offerPolls: (_: ServerName, change: Partial<PresenceEdu>) => this.#offer([], change),
        heardFrom: () => {},
      },
    }
    this.peers = createListPeers({
      ...shared,
      watchdogShortMs: MINUTE,
      watchdogLongMs: HOUR,
      peersMax: 10,
    })
    this.presence = createFederatedPresence({
      ...shared,
      serverName: this.#name,
      directory: { createdTs: async () => 0 },
      peers: this.peers,
      polls: createPollSubscriptions({
        ...shared,
        heardTs: (server) => this.peers.heardTs(server),
        subscriptionsMax: 100,
      }),
      profiles: { heard: () => {} },
      offlineCutoffMs: HOUR,
      earlyPushesMax: 10,
    })
    wire.houses.set(name, this)
  }

  /** As the loop does when the first follower comes. */
  connect(userId: UserId, followed: UserId): void {
    this.loop.connected.add(userId)
    this.#offer([userId], { poll: [followed] })
  }

  /** As the loop does with every change. */
  set(userId: UserId, statusMsg: string | null): void {
    this.loop.online(userId, { statusMsg })
    this.#offer([userId], {})
  }

  #offer(userIds: Iterable<UserId>, { poll = [], unpoll = [] }: Partial<PresenceEdu>): void {
    for (const userId of userIds) this.#push.add(userId)
    for (const userId of unpoll) this.#poll.set(userId, false)
    for (const userId of poll) this.#poll.set(userId, true)
    if (!this.#isBusy) void this.#send()
  }

  async #send(): Promise<void> {
    this.#isBusy = true
    await Promise.resolve()
    while (this.#push.size + this.#poll.size > 0) {
      const wishes = [...this.#poll]
      const userIds = [...this.#push]
      this.#poll.clear()
      this.#push.clear()
      await this.#transact({
        push: await this.presence.presenceFor(this.#other, userIds),
        poll: wishes.filter(([, isWanted]) => isWanted).map(([userId]) => userId),
        unpoll: wishes.filter(([, isWanted]) => !isWanted).map(([userId]) => userId),
      })
    }
    this.#isBusy = false
  }

  async #transact(edu: PresenceEdu): Promise<void> {
    const { clock, sent, startTs } = this.#wire
    const other = this.#wire.house(this.#other)
    const isOver = this.#wire.isCut
    while (this.#wire.isCut) await this.#sleep(RETRY_MS)
    sent.push({ at: clock.now() - startTs, from: this.#name, edu })
    await this.#sleep(LATENCY_MS)
    other.presence.heardFrom(this.#name)
    other.presence.presence(this.#name, edu)
    await this.#sleep(LATENCY_MS)
    this.peers.answered(this.#other, { isOver })
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#wire.clock.after(ms, resolve))
  }
}

/** Alice and Bob follow each other and are there. */
async function wired(): Promise<{ wire: Wire; a: House; b: House; during: (ms: number) => Promise<Sent[]> }> {
  const wire = new Wire()
  const a = new House(wire, 'a', 'b')
  const b = new House(wire, 'b', 'a')
  for (const { loop } of [a, b])
    loop.grants = [
      [ALICE, BOB],
      [BOB, ALICE],
    ]
  a.loop.online(ALICE)
  b.loop.online(BOB)
  a.connect(ALICE, BOB)
  b.connect(BOB, ALICE)
  await settle()
  const during = async (ms: number): Promise<Sent[]> => {
    const before = wire.sent.length
    await wire.clock.advance(ms)
    return wire.sent.slice(before)
  }
  return { wire, a, b, during }
}

const isReminder = ({ edu }: Sent): boolean => edu.poll.length > 0

test('P-198 P-199 two servers with nothing to say fall quiet: a reminder and its answer an hour', async () => {
  const { during } = await wired()
  const opening = await during(MINUTE / 2)
  expect(opening.length).toBeLessThanOrEqual(4)
  const first = await during(12 * HOUR)
  const second = await during(12 * HOUR)
  expect(first.length).toBeLessThan(60)
  // The long timer is an hour ± 10 %, and what one server says puts back the other's.
  expect(second.filter(isReminder).length).toBeGreaterThanOrEqual(10)
  expect(second.filter(isReminder).length).toBeLessThanOrEqual(14)
  expect(second).toHaveLength(2 * second.filter(isReminder).length)
})

test('P-199 each reminder is one EDU with push and poll for all there is; its answer asks for nothing', async () => {
  const { during } = await wired()
  await during(MINUTE / 2)
  const sent = await during(24 * HOUR)
  for (const { from, edu } of sent) {
    const [mine, theirs] = from === 'a' ? [ALICE, BOB] : [BOB, ALICE]
    expect(edu.push.map(({ userId }) => userId)).toEqual([mine])
    expect(edu.unpoll).toEqual([])
    expect([[theirs], []]).toContainEqual(edu.poll)
  }
  expect(sent.filter((edu) => !isReminder(edu)).length).toBe(sent.filter(isReminder).length)
})

test('§5.7 a change is told once, and after it they fall quiet again', async () => {
  const { a, b, during } = await wired()
  await during(24 * HOUR)
  a.set(ALICE, 'back soon')
  const after = await during(24 * HOUR)
  expect(b.loop.remote.get(ALICE)?.statusMsg).toBe('back soon')
  expect(after.filter((sent) => !isReminder(sent)).length).toBe(after.filter(isReminder).length + 1)
  expect(after.length).toBeGreaterThan(50)
  expect(after.length).toBeLessThan(80)
  expect((await during(12 * HOUR)).length).toBeLessThanOrEqual(28)
})

test('§5.7 §5.9 a server that is away is asked twice, and once more when it is back; both know then what is so', async () => {
  const { wire, a, b, during } = await wired()
  await during(HOUR)
  wire.isCut = true
  expect(await during(12 * HOUR)).toEqual([])
  a.loop.online(ALICE, { statusMsg: 'still here' })
  b.loop.online(BOB, { state: 'unavailable' })
  wire.isCut = false
  const back = await during(2 * HOUR)
  expect(b.loop.remote.get(ALICE)?.statusMsg).toBe('still here')
  expect(a.loop.remote.get(BOB)?.state).toBe('unavailable')
  expect(back.length).toBeLessThan(40)
  expect((await during(12 * HOUR)).length).toBeLessThan(60)
})

test('P-183 when both sides leave, neither is asked for anything, and only the grants are kept fresh', async () => {
  const { a, b, during } = await wired()
  await during(HOUR)
  for (const house of [a, b]) house.loop.connected.clear()
  const after = await during(24 * HOUR)
  expect(after.filter(isReminder)).toEqual([])
  expect(after.every(({ edu }) => edu.push.length === 1)).toBe(true)
  // Nobody follows anybody: whoever is told has no answer to give, so each side reminds by its own timers.
  expect(after.length).toBeLessThan(130)
})
