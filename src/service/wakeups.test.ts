import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import { createWakeups, type Parked, type ParkRequest, type WakeOutcome, type Wakeups } from './wakeups.ts'

const ALICE = '@alice:home.example' as UserId
const BOB = '@bob:home.example' as UserId
const PHONE = 'PHONE' as DeviceId
const LAPTOP = 'LAPTOP' as DeviceId

function world(bounds: { parkedMax?: number; parkedPerDeviceMax?: number } = {}) {
  const clock = new ManualClock()
  const wakeups = createWakeups({ clock, parkedMax: 1_000, parkedPerDeviceMax: 3, ...bounds })
  const park = (over: Partial<ParkRequest> = {}): Parked =>
    wakeups.register({
      userId: ALICE,
      deviceId: PHONE,
      topics: ['presence', 'rooms'],
      signal: new AbortController().signal,
      ...over,
    })
  return { clock, wakeups, park }
}

/** What the wait ended with, or null while it goes on. */
function watch(wait: Promise<WakeOutcome>): { outcome: WakeOutcome | null } {
  const seen: { outcome: WakeOutcome | null } = { outcome: null }
  void wait.then((outcome) => (seen.outcome = outcome))
  return seen
}

test('P-095 a wake ends the wait of that user alone', async () => {
  const { wakeups, park } = world()
  const alice = watch(park().wait(30_000))
  const bob = watch(park({ userId: BOB }).wait(30_000))
  wakeups.users([ALICE], 'presence')
  await settle()
  expect([alice.outcome, bob.outcome]).toEqual(['woken', null])
})

test('R-213 a wake between registering and waiting is not lost, and counts once', async () => {
  const { clock, wakeups, park } = world()
  const parked = park()
  wakeups.users([ALICE], 'rooms')
  expect(await parked.wait(30_000)).toBe('woken')
  const second = watch(parked.wait(30_000))
  await clock.advance(29_999)
  expect(second.outcome).toBeNull()
  await clock.advance(1)
  expect(second.outcome).toBe('timeout')
})

test('R-213 a wake between two waits is not lost', async () => {
  const { wakeups, park } = world()
  const parked = park()
  wakeups.users([ALICE], 'rooms')
  await parked.wait(30_000)
  wakeups.users([ALICE], 'presence')
  expect(await parked.wait(30_000)).toBe('woken')
})

test('P-100 R-212 a request is woken for its topics only', async () => {
  const { wakeups, park } = world()
  const wait = watch(park({ topics: ['rooms'] }).wait(30_000))
  wakeups.users([ALICE], 'presence')
  await settle()
  expect(wait.outcome).toBeNull()
  wakeups.users([ALICE], 'rooms')
  await settle()
  expect(wait.outcome).toBe('woken')
})

test('R-218 ending a device ends its requests, and those that begin to wait later', async () => {
  const { wakeups, park } = world()
  const waiting = watch(park().wait(30_000))
  const registered = park()
  const other = watch(park({ deviceId: LAPTOP }).wait(30_000))
  wakeups.ended(ALICE, PHONE)
  wakeups.users([ALICE], 'rooms')
  await settle()
  expect(waiting.outcome).toBe('ended')
  expect(await registered.wait(30_000)).toBe('ended')
  expect(other.outcome).toBe('woken')
})

test('closing answers all, and everyone who comes later', async () => {
  const { wakeups, park } = world()
  const waiting = Array.from({ length: 500 }, (_, i) =>
    watch(park({ userId: `@u${i}:home.example` as UserId }).wait(30_000)),
  )
  wakeups.close()
  await settle(20)
  expect(waiting.filter(({ outcome }) => outcome === 'closed')).toHaveLength(500)
  expect(await park().wait(30_000)).toBe('closed')
})

