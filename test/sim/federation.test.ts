import { expect, test } from 'vitest'
import { serverOf } from '../../src/matrix/ids.ts'
import { choices, SEED } from '../support/list-house.ts'
import { DAY, MINUTE, SimWorld } from '../support/sim-world.ts'

/** `WORLDS=…` makes more; each has the seed after the last one's. */
const WORLDS = Number(process.env['WORLDS'] ?? 10)
const ROUNDS = 4
const STEPS = 60
const TRACE_LINES = 60

test(`L-10 L-21 servers on a bad network show nothing without consent, agree once it is quiet, and fall silent (seed ${SEED})`, async () => {
  const seen = new Set<string>()
  for (let seed = SEED; seed < SEED + WORLDS; seed += 1) {
    const world = await SimWorld.open(choices(scattered(seed)))
    try {
      await live(world)
    } catch (fault) {
      const trace = world.trace.slice(-TRACE_LINES).join('\n')
      throw new Error(`SEED=${seed}: ${(fault as Error).message}\n${trace}`, { cause: fault })
    }
    for (const what of world.seen.keys()) seen.add(what)
  }
  if (WORLDS < 5) return
  // It was about something.
  const [sides, faces] = [
    ['over, over', 'pending, pending', 'accepted, granted'],
    ['offline', 'unavailable', 'online'],
  ]
  expect([...seen]).toEqual(expect.arrayContaining([...sides, ...faces]))
})

async function live(world: SimWorld): Promise<void> {
  for (let round = 0; round < ROUNDS; round += 1) {
    world.breaks()
    for (let step = 0; step < STEPS; step += 1) await world.step()
    await world.heals()
  }
  const said = await world.quietDay()
  expect(said, 'transactions of a quiet day').toBeLessThanOrEqual(quietDayMax(world))
}

/** Pings of who is there; reminders and their answers; a repeat of each invite that waits. */
function quietDayMax({ servers, users }: SimWorld): number {
  const others = servers.length - 1
  const there = users.filter((userId) => {
    const home = servers.find(({ name }) => name === serverOf(userId))
    return home?.life.core.loop.published(userId).state !== 'offline'
  })
  const pings = there.length * others * Math.ceil(DAY / (25 * MINUTE))
  const reminders = ((servers.length * others) / 2) * Math.ceil(DAY / (54 * MINUTE)) * 3
  return pings + reminders + users.length ** 2
}

/** Neighbouring seeds begin alike otherwise. */
function scattered(seed: number): number {
  const mixed = Math.imul(seed ^ (seed >>> 16), 0x45_d9_f3_b)
  return Math.imul(mixed ^ (mixed >>> 16), 0x45_d9_f3_b) >>> 0
}
