import { expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { attachTo, type MatrixEventLike } from './attach.ts'
import type { PresenceClient } from './client.ts'
import { IdleTimer } from './idle-timer.ts'
import { FakeServer, OWN_ID } from './support/fake-server.ts'
import { ADSUM } from './support/story.ts'
import './lists.ts'

const BOB = '@bob:hs'

/** As much of a matrix-js-sdk client as is used, over the same scripted server. */
class FakeMatrixClient {
  readonly syncPresence: string[] = []
  state: string | null = null
  readonly users = new Map<
    string,
    { readonly userId: string; lastPresenceTs: number; events: { presence?: MatrixEventLike } }
  >()
  readonly listeners = new Map<string, Set<(...args: never[]) => void>>()
  readonly http: { authedRequest(...args: [string, string, object, unknown, object]): Promise<unknown> }

  constructor(server: FakeServer) {
    this.http = {
      authedRequest: async (method, path, query, body) => {
        const params = new URLSearchParams(query as Record<string, string>)
        const init = { method, body: body === undefined ? null : JSON.stringify(body) }
        const response = await server.fetch(`https://hs${path}?${params}`, init)
        const data = (await response.json()) as { errcode?: string }
        if (response.ok) return data
        throw Object.assign(new Error('sdk'), { httpStatus: response.status, errcode: data.errcode, data })
      },
    }
  }

  getUserId(): string {
    return OWN_ID
  }

  getUsers(): { readonly userId: string; lastPresenceTs: number; events: { presence?: MatrixEventLike } }[] {
    return [...this.users.values()]
  }

  getSyncState(): string | null {
    return this.state
  }

  setSyncPresence(value: string): void {
    this.syncPresence.push(value)
  }

  on(event: string, listener: (...args: never[]) => void): void {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(listener))
  }

  off(event: string, listener: (...args: never[]) => void): void {
    this.listeners.get(event)?.delete(listener)
  }

  async emits(event: string, arg: unknown): Promise<void> {
    if (event === 'sync') this.state = arg as string
    for (const listener of this.listeners.get(event) ?? []) listener(arg as never)
    await settle()
  }

  /** As matrix-js-sdk does it: the user first, then the event. */
  async hears(userId: string, content: object, ts: number): Promise<void> {
    const event = presenceOf(userId, content)
    this.users.set(userId, { userId, lastPresenceTs: ts, events: { presence: event } })
    await this.emits('event', event)
  }
}

function presenceOf(userId: string, content: object): MatrixEventLike {
  return {
    getType: () => 'm.presence',
    getSender: () => userId,
    getContent: () => ({ presence: 'online', ...content }),
  }
}

interface Story {
  readonly clock: ManualClock
  readonly server: FakeServer
  readonly sdk: FakeMatrixClient
  readonly client: PresenceClient
  readonly idle: IdleTimer
}

function attaches(flags: Record<string, boolean> = {}): Story {
  const clock = new ManualClock()
  const server = new FakeServer(clock)
  server.flags = flags
  const sdk = new FakeMatrixClient(server)
  const idle = new IdleTimer({ clock, channel: null, locks: null })
  const client = attachTo(sdk, { clock, idle, storage: null, channel: () => null, random: () => 0.5 })
  return { clock, server, sdk, client, idle }
}

async function working(flags: Record<string, boolean> = {}): Promise<Story> {
  const story = attaches(flags)
  story.client.start()
  await story.sdk.emits('sync', 'PREPARED')
  return story
}

test('what matrix-js-sdk knew before is there, with ages as of its arrival, and no sync is made', async () => {
  const { client, sdk, clock, server } = attaches()
  await sdk.hears(BOB, { status_msg: 'hi', last_active_ago: 1_000 }, clock.now())
  sdk.users.set('@silent:hs', { userId: '@silent:hs', lastPresenceTs: 0, events: {} })
  await clock.advance(60_000)
  sdk.state = 'SYNCING'
  client.start()
  await settle()
  expect(client.connection()).toBe('connected')
  expect(client.get(BOB)).toMatchObject({
    presence: 'online',
    statusMsg: 'hi',
    lastActiveTs: clock.now() - 61_000,
  })
  expect(client.roster().map(({ userId }) => userId)).toEqual([BOB])
  expect(server.syncs).toEqual([])
  client.stop()
})

test('what it hears is heard; other events are not presence', async () => {
  const { client, sdk, clock } = await working()
  await sdk.hears(BOB, { presence: 'unavailable', currently_active: false }, clock.now())
  expect(client.get(BOB).presence).toBe('unavailable')
  await sdk.emits('event', {
    getType: () => 'm.room.message',
    getSender: () => BOB,
    getContent: () => ({ presence: 'online' }),
  })
  await sdk.emits('event', presenceOf('nonsense', {}))
  expect(client.roster().map(({ presence }) => presence)).toEqual(['unavailable'])
  client.stop()
})

