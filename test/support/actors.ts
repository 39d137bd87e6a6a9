import { expect } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'

export interface Reply {
  readonly status: number
  readonly body: JsonObject
  readonly headers: Headers
  /** The body as sent, for answers that are not JSON objects. */
  readonly text: string
}

export interface RequestOptions {
  readonly token?: string
  readonly body?: unknown
  /** Sent as it is instead of `body`. */
  readonly rawBody?: string | Uint8Array
  readonly query?: Readonly<Record<string, string | number | boolean>>
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export type Request = (method: string, path: string, options?: RequestOptions) => Promise<Reply>

export interface Session {
  readonly userId: string
  readonly deviceId: string
  readonly token: string
}

export interface PresenceEvent {
  readonly type: string
  readonly sender: string
  readonly content: {
    readonly presence: string
    readonly last_active_ago?: number
    readonly currently_active?: boolean
    readonly status_msg?: string
    readonly displayname?: string
    readonly avatar_url?: string
  }
}

export type SyncParams = Readonly<Record<string, string | number | boolean>>

/** A person at one device: does what clients do, over HTTP, and remembers its sync token. */
export class Actor {
  readonly name: string
  readonly userId: string
  readonly deviceId: string
  readonly token: string
  readonly password: string
  /** `next_batch` of the latest sync, or null before the first. */
  since: string | null = null
  /** Latest presence event seen of each user. */
  readonly seen = new Map<string, PresenceEvent['content']>()
  readonly #request: Request

  constructor(name: string, password: string, session: Session, request: Request) {
    this.name = name
    this.password = password
    this.userId = session.userId
    this.deviceId = session.deviceId
    this.token = session.token
    this.#request = request
  }

  /** A request as this user; the path is below `/_matrix/client` unless it begins with `/_`. */
  request(method: string, path: string, options: RequestOptions = {}): Promise<Reply> {
    const full = path.startsWith('/_') ? path : `/_matrix/client${path}`
    return this.#request(method, full, { token: this.token, ...options })
  }

  /** The same, expecting 200. */
  async ok(method: string, path: string, options: RequestOptions = {}): Promise<JsonObject> {
    const reply = await this.request(method, path, options)
    expect(reply.status, `${method} ${path}: ${reply.text}`).toBe(200)
    return reply.body
  }

  async sets(presence: string, statusMsg?: string | null, surface = 'v3'): Promise<void> {
    const body = statusMsg === undefined ? { presence } : { presence, status_msg: statusMsg }
    await this.ok('PUT', `/${surface}/presence/${encodeURIComponent(this.userId)}/status`, { body })
  }

  status(of: Actor | string = this, surface = 'v3'): Promise<Reply> {
    const userId = typeof of === 'string' ? of : of.userId
    return this.request('GET', `/${surface}/presence/${encodeURIComponent(userId)}/status`)
  }

  /** One sync from where the last one ended; `timeout` 0 unless said. Remembers the token and what was seen. */
  async syncs(params: SyncParams = {}, surface = 'v3'): Promise<JsonObject> {
    const body = await this.ok('GET', `/${surface}/sync`, { query: this.#syncQuery(params) })
    this.#remember(body)
    return body
  }

  /** Starts a long poll and gives its reply later; `abort()` drops the connection. */
  polls(params: SyncParams = {}): { reply: Promise<Reply>; body: Promise<JsonObject>; abort: () => void } {
    const controller = new AbortController()
    const query = this.#syncQuery({ timeout: 30_000, ...params })
    const reply = this.request('GET', '/v3/sync', { query, signal: controller.signal })
    const body = reply.then((done) => {
      expect(done.status, done.text).toBe(200)
      this.#remember(done.body)
      return done.body
    })
    // Whoever aborts, or only looks at the reply, does not wait for the body.
    body.catch(() => undefined)
    reply.catch(() => undefined)
    return { reply, body, abort: () => controller.abort() }
  }

  /** Syncs and expects what was last heard of the other to be in this state. */
  async sees(other: Actor, presence: string): Promise<PresenceEvent['content']> {
    await this.syncs({ set_presence: 'offline' })
    const content = this.seen.get(other.userId)
    expect(content?.presence, `${this.name} sees ${other.name}`).toBe(presence)
    return content as PresenceEvent['content']
  }

  async creates(options: JsonObject = {}): Promise<string> {
    const body = await this.ok('POST', '/v3/createRoom', { body: options })
    return body['room_id'] as string
  }

  async joins(roomIdOrAlias: string): Promise<void> {
    await this.ok('POST', `/v3/join/${encodeURIComponent(roomIdOrAlias)}`, { body: {} })
  }

  async leaves(roomId: string): Promise<void> {
    await this.ok('POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`, { body: {} })
  }

  async invites(roomId: string, other: Actor): Promise<void> {
    await this.ok('POST', `/v3/rooms/${encodeURIComponent(roomId)}/invite`, {
      body: { user_id: other.userId },
    })
  }

  /** Sends a text message and gives its event ID. */
  async says(roomId: string, text: string, txnId: string = `t${(this.#txn += 1)}`): Promise<string> {
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${txnId}`
    const body = await this.ok('PUT', path, { body: { msgtype: 'm.text', body: text } })
    return body['event_id'] as string
  }

  /** Ends the account. */
  async deactivates(): Promise<void> {
    const auth = { type: 'm.login.password', user: this.userId, password: this.password }
    await this.ok('POST', '/v3/account/deactivate', { body: { auth } })
  }

  async names(displayname: string): Promise<void> {
    await this.ok('PUT', `/v3/profile/${encodeURIComponent(this.userId)}/displayname`, {
      body: { displayname },
    })
  }

  #txn = 0

  #syncQuery(params: SyncParams): Record<string, string | number | boolean> {
    return { ...(this.since === null ? {} : { since: this.since }), ...params }
  }

  #remember(body: JsonObject): void {
    this.since = body['next_batch'] as string
    for (const event of presenceOf(body)) this.seen.set(event.sender, event.content)
  }
}

/** The presence events of a sync answer. */
export function presenceOf(body: JsonObject): PresenceEvent[] {
  const presence = body['presence'] as unknown as { events: PresenceEvent[] } | undefined
  return presence?.events ?? []
}

/** A joined room's part of a sync answer, or undefined. */
export function joinedRoom(body: JsonObject, roomId: string): JsonObject | undefined {
  const rooms = body['rooms'] as { join?: Record<string, JsonObject> } | undefined
  return rooms?.join?.[roomId]
}

/** The events of a section such as `timeline`. */
export function eventsOf(room: JsonObject | undefined, section: string): JsonObject[] {
  const part = room?.[section] as { events?: JsonObject[] } | undefined
  return part?.events ?? []
}
