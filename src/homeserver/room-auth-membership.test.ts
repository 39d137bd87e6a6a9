import { describe, expect, test } from 'vitest'
import {
  SECOND_PUBLIC_KEY,
  SECOND_SEED,
  SPEC_PUBLIC_KEY,
  SPEC_SEED,
} from '../../test/support/room-vectors.ts'
import { ALICE, ALL, AuthRoom, before, BOB, CAROL, CREATOR, since } from '../../test/support/auth-room.ts'
import { must } from '../base/assert.ts'
import type { Json, JsonObject } from '../matrix/json.ts'
import { decodeBase64, SigningKey, signJson } from '../matrix/signing.ts'

const MEMBERSHIPS = ['join', 'invite', 'leave', 'ban', 'knock'] as const

/** ALICE is joined with 50; nobody has anything else. */
function aRoom(id: string, power: JsonObject = {}): AuthRoom {
  const users = { [ALICE]: 50, ...(power['users'] as JsonObject | undefined) }
  return new AuthRoom(id).member(ALICE, 'join').power({ ...power, users })
}

/** The rule, or `ok`, for each membership that `user` may have before. */
function byMembership(room: AuthRoom, user: string, judge: () => string): Record<string, string> {
  const entries = MEMBERSHIPS.map((membership) => {
    room.member(user, membership)
    return [membership, judge()]
  })
  room.remove('m.room.member', user)
  return Object.fromEntries([...entries, ['none', judge()]]) as Record<string, string>
}

