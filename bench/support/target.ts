import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../../src/ports/store.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { startChild, type Child } from './child.ts'
import { makeFolder, removeFolder } from './folder.ts'
import { askOnce } from './poller.ts'
import { populate, SERVER_NAME, tokenOf } from './population.ts'
import { firstSync, httpRequest, nextBatchOf, statusChange } from './requests.ts'

/** Something that parks polls and answers all of them when one more request tells it to. */
export interface Target {
  readonly child: Child
  /** What everybody's first poll goes on from. */
  readonly firstBatch: string
  /** The request that answers all that wait; each round is another change. */
  readonly release: (round: number) => string
  close(): Promise<void>
}

/** Longer than a bench takes: nobody idles, goes offline, or is written meanwhile. */
const LONG = '1d'

/** The server as `npm start` runs it, with `members` users of one room; the last one changes. */
export async function startServerTarget(members: number): Promise<Target> {
  const server = await startServer((store) => populate(store, members, Date.now()))
  return { ...server, release: (round) => statusChange(members - 1, round) }
}

/** The server as `npm start` runs it, on a folder of its own that `fill` writes to before the start; user 0 changes. */
export async function startServer(
  fill: (store: Store, folder: string) => Promise<void>,
  federation: (folder: string) => object = () => ({}),
): Promise<Target> {
  const folder = makeFolder()
  const store = await openSqliteStore({ path: join(folder, 'adsum.db') })
  await fill(store, folder)
  await store.close()
  const config = writeConfig(folder, federation(folder))
  const child = await startChild('../../src/main.ts', ['--config', config])
  const { status, body } = await askOnce(child.port, firstSync())
  if (status !== 200) throw new Error(`the first sync was answered ${status}: ${body}`)
  return {
    child,
    firstBatch: nextBatchOf(body),
    release: (round) => statusChange(0, round),
    async close() {
      await child.stop()
      removeFolder(folder)
    },
  }
}

/** The same work without a server behind it; `bodyBytes` is the size of its answers. */
export async function startBareTarget(bodyBytes: () => number): Promise<Target> {
  const child = await startChild('bare.ts')
  return {
    child,
    // As long as a real one.
    firstBatch: 'a1_bbbbbbbbbb_10000_10000_0',
    release: () => httpRequest('PUT', `/${bodyBytes()}`, { token: tokenOf(0), body: '{}' }),
    close: () => child.stop(),
  }
}

/** Requests that wait in the target. */
export async function parkedIn({ child }: Target): Promise<number> {
  const { body } = await askOnce(child.port, httpRequest('GET', '/metrics'))
  return Number(/^adsum_sync_parked (\d+)/m.exec(body)?.[1])
}

function writeConfig(folder: string, federation: object): string {
  const file = join(folder, 'adsum.yaml')
  const config = {
    server_name: SERVER_NAME,
    data_dir: folder,
    listeners: [{ port: 0, resources: ['client', 'federation', 'metrics'] }],
    rate_limits: { enabled: false },
    federation,
    presence: {
      idle_timeout: LONG,
      last_active_granularity: LONG,
      sync_online_timeout: LONG,
      persist_interval: '1h',
    },
    log: { level: 'warn' },
  }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config))
  return file
}
