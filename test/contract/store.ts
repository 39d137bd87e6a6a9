import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EventId, RoomAlias, ServerName, UserId } from '../../src/matrix/ids.ts'
import type { Row, Store, TableName, Write } from '../../src/ports/store.ts'
import {
  ALICE,
  BOB,
  drop,
  EVENT,
  LAPTOP,
  OTHER_ROOM,
  PEER,
  PHONE,
  put,
  ROOM,
  row,
  TABLE_NAMES,
} from './rows.ts'

let store: Store

/** What every adapter of the store must pass. `open` gives an empty store, to be closed by the suite. */
export function storeContract(name: string, open: () => Promise<Store>): void {
  describe(`the store in ${name}`, () => {
    beforeEach(async () => {
      store = await open()
    })
    afterEach(() => store.close())

    describe('puts and drops', putsAndDrops)
    describe('commits', commits)
    describe('texts and numbers', textsAndNumbers)
    describe('accounts', accounts)
    describe('user data', userData)
    describe('presence lists', presenceLists)
    describe('federation', federation)
    describe('events', events)
    describe('state', state)
    describe('rooms', rooms)
    describe('positions', positions)
    describe('closing', closing)
  })
}

/** Every row of the store that the sample rows' keys lead to, table by table. */
async function readAll(): Promise<{ [Name in TableName]: Row<Name>[] }> {
  const epoch = await store.meta('epoch')
  const listOf = <R>(value: R | null): R[] => (value === null ? [] : [value])
  return {
    meta: epoch === null ? [] : [{ key: 'epoch', value: epoch }],
    accounts: listOf(await store.account(ALICE)),
    erasures: await store.all('erasures'),
    devices: await store.devices(ALICE),
    tokens: listOf(await store.token('ab12')),
    profiles: await store.profiles([ALICE]),
    accountData: listOf(await store.accountData(ALICE, '', 'm.direct')),
    filters: await store.filters(ALICE),
    transactions: listOf(await store.transaction(ALICE, PHONE, 'PUT /send/1')),
    deviceKeys: await store.deviceKeys([ALICE]),
    oneTimeKeys: await store.oneTimeKeys(ALICE, PHONE),
    fallbackKeys: await store.fallbackKeys(ALICE, PHONE),
    presence: await store.all('presence'),
    presenceList: await store.presenceEntries(ALICE),
    presenceGrants: await store.all('presenceGrants'),
    presenceListNews: await store.presenceListNews(ALICE, 0, 1),
    invitePolicies: await policiesOf(ALICE),
    listOutbox: await store.listOutbox(PEER, 9),
    listPeers: await store.all('listPeers'),
    polls: await store.all('polls'),
    destinations: await store.all('destinations'),
    serverKeys: await store.serverKeys(PEER),
    inboundTransactions: listOf(await store.inboundTransaction(PEER, '1')),
    rooms: await store.all('rooms'),
    events: await store.events([EVENT]),
    stateLog: await store.stateHistory(ROOM, 'm.room.name', ''),
    extremities: (await store.extremities(ROOM)).map((eventId) => ({ roomId: ROOM, eventId })),
    memberships: await store.all('memberships'),
    receipts: await store.receipts(ROOM),
    aliases: await store.all('aliases'),
  }
}

async function policiesOf(userId: UserId): Promise<Row<'invitePolicies'>[]> {
  const policy = await store.invitePolicy(userId)
  return policy === null ? [] : [{ userId, policy }]
}

const everySample = (): Write[] => TABLE_NAMES.map((name) => put(name))

