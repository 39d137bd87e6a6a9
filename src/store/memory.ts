import type { Row, StateEntry, Store, TableName, Write } from '../ports/store.ts'
import { copyRow, positionOf } from './columns.ts'
import { StoreFailure } from './failure.ts'
import { MemoryTable } from './memory-table.ts'
import { compareText, personMatches } from './search.ts'

/** The readable specification of the port: tables in memory, gone with the process. For tests and trials. */
export function createMemoryStore(): Store {
  const tables = createTables()
  let lastPosition = 0
  let closed = false

  const open: Open = () => {
    if (closed) throw new StoreFailure('closed', 'The store is closed.')
    return tables
  }
  return {
    async commit(writes) {
      applyAll(open(), writes)
      for (const write of writes) {
        if ('put' in write) lastPosition = Math.max(lastPosition, positionOf(write.row))
      }
    },
    async lastPosition() {
      open()
      return lastPosition
    },
    async close() {
      closed = true
    },
    ...wholeReads(open),
    ...accountReads(open),
    ...userDataReads(open),
    ...keyReads(open),
    ...presenceListReads(open),
    ...federationReads(open),
    ...eventReads(open),
    ...stateReads(open),
    ...roomReads(open),
  }
}

type MemoryTables = ReturnType<typeof createTables>
type Open = () => MemoryTables

/** Beside the primary key, the groups of columns that a read or a drop asks for. */
function createTables() {
  return {
    meta: new MemoryTable('meta', []),
    accounts: new MemoryTable('accounts', []),
    erasures: new MemoryTable('erasures', []),
    devices: new MemoryTable('devices', [['userId']]),
    tokens: new MemoryTable('tokens', [['userId', 'deviceId'], ['userId']]),
    profiles: new MemoryTable('profiles', [['userId']]),
    accountData: new MemoryTable('accountData', [['userId'], ['type']]),
    filters: new MemoryTable('filters', [['userId']]),
    transactions: new MemoryTable('transactions', [['userId', 'deviceId'], ['userId']]),
    deviceKeys: new MemoryTable('deviceKeys', [['userId']]),
    oneTimeKeys: new MemoryTable('oneTimeKeys', [['userId', 'deviceId'], ['userId']]),
    fallbackKeys: new MemoryTable('fallbackKeys', [['userId', 'deviceId'], ['userId']]),
    presence: new MemoryTable('presence', []),
    presenceList: new MemoryTable('presenceList', [['observer'], ['state']]),
    presenceGrants: new MemoryTable('presenceGrants', [['observed', 'state'], ['state'], ['observed']]),
    presenceListNews: new MemoryTable('presenceListNews', [['userId']]),
    invitePolicies: new MemoryTable('invitePolicies', []),
    listOutbox: new MemoryTable('listOutbox', [['serverName'], ['observer']]),
    listPeers: new MemoryTable('listPeers', []),
    polls: new MemoryTable('polls', [['serverName']]),
    destinations: new MemoryTable('destinations', []),
    serverKeys: new MemoryTable('serverKeys', [['serverName']]),
    inboundTransactions: new MemoryTable('inboundTransactions', []),
    rooms: new MemoryTable('rooms', []),
    events: new MemoryTable('events', [['pos'], ['roomId']]),
    stateLog: new MemoryTable('stateLog', [['roomId', 'type', 'stateKey'], ['roomId']]),
    extremities: new MemoryTable('extremities', [['roomId']]),
    memberships: new MemoryTable('memberships', [['userId'], ['roomId']]),
    receipts: new MemoryTable('receipts', [['roomId']]),
    aliases: new MemoryTable('aliases', [['roomId']]),
  } satisfies { [Name in TableName]: MemoryTable<Name> }
}

/** All or none: what was done before a write that fails is undone, newest first. */
function applyAll(tables: MemoryTables, writes: readonly Write[]): void {
  const undo: (() => void)[] = []
  try {
    for (const write of writes) undo.push(apply(tables, write))
  } catch (error) {
    for (const step of undo.reverse()) step()
    throw error
  }
}

/** Applies one write and gives back what undoes it. */
function apply(tables: MemoryTables, write: Write): () => void {
  if ('drop' in write) {
    const table = tables[write.drop] as unknown as MemoryTable<TableName>
    const dropped = table.drop(write.where)
    return () => dropped.forEach((row) => table.put(row))
  }
  const table = tables[write.put] as unknown as MemoryTable<TableName>
  const row = copyRow(write.put, write.row)
  if (write.put === 'events') refuseTakenPosition(tables.events, row as Row<'events'>)
  const before = table.put(row)
  return () => void (before === null ? table.remove(row) : table.put(before))
}

