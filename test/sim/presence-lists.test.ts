import { expect, test } from 'vitest'
import type { UserId } from '../../src/matrix/ids.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { ListDevice, operate } from '../support/list-devices.ts'
import { ALICE, BOB, choices, openListHouse, SEED, type ListHouse } from '../support/list-house.ts'
import { ManualClock } from '../support/manual-clock.ts'

const OPERATIONS = 10_000
/** Operations that are on their way at the same time, as from several devices. */
const DEVICES = 6
const USERS = [ALICE, BOB] as const

const otherOf = (userId: UserId): UserId => (userId === ALICE ? BOB : ALICE)

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

async function checkEqual(house: ListHouse, devices: readonly ListDevice[]): Promise<void> {
  for (const device of devices) {
    await device.syncs(house)
    expect(await device.syncs(house), 'told again').toBe(0)
  }
  for (const observer of USERS) {
    const observed = otherOf(observer)
    const { list, grant } = await sidesOf(house.store, observer, observed)
    expect(EQUAL, `${list}, ${grant}`).toContain(`${list}, ${grant}`)
    // The engine shows what the store says, and nothing more.
    expect(house.loop.view(observer, observed) !== null).toBe(grant === 'granted')
  }
  for (const device of devices) {
    const other = otherOf(device.userId)
    const { list } = await sidesOf(house.store, device.userId, other)
    const { grant } = await sidesOf(house.store, other, device.userId)
    device.checkBelief(other, { list, grant })
  }
}

test(`L-21 10,000 operations of two users from several devices leave all sides equal (seed ${SEED})`, async () => {
  const random = choices(SEED)
  const [clock, store] = [new ManualClock(), createMemoryStore()]
  const devices = [ALICE, ALICE, BOB, BOB].map((userId) => new ListDevice(userId))
  let house = await openListHouse({ clock, store })
  const seen = new Set<string>()
  for (let done = 0; done < OPERATIONS; done += DEVICES) {
    const users = Array.from({ length: DEVICES }, () => random.of(USERS))
    await Promise.all(users.map((userId) => operate(house, userId, otherOf(userId), random)))
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
