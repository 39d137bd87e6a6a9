import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { systemRandom } from '../../src/base/random.ts'
import type { DeviceId, UserId } from '../../src/matrix/ids.ts'
import type { Directory, Requester } from '../../src/ports/directory.ts'
import type { Log, LogFields } from '../../src/ports/log.ts'
import {
  createHttpServer,
  HTTP_BOUNDS,
  type Done,
  type HttpServer,
  type HttpServerDeps,
  type ListenAddress,
  type Listener,
} from '../../src/http/server.ts'
import type { Route } from '../../src/http/route.ts'
import { ManualClock } from './manual-clock.ts'

export interface LoggedLine {
  readonly level: string
  readonly fields: LogFields
  readonly message: string
}

export interface TestHttp {
  readonly server: HttpServer
  readonly address: ListenAddress
  readonly clock: ManualClock
  readonly logged: LoggedLine[]
  readonly done: Done[]
  readonly limited: [name: string, key: string][]
}

const DIRECTORY: Pick<Directory, 'requester'> = {
  requester: async (token) => REQUESTERS.get(token) ?? null,
}

function requester(userId: string, guest = false): Requester {
  return { userId: userId as UserId, deviceId: 'DEVICE' as DeviceId, guest, admin: false }
}

const REQUESTERS = new Map([
  ['alice-token', requester('@alice:hs')],
  ['bob-token', requester('@bob:hs')],
  ['guest-token', requester('@guest:hs', true)],
])

/** A real HTTP server around the given routes; tokens `alice-token`, `bob-token` and `guest-token` are known. */
export async function listenHttp(
  routes: readonly Route[],
  deps: Partial<HttpServerDeps> = {},
  listener: Partial<Listener> = {},
): Promise<TestHttp> {
  const clock = new ManualClock()
  const logged: LoggedLine[] = []
  const done: Done[] = []
  const limited: [string, string][] = []
  const server = createHttpServer({
    routes,
    directory: DIRECTORY,
    limits: { take: (name, key) => void limited.push([name, key]), check: () => {} },
    servers: null,
    queryAccessToken: 'legacy',
    clock,
    random: systemRandom(),
    log: memoryLog(logged),
    bounds: HTTP_BOUNDS,
    observe: (entry) => void done.push(entry),
    ...deps,
  })
  const address = await server.listen({
    port: 0,
    bind: '127.0.0.1',
    resources: ['client'],
    xForwarded: false,
    tls: null,
    ...listener,
  })
  return { server, address, clock, logged, done, limited }
}

function memoryLog(lines: LoggedLine[]): Log {
  const at = (level: string) => (fields: LogFields, message: string) =>
    void lines.push({ level, fields, message })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Bytes on a socket: for what no HTTP client would send. */
export interface RawConnection {
  write(bytes: string | Buffer): void
  /** Everything received so far. */
  readonly text: string
  readonly closed: boolean
  end(): void
  destroy(): void
}

export async function connectRaw({ port }: ListenAddress, tls = false): Promise<RawConnection> {
  const socket = tls
    ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
    : connect(port, '127.0.0.1')
  const connection = { text: '', closed: false }
  socket.on('data', (chunk: Buffer) => (connection.text += chunk.toString('latin1')))
  socket.on('close', () => (connection.closed = true))
  socket.on('error', () => {})
  await new Promise<void>((resolve) => socket.once(tls ? 'secureConnect' : 'connect', () => resolve()))
  return {
    write: (bytes) => void socket.write(bytes),
    get text() {
      return connection.text
    },
    get closed() {
      return connection.closed
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  }
}
