import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock, settle, until } from '../../test/support/manual-clock.ts'
import { must } from '../base/assert.ts'
import { decodePresenceEdu } from '../matrix/edu.ts'
import { MatrixError, refuse } from '../matrix/errors.ts'
import { parseServerName, type ServerName } from '../matrix/ids.ts'
import type { Json, JsonObject } from '../matrix/json.ts'
import { eventIdOf, type Pdu } from '../matrix/room-event.ts'
import { ROOM_VERSIONS } from '../matrix/room-version/index.ts'
import type { EduSinks } from '../ports/edus.ts'
import type { LogFields } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import { createRateLimits } from '../service/rate-limit.ts'
import { createMemoryStore } from '../store/memory.ts'
import { INBOUND_BOUNDS } from './bounds.ts'
import { createInbound, type Inbound } from './inbound.ts'

const remote = must(parseServerName('remote.example'), 'name')
const third = must(parseServerName('third.example'), 'name')
const home = must(parseServerName('home.example'), 'name')
const BOUNDS = { statusMsgBytesMax: 1_024 }

interface House {
  readonly inbound: Omit<Inbound, 'receive'> & {
    receive(origin: ServerName, txnId: string, body: JsonObject, bodyBytes?: number): Promise<JsonObject>
  }
  readonly clock: ManualClock
  /** What the sinks were told, in order. */
  readonly told: [what: string, ...Json[]][]
  readonly logged: [level: string, fields: LogFields, message: string][]
  readonly store: Store
}

function house(
  parts: Partial<Parameters<typeof createInbound>[0]> = {},
  { burst = 5_000, store = createMemoryStore() }: { burst?: number; store?: Store } = {},
): House {
  const clock = new ManualClock()
  const told: House['told'] = []
  const logged: House['logged'] = []
  const made = createInbound({
    serverName: home,
    store,
    clock,
    log: {
      debug: (fields, message) => void logged.push(['debug', fields, message]),
      error: (fields, message) => void logged.push(['error', fields, message]),
    },
    sinks: noting(told),
    limits: createRateLimits({
      clock,
      limits: { federation: { burst, perSecond: 1_000 } },
      enabled: true,
      keysMax: 100,
    }),
    observe: () => {},
    bounds: INBOUND_BOUNDS,
    ...BOUNDS,
    ...parts,
  })
  const inbound: House['inbound'] = {
    receive: (origin, txnId, body, bodyBytes = 0) => made.receive(origin, txnId, body, bodyBytes),
    begin: () => made.begin(),
    close: () => made.close(),
  }
  return { inbound, clock, told, logged, store }
}

function noting(told: House['told']): Pick<EduSinks, 'presence' | 'list'> {
  return {
    presence: (origin, edu) => void told.push(['presence', origin, edu as unknown as Json]),
    list: async (origin, edu) => {
      await settle(1)
      told.push(['list', origin, edu as unknown as Json])
    },
  }
}

function transaction(edus: Json[], more: JsonObject = {}): JsonObject {
  return { origin: 'remote.example', origin_server_ts: 1, pdus: [], edus, ...more }
}

const bob = '@bob:remote.example'
const PUSH = { edu_type: 'm.presence', content: { push: [{ user_id: bob, presence: 'online' }] } }
const INVITE = {
  edu_type: 'm.presence_invite',
  content: { observer_user: bob, observed_user: '@alice:home.example' },
}
const READ_PUSH = readPresence(PUSH.content)
const READ_INVITE = { kind: 'invite', observer: bob, observed: '@alice:home.example', ask: null }

function presence(content: JsonObject): JsonObject {
  return { edu_type: 'm.presence', content }
}

function readPresence(content: JsonObject): Json {
  const { skipped: _, ...edu } = decodePresenceEdu(content, remote, BOUNDS)
  return edu as unknown as Json
}

