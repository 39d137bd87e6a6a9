import { expect } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Poller, Story } from './story.ts'

const API = '/_matrix/client/api/v1'
const POLL_MS = 30_000

/** A presence event as the client of 2015 knows it. */
interface PresenceContent {
  readonly user_id: string
  readonly presence: string
  readonly last_active_ago?: number
  readonly status_msg?: string
  readonly displayname?: string
}

interface RoomOf2015 {
  membership: string
  /** Texts of messages, oldest first: `bob: hello`. */
  readonly messages: string[]
  typing: string[]
  /** Who has read up to which event. */
  readonly readBy: Map<string, string>
}

/**
 * A client that knows nothing newer than the API of October 2015: it logs in with `user` and `password`, sends its token in
 * the query, begins with `/initialSync`, follows `/events`, and believes what it is told. It fails when it is told something
 * twice, or something that it cannot read.
 */
export class ClientOf2015 implements Poller {
  readonly name: string
  readonly password: string
  userId = ''
  isOpen = false
  failure: Error | null = null
  readonly rooms = new Map<string, RoomOf2015>()
  readonly presence = new Map<string, PresenceContent>()
  /** What `/initialSync` and `/events` said of presence lists, oldest first: `incoming pending @bob:home.example`. */
  readonly consent: string[] = []
  readonly #story: Story
  /** Events that it shows, by ID. */
  readonly #shown = new Set<string>()
  /** Events that `/initialSync` and `/events` told it of, by ID. */
  readonly #told = new Set<string>()
  readonly #heard: PresenceContent[] = []
  #token = ''
  #from = ''
  #txn = 0
  #run = 0
  #abort: () => void = () => {}

  constructor(story: Story, { name, password }: { readonly name: string; readonly password: string }) {
    this.#story = story
    this.name = name
    this.password = password
    story.admits(this)
  }

  async logsIn(): Promise<void> {
    const { name: user, password } = this
    const body = await this.#ok('POST', '/login', { body: { type: 'm.login.password', user, password } })
    this.#token = body['access_token'] as string
    this.userId = body['user_id'] as string
  }

  /** Begins, or begins again, and follows the stream from there. */
  async opens(): Promise<void> {
    this.closes()
    const body = await this.#ok('GET', '/initialSync', { query: { limit: 20 } })
    this.rooms.clear()
    this.#shown.clear()
    this.presence.clear()
    this.#told.clear()
    for (const event of body['presence'] as JsonObject[]) {
      this.#isNews(event)
      this.#takePresence(event)
    }
    for (const room of body['rooms'] as JsonObject[]) this.#takeRoom(room, true)
    for (const event of listOf(body['dev.adsum.presence_lists'])) this.#takeConsent(event)
    this.#from = body['end'] as string
    this.isOpen = true
    void this.#follows((this.#run += 1))
  }

  closes(): void {
    this.#run += 1
    this.isOpen = false
    this.#abort()
  }

  async sets(presence: string, statusMsg?: string): Promise<void> {
    const body = { presence, ...(statusMsg !== undefined && { status_msg: statusMsg }) }
    await this.#ok('PUT', `/presence/${encodeURIComponent(this.userId)}/status`, { body })
  }

  /** What `GET status` says, in words. */
  async asks(userId: string): Promise<string> {
    const body = await this.#ok('GET', `/presence/${encodeURIComponent(userId)}/status`)
    return inWords(body as unknown as PresenceContent)
  }

  /** What it shows of a user, in words. */
  shows(userId: string): string {
    const content = this.presence.get(userId)
    return content === undefined ? 'nothing' : inWords(content)
  }

  /** What it was told of a user since the last question. */
  hears(userId: string): string[] {
    const mine = this.#heard.filter((content) => content.user_id === userId)
    const others = this.#heard.filter((content) => content.user_id !== userId)
    this.#heard.splice(0, this.#heard.length, ...others)
    return mine.map(inWords)
  }

  async says(roomId: string, text: string): Promise<string> {
    const path = `/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${(this.#txn += 1)}`
    const body = await this.#ok('PUT', path, { body: { msgtype: 'm.text', body: text } })
    return body['event_id'] as string
  }

  async types(roomId: string, typing: boolean): Promise<void> {
    const path = `/rooms/${encodeURIComponent(roomId)}/typing/${encodeURIComponent(this.userId)}`
    await this.#ok('PUT', path, { body: { typing, timeout: 20_000 } })
  }

  /** Accepts an invite and, as clients of the time did, asks for the room. */
  async joins(roomId: string): Promise<void> {
    await this.#ok('POST', `/rooms/${encodeURIComponent(roomId)}/join`, { body: {} })
    const room = await this.#ok('GET', `/rooms/${encodeURIComponent(roomId)}/initialSync`)
    this.#takeRoom(room, false)
    for (const event of room['presence'] as JsonObject[]) this.#takePresence(event)
  }

  async leaves(roomId: string): Promise<void> {
    await this.#ok('POST', `/rooms/${encodeURIComponent(roomId)}/leave`, { body: {} })
  }

  /** Changes the presence list. */
  async lists(change: {
    readonly invite?: readonly string[]
    readonly drop?: readonly string[]
  }): Promise<void> {
    await this.#ok('POST', `/presence/list/${encodeURIComponent(this.userId)}`, { body: change })
  }

  /** Who is on the list, and how they are: `online, "at sea"` by user ID. */
  async follows(): Promise<Record<string, string>> {
    const list = await this.#ok('GET', `/presence/list/${encodeURIComponent(this.userId)}`)
    const contents = (list as unknown as JsonObject[]).map(
      (entry) => entry['content'] as unknown as PresenceContent,
    )
    return Object.fromEntries(contents.map((content) => [content.user_id, inWords(content)]))
  }

