import { describe, expect, test } from 'vitest'
import { aDevice, ADDRESS, anAccountHouse, SERVER, type AccountHouse } from '../../test/support/accounts.ts'
import { settle } from '../../test/support/manual-clock.ts'
import { makeUserId, type DeviceId } from '../matrix/ids.ts'
import type { Requester } from '../ports/directory.ts'
import type { Store, Write } from '../ports/store.ts'
import { createMemoryStore } from '../store/memory.ts'
import { hashAccessToken } from './access-token.ts'
import { ATTEMPTS_WAITING_MAX } from './password-attempts.ts'
import { DEVICES_MAX, type Session } from './devices.ts'

const ALICE = makeUserId('alice', SERVER)
const WRONG = { status: 403, errcode: 'M_FORBIDDEN' }

async function register(
  house: AccountHouse,
  name: string | null,
  deviceId: string | null = null,
): Promise<Session> {
  const account = { admin: false, guest: false, device: aDevice(deviceId) }
  const { session } = await house.accounts.register(name, 'pizza', account)
  if (session === null) throw new Error('no session')
  return session
}

function login(
  house: AccountHouse,
  user: string,
  password = 'pizza',
  deviceId: string | null = null,
): Promise<Session> {
  return house.accounts.login(user, password, aDevice(deviceId), ADDRESS)
}

async function requesterOf(house: AccountHouse, session: Session): Promise<Requester> {
  const requester = await house.directory.requester(session.accessToken)
  if (requester === null) throw new Error('the token is not known')
  return requester
}

describe('registration', () => {
  test('R-096 names that may not be registered are M_INVALID_USERNAME', async () => {
    const house = anAccountHouse()
    const names = [
      '',
      '_bot',
      '123',
      'a b',
      'é',
      '@alice:hs.test',
      'a:b',
      'a\0',
      '\ud800',
      'x'.repeat(247),
      '__proto__',
    ]
    for (const name of names)
      await expect(register(house, name), name).rejects.toMatchObject({ errcode: 'M_INVALID_USERNAME' })
    for (const name of ['x'.repeat(246), 'a.b_c=d-e/f+g', '1a'])
      expect((await register(house, name)).userId).toBe(`@${name}:hs.test`)
  })

  test('R-097 upper case becomes lower case, and only that of ASCII', async () => {
    const house = anAccountHouse()
    expect((await register(house, 'ALICE')).userId).toBe(ALICE)
    // The Kelvin sign's lower case is the letter k.
    await expect(register(house, '\u212A')).rejects.toMatchObject({ errcode: 'M_INVALID_USERNAME' })
  })

  test('R-096 a name goes to one of many who ask at once', async () => {
    const house = anAccountHouse()
    const outcomes = await Promise.allSettled(
      ['alice', 'Alice', 'ALICE', 'alice'].map((name) => register(house, name)),
    )
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(refused.map(({ reason }) => (reason as { errcode: string }).errcode)).toEqual(
      Array(3).fill('M_USER_IN_USE'),
    )
    expect((await house.devices.list(ALICE)).length).toBe(1)
  })

  test('a missing name is made up', async () => {
    const house = anAccountHouse()
    const one = await register(house, null)
    const other = await register(house, null)
    expect(one.userId).toMatch(/^@[a-z]{12}:hs\.test$/)
    expect(other.userId).not.toBe(one.userId)
  })

  test('the token is ours, of 256 bits, and only its hash is stored', async () => {
    const commits: (readonly Write[])[] = []
    const store = watched(createMemoryStore(), commits)
    const house = anAccountHouse({ store })
    const { accessToken } = await register(house, 'alice')
    expect(accessToken).toMatch(/^adsum_[\w-]{43}$/)
    expect(await store.token(hashAccessToken(accessToken))).not.toBeNull()
    expect(JSON.stringify(commits)).not.toContain(accessToken)
    expect(JSON.stringify(commits)).not.toContain('pizza')
  })

  test('presence hears of the account when it is durable, with the device or without', async () => {
    const house = anAccountHouse()
    await register(house, 'alice', 'A')
    await house.accounts.register('bob', null, { admin: false, guest: false, device: null })
    expect(house.told).toEqual(['registered @alice:hs.test A', 'registered @bob:hs.test null'])
  })

  test('an account without a password, and a display name given with it', async () => {
    const house = anAccountHouse()
    await house.directory.profiles([ALICE])
    const account = { admin: true, guest: false, displayname: 'Alice M.', device: null }
    expect(await house.accounts.register('alice', null, account)).toEqual({ userId: ALICE, session: null })
    expect(await house.directory.profiles([ALICE])).toEqual(new Map([[ALICE, { displayname: 'Alice M.' }]]))
    await expect(login(house, 'alice', '')).rejects.toMatchObject(WRONG)
    expect(await house.store.account(ALICE)).toMatchObject({ admin: 1, passwordHash: null })
  })
})