describe('what a transaction holds', () => {
  test('P-161 P-184 it is told in order and answered with no PDUs', async () => {
    const { inbound, told } = house()
    const poll = { poll: ['@alice:home.example'] }
    const edus = [PUSH, INVITE, { edu_type: 'm.presence', content: poll }, INVITE, PUSH]
    expect(await inbound.receive(remote, 't1', transaction(edus))).toEqual({ pdus: {} })
    expect(told).toEqual([
      ['presence', remote, READ_PUSH],
      ['list', remote, READ_INVITE],
      ['presence', remote, readPresence(poll)],
      ['list', remote, READ_INVITE],
      ['presence', remote, READ_PUSH],
    ])
  })

  test('P-181 what comes behind a list EDU waits until that is durable', async () => {
    const told: House['told'] = []
    const open: (() => void)[] = []
    const sinks = noting(told)
    const { inbound } = house({
      sinks: { ...sinks, list: () => new Promise((resolve) => open.push(resolve)) },
    })
    const answer = inbound.receive(remote, 't1', transaction([INVITE, PUSH]))
    await until(() => open.length > 0, 'the invite is under way')
    await settle()
    expect(told).toEqual([])
    must(open[0], 'invite')()
    await answer
    expect(told).toEqual([['presence', remote, READ_PUSH]])
  })

  test.each<[string, Json]>([
    ['of an unknown type', { edu_type: 'm.typing', content: {} }],
    ['without type', { content: PUSH.content }],
    ['whose type is a number', { edu_type: 5, content: {} }],
    ['that is a text', 'm.presence'],
    ['that is null', null],
    ['that is an array', [PUSH]],
    ['of more than 64 KiB', { ...PUSH, padding: 'x'.repeat(65_536) }],
    [
      'for a user of a third server',
      { ...INVITE, content: { ...INVITE.content, observer_user: '@eve:third.example' } },
    ],
    ['without content', { edu_type: 'm.presence_accept' }],
  ])('P-161 L-08 an EDU %s is skipped and logged, its neighbours are taken', async (_, edu) => {
    const { inbound, told, logged } = house()
    expect(await inbound.receive(remote, 't1', transaction([PUSH, edu, INVITE]))).toEqual({ pdus: {} })
    expect(told).toEqual([
      ['presence', remote, READ_PUSH],
      ['list', remote, READ_INVITE],
    ])
    expect(logged).toEqual([['debug', { origin: remote, reasons: expect.any(Object) }, expect.any(String)]])
    expect(Object.values(logged[0]?.[1]['reasons'] as object)).toEqual([1])
  })

  test('P-168 a user of another server in a push is left out and counted', async () => {
    const { inbound, told, logged } = house()
    const push = [{ user_id: '@eve:third.example', presence: 'online' }, ...PUSH.content.push]
    await inbound.receive(remote, 't1', transaction([{ ...PUSH, content: { push } }, 5, 5]))
    expect(told).toEqual([['presence', remote, READ_PUSH]])
    expect(logged.map(([, fields]) => fields)).toEqual([
      { origin: remote, reasons: { 'entries were no good': 1, 'it is not an EDU': 2 } },
    ])
  })

  test('an EDU of 64 KiB sharp is taken', async () => {
    const { inbound, told } = house()
    const bytes = Buffer.byteLength(JSON.stringify({ ...PUSH, padding: '' }))
    const fits = { ...PUSH, padding: 'x'.repeat(65_536 - bytes) }
    const more = { ...PUSH, padding: 'x'.repeat(65_537 - bytes) }
    await inbound.receive(remote, 't1', transaction([fits, more]))
    expect(told).toHaveLength(1)
  })

  test('P-185 origin and destination in an EDU, and the keys of 2015 beside them, mean nothing', async () => {
    const { inbound, told } = house()
    const edu = { ...PUSH, origin: 'third.example', destination: 'elsewhere.example' }
    const old = { transaction_id: 't0', ts: 1, previous_ids: ['x'], prev_ids: 5, pdu_failures: 'none' }
    expect(await inbound.receive(remote, 't1', transaction([edu], old))).toEqual({ pdus: {} })
    expect(told).toEqual([['presence', remote, READ_PUSH]])
  })

  test('each EDU is counted once, by a type that is known here and by what became of it', async () => {
    const counted: (readonly [type: string, outcome: string])[] = []
    const { inbound } = house({
      sinks: {
        presence: () => {},
        list: async (_, { kind }) => {
          if (kind === 'withdraw') throw new Error('the disk is full')
        },
      },
      observe: (event) => {
        if (event.kind === 'edu received') counted.push([event.type, event.outcome])
      },
    })
    const none = { user_id: '@bob:third.example', presence: 'online' }
    const WITHDRAW = { ...INVITE, edu_type: 'dev.adsum.presence_lists.withdraw' }
    const edus = [PUSH, presence({ push: [none] }), INVITE, WITHDRAW, { edu_type: 'm.x', content: {} }, null]
    await expect(inbound.receive(remote, 't1', transaction(edus))).rejects.toThrow('the disk is full')
    expect(counted).toEqual([
      ['m.presence', 'taken'],
      ['m.presence', 'left out'],
      ['m.presence_invite', 'taken'],
      ['dev.adsum.presence_lists.withdraw', 'failed'],
      ['other', 'left out'],
      ['other', 'left out'],
    ])
  })

  test('P-161 neither PDUs nor EDUs have to be there', async () => {
    const { inbound } = house()
    expect(await inbound.receive(remote, 't1', { origin: 'remote.example' })).toEqual({ pdus: {} })
  })

  test('P-161 every PDU is refused alone, under its own ID', async () => {
    const { inbound } = house()
    const pdu = {
      type: 'm.room.message',
      content: { body: 'hello' },
      sender: bob,
      room_id: '!r:remote.example',
    }
    const pdus = [{ ...pdu, event_id: '$old:remote.example' }, pdu, 5, null, {}, { type: 'x', content: 'y' }]
    const { pdus: outcomes } = await inbound.receive(remote, 't1', transaction([PUSH], { pdus }))
    const ids = ROOM_VERSIONS.map((version) => eventIdOf(pdu as unknown as Pdu, version))
    expect(new Set(ids).size).toBe(1)
    const error = 'This server is not in the room'
    expect(outcomes).toEqual({
      '$old:remote.example': { error },
      [must(ids[0], 'an ID')]: { error },
    })
  })
})