function putsAndDrops(): void {
  test('an empty store answers every read with nothing', async () => {
    for (const rows of Object.values(await readAll())) expect(rows).toEqual([])
    expect(await store.filter(ALICE, '0')).toBeNull()
    expect(await store.accountsLike('', 10)).toEqual([])
    expect(await store.accountDataBetween(ALICE, 0, 100)).toEqual([])
    expect(await store.accountDataOfType('m.direct')).toEqual([])
    expect(
      await store.eventsBetween({ roomId: ROOM, after: 0, upTo: 9, limit: 9, newestFirst: true }),
    ).toEqual([])
    expect(await store.stateAt(ROOM, 9)).toEqual([])
    expect(await store.stateEntryAt(ROOM, 'm.room.name', '', 9)).toBeNull()
    expect(await store.stateBetween(ROOM, 0, 9)).toEqual([])
    expect(await store.memberships(ALICE)).toEqual([])
    expect(await store.members(ROOM)).toEqual([])
    expect(await store.receiptsBetween([ROOM], 0, 9)).toEqual([])
    expect(await store.aliasesOf(ROOM)).toEqual([])
    expect(await store.profiles([])).toEqual([])
    expect(await store.presenceEntry(ALICE, BOB)).toBeNull()
    expect(await store.presenceGrant(ALICE, BOB)).toBeNull()
    expect(await store.presenceGrants(ALICE, 'granted')).toEqual([])
    expect(await store.presenceEntriesAsked(9, 9)).toEqual([])
    expect(await store.presenceGrantsAsked(9, 9)).toEqual([])
    expect(await store.presenceListNewsUntil(9, 9)).toEqual([])
    expect(await store.listOutboxServers()).toEqual([])
    expect(await store.listOutboxEntry(ALICE, BOB)).toBeNull()
    expect(await store.listOutboxOf(ALICE)).toEqual([])
  })

  test('a row of every table comes back as it was put, as a plain object', async () => {
    await store.commit(everySample())
    const read = await readAll()
    for (const name of TABLE_NAMES) expect(read[name]).toStrictEqual([row(name)])
  })

  test('a put replaces the row of the same key and no other', async () => {
    await store.commit([
      put('devices'),
      put('devices', { deviceId: LAPTOP }),
      put('devices', { userId: BOB }),
    ])
    await store.commit([put('devices', { displayName: null, lastSeenTs: null, lastSeenIp: null })])
    expect(byKey(await store.devices(ALICE))).toEqual([
      row('devices', { deviceId: LAPTOP }),
      row('devices', { displayName: null, lastSeenTs: null, lastSeenIp: null }),
    ])
    expect(await store.devices(BOB)).toEqual([row('devices', { userId: BOB })])
  })

  test('putting the same row twice changes nothing, also where the key is the whole row', async () => {
    await store.commit([...everySample(), ...everySample()])
    expect(await store.extremities(ROOM)).toEqual([EVENT])
    expect((await readAll()).events).toEqual([row('events')])
  })

  test('a drop removes every row that has all the given values', async () => {
    const all = [ALICE, BOB].flatMap((userId) =>
      [PHONE, LAPTOP].map((deviceId) =>
        put('tokens', { tokenHash: `${userId}${deviceId}`, userId, deviceId }),
      ),
    )
    const left = async (): Promise<boolean[]> =>
      Promise.all(all.map(async (write) => (await store.token(hashOf(write))) !== null))
    await store.commit(all)
    await store.commit([drop('tokens', { userId: ALICE, deviceId: LAPTOP })])
    expect(await left()).toEqual([true, false, true, true])
    await store.commit([drop('tokens', { deviceId: PHONE, createdTs: 6 })])
    expect(await left()).toEqual([true, false, true, true])
    await store.commit([drop('tokens', { deviceId: PHONE, createdTs: 5 })])
    expect(await left()).toEqual([false, false, false, true])
    await store.commit([drop('tokens', { tokenHash: `${BOB}${LAPTOP}` })])
    expect(await left()).toEqual([false, false, false, false])
  })

  test('a drop by null removes the rows without a value, and a drop by nothing all rows', async () => {
    await store.commit([
      put('presence', { hiddenBy: null }),
      put('presence', { userId: BOB, hiddenBy: PHONE }),
    ])
    await store.commit([drop('presence', { hiddenBy: null })])
    expect((await store.all('presence')).map(({ userId }) => userId)).toEqual([BOB])
    await store.commit([drop('presence', {})])
    expect(await store.all('presence')).toEqual([])
  })

  test('every table can be dropped by its row', async () => {
    await store.commit(everySample())
    await store.commit(TABLE_NAMES.map((name) => ({ drop: name, where: row(name) }) as Write))
    for (const rows of Object.values(await readAll())) expect(rows).toEqual([])
  })

  test('changing what was put, or what was read, does not change the store', async () => {
    const device = row('devices')
    const written = store.commit([{ put: 'devices', row: device }])
    device.displayName = 'changed after the call'
    await written
    const [read] = await store.devices(ALICE)
    if (read !== undefined) read.displayName = 'changed after the read'
    expect(await store.devices(ALICE)).toEqual([row('devices')])
  })
}

function hashOf(write: Write): string {
  return 'put' in write && write.put === 'tokens' ? write.row.tokenHash : ''
}

function byKey<R>(rows: R[]): R[] {
  return rows.sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1))
}

