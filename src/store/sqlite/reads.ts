import type { DatabaseSync } from 'node:sqlite'
import { type Kysely, sql } from 'kysely'
import type { DeviceId, EventId, RoomId, ServerName, UserId } from '../../matrix/ids.ts'
import type { Row, StateEntry, Store, TableName, Tables } from '../../ports/store.ts'
import { COLUMNS } from '../columns.ts'
import { query } from './query.ts'

/** What the reads are made from: the open database, and kysely to make their text. */
interface Source {
  readonly db: DatabaseSync
  readonly text: Kysely<Tables>
}

/** The port's reads; each is one prepared statement, and one of many keys runs it once for each key. */
export type Reads = Omit<
  Store,
  'commit' | 'close' | 'lastPosition' | 'dropTransactions' | 'dropServerKeys' | 'dropInboundTransactions'
>

export function createReads(source: Source): Reads {
  return {
    ...wholeReads(source),
    ...accountReads(source),
    ...userDataReads(source),
    ...keyReads(source),
    ...presenceListReads(source),
    ...federationReads(source),
    ...eventReads(source),
    ...stateReads(source),
    ...roomReads(source),
  }
}

/** The columns of a table, in the order of the port. */
function columnsOf<Name extends TableName>(name: Name): (keyof Row<Name> & string)[] {
  return Object.keys(COLUMNS[name]) as (keyof Row<Name> & string)[]
}

function wholeReads({ db, text }: Source): Pick<Reads, 'meta' | 'all'> {
  const meta = query(db, (key: string) => text.selectFrom('meta').select('value').where('key', '=', key))
  const all = {
    erasures: query(db, () => text.selectFrom('erasures').select(columnsOf('erasures'))),
    presence: query(db, () => text.selectFrom('presence').select(columnsOf('presence'))),
    presenceList: query(db, () => text.selectFrom('presenceList').select(columnsOf('presenceList'))),
    presenceGrants: query(db, () => text.selectFrom('presenceGrants').select(columnsOf('presenceGrants'))),
    memberships: query(db, () => text.selectFrom('memberships').select(columnsOf('memberships'))),
    aliases: query(db, () => text.selectFrom('aliases').select(columnsOf('aliases'))),
    rooms: query(db, () => text.selectFrom('rooms').select(columnsOf('rooms'))),
    listPeers: query(db, () => text.selectFrom('listPeers').select(columnsOf('listPeers'))),
    polls: query(db, () => text.selectFrom('polls').select(columnsOf('polls'))),
    destinations: query(db, () => text.selectFrom('destinations').select(columnsOf('destinations'))),
  }
  return {
    async meta(key) {
      return meta(key)[0]?.value ?? null
    },
    async all(table) {
      return all[table]() as Row<typeof table>[]
    },
  }
}

function accountReads({ db, text }: Source) {
  const account = query(db, (userId: UserId) =>
    text.selectFrom('accounts').select(columnsOf('accounts')).where('userId', '=', userId),
  )
  const token = query(db, (tokenHash: string) =>
    text.selectFrom('tokens').select(columnsOf('tokens')).where('tokenHash', '=', tokenHash),
  )
  const devices = query(db, (userId: UserId) =>
    text.selectFrom('devices').select(columnsOf('devices')).where('userId', '=', userId),
  )
  const profiles = query(db, (userId: UserId) =>
    text.selectFrom('profiles').select(columnsOf('profiles')).where('userId', '=', userId),
  )
  const accountsLike = query(db, (part: string, limit: number) =>
    text
      .selectFrom('accounts')
      .leftJoin('profiles', (join) =>
        join.onRef('profiles.userId', '=', 'accounts.userId').on('field', '=', 'displayname'),
      )
      .selectAll('accounts')
      .where(sql<boolean>`person_matches(accounts.user_id, profiles.json, ${part})`)
      .orderBy('accounts.userId')
      .limit(limit),
  )
  return {
    account: async (userId) => account(userId)[0] ?? null,
    token: async (tokenHash) => token(tokenHash)[0] ?? null,
    devices: async (userId) => devices(userId),
    profiles: async (userIds) => forEachOf(userIds, profiles),
    accountsLike: async (part, limit) => accountsLike(part, limit),
  } satisfies Partial<Reads>
}

