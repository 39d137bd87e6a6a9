import { expect, test } from 'vitest'
import type { UserId } from '../../src/matrix/ids.ts'
import { INVITE_POLICIES, type InviteState } from '../../src/matrix/presence-list.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { inWords, type InviteContent } from '../support/lists.ts'
import {
  ALICE,
  BOB,
  choices,
  openListHouse,
  SEED,
  type Choices,
  type ListHouse,
} from '../support/list-house.ts'
import { ManualClock } from '../support/manual-clock.ts'

const OPERATIONS = 10_000
/** Operations that are on their way at the same time, as from several devices. */
const DEVICES = 6
const USERS = [ALICE, BOB] as const

/** A device that syncs now and then, and believes what it was told. */
class Device {
  readonly userId: UserId
  readonly #told = new Map<string, InviteState>()
  #since = 0

  constructor(userId: UserId) {
    this.userId = userId
  }

  /** How much it was told. */
  async syncs({ news, stream }: ListHouse): Promise<number> {
    const upTo = stream.current
    const { events } = await news.read(this.userId, { after: this.#since, upTo, withPending: false })
    for (const { content } of events as unknown as { content: InviteContent }[]) {
      const [direction = '', other = '', state] = inWords(content).split(' ')
      this.#told.set(`${direction} ${other}`, state as InviteState)
    }
    this.#since = upTo
    return events.length
  }

  /** What it would show of a pair. */
  believes(direction: string, other: UserId): string {
    const state = this.#told.get(`${direction} ${other}`)
    return state === 'pending' || state === 'accepted' ? state : 'over'
  }
}

async function operate({ lists }: ListHouse, { of, below }: Choices): Promise<void> {
  const me = of(USERS)
  const other = me === ALICE ? BOB : ALICE
  const ignoreFuture = below(8) === 0
  const operations: (() => Promise<unknown>)[] = [
    () => lists.change(me, { invite: [other], drop: [] }),
    () => lists.change(me, { invite: [other, me], drop: [] }),
    () => lists.change(me, { invite: [], drop: [other] }),
    () => lists.change(me, { invite: [other], drop: [other] }),
    () => lists.accept(me, other, { addBack: below(2) === 0 }),
    () => lists.accept(me, other, { addBack: false }),
    () => lists.deny(me, other, { ignoreFuture }),
    () => lists.revoke(me, other, { ignoreFuture: of([true, false, null]) }),
    () => lists.revoke(me, other, { ignoreFuture: false }),
    () => lists.setPolicy(me, of(INVITE_POLICIES)),
  ]
  try {
    await of(operations)()
  } catch (error) {
    // "There is no invite" is an answer like another.
    expect(error).toMatchObject({ errcode: 'M_NOT_FOUND' })
  }
}

interface Sides {
  readonly list: string
  readonly grant: string
}

async function sidesOf(store: Store, observer: UserId, observed: UserId): Promise<Sides> {
  const entry = await store.presenceEntry(observer, observed)
  const grant = await store.presenceGrant(observed, observer)
  return { list: entry?.state ?? 'over', grant: grant?.state ?? 'over' }
}

const EQUAL = new Set(['over, over', 'over, ignored', 'pending, pending', 'accepted, granted'])

async function checkEqual(house: ListHouse, devices: readonly Device[]): Promise<void> {
  for (const device of devices) {
    await device.syncs(house)
    expect(await device.syncs(house), 'told again').toBe(0)
  }
  for (const observer of USERS) {
    const observed = observer === ALICE ? BOB : ALICE
    const { list, grant } = await sidesOf(house.store, observer, observed)
    expect(EQUAL, `${list}, ${grant}`).toContain(`${list}, ${grant}`)
    // The engine shows what the store says, and nothing more.
    expect(house.loop.view(observer, observed) !== null).toBe(grant === 'granted')
    for (const device of devices) {
      if (device.userId === observer) expect(device.believes('outgoing', observed)).toBe(list)
      if (device.userId === observed) {
        const answer = { granted: 'accepted', ignored: 'over' }[grant] ?? grant
        expect(device.believes('incoming', observer)).toBe(answer)
      }
    }
  }
}

test(`L-21 10,000 operations of two users from several devices leave all sides equal (seed ${SEED})`, async () => {
  const random = choices(SEED)
  const [clock, store] = [new ManualClock(), createMemoryStore()]
  const devices = [ALICE, ALICE, BOB, BOB].map((userId) => new Device(userId))
  let house = await openListHouse({ clock, store })
  const seen = new Set<string>()
  for (let done = 0; done < OPERATIONS; done += DEVICES) {
    await Promise.all(Array.from({ length: DEVICES }, () => operate(house, random)))
    if (random.below(4) === 0) await random.of(devices).syncs(house)
    if (random.below(20) === 0) await checkEqual(house, devices)
    if (random.below(50) === 0) await clock.advance(3_600_001)
    // As after a kill: whatever was acknowledged is in the store, and nothing else is anywhere.
    if (random.below(100) === 0) house = await openListHouse({ clock, store })
    seen.add(Object.values(await sidesOf(store, ALICE, BOB)).join())
  }
  await checkEqual(house, devices)
  // It went through everything that a pair can be.
  expect([...seen].toSorted()).toEqual(['accepted,granted', 'over,ignored', 'over,over', 'pending,pending'])
})
