import { assert } from '../base/assert.ts'
import type { Row, TableName, Tables } from '../ports/store.ts'

/** `?` marks columns that may be null. */
type ColumnKind = 'text' | 'text?' | 'integer' | 'integer?'

type KindOf<Value> = null extends Value ? `${BareKindOf<Exclude<Value, null>>}?` : BareKindOf<Value>
type BareKindOf<Value> = [Value] extends [string] ? 'text' : 'integer'

/** What every column holds; the compiler keeps it equal to the rows of the port. */
export const COLUMNS: {
  readonly [Name in TableName]: { readonly [Column in keyof Tables[Name]]: KindOf<Tables[Name][Column]> }
} = {
  meta: { key: 'text', value: 'text' },
  accounts: {
    userId: 'text',
    passwordHash: 'text?',
    admin: 'integer',
    guest: 'integer',
    createdTs: 'integer',
    deactivatedTs: 'integer?',
  },
  erasures: { userId: 'text' },
  devices: {
    userId: 'text',
    deviceId: 'text',
    displayName: 'text?',
    createdTs: 'integer',
    lastSeenTs: 'integer?',
    lastSeenIp: 'text?',
  },
  tokens: { tokenHash: 'text', userId: 'text', deviceId: 'text', createdTs: 'integer' },
  profiles: { userId: 'text', field: 'text', json: 'text' },
  accountData: { userId: 'text', roomId: 'text', type: 'text', json: 'text', pos: 'integer' },
  filters: { userId: 'text', filterId: 'text', json: 'text' },
  transactions: {
    userId: 'text',
    deviceId: 'text',
    request: 'text',
    status: 'integer',
    json: 'text',
    createdTs: 'integer',
  },
  deviceKeys: { userId: 'text', deviceId: 'text', json: 'text' },
  oneTimeKeys: {
    userId: 'text',
    deviceId: 'text',
    keyId: 'text',
    algorithm: 'text',
    json: 'text',
    pos: 'integer',
  },
  fallbackKeys: {
    userId: 'text',
    deviceId: 'text',
    algorithm: 'text',
    keyId: 'text',
    json: 'text',
    used: 'integer',
  },
  presence: {
    userId: 'text',
    state: 'text',
    statusMsg: 'text?',
    lastActiveTs: 'integer?',
    hidden: 'integer',
    hiddenBy: 'text?',
    currentlyActive: 'integer',
    refreshedTs: 'integer?',
  },
  presenceList: {
    observer: 'text',
    observed: 'text',
    state: 'text',
    askedTs: 'integer',
    acceptedPos: 'integer?',
    ask: 'integer',
  },
  presenceGrants: { observed: 'text', observer: 'text', state: 'text', ts: 'integer', ask: 'integer?' },
  presenceListNews: {
    userId: 'text',
    otherId: 'text',
    direction: 'text',
    state: 'text',
    ts: 'integer',
    pos: 'integer',
  },
  invitePolicies: { userId: 'text', policy: 'text' },
  listOutbox: {
    observer: 'text',
    observed: 'text',
    serverName: 'text',
    kind: 'text',
    ask: 'integer?',
    pos: 'integer',
  },
  listPeers: { serverName: 'text', heardTs: 'integer' },
  polls: { serverName: 'text', userId: 'text', wanted: 'integer' },
  destinations: { serverName: 'text', failures: 'integer', retryTs: 'integer' },
  serverKeys: {
    serverName: 'text',
    keyId: 'text',
    key: 'text',
    validUntilTs: 'integer',
    expiredTs: 'integer?',
    fetchedTs: 'integer',
  },
  inboundTransactions: { origin: 'text', txnId: 'text', json: 'text', ts: 'integer' },
  rooms: { roomId: 'text', version: 'text', creator: 'text', createdTs: 'integer', listed: 'integer' },
  events: {
    eventId: 'text',
    roomId: 'text',
    pos: 'integer',
    depth: 'integer',
    type: 'text',
    stateKey: 'text?',
    sender: 'text',
    originServerTs: 'integer',
    json: 'text',
    replaces: 'text?',
    redactedBy: 'text?',
    txnDevice: 'text?',
    txnId: 'text?',
  },
  stateLog: { roomId: 'text', type: 'text', stateKey: 'text', pos: 'integer', eventId: 'text' },
  extremities: { roomId: 'text', eventId: 'text' },
  memberships: {
    roomId: 'text',
    userId: 'text',
    membership: 'text',
    eventId: 'text',
    pos: 'integer',
    forgotten: 'integer',
  },
  receipts: {
    roomId: 'text',
    userId: 'text',
    type: 'text',
    thread: 'text',
    eventId: 'text',
    eventPos: 'integer',
    ts: 'integer',
    pos: 'integer',
  },
  aliases: { alias: 'text', roomId: 'text', creator: 'text', createdTs: 'integer' },
}

/** The same table, for code that goes through columns by name. */
export const COLUMNS_BY_NAME: { readonly [Name in TableName]: Readonly<Record<string, ColumnKind>> } = COLUMNS

type Cell = string | number | null

/**
 * A copy of the row with exactly the columns of its table. Texts become well-formed Unicode (a lone surrogate is
 * U+FFFD), as every database would store them; a value of another kind is a bug of ours.
 */
export function copyRow<Name extends TableName>(name: Name, row: Row<Name>): Row<Name> {
  return copyCells(name, Object.keys(COLUMNS[name]), row) as unknown as Row<Name>
}

/** The same for the columns that a `drop` names. */
export function copyWhere<Name extends TableName>(
  name: Name,
  where: Partial<Row<Name>>,
): Readonly<Record<string, Cell>> {
  return copyCells(name, Object.keys(where), where)
}

function copyCells(name: TableName, columns: readonly string[], cells: object): Record<string, Cell> {
  const copy: Record<string, Cell> = {}
  for (const column of columns) {
    const value = (cells as Record<string, unknown>)[column]
    const kind = COLUMNS_BY_NAME[name][column]
    assert(kind !== undefined && isOfKind(value, kind), `a value for ${name}.${column} is not ${kind}`)
    copy[column] = typeof value === 'string' ? value.toWellFormed() : value
  }
  return copy
}

function isOfKind(value: unknown, kind: ColumnKind): value is Cell {
  if (value === null) return kind.endsWith('?')
  return kind.startsWith('text') ? typeof value === 'string' : Number.isSafeInteger(value)
}

/** The highest position that the row carries, or 0. */
export function positionOf(row: object): number {
  return 'pos' in row ? (row.pos as number) : 0
}