function userDataReads({ db, text }: Source) {
  const accountData = text.selectFrom('accountData').select(columnsOf('accountData'))
  const one = query(db, (userId: UserId, roomId: RoomId | '', type: string) =>
    accountData.where('userId', '=', userId).where('roomId', '=', roomId).where('type', '=', type),
  )
  const between = query(db, (userId: UserId, after: number, upTo: number) =>
    accountData.where('userId', '=', userId).where('pos', '>', after).where('pos', '<=', upTo).orderBy('pos'),
  )
  const ofType = query(db, (type: string) => accountData.where('type', '=', type))
  const filtersOf = text.selectFrom('filters').select(columnsOf('filters'))
  const filters = query(db, (userId: UserId) => filtersOf.where('userId', '=', userId))
  const filter = query(db, (userId: UserId, filterId: string) =>
    filtersOf.where('userId', '=', userId).where('filterId', '=', filterId),
  )
  const transaction = query(db, (userId: UserId, deviceId: DeviceId, request: string) =>
    text
      .selectFrom('transactions')
      .select(columnsOf('transactions'))
      .where('userId', '=', userId)
      .where('deviceId', '=', deviceId)
      .where('request', '=', request),
  )
  return {
    accountData: async (userId, roomId, type) => one(userId, roomId, type)[0] ?? null,
    accountDataBetween: async (userId, after, upTo) => between(userId, after, upTo),
    accountDataOfType: async (type) => ofType(type),
    filter: async (userId, filterId) => filter(userId, filterId)[0] ?? null,
    filters: async (userId) => filters(userId),
    transaction: async (userId, deviceId, request) => transaction(userId, deviceId, request)[0] ?? null,
  } satisfies Partial<Reads>
}

function keyReads({ db, text }: Source) {
  const deviceKeys = query(db, (userId: UserId) =>
    text.selectFrom('deviceKeys').select(columnsOf('deviceKeys')).where('userId', '=', userId),
  )
  const oneTimeKeys = query(db, (userId: UserId, deviceId: DeviceId) =>
    text
      .selectFrom('oneTimeKeys')
      .select(columnsOf('oneTimeKeys'))
      .where('userId', '=', userId)
      .where('deviceId', '=', deviceId)
      .orderBy('pos'),
  )
  const fallbackKeys = query(db, (userId: UserId, deviceId: DeviceId) =>
    text
      .selectFrom('fallbackKeys')
      .select(columnsOf('fallbackKeys'))
      .where('userId', '=', userId)
      .where('deviceId', '=', deviceId),
  )
  return {
    deviceKeys: async (userIds) => forEachOf(userIds, deviceKeys),
    oneTimeKeys: async (userId, deviceId) => oneTimeKeys(userId, deviceId),
    fallbackKeys: async (userId, deviceId) => fallbackKeys(userId, deviceId),
  } satisfies Partial<Reads>
}