describe('what is refused whole', () => {
  const many = (count: number): Json[] => Array.from({ length: count }, () => PUSH)

  test.each<[string, JsonObject, string]>([
    ['101 EDUs', transaction(many(101)), 'M_BAD_JSON'],
    ['51 PDUs', transaction([PUSH], { pdus: many(51) }), 'M_BAD_JSON'],
    ['EDUs that are no list', transaction([], { edus: PUSH }), 'M_BAD_JSON'],
    ['PDUs that are no list', transaction([PUSH], { pdus: {} }), 'M_BAD_JSON'],
    ['no origin', { pdus: [], edus: [PUSH] }, 'M_BAD_JSON'],
    ['an origin that is no name', transaction([PUSH], { origin: 5 }), 'M_BAD_JSON'],
    ['the origin of another', transaction([PUSH], { origin: 'third.example' }), 'M_FORBIDDEN'],
  ])('P-160 %s, and nothing of it is processed', async (_, body, errcode) => {
    const { inbound, told, store } = house()
    await expect(inbound.receive(remote, 't1', body)).rejects.toMatchObject({ errcode })
    expect(told).toEqual([])
    expect(await store.inboundTransaction(remote, 't1')).toBeNull()
  })

  test('P-160 100 EDUs and 50 PDUs are taken', async () => {
    const { inbound, told } = house()
    await inbound.receive(remote, 't1', transaction(many(100), { pdus: many(50) }))
    expect(told).toHaveLength(100)
  })

  test.each(['', 'x'.repeat(256), '\ud800'])('a transaction called %j', async (txnId) => {
    const { inbound, told } = house()
    await expect(inbound.receive(remote, txnId, transaction([PUSH]))).rejects.toMatchObject({
      errcode: 'M_INVALID_PARAM',
    })
    expect(told).toEqual([])
  })
})