function commits(): void {
  const conflicting = (pos: number): Write => put('events', { eventId: '$conflict' as EventId, pos })
  const unfit = { put: 'devices', row: { ...row('devices'), displayName: undefined } } as unknown as Write

  test('the writes of one commit are done in their order', async () => {
    await store.commit([
      put('profiles', { field: 'a' }),
      drop('profiles', { userId: ALICE }),
      put('profiles', { field: 'b' }),
    ])
    expect((await store.profiles([ALICE])).map(({ field }) => field)).toEqual(['b'])
  })

  test.each([
    ['conflict', conflicting(1)],
    ['unfit value', unfit],
  ])('a commit with a %s in the middle changes nothing', async (_, failing) => {
    await store.commit(everySample())
    const before = await readAll()
    const writes = [
      put('devices', { displayName: 'replaced' }),
      put('accountData', { type: 'new', pos: 50 }),
      drop('stateLog', { roomId: ROOM }),
      drop('receipts', {}),
      failing,
      put('meta', { value: 'after' }),
    ]
    await expect(store.commit(writes)).rejects.toThrow()
    expect(await readAll()).toEqual(before)
    expect(await store.accountData(ALICE, '', 'new')).toBeNull()
    expect(await store.lastPosition()).toBe(1)
  })

  test('two events cannot have one position; the failure says that it is a conflict', async () => {
    await store.commit([put('events')])
    await expect(store.commit([conflicting(1)])).rejects.toMatchObject({ reason: 'conflict' })
    await store.commit([put('events', { redactedBy: '$redaction' as EventId })])
    expect(await store.events([EVENT])).toEqual([row('events', { redactedBy: '$redaction' as EventId })])
  })

  test('a commit that fails leaves those called before and after it alone', async () => {
    const results = await Promise.allSettled([
      store.commit([put('events')]),
      store.commit([put('meta', { value: 'lost' }), conflicting(1)]),
      store.commit([put('filters')]),
      store.commit([conflicting(2)]),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
    expect(await store.meta('epoch')).toBeNull()
    expect(await store.filters(ALICE)).toHaveLength(1)
    expect((await store.events([EVENT, '$conflict' as EventId])).map(({ pos }) => pos)).toEqual([1, 2])
  })

  test('commits resolve in the order of their calls, and each is readable when it resolves', async () => {
    const resolved: number[] = []
    await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        await store.commit([put('meta', { key: `key ${i}`, value: String(i) })])
        resolved.push(i)
        if (i % 100 === 0) expect(await store.meta(`key ${i}`)).toBe(String(i))
      }),
    )
    expect(resolved).toEqual(Array.from({ length: 1_000 }, (_, i) => i))
  })

  test('of two commits to one row the one called later stays', async () => {
    await Promise.all(['a', 'b', 'c'].map((value) => store.commit([put('meta', { value })])))
    expect(await store.meta('epoch')).toBe('c')
  })

  test('an empty commit waits for those before it', async () => {
    const order: string[] = []
    const first = store.commit([put('meta')]).then(() => order.push('first'))
    await store.commit([]).then(() => order.push('empty'))
    await first
    expect(order).toEqual(['first', 'empty'])
  })

  test('a commit of thousands of rows is one commit', async () => {
    const many = Array.from({ length: 5_000 }, (_, i) => put('filters', { filterId: String(i) }))
    await expect(store.commit([...many, unfit])).rejects.toThrow()
    expect(await store.filters(ALICE)).toEqual([])
    await store.commit(many)
    expect(await store.filters(ALICE)).toHaveLength(5_000)
  })
}

function textsAndNumbers(): void {
  test.each([
    ['empty', ''],
    ['astral', '😀 \u{10FFFF}'],
    ['NUL', 'a\0b'],
    ['quotes and escapes', `'; drop table accounts; -- "\\ % _ ?`],
    ['composed and decomposed', 'é e\u0301'],
    ['line ends', '\r\n\u2028'],
    ['64 KiB', 'ä'.repeat(32_768)],
  ])('a text that is %s is kept as it is, in keys and values', async (_, text) => {
    await store.commit([
      put('profiles', { field: text, json: text }),
      put('meta', { key: text, value: text }),
    ])
    expect(await store.meta(text)).toBe(text)
    expect(await store.profiles([ALICE])).toEqual([row('profiles', { field: text, json: text })])
    await store.commit([drop('profiles', { field: text })])
    expect(await store.profiles([ALICE])).toEqual([])
  })

  test('texts that look alike, or differ after a NUL or in case, are different keys', async () => {
    const keys = ['é', 'e\u0301', 'a\0b', 'a\0c', 'a', 'A', '1', '01']
    await store.commit(keys.map((key) => put('meta', { key, value: `value of ${key}` })))
    for (const key of keys) expect(await store.meta(key)).toBe(`value of ${key}`)
  })

  test('a lone surrogate becomes the replacement character', async () => {
    await store.commit([put('meta', { key: 'x\ud800', value: '\udfff!' })])
    expect(await store.meta('x\ud800')).toBe('\ufffd!')
    expect(await store.meta('x\ufffd')).toBe('\ufffd!')
  })

  test('the largest safe integers are kept', async () => {
    const cells = { createdTs: Number.MAX_SAFE_INTEGER, deactivatedTs: Number.MIN_SAFE_INTEGER }
    await store.commit([put('accounts', cells)])
    expect(await store.account(ALICE)).toEqual(row('accounts', cells))
  })

  test.each([
    ['yes and no', { admin: true }],
    ['fractions', { createdTs: 1.5 }],
    ['too large numbers', { createdTs: 2 ** 53 }],
    ['NaN', { createdTs: Number.NaN }],
    ['texts for numbers', { createdTs: '5' }],
    ['numbers for texts', { passwordHash: 5 }],
    ['null where there must be something', { createdTs: null }],
    ['dates', { createdTs: new Date(5) }],
  ])('%s are refused', async (_, cells) => {
    const write = { put: 'accounts', row: { ...row('accounts'), ...cells } } as unknown as Write
    await expect(store.commit([write])).rejects.toThrow('accounts')
    expect(await store.account(ALICE)).toBeNull()
  })

  test('columns and tables that do not exist are refused', async () => {
    await store.commit([put('accounts')])
    const where = { nobody: 1 } as unknown as Partial<Row<'accounts'>>
    await expect(store.commit([drop('accounts', where)])).rejects.toThrow('nobody')
    expect(await store.account(ALICE)).not.toBeNull()
  })
}

