import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { startApp, type App } from '../../src/app/app.ts'
import { readConfig } from '../../src/app/config.ts'
import type { Config } from '../../src/app/options.ts'
import { systemRandom, type Random } from '../../src/base/random.ts'
import { hashAccessToken } from '../../src/homeserver/access-token.ts'
import type { DeviceId, UserId } from '../../src/matrix/ids.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Log } from '../../src/ports/log.ts'
import type { Store } from '../../src/ports/store.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { Actor, type Reply, type RequestOptions, type Session } from './actors.ts'
import type { Certificate } from './certificate.ts'
import { ManualClock, settle, until } from './manual-clock.ts'

export interface ServerOptions {
  /** Default `home.example`. */
  readonly name?: string
  /** As in a configuration file: `{ presence: { busy: true } }`. */
  readonly config?: Readonly<Record<string, unknown>>
  /** `memory`, the default, keeps everything in this process, also over `restarts`; `sqlite` is a real file. */
  readonly store?: 'memory' | 'sqlite'
  readonly clock?: ManualClock
  readonly random?: Random
  /** With it there is a second listener, HTTPS, for other servers. */
  readonly certificate?: Certificate
  /** Where the built page is, for the tests that open it. */
  readonly pageFolder?: string
}

export interface Restart {
  readonly end?: 'clean' | 'unclean'
  readonly config?: Readonly<Record<string, unknown>>
}

/** The moment of a sudden end: just before a commit reaches the disk, or just after. */
export interface Death {
  /** Counted from now; 1 is the next. */
  readonly atCommit: number
  readonly when: 'before' | 'after'
}

/** What the log said of one request. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
}

/** A whole server in this process on a manual clock, spoken to over real HTTP. Rate limits are off unless asked for. */
export interface TestServer {
  readonly url: string
  /** The port of the listener for other servers, null while there is none. */
  readonly federationPort: number | null
  readonly name: string
  readonly clock: ManualClock
  /** Requests that reached the server, in order; of all its lives. */
  readonly requests: readonly SeenRequest[]
  /** Warnings and errors in its log. */
  readonly complaints: readonly string[]
  /** The errors among them: faults of ours. */
  readonly faults: readonly string[]
  /** The commits that its stores were given since the start: how many, and of how many rows. */
  readonly writes: { readonly commits: number; readonly rows: number }
  readonly store: Store
  request(method: string, path: string, options?: RequestOptions): Promise<Reply>
  /** A new account with one device. */
  registers(name: string, options?: { readonly deviceId?: string }): Promise<Actor>
  /** Another device of the same person. */
  logsIn(actor: Actor, deviceId?: string): Promise<Actor>
  /** Long polls that wait now. */
  readonly waiting: number
  /** Requests being received, waiting or being answered. */
  readonly inFlight: number
  /** Waits until exactly this many long polls wait. */
  parked(count: number): Promise<void>
  /** Waits until every request in flight is a waiting long poll. */
  quiet(): Promise<void>
  /** An account that is a guest's: there is no endpoint that makes one, so it is written into the store. */
  registersGuest(name?: string): Promise<Actor>
  /**
   * Stops and starts again on the same store. `unclean` is as if the process had been killed: nothing reaches the store any
   * more. `config` is added to what there was, section by section.
   */
  restarts(options?: Restart): Promise<void>
  /** The first half of `restarts`, for what clients do meanwhile; a browser finds it again at the same address. */
  stops(end?: Restart['end']): Promise<void>
  starts(): Promise<void>
  /**
   * From that commit on nothing reaches the store any more; `onDeath` is called in the same turn. It is still to be stopped. Null:
   * it lives on after all.
   */
  dies(death: Death | null, onDeath: () => void): void
  /** `restarts` with an unclean end. */
  crashes(): Promise<void>
  close(): Promise<void>
}

const RESOURCES = ['client', 'federation', 'web', 'health', 'metrics']
/** Nobody's: whoever lives alone does not look around on the internet, and is refused at once. */
const NOWHERE = { destinations: { 'remote.example': '127.0.0.1:1' } }
const PASSWORD_COSTS = { memoryKiB: 32, passes: 1 }

export async function startServer(options: ServerOptions = {}): Promise<TestServer> {
  const server = new LocalServer(options)
  await server.starts()
  return server
}

class LocalServer implements TestServer {
  readonly name: string
  readonly clock: ManualClock
  readonly requests: SeenRequest[] = []
  readonly complaints: string[] = []
  readonly faults: string[] = []
  readonly writes = { commits: 0, rows: 0 }
  readonly #folder = mkdtempSync(join(tmpdir(), 'adsum-test-'))
  readonly #options: ServerOptions
  readonly #memory = createMemoryStore()
  #given: Readonly<Record<string, unknown>>
  #app: App | null = null
  #store: CuttableStore | null = null
  /** Any, and then the same again after `stops`. */
  #port = 0