function refuseTakenPosition(events: MemoryTable<'events'>, row: Row<'events'>): void {
  const [holder] = events.group(['pos'], [row.pos])
  if (holder !== undefined && holder.eventId !== row.eventId)
    throw new StoreFailure('conflict', `Another event has the position ${row.pos} already.`)
}

function wholeReads(open: Open): Pick<Store, 'meta' | 'all'> {
  return {
    async meta(key) {
      return open().meta.get(key)?.value ?? null
    },
    async all(table) {
      return open()[table].where() as Row<typeof table>[]
    },
  }
}

function accountReads(
  open: Open,
): Pick<Store, 'account' | 'token' | 'devices' | 'profiles' | 'accountsLike'> {
  return {
    async account(userId) {
      return open().accounts.get(userId)
    },
    async token(tokenHash) {
      return open().tokens.get(tokenHash)
    },
    async devices(userId) {
      return open().devices.group(['userId'], [userId])
    },
    async profiles(userIds) {
      const { profiles } = open()
      return [...new Set(userIds)].flatMap((userId) => profiles.group(['userId'], [userId]))
    },
    async accountsLike(text, limit) {
      const { accounts, profiles } = open()
      const displayName = (userId: string) => profiles.get(userId, 'displayname')?.json ?? null
      return accounts
        .where(({ userId }) => personMatches(userId, displayName(userId), text))
        .sort((one, other) => compareText(one.userId, other.userId))
        .slice(0, limit)
    },
  }
}

function userDataReads(
  open: Open,
): Pick<
  Store,
  | 'accountData'
  | 'accountDataBetween'
  | 'accountDataOfType'
  | 'filter'
  | 'filters'
  | 'transaction'
  | 'dropTransactions'
> {
  return {
    async accountData(userId, roomId, type) {
      return open().accountData.get(userId, roomId, type)
    },
    async accountDataBetween(userId, after, upTo) {
      return oldestFirst(open().accountData.group(['userId'], [userId], within(after, upTo)))
    },
    async accountDataOfType(type) {
      return open().accountData.group(['type'], [type])
    },
    async filter(userId, filterId) {
      return open().filters.get(userId, filterId)
    },
    async filters(userId) {
      return open().filters.group(['userId'], [userId])
    },
    async transaction(userId, deviceId, request) {
      return open().transactions.get(userId, deviceId, request)
    },
    async dropTransactions(createdBefore) {
      const { transactions } = open()
      for (const row of transactions.where(({ createdTs }) => createdTs < createdBefore))
        transactions.remove(row)
    },
  }
}

function keyReads(open: Open): Pick<Store, 'deviceKeys' | 'oneTimeKeys' | 'fallbackKeys'> {
  return {
    async deviceKeys(userIds) {
      const { deviceKeys } = open()
      return [...new Set(userIds)].flatMap((userId) => deviceKeys.group(['userId'], [userId]))
    },
    async oneTimeKeys(userId, deviceId) {
      return oldestFirst(open().oneTimeKeys.group(['userId', 'deviceId'], [userId, deviceId]))
    },
    async fallbackKeys(userId, deviceId) {
      return open().fallbackKeys.group(['userId', 'deviceId'], [userId, deviceId])
    },
  }
}

function presenceListReads(
  open: Open,
): Pick<
  Store,
  | 'presenceEntry'
  | 'presenceEntries'
  | 'presenceGrant'
  | 'presenceGrants'
  | 'presenceListNews'
  | 'invitePolicy'
  | 'presenceEntriesAsked'
  | 'presenceGrantsAsked'
  | 'presenceListNewsUntil'
> {
  return {
    async presenceEntry(observer, observed) {
      return open().presenceList.get(observer, observed)
    },
    async presenceEntries(observer) {
      return open().presenceList.group(['observer'], [observer])
    },
    async presenceGrant(observed, observer) {
      return open().presenceGrants.get(observed, observer)
    },
    async presenceGrants(observed, state) {
      return open().presenceGrants.group(['observed', 'state'], [observed, state])
    },
    async presenceListNews(userId, after, upTo) {
      return oldestFirst(open().presenceListNews.group(['userId'], [userId], within(after, upTo)))
    },
    async invitePolicy(userId) {
      return open().invitePolicies.get(userId)?.policy ?? null
    },
    async presenceEntriesAsked(until, limit) {
      const rows = open().presenceList.group(['state'], ['pending'], ({ askedTs }) => askedTs <= until)
      return rows.sort((one, other) => one.askedTs - other.askedTs).slice(0, limit)
    },
    async presenceGrantsAsked(until, limit) {
      const rows = open().presenceGrants.group(['state'], ['pending'], ({ ts }) => ts <= until)
      return rows.sort((one, other) => one.ts - other.ts).slice(0, limit)
    },
    async presenceListNewsUntil(until, limit) {
      const rows = open().presenceListNews.where(({ state, ts }) => state !== 'pending' && ts <= until)
      return rows.sort((one, other) => one.ts - other.ts).slice(0, limit)
    },
  }
}