  /** 2015 had no way to answer an invite: this is the one endpoint that it has to learn. */
  async answers(userId: string, answer: 'accept' | 'deny', body: JsonObject = {}): Promise<void> {
    const base = '/_matrix/client/unstable/dev.adsum.presence_lists'
    const reply = await this.#story.server.request(
      'POST',
      `${base}/invites/${encodeURIComponent(userId)}/${answer}`,
      { token: this.#token, body },
    )
    expect(reply.status, reply.text).toBe(200)
  }

  room(roomId: string): RoomOf2015 {
    const room = this.rooms.get(roomId) ?? {
      membership: 'leave',
      messages: [],
      typing: [],
      readBy: new Map<string, string>(),
    }
    this.rooms.set(roomId, room)
    return room
  }

  async #ok(
    method: string,
    path: string,
    options: { body?: unknown; query?: Record<string, string | number>; signal?: AbortSignal } = {},
  ): Promise<JsonObject> {
    const query = { ...options.query, ...(this.#token !== '' && { access_token: this.#token }) }
    const reply = await this.#story.server.request(method, `${API}${path}`, { ...options, query })
    expect(reply.status, `${method} ${path}: ${reply.text}`).toBe(200)
    return reply.body
  }

  async #follows(run: number): Promise<void> {
    while (run === this.#run) {
      try {
        await this.#looks(run)
      } catch (error) {
        if (run !== this.#run) return
        const back = this.#story.serverIsBack()
        if (back === null) this.failure = error as Error
        if (back === null) return
        await back
      }
    }
  }

  async #looks(run: number): Promise<void> {
    const controller = new AbortController()
    this.#abort = () => controller.abort()
    const query = { from: this.#from, timeout: POLL_MS }
    const body = await this.#ok('GET', '/events', { query, signal: controller.signal })
    if (run !== this.#run) return
    expect(body['start']).toBe(this.#from)
    this.#from = body['end'] as string
    for (const event of body['chunk'] as JsonObject[]) this.#take(event)
  }

  #take(event: JsonObject): void {
    switch (event['type'] as string) {
      case 'm.presence':
        this.#isNews(event)
        return this.#takePresence(event)
      case 'dev.adsum.presence_lists.invite':
        return this.#takeConsent(event)
      case 'm.typing':
      case 'm.receipt':
        return this.#takeEphemeral(event)
      default:
        // Account data has no ID, and nothing that this client shows.
        if (event['event_id'] === undefined) return
        this.#isNews(event)
        this.#takeEvent(event)
    }
  }

  /** Nothing is told twice (P-075). */
  #isNews(event: JsonObject): void {
    const id = event['event_id'] as string
    expect(this.#told.has(id), `${id} was told before`).toBe(false)
    this.#told.add(id)
  }

  #takePresence(event: JsonObject): void {
    expect(Object.keys(event).toSorted()).toEqual(['content', 'event_id', 'type'])
    const content = event['content'] as unknown as PresenceContent
    expect(content).toMatchObject({
      user_id: expect.stringMatching(/^@/) as string,
      presence: expect.any(String),
    })
    this.presence.set(content.user_id, content)
    this.#heard.push(content)
  }

  #takeConsent(event: JsonObject): void {
    expect(event).not.toHaveProperty('room_id')
    const content = event['content'] as Record<string, string>
    const other = content['direction'] === 'incoming' ? 'observer_user' : 'observed_user'
    this.consent.push(`${content['direction']} ${content['state']} ${content[other]}`)
  }

  /** Of a room that is opened by itself, the stream tells some again. */
  #takeRoom(room: JsonObject, isNews: boolean): void {
    this.room(room['room_id'] as string).membership = room['membership'] as string
    const messages = room['messages'] as { chunk: JsonObject[] } | undefined
    for (const event of messages?.chunk ?? []) {
      if (isNews) this.#isNews(event)
      this.#takeEvent(event)
    }
    for (const event of listOf(room['state'])) expect(event).toHaveProperty('user_id')
  }

  #takeEvent(event: JsonObject): void {
    expect(event).toMatchObject({
      event_id: expect.any(String) as string,
      room_id: expect.any(String) as string,
      user_id: expect.stringMatching(/^@/) as string,
      origin_server_ts: expect.any(Number) as number,
      age: expect.any(Number) as number,
    })
    if (this.#shown.has(event['event_id'] as string)) return
    this.#shown.add(event['event_id'] as string)
    const room = this.room(event['room_id'] as string)
    const content = event['content'] as JsonObject
    if (event['type'] === 'm.room.member' && event['state_key'] === this.userId)
      room.membership = content['membership'] as string
    if (event['type'] === 'm.room.message')
      room.messages.push(`${localpart(event['user_id'] as string)}: ${content['body'] as string}`)
  }

  #takeEphemeral(event: JsonObject): void {
    const room = this.room(event['room_id'] as string)
    const content = event['content'] as JsonObject
    if (event['type'] === 'm.typing') room.typing = (content['user_ids'] as string[]).map(localpart)
    else
      for (const [eventId, byType] of Object.entries(content))
        for (const userId of Object.keys((byType as JsonObject)['m.read'] as JsonObject))
          room.readBy.set(localpart(userId), eventId)
  }
}

function listOf(value: unknown): JsonObject[] {
  return (value ?? []) as JsonObject[]
}

function localpart(userId: string): string {
  return userId.slice(1, userId.indexOf(':'))
}

/** `online, "in a call", as Alice` */
function inWords(content: PresenceContent): string {
  const parts = [content.presence]
  if (content.status_msg !== undefined && content.status_msg !== null) parts.push(`"${content.status_msg}"`)
  if (content.displayname !== undefined) parts.push(`as ${content.displayname}`)
  return parts.join(', ')
}