test('what it hears before its first sync is through waits for that', async () => {
  const { client, sdk, clock } = attaches()
  client.start()
  await sdk.hears(BOB, {}, clock.now())
  expect([client.connection(), client.roster()]).toEqual(['connecting', []])
  await sdk.emits('sync', 'PREPARED')
  expect([client.connection(), client.get(BOB).presence]).toEqual(['connected', 'online'])
  client.stop()
})

test('being idle and coming back is what its next polls say', async () => {
  const { client, sdk, clock, idle, server } = await working()
  expect(new Set(sdk.syncPresence)).toEqual(new Set(['online']))
  await clock.advance(3 * 60_000)
  expect(sdk.syncPresence.at(-1)).toBe('unavailable')
  // matrix-js-sdk forgets it when it is started again.
  await sdk.emits('sync', 'SYNCING')
  expect(sdk.syncPresence.at(-1)).toBe('unavailable')
  await clock.advance(5_000)
  idle.activity()
  expect([sdk.syncPresence.at(-1), server.puts]).toEqual(['online', []])
  client.stop()
})

test('setPresence writes through it, and its refusals are RequestErrors', async () => {
  const { client, server, clock } = await working(ADSUM)
  await client.setPresence({ state: 'busy', statusMsg: 'call' })
  expect(server.puts.map(({ path, body }) => [path, body])).toEqual([
    [
      '/_matrix/client/v3/presence/%40me%3Ahs/status',
      { presence: 'org.matrix.msc3026.busy', status_msg: 'call' },
    ],
  ])
  await clock.advance(5_000)
  server.next(/^PUT/, { status: 429, body: { errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 20_000 } })
  const limited = client.setPresence({ state: 'online' })
  await settle()
  await clock.advance(21_000)
  await limited
  expect(server.puts).toHaveLength(3)
  server.next(/bob/, { status: 403, body: { errcode: 'M_FORBIDDEN', error: 'No.' } })
  await expect(client.fetchPresence(BOB)).rejects.toMatchObject({
    name: 'RequestError',
    status: 403,
    message: 'No.',
  })
  server.next(/bob/, 'network')
  await expect(client.fetchPresence(BOB)).rejects.toMatchObject({ name: 'RequestError', status: 0 })
  client.stop()
})

test('a sync that fails for long makes everybody unknown; when it works again all is told anew', async () => {
  const { client, sdk, clock } = await working()
  await sdk.hears(BOB, {}, clock.now())
  await sdk.emits('sync', 'RECONNECTING')
  await clock.advance(9_999)
  expect(client.get(BOB).presence).toBe('online')
  await clock.advance(1)
  expect([client.connection(), client.get(BOB).presence]).toEqual(['lost', 'unknown'])
  await sdk.emits('sync', 'SYNCING')
  expect([client.connection(), client.get(BOB).presence]).toEqual(['connected', 'online'])
  await sdk.emits('sync', 'ERROR')
  await sdk.emits('sync', 'SYNCING')
  await clock.advance(60_000)
  expect(client.connection()).toBe('connected')
  await sdk.emits('sync', 'STOPPED')
  expect(client.connection()).toBe('lost')
  client.stop()
})

test('a server that cannot be asked what it offers is asked again with the next sync', async () => {
  const { client, sdk, server } = attaches(ADSUM)
  server.next(/versions$/, 'network')
  client.start()
  await sdk.emits('sync', 'PREPARED')
  expect([client.connection(), client.features().lists]).toEqual(['connecting', false])
  await sdk.emits('sync', 'SYNCING')
  expect([client.connection(), client.features().lists]).toEqual(['connected', true])
  client.stop()
})

test('invites, which it does not pass on, are looked up after a change and at most twice a minute', async () => {
  const { client, sdk, server, clock } = await working(ADSUM)
  const readings = (): number => server.requests(/\/invites$/).length
  expect(readings()).toBe(1)
  for (let second = 0; second < 120; second += 1) {
    await clock.advance(1_000)
    await sdk.emits('sync', 'SYNCING')
  }
  expect(readings()).toBe(5)
  server.always(/\/invites$/, { body: { outgoing: [{ user_id: BOB, ts: 1 }] } })
  await client.invite(BOB)
  await settle()
  expect(client.lists().outgoing).toEqual([{ userId: BOB, ts: 1 }])
  expect(readings()).toBe(6)
  client.stop()
})

test('stop lets go of it', async () => {
  const { client, sdk, clock } = await working()
  client.stop()
  expect([...sdk.listeners.values()].map(({ size }) => size)).toEqual([0, 0])
  await sdk.hears(BOB, {}, clock.now())
  expect(client.get(BOB).presence).toBe('unknown')
})

test('a client that nobody is logged in with cannot be attached to', () => {
  const sdk = new FakeMatrixClient(new FakeServer(new ManualClock()))
  expect(() => attachTo(Object.assign(sdk, { getUserId: () => null }))).toThrow('no user')
})