describe('repeats', () => {
  test('P-163 get the stored answer and have no effect, after a restart too', async () => {
    const { inbound, told, store } = house()
    const pdus = [{ event_id: '$a', type: 'x', content: {} }]
    const answer = await inbound.receive(remote, 't1', transaction([PUSH], { pdus }))
    expect(await inbound.receive(remote, 't1', transaction([PUSH, INVITE]))).toEqual(answer)
    expect(told).toHaveLength(1)
    const after = house({}, { store })
    expect(await after.inbound.receive(remote, 't1', transaction([PUSH]))).toEqual(answer)
    expect(after.told).toEqual([])
  })

  test('P-163 that come meanwhile share the first one', async () => {
    const { inbound, told } = house()
    const answers = await Promise.all(
      Array.from({ length: 30 }, () => inbound.receive(remote, 't1', transaction([INVITE, PUSH]))),
    )
    expect(answers).toEqual(answers.map(() => ({ pdus: {} })))
    expect(told).toHaveLength(2)
  })

  test('P-163 the same ID of another server, or another ID, is no repeat', async () => {
    const { inbound, told } = house()
    await inbound.receive(remote, 't1', transaction([INVITE]))
    await inbound.receive(remote, 't2', transaction([INVITE]))
    await inbound.receive(third, 't1', transaction([PUSH], { origin: 'third.example' }))
    expect(told.map(([what, origin]) => [what, origin])).toEqual([
      ['list', remote],
      ['list', remote],
      ['presence', third],
    ])
  })

  test('P-163 an answer is kept for a day, and then forgotten', async () => {
    const { inbound, clock, store } = house()
    inbound.begin()
    await inbound.receive(remote, 't1', transaction([PUSH]))
    await clock.advance(24 * 3_600_000)
    expect(await store.inboundTransaction(remote, 't1')).not.toBeNull()
    await clock.advance(3_600_000)
    expect(await store.inboundTransaction(remote, 't1')).toBeNull()
    await inbound.close()
    expect(clock.timers).toBe(0)
  })

  test('P-163 of one server the last hundred answers are kept, of another its own', async () => {
    const { inbound, store } = house()
    await inbound.receive(third, 't0', transaction([], { origin: 'third.example' }))
    for (let i = 0; i <= 100; i += 1) await inbound.receive(remote, `t${i}`, transaction([]))
    expect(await store.inboundTransaction(remote, 't0')).toBeNull()
    expect(await store.inboundTransaction(remote, 't1')).not.toBeNull()
    expect(await store.inboundTransaction(remote, 't100')).not.toBeNull()
    expect(await store.inboundTransaction(third, 't0')).not.toBeNull()
  })
})

describe('limits of one server', () => {
  const more = transaction([INVITE])
  const limited = (retryAfterMs: number): object => ({
    status: 429,
    extra: { retry_after_ms: retryAfterMs },
  })

  test.each<[string, JsonObject, number, number]>([
    ['nothing', transaction([]), 0, 1],
    ['entries of presence', transaction([presence({ push: [1, 2], poll: [3], unpoll: [4, 5] })]), 0, 5],
    ['other EDUs, good or not', transaction([INVITE, 5, { edu_type: 'x' }]), 0, 3],
    ['PDUs', transaction([INVITE], { pdus: [{}, 5] }), 0, 3],
    ['a body of little use', transaction([PUSH]), 6_145, 7],
  ])('a transaction of %s costs what it holds', async (_, body, bodyBytes, cost) => {
    const { inbound, clock, told } = house({}, { burst: 1 })
    await inbound.receive(remote, 't1', body, bodyBytes)
    told.length = 0
    await clock.advance(cost - 1)
    await expect(inbound.receive(remote, 't2', more)).rejects.toMatchObject(limited(1))
    expect(told).toEqual([])
    await clock.advance(1)
    await inbound.receive(remote, 't2', more)
    expect(told).toHaveLength(1)
  })

  test('every server has an allowance of its own', async () => {
    const { inbound, told } = house({}, { burst: 1 })
    await inbound.receive(remote, 't1', more)
    await inbound.receive(third, 't1', transaction([PUSH], { origin: 'third.example' }))
    expect(told).toHaveLength(2)
  })

  test('repeats, and what is refused, cost as much', async () => {
    const { inbound } = house({}, { burst: 5 })
    const two = transaction([INVITE, INVITE])
    await inbound.receive(remote, 't1', two)
    await inbound.receive(remote, 't1', two)
    await expect(inbound.receive(remote, 't2', { ...two, origin: 5 })).rejects.toMatchObject({ status: 400 })
    await expect(inbound.receive(remote, 't3', two)).rejects.toMatchObject(limited(2))
  })

  test('transactions of one server wait for each other, and not for others; too many are refused', async () => {
    const told: House['told'] = []
    const open: (() => void)[] = []
    const { inbound } = house({
      sinks: { ...noting(told), list: () => new Promise((resolve) => open.push(resolve)) },
    })
    const waiting = Array.from({ length: 11 }, (_, i) =>
      inbound.receive(remote, `t${i}`, transaction([INVITE])),
    )
    await expect(inbound.receive(remote, 't11', transaction([]))).rejects.toMatchObject({
      status: 429,
      extra: { retry_after_ms: expect.any(Number) },
    })
    await inbound.receive(third, 't1', transaction([PUSH], { origin: 'third.example' }))
    expect(told).toHaveLength(1)
    for (let i = 0; i < 11; i += 1) {
      await until(() => open.length > i, 'the next one')
      await settle()
      expect(open).toHaveLength(i + 1)
      must(open[i], 'invite')()
    }
    await Promise.all(waiting)
  })
})

