import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  REDACTION_IDS,
  ROOM_VECTORS,
  SECOND_PUBLIC_KEY,
  SECOND_SEED,
  SPEC_PUBLIC_KEY,
  SPEC_SEED,
} from '../../test/support/room-vectors.ts'
import { must } from '../base/assert.ts'
import { canonicalJson } from './canonical-json.ts'
import type { EventId, RoomId, ServerName, UserId } from './ids.ts'
import type { Json, JsonObject } from './json.ts'
import {
  authEventKeys,
  contentHash,
  eventIdOf,
  hashAndSign,
  isPduSignedBy,
  pduBytes,
  redact,
  redactionTarget,
  roomIdOf,
  signPdu,
  type Pdu,
  type RoomEvent,
  type UnsignedPdu,
} from './room-event.ts'
import { ROOM_VERSIONS, roomVersion, type RoomVersion } from './room-version/index.ts'
import { decodeBase64, SigningKey, VerifyKey } from './signing.ts'

const HOME = 'home.example' as ServerName
const REMOTE = 'remote.example' as ServerName
const ALICE = '@alice:home.example' as UserId
const BOB = '@bob:remote.example' as UserId

const version = (id: string): RoomVersion => must(roomVersion(id), 'version')
const signingKey = (seed: string, name: string): SigningKey =>
  new SigningKey({ seed: must(decodeBase64(seed), 'seed'), version: name })
const homeKey = signingKey(SPEC_SEED, 'a_1')
const homeKeys = (keyId: string): VerifyKey | null =>
  keyId === 'ed25519:a_1' ? VerifyKey.parse(SPEC_PUBLIC_KEY) : null

/** The room of T3: seven events, each after the one before. */
function vectorRoom(id: string): RoomEvent[] {
  const room = must(
    ROOM_VECTORS.find((vector) => vector.version === id),
    'vector',
  )
  const events: RoomEvent[] = []
  const add = (
    type: string,
    stateKey: string | null,
    content: JsonObject,
    cites: number[],
    extra = {},
  ): void => {
    const n = events.length + 1
    const idOf = (number: number): EventId => must(events[number - 1], 'event').eventId
    const inEvent = id !== '12' || n > 1
    const unsigned: UnsignedPdu = {
      type,
      sender: ALICE,
      content,
      depth: n,
      origin_server_ts: 1_700_000_000_000 + 1000 * n,
      prev_events: n === 1 ? [] : [idOf(n - 1)],
      auth_events: cites.filter((cited) => id !== '12' || cited !== 1).map(idOf),
      ...(inEvent ? { room_id: room.roomId } : {}),
      ...(stateKey === null ? {} : { state_key: stateKey }),
      ...extra,
    }
    events.push(hashAndSign(unsigned, version(id), HOME, homeKey))
  }
  const creator = id === '10' ? { creator: ALICE } : {}
  add('m.room.create', '', { room_version: id, ...creator }, [])
  add('m.room.member', ALICE, { membership: 'join', displayname: 'Alice' }, [1])
  add('m.room.power_levels', '', powerLevels(id), [1, 2])
  add('m.room.join_rules', '', { join_rule: 'public' }, [1, 3, 2])
  add('m.room.history_visibility', '', { history_visibility: 'shared' }, [1, 3, 2])
  add('m.room.message', null, { msgtype: 'm.text', body: 'Hello, wörld 👋' }, [1, 3, 2])
  const redacts = must(events[5], 'event 6').eventId
  if (id === '10') add('m.room.redaction', null, { reason: 'typo' }, [1, 3, 2], { redacts })
  else add('m.room.redaction', null, { redacts, reason: 'typo' }, [1, 3, 2])
  return events
}

