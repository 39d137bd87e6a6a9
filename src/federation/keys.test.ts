import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { Background } from '../base/background.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { serverKeysBody } from '../matrix/server-keys.ts'
import { SigningKey } from '../matrix/signing.ts'
import type { Store } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { KEY_BOUNDS } from './bounds.ts'
import { createPeerKeys, type PeerKeyCache } from './keys.ts'
import type { Outcome } from './transport.ts'

const REMOTE = 'remote.example' as ServerName
const HOUR = 3_600_000
const DAY = 24 * HOUR
const MESSAGE = Buffer.from('a message')

const aKey = (version: string, seed = 1): SigningKey =>
  new SigningKey({ seed: new Uint8Array(32).fill(seed), version })

let clock: ManualClock
let store: Store
let background: Background
let asked: { server: ServerName; path: string; timeoutMs: number }[]
let answers: Map<ServerName, Outcome | Promise<Outcome>>
let keys: PeerKeyCache

beforeEach(() => {
  clock = new ManualClock()
  store = createMemoryStore()
  background = new Background()
  asked = []
  answers = new Map()
  keys = theKeys()
})

function theKeys(bounds: Partial<{ [Name in keyof typeof KEY_BOUNDS]: number }> = {}): PeerKeyCache {
  return createPeerKeys({
    store,
    transport: {
      unsignedGet: async (server, path, { timeoutMs }) => {
        asked.push({ server, path, timeoutMs })
        return (await answers.get(server)) ?? { kind: 'failed', reason: 'refused' }
      },
    },
    clock,
    background,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    bounds: { ...KEY_BOUNDS, ...bounds },
  })
}

function published(
  key: SigningKey,
  { server = REMOTE, validMs = DAY, old = [] as { keyId: string; publicKey: string }[] } = {},
): Outcome {
  const body = serverKeysBody({
    serverName: server,
    key,
    oldKeys: old.map((gone) => ({ ...gone, expiredTs: clock.now() - 1 })),
    validUntilTs: clock.now() + validMs,
  })
  return answered(200, body)
}

const answered = (status: number, body: JsonObject | null): Outcome => ({
  kind: 'answered',
  status,
  body,
  retryAfterMs: null,
})

/** Is what this key signed verified with what is known under its ID? */
async function verifies(key: SigningKey, server: ServerName = REMOTE): Promise<boolean> {
  const found = await keys.keyFor(server, key.keyId)
  return found?.verify(MESSAGE, key.sign(MESSAGE)) ?? false
}

describe('§5.2 keys of other servers', () => {
  test('are asked of the server itself, once, and kept', async () => {
    answers.set(REMOTE, published(aKey('1')))
    expect(await verifies(aKey('1'))).toBe(true)
    expect(await verifies(aKey('1'))).toBe(true)
    expect(asked).toEqual([
      { server: REMOTE, path: '/_matrix/key/v2/server', timeoutMs: KEY_BOUNDS.fetchTimeoutMs },
    ])
  })

  test('survive a restart', async () => {
    answers.set(REMOTE, published(aKey('1')))
    await verifies(aKey('1'))
    await background.idle()
    answers.clear()
    keys = theKeys()
    expect(await verifies(aKey('1'))).toBe(true)
    expect(asked).toHaveLength(1)
  })

  test.each([
    ['as long as the server says', HOUR, HOUR],
    ['but not longer than seven days', 30 * DAY, 7 * DAY],
  ])('are believed %s, also by a server that is started anew', async (_how, validMs, believedMs) => {
    answers.set(REMOTE, published(aKey('1'), { validMs }))
    await verifies(aKey('1'))
    await background.idle()
    answers.clear()
    await clock.advance(believedMs)
    expect(await verifies(aKey('1'))).toBe(true)
    await clock.advance(1)
    expect(await verifies(aKey('1'))).toBe(false)
    keys = theKeys()
    expect(await verifies(aKey('1'))).toBe(false)
  })

  test('are asked for again when they are out of date', async () => {
    answers.set(REMOTE, published(aKey('1'), { validMs: HOUR }))
    await verifies(aKey('1'))
    await clock.advance(HOUR + 1)
    answers.set(REMOTE, published(aKey('1')))
    expect(await verifies(aKey('1'))).toBe(true)
  })

  test('that a server used before do not count, nor those that it leaves out', async () => {
    answers.set(REMOTE, published(aKey('1')))
    await verifies(aKey('1'))
    await clock.advance(HOUR)
    answers.set(REMOTE, published(aKey('2', 2), { old: [aKey('0', 3)] }))
    expect(await verifies(aKey('2', 2))).toBe(true)
    await background.idle()
    for (const again of [false, true]) {
      if (again) keys = theKeys()
      expect(await verifies(aKey('1'))).toBe(false)
      expect(await verifies(aKey('0', 3))).toBe(false)
      expect(await verifies(aKey('2', 2))).toBe(true)
    }
  })

  test.each<[string, () => Outcome]>([
    ['another server’s name', () => published(aKey('1'), { server: 'evil.example' as ServerName })],
    [
      'a wrong signature',
      () => {
        const outcome = published(aKey('1'))
        return outcome.kind === 'answered'
          ? answered(200, { ...outcome.body, valid_until_ts: clock.now() + 2 * DAY })
          : outcome
      },
    ],
    ['no object', () => answered(200, null)],
    ['an error', () => answered(404, {})],
    ['keys, but not with 200', () => ({ ...published(aKey('1')), status: 500 }) as Outcome],
    ['nothing', () => ({ kind: 'failed', reason: 'no answer' })],
  ])('with %s are none', async (_what, outcome) => {
    answers.set(REMOTE, outcome())
    expect(await verifies(aKey('1'))).toBe(false)
    await background.idle()
    expect(await store.serverKeys(REMOTE)).toEqual([])
  })

  test('that come with an answer out of date are not used', async () => {
    answers.set(REMOTE, published(aKey('1'), { validMs: -1 }))
    expect(await verifies(aKey('1'))).toBe(false)
  })
})

