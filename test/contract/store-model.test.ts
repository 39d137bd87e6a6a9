import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { DeviceId, EventId, RoomId, ServerName, UserId } from '../../src/matrix/ids.ts'
import {
  PRIMARY_KEYS,
  type Store,
  type TableName,
  type WholeTable,
  type Write,
} from '../../src/ports/store.ts'
import { COLUMNS_BY_NAME } from '../../src/store/columns.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { TABLE_NAMES } from './rows.ts'

const USERS = ['@a:hs', '@b:hs', '@é:hs'] as UserId[]
const DEVICES = ['D', 'd'] as DeviceId[]
const ROOMS = ['!r:hs', '!s:hs'] as RoomId[]
const EVENTS = ['$1', '$2', '$3'] as EventId[]
const SERVERS = ['one', 'two'] as ServerName[]
const TYPES = ['t', 't\0']
const STATE_KEYS = ['', '😀', '\uffff']
const WHOLE: readonly WholeTable[] = [
  'erasures',
  'presence',
  'presenceList',
  'presenceGrants',
  'memberships',
  'aliases',
  'rooms',
  'listPeers',
  'polls',
  'destinations',
]
const TEXTS = ['x', 'y', '']
const POSITION_MAX = 12
const ENDS = [-1, 0, 3, 7, POSITION_MAX]
const RANGES = ENDS.flatMap((after) => ENDS.map((upTo) => [after, upTo] as const))

/** Few values, so that rows meet; some that are hard to keep apart or in order. */
const POOLS: Readonly<Record<string, readonly string[]>> = {
  userId: USERS,
  deviceId: DEVICES,
  roomId: ROOMS,
  eventId: EVENTS,
  type: TYPES,
  stateKey: STATE_KEYS,
  field: ['displayname', 'other'],
  observer: USERS,
  observed: USERS,
  otherId: USERS,
  serverName: SERVERS,
  origin: SERVERS,
  state: ['pending', 'granted', 'ignored'],
  json: ['"Zoë"', '{}', '"\\u0000"', `"${'long'.repeat(2_000)}"`],
}

type Cells = Record<string, string | number | null>

function rowOf(name: TableName): fc.Arbitrary<Cells> {
  const cells = Object.entries(COLUMNS_BY_NAME[name]).map(([column, kind]) => {
    const value: fc.Arbitrary<string | number> = kind.startsWith('text')
      ? fc.constantFrom(...(POOLS[column] ?? TEXTS))
      : fc.integer({ min: 0, max: POSITION_MAX })
    return [column, kind.endsWith('?') ? fc.option(value) : value] as const
  })
  return fc.record(Object.fromEntries(cells))
}

/** Drops are by the whole key or by any columns. */
function writeTo(name: TableName): fc.Arbitrary<Write> {
  const some = fc.oneof(
    fc.subarray(Object.keys(COLUMNS_BY_NAME[name])),
    fc.constant<string[]>([...PRIMARY_KEYS[name]]),
  )
  const put = rowOf(name).map((row) => ({ put: name, row }) as unknown as Write)
  const drop = fc.tuple(rowOf(name), some).map(([row, columns]) => {
    const where = Object.fromEntries(columns.map((column) => [column, row[column]]))
    return { drop: name, where } as Write
  })
  return fc.oneof({ weight: 4, arbitrary: put }, { weight: 1, arbitrary: drop })
}

/** A list of writes, or the age to drop transactions by. */
const aCommit = fc.oneof(
  { weight: 9, arbitrary: fc.array(fc.constantFrom(...TABLE_NAMES).chain(writeTo), { maxLength: 12 }) },
  { weight: 1, arbitrary: fc.nat(POSITION_MAX) },
)

type Read = (store: Store) => Promise<unknown>

/** The row in letters, its columns in any order. */
function textOf(row: unknown): string {
  if (typeof row !== 'object' || row === null) return JSON.stringify(row)
  return Object.entries(row)
    .map((cell) => JSON.stringify(cell))
    .sort()
    .join()
}

/** For reads that promise no order. */
function anyOrder(read: (store: Store) => Promise<unknown[]>): Read {
  return async (store) => (await read(store)).map(textOf).sort()
}

/** For reads in order of position, several rows of one position being in any order. */
function byPosition(read: (store: Store) => Promise<{ pos: number }[]>): Read {
  return async (store) => {
    const rows = await read(store)
    return { positions: rows.map(({ pos }) => pos), rows: rows.map(textOf).sort() }
  }
}

/** For reads in order of time. */
function byTs(read: (store: Store) => Promise<readonly ({ ts: number } | { askedTs: number })[]>): Read {
  return async (store) => {
    const rows = await read(store)
    return {
      times: rows.map((row) => ('ts' in row ? row.ts : row.askedTs)),
      rows: rows.map(textOf).sort(),
    }
  }
}