describe('login', () => {
  test('R-103 a localpart or a whole user ID names the user, in any case', async () => {
    const house = anAccountHouse()
    await register(house, 'alice')
    for (const user of ['alice', 'ALICE', '@alice:hs.test', '@AliCE:hs.test'])
      expect((await login(house, user)).userId).toBe(ALICE)
  })

  test('R-104 a wrong password, an unknown user and a user of another server get the same refusal', async () => {
    const house = anAccountHouse()
    await register(house, 'alice')
    const tries: [string, string][] = [
      ['alice', 'Pizza'],
      ['alice', ''],
      ['bob', 'pizza'],
      ['@alice:other.test', 'pizza'],
      ['@alice', 'pizza'],
      ['', 'pizza'],
      ['\ud800', 'pizza'],
      [`x`.repeat(5_000), 'pizza'],
    ]
    const refusals = await Promise.allSettled(tries.map(([user, password]) => login(house, user, password)))
    const texts = refusals.map((outcome) => {
      if (outcome.status !== 'rejected') throw new Error('logged in')
      expect(outcome.reason).toMatchObject(WRONG)
      return (outcome.reason as Error).message
    })
    expect(new Set(texts).size).toBe(1)
  })

  test('R-104 an unknown user costs as many hashes as a known one', async () => {
    const house = anAccountHouse()
    await register(house, 'alice')
    const asked: (string | null)[] = []
    const verify = house.passwords.verify.bind(house.passwords)
    Object.assign(house.passwords, {
      verify: async (password: string, phc: string | null) => {
        asked.push(phc)
        return await verify(password, phc)
      },
    })
    for (const user of ['alice', 'bob', '@x:other.test']) await login(house, user, 'no').catch(() => {})
    expect(asked).toEqual([expect.stringContaining('$argon2id$'), null, null])
  })

  test('R-105 an existing device is kept, with its name and keys, and its earlier token ends', async () => {
    const house = anAccountHouse()
    const first = await register(house, 'alice', 'A')
    await house.devices.rename(ALICE, 'A', 'My phone')
    const key = { userId: ALICE, deviceId: first.deviceId, json: '{}' }
    await house.store.commit([{ put: 'deviceKeys', row: key }])
    await requesterOf(house, first)
    const second = await house.accounts.login('alice', 'pizza', aDevice('A', 'Other name'), ADDRESS)
    expect(await house.directory.requester(first.accessToken)).toBeNull()
    expect(await requesterOf(house, second)).toMatchObject({ deviceId: 'A' })
    expect(await house.devices.list(ALICE)).toMatchObject([{ deviceId: 'A', displayName: 'My phone' }])
    expect(await house.store.deviceKeys([ALICE])).toEqual([key])
    expect(house.told).toEqual([`registered ${ALICE} A`, `ended ${ALICE} A`, `acted ${ALICE} A`])
  })

  test('a new device gets ten upper-case letters and nothing that an older one of its name left', async () => {
    const house = anAccountHouse()
    await register(house, 'alice')
    expect((await login(house, 'alice')).deviceId).toMatch(/^[A-Z]{10}$/)
    await house.store.commit([
      { put: 'deviceKeys', row: { userId: ALICE, deviceId: 'GHOST' as DeviceId, json: '{}' } },
    ])
    await login(house, 'alice', 'pizza', 'GHOST')
    expect(await house.store.deviceKeys([ALICE])).toEqual([])
  })

  test('beyond DEVICES_MAX the device that was silent longest is logged out', async () => {
    const house = anAccountHouse()
    const first = await register(house, 'alice', 'D0')
    for (let i = 1; i < DEVICES_MAX; i += 1) {
      await house.clock.advance(1)
      await login(house, 'alice', 'pizza', `D${i}`)
    }
    await house.clock.advance(150_000)
    await requesterOf(house, first)
    house.told.length = 0
    await login(house, 'alice', 'pizza', 'NEW')
    const ids = (await house.devices.list(ALICE)).map((row) => row.deviceId as string)
    expect(ids.length).toBe(DEVICES_MAX)
    expect(ids).toEqual(expect.arrayContaining(['D0', 'NEW']))
    expect(ids).not.toContain('D1')
    expect(house.told).toEqual([`ended ${ALICE} D1`, `deviceRemoved ${ALICE} D1`, `acted ${ALICE} NEW`])
  })

  test('a login whose password was changed while it was checked fails', async () => {
    const house = anAccountHouse()
    const session = await register(house, 'alice', 'A')
    const requester = await requesterOf(house, session)
    const gate = Promise.withResolvers<void>()
    const verify = house.passwords.verify.bind(house.passwords)
    Object.assign(house.passwords, {
      verify: async (password: string, phc: string | null) => {
        const right = await verify(password, phc)
        await gate.promise
        return right
      },
    })
    const late = login(house, 'alice')
    const outcome = expect(late).rejects.toMatchObject(WRONG)
    await settle()
    await house.accounts.changePassword(requester, 'new', true)
    gate.resolve()
    await outcome
    expect((await house.devices.list(ALICE)).length).toBe(1)
  })
})