function accounts(): void {
  const person = (localpart: string, displayName: string | null): Write[] => {
    const userId = `@${localpart}:hs` as UserId
    const account = put('accounts', { userId })
    if (displayName === null) return [account]
    return [account, put('profiles', { userId, json: JSON.stringify(displayName) })]
  }
  const found = async (text: string, limit = 10): Promise<string[]> =>
    (await store.accountsLike(text, limit)).map(({ userId }) => userId)

  test('accounts are found by parts of user ID and display name, in any case, in order', async () => {
    await store.commit([
      ...person('zoe', null),
      ...person('bert', 'Ærlig ZOË'),
      ...person('anna_b', 'ΣΊΣΥΦΟΣ 100%'),
    ])
    expect(await found('ZOE')).toEqual(['@zoe:hs'])
    expect(await found('zoë')).toEqual(['@bert:hs'])
    expect(await found('æRLIG')).toEqual(['@bert:hs'])
    expect(await found('σίσυφ')).toEqual(['@anna_b:hs'])
    expect(await found(':hs')).toEqual(['@anna_b:hs', '@bert:hs', '@zoe:hs'])
    expect(await found('')).toHaveLength(3)
    expect(await found('', 2)).toEqual(['@anna_b:hs', '@bert:hs'])
    expect(await found('', 0)).toEqual([])
  })

  test('letters are found however they are composed', async () => {
    await store.commit([...person('a', 'Zoe\u0308'), ...person('b', 'Zo\u00eb')])
    expect(await found('zo\u00eb')).toHaveLength(2)
    expect(await found('zoe\u0308')).toHaveLength(2)
  })

  test('a search text has no wildcards, and only the display name is searched', async () => {
    await store.commit([
      ...person('a_b', '100%'),
      ...person('axb', '1000'),
      put('profiles', { userId: '@axb:hs' as UserId, field: 'avatar_url', json: '"mxc://secret"' }),
      put('profiles', { userId: '@nobody:hs' as UserId, json: '"without account"' }),
    ])
    expect(await found('a_b')).toEqual(['@a_b:hs'])
    expect(await found('0%')).toEqual(['@a_b:hs'])
    expect(await found('secret')).toEqual([])
    expect(await found('without')).toEqual([])
    expect(await found('"')).toEqual([])
  })

  test('a display name that is not a text is no name', async () => {
    await store.commit([put('accounts'), put('profiles', { json: '{"a":"findme"}' })])
    expect(await found('findme')).toEqual([])
    expect(await found('alice')).toEqual([ALICE])
  })

  test('accounts come with every column', async () => {
    await store.commit([put('accounts', { passwordHash: null, deactivatedTs: 9 })])
    expect(await store.accountsLike('ALICE', 1)).toStrictEqual([
      row('accounts', { passwordHash: null, deactivatedTs: 9 }),
    ])
  })

  test('profiles and keys of many users are read at once, each once', async () => {
    await store.commit([
      put('profiles'),
      put('profiles', { field: 'avatar_url' }),
      put('profiles', { userId: BOB }),
      put('deviceKeys'),
      put('deviceKeys', { deviceId: LAPTOP }),
      put('deviceKeys', { userId: BOB }),
    ])
    expect(await store.profiles([ALICE, BOB, ALICE, '@nobody:hs' as UserId])).toHaveLength(3)
    expect((await store.profiles([BOB])).map(({ userId }) => userId)).toEqual([BOB])
    expect(await store.deviceKeys([ALICE, BOB, BOB])).toHaveLength(3)
    expect(byKey(await store.deviceKeys([ALICE])).map(({ deviceId }) => deviceId)).toEqual([LAPTOP, PHONE])
  })

  test('thousands of users are asked for at once', async () => {
    const users = Array.from({ length: 3_000 }, (_, i) => `@user${i}:hs` as UserId)
    await store.commit(users.map((userId) => put('profiles', { userId })))
    expect(await store.profiles(users)).toHaveLength(3_000)
  })
}