describe('faults', () => {
  test('P-195 a list EDU that did not become durable fails the transaction, which may come again', async () => {
    let isBroken = true
    const told: House['told'] = []
    const sinks = noting(told)
    const { inbound, store } = house({
      sinks: {
        ...sinks,
        list: (origin, edu) => (isBroken ? Promise.reject(new Error('disk')) : sinks.list(origin, edu)),
      },
    })
    const body = transaction([INVITE, PUSH])
    await expect(inbound.receive(remote, 't1', body)).rejects.toThrow('disk')
    expect(told).toEqual([['presence', remote, READ_PUSH]])
    expect(await store.inboundTransaction(remote, 't1')).toBeNull()
    isBroken = false
    expect(await inbound.receive(remote, 't1', body)).toEqual({ pdus: {} })
    expect(told).toContainEqual(['list', remote, READ_INVITE])
  })

  test('a list EDU that is refused is left out', async () => {
    const told: House['told'] = []
    const { inbound } = house({
      sinks: { ...noting(told), list: () => Promise.reject(refuse.forbidden('too many')) },
    })
    expect(await inbound.receive(remote, 't1', transaction([INVITE, PUSH]))).toEqual({ pdus: {} })
    expect(told).toHaveLength(1)
  })

  test('a fault of ours with presence holds up nothing', async () => {
    const told: House['told'] = []
    const { inbound, logged } = house({
      sinks: {
        ...noting(told),
        presence: () => {
          throw new Error('ours')
        },
      },
    })
    expect(await inbound.receive(remote, 't1', transaction([PUSH, INVITE]))).toEqual({ pdus: {} })
    expect(told).toEqual([['list', remote, READ_INVITE]])
    expect(logged.map(([level]) => level)).toEqual(['error'])
  })

  test('a store that fails fails the transaction, and the next one is taken', async () => {
    const store = createMemoryStore()
    let isBroken = true
    const { inbound } = house({
      store: {
        inboundTransaction: (origin, txnId) => store.inboundTransaction(origin, txnId),
        dropInboundTransactions: (before) => store.dropInboundTransactions(before),
        commit: (writes) => (isBroken ? Promise.reject(new Error('disk')) : store.commit(writes)),
      },
    })
    await expect(inbound.receive(remote, 't1', transaction([]))).rejects.toThrow('disk')
    isBroken = false
    expect(await inbound.receive(remote, 't1', transaction([]))).toEqual({ pdus: {} })
  })

  test('closing waits for what is under way', async () => {
    const open: (() => void)[] = []
    const { inbound } = house({
      sinks: { presence: () => {}, list: () => new Promise((resolve) => open.push(resolve)) },
    })
    const answer = inbound.receive(remote, 't1', transaction([INVITE]))
    await until(() => open.length > 0, 'the invite is under way')
    let isClosed = false
    const closing = inbound.close().then(() => (isClosed = true))
    await settle()
    expect(isClosed).toBe(false)
    must(open[0], 'invite')()
    await Promise.all([answer, closing])
  })
})

test('L-08 L-09 any JSON is answered or refused, and says something of users of its origin only', async () => {
  const ids = fc.constantFrom(bob, '@alice:home.example', '@eve:third.example', 5, null)
  const json = fc.oneof(fc.jsonValue(), ids) as fc.Arbitrary<Json>
  const types = fc.constantFrom('m.presence', 'm.presence_invite', 'm.presence_accept', 'm.typing', 1)
  const content = fc.oneof(
    json,
    fc.record({ push: fc.array(fc.record({ user_id: ids, presence: fc.constantFrom('online', 'x', 5) })) }),
    fc.record({ observer_user: ids, observed_user: ids }),
  )
  const edu = fc.oneof(json, fc.record({ edu_type: types, content })) as fc.Arbitrary<Json>
  const body = fc.record(
    {
      origin: fc.oneof(fc.constant('remote.example'), json),
      pdus: json,
      edus: fc.oneof(fc.array(edu), json),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonObject>
  await fc.assert(
    fc.asyncProperty(body, async (transaction) => {
      const { inbound, told, logged } = house()
      const answer = await inbound.receive(remote, 't1', transaction).catch((error: unknown) => error)
      if (answer instanceof MatrixError) expect(told).toEqual([])
      else expect(answer).toEqual({ pdus: expect.any(Object) })
      for (const [, origin, edu] of told) {
        expect(origin).toBe(remote)
        expect(JSON.stringify(edu)).not.toContain('third.example')
      }
      expect(logged.filter(([level]) => level === 'error')).toEqual([])
    }),
  )
})