for (const id of ALL) {
  describe(`member events in version ${id}`, () => {
    test(`4.1 have a state key and a membership, in version ${id}`, () => {
      const room = aRoom(id)
      const event = { type: 'm.room.member', sender: ALICE }
      expect(room.judge({ ...event, content: { membership: 'join' } })).toBe('4.1')
      expect(room.judge({ ...event, stateKey: ALICE })).toBe('4.1')
      expect(room.judge({ ...event, stateKey: ALICE, content: { membership: 7 } })).toBe('4.1')
    })

    test(`U an unknown membership is rejected, in version ${id}`, () => {
      expect(aRoom(id).judgeMember(ALICE, 'away', ALICE)).toBe('U')
    })

    test(`R-068 J1 the creator's first join follows the create event alone, in version ${id}`, () => {
      const room = new AuthRoom(id).remove('m.room.member', CREATOR)
      const join = (...prevEvents: string[]): string =>
        room.judgeMember(CREATOR, 'join', CREATOR, { pdu: { prev_events: prevEvents } })
      expect(join(room.createId)).toBe('ok')
      expect(join(room.createId, '$other')).toBe('J4')
      expect(join('$other')).toBe('J4')
      expect(join()).toBe('J4')
      const other = { pdu: { prev_events: [room.createId] } }
      expect(room.judgeMember(ALICE, 'join', ALICE, other)).toBe('J4')
    })

    test(`R-072 J2 nobody joins for another, in version ${id}`, () => {
      const room = aRoom(id).joinRule('public').member(BOB, 'invite')
      expect(room.judgeMember(ALICE, 'join', BOB)).toBe('J2')
      expect(room.judgeMember(BOB, 'join', BOB)).toBe('ok')
    })

    test(`R-069 R-071 J3 J6 public: anyone not banned joins, in version ${id}`, () => {
      const room = aRoom(id).joinRule('public')
      expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'join', BOB))).toEqual({
        join: 'ok',
        invite: 'ok',
        leave: 'ok',
        ban: 'J3',
        knock: 'ok',
        none: 'ok',
      })
    })

    const onlyInvited = { join: 'ok', invite: 'ok', leave: 'J4', ban: 'J3', knock: 'J4', none: 'J4' }

    test(`R-069 J4 invite: only who is invited joins, in version ${id}`, () => {
      const room = aRoom(id).joinRule('invite')
      expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'join', BOB))).toEqual(onlyInvited)
    })

    test(`R-070 missing join rules mean invite, in version ${id}`, () => {
      const room = aRoom(id)
      expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'join', BOB))).toEqual(onlyInvited)
      for (const content of [{}, { join_rule: 7 }]) {
        room.set('m.room.join_rules', '', content)
        expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'join', BOB))).toEqual(onlyInvited)
      }
    })

    test(`R-069 J7 an unknown rule lets nobody in, in version ${id}`, () => {
      for (const rule of ['private', 'anything', 'Public']) {
        const room = aRoom(id).joinRule(rule)
        for (const membership of ['leave', 'invite', 'join']) {
          expect(room.member(BOB, membership).judgeMember(BOB, 'join', BOB)).toBe('J7')
        }
      }
    })

    test(`R-073 R-071 I3 an invite goes to who is neither joined nor banned, in version ${id}`, () => {
      const room = aRoom(id)
      expect(byMembership(room, BOB, () => room.judgeMember(ALICE, 'invite', BOB))).toEqual({
        join: 'I3',
        invite: 'ok',
        leave: 'ok',
        ban: 'I3',
        knock: 'ok',
        none: 'ok',
      })
    })

    test(`R-073 I2 I4 the inviter is joined and has the level, in version ${id}`, () => {
      const room = aRoom(id, { invite: 50 })
      expect(room.judgeMember(ALICE, 'invite', BOB)).toBe('ok')
      for (const membership of ['leave', 'invite', 'ban', 'knock']) {
        expect(room.member(CAROL, membership).judgeMember(CAROL, 'invite', BOB)).toBe('I2')
      }
      expect(room.member(CAROL, 'join').judgeMember(CAROL, 'invite', BOB)).toBe('I4')
      expect(aRoom(id, { invite: 51 }).judgeMember(ALICE, 'invite', BOB)).toBe('I4')
    })

    test(`L1 one leaves what one is in, in version ${id}`, () => {
      const room = aRoom(id)
      const knocking = Number(id) >= 7
      expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'leave', BOB))).toEqual({
        join: 'ok',
        invite: 'ok',
        leave: 'L1',
        ban: 'L1',
        knock: knocking ? 'ok' : 'L1',
        none: 'L1',
      })
    })

    test(`R-074 L2 L4 a kick needs the level and a lower target, in version ${id}`, () => {
      const room = aRoom(id, { users: { [BOB]: 49, [CAROL]: 50 }, kick: 50 })
      expect(byMembership(room, BOB, () => room.judgeMember(ALICE, 'leave', BOB))).toEqual({
        join: 'ok',
        invite: 'ok',
        leave: 'ok',
        ban: 'ok',
        knock: 'ok',
        none: 'ok',
      })
      room.member(BOB, 'join').member(CAROL, 'join')
      expect(room.judgeMember(ALICE, 'leave', CAROL)).toBe('L4')
      expect(room.judgeMember(BOB, 'leave', '@other:home.example')).toBe('L4')
      expect(room.member(ALICE, 'invite').judgeMember(ALICE, 'leave', BOB)).toBe('L2')
      expect(aRoom(id, { kick: 51 }).member(BOB, 'join').judgeMember(ALICE, 'leave', BOB)).toBe('L4')
    })

    test(`R-074 L3 an unban needs ban and kick level, in version ${id}`, () => {
      const unban = (power: JsonObject): string =>
        aRoom(id, power).member(BOB, 'ban').judgeMember(ALICE, 'leave', BOB)
      expect(unban({ ban: 50, kick: 50 })).toBe('ok')
      expect(unban({ ban: 51, kick: 50 })).toBe('L3')
      expect(unban({ ban: 50, kick: 51 })).toBe('L4')
      expect(unban({ users: { [BOB]: 50 } })).toBe('L4')
    })

    test(`R-074 B1 B2 a ban needs the level and a lower target, in version ${id}`, () => {
      const room = aRoom(id, { users: { [BOB]: 49, [CAROL]: 50 }, ban: 50 })
      expect(byMembership(room, BOB, () => room.judgeMember(ALICE, 'ban', BOB))).toEqual({
        join: 'ok',
        invite: 'ok',
        leave: 'ok',
        ban: 'ok',
        knock: 'ok',
        none: 'ok',
      })
      expect(room.judgeMember(ALICE, 'ban', CAROL)).toBe('B2')
      expect(room.judgeMember(ALICE, 'ban', ALICE)).toBe('B2')
      expect(room.member(ALICE, 'leave').judgeMember(ALICE, 'ban', BOB)).toBe('B1')
      expect(aRoom(id, { ban: 51 }).judgeMember(ALICE, 'ban', BOB)).toBe('B2')
    })
  })
}