describe('failed logins', () => {
  test('use up the allowance of the account, and then the right password is refused too', async () => {
    const house = anAccountHouse({ limits: true })
    await register(house, 'alice')
    const from = (address: string, password: string) =>
      house.accounts.login('alice', password, aDevice(), address)
    for (let i = 0; i < 3; i += 1) await expect(from(`198.51.100.${i}`, 'no')).rejects.toMatchObject(WRONG)
    const refused = { status: 429, errcode: 'M_LIMIT_EXCEEDED', extra: { retry_after_ms: 5_000 } }
    await expect(from('203.0.113.1', 'pizza')).rejects.toMatchObject(refused)
    await house.clock.advance(5_000)
    expect((await from('203.0.113.1', 'pizza')).userId).toBe(ALICE)
  })

  test('use up the allowance of the address, for every account, known or not', async () => {
    const house = anAccountHouse({ limits: true })
    await register(house, 'alice')
    for (const user of ['bob', 'carol', '@x:other.test'])
      await expect(login(house, user)).rejects.toMatchObject(WRONG)
    await expect(login(house, 'alice')).rejects.toMatchObject({ status: 429 })
    const elsewhere = await house.accounts.login('alice', 'pizza', aDevice(), '203.0.113.1')
    expect(elsewhere.userId).toBe(ALICE)
  })

  test('are counted one by one, also when they come at once', async () => {
    const house = anAccountHouse({ limits: true })
    await register(house, 'alice')
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => login(house, 'alice', 'no')))
    const statuses = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.status as number)
    expect(statuses.sort((a, b) => a - b)).toEqual([403, 403, 403, 429, 429, 429, 429, 429])
  })

  test('successful logins cost nothing', async () => {
    const house = anAccountHouse({ limits: true })
    await register(house, 'alice')
    for (let i = 0; i < 10; i += 1) await login(house, 'alice')
  })

  test('that wait in too long a line are refused', async () => {
    const house = anAccountHouse()
    await register(house, 'alice')
    const many = Array.from({ length: ATTEMPTS_WAITING_MAX + 2 }, () => login(house, 'alice', 'no'))
    const outcomes = await Promise.allSettled(many)
    const statuses = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.status as number)
    expect(statuses.filter((status) => status === 429).length).toBe(2)
  })
})