function powerLevels(id: string): JsonObject {
  const fifty = ['m.room.avatar', 'm.room.canonical_alias', 'm.room.name']
  const hundred = ['encryption', 'history_visibility', 'power_levels', 'server_acl', 'tombstone']
  const events = Object.fromEntries([
    ...fifty.map((type) => [type, 50]),
    ...hundred.map((type) => [`m.room.${type}`, 100]),
    ...(id === '12' ? [['m.room.tombstone', 150]] : []),
  ]) as JsonObject
  const users = id === '12' ? {} : { [ALICE]: 100 }
  const singles = {
    ban: 50,
    events_default: 0,
    invite: 0,
    kick: 50,
    redact: 50,
    state_default: 50,
    users_default: 0,
  }
  return { ...singles, events, users }
}

describe('T1: E1 and E2 of the specification', () => {
  const key = signingKey(SPEC_SEED, '1')
  const domain = 'domain' as ServerName
  const e1 = {
    room_id: '!x:domain',
    sender: '@a:domain',
    origin: 'domain',
    origin_server_ts: 1_000_000,
    signatures: {},
    hashes: {},
    type: 'X',
    content: {},
    prev_events: [],
    auth_events: [],
    depth: 3,
    unsigned: { age_ts: 1_000_000 },
  } as unknown as Pdu
  const e2 = {
    content: { body: 'Here is the message content' },
    event_id: '$0:domain',
    origin: 'domain',
    origin_server_ts: 1_000_000,
    type: 'm.room.message',
    room_id: '!r:domain',
    sender: '@u:domain',
    signatures: {},
    unsigned: { age_ts: 1_000_000 },
  } as unknown as Pdu
  const signed = (
    pdu: Pdu,
    id: string,
  ): { hash: string; signature: string | undefined; eventId: EventId } => {
    const hashed = { ...pdu, hashes: { sha256: contentHash(pdu) } }
    const made = signPdu(hashed, version(id), domain, key)
    return {
      hash: hashed.hashes.sha256,
      signature: made.signatures['domain']?.['ed25519:1'],
      eventId: eventIdOf(made, version(id)),
    }
  }

  for (const id of ['6', '7', '8', '9', '10']) {
    test(`R-017 E1 has hash, signature and ID of the specification in version ${id}`, () => {
      expect(signed(e1, id)).toEqual({
        hash: '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos',
        signature: 'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
        eventId: '$8yif6p8EqgoSten2BLje9ntKm720NyFLWQv9tn8memc',
      })
    })
  }

  test('R-017 R-034 E1 in version 11, where redaction drops `origin`', () => {
    expect(signed(e1, '11')).toEqual({
      hash: '5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos',
      signature: 'Jxp+1glFcZM+nnHpY0EkedRR7u0VmKsJYGnQqIvqus3UvL5X/p1y6wSkLhGoTBel6MZ9lrMIzUqrjqFquWJKBw',
      eventId: '$70O_oKlXzFbkfu0KE88USi98DjSWrOELrPj-8tisl8I',
    })
  })

  test('R-017 E2 has hash and signature of the specification', () => {
    expect(signed(e2, '6')).toMatchObject({
      hash: 'onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g',
      signature: 'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
    })
  })
})

