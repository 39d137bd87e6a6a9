import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { must } from '../base/assert.ts'
import {
  decodeListEdu,
  decodePresenceEdu,
  LIST_EDU_TYPES,
  listEduKind,
  POLL_MAX,
  presenceEntries,
  type ListEduKind,
  type PresencePush,
} from './edu.ts'
import { parseServerName, parseUserId, type UserId } from './ids.ts'
import { parseStrictJson } from './strict-json.ts'
import type { Json, JsonObject } from './json.ts'

const remote = must(parseServerName('remote.example'), 'name')
const home = must(parseServerName('home.example'), 'name')
const user = (id: string): UserId => must(parseUserId(id), id)
const bob = user('@bob:remote.example')
const alice = user('@alice:home.example')
const BOUNDS = { statusMsgBytesMax: 10 }

const BOB: PresencePush = {
  userId: bob,
  state: 'online',
  statusMsg: null,
  lastActiveAgoMs: null,
  currentlyActive: false,
  displayname: null,
  avatarUrl: null,
}

function pushed(entry: Json): readonly PresencePush[] {
  return decodePresenceEdu({ push: [entry] }, remote, BOUNDS).push
}

/** What an entry of Bob with these keys is read as. */
function bobWith(keys: JsonObject): PresencePush | undefined {
  return pushed({ user_id: bob, presence: 'online', ...keys })[0]
}