describe('logout and passwords', () => {
  test('R-113 P-140 logging out ends the token, the device and all that is its own, and tells presence at once', async () => {
    const house = anAccountHouse()
    const a = await register(house, 'alice', 'A')
    const b = await login(house, 'alice', 'pizza', 'B')
    const requester = await requesterOf(house, a)
    const deviceId = a.deviceId
    const key = { userId: ALICE, deviceId, keyId: 'k', algorithm: 'x', json: '{}', pos: 1 }
    await house.store.commit([
      { put: 'deviceKeys', row: { userId: ALICE, deviceId, json: '{}' } },
      { put: 'oneTimeKeys', row: key },
      {
        put: 'fallbackKeys',
        row: { userId: ALICE, deviceId, algorithm: 'x', keyId: 'k', json: '{}', used: 0 },
      },
      {
        put: 'transactions',
        row: { userId: ALICE, deviceId, request: 'r', status: 200, json: '{}', createdTs: 1 },
      },
    ])
    house.told.length = 0
    await house.accounts.logout(requester)
    expect(house.told).toEqual([`ended ${ALICE} A`, `deviceRemoved ${ALICE} A`])
    expect(await house.directory.requester(a.accessToken)).toBeNull()
    expect(await house.directory.requester(b.accessToken)).not.toBeNull()
    expect((await house.devices.list(ALICE)).map((row) => row.deviceId)).toEqual(['B'])
    expect(await house.store.deviceKeys([ALICE])).toEqual([])
    expect(await house.store.oneTimeKeys(ALICE, deviceId)).toEqual([])
    expect(await house.store.fallbackKeys(ALICE, deviceId)).toEqual([])
    expect(await house.store.transaction(ALICE, deviceId, 'r')).toBeNull()
  })

  test('R-113 logout/all leaves no device', async () => {
    const house = anAccountHouse()
    const a = await register(house, 'alice', 'A')
    const b = await login(house, 'alice', 'pizza', 'B')
    house.told.length = 0
    await house.accounts.logoutAll(await requesterOf(house, a))
    expect(new Set(house.told.slice(0, 2))).toEqual(new Set([`ended ${ALICE} A`, `ended ${ALICE} B`]))
    const removed = new Set([`deviceRemoved ${ALICE} A`, `deviceRemoved ${ALICE} B`])
    expect(new Set(house.told.slice(2))).toEqual(removed)
    for (const session of [a, b]) expect(await house.directory.requester(session.accessToken)).toBeNull()
    expect(await house.devices.list(ALICE)).toEqual([])
  })

  test('R-115 a new password replaces the old; the other devices go, the calling one stays', async () => {
    const house = anAccountHouse()
    const a = await register(house, 'alice', 'A')
    const b = await login(house, 'alice', 'pizza', 'B')
    house.told.length = 0
    await house.accounts.changePassword(await requesterOf(house, a), 'new', true)
    expect(house.told).toEqual([`ended ${ALICE} B`, `deviceRemoved ${ALICE} B`])
    expect(await house.directory.requester(a.accessToken)).not.toBeNull()
    expect(await house.directory.requester(b.accessToken)).toBeNull()
    await expect(login(house, 'alice', 'pizza')).rejects.toMatchObject(WRONG)
    await login(house, 'alice', 'new')
  })

  test('R-115 the other devices stay if the user wants', async () => {
    const house = anAccountHouse()
    const a = await register(house, 'alice', 'A')
    const b = await login(house, 'alice', 'pizza', 'B')
    await house.accounts.changePassword(await requesterOf(house, a), 'new', false)
    expect(await house.directory.requester(b.accessToken)).not.toBeNull()
  })

  test("R-110 another user's password is refused, be it right or wrong", async () => {
    const house = anAccountHouse()
    const requester = await requesterOf(house, await register(house, 'alice'))
    await house.accounts.register('bob', 'bobs', { admin: false, guest: false, device: null })
    for (const password of ['bobs', 'x', 'pizza'])
      await expect(house.accounts.isOwnPassword(requester, 'bob', password, ADDRESS)).rejects.toMatchObject(
        WRONG,
      )
    expect(await house.accounts.isOwnPassword(requester, '@ALICE:hs.test', 'pizza', ADDRESS)).toBe(true)
    expect(await house.accounts.isOwnPassword(requester, 'alice', 'bobs', ADDRESS)).toBe(false)
  })
})