function presenceListReads({ db, text }: Source) {
  const entries = text.selectFrom('presenceList').select(columnsOf('presenceList'))
  const entry = query(db, (observer: UserId, observed: UserId) =>
    entries.where('observer', '=', observer).where('observed', '=', observed),
  )
  const entriesOf = query(db, (observer: UserId) => entries.where('observer', '=', observer))
  const entriesAsked = query(db, (until: number, limit: number) =>
    entries.where('state', '=', 'pending').where('askedTs', '<=', until).orderBy('askedTs').limit(limit),
  )
  const grants = text.selectFrom('presenceGrants').select(columnsOf('presenceGrants'))
  const grant = query(db, (observed: UserId, observer: UserId) =>
    grants.where('observed', '=', observed).where('observer', '=', observer),
  )
  const grantsOf = query(db, (observed: UserId, state: Row<'presenceGrants'>['state']) =>
    grants.where('observed', '=', observed).where('state', '=', state),
  )
  const grantsAsked = query(db, (until: number, limit: number) =>
    grants.where('state', '=', 'pending').where('ts', '<=', until).orderBy('ts').limit(limit),
  )
  const news = text.selectFrom('presenceListNews').select(columnsOf('presenceListNews'))
  const newsOf = query(db, (userId: UserId, after: number, upTo: number) =>
    news.where('userId', '=', userId).where('pos', '>', after).where('pos', '<=', upTo).orderBy('pos'),
  )
  const newsUntil = query(db, (until: number, limit: number) =>
    news.where('state', '!=', 'pending').where('ts', '<=', until).orderBy('ts').limit(limit),
  )
  const policy = query(db, (userId: UserId) =>
    text.selectFrom('invitePolicies').select('policy').where('userId', '=', userId),
  )
  return {
    presenceEntry: async (observer, observed) => entry(observer, observed)[0] ?? null,
    presenceEntries: async (observer) => entriesOf(observer),
    presenceGrant: async (observed, observer) => grant(observed, observer)[0] ?? null,
    presenceGrants: async (observed, state) => grantsOf(observed, state),
    presenceListNews: async (userId, after, upTo) => newsOf(userId, after, upTo),
    invitePolicy: async (userId) => policy(userId)[0]?.policy ?? null,
    presenceEntriesAsked: async (until, limit) => entriesAsked(until, limit),
    presenceGrantsAsked: async (until, limit) => grantsAsked(until, limit),
    presenceListNewsUntil: async (until, limit) => newsUntil(until, limit),
  } satisfies Partial<Reads>
}

function federationReads({ db, text }: Source) {
  const waiting = text.selectFrom('listOutbox').select(columnsOf('listOutbox'))
  const outbox = query(db, (serverName: ServerName, limit: number) =>
    waiting.where('serverName', '=', serverName).orderBy('pos').limit(limit),
  )
  const waitingOf = query(db, (observer: UserId, observed: UserId) =>
    waiting.where('observer', '=', observer).where('observed', '=', observed),
  )
  const servers = query(db, () => text.selectFrom('listOutbox').select('serverName').distinct())
  const outboxOf = query(db, (observer: UserId) => waiting.where('observer', '=', observer))
  const keys = query(db, (serverName: ServerName) =>
    text.selectFrom('serverKeys').select(columnsOf('serverKeys')).where('serverName', '=', serverName),
  )
  const transaction = query(db, (origin: ServerName, txnId: string) =>
    text
      .selectFrom('inboundTransactions')
      .select(columnsOf('inboundTransactions'))
      .where('origin', '=', origin)
      .where('txnId', '=', txnId),
  )
  return {
    listOutboxServers: async () => servers().map(({ serverName }) => serverName),
    listOutboxOf: async (observer) => outboxOf(observer),
    listOutboxEntry: async (observer, observed) => waitingOf(observer, observed)[0] ?? null,
    listOutbox: async (serverName, limit) => outbox(serverName, limit),
    serverKeys: async (serverName) => keys(serverName),
    inboundTransaction: async (origin, txnId) => transaction(origin, txnId)[0] ?? null,
  } satisfies Partial<Reads>
}

function eventReads({ db, text }: Source) {
  const events = text.selectFrom('events').select(columnsOf('events'))
  const one = query(db, (eventId: EventId) => events.where('eventId', '=', eventId))
  const inRange = (order: 'asc' | 'desc') =>
    query(db, (roomId: RoomId, after: number, upTo: number, limit: number) =>
      events
        .where('roomId', '=', roomId)
        .where('pos', '>', after)
        .where('pos', '<=', upTo)
        .orderBy('pos', order)
        .limit(limit),
    )
  const newest = inRange('desc')
  const oldest = inRange('asc')
  const extremities = query(db, (roomId: RoomId) =>
    text.selectFrom('extremities').select('eventId').where('roomId', '=', roomId),
  )
  return {
    events: async (eventIds) => oldestFirst(forEachOf(eventIds, one)),
    async eventsBetween({ roomId, after, upTo, limit, newestFirst }) {
      return newestFirst ? newest(roomId, after, upTo, limit) : oldest(roomId, after, upTo, limit)
    },
    extremities: async (roomId) => extremities(roomId).map(({ eventId }) => eventId),
  } satisfies Partial<Reads>
}