describe('m.presence in', () => {
  test('§5.3 the example of 2015 is read whole', () => {
    const content = {
      push: [{ user_id: bob, presence: 'free_for_chat', last_active_ago: 395, status_msg: 'ping me' }],
      poll: ['@alice:home.example'],
      unpoll: ['@carol:home.example'],
    }
    expect(decodePresenceEdu(content, remote, BOUNDS)).toEqual({
      push: [{ ...BOB, state: 'free_for_chat', lastActiveAgoMs: 395, statusMsg: 'ping me' }],
      poll: ['@alice:home.example'],
      unpoll: ['@carol:home.example'],
      skipped: 0,
    })
  })

  test.each<[string, Json]>([
    ['of a user of another server', { user_id: '@bob:else.example', presence: 'online' }],
    ['of a user of ours', { user_id: alice, presence: 'online' }],
    ['of a name that ends alike', { user_id: '@bob:evil.remote.example', presence: 'online' }],
    ['of the same host on another port', { user_id: '@bob:remote.example:8448', presence: 'online' }],
    ['without user', { presence: 'online' }],
    ['of no user', { user_id: 'bob', presence: 'online' }],
    ['of a number', { user_id: 5, presence: 'online' }],
    ['that is no object', 'online'],
    ['that is an array', [bob, 'online']],
    ['that is null', null],
  ])('P-168 L-09 an entry %s is left out, its neighbours stay', (_, entry) => {
    const good = { user_id: bob, presence: 'online' }
    const decoded = decodePresenceEdu({ push: [good, entry, good] }, remote, BOUNDS)
    expect(decoded).toEqual({ push: [BOB, BOB], poll: [], unpoll: [], skipped: 1 })
  })

  test.each<[string, Json | undefined]>([
    ['banana', 'banana'],
    ['another case', 'Online'],
    ['nothing', undefined],
    ['null', null],
    ['a number', 1],
    ['what objects inherit', 'constructor'],
    ['an object', {}],
  ])('P-169 L-08 an entry whose presence is %s is left out', (_, presence) => {
    const entry = presence === undefined ? { user_id: bob } : { user_id: bob, presence }
    expect(pushed(entry)).toEqual([])
  })

  test.each<[string, PresencePush['state']]>([
    ['online', 'online'],
    ['unavailable', 'unavailable'],
    ['offline', 'offline'],
    ['free_for_chat', 'free_for_chat'],
    ['busy', 'busy'],
    ['org.matrix.msc3026.busy', 'busy'],
    ['hidden', 'offline'],
  ])('P-169 the word %s is %s', (presence, state) => {
    expect(bobWith({ presence })?.state).toBe(state)
  })

  test('§5.4 what a hiding user does is not taken along', () => {
    const entry = { presence: 'hidden', last_active_ago: 5, currently_active: true }
    expect(bobWith(entry)).toEqual({ ...BOB, state: 'offline' })
  })

  test.each<[Json, number | null]>([
    [0, 0],
    [5_000, 5_000],
    [-1, 0],
    [-5_000, 0],
    [2 ** 53 - 1, 2 ** 40],
    [2 ** 53, null],
    [1.5, null],
    ['5000', null],
    [null, null],
    [true, null],
    [[5], null],
  ])('L-08 the age %j is %j', (age, read) => {
    expect(bobWith({ last_active_ago: age })).toEqual({ ...BOB, lastActiveAgoMs: read })
  })

  test.each<[Json, string | null]>([
    ['short', 'short'],
    ['exactly 10', 'exactly 10'],
    ['eleven chars', 'eleven cha'],
    ['ööööö', 'ööööö'],
    ['aööööö', 'aöööö'],
    ['aaaaaaaa€', 'aaaaaaaa'],
    ['aaaaaaa€', 'aaaaaaa€'],
    ['aaaaaaa😀', 'aaaaaaa'],
    ['aaaaaa😀b', 'aaaaaa😀'],
    ['\ud800', '\ufffd'],
    ['a\udc00b', 'a\ufffdb'],
    ['', null],
    [5, null],
    [null, null],
    [{}, null],
  ])('P-170 L-08 the text %j is read as %j', (text, read) => {
    expect(bobWith({ status_msg: text })).toEqual({ ...BOB, statusMsg: read })
  })

  test('P-170 no text is the text gone', () => {
    expect(bobWith({})?.statusMsg).toBeNull()
  })

  test('P-170 of a text whose first letter is too long nothing is left', () => {
    const content = { push: [{ user_id: bob, presence: 'online', status_msg: '😀' }] }
    expect(decodePresenceEdu(content, remote, { statusMsgBytesMax: 3 }).push[0]?.statusMsg).toBeNull()
  })

  test('P-170 a text is cut to the longest beginning that fits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 40 }), (text, bytesMax) => {
        const content = { push: [{ user_id: bob, presence: 'online', status_msg: text }] }
        const read = decodePresenceEdu(content, remote, { statusMsgBytesMax: bytesMax }).push[0]?.statusMsg
        const kept = read ?? ''
        const whole = text.toWellFormed()
        expect(whole.startsWith(kept)).toBe(true)
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(bytesMax)
        const next = whole.codePointAt(kept.length)
        if (next !== undefined)
          expect(Buffer.byteLength(kept + String.fromCodePoint(next))).toBeGreaterThan(bytesMax)
      }),
    )
  })

  test.each<[Json, boolean]>([
    [true, true],
    [false, false],
    ['true', false],
    [1, false],
    [null, false],
  ])('L-08 currently_active %j is %j', (value, read) => {
    expect(bobWith({ currently_active: value })?.currentlyActive).toBe(read)
  })

  test('§5.4 names of 2015 are taken if they are texts of a sensible size', () => {
    expect(bobWith({ displayname: 'Bob', avatar_url: 'mxc://a/b' })).toEqual({
      ...BOB,
      displayname: 'Bob',
      avatarUrl: 'mxc://a/b',
    })
    for (const bad of [5, null, '', '\ud800', 'ö'.repeat(513)])
      expect(bobWith({ displayname: bad, avatar_url: bad })).toEqual(BOB)
    expect(bobWith({ displayname: 'ö'.repeat(512) })?.displayname).toHaveLength(512)
  })

  test.each<[string, JsonObject, object]>([
    ['poll', { poll: [alice] }, { poll: [alice] }],
    ['unpoll', { unpoll: [alice] }, { unpoll: [alice] }],
    ['an empty push', { push: [] }, {}],
    ['nothing', {}, {}],
  ])('P-184 an EDU with only %s is read', (_, content, read) => {
    expect(decodePresenceEdu(content, remote, BOUNDS)).toEqual({
      push: [],
      poll: [],
      unpoll: [],
      skipped: 0,
      ...read,
    })
  })

  test('P-185 keys that nobody knows, origin and destination among them, mean nothing', () => {
    const more = { origin: 'else.example', destination: 'else.example', transaction_id: 5, x: [] }
    const push = [{ user_id: bob, presence: 'online', ...more }]
    expect(decodePresenceEdu({ ...more, push }, remote, BOUNDS)).toEqual({
      push: [BOB],
      poll: [],
      unpoll: [],
      skipped: 0,
    })
  })

  test('§5.6 IDs that are none are left out of poll and unpoll alone', () => {
    const content = { poll: [alice, 5, 'alice', null, alice], unpoll: [{}, alice] }
    expect(decodePresenceEdu(content, remote, BOUNDS)).toEqual({
      push: [],
      poll: [alice, alice],
      unpoll: [alice],
      skipped: 4,
    })
  })

  test('of poll and unpoll a bounded number is read', () => {
    const ids = Array.from({ length: POLL_MAX + 1 }, () => alice)
    const decoded = decodePresenceEdu({ poll: ids, unpoll: ids }, remote, BOUNDS)
    expect([decoded.poll.length, decoded.unpoll.length, decoded.skipped]).toEqual([POLL_MAX, POLL_MAX, 2])
  })

  test.each<[string, Json | undefined]>([
    ['no content', undefined],
    ['null', null],
    ['a text', 'push'],
    ['an array', [{ push: [] }]],
  ])('L-08 a content that is %s says nothing', (_, content) => {
    expect(decodePresenceEdu(content, remote, BOUNDS)).toEqual({ push: [], poll: [], unpoll: [], skipped: 1 })
  })

  test('L-08 what is no array says nothing', () => {
    const content = { push: { user_id: bob, presence: 'online' }, poll: '@alice:home.example', unpoll: 5 }
    expect(decodePresenceEdu(content, remote, BOUNDS)).toEqual({ push: [], poll: [], unpoll: [], skipped: 0 })
  })

  test('L-08 any JSON among good entries leaves them as they are', () => {
    const good = { user_id: bob, presence: 'unavailable', status_msg: 'here' }
    const read = { ...BOB, state: 'unavailable', statusMsg: 'here' }
    const keys = fc.constantFrom('user_id', 'presence', 'status_msg', 'last_active_ago', 'currently_active')
    const values = fc.oneof(fc.jsonValue(), fc.constantFrom(alice, 'online')) as fc.Arbitrary<Json>
    const bad = fc.oneof(fc.jsonValue() as fc.Arbitrary<Json>, fc.dictionary(keys, values))
    fc.assert(
      fc.property(fc.array(bad), fc.array(bad), bad, (before, behind, poll) => {
        const decoded = decodePresenceEdu({ push: [...before, good, ...behind], poll }, remote, BOUNDS)
        expect(decoded.push).toContainEqual(read)
        for (const { userId } of decoded.push) expect(userId).toMatch(/:remote\.example$/)
      }),
    )
  })

  test('a key named __proto__ is data', () => {
    const json = `{"push":[{"__proto__":{"user_id":"${bob}","presence":"online"}}]}`
    expect(decodePresenceEdu(parseStrictJson(json), remote, BOUNDS).push).toEqual([])
  })

  test.each<[Json | undefined, number]>([
    [undefined, 1],
    [{}, 1],
    [{ push: [] }, 1],
    [{ push: [1, 2, 3] }, 3],
    [{ push: [1], poll: [1, 2], unpoll: [1, 2, 3] }, 6],
    [{ push: 'many' }, 1],
  ])('an EDU with the content %j has %j entries', (content, count) => {
    expect(presenceEntries(content)).toBe(count)
  })
})