describe('creators of version 12', () => {
  const room = new AuthRoom('12', { additional_creators: [ALICE] }).member(ALICE, 'join').member(BOB, 'join')
  room.power({ users: { [BOB]: 2 ** 53 - 1 } })

  test('R-067 can be neither kicked nor banned, not even by each other', () => {
    for (const sender of [BOB, ALICE]) {
      expect(room.judgeMember(sender, 'leave', CREATOR)).toBe('L4')
      expect(room.judgeMember(sender, 'ban', CREATOR)).toBe('B2')
    }
    expect(room.judgeMember(CREATOR, 'ban', ALICE)).toBe('B2')
  })

  test('R-067 can kick and ban everybody else', () => {
    for (const sender of [CREATOR, ALICE]) {
      expect(room.judgeMember(sender, 'leave', BOB)).toBe('ok')
      expect(room.judgeMember(sender, 'ban', BOB)).toBe('ok')
    }
  })

  test('R-068 J1 an additional creator has no first join', () => {
    const fresh = new AuthRoom('12', { additional_creators: [ALICE] })
    const first = { pdu: { prev_events: [fresh.createId] } }
    expect(fresh.judgeMember(ALICE, 'join', ALICE, first)).toBe('J4')
  })
})

describe('J1 names the creator as the version does', () => {
  test('R-068 content.creator up to version 10, the sender from 11 on', () => {
    for (const [id, rule] of [
      ['10', 'ok'],
      ['11', 'J4'],
    ] as const) {
      const room = new AuthRoom(id, { creator: ALICE })
      const first = { pdu: { prev_events: [room.createId] } }
      expect(room.judgeMember(ALICE, 'join', ALICE, first)).toBe(rule)
    }
  })
})

describe('knocking', () => {
  const knocks = { join: 'K3', invite: 'K3', leave: 'ok', ban: 'K3', knock: 'ok', none: 'ok' }

  test('R-075 R-077 version 6 has no knock, and the rule lets nobody in', () => {
    const room = aRoom('6').joinRule('knock').member(BOB, 'leave')
    expect(room.judgeMember(BOB, 'knock', BOB)).toBe('U')
    expect(room.member(BOB, 'invite').judgeMember(BOB, 'join', BOB)).toBe('J7')
  })

  for (const id of since('7')) {
    test(`R-075 R-071 K1 K3 one knocks where the rule is knock, in version ${id}`, () => {
      const room = aRoom(id).joinRule('knock')
      expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'knock', BOB))).toEqual(knocks)
      for (const rule of ['public', 'invite', 'restricted', 'private']) {
        expect(room.joinRule(rule).judgeMember(BOB, 'knock', BOB)).toBe('K1')
      }
      expect(room.remove('m.room.join_rules', '').judgeMember(BOB, 'knock', BOB)).toBe('K1')
    })

    test(`R-072 K2 nobody knocks for another, in version ${id}`, () => {
      expect(aRoom(id).joinRule('knock').judgeMember(ALICE, 'knock', BOB)).toBe('K2')
    })

    test(`R-069 J4 with the rule knock only who is invited joins, in version ${id}`, () => {
      const room = aRoom(id).joinRule('knock')
      expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'join', BOB))).toEqual({
        join: 'ok',
        invite: 'ok',
        leave: 'J4',
        ban: 'J3',
        knock: 'J4',
        none: 'J4',
      })
    })

    test(`R-075 K1 knock_restricted takes knocks from version 10 on: version ${id}`, () => {
      const room = aRoom(id).joinRule('knock_restricted')
      expect(room.judgeMember(BOB, 'knock', BOB)).toBe(Number(id) >= 10 ? 'ok' : 'K1')
    })
  }
})