function stateReads({ db, text }: Source) {
  const log = text.selectFrom('stateLog')
  const ofKey = log.select(columnsOf('stateLog'))
  // The other columns are those of the row with the highest position: SQLite promises it for a lone max().
  const at = query(db, (roomId: RoomId, upTo: number) =>
    log
      .select(['roomId', 'type', 'stateKey', 'eventId'])
      .select(({ fn }) => fn.max('pos').as('pos'))
      .where('roomId', '=', roomId)
      .where('pos', '<=', upTo)
      .groupBy(['type', 'stateKey']),
  )
  const entryAt = query(db, (roomId: RoomId, type: string, stateKey: string, upTo: number) =>
    ofKey
      .where('roomId', '=', roomId)
      .where('type', '=', type)
      .where('stateKey', '=', stateKey)
      .where('pos', '<=', upTo)
      .orderBy('pos', 'desc')
      .limit(1),
  )
  const history = query(db, (roomId: RoomId, type: string, stateKey: string) =>
    ofKey
      .where('roomId', '=', roomId)
      .where('type', '=', type)
      .where('stateKey', '=', stateKey)
      .orderBy('pos'),
  )
  const between = query(db, (roomId: RoomId, after: number, upTo: number) =>
    ofKey.where('roomId', '=', roomId).where('pos', '>', after).where('pos', '<=', upTo).orderBy('pos'),
  )
  return {
    stateAt: async (roomId, upTo): Promise<StateEntry[]> => at(roomId, upTo),
    stateEntryAt: async (roomId, type, stateKey, upTo) => entryAt(roomId, type, stateKey, upTo)[0] ?? null,
    stateHistory: async (roomId, type, stateKey) => history(roomId, type, stateKey),
    stateBetween: async (roomId, after, upTo) => between(roomId, after, upTo),
  } satisfies Partial<Reads>
}

function roomReads({ db, text }: Source) {
  const membershipRows = text.selectFrom('memberships').select(columnsOf('memberships'))
  const memberships = query(db, (userId: UserId) => membershipRows.where('userId', '=', userId))
  const members = query(db, (roomId: RoomId) => membershipRows.where('roomId', '=', roomId))
  const receiptRows = text.selectFrom('receipts').select(columnsOf('receipts'))
  const receipts = query(db, (roomId: RoomId) => receiptRows.where('roomId', '=', roomId))
  const receiptsBetween = query(db, (roomId: RoomId, after: number, upTo: number) =>
    receiptRows.where('roomId', '=', roomId).where('pos', '>', after).where('pos', '<=', upTo),
  )
  const aliases = query(db, (roomId: RoomId) =>
    text.selectFrom('aliases').select(columnsOf('aliases')).where('roomId', '=', roomId),
  )
  return {
    memberships: async (userId) => memberships(userId),
    members: async (roomId) => members(roomId),
    receipts: async (roomId) => receipts(roomId),
    receiptsBetween: async (roomIds, after, upTo) =>
      oldestFirst(forEachOf(roomIds, (roomId) => receiptsBetween(roomId, after, upTo))),
    aliasesOf: async (roomId) => aliases(roomId),
  } satisfies Partial<Reads>
}

/** The rows of each key, every key asked once: SQLite is in the process, and a look-up takes microseconds. */
function forEachOf<Key extends string, Result>(keys: readonly Key[], read: (key: Key) => Result[]): Result[] {
  return [...new Set(keys)].flatMap(read)
}

function oldestFirst<Result extends { pos: number }>(rows: Result[]): Result[] {
  return rows.sort((one, other) => one.pos - other.pos)
}