describe('list EDUs', () => {
  const at = { origin: remote, serverName: home }
  const KINDS = Object.keys(LIST_EDU_TYPES) as ListEduKind[]

  /** Who belongs to the origin. */
  const THEIRS = { invite: 'observer', withdraw: 'observer', accept: 'observed', deny: 'observed' } as const

  function pair(kind: ListEduKind): { observer: UserId; observed: UserId } {
    return THEIRS[kind] === 'observer'
      ? { observer: bob, observed: alice }
      : { observer: alice, observed: bob }
  }

  test.each(KINDS)('P-187 P-188 %s is read in its own direction, and only in that', (kind) => {
    const { observer, observed } = pair(kind)
    const content = { observer_user: observer, observed_user: observed }
    const edu = { kind, observer, observed, ask: null }
    expect(decodeListEdu(kind, content, at)).toEqual({ kind: 'list', edu })
    const reversed = { observer_user: observed, observed_user: observer }
    expect(decodeListEdu(kind, reversed, at).kind).toBe('refused')
  })

  test.each(KINDS)('P-187 P-188 L-09 %s for a user of a third server is refused', (kind) => {
    const { observer, observed } = pair(kind)
    const third = user('@eve:third.example')
    expect(decodeListEdu(kind, { observer_user: third, observed_user: observed }, at).kind).toBe('refused')
    expect(decodeListEdu(kind, { observer_user: observer, observed_user: third }, at).kind).toBe('refused')
  })

  test.each<[string, Json | undefined]>([
    ['nothing', undefined],
    ['a text', 'invite'],
    ['an array', [bob, alice]],
    ['no users', {}],
    ['one user', { observer_user: bob }],
    ['no text', { observer_user: bob, observed_user: 5 }],
    ['no user ID', { observer_user: bob, observed_user: 'alice' }],
  ])('L-08 an invite whose content is %s is refused', (_, content) => {
    expect(decodeListEdu('invite', content, at)).toEqual({ kind: 'refused', reason: expect.any(String) })
  })

  test.each<[Json, number | null]>([
    [7, 7],
    [0, 0],
    ['7', null],
    [1.5, null],
    [null, null],
    [2 ** 53, null],
  ])('an asking named %j is read as %j', (ask, read) => {
    const content = { observer_user: bob, observed_user: alice, 'dev.adsum.presence_lists.ask': ask }
    expect(decodeListEdu('invite', content, at)).toMatchObject({ edu: { ask: read } })
  })

  test('any content is answered with a value', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KINDS), fc.jsonValue() as fc.Arbitrary<Json>, (kind, content) => {
        expect(decodeListEdu(kind, content, at).kind).toBe('refused')
      }),
    )
  })

  test('their types on the wire', () => {
    expect(
      ['m.presence_invite', 'm.presence_accept', 'm.presence_deny', 'dev.adsum.presence_lists.withdraw'].map(
        listEduKind,
      ),
    ).toEqual(['invite', 'accept', 'deny', 'withdraw'])
    expect(['m.presence', 'invite', '', 'constructor'].map(listEduKind)).toEqual([null, null, null, null])
  })
})