describe('restricted joins', () => {
  const HOME = { 'home.example': { 'ed25519:1': 's' } }
  const authorised = (by: Json, signatures: JsonObject = HOME): { content: JsonObject; pdu: JsonObject } => ({
    content: { join_authorised_via_users_server: by },
    pdu: { signatures },
  })
  const KINDS = [
    ['restricted', '8'],
    ['knock_restricted', '10'],
  ] as const

  for (const [rule, first] of KINDS) {
    for (const id of before(first)) {
      test(`R-077 J7 ${rule} lets nobody in, in version ${id}`, () => {
        const room = aRoom(id).joinRule(rule)
        expect(room.judgeMember(BOB, 'join', BOB, authorised(ALICE))).toBe('J7')
        expect(room.member(BOB, 'invite').judgeMember(BOB, 'join', BOB)).toBe('J7')
      })
    }

    for (const id of since(first)) {
      test(`R-076 J5 ${rule}: members and invited join, others only through a member, in version ${id}`, () => {
        const room = aRoom(id).joinRule(rule)
        expect(byMembership(room, BOB, () => room.judgeMember(BOB, 'join', BOB))).toEqual({
          join: 'ok',
          invite: 'ok',
          leave: 'J5',
          ban: 'J3',
          knock: 'J5',
          none: 'J5',
        })
        expect(room.judgeMember(BOB, 'join', BOB, authorised(ALICE))).toBe('ok')
        expect(room.member(BOB, 'ban').judgeMember(BOB, 'join', BOB, authorised(ALICE))).toBe('J3')
      })

      test(`R-076 J5 ${rule}: the authorising user is joined and may invite, in version ${id}`, () => {
        const room = aRoom(id, { invite: 50 }).joinRule(rule)
        const join = (): string => room.judgeMember(BOB, 'join', BOB, authorised(ALICE))
        expect(join()).toBe('ok')
        for (const membership of ['leave', 'invite', 'ban', 'knock']) {
          room.member(ALICE, membership)
          expect(join()).toBe('J5')
        }
        expect(room.remove('m.room.member', ALICE).judgeMember(BOB, 'join', BOB, authorised(ALICE))).toBe(
          'J5',
        )
        const higher = aRoom(id, { invite: 51 }).joinRule(rule)
        expect(higher.judgeMember(BOB, 'join', BOB, authorised(ALICE))).toBe('J5')
      })
    }
  }

  for (const id of since('8')) {
    test(`4.2 the authorising user's server has signed, in version ${id}`, () => {
      const room = aRoom(id).joinRule('public')
      const join = (by: Json, signatures: JsonObject): string =>
        room.judgeMember(BOB, 'join', BOB, authorised(by, signatures))
      expect(join(ALICE, HOME)).toBe('ok')
      expect(join(ALICE, {})).toBe('4.2')
      expect(join(ALICE, { 'home.example': {} })).toBe('4.2')
      expect(join(CAROL, HOME)).toBe('4.2')
      for (const odd of [7, null, 'home.example']) expect(join(odd, HOME)).toBe('4.2')
    })
  }

  for (const id of before('8')) {
    test(`the key means nothing in version ${id}`, () => {
      const room = aRoom(id).joinRule('public')
      expect(room.judgeMember(BOB, 'join', BOB, authorised(ALICE, {}))).toBe('ok')
    })
  }
})