function userData(): void {
  test('account data is found by user, room and type', async () => {
    await store.commit([
      put('accountData', { json: '"global"' }),
      put('accountData', { roomId: ROOM, json: '"room"' }),
      put('accountData', { userId: BOB, json: '"bob"' }),
    ])
    expect((await store.accountData(ALICE, '', 'm.direct'))?.json).toBe('"global"')
    expect((await store.accountData(ALICE, ROOM, 'm.direct'))?.json).toBe('"room"')
    expect(await store.accountData(ALICE, OTHER_ROOM, 'm.direct')).toBeNull()
    expect(await store.accountData(ALICE, '', 'm.tag')).toBeNull()
    expect((await store.accountDataOfType('m.direct')).map(({ json }) => json).sort()).toEqual([
      '"bob"',
      '"global"',
      '"room"',
    ])
  })

  test('account data changed between positions is of one user, of all rooms, oldest first', async () => {
    await store.commit([
      put('accountData', { type: 'd', pos: 4 }),
      put('accountData', { type: 'b', roomId: ROOM, pos: 2 }),
      put('accountData', { type: 'a', pos: 1 }),
      put('accountData', { type: 'c', pos: 3 }),
      put('accountData', { type: 'x', userId: BOB, pos: 3 }),
    ])
    const between = async (after: number, upTo: number): Promise<string[]> =>
      (await store.accountDataBetween(ALICE, after, upTo)).map(({ type }) => type)
    expect(await between(0, 9)).toEqual(['a', 'b', 'c', 'd'])
    expect(await between(1, 3)).toEqual(['b', 'c'])
    expect(await between(3, 3)).toEqual([])
    expect(await between(-1, Number.POSITIVE_INFINITY)).toEqual(['a', 'b', 'c', 'd'])
    await store.commit([put('accountData', { type: 'a', pos: 5 })])
    expect(await between(0, 9)).toEqual(['b', 'c', 'd', 'a'])
  })

  test('filters are their user’s', async () => {
    await store.commit([put('filters'), put('filters', { filterId: '1' }), put('filters', { userId: BOB })])
    expect(await store.filter(ALICE, '1')).toEqual(row('filters', { filterId: '1' }))
    expect(await store.filter(BOB, '1')).toBeNull()
    expect(await store.filters(ALICE)).toHaveLength(2)
  })

  test('answers to transactions are found by device and request, and dropped when they are old', async () => {
    await store.commit(
      [1, 2, 3].map((createdTs) => put('transactions', { request: `PUT /${createdTs}`, createdTs })),
    )
    const at = (request: string, deviceId = PHONE) => store.transaction(ALICE, deviceId, request)
    expect((await at('PUT /2'))?.createdTs).toBe(2)
    expect(await at('PUT /2', LAPTOP)).toBeNull()
    const later = store.commit([put('transactions', { request: 'PUT /0', createdTs: 0 })])
    await store.dropTransactions(2)
    await later
    expect([await at('PUT /0'), await at('PUT /1')]).toEqual([null, null])
    expect([await at('PUT /2'), await at('PUT /3')]).not.toContain(null)
  })

  test('one-time keys are those of one device, oldest first', async () => {
    await store.commit([
      put('oneTimeKeys', { keyId: 'k:A', pos: 3 }),
      put('oneTimeKeys', { keyId: 'k:C', pos: 1 }),
      put('oneTimeKeys', { keyId: 'k:B', pos: 2 }),
      put('oneTimeKeys', { keyId: 'k:D', deviceId: LAPTOP, pos: 4 }),
    ])
    expect((await store.oneTimeKeys(ALICE, PHONE)).map(({ keyId }) => keyId)).toEqual(['k:C', 'k:B', 'k:A'])
  })

  test('there is one fallback key for each algorithm of a device', async () => {
    await store.commit([put('fallbackKeys'), put('fallbackKeys', { algorithm: 'other' })])
    await store.commit([put('fallbackKeys', { keyId: 'new', used: 1 })])
    const keys = await store.fallbackKeys(ALICE, PHONE)
    expect(keys.map(({ algorithm, keyId, used }) => `${algorithm} ${keyId} ${used}`).sort()).toEqual([
      'other signed_curve25519:FF 0',
      'signed_curve25519 new 1',
    ])
    expect(await store.fallbackKeys(ALICE, LAPTOP)).toEqual([])
  })
}

function event(pos: number, cells: Partial<Row<'events'>> = {}): Write {
  return put('events', { eventId: `$${pos}` as EventId, pos, ...cells })
}

