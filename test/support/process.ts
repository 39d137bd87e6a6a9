import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { onTestFinished } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { Actor, type Reply, type RequestOptions } from './actors.ts'

const ROOT = resolve('.')
const COMPILE_CACHE = resolve('node_modules/.cache/node-compile')
const ADDRESS = /^Adsum \S+ serves (?<name>\S+) at (?<urls>.+)$/m

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** The folder to run it in: relative paths, and the default `./data`, begin there. */
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** What is run, relative to the project; `src/main.ts` unless said. */
  readonly script?: string
}

/** A command of `adsum` in a process of its own, to its end. */
export function runAdsum(args: readonly string[], options: CommandOptions): Promise<Ended> {
  return new Running(args, options).ended
}

/** An empty folder that goes away with the test. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'adsum-process-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Writes a configuration file, on a port that the system chooses and without rate limits, and gives its path. */
export function configFile(folder: string, config: Readonly<Record<string, unknown>> = {}): string {
  const file = join(folder, 'adsum.yaml')
  const own = {
    server_name: 'home.example',
    data_dir: join(folder, 'data'),
    listeners: [{ port: 0, resources: ['client', 'health', 'metrics'] }],
    rate_limits: { enabled: false },
  }
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ ...own, ...config }))
  return file
}

/** Starts the real server and waits for the line that says where it is; whatever happens, it ends with the test. */
export async function startProcess(args: readonly string[], options: CommandOptions): Promise<ServerProcess> {
  const running = new Running(args, options)
  onTestFinished(async () => void (await running.kill('SIGKILL')))
  const [name, urls] = await running.address()
  return new ServerProcess(running, name, urls)
}

/** A server in a process of its own, spoken to over HTTP. */
export class ServerProcess {
  readonly name: string
  /** One for each listener. */
  readonly urls: readonly string[]
  readonly #running: Running

  constructor(running: Running, name: string, urls: readonly string[]) {
    this.#running = running
    this.name = name
    this.urls = urls
  }

  get url(): string {
    return this.urls[0] ?? ''
  }

  get stdout(): string {
    return this.#running.stdout
  }

  get ended(): Promise<Ended> {
    return this.#running.ended
  }

  /** Sends the signal and waits for the end. */
  ends(signal: NodeJS.Signals): Promise<Ended> {
    return this.#running.kill(signal)
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

  /** A new account, or null if it was refused. */
  async registers(name: string): Promise<Actor | null> {
    const password = `${name}'s password`
    const { status, body } = await this.request('POST', '/_matrix/client/v3/register', {
      body: { username: name, password, auth: { type: 'm.login.dummy' } },
    })
    return status === 200 ? this.actor(name, password, body) : null
  }

  /** The same person at this process, which may be another one than the person registered at. */
  knows(actor: Actor): Actor {
    return new Actor(actor.name, actor.password, actor, (method, path, options) =>
      this.request(method, path, options),
    )
  }

  actor(name: string, password: string, body: JsonObject): Actor {
    const session = {
      userId: body['user_id'] as string,
      deviceId: body['device_id'] as string,
      token: body['access_token'] as string,
    }
    return new Actor(name, password, session, (method, path, options) => this.request(method, path, options))
  }

  /** The value of a gauge or counter at `/metrics`. */
  async metric(name: string): Promise<number> {
    const { text } = await this.request('GET', '/metrics')
    const line = text.split('\n').find((each) => each.startsWith(`${name} `))
    return Number(line?.split(' ')[1])
  }

  /** Asks, as often as it takes, until so many long polls wait. */
  async parked(count: number): Promise<void> {
    while ((await this.metric('adsum_sync_parked')) !== count);
  }
}

class Running {
  stdout = ''
  stderr = ''
  readonly ended: Promise<Ended>
  readonly #child: ChildProcess
  #heard: () => void = () => {}

  constructor(
    args: readonly string[],
    { cwd, env = {}, stdin = '', script = 'src/main.ts' }: CommandOptions,
  ) {
    const child = spawn(process.execPath, [join(ROOT, script), ...args], {
      cwd,
      // Nothing of the surroundings configures it. With the cache it starts in half the time.
      env: { PATH: process.env['PATH'], NODE_COMPILE_CACHE: COMPILE_CACHE, ...env },
    })
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      this.#heard()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      this.#heard()
    })
    // Whoever does not read its input may end before it is written.
    child.stdin.on('error', () => {}).end(stdin)
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })
        this.#heard()
      })
    })
  }

  /** The server's name and addresses, as it says them. */
  async address(): Promise<[name: string, urls: readonly string[]]> {
    for (;;) {
      const { name, urls } = ADDRESS.exec(this.stdout)?.groups ?? ADDRESS.exec(this.stderr)?.groups ?? {}
      if (name !== undefined && urls !== undefined) return [name, urls.split(', ')]
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`it ended before it served: ${this.stdout}${this.stderr}`)
      await new Promise<void>((heard) => (this.#heard = heard))
    }
  }

  kill(signal: NodeJS.Signals): Promise<Ended> {
    this.#child.kill(signal)
    return this.ended
  }
}

function asJson(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject
  } catch {
    return {}
  }
}
