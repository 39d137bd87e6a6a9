import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ManualClock, until } from '../test/support/manual-clock.ts'
import { startApp, type App } from '../src/app/app.ts'
import { readConfig } from '../src/app/config.ts'
import { PASSWORD_COSTS } from '../src/app/bounds.ts'
import type { Config } from '../src/app/options.ts'
import { systemRandom } from '../src/base/random.ts'
import type { Log } from '../src/ports/log.ts'
import type { Store } from '../src/ports/store.ts'
import { createMemoryStore } from '../src/store/memory.ts'
import { makeFolder, removeFolder } from './support/folder.ts'
import { askOnce, openPoller, type Poller } from './support/poller.ts'
import { populate, SERVER_NAME } from './support/population.ts'
import { firstSync, nextBatchOf, poll, statusChange } from './support/requests.ts'
import type { Findings, Row } from './support/table.ts'

export interface IdleOptions {
  readonly users: number
  /** Simulates an hour, too. */
  readonly hour: boolean
}

const SECOND = 1_000
const MINUTE = 60_000
/** Behind the last consequence of coming online (currently active), and before that of doing nothing (idle). */
const ONLINE_FROM = 2 * MINUTE
/** Behind the last consequence of having come online at all. */
const AWAY_FROM = 7 * MINUTE
const POLL_MS = 30_000

/** What users cost who are connected and do nothing. Zero, or the run fails. */
export async function benchIdle({ users, hour }: IdleOptions): Promise<Findings> {
  const quiet = await startQuiet(users)
  try {
    await quiet.passes(ONLINE_FROM)
    const online = await quiet.counts(() => quiet.passes(MINUTE))
    await quiet.passes(AWAY_FROM - ONLINE_FROM - MINUTE)
    const away = await quiet.counts(() => quiet.passes(MINUTE))
    const rest = hour ? await quiet.counts(() => quiet.passes(60 * MINUTE)) : null
    // What counts nothing must be seen to count something.
    const control = await quiet.counts(() => quiet.changes())
    return {
      rows: [
        ...rowsOf('idle minute, online', online, users),
        ...rowsOf('idle minute, away', away, users),
        ...(rest === null ? [] : [hourRow(rest, users)]),
        controlRow(control, users),
      ],
      failures: [
        ...complaints('an idle minute online', online),
        ...complaints('an idle minute away', away),
        ...(control.deliveries < users ? ['the control change was not delivered to everybody'] : []),
      ],
    }
  } finally {
    await quiet.close()
  }
}

interface Counts {
  commits: number
  rows: number
  polls: number
  /** Answers with anything of anybody in them. */
  deliveries: number
}

function rowsOf(what: string, { commits, rows, deliveries, polls }: Counts, users: number): Row[] {
  return [
    {
      what: `${what}: store writes`,
      figure: String(Math.max(commits, rows)),
      note: `${users} users of one room, ${polls} polls`,
    },
    { what: `${what}: deliveries`, figure: String(deliveries), note: 'answers with an event in them' },
  ]
}

function hourRow({ rows, deliveries, polls }: Counts, users: number): Row {
  const each = rows / users
  return {
    what: 'idle hour: rows written a user',
    figure: String(Math.round(each * 100) / 100),
    note: `the last sight of each device, once an hour; ${deliveries} deliveries in ${polls} polls`,
  }
}

function controlRow({ deliveries, rows }: Counts, users: number): Row {
  return {
    what: 'idle, for control: one status change',
    figure: String(deliveries),
    note: `deliveries to ${users} users, as it should be; ${rows} rows written`,
  }
}

function complaints(what: string, { commits, rows, deliveries }: Counts): string[] {
  if (commits === 0 && rows === 0 && deliveries === 0) return []
  return [`${what} cost ${commits} commits of ${rows} rows and ${deliveries} deliveries`]
}

/** A whole server in this process on a manual clock, and users who poll over HTTP and do nothing else. */
class Quiet {
  readonly #app: App
  readonly #clock: ManualClock
  readonly #users: number
  readonly #total: Counts
  #pollers: Poller[] = []
  #failure: Error | null = null

  constructor(app: App, clock: ManualClock, users: number, total: Counts) {
    this.#app = app
    this.#clock = clock
    this.#users = users
    this.#total = total
  }

  get #port(): number {
    return Number(new URL(this.#app.addresses[0]?.url ?? '').port)
  }

  async connect(): Promise<void> {
    const { body } = await askOnce(this.#port, firstSync())
    const since = nextBatchOf(body)
    for (let user = 0; user < this.#users; user += 1) {
      this.#pollers.push(await openPoller(this.#port, (error) => (this.#failure ??= error)))
      this.#poll(user, since)
    }
    await this.#everybodyWaits()
  }

  /** Second by second; within each everybody who is answered polls again. */
  async passes(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += SECOND) {
      await this.#clock.advance(SECOND)
      await this.#everybodyWaits()
    }
  }

  async changes(): Promise<void> {
    await askOnce(this.#port, statusChange(0, 1))
    await this.#everybodyWaits()
    await this.passes(5 * SECOND)
  }

  async counts(during: () => Promise<void>): Promise<Counts> {
    const before = { ...this.#total }
    await during()
    const { commits, rows, polls, deliveries } = this.#total
    return {
      commits: commits - before.commits,
      rows: rows - before.rows,
      polls: polls - before.polls,
      deliveries: deliveries - before.deliveries,
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#pollers.map((poller) => poller.drop()))
    await this.#app.close()
  }

  #poll(user: number, since: string): void {
    this.#pollers[user]?.ask(poll(user, since, POLL_MS), ({ status, body }) => {
      if (status !== 200) this.#failure ??= new Error(`a poll was answered ${status}: ${body}`)
      this.#total.polls += 1
      if (/"(?:type|event_id)":/.test(body)) this.#total.deliveries += 1
      this.#poll(user, nextBatchOf(body) || since)
    })
  }

  async #everybodyWaits(): Promise<void> {
    await until(() => this.#failure !== null || this.#app.parked === this.#users, 'everybody waits')
    if (this.#failure !== null) throw this.#failure
  }
}

async function startQuiet(users: number): Promise<Quiet> {
  const folder = makeFolder()
  const clock = new ManualClock()
  const total: Counts = { commits: 0, rows: 0, polls: 0, deliveries: 0 }
  try {
    const inner = createMemoryStore()
    await populate(inner, users, clock.now())
    const app = await startApp({
      config: quietConfig(folder),
      clock,
      random: systemRandom(),
      log: SILENT,
      openStore: async () => counted(inner, total),
      passwordCosts: PASSWORD_COSTS,
    })
    const quiet = new Quiet(app, clock, users, total)
    await quiet.connect()
    return quiet
  } finally {
    // The key is read once, at the start.
    removeFolder(folder)
  }
}

const SILENT: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

function counted(inner: Store, total: Counts): Store {
  return {
    ...inner,
    async commit(writes) {
      total.commits += 1
      total.rows += writes.length
      await inner.commit(writes)
    },
  }
}

function quietConfig(folder: string): Config {
  const file = join(folder, 'adsum.yaml')
  const own = { server_name: SERVER_NAME, data_dir: folder, listeners: [{ port: 0, resources: ['client'] }] }
  writeFileSync(file, JSON.stringify({ ...own, rate_limits: { enabled: false } }))
  const outcome = readConfig({ files: [file], env: {} })
  if (outcome.kind === 'problems') throw new Error(outcome.problems.join('\n'))
  return outcome.config
}