function presenceLists(): void {
  const CAROL = '@carol:hs' as UserId

  test('P-151 entries and grants are found by the pair and by the user whose side they are', async () => {
    await store.commit([
      put('presenceList'),
      put('presenceList', { observed: CAROL, state: 'accepted', acceptedPos: 7 }),
      put('presenceList', { observer: BOB, observed: CAROL }),
      put('presenceGrants'),
      put('presenceGrants', { observer: CAROL, state: 'pending' }),
      put('presenceGrants', { observed: BOB, observer: CAROL, state: 'granted' }),
    ])
    expect(await store.presenceEntry(ALICE, CAROL)).toEqual(
      row('presenceList', { observed: CAROL, state: 'accepted', acceptedPos: 7 }),
    )
    expect(await store.presenceEntry(CAROL, ALICE)).toBeNull()
    expect((await store.presenceEntries(ALICE)).map(({ observed }) => observed).sort()).toEqual([BOB, CAROL])
    expect(await store.presenceGrant(ALICE, BOB)).toEqual(row('presenceGrants'))
    expect(await store.presenceGrant(BOB, ALICE)).toBeNull()
    expect(await store.presenceGrants(ALICE, 'pending')).toEqual([
      row('presenceGrants', { observer: CAROL, state: 'pending' }),
    ])
    expect(await store.presenceGrants(ALICE, 'ignored')).toEqual([])
    expect(await store.all('presenceGrants')).toHaveLength(3)
  })

  test('what was asked longest ago comes first, and only what is pending', async () => {
    const users = [BOB, CAROL, '@dave:hs' as UserId]
    await store.commit(
      users.flatMap((other, index) => [
        put('presenceList', { observed: other, askedTs: 30 - 10 * index }),
        put('presenceGrants', { observer: other, state: 'pending', ts: 30 - 10 * index }),
      ]),
    )
    await store.commit([
      put('presenceList', { observer: BOB, state: 'accepted', askedTs: 1, acceptedPos: 1 }),
      put('presenceGrants', { observed: BOB, state: 'ignored', ts: 1 }),
    ])
    const asked = async (until: number, limit: number): Promise<number[][]> => [
      (await store.presenceEntriesAsked(until, limit)).map(({ askedTs }) => askedTs),
      (await store.presenceGrantsAsked(until, limit)).map(({ ts }) => ts),
    ]
    expect(await asked(30, 9)).toEqual([
      [10, 20, 30],
      [10, 20, 30],
    ])
    expect(await asked(29, 9)).toEqual([
      [10, 20],
      [10, 20],
    ])
    expect(await asked(30, 1)).toEqual([[10], [10]])
  })

  test('P-068 news of a pair are its latest, one for each direction, within a range and oldest first', async () => {
    await store.commit([
      put('presenceListNews', { pos: 5 }),
      put('presenceListNews', { direction: 'incoming', state: 'denied', pos: 3, ts: 8 }),
      put('presenceListNews', { otherId: CAROL, pos: 4 }),
      put('presenceListNews', { userId: BOB, otherId: ALICE, pos: 6 }),
    ])
    await store.commit([put('presenceListNews', { otherId: CAROL, state: 'accepted', pos: 7, ts: 6 })])
    const positions = async (after: number, upTo: number): Promise<number[]> =>
      (await store.presenceListNews(ALICE, after, upTo)).map(({ pos }) => pos)
    expect(await positions(0, 9)).toEqual([3, 5, 7])
    expect(await positions(3, 5)).toEqual([5])
    expect(await store.lastPosition()).toBe(7)
    const until = async (ts: number, limit: number): Promise<string[]> =>
      (await store.presenceListNewsUntil(ts, limit)).map(({ state }) => state)
    expect(await until(9, 9)).toEqual(['accepted', 'denied'])
    expect(await until(7, 9)).toEqual(['accepted'])
    expect(await until(9, 1)).toEqual(['accepted'])
  })
}

function federation(): void {
  const carol = '@carol:hs' as UserId
  const other = 'other' as ServerName

  test('an outbox gives what waits for one server, oldest first, the newest of a pair only', async () => {
    await store.commit([
      put('listOutbox', { pos: 3 }),
      put('listOutbox', { observed: carol, pos: 2 }),
      put('listOutbox', { observer: carol, serverName: other, pos: 1 }),
    ])
    expect((await store.listOutboxServers()).toSorted()).toEqual([other, PEER])
    expect(await store.listOutbox(PEER, 1)).toEqual([row('listOutbox', { observed: carol, pos: 2 })])
    expect(await store.listOutboxEntry(ALICE, carol)).toEqual(row('listOutbox', { observed: carol, pos: 2 }))
    expect(await store.listOutboxEntry(carol, ALICE)).toBeNull()
    expect(
      (await store.listOutboxOf(ALICE)).map(({ pos }) => pos).toSorted((one, other) => one - other),
    ).toEqual([2, 3])
    await store.commit([put('listOutbox', { observed: carol, kind: 'withdraw', pos: 4 })])
    expect((await store.listOutbox(PEER, 9)).map(({ kind, pos }) => [kind, pos])).toEqual([
      ['invite', 3],
      ['withdraw', 4],
    ])
    // Acknowledged, but replaced meanwhile: it stays.
    await store.commit([drop('listOutbox', { observer: ALICE, observed: carol, pos: 2 })])
    await store.commit([drop('listOutbox', { observer: ALICE, observed: BOB, pos: 3 })])
    expect(await store.listOutbox(PEER, 9)).toHaveLength(1)
  })

  test('keys and transactions are those of one server', async () => {
    await store.commit([put('serverKeys'), put('serverKeys', { keyId: 'ed25519:a_2', expiredTs: 7 })])
    await store.commit([put('serverKeys', { serverName: other }), put('inboundTransactions')])
    expect((await store.serverKeys(PEER)).map(({ keyId }) => keyId).toSorted()).toEqual([
      'ed25519:a_1',
      'ed25519:a_2',
    ])
    expect(await store.inboundTransaction(other, '1')).toBeNull()
    expect(await store.inboundTransaction(PEER, '2')).toBeNull()
  })

  test('keys that are believed no longer are dropped, those of the moment are not', async () => {
    await store.commit([put('serverKeys'), put('serverKeys', { keyId: 'ed25519:a_2', validUntilTs: 6 })])
    await store.dropServerKeys(6)
    expect((await store.serverKeys(PEER)).map(({ keyId }) => keyId)).toEqual(['ed25519:a_2'])
  })

  test('old transactions are dropped, those of the moment are not', async () => {
    await store.commit([put('inboundTransactions'), put('inboundTransactions', { txnId: '2', ts: 6 })])
    await store.dropInboundTransactions(6)
    expect(await store.inboundTransaction(PEER, '1')).toBeNull()
    expect(await store.inboundTransaction(PEER, '2')).not.toBeNull()
  })
}

