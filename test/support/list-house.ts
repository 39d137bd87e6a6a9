import { systemRandom } from '../../src/base/random.ts'
import { Engine } from '../../src/engine/engine.ts'
import { createStream } from '../../src/homeserver/stream.ts'
import { serverOf, type ServerName, type UserId } from '../../src/matrix/ids.ts'
import type { InvitePolicy } from '../../src/matrix/presence-list.ts'
import type { Store } from '../../src/ports/store.ts'
import type { Stream } from '../../src/ports/stream.ts'
import { createLoop, type Loop } from '../../src/service/loop.ts'
import { createPersist } from '../../src/service/persist.ts'
import { GrantCounts } from '../../src/service/grant-counts.ts'
import { createPresenceListNews, type PresenceListNews } from '../../src/service/presence-list-news.ts'
import { createListOutbox, type ListOutbox } from '../../src/service/presence-list-outbox.ts'
import { createPresenceLists, type PresenceLists } from '../../src/service/presence-list.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { POLICY } from './engine-kit.ts'
import { ManualClock } from './manual-clock.ts'

export const ALICE = '@alice:hs' as UserId
export const BOB = '@bob:hs' as UserId
export const CAROL = '@carol:hs' as UserId
export const ZOE = '@zoe:remote' as UserId

/** Presence lists around a store and an engine, with neither accounts nor HTTP. */
export interface ListHouse {
  readonly clock: ManualClock
  readonly store: Store
  readonly stream: Stream
  readonly loop: Loop
  readonly lists: PresenceLists
  readonly news: PresenceListNews
  readonly outbox: ListOutbox
  /** What happened beside the store, in order: `granted`, `revoked`, `woken`, `news`, `lists for`, `presence of`. */
  readonly happened: string[]
}

export interface ListHouseOptions {
  readonly clock?: ManualClock
  readonly store?: Store
  /** Everybody of this server but these. */
  readonly gone?: ReadonlySet<UserId>
  readonly policy?: InvitePolicy
  readonly serverName?: string
  readonly federates?: boolean
  readonly onNews?: () => void
}

/** As a server starts: what the store holds is granted before presence begins. */
export async function openListHouse(options: ListHouseOptions = {}): Promise<ListHouse> {
  const {
    clock = new ManualClock(),
    store = createMemoryStore(),
    gone = new Set(),
    policy = 'manual',
    federates = true,
  } = options
  const serverName = (options.serverName ?? 'hs') as ServerName
  const happened: string[] = []
  const stream = await createStream(store)
  const loop = startLoop(clock, store, serverName)
  for (const { observer, observed, state } of await store.all('presenceGrants'))
    if (state === 'granted') loop.granted(observer, observed)
  for (const { observer, observed, state } of await store.all('presenceList'))
    if (state === 'accepted' && serverOf(observed) !== serverName) loop.granted(observer, observed)
  loop.begin()
  const outbox = createListOutbox({ store, serverName })
  const lists = createPresenceLists({
    store,
    stream,
    clock,
    serverName,
    directory: { isMember: async (userId) => !gone.has(userId) },
    loop: {
      view: (viewer, userId) => loop.view(viewer, userId),
      isIgnored: (other, by) => loop.isIgnored(other, by),
      granted(observer, observed) {
        happened.push(`granted ${observed} to ${observer}`)
        loop.granted(observer, observed)
      },
      revoked(observer, observed) {
        happened.push(`revoked ${observed} from ${observer}`)
        loop.revoked(observer, observed)
      },
    },
    wake: { users: (userIds, topic) => void happened.push(`woken ${[...userIds].join(' ')} for ${topic}`) },
    destinations: {
      offerLists: (server) => void happened.push(`lists for ${server}`),
      answerPresence(server, userIds) {
        for (const userId of userIds)
          happened.push(
            `presence of ${loop.serverSees(server, userId) ? userId : 'somebody unseen'} for ${server}`,
          )
      },
    },
    outbox,
    counts: new GrantCounts({ rows: await store.all('presenceGrants'), serverName }),
    federates,
    defaultPolicy: policy,
    onNews() {
      happened.push('news')
      options.onNews?.()
    },
  })
  const news = createPresenceListNews({ store, stream, usersMax: 100 })
  return { clock, store, stream, loop, lists, news, outbox, happened }
}

function startLoop(clock: ManualClock, store: Store, serverName: ServerName): Loop {
  const engine = new Engine({ policy: POLICY, head: 0 })
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
  const head = (): number => engine.head
  const persist = createPersist({ store, clock, log, intervalMs: 60_000, head })
  return createLoop({
    enabled: true,
    engine,
    clock,
    persist,
    wakeups: { users: () => {} },
    log,
    serverName,
    destinations: { offerPresence: () => {}, offerPolls: () => {} },
    onSighted: () => {},
  })
}

/** A seeded source of choices. */
export interface Choices {
  readonly below: (count: number) => number
  readonly of: <T>(list: readonly T[]) => T
}

export function choices(seed: number): Choices {
  let state = seed
  const below = (count: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * count)
  }
  return { below, of: (list) => list[below(list.length)] as never }
}

/** `SEED=…` replays a run. */
export const SEED = Number(process.env['SEED'] ?? systemRandom().int(2 ** 31))
