import type { ServerResponse } from 'node:http'
import { systemRandom } from '../../src/base/random.ts'
import { canonicalJson } from '../../src/matrix/canonical-json.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import { signBytes, SigningKey, signJson } from '../../src/matrix/signing.ts'
import type { Authority, Certificate } from './certificate.ts'
import type { WireEdu } from './faulty-link.ts'
import { listenTls, objectIn, TlsCaller, type Answered, type Received, type TlsHost } from './tls-host.ts'

const DAY = 86_400_000
export const KEY_PATH = '/_matrix/key/v2/server'
const SEND = /^\/_matrix\/federation\/v1\/send\/([^/?]+)\/?$/

export interface HostileDeps {
  readonly name: string
  readonly authority: Authority
  /** Instead of a good one of the authority. */
  readonly certificate?: Certificate
  readonly now: () => number
}

/** The server that is spoken to. */
export interface Target {
  readonly name: string
  readonly federationPort: number | null
}

export interface Peculiar {
  /** What the signature covers, where it is not what is sent. */
  readonly signed?: {
    readonly origin?: string
    readonly destination?: string
    readonly content?: unknown
    readonly uri?: string
    readonly method?: string
  }
  readonly key?: SigningKey
  /** Makes the header from its right parts; null for none. */
  readonly header?: ((parts: HeaderParts) => string) | null
  /** The body as sent. */
  readonly rawBody?: string
}

export interface HeaderParts {
  readonly origin: string
  readonly destination: string
  readonly key: string
  readonly sig: string
}

export interface HostileReply {
  readonly status: number
  readonly body: JsonObject
  readonly text: string
  readonly headers: Readonly<Record<string, string>>
}

export interface HeardTransaction {
  readonly txnId: string
  readonly origin: string
  readonly body: JsonObject
  readonly edus: readonly WireEdu[]
  /** On its own clock. */
  readonly ts: number
}

export function newKey(version = 'k1'): SigningKey {
  return new SigningKey({ version, seed: systemRandom().bytes(32) })
}

/** A peer that can sign and is no Adsum: it says what the test wants, and behaves as badly. */
export class HostileServer {
  readonly name: string
  /** What it signs with, unless told otherwise. */
  key = newKey()
  /** Every request that it got. */
  readonly heard: Received[] = []
  /** How it answers `GET /_matrix/key/v2/server`; null cuts the line. */
  publishes: () => Promise<Answered | null> = () => Promise.resolve(json(this.keyObject()))
  /** How it answers everything else. */
  answers: (received: Received, response: ServerResponse) => Promise<Answered | null> = (received) =>
    Promise.resolve(SEND.test(received.uri) ? json({ pdus: {} }) : json(UNRECOGNIZED, 404))
  readonly #deps: HostileDeps
  readonly #caller: TlsCaller
  readonly #held = new Set<() => void>()
  readonly #times = new Map<Received, number>()
  #host: TlsHost | null = null
  #open = 0
  #txn = 0

  constructor(deps: HostileDeps) {
    this.#deps = deps
    this.name = deps.name
    this.#caller = new TlsCaller(deps.authority)
  }

  async listens(): Promise<void> {
    const { authority, certificate = authority.issue([this.name]) } = this.#deps
    this.#host = await listenTls(certificate, (received, response) => this.#hears(received, response))
  }

  get port(): number {
    return this.#running.port
  }

  get connections(): number {
    return this.#running.connections
  }

  get isBusy(): boolean {
    return this.#open > this.#held.size
  }

  /** Is a connection being made? */
  get isGreeting(): boolean {
    return this.#running.greeting > 0
  }

  get held(): number {
    return this.#held.size
  }