describe('T3: one room, seven events, three versions', () => {
  for (const { version: id, roomId, events } of ROOM_VECTORS) {
    const made = vectorRoom(id)
    for (const [index, [eventId, hash, signature]] of events.entries()) {
      test(`R-018 R-024 event ${index + 1} in version ${id} has its ID, hash and signature`, () => {
        const event = must(made[index], 'event')
        expect(event.eventId).toBe(eventId)
        expect(event.eventId).toMatch(/^\$[A-Za-z0-9_-]{43}$/)
        expect(event.pdu.hashes.sha256).toBe(hash)
        expect(event.pdu.signatures).toEqual({ [HOME]: { 'ed25519:a_1': signature } })
        expect(event.roomId).toBe(roomId)
        expect(isPduSignedBy(event.pdu, version(id), HOME, homeKeys)).toBe(true)
      })
    }
  }

  const sixth = must(vectorRoom('11')[5], 'event 6')

  test('R-018 event 6 of version 11 is byte for byte that of the specification', () => {
    const { hashes: _hashes, signatures: _signatures, ...hashed } = sixth.pdu
    expect(canonicalJson(hashed as Json)).toBe(
      '{"auth_events":["$Ai7khixI59hzT35MswkUHZd1O9wH7tA6UIBgh-01uIU","$i-8r1ysljxKb7uVDwKmzvUv2cL1d-7J5Wwxhke1QdXY","$gaiev1KszaUE8dhgLQxfZZw3MIbSmhO-Po0YBI_KW6o"],"content":{"body":"Hello, wörld 👋","msgtype":"m.text"},"depth":6,"origin_server_ts":1700000006000,"prev_events":["$Ca3qHszTauecG9pQ9jy2SHb2I1vFFUJeP8GkRmeVMFY"],"room_id":"!n8f893n9Qx:home.example","sender":"@alice:home.example","type":"m.room.message"}',
    )
    const { signatures: _drop, ...redacted } = redact(sixth.pdu, version('11'))
    expect(canonicalJson(redacted as Json)).toBe(
      '{"auth_events":["$Ai7khixI59hzT35MswkUHZd1O9wH7tA6UIBgh-01uIU","$i-8r1ysljxKb7uVDwKmzvUv2cL1d-7J5Wwxhke1QdXY","$gaiev1KszaUE8dhgLQxfZZw3MIbSmhO-Po0YBI_KW6o"],"content":{},"depth":6,"hashes":{"sha256":"WpnMsJmdWam8Ftq5/5PUvoMJUcYsXWug/h4S7MotS4s"},"origin_server_ts":1700000006000,"prev_events":["$Ca3qHszTauecG9pQ9jy2SHb2I1vFFUJeP8GkRmeVMFY"],"room_id":"!n8f893n9Qx:home.example","sender":"@alice:home.example","type":"m.room.message"}',
    )
    expect(pduBytes(sixth.pdu)).toBe(616)
  })

  test('R-023 R-031 the create event of version 12 has no room_id, and its ID names the room', () => {
    const create = must(vectorRoom('12')[0], 'create')
    expect(canonicalJson(create.pdu)).toBe(
      '{"auth_events":[],"content":{"room_version":"12"},"depth":1,"hashes":{"sha256":"3hF/fk22mwVmT1pYUIgLskC5Pzl1elny1dEGY7AJOGM"},"origin_server_ts":1700000001000,"prev_events":[],"sender":"@alice:home.example","signatures":{"home.example":{"ed25519:a_1":"ONDajXkdwNS0AGBbVxBJMQq2pt4fQkohPpIWrIiFit5cAoxvuz/3dxi6uqgnGwmwaLZeQK3rWC6r0Wp5wnkEAQ"}},"state_key":"","type":"m.room.create"}',
    )
    expect(roomIdOf(create.pdu, create.eventId, version('12'))).toBe(`!${create.eventId.slice(1)}`)
  })

  test('R-020 unsigned affects neither hash, signature nor ID', () => {
    const aged: Pdu = { ...sixth.pdu, unsigned: { age: 5 } }
    expect(contentHash(aged)).toBe(sixth.pdu.hashes.sha256)
    expect(eventIdOf(aged, version('11'))).toBe(sixth.eventId)
    expect(isPduSignedBy(aged, version('11'), HOME, homeKeys)).toBe(true)
  })

  test('T5: altered content keeps signature and ID, but not the content hash', () => {
    const altered: Pdu = { ...sixth.pdu, content: { ...sixth.pdu.content, body: 'Something else' } }
    expect(isPduSignedBy(altered, version('11'), HOME, homeKeys)).toBe(true)
    expect(eventIdOf(altered, version('11'))).toBe(sixth.eventId)
    expect(contentHash(altered)).not.toBe(sixth.pdu.hashes.sha256)
  })

  test('T5: an altered top-level key breaks the signature', () => {
    expect(isPduSignedBy({ ...sixth.pdu, depth: 7 }, version('11'), HOME, homeKeys)).toBe(false)
  })
})

