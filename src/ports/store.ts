import type { DeviceId, EventId, RoomAlias, RoomId, ServerName, UserId } from '../matrix/ids.ts'

/**
 * The store takes writes as data and answers narrow, plural questions. Rows hold only strings, numbers and nulls
 * (yes/no is 1/0, JSON is text), so that every adapter can be a plain table. `store/memory` is the readable
 * specification; `test/contract/store.ts` is what every adapter must pass.
 */
export interface Tables {
  /** Single values of the server: presence epoch, sequence number, clean-shutdown mark. */
  meta: { key: string; value: string }
  accounts: {
    userId: UserId
    /** PHC string; null when no password can match (deactivated). */
    passwordHash: string | null
    admin: 0 | 1
    guest: 0 | 1
    createdTs: number
    deactivatedTs: number | null
  }
  /** Users who, when their account ended, wanted their messages forgotten by all but those who had them. */
  erasures: { userId: UserId }
  devices: {
    userId: UserId
    deviceId: DeviceId
    displayName: string | null
    createdTs: number
    lastSeenTs: number | null
    lastSeenIp: string | null
  }
  /** Access tokens, by SHA-256 of the token: what lies on disk opens nothing. */
  tokens: { tokenHash: string; userId: UserId; deviceId: DeviceId; createdTs: number }
  profiles: { userId: UserId; field: string; json: string }
  /** `roomId` is '' for global data. Push rules are the row of type `m.push_rules`. */
  accountData: { userId: UserId; roomId: RoomId | ''; type: string; json: string; pos: number }
  filters: { userId: UserId; filterId: string; json: string }
  /** Answers to client transactions; `request` is method and path (ROOMS-SPEC §5.1). */
  transactions: {
    userId: UserId
    deviceId: DeviceId
    request: string
    status: number
    json: string
    createdTs: number
  }
  deviceKeys: { userId: UserId; deviceId: DeviceId; json: string }
  oneTimeKeys: {
    userId: UserId
    deviceId: DeviceId
    keyId: string
    algorithm: string
    json: string
    pos: number
  }
  fallbackKeys: {
    userId: UserId
    deviceId: DeviceId
    algorithm: string
    keyId: string
    json: string
    used: 0 | 1
  }
  presence: {
    userId: UserId
    state: string
    statusMsg: string | null
    lastActiveTs: number | null
    hidden: 0 | 1
    /** The device that set `hidden`. */
    hiddenBy: DeviceId | null
    currentlyActive: 0 | 1
    /** When the user's server last said this; null for users of this server. */
    refreshedTs: number | null
  }
  /** Whom a user follows, or asked to: the observer's side of a pair (PRESENCE-SPEC §5.5). Absent entries have no row. */
  presenceList: {
    observer: UserId
    observed: UserId
    state: 'pending' | 'accepted'
    /** When the invite was last sent. */
    askedTs: number
    /** Its place among the accepted entries: the stream position at which it was accepted. */
    acceptedPos: number | null
    /** The position at which this asking began. It goes with the invite and comes back with the answer (decision 0015). */
    ask: number
  }
  /** The observed user's side. `ignored` has every later invite denied. */
  presenceGrants: {
    observed: UserId
    observer: UserId
    state: 'pending' | 'granted' | 'ignored'
    /** Since when; of a pending one, when the invite last came. */
    ts: number
    /** The asking that this answers, as the observer's server named it; null if it did not. */
    ask: number | null
  }
  /** What a user's devices are told of a pair: its latest state, from that user's point of view. */
  presenceListNews: {
    userId: UserId
    otherId: UserId
    direction: 'incoming' | 'outgoing'
    state: string
    ts: number
    pos: number
  }
  /** What users decided to do with new invites; who decided nothing has no row. */
  invitePolicies: { userId: UserId; policy: string }
  /** What another server is still to be told of a pair: the newest EDU only, until it acknowledged it (§5.5). */
  listOutbox: {
    observer: UserId
    observed: UserId
    serverName: ServerName
    kind: 'invite' | 'withdraw' | 'accept' | 'deny'
    ask: number | null
    pos: number
  }
  /** Servers that speak presence lists, "2015-mode peers" (PRESENCE-SPEC §1.1), and when they were last heard. */
  listPeers: { serverName: ServerName; heardTs: number }
  /** What such a server said last of a user of ours: `poll` (1) or `unpoll` (0). */
  polls: { serverName: ServerName; userId: UserId; wanted: 0 | 1 }
  /** Servers that failed: how often since they last answered, and when to try again. */
  destinations: { serverName: ServerName; failures: number; retryTs: number }
  /** Public keys of other servers. `expiredTs` is null for current ones. */
  serverKeys: {
    serverName: ServerName
    keyId: string
    key: string
    validUntilTs: number
    expiredTs: number | null
    fetchedTs: number
  }
  /** Answers to transactions of other servers, for repeats of them. */
  inboundTransactions: { origin: ServerName; txnId: string; json: string; ts: number }
  rooms: {
    roomId: RoomId
    version: string
    creator: UserId
    createdTs: number
    /** Listed in the room directory. */
    listed: 0 | 1
  }
  events: {
    eventId: EventId
    roomId: RoomId
    /** Place in the order in which this server stored events of all rooms; unique. */
    pos: number
    depth: number
    type: string
    stateKey: string | null
    sender: UserId
    originServerTs: number
    /** The PDU as signed, without `event_id`. */
    json: string
    /** The event whose place in the state this one took, or null. */
    replaces: EventId | null
    /** The accepted redaction that empties this event for readers, or null. */
    redactedBy: EventId | null
    /** The device and transaction that made it, if one of ours did (`unsigned.transaction_id`). */
    txnDevice: DeviceId | null
    txnId: string | null
  }
  /** What the current state became, and where: the state at a position is the newest row of each key up to it. */
  stateLog: { roomId: RoomId; type: string; stateKey: string; pos: number; eventId: EventId }
  /** Events that no accepted event cites yet: the next event's `prev_events`. */
  extremities: { roomId: RoomId; eventId: EventId }
  /** The current membership of every user who ever had one. */
  memberships: {
    roomId: RoomId
    userId: UserId
    membership: string
    eventId: EventId
    pos: number
    forgotten: 0 | 1
  }
  /** `thread` is '' for unthreaded receipts. `eventPos` is the position of the event read, -1 if unknown. */
  receipts: {
    roomId: RoomId
    userId: UserId
    type: string
    thread: string
    eventId: EventId
    eventPos: number
    ts: number
    pos: number
  }
  aliases: { alias: RoomAlias; roomId: RoomId; creator: UserId; createdTs: number }
}

