import type { DeviceId, EventId, RoomAlias, RoomId, ServerName, UserId } from '../../src/matrix/ids.ts'
import type { Row, TableName, Write } from '../../src/ports/store.ts'

export const ALICE = '@alice:hs' as UserId
export const BOB = '@bob:hs' as UserId
export const PHONE = 'PHONE' as DeviceId
export const LAPTOP = 'LAPTOP' as DeviceId
export const ROOM = '!room:hs' as RoomId
export const OTHER_ROOM = '!other:hs' as RoomId
export const PEER = 'peer' as ServerName
export const EVENT = '$event' as EventId

/** A whole row of each table; a test says only what matters to it. */
const SAMPLES: { readonly [Name in TableName]: Row<Name> } = {
  meta: { key: 'epoch', value: '7' },
  accounts: {
    userId: ALICE,
    passwordHash: '$argon2id$…',
    admin: 1,
    guest: 0,
    createdTs: 1_443_787_200_000,
    deactivatedTs: null,
  },
  erasures: { userId: ALICE },
  devices: {
    userId: ALICE,
    deviceId: PHONE,
    displayName: 'Phone',
    createdTs: 5,
    lastSeenTs: 6,
    lastSeenIp: '::1',
  },
  tokens: { tokenHash: 'ab12', userId: ALICE, deviceId: PHONE, createdTs: 5 },
  profiles: { userId: ALICE, field: 'displayname', json: '"Alice"' },
  accountData: { userId: ALICE, roomId: '', type: 'm.direct', json: '{}', pos: 1 },
  filters: { userId: ALICE, filterId: '0', json: '{"room":{}}' },
  transactions: {
    userId: ALICE,
    deviceId: PHONE,
    request: 'PUT /send/1',
    status: 200,
    json: '{}',
    createdTs: 5,
  },
  deviceKeys: { userId: ALICE, deviceId: PHONE, json: '{"keys":{}}' },
  oneTimeKeys: {
    userId: ALICE,
    deviceId: PHONE,
    keyId: 'signed_curve25519:AA',
    algorithm: 'signed_curve25519',
    json: '{}',
    pos: 1,
  },
  fallbackKeys: {
    userId: ALICE,
    deviceId: PHONE,
    algorithm: 'signed_curve25519',
    keyId: 'signed_curve25519:FF',
    json: '{}',
    used: 0,
  },
  presence: {
    userId: ALICE,
    state: 'online',
    statusMsg: 'in a call',
    lastActiveTs: 5,
    hidden: 1,
    hiddenBy: PHONE,
    currentlyActive: 0,
    refreshedTs: null,
  },
  presenceList: { observer: ALICE, observed: BOB, state: 'pending', askedTs: 5, acceptedPos: null, ask: 4 },
  presenceGrants: { observed: ALICE, observer: BOB, state: 'granted', ts: 5, ask: null },
  presenceListNews: {
    userId: ALICE,
    otherId: BOB,
    direction: 'outgoing',
    state: 'pending',
    ts: 5,
    pos: 1,
  },
  invitePolicies: { userId: ALICE, policy: 'manual' },
  listOutbox: { observer: ALICE, observed: BOB, serverName: PEER, kind: 'invite', ask: 4, pos: 1 },
  listPeers: { serverName: PEER, heardTs: 5 },
  polls: { serverName: PEER, userId: ALICE, wanted: 1 },
  destinations: { serverName: PEER, failures: 3, retryTs: 5 },
  serverKeys: {
    serverName: PEER,
    keyId: 'ed25519:a_1',
    key: 'XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI',
    validUntilTs: 5,
    expiredTs: null,
    fetchedTs: 5,
  },
  inboundTransactions: { origin: PEER, txnId: '1', json: '{"pdus":{}}', ts: 5 },
  rooms: { roomId: ROOM, version: '12', creator: ALICE, createdTs: 5, listed: 1 },
  events: {
    eventId: EVENT,
    roomId: ROOM,
    pos: 1,
    depth: 1,
    type: 'm.room.message',
    stateKey: null,
    sender: ALICE,
    originServerTs: 5,
    json: '{"content":{}}',
    replaces: null,
    redactedBy: null,
    txnDevice: PHONE,
    txnId: '1',
  },
  stateLog: { roomId: ROOM, type: 'm.room.name', stateKey: '', pos: 1, eventId: EVENT },
  extremities: { roomId: ROOM, eventId: EVENT },
  memberships: { roomId: ROOM, userId: ALICE, membership: 'join', eventId: EVENT, pos: 1, forgotten: 0 },
  receipts: {
    roomId: ROOM,
    userId: ALICE,
    type: 'm.read',
    thread: '',
    eventId: EVENT,
    eventPos: 1,
    ts: 5,
    pos: 1,
  },
  aliases: { alias: '#alias:hs' as RoomAlias, roomId: ROOM, creator: ALICE, createdTs: 5 },
}

export const TABLE_NAMES = Object.keys(SAMPLES) as TableName[]

export function row<Name extends TableName>(name: Name, cells: Partial<Row<Name>> = {}): Row<Name> {
  return { ...SAMPLES[name], ...cells }
}

export function put<Name extends TableName>(name: Name, cells: Partial<Row<Name>> = {}): Write {
  return { put: name, row: row(name, cells) } as Write
}

export function drop<Name extends TableName>(name: Name, where: Partial<Row<Name>>): Write {
  return { drop: name, where } as Write
}
