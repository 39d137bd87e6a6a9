import { expect } from 'vitest'
import { serverOf, type UserId } from '../../src/matrix/ids.ts'
import type { ManualClock } from './manual-clock.ts'
import type { SimDevice } from './sim-device.ts'
import { shareRoom, wordsOf } from './sim-ledger.ts'
import type { SimServer } from './sim-server.ts'

/** Both sides of a pair, the observer's first. */
const EQUAL = ['over, over', 'over, ignored', 'pending, pending', 'accepted, granted']
/** Timers of one server, whatever happened to it. */
const TIMERS_MAX = 20

/** A world at rest. */
export interface World {
  readonly servers: readonly SimServer[]
  readonly devices: readonly SimDevice[]
  readonly users: readonly UserId[]
  readonly time: ManualClock
  readonly mayShow: (server: SimServer, observer: UserId, observed: UserId) => boolean
  /** Told of everything that was found to be as it should. */
  readonly saw: (what: string) => void
}

/** What holds once everything works and nothing is on its way: all servers agree, and everybody sees what is so. */
export async function checkAgreement(world: World): Promise<void> {
  const { servers, users, devices } = world
  for (const observer of users) {
    for (const observed of users) {
      if (serverOf(observer) === serverOf(observed)) continue
      await checkSides(world, observer, observed)
      checkFace(world, observer, observed)
    }
  }
  for (const device of devices) {
    if (device.server.accounts.get(device.userId)?.isOver === true) continue
    await device.syncs()
    for (const userId of users) if (userId !== device.userId) device.checkBelief(userId)
  }
  for (const server of servers) await checkServer(world, server)
}

/** Both servers think the same of who follows whom. */
async function checkSides(world: World, observer: UserId, observed: UserId): Promise<void> {
  const [here, there] = [serverIn(world, observer), serverIn(world, observed)]
  const entry = await here.memory.presenceEntry(observer, observed)
  const grant = await there.memory.presenceGrant(observed, observer)
  const sides = `${entry?.state ?? 'over'}, ${grant?.state ?? 'over'}`
  // Its time is over on one side, and waits out on the other.
  if (sides === 'over, pending' && (await isExpired(here, observer, observed))) return world.saw('expired')
  expect(EQUAL, `${observer} of ${observed}`).toContain(sides)
  world.saw(sides)
}

async function isExpired({ memory }: SimServer, observer: UserId, observed: UserId): Promise<boolean> {
  const news = await memory.presenceListNews(observer, 0, Number.MAX_SAFE_INTEGER)
  return news.some(
    ({ direction, otherId, state }) =>
      direction === 'outgoing' && otherId === observed && state === 'expired',
  )
}

/** Who may see and looks sees what is so. */
function checkFace(world: World, observer: UserId, observed: UserId): void {
  const here = serverIn(world, observer)
  const view = here.life.core.loop.view(observer, observed)
  const looks = world.devices.some((device) => device.userId === observer && device.isConnected)
  if (view === null || (!looks && !shareRoom(here, observer, observed))) return
  const face = serverIn(world, observed).life.core.loop.published(observed)
  const what = `${observer} sees ${observed}`
  expect(wordsOf(face.state), what).toContain(view.state)
  expect(view.statusMsg, what).toBe(face.statusMsg)
  world.saw(`${view.state}${view.statusMsg === null ? '' : ' with text'}`)
}

async function checkServer(world: World, server: SimServer): Promise<void> {
  const { core, store, outbound } = server.life
  await core.persist.flush()
  for (const { userId } of await store.all('presence')) {
    if (serverOf(userId) === server.name) continue
    const isSeen = world.users
      .filter((observer) => serverOf(observer) === server.name)
      .some((observer) => world.mayShow(server, observer, userId))
    expect(isSeen, `${server.name} keeps presence of ${userId}`).toBe(true)
  }
  expect(outbound.size, 'destinations').toBeLessThan(world.servers.length)
  expect(await store.all('destinations')).toEqual([])
  for (const other of world.servers) {
    expect(await store.listOutbox(other.name, 1), 'what waits').toEqual([])
    if (other === server) continue
    const followed = core.loop.followedAt(other.name)
    const known = other.life.core.loop.followedBy(server.name)
    expect(known, `${server.name} follows`).toEqual(expect.arrayContaining(followed))
  }
  expect(world.time.timers).toBeLessThan(TIMERS_MAX * world.servers.length)
}

function serverIn({ servers }: World, userId: UserId): SimServer {
  return servers.find(({ name }) => name === serverOf(userId)) as SimServer
}