function federationReads(
  open: Open,
): Pick<
  Store,
  | 'listOutboxServers'
  | 'listOutboxOf'
  | 'listOutboxEntry'
  | 'listOutbox'
  | 'serverKeys'
  | 'dropServerKeys'
  | 'inboundTransaction'
  | 'dropInboundTransactions'
> {
  return {
    async listOutboxServers() {
      return [
        ...new Set(
          open()
            .listOutbox.where()
            .map(({ serverName }) => serverName),
        ),
      ]
    },
    async listOutboxOf(observer) {
      return open().listOutbox.group(['observer'], [observer])
    },
    async listOutboxEntry(observer, observed) {
      return open().listOutbox.get(observer, observed)
    },
    async listOutbox(serverName, limit) {
      return oldestFirst(open().listOutbox.group(['serverName'], [serverName])).slice(0, limit)
    },
    async serverKeys(serverName) {
      return open().serverKeys.group(['serverName'], [serverName])
    },
    async dropServerKeys(now) {
      const { serverKeys } = open()
      for (const row of serverKeys.where(({ validUntilTs }) => validUntilTs < now)) serverKeys.remove(row)
    },
    async inboundTransaction(origin, txnId) {
      return open().inboundTransactions.get(origin, txnId)
    },
    async dropInboundTransactions(before) {
      const { inboundTransactions } = open()
      for (const row of inboundTransactions.where(({ ts }) => ts < before)) inboundTransactions.remove(row)
    },
  }
}

function eventReads(open: Open): Pick<Store, 'events' | 'eventsBetween' | 'extremities'> {
  return {
    async events(eventIds) {
      const { events } = open()
      return oldestFirst([...new Set(eventIds)].flatMap((eventId) => events.get(eventId) ?? []))
    },
    async eventsBetween({ roomId, after, upTo, limit, newestFirst }) {
      const rows = oldestFirst(open().events.group(['roomId'], [roomId], within(after, upTo)))
      return (newestFirst ? rows.reverse() : rows).slice(0, limit)
    },
    async extremities(roomId) {
      return open()
        .extremities.group(['roomId'], [roomId])
        .map(({ eventId }) => eventId)
    },
  }
}

function stateReads(open: Open): Pick<Store, 'stateAt' | 'stateEntryAt' | 'stateHistory' | 'stateBetween'> {
  const historyOf = (roomId: string, type: string, stateKey: string): StateEntry[] =>
    oldestFirst(open().stateLog.group(['roomId', 'type', 'stateKey'], [roomId, type, stateKey]))
  return {
    async stateAt(roomId, upTo) {
      const entries = open().stateLog.group(['roomId'], [roomId], ({ pos }) => pos <= upTo)
      const newest = new Map<string, StateEntry>()
      for (const entry of oldestFirst(entries))
        newest.set(JSON.stringify([entry.type, entry.stateKey]), entry)
      return [...newest.values()]
    },
    async stateEntryAt(roomId, type, stateKey, upTo) {
      return historyOf(roomId, type, stateKey).findLast(({ pos }) => pos <= upTo) ?? null
    },
    async stateHistory(roomId, type, stateKey) {
      return historyOf(roomId, type, stateKey)
    },
    async stateBetween(roomId, after, upTo) {
      return oldestFirst(open().stateLog.group(['roomId'], [roomId], within(after, upTo)))
    },
  }
}

function roomReads(
  open: Open,
): Pick<Store, 'memberships' | 'members' | 'receipts' | 'receiptsBetween' | 'aliasesOf'> {
  return {
    async memberships(userId) {
      return open().memberships.group(['userId'], [userId])
    },
    async members(roomId) {
      return open().memberships.group(['roomId'], [roomId])
    },
    async receipts(roomId) {
      return open().receipts.group(['roomId'], [roomId])
    },
    async receiptsBetween(roomIds, after, upTo) {
      const { receipts } = open()
      const ofRoom = (roomId: string) => receipts.group(['roomId'], [roomId], within(after, upTo))
      return oldestFirst([...new Set(roomIds)].flatMap(ofRoom))
    },
    async aliasesOf(roomId) {
      return open().aliases.group(['roomId'], [roomId])
    },
  }
}

function within(after: number, upTo: number): (row: { pos: number }) => boolean {
  return ({ pos }) => pos > after && pos <= upTo
}

function oldestFirst<R extends { pos: number }>(rows: R[]): R[] {
  return rows.sort((one, other) => one.pos - other.pos)
}