describe('third-party invites', () => {
  const keyOf = (seed: string): SigningKey =>
    new SigningKey({ seed: must(decodeBase64(seed), 'seed'), version: '0' })
  const key = keyOf(SPEC_SEED)
  const otherKey = keyOf(SECOND_SEED)
  const bound = { mxid: BOB, token: 'abc' }
  const signed: JsonObject = signJson(bound, 'identity.example', key)

  const invite = (room: AuthRoom, thirdParty: Json, sender: string = ALICE): string =>
    room.judgeMember(sender, 'invite', BOB, { content: { third_party_invite: thirdParty } })

  for (const id of ALL) {
    const offered = (content: JsonObject = { public_key: SPEC_PUBLIC_KEY }): AuthRoom =>
      aRoom(id).set('m.room.third_party_invite', 'abc', content, ALICE)

    test(`R-078 I1 passes when signed by a key of the invite, whatever the inviter is now, in version ${id}`, () => {
      expect(invite(offered(), { signed })).toBe('ok')
      expect(invite(offered().member(ALICE, 'leave'), { signed })).toBe('ok')
      const listed = [
        { public_key: SECOND_PUBLIC_KEY },
        { key_validity_url: 'x', public_key: SPEC_PUBLIC_KEY },
      ]
      expect(invite(offered({ public_keys: listed }), { signed })).toBe('ok')
      expect(invite(offered({ public_key: 'nonsense', public_keys: listed }), { signed })).toBe('ok')
      const twice = signJson(signed, 'identity.example', keyOf(SECOND_SEED))
      expect(invite(offered({ public_keys: listed }), { signed: twice })).toBe('ok')
    })

    test(`R-078 I1 fails for a banned target, in version ${id}`, () => {
      expect(invite(offered().member(BOB, 'ban'), { signed })).toBe('I1')
    })

    test(`R-078 I1 fails without signed, mxid or token, or for another user, in version ${id}`, () => {
      const { mxid: _mxid, ...withoutUser } = signed
      const { token: _token, ...withoutToken } = signed
      const wrong: readonly Json[] = [
        null,
        'x',
        {},
        { signed: 'x' },
        { signed: withoutUser },
        { signed: withoutToken },
        { signed: signJson({ ...bound, mxid: CAROL }, 'identity.example', key) },
        { signed: signJson({ mxid: BOB, token: 7 }, 'identity.example', key) },
      ]
      for (const thirdParty of wrong) expect(invite(offered(), thirdParty)).toBe('I1')
    })

    test(`R-078 I1 fails when the invite is unknown or somebody else's, in version ${id}`, () => {
      expect(invite(aRoom(id), { signed })).toBe('I1')
      expect(invite(offered(), { signed }, CREATOR)).toBe('I1')
    })

    test(`R-078 I1 fails when no key of the invite has signed, in version ${id}`, () => {
      const forged = signJson(bound, 'identity.example', otherKey)
      expect(invite(offered(), { signed: forged })).toBe('I1')
      expect(invite(offered(), { signed: bound })).toBe('I1')
      expect(invite(offered(), { signed: { ...signed, signatures: 'x' } })).toBe('I1')
      expect(invite(offered(), { signed: { ...signed, extra: 1 } })).toBe('I1')
      for (const content of [{}, { public_key: 7 }, { public_keys: SPEC_PUBLIC_KEY }, { public_keys: [7] }]) {
        expect(invite(offered(content), { signed })).toBe('I1')
      }
    })
  }

  test('a flood of signatures and keys is cut off', () => {
    const flood = Object.fromEntries(
      Array.from({ length: 2_000 }, (_, i) => [`ed25519:${i}`, 'A'.repeat(86)]),
    )
    const keys = Array.from({ length: 60 }, () => ({ public_key: SECOND_PUBLIC_KEY }))
    const room = aRoom('11').set('m.room.third_party_invite', 'abc', { public_keys: keys }, ALICE)
    const started = process.cpuUsage().user
    expect(invite(room, { signed: { ...bound, signatures: { 'identity.example': flood } } })).toBe('I1')
    expect(process.cpuUsage().user - started).toBeLessThan(2_000_000)
  })
})