function events(): void {
  const ids = (...positions: number[]): EventId[] => positions.map((pos) => `$${pos}` as EventId)

  test('events are found by ID, each once, in stream order', async () => {
    await store.commit([event(3), event(1), event(2)])
    const found = await store.events([...ids(3, 1, 3), '$unknown' as EventId])
    expect(found.map(({ pos }) => pos)).toEqual([1, 3])
    expect(await store.events([])).toEqual([])
  })

  test('a range of a room is open below and closed above, and limited from either end', async () => {
    const positions = Array.from({ length: 40 }, (_, i) => i + 1)
    await store.commit(positions.map((pos) => event(pos, { roomId: pos % 2 === 0 ? ROOM : OTHER_ROOM })))
    const range = async (after: number, upTo: number, limit: number, newestFirst: boolean) => {
      const rows = await store.eventsBetween({ roomId: ROOM, after, upTo, limit, newestFirst })
      return rows.map(({ pos }) => pos)
    }
    expect(await range(4, 10, 100, false)).toEqual([6, 8, 10])
    expect(await range(3, 9, 100, true)).toEqual([8, 6, 4])
    expect(await range(0, 40, 3, false)).toEqual([2, 4, 6])
    expect(await range(0, 40, 3, true)).toEqual([40, 38, 36])
    expect(await range(10, 10, 5, true)).toEqual([])
    expect(await range(10, 4, 5, true)).toEqual([])
    expect(await range(0, 40, 0, true)).toEqual([])
    expect(await range(-1, Number.POSITIVE_INFINITY, 100, false)).toHaveLength(20)
  })

  test('extremities are those of the room', async () => {
    await store.commit([put('extremities'), put('extremities', { roomId: OTHER_ROOM })])
    await store.commit([
      drop('extremities', { roomId: ROOM }),
      put('extremities', { eventId: '$b' as EventId }),
      put('extremities', { eventId: '$a' as EventId }),
    ])
    expect((await store.extremities(ROOM)).sort()).toEqual(['$a', '$b'])
    expect(await store.extremities(OTHER_ROOM)).toEqual([EVENT])
  })
}

function state(): void {
  const entry = (pos: number, type: string, stateKey = ''): Row<'stateLog'> =>
    row('stateLog', { pos, type, stateKey, eventId: `$${pos}` as EventId })
  const HISTORY = [
    entry(1, 'm.room.create'),
    entry(2, 'm.room.member', ALICE),
    entry(3, 'm.room.name'),
    entry(5, 'm.room.member', BOB),
    entry(6, 'm.room.name'),
    entry(8, 'm.room.member', BOB),
    entry(9, 'm.room.name', 'odd key'),
  ]

  const given = async (): Promise<void> => {
    const writes = HISTORY.map((row): Write => ({ put: 'stateLog', row }))
    await store.commit([...writes.reverse(), put('stateLog', { roomId: OTHER_ROOM, pos: 4 })])
  }

  test('the state at a position is the newest entry of each key up to it', async () => {
    await given()
    const at = async (upTo: number): Promise<number[]> =>
      (await store.stateAt(ROOM, upTo)).map(({ pos }) => pos).sort((one, other) => one - other)
    expect(await at(0)).toEqual([])
    expect(await at(1)).toEqual([1])
    expect(await at(5)).toEqual([1, 2, 3, 5])
    expect(await at(7)).toEqual([1, 2, 5, 6])
    expect(await at(Number.POSITIVE_INFINITY)).toEqual([1, 2, 6, 8, 9])
    expect(byKey(await store.stateAt(ROOM, 6))).toEqual(
      byKey([HISTORY[0], HISTORY[1], HISTORY[3], HISTORY[4]]),
    )
  })

  test('one key of the state at a position', async () => {
    await given()
    const at = async (type: string, stateKey: string, upTo: number) =>
      (await store.stateEntryAt(ROOM, type, stateKey, upTo))?.pos ?? null
    expect(await at('m.room.name', '', 2)).toBeNull()
    expect(await at('m.room.name', '', 3)).toBe(3)
    expect(await at('m.room.name', '', 5)).toBe(3)
    expect(await at('m.room.name', '', 6)).toBe(6)
    expect(await at('m.room.member', BOB, 100)).toBe(8)
    expect(await at('m.room.member', '', 100)).toBeNull()
    expect(await store.stateEntryAt(ROOM, 'm.room.name', '', 6)).toEqual(HISTORY[4])
  })

  test('the history of a key and the entries between positions come oldest first', async () => {
    await given()
    expect(await store.stateHistory(ROOM, 'm.room.member', BOB)).toEqual([HISTORY[3], HISTORY[5]])
    expect((await store.stateHistory(ROOM, 'm.room.name', '')).map(({ pos }) => pos)).toEqual([3, 6])
    expect(await store.stateBetween(ROOM, 2, 6)).toEqual(HISTORY.slice(2, 5))
    expect(await store.stateBetween(ROOM, 6, 6)).toEqual([])
    expect(await store.stateBetween(ROOM, -1, Number.POSITIVE_INFINITY)).toEqual(HISTORY)
  })

  test('type and state key do not run into each other', async () => {
    await store.commit([
      { put: 'stateLog', row: entry(1, 'a', 'bc') },
      { put: 'stateLog', row: entry(2, 'ab', 'c') },
      { put: 'stateLog', row: entry(3, 'a', 'b\0c') },
    ])
    expect(await store.stateAt(ROOM, 3)).toHaveLength(3)
  })
}