export type TableName = keyof Tables
export type Row<Name extends TableName> = Tables[Name]

/** The columns that make a row unique; `put` replaces the row with the same key. */
export const PRIMARY_KEYS: { readonly [Name in TableName]: readonly (keyof Tables[Name])[] } = {
  meta: ['key'],
  accounts: ['userId'],
  erasures: ['userId'],
  devices: ['userId', 'deviceId'],
  tokens: ['tokenHash'],
  profiles: ['userId', 'field'],
  accountData: ['userId', 'roomId', 'type'],
  filters: ['userId', 'filterId'],
  transactions: ['userId', 'deviceId', 'request'],
  deviceKeys: ['userId', 'deviceId'],
  oneTimeKeys: ['userId', 'deviceId', 'keyId'],
  fallbackKeys: ['userId', 'deviceId', 'algorithm'],
  presence: ['userId'],
  presenceList: ['observer', 'observed'],
  presenceGrants: ['observed', 'observer'],
  presenceListNews: ['userId', 'otherId', 'direction'],
  invitePolicies: ['userId'],
  listOutbox: ['observer', 'observed'],
  listPeers: ['serverName'],
  polls: ['serverName', 'userId'],
  destinations: ['serverName'],
  serverKeys: ['serverName', 'keyId'],
  inboundTransactions: ['origin', 'txnId'],
  rooms: ['roomId'],
  events: ['eventId'],
  stateLog: ['roomId', 'type', 'stateKey', 'pos'],
  extremities: ['roomId', 'eventId'],
  memberships: ['roomId', 'userId'],
  receipts: ['roomId', 'userId', 'type', 'thread'],
  aliases: ['alias'],
}