  /** Waits until `release`, as far as its clients wait. */
  holds(): Promise<void> {
    return new Promise((goesOn) => void this.#held.add(goesOn))
  }

  release(): void {
    for (const goesOn of this.#held) goesOn()
    this.#held.clear()
  }

  /** What was asked of it at one path. */
  asked(path: string): Received[] {
    return this.heard.filter(
      ({ uri }) => uri === path || uri.startsWith(`${path}?`) || uri.startsWith(`${path}/`),
    )
  }

  /** The transactions it was sent. */
  get transactions(): HeardTransaction[] {
    return this.heard.flatMap((received) => {
      const txnId = received.method === 'PUT' ? SEND.exec(received.uri)?.[1] : undefined
      if (txnId === undefined) return []
      const body = objectIn(received.body) as JsonObject & { edus?: WireEdu[]; origin?: string }
      const { edus = [], origin = '' } = body
      return [{ txnId, origin, body, edus, ts: this.#times.get(received) ?? 0 }]
    })
  }

  edus(type?: string): WireEdu[] {
    return this.transactions.flatMap(({ edus }) =>
      edus.filter(({ edu_type }) => type === undefined || edu_type === type),
    )
  }

  /** The pushes it was sent, the oldest first; of one user if named. */
  pushes(userId?: string): JsonObject[] {
    return this.edus('m.presence')
      .flatMap(({ content }) => (content['push'] ?? []) as JsonObject[])
      .filter((push) => userId === undefined || push['user_id'] === userId)
  }

  /** An honest key object, or with parts of it replaced before it is signed. */
  keyObject(parts: JsonObject = {}, signer: SigningKey = this.key): JsonObject {
    const object = {
      server_name: this.name,
      verify_keys: { [this.key.keyId]: { key: this.key.publicKey } },
      old_verify_keys: {},
      valid_until_ts: this.#deps.now() + 7 * DAY,
      ...parts,
    }
    return signJson(object, this.name, signer)
  }

  /** One transaction with these EDUs. */
  says(
    to: Target,
    edus: readonly unknown[],
    {
      txnId = this.newTxnId(),
      pdus = [],
      ...peculiar
    }: Peculiar & { readonly txnId?: string; readonly pdus?: readonly unknown[] } = {},
  ): Promise<HostileReply> {
    return this.transacts(
      to,
      txnId,
      { origin: this.name, origin_server_ts: this.#deps.now(), pdus, edus },
      peculiar,
    )
  }

  transacts(to: Target, txnId: string, content: unknown, peculiar: Peculiar = {}): Promise<HostileReply> {
    return this.requests(to, 'PUT', `/_matrix/federation/v1/send/${txnId}`, content, peculiar)
  }

  pushesTo(to: Target, ...push: readonly JsonObject[]): Promise<HostileReply> {
    return this.says(to, [{ edu_type: 'm.presence', content: { push } }])
  }

  async requests(
    to: Target,
    method: string,
    uri: string,
    content?: unknown,
    peculiar: Peculiar = {},
  ): Promise<HostileReply> {
    const body = peculiar.rawBody ?? (content === undefined ? '' : JSON.stringify(content))
    const authorization = this.#authorization(to, { method, uri, content }, peculiar)
    const headers = {
      host: to.name,
      ...(body !== '' && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(body)),
      }),
      ...(authorization !== null && { authorization }),
    }
    const answered = await this.#caller.send(
      { method, uri, headers, body },
      { name: to.name, port: to.federationPort ?? 0 },
    )
    if (answered === null) throw new Error(`${method} ${uri}: the line broke`)
    const bytes = Buffer.from(answered.body)
    return { ...answered, text: bytes.toString(), body: objectIn(bytes) as JsonObject }
  }

  newTxnId(): string {
    return `t${(this.#txn += 1)}`
  }

  async close(): Promise<void> {
    this.release()
    this.#caller.close()
    await this.#running.close()
  }

  get #running(): TlsHost {
    if (this.#host === null) throw new Error('the peer does not listen')
    return this.#host
  }

  #authorization(
    to: Target,
    request: { readonly method: string; readonly uri: string; readonly content: unknown },
    { signed = {}, key = this.key, header = xMatrix }: Peculiar,
  ): string | null {
    if (header === null) return null
    const { content, ...rest } = { ...request, origin: this.name, destination: to.name, ...signed }
    const object = { ...rest, ...(content !== undefined && { content }) } as JsonObject
    const sig = signBytes(Buffer.from(canonicalJson(object)), key)
    return header({ origin: this.name, destination: to.name, key: key.keyId, sig })
  }

  async #hears(received: Received, response: ServerResponse): Promise<Answered | null> {
    this.heard.push(received)
    this.#times.set(received, this.#deps.now())
    this.#open += 1
    try {
      const isKey = received.uri === KEY_PATH || received.uri.startsWith(`${KEY_PATH}/`)
      return await (isKey ? this.publishes() : this.answers(received, response))
    } finally {
      this.#open -= 1
    }
  }
}

const UNRECOGNIZED: JsonObject = { errcode: 'M_UNRECOGNIZED', error: 'Unrecognized request' }

export function json(
  body: JsonObject,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Answered {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) }
}

export function xMatrix({ origin, destination, key, sig }: HeaderParts): string {
  return `X-Matrix origin="${origin}",destination="${destination}",key="${key}",sig="${sig}"`
}