test('R-019 T4: a second signature leaves the ID, and both verify', () => {
  const room = vectorRoom('11')
  const idOf = (n: number): EventId => must(room[n - 1], 'event').eventId
  const remoteKey = signingKey(SECOND_SEED, 'b_1')
  const join: UnsignedPdu = {
    type: 'm.room.member',
    room_id: '!n8f893n9Qx:home.example' as RoomId,
    sender: BOB,
    state_key: BOB,
    content: { membership: 'join', displayname: 'Bob', join_authorised_via_users_server: ALICE },
    depth: 8,
    origin_server_ts: 1_700_000_008_000,
    prev_events: [idOf(7)],
    auth_events: [idOf(1), idOf(3), idOf(2), idOf(4)],
  }
  const once = hashAndSign(join, version('11'), REMOTE, remoteKey)
  const twice = signPdu(once.pdu, version('11'), HOME, homeKey)
  expect(once.pdu.hashes.sha256).toBe('k0gXx8fjlQ3ZQl92ER7RcYSQILrFy1ygBycoPG+nd+A')
  expect(once.eventId).toBe('$p3o_zt78_sPUyN2Bw0SzuteBZ56oPXH7a6idcDZ_jDs')
  expect(eventIdOf(twice, version('11'))).toBe(once.eventId)
  expect(twice.signatures).toEqual({
    [REMOTE]: {
      'ed25519:b_1': 'FTqA/D7J/Q7tHiZDj1ZsTbCl2dKO1oV6n/Yh1ZVzlI8OgUYNhH/oD+BbnsKkBuIzPhFeyiBOY3KdzuKhwgWYDA',
    },
    [HOME]: {
      'ed25519:a_1': '6/v0J5NHSNkJzVmAOB4S557qb62mNZBLjYOfcPu2/EYj3zfbdYPiNfi52uKPzmUQPS6L86QbhM2wwCmLpVrcDQ',
    },
  })
  expect(isPduSignedBy(twice, version('11'), HOME, homeKeys)).toBe(true)
  expect(isPduSignedBy(twice, version('11'), REMOTE, () => VerifyKey.parse(SECOND_PUBLIC_KEY))).toBe(true)
})

