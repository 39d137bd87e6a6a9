import type { IncomingMessage, ServerResponse } from 'node:http'
import { Agent, createServer, request, type Server } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Authority, Certificate } from './certificate.ts'

/** A request as it came over the line. */
export interface Received {
  readonly method: string
  /** Path and query, as sent. */
  readonly uri: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** The name that the client asked for in its TLS greeting. */
  readonly sni: string | null
}

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** What a handler answers with; null cuts the connection. */
export type Handler = (received: Received, response: ServerResponse) => Promise<Answered | null>

/** An HTTPS server on this machine that does as it is told. */
export interface TlsHost {
  readonly port: number
  /** Connections that are still greeting each other. */
  readonly greeting: number
  /** Connections that came so far. */
  readonly connections: number
  /** Ends every connection, now. */
  cut(): void
  close(): Promise<void>
}

export async function listenTls(certificate: Certificate, handle: Handler): Promise<TlsHost> {
  const server = createServer(certificate)
  const sockets = new Set<Socket>()
  const greeting = new Set<string>()
  let connections = 0
  server.on('connection', (socket: Socket) => {
    const line = `${socket.remotePort}`
    connections += 1
    greeting.add(line)
    sockets.add(socket)
    socket.once('close', () => void [sockets.delete(socket), greeting.delete(line)])
  })
  server.on('secureConnection', (socket: TLSSocket) => void greeting.delete(`${socket.remotePort}`))
  server.on('tlsClientError', () => {})
  server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
    void answer(incoming, response, handle)
  })
  // Real time must not end what a manual clock holds.
  server.requestTimeout = 0
  server.keepAliveTimeout = 0
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return hostOf(server, sockets, { greeting: () => greeting.size, connections: () => connections })
}

function hostOf(
  server: Server,
  sockets: ReadonlySet<Socket>,
  counts: { readonly greeting: () => number; readonly connections: () => number },
): TlsHost {
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    get greeting() {
      return counts.greeting()
    },
    get connections() {
      return counts.connections()
    },
    cut,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed())
        cut()
      }),
  }
}

async function answer(incoming: IncomingMessage, response: ServerResponse, handle: Handler): Promise<void> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
  } catch {
    return
  }
  const socket = incoming.socket as TLSSocket & { servername?: string | false }
  const { method = '', url = '', headers } = incoming
  const sni = typeof socket.servername === 'string' ? socket.servername : null
  const received = { method, uri: url, headers, body: Buffer.concat(chunks), sni }
  const answered = await handle(received, response)
  if (answered === null) socket.destroy()
  else if (!response.writableEnded && !socket.destroyed) {
    response.writeHead(answered.status, {
      'content-length': Buffer.byteLength(answered.body),
      ...answered.headers,
    })
    response.end(answered.body)
  }
}

export interface Sent {
  readonly method: string
  readonly uri: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer | string
}

/** Speaks HTTPS to a port of this machine under a server's name, as found at any address. */
export class TlsCaller {
  readonly #authority: Authority
  readonly #agent: Agent

  constructor(authority: Authority) {
    this.#authority = authority
    this.#agent = new Agent({ keepAlive: true })
  }

  /** Null if the line broke before there was a whole answer. */
  send(
    { method, uri, headers, body }: Sent,
    to: { readonly name: string; readonly port: number },
  ): Promise<Answered | null> {
    return new Promise((resolve) => {
      const options = {
        host: '127.0.0.1',
        port: to.port,
        servername: to.name,
        ca: this.#authority.cert,
        agent: this.#agent,
        method,
        path: uri,
        headers,
      }
      const sending = request(options, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', () => resolve(null))
        response.on('end', () => {
          const { 'transfer-encoding': _, connection: __, ...kept } = response.headers
          const status = response.statusCode ?? 0
          resolve({ status, headers: kept as Record<string, string>, body: Buffer.concat(chunks) })
        })
      })
      sending.on('error', () => resolve(null))
      sending.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}

/** The object in a body, `{}` if there is none. */
export function objectIn(body: Buffer): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(body.toString())
    return typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