describe('deactivation', () => {
  test('R-116 ends tokens and password, keeps the name, empties the data and leaves the rooms', async () => {
    const house = anAccountHouse()
    const session = await register(house, 'alice', 'A')
    await requesterOf(house, session)
    await house.store.commit([
      { put: 'profiles', row: { userId: ALICE, field: 'displayname', json: '"Alice"' } },
      { put: 'accountData', row: { userId: ALICE, roomId: '', type: 'x', json: '{}', pos: 1 } },
      { put: 'filters', row: { userId: ALICE, filterId: '0', json: '{}' } },
    ])
    await house.directory.profiles([ALICE])
    house.told.length = 0
    await house.accounts.deactivate(ALICE, false)
    await house.accounts.close()
    expect(house.told).toEqual([`ended ${ALICE} A`, `deviceRemoved ${ALICE} A`, `deactivated ${ALICE}`])
    expect(house.left).toEqual([ALICE])
    expect(await house.directory.requester(session.accessToken)).toBeNull()
    expect(await house.directory.profiles([ALICE])).toEqual(new Map())
    expect(await house.store.accountData(ALICE, '', 'x')).toBeNull()
    expect(await house.store.filters(ALICE)).toEqual([])
    await expect(login(house, 'alice')).rejects.toMatchObject(WRONG)
    await expect(register(house, 'alice')).rejects.toMatchObject({ errcode: 'M_USER_IN_USE' })
  })

  test('R-116 rooms that were not left before the process died are left after the next start, and not again', async () => {
    const store = createMemoryStore()
    const dying = anAccountHouse({ store, onDeactivate: () => new Promise(() => {}) })
    await register(dying, 'alice')
    await dying.accounts.deactivate(ALICE, false)

    const next = anAccountHouse({ store })
    await next.accounts.resume()
    await next.accounts.close()
    expect(next.left).toEqual([ALICE])

    const afterwards = anAccountHouse({ store })
    await afterwards.accounts.resume()
    await afterwards.accounts.close()
    expect(afterwards.left).toEqual([])
  })

  test('R-116 a failure to leave is logged and tried again at the next start', async () => {
    const store = createMemoryStore()
    const failing = anAccountHouse({ store, onDeactivate: () => Promise.reject(new Error('no disk')) })
    await register(failing, 'alice')
    await register(failing, 'bob')
    await Promise.all([
      failing.accounts.deactivate(ALICE, false),
      failing.accounts.deactivate(makeUserId('bob', SERVER), false),
    ])
    await failing.accounts.close()
    expect(failing.faults.length).toBe(2)
    const next = anAccountHouse({ store })
    await next.accounts.resume()
    await next.accounts.close()
    expect(next.left.sort()).toEqual([ALICE, '@bob:hs.test'])
  })

  test('an account that lives does not leave its rooms at start, whatever the list says', async () => {
    const house = anAccountHouse()
    await register(house, 'alice')
    await house.store.commit([
      { put: 'meta', row: { key: 'accounts.deactivating', value: JSON.stringify([ALICE]) } },
    ])
    await house.accounts.resume()
    await house.accounts.close()
    expect(house.left).toEqual([])
  })

  test('a second deactivation under way finds its token ended', async () => {
    const house = anAccountHouse()
    const session = await register(house, 'alice')
    const requester = await requesterOf(house, session)
    await house.accounts.deactivate(ALICE, false)
    await expect(house.accounts.deactivate(ALICE, false)).rejects.toMatchObject({
      status: 401,
      errcode: 'M_UNKNOWN_TOKEN',
    })
    await expect(house.accounts.changePassword(requester, 'new', true)).rejects.toMatchObject({ status: 401 })
  })

  test('nothing is told and nothing in memory changes when the commit fails', async () => {
    const store = createMemoryStore()
    const house = anAccountHouse({ store })
    const session = await register(house, 'alice', 'A')
    house.told.length = 0
    const commit = store.commit.bind(store)
    Object.assign(store, { commit: () => Promise.reject(new Error('no disk')) })
    await expect(house.accounts.deactivate(ALICE, false)).rejects.toThrow('no disk')
    await expect(house.accounts.logout(await requesterOf(house, session))).rejects.toThrow('no disk')
    Object.assign(store, { commit })
    expect(house.told).toEqual([])
    expect(house.left).toEqual([])
    expect(await house.directory.requester(session.accessToken)).not.toBeNull()
  })
})

/** The same store, writing down what is committed. */
function watched(store: Store, commits: (readonly Write[])[]): Store {
  return {
    ...store,
    commit: async (writes) => {
      commits.push(writes)
      await store.commit(writes)
    },
  }
}