describe('T6: redaction', () => {
  const envelope = {
    room_id: '!r:home.example',
    sender: '@u:home.example',
    origin_server_ts: 1,
    depth: 9,
    prev_events: ['$p'],
    auth_events: ['$a'],
    hashes: { sha256: 'h' },
    signatures: { 'home.example': { 'ed25519:1': 's' } },
    origin: 'home.example',
    membership: 'join',
    prev_state: [],
    redacts: '$x',
    unsigned: { age: 5 },
    foo: 1,
  }
  const { redacts: _redacts, unsigned: _unsigned, foo: _foo, ...kept } = envelope
  const { origin: _origin, membership: _membership, prev_state: _prev, ...keptFrom11 } = kept

  /** Type, state key (null: none) and content of each row. */
  const ROWS: Readonly<Record<string, readonly [string, string | null, JsonObject]>> = {
    M: [
      'm.room.member',
      '@u:home.example',
      {
        membership: 'invite',
        displayname: 'U',
        reason: 'x',
        join_authorised_via_users_server: '@a:home.example',
        third_party_invite: {
          display_name: 'u…',
          signed: { mxid: '@u:home.example', token: 't', signatures: {} },
          extra: 1,
        },
      },
    ],
    C: [
      'm.room.create',
      '',
      {
        creator: '@u:home.example',
        room_version: '11',
        'm.federate': false,
        additional_creators: ['@b:home.example'],
        x: 1,
      },
    ],
    J: [
      'm.room.join_rules',
      '',
      { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: '!o:home.example' }], x: 1 },
    ],
    P: [
      'm.room.power_levels',
      '',
      {
        ban: 1,
        events: { a: 1 },
        events_default: 2,
        invite: 3,
        kick: 4,
        notifications: { room: 5 },
        redact: 6,
        state_default: 7,
        users: { '@u:home.example': 8 },
        users_default: 9,
        historical: 10,
      },
    ],
    H: ['m.room.history_visibility', '', { history_visibility: 'shared', x: 1 }],
    R: ['m.room.redaction', null, { redacts: '$x', reason: 'spam' }],
    A: ['m.room.aliases', 'home.example', { aliases: ['#a:home.example'] }],
    T: ['m.room.topic', '', { topic: 't' }],
  }
  const member = { membership: 'invite' }
  const authorised = { ...member, join_authorised_via_users_server: '@a:home.example' }
  const signed = { signed: { mxid: '@u:home.example', signatures: {}, token: 't' } }
  const allow = [{ type: 'm.room_membership', room_id: '!o:home.example' }]
  const power = {
    ban: 1,
    events: { a: 1 },
    events_default: 2,
    kick: 4,
    redact: 6,
    state_default: 7,
    users: { '@u:home.example': 8 },
    users_default: 9,
  }
  const creator = { creator: '@u:home.example' }
  const rule = { join_rule: 'restricted' }
  /** Redacted content in versions 6 and 7, 8, 9 and 10, 11 and 12. */
  const EXPECTED: Readonly<Record<string, readonly JsonObject[]>> = {
    M: [member, member, authorised, { ...authorised, third_party_invite: signed }],
    C: [creator, creator, creator, must(ROWS['C'], 'C')[2]],
    J: [rule, { ...rule, allow }, { ...rule, allow }, { ...rule, allow }],
    P: [power, power, power, { ...power, invite: 3 }],
    H: Array.from({ length: 4 }, () => ({ history_visibility: 'shared' })),
    R: [{}, {}, {}, { redacts: '$x' }],
    A: [{}, {}, {}, {}],
    T: [{}, {}, {}, {}],
  }
  const column = (id: string): number => ({ '6': 0, '7': 0, '8': 1, '9': 2, '10': 2 })[id] ?? 3

  for (const each of ROOM_VERSIONS) {
    for (const [row, [type, stateKey, content]] of Object.entries(ROWS)) {
      const pdu = {
        ...envelope,
        type,
        content,
        ...(stateKey === null ? {} : { state_key: stateKey }),
      } as unknown as Pdu
      test(`R-032 R-033 R-034 row ${row} in version ${each.id}`, () => {
        expect(redact(pdu, each)).toEqual({
          ...(each.revisedRedaction ? keptFrom11 : kept),
          type,
          ...(stateKey === null ? {} : { state_key: stateKey }),
          content: EXPECTED[row]?.[column(each.id)],
        })
        expect(eventIdOf(pdu, each)).toBe(REDACTION_IDS[row]?.[column(each.id)])
      })
    }

    test(`R-036 a third_party_invite without signed, in version ${each.id}`, () => {
      const pdu = {
        ...envelope,
        type: 'm.room.member',
        content: { membership: 'invite', third_party_invite: { display_name: 'u' } },
      } as unknown as Pdu
      expect(redact(pdu, each).content).toEqual(
        each.revisedRedaction ? { membership: 'invite', third_party_invite: {} } : { membership: 'invite' },
      )
    })

    test(`R-035 redaction is idempotent, and changes neither ID nor what is signed, in version ${each.id}`, () => {
      const keys = [...new Set(Object.values(ROWS).flatMap(([, , content]) => Object.keys(content)))]
      const pdus = fc.record({
        type: fc.constantFrom(...Object.values(ROWS).map(([type]) => type)),
        content: fc.dictionary(
          fc.oneof(fc.constantFrom(...keys), fc.string({ unit: 'grapheme' })),
          fc.oneof(fc.integer(), fc.dictionary(fc.constantFrom('signed', 'x'), fc.integer())),
        ),
        more: fc.dictionary(
          fc.constantFrom('origin', 'membership', 'redacts', 'unsigned', 'foo', 'event_id'),
          fc.integer(),
        ),
      })
      fc.assert(
        fc.property(pdus, ({ type, content, more }) => {
          const pdu = { ...envelope, ...more, type, content } as unknown as Pdu
          const once = redact(pdu, each)
          expect(redact(once, each)).toEqual(once)
          expect(eventIdOf(once, each)).toBe(eventIdOf(pdu, each))
        }),
      )
    })
  }
})