/** Tables that are loaded whole at start. */
export type WholeTable =
  | 'erasures'
  | 'presence'
  | 'presenceList'
  | 'presenceGrants'
  | 'memberships'
  | 'aliases'
  | 'rooms'
  | 'listPeers'
  | 'polls'
  | 'destinations'

/** Put replaces the row of the same primary key; drop removes every row that has all the given values. */
export type Write = {
  [Name in TableName]:
    | { readonly put: Name; readonly row: Row<Name> }
    | { readonly drop: Name; readonly where: Partial<Row<Name>> }
}[TableName]

/** The events of a room in stream order within (after, upTo], newest `limit` or oldest `limit` of them. */
export interface EventRange {
  readonly roomId: RoomId
  /** Exclusive. */
  readonly after: number
  /** Inclusive. */
  readonly upTo: number
  readonly limit: number
  /** Which end of the range the limit keeps; the answer is in that direction's order. */
  readonly newestFirst: boolean
}

/** One change of a room's state: the key now names this event. */
export type StateEntry = Row<'stateLog'>

/**
 * A commit is all or none, in order of the calls; durable when the promise resolves (DESIGN §3.8), and every later read
 * sees it. Look-ups of many leave out what is not there, give each row once and promise no order unless they say one.
 * Texts may be any Unicode, NUL included; a lone surrogate comes back as U+FFFD. Numbers are safe integers.
 */
export interface Store {
  /**
   * Commits resolve in the order of the calls. The rows are copied at the call. A commit that cannot be done rejects,
   * changes nothing, and leaves the others alone.
   */
  commit(writes: readonly Write[]): Promise<void>

  meta(key: string): Promise<string | null>
  /** Every row of a table that is loaded whole at start. */
  all<Name extends WholeTable>(table: Name): Promise<Row<Name>[]>
  /**
   * The highest `pos` that any row ever carried, dropped and replaced ones included, so that no position is given out
   * twice; 0 for an empty store.
   */
  lastPosition(): Promise<number>

  account(userId: UserId): Promise<Row<'accounts'> | null>
  token(tokenHash: string): Promise<Row<'tokens'> | null>
  devices(userId: UserId): Promise<Row<'devices'>[]>
  profiles(userIds: readonly UserId[]): Promise<Row<'profiles'>[]>
  /** Accounts whose user ID or display name contains `text`, case-insensitively; at most `limit`, in order of user ID. */
  accountsLike(text: string, limit: number): Promise<Row<'accounts'>[]>

  accountData(userId: UserId, roomId: RoomId | '', type: string): Promise<Row<'accountData'> | null>
  /** Data of one user, of all rooms, changed within (after, upTo], oldest first. */
  accountDataBetween(userId: UserId, after: number, upTo: number): Promise<Row<'accountData'>[]>
  /** Every user's row of one type, e.g. all ignore lists at start. */
  accountDataOfType(type: string): Promise<Row<'accountData'>[]>
  filter(userId: UserId, filterId: string): Promise<Row<'filters'> | null>
  filters(userId: UserId): Promise<Row<'filters'>[]>
  transaction(userId: UserId, deviceId: DeviceId, request: string): Promise<Row<'transactions'> | null>
  /** Removes answers stored before `createdBefore`; the one write that is a condition and not a row. */
  dropTransactions(createdBefore: number): Promise<void>

  deviceKeys(userIds: readonly UserId[]): Promise<Row<'deviceKeys'>[]>
  /** Oldest first. */
  oneTimeKeys(userId: UserId, deviceId: DeviceId): Promise<Row<'oneTimeKeys'>[]>
  fallbackKeys(userId: UserId, deviceId: DeviceId): Promise<Row<'fallbackKeys'>[]>