function readsOfAll(): Read[] {
  return [
    (store) => store.lastPosition(),
    anyOrder((store) => store.profiles(USERS)),
    anyOrder((store) => store.deviceKeys([...USERS, ...USERS])),
    (store) => store.events([...EVENTS, '$none' as EventId]),
    ...['', 'A', 'É', 'zOË', 'x'].map(
      (text): Read =>
        (store) =>
          store.accountsLike(text, 2),
    ),
    ...TEXTS.map(
      (key): Read =>
        (store) =>
          store.meta(key),
    ),
    ...TEXTS.map(
      (hash): Read =>
        (store) =>
          store.token(hash),
    ),
    ...ENDS.flatMap((until): Read[] => [
      byTs((store) => store.presenceEntriesAsked(until, 100)),
      byTs((store) => store.presenceGrantsAsked(until, 100)),
      byTs((store) => store.presenceListNewsUntil(until, 100)),
    ]),
    ...WHOLE.map((table) => anyOrder((store) => store.all(table))),
    anyOrder((store) => store.listOutboxServers()),
    ...SERVERS.flatMap((server): Read[] => [
      byPosition((store) => store.listOutbox(server, 100)),
      anyOrder((store) => store.serverKeys(server)),
      (store) => Promise.all(TEXTS.map((txnId) => store.inboundTransaction(server, txnId))),
    ]),
    ...TYPES.map((type) => anyOrder((store) => store.accountDataOfType(type))),
  ]
}

function readsOfUser(userId: UserId): Read[] {
  return [
    (store) => store.account(userId),
    anyOrder((store) => store.devices(userId)),
    anyOrder((store) => store.filters(userId)),
    (store) => store.filter(userId, 'x'),
    anyOrder((store) => store.memberships(userId)),
    (store) => store.invitePolicy(userId),
    anyOrder((store) => store.presenceEntries(userId)),
    ...(['pending', 'granted', 'ignored'] as const).map((state) =>
      anyOrder((store) => store.presenceGrants(userId, state)),
    ),
    ...USERS.flatMap((other): Read[] => [
      (store) => store.presenceEntry(userId, other),
      (store) => store.listOutboxEntry(userId, other),
      (store) => store.presenceGrant(userId, other),
    ]),
    ...RANGES.flatMap(([after, upTo]) => [
      byPosition((store) => store.accountDataBetween(userId, after, upTo)),
      byPosition((store) => store.presenceListNews(userId, after, upTo)),
    ]),
    ...TYPES.map(
      (type): Read =>
        (store) =>
          store.accountData(userId, ROOMS[0] ?? '', type),
    ),
    ...DEVICES.flatMap((deviceId): Read[] => [
      (store) => store.transaction(userId, deviceId, 'x'),
      byPosition((store) => store.oneTimeKeys(userId, deviceId)),
      anyOrder((store) => store.fallbackKeys(userId, deviceId)),
    ]),
  ]
}

function readsOfRoom(roomId: RoomId): Read[] {
  return [
    anyOrder((store) => store.extremities(roomId)),
    anyOrder((store) => store.members(roomId)),
    anyOrder((store) => store.receipts(roomId)),
    anyOrder((store) => store.aliasesOf(roomId)),
    ...ENDS.map((upTo) => anyOrder((store) => store.stateAt(roomId, upTo))),
    ...RANGES.flatMap(([after, upTo]): Read[] => [
      (store) => store.eventsBetween({ roomId, after, upTo, limit: 2, newestFirst: true }),
      (store) => store.eventsBetween({ roomId, after, upTo, limit: 2, newestFirst: false }),
      byPosition((store) => store.stateBetween(roomId, after, upTo)),
      byPosition((store) => store.receiptsBetween([roomId], after, upTo)),
    ]),
    ...TYPES.flatMap((type) =>
      STATE_KEYS.flatMap((stateKey): Read[] => [
        (store) => store.stateHistory(roomId, type, stateKey),
        (store) => store.stateEntryAt(roomId, type, stateKey, 7),
      ]),
    ),
  ]
}

const READS = [...readsOfAll(), ...USERS.flatMap(readsOfUser), ...ROOMS.flatMap(readsOfRoom)]

test('any commits give the same outcomes and answers in memory and in SQLite', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(aCommit, { maxLength: 25 }), async (commits) => {
      const run = async (store: Store): Promise<unknown> => {
        const outcomes = await Promise.allSettled(
          commits.map((commit) =>
            typeof commit === 'number' ? store.dropTransactions(commit) : store.commit(commit),
          ),
        )
        const answers = await Promise.all(READS.map((read) => read(store)))
        await store.close()
        return { outcomes: outcomes.map(({ status }) => status), answers }
      }
      const inMemory = await run(createMemoryStore())
      expect(await run(await openSqliteStore({ path: ':memory:' }))).toEqual(inMemory)
    }),
    { numRuns: 60 },
  )
})