  constructor(options: ServerOptions) {
    this.#options = options
    this.#given = withSections({ federation: NOWHERE }, options.config ?? {})
    this.name = options.name ?? 'home.example'
    this.clock = options.clock ?? new ManualClock()
  }

  get url(): string {
    return this.#running.addresses[0]?.url ?? ''
  }

  get federationPort(): number | null {
    const url = this.#app?.addresses[1]?.url
    return url === undefined ? null : Number(new URL(url).port)
  }

  get store(): Store {
    if (this.#store === null) throw new Error('the server does not run')
    return this.#store.store
  }

  async starts(): Promise<void> {
    this.#app = await startApp({
      config: this.#readConfig(),
      clock: this.clock,
      random: this.#options.random ?? systemRandom(),
      log: this.#log(),
      openStore: async () => (this.#store = cuttable(await this.#openStore(), this.writes)).store,
      passwordCosts: PASSWORD_COSTS,
      pageFolder: this.#options.pageFolder ?? null,
    })
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<Reply> {
    const query = new URLSearchParams(
      Object.entries(options.query ?? {}).map(([key, value]) => [key, String(value)]),
    )
    const body = options.rawBody ?? (options.body === undefined ? null : JSON.stringify(options.body))
    const response = await fetch(`${this.url}${path}${query.size > 0 ? `?${query}` : ''}`, {
      method,
      headers: {
        ...(options.token !== undefined && { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      body: body as BodyInit | null,
      signal: options.signal ?? null,
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: asJson(text) }
  }

  async registers(name: string, { deviceId }: { readonly deviceId?: string } = {}): Promise<Actor> {
    const password = `${name}'s password`
    const body = {
      username: name,
      password,
      auth: { type: 'm.login.dummy' },
      ...(deviceId !== undefined && { device_id: deviceId }),
    }
    const reply = await this.request('POST', '/_matrix/client/v3/register', { body })
    expect(reply.status, reply.text).toBe(200)
    return this.#actor(name, password, reply.body)
  }

  async logsIn(actor: Actor, deviceId?: string): Promise<Actor> {
    const reply = await this.request('POST', '/_matrix/client/v3/login', {
      body: {
        type: 'm.login.password',
        identifier: { type: 'm.id.user', user: actor.name },
        password: actor.password,
        ...(deviceId !== undefined && { device_id: deviceId }),
      },
    })
    expect(reply.status, reply.text).toBe(200)
    return this.#actor(actor.name, actor.password, reply.body)
  }

  get waiting(): number {
    return this.#running.parked
  }

  get inFlight(): number {
    return this.#running.inFlight
  }

  parked(count: number): Promise<void> {
    return until(() => this.waiting === count, `${count} parked requests (${this.waiting} were)`)
  }

  async quiet(): Promise<void> {
    // Clients may begin the next request some turns after they got the last answer.
    for (let calm = 0; calm < 20; calm += 1) {
      await until(() => this.#running.inFlight === this.#running.parked, 'quiet')
      await settle(2)
    }
  }

  async registersGuest(name = 'guest'): Promise<Actor> {
    const userId = `@${name}:${this.name}` as UserId
    const [deviceId, token] = ['GUEST' as DeviceId, `adsum_guest_${name}`]
    const createdTs = this.clock.now()
    const account = {
      userId,
      passwordHash: null,
      admin: 0,
      guest: 1,
      createdTs,
      deactivatedTs: null,
    } as const
    const device = { userId, deviceId, displayName: null, createdTs, lastSeenTs: null, lastSeenIp: null }
    await this.store.commit([
      { put: 'accounts', row: account },
      { put: 'devices', row: device },
      { put: 'tokens', row: { tokenHash: hashAccessToken(token), userId, deviceId, createdTs } },
    ])
    return this.#actor(name, '', { user_id: userId, device_id: deviceId, access_token: token })
  }

  async restarts({ end = 'clean', config = {} }: Restart = {}): Promise<void> {
    this.#given = withSections(this.#given, config)
    if (end === 'unclean') this.#store?.cut()
    await this.#stop()
    await this.starts()
  }

  async stops(end: Restart['end'] = 'clean'): Promise<void> {
    this.#port = Number(new URL(this.url).port)
    if (end === 'unclean') this.#store?.cut()
    await this.#stop()
  }

  dies(death: Death | null, onDeath: () => void): void {
    this.#store?.cutAt(death, onDeath)
  }

  crashes(): Promise<void> {
    return this.restarts({ end: 'unclean' })
  }

  async close(): Promise<void> {
    if (this.#app !== null) await this.#stop()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #stop(): Promise<void> {
    const app = this.#running
    this.#app = null
    await app.close()
  }

  get #running(): App {
    if (this.#app === null) throw new Error('the server does not run')
    return this.#app
  }

  #readConfig(): Config {
    const file = join(this.#folder, 'adsum.yaml')
    const own = {
      server_name: this.name,
      data_dir: this.#folder,
      listeners: [{ port: this.#port, resources: RESOURCES }, ...this.#secureListeners()],
    }
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({ ...own, rate_limits: { enabled: false }, ...this.#given }))
    const outcome = readConfig({ files: [file], env: {} })
    if (outcome.kind === 'problems') throw new Error(outcome.problems.join('\n'))
    return outcome.config
  }

  #secureListeners(): object[] {
    const { certificate } = this.#options
    if (certificate === undefined) return []
    const tls = { cert_file: join(this.#folder, 'tls.crt'), key_file: join(this.#folder, 'tls.key') }
    writeFileSync(tls.cert_file, certificate.cert)
    writeFileSync(tls.key_file, certificate.key)
    return [{ port: 0, tls, resources: ['federation'] }]
  }

  async #openStore(): Promise<Store> {
    if (this.#options.store === 'sqlite') return openSqliteStore({ path: join(this.#folder, 'adsum.db') })
    return { ...methodsOf(this.#memory), close: async () => {} }
  }

  #log(): Log {
    const inText = (fields: object, message: string): string =>
      `${message} ${JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.stack : value))}`
    return {
      debug: (fields) => {
        const { method, path } = fields as Partial<SeenRequest>
        if (method !== undefined && path !== undefined) this.requests.push({ method, path })
      },
      info: () => {},
      warn: (fields, message) => void this.complaints.push(inText(fields, message)),
      error: (fields, message) => {
        const text = inText(fields, message)
        this.complaints.push(text)
        this.faults.push(text)
      },
    }
  }

  #actor(name: string, password: string, body: JsonObject): Actor {
    const session: Session = {
      userId: body['user_id'] as string,
      deviceId: body['device_id'] as string,
      token: body['access_token'] as string,
    }
    return new Actor(name, password, session, (method, path, options) => this.request(method, path, options))
  }
}

interface CuttableStore {
  readonly store: Store
  /** From here on commits reach nothing, as after a kill. */
  cut(): void
  cutAt(death: Death | null, onDeath: () => void): void
}

function cuttable(inner: Store, writes: { commits: number; rows: number }): CuttableStore {
  let isCut = false
  let planned: { left: number; when: Death['when']; onDeath: () => void } | null = null
  const end = (onDeath: () => void): void => {
    isCut = true
    planned = null
    onDeath()
  }
  const store: Store = {
    ...methodsOf(inner),
    async commit(rows) {
      const death = planned !== null && (planned.left -= 1) === 0 ? planned : null
      if (death?.when === 'before') end(death.onDeath)
      // What a dying server still says, nobody may believe: whoever plans a death cuts its lines, too.
      if (isCut) return
      writes.commits += 1
      writes.rows += rows.length
      await inner.commit(rows)
      if (death !== null) end(death.onDeath)
    },
  }
  return {
    store,
    cut: () => void (isCut = true),
    cutAt: (death, onDeath) => {
      planned = death === null ? null : { left: death.atCommit, when: death.when, onDeath }
    },
  }
}

/** `added` over `base`; of sections, key by key. */
function withSections(
  base: Readonly<Record<string, unknown>>,
  added: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(added)) {
    const before = merged[key]
    const areSections = isSection(before) && isSection(value)
    merged[key] = areSections ? { ...before, ...value } : value
  }
  return merged
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The methods of a store, bound to it, so that some of them can be replaced. */
function methodsOf(store: Store): Store {
  const names = new Set<string>()
  for (let at: object = store; at !== Object.prototype; at = Object.getPrototypeOf(at) as object)
    for (const name of Object.getOwnPropertyNames(at)) if (name !== 'constructor') names.add(name)
  const methods = [...names].map((name) => [name, store[name as keyof Store]] as const)
  return Object.fromEntries(
    methods
      .filter(([, value]) => typeof value === 'function')
      .map(([name, value]) => [name, (value as () => unknown).bind(store)]),
  ) as unknown as Store
}

function asJson(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject
  } catch {
    return {}
  }
}
