import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aUserHouse, close, enrol, parsed, type UserHouse } from '../../test/support/user-house.ts'
import { SERVER } from '../../test/support/accounts.ts'
import { settle } from '../../test/support/manual-clock.ts'
import { canonicalJson } from '../matrix/canonical-json.ts'
import { MatrixError } from '../matrix/errors.ts'
import { makeUserId, type ServerName, type UserId } from '../matrix/ids.ts'
import { own, type Json } from '../matrix/json.ts'
import type { PublicProfile, Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import {
  createProfiles,
  FIELD_NAME_BYTES_MAX,
  NAME_BYTES_MAX,
  PROFILE_BYTES_MAX,
  type Profiles,
} from './profiles.ts'

interface House extends UserHouse {
  readonly profiles: Profiles
  readonly alice: Requester
}

/** What rooms are told is written down beside what presence is told: `rooms @alice:hs.test {"displayname":"A"}`. */
async function house(propagate?: (userId: UserId) => Promise<void>, store?: Store): Promise<House> {
  const base = await aUserHouse(store)
  const profiles = createProfiles({
    ...base,
    ...ELSEWHERE,
    propagate: async (userId: UserId, profile: PublicProfile) => {
      base.told.push(`rooms ${userId} ${JSON.stringify(profile)}`)
      await propagate?.(userId)
    },
  })
  return { ...base, profiles, alice: await enrol(base, 'alice') }
}

/** Users of other servers have what their servers say. */
const ELSEWHERE = {
  serverName: 'hs.test' as ServerName,
  remoteFields: { get: async (userId: UserId) => ({ displayname: `${userId} elsewhere` }) },
}

const AVATAR = 'mxc://hs.test/picture'
const PUBLISHED = 'profileChanged @alice:hs.test A'
const refusal = (errcode: string, status = 400): object => ({ name: 'MatrixError', status, errcode })

describe('reading', () => {
  test('§2.10 of users of other servers those are asked', async () => {
    const { profiles } = await house()
    expect(await profiles.get('@zoe:far' as UserId)).toEqual({ displayname: '@zoe:far elsewhere' })
    expect(await profiles.exists('@zoe:far' as UserId)).toBe(false)
  })

  test('P-121 a user without profile, and an unknown one, have none', async () => {
    const { profiles, alice } = await house()
    expect(await profiles.get(alice.userId)).toBeNull()
    expect(await profiles.exists(alice.userId)).toBe(true)
    const nobody = makeUserId('nobody', SERVER)
    expect(await profiles.get(nobody)).toBeNull()
    expect(await profiles.exists(nobody)).toBe(false)
  })

  test('P-121 the profile has the fields that are set, and is gone with the last', async () => {
    const { profiles, alice } = await house()
    await profiles.set(alice, 'displayname', 'Alice')
    await profiles.set(alice, 'm.tz', 'Europe/London')
    expect(await profiles.get(alice.userId)).toEqual({ displayname: 'Alice', 'm.tz': 'Europe/London' })
    await profiles.remove(alice, 'displayname')
    expect(await profiles.get(alice.userId)).toEqual({ 'm.tz': 'Europe/London' })
    await profiles.remove(alice, 'm.tz')
    expect(await profiles.get(alice.userId)).toBeNull()
  })
})

describe('the two names', () => {
  test('P-113 P-114 presence is told first, then the rooms, with all that is set', async () => {
    const { profiles, alice, told } = await house()
    await profiles.set(alice, 'displayname', 'Alice')
    await profiles.set(alice, 'avatar_url', AVATAR)
    expect(told).toEqual([
      PUBLISHED,
      'rooms @alice:hs.test {"displayname":"Alice"}',
      PUBLISHED,
      `rooms @alice:hs.test {"displayname":"Alice","avatarUrl":"${AVATAR}"}`,
    ])
  })

  test('P-114 the new names are there when presence is told', async () => {
    const base = await aUserHouse()
    const alice = await enrol(base, 'alice')
    await base.directory.profiles([alice.userId])
    const seen: Promise<ReadonlyMap<UserId, PublicProfile>>[] = []
    const submit = {
      ...base.submit,
      profileChanged: () => void seen.push(base.directory.profiles([alice.userId])),
    }
    const profiles = createProfiles({ ...base, ...ELSEWHERE, submit, propagate: async () => {} })
    await profiles.set(alice, 'displayname', 'Alice')
    expect((await seen[0])?.get(alice.userId)).toEqual({ displayname: 'Alice' })
  })

  test('P-113 P-114 an unchanged value is told to nobody', async () => {
    const { profiles, alice, told } = await house()
    await profiles.set(alice, 'displayname', 'Alice')
    told.length = 0
    await profiles.set(alice, 'displayname', 'Alice')
    await profiles.remove(alice, 'avatar_url')
    await profiles.set(alice, 'avatar_url', '')
    expect(told).toEqual([])
  })

  test('P-113 P-114 null, the empty string and removal unset a name, and that is told too', async () => {
    const unset: ((profiles: Profiles, alice: Requester) => Promise<void>)[] = [
      (profiles, alice) => profiles.set(alice, 'displayname', ''),
      (profiles, alice) => profiles.set(alice, 'displayname', null),
      (profiles, alice) => profiles.remove(alice, 'displayname'),
    ]
    for (const take of unset) {
      const { profiles, alice, told } = await house()
      await profiles.set(alice, 'displayname', 'Alice')
      told.length = 0
      await take(profiles, alice)
      expect(told).toEqual([PUBLISHED, 'rooms @alice:hs.test {}'])
      expect(await profiles.get(alice.userId)).toBeNull()
    }
  })

  test('P-113 names reach the rooms in the order in which they were set', async () => {
    let open = (): void => {}
    const { profiles, alice, told } = await house(
      () =>
        new Promise((resolve) => {
          open = resolve
        }),
    )
    const first = profiles.set(alice, 'displayname', 'One')
    const second = profiles.set(alice, 'displayname', 'Two')
    await settle()
    expect(told).toEqual([PUBLISHED, 'rooms @alice:hs.test {"displayname":"One"}'])
    open()
    await first
    await settle()
    expect(told.slice(2)).toEqual([PUBLISHED, 'rooms @alice:hs.test {"displayname":"Two"}'])
    open()
    await second
  })

  test('P-113 a name that a fault kept from the rooms is told again when it is set again', async () => {
    let faults = 1
    const { profiles, alice, told } = await house(async () => {
      if (faults-- > 0) throw new Error('no disk')
    })
    await expect(profiles.set(alice, 'displayname', 'Alice')).rejects.toThrow('no disk')
    expect(await profiles.get(alice.userId)).toEqual({ displayname: 'Alice' })
    told.length = 0
    await profiles.set(alice, 'displayname', 'Alice')
    expect(told).toEqual([PUBLISHED, 'rooms @alice:hs.test {"displayname":"Alice"}'])
    told.length = 0
    await profiles.set(alice, 'displayname', 'Alice')
    expect(told).toEqual([])
  })

  test('P-113 names that did not reach all rooms before the process died do so after the next start, and not again', async () => {
    const dying = await house(() => new Promise(() => {}))
    const bob = await enrol(dying, 'bob')
    void dying.profiles.set(dying.alice, 'displayname', 'Alice')
    void dying.profiles.set(bob, 'displayname', 'Bob')
    await settle()
    await close(dying, bob)
    for (const expected of [['rooms @alice:hs.test {"displayname":"Alice"}'], []]) {
      const next = await house(undefined, dying.store)
      await next.profiles.resume()
      await next.profiles.close()
      expect(next.told).toEqual(expected)
    }
  })

  test('P-119 values of the wrong type or form are refused and change nothing', async () => {
    const all = await house()
    const { profiles, alice, told } = all
    const wrong: [field: string, value: Json, errcode: string, status?: number][] = [
      ['displayname', 1, 'M_BAD_JSON'],
      ['displayname', ['Alice'], 'M_BAD_JSON'],
      ['displayname', false, 'M_BAD_JSON'],
      ['avatar_url', {}, 'M_BAD_JSON'],
      ['avatar_url', 0, 'M_BAD_JSON'],
      ['avatar_url', 'https://hs.test/picture.png', 'M_INVALID_PARAM'],
      ['avatar_url', 'mxc://', 'M_INVALID_PARAM'],
      ['avatar_url', ' mxc://hs.test/picture', 'M_INVALID_PARAM'],
      ['displayname', 'x'.repeat(NAME_BYTES_MAX + 1), 'M_TOO_LARGE', 413],
      ['displayname', 'ü'.repeat(NAME_BYTES_MAX / 2 + 1), 'M_TOO_LARGE', 413],
      ['avatar_url', `mxc://hs.test/${'x'.repeat(NAME_BYTES_MAX)}`, 'M_TOO_LARGE', 413],
    ]
    for (const [field, value, errcode, status] of wrong)
      await expect(
        profiles.set(alice, field, value),
        JSON.stringify(value).slice(0, 40),
      ).rejects.toMatchObject(refusal(errcode, status))
    expect(await profiles.get(alice.userId)).toBeNull()
    expect(told).toEqual([])
    await profiles.set(alice, 'displayname', 'x'.repeat(NAME_BYTES_MAX))
  })
})

describe('other fields', () => {
  test('P-116 a change of them is told to no room and not to presence', async () => {
    const { profiles, alice, told } = await house()
    await profiles.set(alice, 'm.tz', 'Europe/London')
    await profiles.set(alice, 'm.tz', 'Europe/Paris')
    await profiles.remove(alice, 'm.tz')
    expect(told).toEqual([])
  })

  test('P-116 they hold any JSON, null and nothing included', async () => {
    const { profiles, alice } = await house()
    const values = { 'org.a': null, 'org.b': '', 'org.c': [1, { d: true }], 'org.e': {} }
    for (const [field, value] of Object.entries(values)) await profiles.set(alice, field, value)
    expect(await profiles.get(alice.userId)).toEqual(values)
    const odd = '{"__proto__":{"polluted":true}}'
    await profiles.set(alice, 'org.odd', parsed(odd))
    expect(JSON.stringify((await profiles.get(alice.userId))?.['org.odd'])).toBe(odd)
  })

  test('P-116 names that objects inherit are fields like others', async () => {
    const { profiles, alice } = await house()
    await profiles.remove(alice, 'constructor')
    expect(await profiles.get(alice.userId)).toBeNull()
    await profiles.set(alice, 'constructor', 'x')
    expect(await profiles.get(alice.userId)).toEqual({ constructor: 'x' })
  })

  test('P-120 a profile of 65,536 bytes is kept, one byte more is refused', async () => {
    const { profiles, alice } = await house()
    await profiles.set(alice, 'displayname', 'Ålice')
    const rest = (text: string): number =>
      Buffer.byteLength(canonicalJson({ displayname: 'Ålice', 'org.note': text }))
    const full = 'x'.repeat(PROFILE_BYTES_MAX - rest(''))
    await expect(profiles.set(alice, 'org.note', `${full}x`)).rejects.toMatchObject(
      refusal('M_PROFILE_TOO_LARGE'),
    )
    await profiles.set(alice, 'org.note', full)
    await expect(profiles.set(alice, 'org.more', 1)).rejects.toMatchObject(refusal('M_PROFILE_TOO_LARGE'))
    await profiles.set(alice, 'org.note', full.slice(1))
    expect(Object.keys((await profiles.get(alice.userId)) ?? {})).toEqual(['displayname', 'org.note'])
  })

  test('P-120 a key over 255 bytes is M_KEY_TOO_LARGE, one outside the grammar M_INVALID_PARAM', async () => {
    const { profiles, alice } = await house()
    await profiles.set(alice, 'k'.repeat(FIELD_NAME_BYTES_MAX), 1)
    for (const field of ['k'.repeat(FIELD_NAME_BYTES_MAX + 1), 'ü'.repeat(FIELD_NAME_BYTES_MAX / 2 + 1)])
      await expect(profiles.set(alice, field, 1)).rejects.toMatchObject(refusal('M_KEY_TOO_LARGE'))
    for (const field of [
      '',
      'Name',
      '1st',
      '.a',
      '_a',
      '-a',
      'a b',
      'a/b',
      'é',
      'a\n',
      '__proto__',
      'displayName',
    ])
      await expect(profiles.set(alice, field, 1), field).rejects.toMatchObject(refusal('M_INVALID_PARAM'))
  })

  test('P-123 removing what is not there is fine', async () => {
    const { profiles, alice } = await house()
    await profiles.remove(alice, 'm.tz')
    await profiles.set(alice, 'm.tz', 'Europe/London')
    await profiles.remove(alice, 'm.tz')
    await profiles.remove(alice, 'm.tz')
    expect(await profiles.get(alice.userId)).toBeNull()
  })
})

describe('who may change', () => {
  test('P-118 a guest changes the display name and nothing else', async () => {
    const all = await house()
    const guest = await enrol(all, '17', { guest: true })
    await all.profiles.set(guest, 'displayname', 'Visitor')
    for (const change of [
      all.profiles.set(guest, 'avatar_url', AVATAR),
      all.profiles.set(guest, 'm.tz', 'Europe/London'),
      all.profiles.remove(guest, 'm.tz'),
    ])
      await expect(change).rejects.toMatchObject(refusal('M_GUEST_ACCESS_FORBIDDEN', 403))
    expect(await all.profiles.get(guest.userId)).toEqual({ displayname: 'Visitor' })
  })

  test('P-118 a change is the requester’s own and nobody else’s', async () => {
    const all = await house()
    const bob = await enrol(all, 'bob')
    await all.profiles.set(all.alice, 'displayname', 'Alice')
    await all.profiles.set(bob, 'displayname', 'Bob')
    await all.profiles.remove(bob, 'displayname')
    expect(await all.profiles.get(all.alice.userId)).toEqual({ displayname: 'Alice' })
  })

  test('P-121 what waited while the account was deactivated brings no name back', async () => {
    const all = await house()
    const closing = all.users.run(all.alice.userId, () => close(all, all.alice))
    const late = all.profiles.set(all.alice, 'displayname', 'Alice')
    await expect(late).rejects.toMatchObject(refusal('M_UNKNOWN_TOKEN', 401))
    await closing
    expect(await all.profiles.get(all.alice.userId)).toBeNull()
    expect(all.told).toEqual([])
  })
})

test('P-119 P-120 any field and value is stored as it is or refused', async () => {
  const { profiles, alice } = await house()
  const field = fc.oneof(
    fc.constantFrom('displayname', 'avatar_url', 'm.tz', 'constructor', '__proto__', 'valueof'),
    fc.string(),
    fc.stringMatching(/^[a-z][a-z0-9._-]{0,12}$/),
  )
  const value = fc.oneof(
    fc.constantFrom<Json[]>(null, '', 'Alice', AVATAR),
    fc.integer(),
    fc.array(fc.string()),
    fc.dictionary(fc.string(), fc.string()),
  )
  await fc.assert(
    fc.asyncProperty(field, value, async (field, value) => {
      const refused = await profiles.set(alice, field, value).then(
        () => null,
        (error: unknown) => error,
      )
      const stored = (await profiles.get(alice.userId)) ?? {}
      const isUnset = ['displayname', 'avatar_url'].includes(field) && (value === null || value === '')
      if (refused !== null) expect(refused).toBeInstanceOf(MatrixError)
      else if (isUnset) expect(Object.hasOwn(stored, field)).toBe(false)
      else expect(JSON.stringify(own(stored, field))).toBe(JSON.stringify(value))
    }),
  )
})