describe('the places that auth_events come from', () => {
  const keys = (event: Pick<UnsignedPdu, 'type' | 'state_key' | 'content'>, id: string): string[] =>
    authEventKeys({ ...event, sender: ALICE }, version(id))
      .map(([type, stateKey]) => `${type.replace('m.room.', '')} ${stateKey}`.trim())
      .toSorted()
  const joinContent = { membership: 'join', join_authorised_via_users_server: BOB }

  test('R-046 of a message: create, power levels, the sender', () => {
    expect(keys({ type: 'm.room.message', content: {} }, '11')).toEqual([
      'create',
      `member ${ALICE}`,
      'power_levels',
    ])
    expect(keys({ type: 'm.room.create', state_key: '', content: {} }, '11')).toEqual([])
  })

  test('R-047 in version 12 never the create event', () => {
    expect(keys({ type: 'm.room.message', content: {} }, '12')).toEqual([`member ${ALICE}`, 'power_levels'])
  })

  for (const membership of ['join', 'invite', 'knock', 'leave', 'ban']) {
    test(`R-048 of a ${membership}: the target, and the join rules where they matter`, () => {
      const entries = keys({ type: 'm.room.member', state_key: BOB, content: { membership } }, '11')
      expect(entries).toEqual([
        'create',
        ...(membership === 'leave' || membership === 'ban' ? [] : ['join_rules']),
        `member ${ALICE}`,
        `member ${BOB}`,
        'power_levels',
      ])
    })
  }

  test('R-048 the sender who is the target is named once', () => {
    const entries = keys({ type: 'm.room.member', state_key: ALICE, content: { membership: 'leave' } }, '11')
    expect(entries).toEqual(['create', `member ${ALICE}`, 'power_levels'])
  })

  for (const each of ROOM_VERSIONS) {
    test(`R-049 the authorising user of a restricted join, in version ${each.id}`, () => {
      const entries = keys({ type: 'm.room.member', state_key: ALICE, content: joinContent }, each.id)
      expect(entries.includes(`member ${BOB}`)).toBe(each.restrictedJoins)
    })
  }

  test('R-049 not of a leave that carries the key', () => {
    const content = { ...joinContent, membership: 'leave' }
    const entries = keys({ type: 'm.room.member', state_key: ALICE, content }, '11')
    expect(entries).not.toContain(`member ${BOB}`)
  })

  test('the third-party invite that an invite takes up', () => {
    const content = { membership: 'invite', third_party_invite: { signed: { token: 'abc' } } }
    const member = { type: 'm.room.member', state_key: BOB }
    expect(keys({ ...member, content }, '11')).toContain('third_party_invite abc')
    expect(keys({ ...member, content: { ...content, membership: 'join' } }, '11')).not.toContain(
      'third_party_invite abc',
    )
    expect(keys({ ...member, content: { ...content, third_party_invite: 7 } }, '11')).toHaveLength(5)
  })
})

test('R-084 the target of a redaction is where the version has it, and only there', () => {
  const [v10, v11] = [must(roomVersion('10'), 'v10'), must(roomVersion('11'), 'v11')]
  const inContent = { type: 'm.room.redaction', content: { redacts: '$x' } }
  const atTop = { type: 'm.room.redaction', content: {}, redacts: '$x' }
  expect([redactionTarget(inContent, v11), redactionTarget(atTop, v11)]).toEqual(['$x', null])
  expect([redactionTarget(inContent, v10), redactionTarget(atTop, v10)]).toEqual([null, '$x'])
  expect(redactionTarget({ type: 'm.room.redaction', content: { redacts: 7 } }, v11)).toBeNull()
  expect(redactionTarget({ type: 'm.room.message', content: { redacts: '$x' } }, v11)).toBeNull()
})
