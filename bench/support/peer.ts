import { randomBytes } from 'node:crypto'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { ServerName } from '../../src/matrix/ids.ts'
import { signJson, SigningKey } from '../../src/matrix/signing.ts'
import { signRequest } from '../../src/matrix/x-matrix.ts'
import { certificateAuthority, type Authority } from '../../test/support/certificate.ts'
import { listenTls, type Answered, type Received, type TlsHost } from '../../test/support/tls-host.ts'
import { SERVER_NAME } from './population.ts'

export const PEER_NAME = 'peer.example' as ServerName

const DAY_MS = 86_400_000
/** An answer that never comes must not hang the bench. */
const PUSHES_MAX_MS = 60_000

/** A transaction as it goes over the wire, and what was signed. */
export interface SignedTransaction {
  readonly uri: string
  readonly body: string
  readonly authorization: string
}

/** Another homeserver, in this process: it publishes a key, signs what it says, acknowledges everything and counts it. */
export class Peer {
  readonly key = new SigningKey({ version: 'bench', seed: randomBytes(32) })
  /** PEM: what the server must trust to believe it. */
  readonly authority: string
  /** Pushes that it was told. */
  pushes = 0
  /** The transactions that it was told them in; whoever measures takes them out. */
  readonly bodies: string[] = []
  readonly #host: TlsHost
  #awaited: { readonly pushes: number; readonly resolve: () => void } | null = null
  #signed = 0

  static async start(): Promise<Peer> {
    const authority = certificateAuthority()
    let peer: Peer | null = null
    const host = await listenTls(authority.issue([PEER_NAME]), (received) =>
      Promise.resolve(peer === null ? null : peer.#answer(received)),
    )
    return (peer = new Peer(authority, host))
  }

  private constructor({ cert }: Authority, host: TlsHost) {
    this.authority = cert
    this.#host = host
  }

  get port(): number {
    return this.#host.port
  }

  /** One transaction with these contents of `m.presence`. */
  sign(contents: readonly JsonObject[]): SignedTransaction {
    this.#signed += 1
    const uri = `/_matrix/federation/v1/send/t${this.#signed}`
    const edus = contents.map((content) => ({ edu_type: 'm.presence', content }))
    const content = { origin: PEER_NAME, origin_server_ts: Date.now(), pdus: [], edus }
    const destination = SERVER_NAME as ServerName
    const authorization = signRequest(
      { method: 'PUT', uri, origin: PEER_NAME, destination, content },
      this.key,
    )
    return { uri, body: JSON.stringify(content), authorization }
  }

  /** Resolves when it was told as many more than `before`. */
  async told(before: number, pushes: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#awaited = { pushes: before + pushes, resolve }
    this.#check()
    const timer = setTimeout(
      () => reject(new Error(`the peer was told ${this.pushes - before} of ${pushes}`)),
      PUSHES_MAX_MS,
    )
    try {
      await promise
    } finally {
      clearTimeout(timer)
    }
  }

  close(): Promise<void> {
    return this.#host.close()
  }

  #answer({ method, body }: Received): Answered {
    if (method !== 'PUT') return json(this.#keyObject())
    const text = body.toString()
    this.bodies.push(text)
    const { edus = [] } = JSON.parse(text) as { edus?: { content: { push?: unknown[] } }[] }
    for (const { content } of edus) this.pushes += content.push?.length ?? 0
    this.#check()
    return json({ pdus: {} })
  }

  #check(): void {
    if (this.#awaited !== null && this.pushes >= this.#awaited.pushes) this.#awaited.resolve()
  }

  #keyObject(): JsonObject {
    const { keyId, publicKey } = this.key
    const object = {
      server_name: PEER_NAME,
      verify_keys: { [keyId]: { key: publicKey } },
      old_verify_keys: {},
      valid_until_ts: Date.now() + DAY_MS,
    }
    return signJson(object, PEER_NAME, this.key)
  }
}

function json(body: JsonObject): Answered {
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** As the peer's HTTP client writes it. */
export function transactionRequest({ uri, body, authorization }: SignedTransaction): string {
  const lines = [
    `PUT ${uri} HTTP/1.1`,
    'host: 127.0.0.1',
    'connection: keep-alive',
    `authorization: ${authorization}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}
