import { describe, expect, test } from 'vitest'
import { aUserHouse, close, enrol, parsed, type UserHouse } from '../../test/support/user-house.ts'
import type { RoomId, UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { defaultPushRules } from '../matrix/push-rules.ts'
import type { Requester } from '../ports/directory.ts'
import {
  CONTENT_BYTES_MAX,
  createAccountData,
  TAG_BYTES_MAX,
  TYPE_BYTES_MAX,
  type AccountData,
} from './account-data.ts'

const ROOM = '!room:hs.test' as RoomId
const OTHER_ROOM = '!other:hs.test' as RoomId

interface House extends UserHouse {
  readonly accountData: AccountData
  readonly alice: Requester
}

async function house(): Promise<House> {
  const base = await aUserHouse()
  return { ...base, accountData: createAccountData(base), alice: await enrol(base, 'alice') }
}

const refusal = (errcode: string, status: number): object => ({ name: 'MatrixError', status, errcode })

/** The rows that a sync after `pos` finds. */
async function changedSince({ store, stream }: House, userId: UserId, pos: number): Promise<string[]> {
  const rows = await store.accountDataBetween(userId, pos, stream.current)
  return rows.map(({ roomId, type, json }) => `${roomId} ${type} ${json}`)
}

describe('account data', () => {
  test('R-180 data round-trips, for the user and for each room apart', async () => {
    const { accountData, alice } = await house()
    await accountData.set(alice.userId, '', 'org.example', { in: 'global' })
    await accountData.set(alice.userId, ROOM, 'org.example', { in: 'room' })
    expect(await accountData.get(alice.userId, '', 'org.example')).toEqual({ in: 'global' })
    expect(await accountData.get(alice.userId, ROOM, 'org.example')).toEqual({ in: 'room' })
    await accountData.set(alice.userId, ROOM, 'org.example', {})
    expect(await accountData.get(alice.userId, ROOM, 'org.example')).toEqual({})
    expect(await accountData.get(alice.userId, '', 'org.example')).toEqual({ in: 'global' })
  })

  test('R-180 data that was never set, or set by another, is not found', async () => {
    const all = await house()
    const { accountData, alice } = all
    const bob = await enrol(all, 'bob')
    await accountData.set(alice.userId, ROOM, 'org.example', {})
    const missing = [
      accountData.get(alice.userId, '', 'org.example'),
      accountData.get(alice.userId, OTHER_ROOM, 'org.example'),
      accountData.get(alice.userId, ROOM, 'org.exampl'),
      accountData.get(alice.userId, '', '__proto__'),
      accountData.get(alice.userId, ROOM, 'm.push_rules'),
      accountData.get(bob.userId, ROOM, 'org.example'),
    ]
    for (const get of missing) await expect(get).rejects.toMatchObject(refusal('M_NOT_FOUND', 404))
  })

  test('R-180 every change, also to the same, is one new position of which waiting requests hear', async () => {
    const all = await house()
    const { accountData, alice, stream } = all
    for (const content of [{ a: 1 }, { a: 1 }]) {
      const before = stream.current
      all.told.length = 0
      await accountData.set(alice.userId, '', 'org.example', content)
      expect(all.told).toEqual(['woke @alice:hs.test rooms'])
      expect(await changedSince(all, alice.userId, before)).toEqual([' org.example {"a":1}'])
      expect(await changedSince(all, alice.userId, stream.current)).toEqual([])
    }
  })

  test('R-180 what the server manages is 405 M_BAD_JSON, global or in a room, and stays as it was', async () => {
    const all = await house()
    for (const roomId of ['', ROOM] as const) {
      for (const type of ['m.fully_read', 'm.push_rules'])
        await expect(all.accountData.set(all.alice.userId, roomId, type, {})).rejects.toMatchObject(
          refusal('M_BAD_JSON', 405),
        )
    }
    expect(await changedSince(all, all.alice.userId, 0)).toEqual([])
    expect(all.told).toEqual([])
  })

  test('R-180 prototype keys are types and contents like others', async () => {
    const { accountData, alice } = await house()
    const text = '{"__proto__":{"polluted":true},"constructor":1,"a":{"__proto__":2}}'
    for (const type of ['__proto__', 'constructor', 'hasOwnProperty']) {
      await accountData.set(alice.userId, '', type, parsed(text))
      expect(JSON.stringify(await accountData.get(alice.userId, '', type))).toBe(text)
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('R-180 a type or a content over its limit is M_TOO_LARGE and changes nothing', async () => {
    const all = await house()
    const { accountData, alice } = all
    const set = (type: string, content: JsonObject): Promise<void> =>
      accountData.set(alice.userId, '', type, content)
    const full = { a: 'x'.repeat(CONTENT_BYTES_MAX - '{"a":""}'.length) }
    await set('t'.repeat(TYPE_BYTES_MAX), {})
    await set('org.example', full)
    for (const [type, content] of [
      ['t'.repeat(TYPE_BYTES_MAX + 1), {}],
      ['ü'.repeat(TYPE_BYTES_MAX / 2 + 1), {}],
      ['org.example', { a: `${full.a}x` }],
    ] as const)
      await expect(set(type, content)).rejects.toMatchObject(refusal('M_TOO_LARGE', 413))
    expect(await accountData.get(alice.userId, '', 'org.example')).toEqual(full)
  })

  test('R-180 what waited while the account was deactivated leaves nothing behind', async () => {
    const all = await house()
    const { accountData, alice } = all
    const closing = all.users.run(alice.userId, () => close(all, alice))
    const late = [
      accountData.set(alice.userId, '', 'm.ignored_user_list', { ignored_users: { '@bob:hs.test': {} } }),
      accountData.setTag(alice.userId, ROOM, 'u.late', {}),
    ]
    for (const write of late) await expect(write).rejects.toMatchObject(refusal('M_UNKNOWN_TOKEN', 401))
    await closing
    expect(await changedSince(all, alice.userId, 0)).toEqual([])
    expect(all.told).toEqual([])
  })
})

describe('the ignore list', () => {
  const list = (...users: string[]): JsonObject => ({
    ignored_users: Object.fromEntries(users.map((user) => [user, {}])),
  })

  test('P-148 presence is told of the well-formed users in it, never of the owner', async () => {
    const { accountData, alice, told } = await house()
    const set = (content: JsonObject): Promise<void> =>
      accountData.set(alice.userId, '', 'm.ignored_user_list', content)
    await set(list('@bob:hs.test', 'carol', '@alice:hs.test', '__proto__', '@dan:else.where'))
    await set(list())
    const told1 = ['ignores @alice:hs.test @bob:hs.test @dan:else.where', 'woke @alice:hs.test rooms']
    expect(told).toEqual([...told1, 'ignores @alice:hs.test', 'woke @alice:hs.test rooms'])
  })

  test('P-148 whatever else a client stored there ignores nobody', async () => {
    const { accountData, alice, told } = await house()
    const contents = [
      '{}',
      '{"ignored_users":null}',
      '{"ignored_users":["@bob:hs.test"]}',
      '{"ignored_users":1}',
    ]
    const inherited = '{"__proto__":{"ignored_users":{"@bob:hs.test":{}}}}'
    for (const text of [...contents, inherited])
      await accountData.set(alice.userId, '', 'm.ignored_user_list', parsed(text))
    expect(told.filter((line) => line.startsWith('ignores'))).toEqual(
      Array.from({ length: 5 }, () => 'ignores @alice:hs.test'),
    )
  })

  test('P-148 a list in a room, or another type, ignores nobody', async () => {
    const { accountData, alice, told } = await house()
    await accountData.set(alice.userId, ROOM, 'm.ignored_user_list', list('@bob:hs.test'))
    await accountData.set(alice.userId, '', 'm.direct', list('@bob:hs.test'))
    expect(told.filter((line) => line.startsWith('ignores'))).toEqual([])
  })

  test('P-148 presence hears of every stored list at start', async () => {
    const all = await house()
    const bob = await enrol(all, 'bob')
    await all.accountData.set(all.alice.userId, '', 'm.ignored_user_list', list('@bob:hs.test'))
    await all.accountData.set(bob.userId, '', 'm.ignored_user_list', list('@carol:hs.test', 'x'))
    await all.accountData.set(bob.userId, ROOM, 'm.ignored_user_list', list('@alice:hs.test'))
    all.told.length = 0
    await createAccountData(all).loadIgnores()
    expect(all.told.sort()).toEqual([
      'ignores @alice:hs.test @bob:hs.test',
      'ignores @bob:hs.test @carol:hs.test',
    ])
  })
})

describe('tags', () => {
  test('R-180 tags are set and removed one by one and are the m.tag of the room', async () => {
    const all = await house()
    const { accountData, alice } = all
    expect(await accountData.tags(alice.userId, ROOM)).toEqual({})
    await accountData.setTag(alice.userId, ROOM, 'm.favourite', { order: 0.5, 'org.more': 1 })
    await accountData.setTag(alice.userId, ROOM, 'u.work', {})
    await accountData.setTag(alice.userId, OTHER_ROOM, 'u.home', {})
    const both = { 'm.favourite': { order: 0.5, 'org.more': 1 }, 'u.work': {} }
    expect(await accountData.tags(alice.userId, ROOM)).toEqual(both)
    expect(await accountData.get(alice.userId, ROOM, 'm.tag')).toEqual({ tags: both })
    const before = all.stream.current
    await accountData.removeTag(alice.userId, ROOM, 'm.favourite')
    expect(await changedSince(all, alice.userId, before)).toEqual([`${ROOM} m.tag {"tags":{"u.work":{}}}`])
    expect(await accountData.tags(alice.userId, OTHER_ROOM)).toEqual({ 'u.home': {} })
  })

  test('R-180 removing a tag that is not there changes nothing', async () => {
    const all = await house()
    const { accountData, alice } = all
    for (const tag of ['u.work', '__proto__', 'constructor'])
      await accountData.removeTag(alice.userId, ROOM, tag)
    expect(await changedSince(all, alice.userId, 0)).toEqual([])
    expect(all.told).toEqual([])
  })

  test('R-180 tags set at the same time are all kept', async () => {
    const { accountData, alice } = await house()
    const names = Array.from({ length: 20 }, (_, i) => `u.${i}`)
    await Promise.all(names.map((name) => accountData.setTag(alice.userId, ROOM, name, {})))
    expect(Object.keys(await accountData.tags(alice.userId, ROOM))).toEqual(names)
  })

  test('R-180 a tag may be called __proto__', async () => {
    const { accountData, alice } = await house()
    await accountData.setTag(alice.userId, ROOM, '__proto__', { order: 1 })
    await accountData.setTag(alice.userId, ROOM, 'u.work', {})
    expect(JSON.stringify(await accountData.tags(alice.userId, ROOM))).toBe(
      '{"__proto__":{"order":1},"u.work":{}}',
    )
    await accountData.removeTag(alice.userId, ROOM, '__proto__')
    expect(JSON.stringify(await accountData.tags(alice.userId, ROOM))).toBe('{"u.work":{}}')
  })

  test('R-180 what a client stored as m.tag without tags counts as none', async () => {
    const { accountData, alice } = await house()
    for (const content of ['{}', '{"tags":[]}', '{"tags":null}', '{"__proto__":{"tags":{"a":{}}}}']) {
      await accountData.set(alice.userId, ROOM, 'm.tag', parsed(content))
      expect(await accountData.tags(alice.userId, ROOM), content).toEqual({})
    }
    await accountData.setTag(alice.userId, ROOM, 'u.work', {})
    expect(await accountData.get(alice.userId, ROOM, 'm.tag')).toEqual({ tags: { 'u.work': {} } })
  })

  test('R-180 a long tag, or one too many, is M_TOO_LARGE and the others stay', async () => {
    const { accountData, alice } = await house()
    const setTag = (tag: string, content: JsonObject = {}): Promise<void> =>
      accountData.setTag(alice.userId, ROOM, tag, content)
    await setTag('t'.repeat(TAG_BYTES_MAX))
    await expect(setTag('t'.repeat(TAG_BYTES_MAX + 1))).rejects.toMatchObject(refusal('M_TOO_LARGE', 413))
    await setTag('half', { note: 'x'.repeat(CONTENT_BYTES_MAX / 2) })
    await expect(setTag('other', { note: 'x'.repeat(CONTENT_BYTES_MAX / 2) })).rejects.toMatchObject(
      refusal('M_TOO_LARGE', 413),
    )
    expect(Object.keys(await accountData.tags(alice.userId, ROOM))).toEqual([
      't'.repeat(TAG_BYTES_MAX),
      'half',
    ])
  })
})

describe('push rules', () => {
  test('R-183 who changed none has the default ones, also as account data', async () => {
    const { accountData, alice } = await house()
    const rules = defaultPushRules(alice.userId)
    expect(await accountData.pushRules(alice.userId)).toEqual(rules)
    expect(await accountData.get(alice.userId, '', 'm.push_rules')).toEqual({ global: rules })
  })

  test('R-183 stored rules are served instead', async () => {
    const all = await house()
    const { accountData, alice } = all
    const rules = { ...defaultPushRules(alice.userId), underride: [] }
    const json = JSON.stringify({ global: rules })
    const row = { userId: alice.userId, roomId: '', type: 'm.push_rules', json, pos: 1 } as const
    await all.store.commit([{ put: 'accountData', row }])
    expect(await accountData.pushRules(alice.userId)).toEqual(rules)
    expect(await accountData.get(alice.userId, '', 'm.push_rules')).toEqual({ global: rules })
  })
})