function rooms(): void {
  test('memberships are found by user and by room', async () => {
    await store.commit([
      put('memberships'),
      put('memberships', { roomId: OTHER_ROOM, membership: 'leave', forgotten: 1 }),
      put('memberships', { userId: BOB, membership: 'invite' }),
    ])
    expect(byKey((await store.memberships(ALICE)).map(({ roomId }) => roomId))).toEqual([OTHER_ROOM, ROOM])
    expect(byKey((await store.members(ROOM)).map(({ userId }) => userId))).toEqual([ALICE, BOB])
    expect(await store.members(OTHER_ROOM)).toEqual([
      row('memberships', { roomId: OTHER_ROOM, membership: 'leave', forgotten: 1 }),
    ])
    expect(await store.all('memberships')).toHaveLength(3)
  })

  test('there is one receipt for each user, type and thread of a room', async () => {
    await store.commit([
      put('receipts', { pos: 4 }),
      put('receipts', { type: 'm.read.private', pos: 2 }),
      put('receipts', { thread: 'main', pos: 3 }),
      put('receipts', { userId: BOB, pos: 1 }),
      put('receipts', { roomId: OTHER_ROOM, pos: 5 }),
    ])
    await store.commit([put('receipts', { eventPos: -1, pos: 6 })])
    expect(byKey((await store.receipts(ROOM)).map(({ pos }) => pos))).toEqual([1, 2, 3, 6])
    const between = async (after: number, upTo: number): Promise<number[]> =>
      (await store.receiptsBetween([OTHER_ROOM, ROOM, ROOM], after, upTo)).map(({ pos }) => pos)
    expect(await between(0, 9)).toEqual([1, 2, 3, 5, 6])
    expect(await between(1, 5)).toEqual([2, 3, 5])
    expect((await store.receiptsBetween([ROOM], 1, 5)).map(({ pos }) => pos)).toEqual([2, 3])
    expect(await store.receiptsBetween([], 0, 9)).toEqual([])
  })

  test('aliases are found by room', async () => {
    const second = '#second:hs' as RoomAlias
    await store.commit([put('aliases'), put('aliases', { alias: second, roomId: OTHER_ROOM })])
    expect((await store.aliasesOf(OTHER_ROOM)).map(({ alias }) => alias)).toEqual([second])
    await store.commit([put('aliases', { alias: second })])
    expect(await store.aliasesOf(ROOM)).toHaveLength(2)
  })
}

function positions(): void {
  const CARRIERS = [
    'accountData',
    'oneTimeKeys',
    'events',
    'stateLog',
    'memberships',
    'receipts',
  ] as const satisfies TableName[]

  test.each(CARRIERS)('the last position counts the rows of %s', async (name) => {
    await store.commit([put(name, { pos: 41 }), put(name, { pos: 7 })])
    expect(await store.lastPosition()).toBe(41)
  })

  test('the last position never goes back, whatever is dropped or replaced', async () => {
    await store.commit([put('oneTimeKeys', { pos: 12 }), put('receipts', { pos: 9, eventPos: 99 })])
    await store.commit([drop('oneTimeKeys', {}), put('receipts', { pos: 3 })])
    expect(await store.lastPosition()).toBe(12)
  })

  test('the last position of an empty store is 0', async () => {
    expect(await store.lastPosition()).toBe(0)
  })
}

function closing(): void {
  test('closing finishes what was called before; what comes after is refused', async () => {
    const before = store.commit([put('meta')])
    await store.close()
    await before
    await expect(store.commit([put('meta')])).rejects.toMatchObject({ reason: 'closed' })
    await expect(store.meta('epoch')).rejects.toMatchObject({ reason: 'closed' })
    await expect(store.lastPosition()).rejects.toMatchObject({ reason: 'closed' })
    await expect(store.dropTransactions(1)).rejects.toMatchObject({ reason: 'closed' })
    await store.close()
  })
}