  presenceEntry(observer: UserId, observed: UserId): Promise<Row<'presenceList'> | null>
  /** Of one observer. */
  presenceEntries(observer: UserId): Promise<Row<'presenceList'>[]>
  presenceGrant(observed: UserId, observer: UserId): Promise<Row<'presenceGrants'> | null>
  /** Of one observed user, those in this state. */
  presenceGrants(observed: UserId, state: Row<'presenceGrants'>['state']): Promise<Row<'presenceGrants'>[]>
  /** Of one user, changed within (after, upTo], oldest first. */
  presenceListNews(userId: UserId, after: number, upTo: number): Promise<Row<'presenceListNews'>[]>
  invitePolicy(userId: UserId): Promise<string | null>
  /** What nobody answered: pending rows whose invite was sent at `until` or before, the oldest first, at most `limit`. */
  presenceEntriesAsked(until: number, limit: number): Promise<Row<'presenceList'>[]>
  presenceGrantsAsked(until: number, limit: number): Promise<Row<'presenceGrants'>[]>
  /** News of `until` or before of pairs that are not pending, the oldest first, at most `limit`. */
  presenceListNewsUntil(until: number, limit: number): Promise<Row<'presenceListNews'>[]>

  /** Servers for which something waits. */
  listOutboxServers(): Promise<ServerName[]>
  /** What waits of one pair. */
  /** What waits of one observer's pairs, for whichever servers. */
  listOutboxOf(observer: UserId): Promise<Row<'listOutbox'>[]>
  listOutboxEntry(observer: UserId, observed: UserId): Promise<Row<'listOutbox'> | null>
  /** What waits for one server, the oldest first, at most `limit`. */
  listOutbox(serverName: ServerName, limit: number): Promise<Row<'listOutbox'>[]>
  serverKeys(serverName: ServerName): Promise<Row<'serverKeys'>[]>
  /** Removes keys that are believed no longer at `now`; like `dropTransactions` a condition and not a row. */
  dropServerKeys(now: number): Promise<void>
  inboundTransaction(origin: ServerName, txnId: string): Promise<Row<'inboundTransactions'> | null>
  /** Removes answers stored before; like `dropTransactions` a condition and not a row. */
  dropInboundTransactions(before: number): Promise<void>

  /** In stream order. */
  events(eventIds: readonly EventId[]): Promise<Row<'events'>[]>
  eventsBetween(range: EventRange): Promise<Row<'events'>[]>
  extremities(roomId: RoomId): Promise<EventId[]>
  /** The room's state at a position: the newest entry of each key up to and including it. */
  stateAt(roomId: RoomId, upTo: number): Promise<StateEntry[]>
  /** One key of that state, or null. */
  stateEntryAt(roomId: RoomId, type: string, stateKey: string, upTo: number): Promise<StateEntry | null>
  /** Every entry of one key, oldest first: how a user's membership, or a setting, went. */
  stateHistory(roomId: RoomId, type: string, stateKey: string): Promise<StateEntry[]>
  /** State entries within (after, upTo], oldest first. */
  stateBetween(roomId: RoomId, after: number, upTo: number): Promise<StateEntry[]>
  memberships(userId: UserId): Promise<Row<'memberships'>[]>
  members(roomId: RoomId): Promise<Row<'memberships'>[]>
  receipts(roomId: RoomId): Promise<Row<'receipts'>[]>
  /** Receipts of the rooms changed within (after, upTo], oldest first. */
  receiptsBetween(roomIds: readonly RoomId[], after: number, upTo: number): Promise<Row<'receipts'>[]>
  aliasesOf(roomId: RoomId): Promise<Row<'aliases'>[]>

  /** Finishes the commits that were called before, and lets go of the database; whatever is called after rejects. */
  close(): Promise<void>
}