describe('nobody can make us hammer a server', () => {
  /** How often the server is asked within the time, when somebody names a key every second. */
  async function timesAsked(seconds: number, name: (i: number) => string): Promise<number> {
    const before = asked.length
    for (let i = 0; i < seconds; i += 1) {
      await keys.keyFor(REMOTE, name(i))
      await clock.advance(1_000)
    }
    return asked.length - before
  }

  test('unknown keys of a server that answers: once a minute', async () => {
    answers.set(REMOTE, published(aKey('1')))
    expect(await timesAsked(600, (i) => `ed25519:x${i}`)).toBe(10)
    expect(await verifies(aKey('1'))).toBe(true)
  })

  test('a server that does not answer: less and less often, up to every five minutes', async () => {
    expect(await timesAsked(3_600, () => 'ed25519:1')).toBe(17)
    answers.set(REMOTE, published(aKey('1')))
    await clock.advance(KEY_BOUNDS.retryMaxMs)
    expect(await verifies(aKey('1'))).toBe(true)
  })

  test('a new key is found within the minute, although others named wrong ones before', async () => {
    answers.set(REMOTE, published(aKey('1')))
    await timesAsked(61, (i) => `ed25519:x${i}`)
    answers.set(REMOTE, published(aKey('2', 2)))
    expect(await verifies(aKey('2', 2))).toBe(false)
    await clock.advance(60_000)
    expect(await verifies(aKey('2', 2))).toBe(true)
  })

  test('many requests at once share one question', async () => {
    const answer = Promise.withResolvers<Outcome>()
    answers.set(REMOTE, answer.promise)
    const results = Array.from({ length: 20 }, () => verifies(aKey('1')))
    await settle()
    answer.resolve(published(aKey('1')))
    expect(new Set(await Promise.all(results))).toEqual(new Set([true]))
    expect(asked).toHaveLength(1)
  })

  test('servers that hang hold up neither those that we know nor, once there are too many, memory', async () => {
    keys = theKeys({ strangersParallelMax: 2, knownParallelMax: 2, waitingMax: 3 })
    answers.set(REMOTE, published(aKey('1')))
    await verifies(aKey('1'))
    await clock.advance(2 * DAY)
    asked = []
    const hanging = Array.from({ length: 10 }, (_, i) => `s${i}.example` as ServerName)
    const results = hanging.map((server) => {
      answers.set(server, new Promise(() => {}))
      return keys.keyFor(server, 'ed25519:1')
    })
    await settle()
    expect(asked).toHaveLength(2)
    // Two are being asked, three wait, the others were refused at once.
    expect(await Promise.all(results.slice(5))).toEqual([null, null, null, null, null])
    answers.set(REMOTE, published(aKey('1')))
    expect(await verifies(aKey('1'))).toBe(true)
  })

  test('servers are kept in memory in bounded number', async () => {
    keys = theKeys({ serversMax: 2 })
    for (let i = 0; i < 5; i += 1) await keys.keyFor(`s${i}.example` as ServerName, 'ed25519:1')
    expect(asked).toHaveLength(5)
    await keys.keyFor('s4.example' as ServerName, 'ed25519:1')
    expect(asked).toHaveLength(5)
    await keys.keyFor('s0.example' as ServerName, 'ed25519:1')
    expect(asked).toHaveLength(6)
  })
})

describe('what is stored', () => {
  const other = 'other.example' as ServerName

  test('L-18 is of servers that are in memory: who makes up servers fills neither', async () => {
    keys = theKeys({ serversMax: 1 })
    answers.set(REMOTE, published(aKey('1')))
    answers.set(other, published(aKey('1'), { server: other }))
    await keys.keyFor(REMOTE, 'ed25519:1')
    await background.idle()
    expect(await store.serverKeys(REMOTE)).toHaveLength(1)
    await keys.keyFor(other, 'ed25519:1')
    await background.idle()
    expect(await store.serverKeys(REMOTE)).toEqual([])
    expect(await store.serverKeys(other)).toHaveLength(1)
    // Another look takes nothing away.
    await keys.keyFor(other, 'ed25519:1')
    await background.idle()
    expect(await store.serverKeys(other)).toHaveLength(1)
  })

  test('and at a start only what would still be believed stays', async () => {
    answers.set(REMOTE, published(aKey('1'), { validMs: HOUR }))
    answers.set(other, published(aKey('1'), { server: other, validMs: 3 * HOUR }))
    await keys.keyFor(REMOTE, 'ed25519:1')
    await keys.keyFor(other, 'ed25519:1')
    await background.idle()
    await clock.advance(2 * HOUR)
    keys.begin()
    await background.idle()
    expect([await store.serverKeys(REMOTE), (await store.serverKeys(other)).length]).toEqual([[], 1])
  })
})