test('an aborted request ends at once, also when it was aborted before', async () => {
  const { park } = world()
  const controller = new AbortController()
  const wait = watch(park({ signal: controller.signal }).wait(30_000))
  controller.abort()
  await settle()
  expect(wait.outcome).toBe('aborted')
  expect(await park({ signal: controller.signal }).wait(30_000)).toBe('aborted')
})

test('L-18 the oldest request of a device beyond its bound ends as if its time were over', async () => {
  const { park } = world({ parkedPerDeviceMax: 2 })
  const first = watch(park().wait(30_000))
  const second = watch(park().wait(30_000))
  const elsewhere = watch(park({ deviceId: LAPTOP }).wait(30_000))
  const third = watch(park().wait(30_000))
  const fourth = watch(park().wait(30_000))
  await settle()
  expect([first, second, elsewhere, third, fourth].map(({ outcome }) => outcome)).toEqual([
    'timeout',
    'timeout',
    null,
    null,
    null,
  ])
})

test('L-18 more requests than the server holds are refused with 429', () => {
  const { wakeups, park } = world({ parkedMax: 2 })
  const first = park()
  park({ userId: BOB })
  expect(() => park({ deviceId: LAPTOP })).toThrowError(
    expect.objectContaining({ status: 429, errcode: 'M_LIMIT_EXCEEDED' }),
  )
  first.end()
  expect(() => park({ deviceId: LAPTOP })).not.toThrow()
  expect(wakeups.parked).toBe(0)
})

test('only requests that wait now count as parked', async () => {
  const { clock, wakeups, park } = world()
  const parked = park()
  expect(wakeups.parked).toBe(0)
  void parked.wait(30_000)
  expect(wakeups.parked).toBe(1)
  wakeups.users([ALICE], 'rooms')
  wakeups.users([ALICE], 'rooms')
  expect(wakeups.parked).toBe(0)
  await settle()
  // The second wake came while the first was being released.
  await parked.wait(30_000)
  void parked.wait(30_000)
  expect(wakeups.parked).toBe(1)
  await clock.advance(30_000)
  expect(wakeups.parked).toBe(0)
  parked.end()
  expect(wakeups.parked).toBe(0)
})

test('L-18 an ended request leaves nothing behind: no entry, no timer, no listener', async () => {
  const { clock, wakeups, park } = world()
  const { signal } = new AbortController()
  const parked = park({ signal })
  void parked.wait(30_000)
  parked.end()
  parked.end()
  expect([wakeups.parked, clock.timers]).toEqual([0, 0])
  expect(getEventListeners(signal, 'abort')).toEqual([])
  wakeups.users([ALICE], 'rooms')
  await settle()
})

test('many are released in slices, so that others get a turn in between', async () => {
  const { wakeups, park } = world()
  const users = Array.from({ length: 300 }, (_, i) => `@u${i}:home.example` as UserId)
  const waits = users.map((userId) => watch(park({ userId }).wait(30_000)))
  const woken = (): number => waits.filter(({ outcome }) => outcome === 'woken').length
  wakeups.users(users, 'presence')
  await Promise.resolve()
  const first = woken()
  expect(first).toBeGreaterThan(0)
  expect(first).toBeLessThan(300)
  await settle()
  expect(woken()).toBe(300)
})

test('a request that is woken and logged out in the same moment is told of the end', async () => {
  const { wakeups, park } = world()
  const users = Array.from({ length: 200 }, (_, i) => `@u${i}:home.example` as UserId)
  for (const userId of users) void park({ userId }).wait(30_000)
  const wait = watch(park().wait(30_000))
  wakeups.users([...users, ALICE], 'presence')
  wakeups.ended(ALICE, PHONE)
  await settle()
  expect(wait.outcome).toBe('ended')
})

test('the registry forgets users without requests', () => {
  const { wakeups, park } = world() satisfies { wakeups: Wakeups }
  for (let i = 0; i < 10; i += 1) park({ userId: `@u${i}:home.example` as UserId }).end()
  expect(wakeups.parked).toBe(0)
})
