import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { verifyJson, VerifyKey } from '../../src/matrix/signing.ts'
import type { Actor } from '../support/actors.ts'
import { HOME, openFederation, type FederationHouse } from '../support/federation-house.ts'
import {
  newKey,
  xMatrix,
  type HeaderParts,
  type HostileReply,
  type HostileServer,
} from '../support/hostile-server.ts'
import { Follower } from '../support/lists.ts'
import { listEdu, Outsider, presenceEdu } from '../support/pairs.ts'
import type { TestServer } from '../support/server.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const PEER = 'peer.example'
const OFF = { set_presence: 'offline' } as const

let house: FederationHouse
let home: TestServer
let peer: HostileServer
let alice: Actor
let eve: Outsider

beforeEach(async () => {
  house = await openFederation({ names: [HOME], hostile: [PEER] })
  home = house.server(HOME)
  peer = house.peer(PEER)
  alice = await home.registers('alice')
  eve = new Outsider('eve', peer, home)
  await alice.syncs(OFF)
})
afterEach(() => house.close())

function refusal({ status, body }: HostileReply): unknown[] {
  return [status, body['errcode']]
}

/** An invite to Alice, which shows whether a transaction had an effect. */
const INVITE = listEdu('invite', `@eve:${PEER}`, `@alice:${HOME}`)

async function invitesOfAlice(): Promise<string[]> {
  const [incoming] = await new Follower(alice).pending()
  return incoming
}

describe('server keys', () => {
  test.each(['', '/', '/ed25519:auto'])(
    'P-153 GET /_matrix/key/v2/server%s needs nobody’s name and is signed',
    async (end) => {
      const reply = await peer.requests(home, 'GET', `/_matrix/key/v2/server${end}`, undefined, {
        header: null,
      })
      expect(reply.status).toBe(200)
      const { verify_keys, server_name, valid_until_ts } = reply.body as unknown as {
        verify_keys: Record<string, { key: string }>
        server_name: string
        valid_until_ts: number
      }
      expect(server_name).toBe(HOME)
      expect(valid_until_ts).toBeGreaterThan(home.clock.now() + HOUR)
      expect(reply.body['old_verify_keys']).toEqual({})
      const keyOf = (keyId: string): VerifyKey | null => VerifyKey.parse(verify_keys[keyId]?.key ?? '')
      expect(verifyJson(reply.body, HOME, keyOf)).toBe(true)
      expect(Object.keys(verify_keys)).toHaveLength(1)
    },
  )

  test('P-153 P-154 the key stays the same over restarts, and is the one that we sign with', async () => {
    const keyIn = ({ body }: HostileReply): unknown => body['verify_keys']
    const ask = (): Promise<HostileReply> => peer.requests(home, 'GET', '/_matrix/key/v2/server')
    const before = keyIn(await ask())
    await house.restarts(HOME, { end: 'unclean' })
    expect(keyIn(await ask())).toEqual(before)
  })
})

describe('what we send', () => {
  test('P-155 P-159 P-167 a transaction is signed for its destination, under the name that it is sent to', async () => {
    await new Follower(alice).invites(eve.userId)
    await house.quiet()
    const request = peer.heard.find(({ method }) => method === 'PUT')
    const header = String(request?.headers['authorization'])
    const [, origin, destination, keyId, sig] =
      /^X-Matrix origin="([^"]+)",destination="([^"]+)",key="([^"]+)",sig="([^"]+)"$/.exec(header) ?? []
    expect([origin, destination]).toEqual([HOME, PEER])
    expect([request?.sni, request?.headers['host']]).toEqual([PEER, PEER])
    const content = JSON.parse(String(request?.body)) as JsonObject
    expect(content).toEqual({
      origin: HOME,
      origin_server_ts: home.clock.now(),
      pdus: [],
      edus: [expect.objectContaining({ edu_type: 'm.presence_invite' })],
    })
    const { body } = await peer.requests(home, 'GET', '/_matrix/key/v2/server')
    const keys = body['verify_keys'] as Record<string, { key: string }>
    const uri = request?.uri ?? ''
    const signed = { method: 'PUT', uri, origin: HOME, destination: PEER, content }
    const signatures = { [HOME]: { [keyId ?? '']: sig ?? '' } }
    const keyOf = (id: string): VerifyKey | null => VerifyKey.parse(keys[id]?.key ?? '')
    expect(verifyJson({ ...signed, signatures }, HOME, keyOf)).toBe(true)
    expect(verifyJson({ ...signed, destination: HOME, signatures }, HOME, keyOf)).toBe(false)
  })
})

describe('who is heard', () => {
  test('P-156 a request for another destination is refused', async () => {
    const reply = await peer.says(home, [INVITE], {
      signed: { destination: 'other.example' },
      header: (parts) => xMatrix({ ...parts, destination: 'other.example' }),
    })
    expect(refusal(reply)).toEqual([401, 'M_UNAUTHORIZED'])
    expect(await invitesOfAlice()).toEqual([])
  })

  test('P-157 a request that names no destination, as in 2015, is taken if its signature is good', async () => {
    const header = ({ origin, key, sig }: HeaderParts): string =>
      `X-Matrix origin=${origin},key="${key}",sig="${sig}"`
    expect((await peer.says(home, [INVITE], { header })).status).toBe(200)
    expect(await invitesOfAlice()).toEqual([eve.userId])
    const forged = await peer.says(home, [INVITE], { header, key: newKey() })
    expect(refusal(forged)).toEqual([401, 'M_UNAUTHORIZED'])
  })

  test.each<[string, (parts: HeaderParts) => string]>([
    [
      'other case and order',
      ({ origin, destination, key, sig }) =>
        `x-matrix SIG="${sig}",Key="${key}",DESTINATION="${destination}",Origin="${origin}"`,
    ],
    [
      'blanks',
      ({ origin, destination, key, sig }) =>
        `X-Matrix   origin = "${origin}" , destination = "${destination}" ,key="${key}"\t, sig="${sig}"`,
    ],
    [
      'bare values',
      ({ origin, destination, key, sig }) =>
        `X-Matrix origin=${origin},destination=${destination},key=${key},sig="${sig}"`,
    ],
    [
      'escapes',
      ({ origin, destination, key, sig }) =>
        `X-Matrix origin="${origin.replace('.', '\\.')}",destination="${destination}",key="${key}",sig="${sig}"`,
    ],
    [
      'unknown parameters',
      ({ origin, destination, key, sig }) =>
        `X-Matrix origin="${origin}",destination="${destination}",key="${key}",sig="${sig}",flavour="vanilla"`,
    ],
  ])('P-157 P-158 headers with %s are understood', async (_, header) => {
    expect((await peer.says(home, [INVITE], { header })).status).toBe(200)
    expect(await invitesOfAlice()).toEqual([eve.userId])
  })

  test.each<[string, (parts: HeaderParts) => string]>([
    ['of another scheme', () => 'Bearer abc'],
    [
      'without signature',
      ({ origin, destination, key }) =>
        `X-Matrix origin="${origin}",destination="${destination}",key="${key}"`,
    ],
    [
      'without key',
      ({ origin, destination, sig }) =>
        `X-Matrix origin="${origin}",destination="${destination}",sig="${sig}"`,
    ],
    [
      'without origin',
      ({ destination, key, sig }) => `X-Matrix destination="${destination}",key="${key}",sig="${sig}"`,
    ],
    ['with nothing in it', () => 'X-Matrix '],
    ['with a key of another algorithm', (parts) => xMatrix({ ...parts, key: 'rsa:1' })],
    ['with a key that is not there', (parts) => xMatrix({ ...parts, key: 'ed25519:other' })],
    ['with a signature that is none', (parts) => xMatrix({ ...parts, sig: 'AAAA' })],
    ['with a signature that is not base64', (parts) => xMatrix({ ...parts, sig: '?!' })],
    ['with an origin that is none', (parts) => xMatrix({ ...parts, origin: 'no server/../name' })],
    ['with our own name', (parts) => xMatrix({ ...parts, origin: HOME })],
    ['that never ends', (parts) => `${xMatrix(parts)},${'x="y",'.repeat(1_000)}`],
  ])('P-158 a header %s is refused, and nothing happens', async (_, header) => {
    expect(refusal(await peer.says(home, [INVITE], { header }))).toEqual([401, 'M_UNAUTHORIZED'])
    expect(await invitesOfAlice()).toEqual([])
  })

  test('P-158 without a header there is no answer', async () => {
    expect(refusal(await peer.says(home, [INVITE], { header: null }))).toEqual([401, 'M_UNAUTHORIZED'])
    expect(await invitesOfAlice()).toEqual([])
  })

  test.each<[string, Parameters<HostileServer['says']>[2]]>([
    ['another key', { key: newKey() }],
    ['another method', { signed: { method: 'GET' } }],
    ['another path', { signed: { uri: '/_matrix/federation/v1/send/other' } }],
    ['another content', { signed: { content: { edus: [] } } }],
    ['another origin', { signed: { origin: 'other.example' } }],
    ['another destination', { signed: { destination: 'other.example' } }],
  ])('P-158 a signature of %s is refused, and nothing happens', async (_, peculiar) => {
    expect(refusal(await peer.says(home, [INVITE], peculiar))).toEqual([401, 'M_UNAUTHORIZED'])
    expect(await invitesOfAlice()).toEqual([])
  })

  test('P-158 every federation path wants a signature, and only what is there is there', async () => {
    const ask = (method: string, path: string, header?: null): Promise<HostileReply> =>
      peer.requests(home, method, path, undefined, header === null ? { header } : {})
    const profile = `/_matrix/federation/v1/query/profile?user_id=${alice.userId}`
    expect(refusal(await ask('GET', profile, null))).toEqual([401, 'M_UNAUTHORIZED'])
    expect(refusal(await ask('GET', '/_matrix/federation/v1/nonsense'))).toEqual([404, 'M_UNRECOGNIZED'])
    expect(refusal(await ask('GET', '/_matrix/federation/v1/send/t1'))).toEqual([405, 'M_UNRECOGNIZED'])
    const version = await ask('GET', '/_matrix/federation/v1/version', null)
    expect(version.body['server']).toMatchObject({ name: 'Adsum', version: expect.any(String) as string })
  })
})

describe('transactions', () => {
  test('P-161 P-181 whatever is wrong in it, a transaction is answered, and the good parts count', async () => {
    const reply = await peer.says(home, [
      { edu_type: 'm.nobody_knows', content: { a: 1 } },
      'not an object',
      null,
      { content: {} },
      { edu_type: 7, content: {} },
      { edu_type: 'm.presence' },
      { edu_type: 'm.presence', content: [] },
      presenceEdu({ push: 'none' }),
      { edu_type: 'm.presence_invite', content: { observed_user: 7 } },
      { edu_type: 'm.typing', content: { room_id: '!r:x', user_id: eve.userId, typing: true } },
      INVITE,
    ])
    expect([reply.status, reply.body]).toEqual([200, { pdus: {} }])
    expect(await invitesOfAlice()).toEqual([eve.userId])
  })

  test('P-161 P-160 room events are refused one by one, with a reason', async () => {
    const pdu = {
      type: 'm.room.message',
      room_id: '!r:peer.example',
      content: {},
      depth: 1,
      auth_events: [],
      prev_events: [],
    }
    const reply = await peer.says(home, [INVITE], {
      pdus: Array.from({ length: 3 }, (_, i) => ({ ...pdu, depth: i })),
    })
    expect(reply.status).toBe(200)
    const results = Object.values(reply.body['pdus'] as Record<string, JsonObject>)
    for (const result of results) expect(result['error']).toEqual(expect.any(String))
    expect(await invitesOfAlice()).toEqual([eve.userId])
  })

  test.each([
    ['101 EDUs', 0, 101],
    ['51 PDUs', 51, 0],
  ])('P-160 %s are refused as a whole', async (_, pdus, edus) => {
    const invites = Array.from({ length: Math.max(edus, 1) }, () => INVITE)
    const reply = await peer.says(home, invites, { pdus: Array.from({ length: pdus }, () => ({})) })
    expect(refusal(reply)).toEqual([400, 'M_BAD_JSON'])
    expect(await invitesOfAlice()).toEqual([])
  })

  test('P-160 exactly 100 EDUs and 50 PDUs are taken', async () => {
    const reply = await peer.says(
      home,
      Array.from({ length: 100 }, () => INVITE),
      { pdus: Array.from({ length: 50 }, () => ({})) },
    )
    expect(reply.status).toBe(200)
    expect(await invitesOfAlice()).toEqual([eve.userId])
  })

  test.each<[string, unknown]>([
    ['no object', []],
    ['of another origin', { origin: 'other.example', origin_server_ts: 1, pdus: [], edus: [INVITE] }],
    ['with EDUs that are no list', { origin: PEER, origin_server_ts: 1, pdus: [], edus: {} }],
    ['with PDUs that are no list', { origin: PEER, origin_server_ts: 1, pdus: {}, edus: [INVITE] }],
  ])('P-158 P-160 a transaction %s is refused', async (_, content) => {
    const reply = await peer.transacts(home, peer.newTxnId(), content)
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(reply.status).toBeLessThan(500)
    expect(await invitesOfAlice()).toEqual([])
  })

  test('P-158 a body that is no JSON is refused', async () => {
    const reply = await peer.transacts(home, 'broken', {}, { rawBody: '{"edus": [' })
    expect([400, 401]).toContain(reply.status)
  })

  test('P-163 what was answered is answered again, and not done again, also after a restart', async () => {
    const first = await peer.says(home, [INVITE], { txnId: 'same' })
    expect(first.status).toBe(200)
    await new Follower(alice).denies({ userId: eve.userId } as Actor)
    await house.quiet()
    const again = await peer.says(home, [INVITE], { txnId: 'same' })
    expect([again.status, again.body]).toEqual([200, first.body])
    await house.restarts(HOME, { end: 'unclean' })
    expect((await peer.says(home, [INVITE], { txnId: 'same' })).status).toBe(200)
    expect(await invitesOfAlice()).toEqual([])
    expect((await peer.says(home, [INVITE], { txnId: 'another' })).status).toBe(200)
    expect(await invitesOfAlice()).toEqual([eve.userId])
  })

  test('P-163 two at the same time with the same ID are one', async () => {
    await eve.isFollowedBy(alice, house)
    await alice.syncs(OFF)
    const push = presenceEdu({
      push: [{ user_id: eve.userId, presence: 'online', last_active_ago: 0, status_msg: 'x' }],
    })
    const replies = await Promise.all(
      Array.from({ length: 5 }, () => peer.says(home, [push], { txnId: 'twin' })),
    )
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
    await alice.syncs(OFF)
    expect(alice.seen.get(eve.userId)?.status_msg).toBe('x')
  })

  test('P-163 the ID of one server says nothing of the same ID of another', async () => {
    const other = await openFederation({ names: ['a.example'], hostile: ['b.example', 'c.example'] })
    const dora = await other.registers('dora', 'a.example')
    for (const name of ['b.example', 'c.example'])
      await other
        .peer(name)
        .says(other.server('a.example'), [listEdu('invite', `@x:${name}`, dora.userId)], { txnId: 'same' })
    const [incoming] = await new Follower(dora).pending()
    expect(incoming.toSorted()).toEqual(['@x:b.example', '@x:c.example'])
    await other.close()
  })

  test('P-164 a path with a slash at its end is the same path', async () => {
    const uri = '/_matrix/federation/v1/send/slash/'
    const content = { origin: PEER, origin_server_ts: 1, pdus: [], edus: [INVITE] }
    expect((await peer.requests(home, 'PUT', uri, content)).status).toBe(200)
    expect(await invitesOfAlice()).toEqual([eve.userId])
  })

  test('P-185 what 2015 sent along is passed over: keys of the transaction, origin and destination of an EDU', async () => {
    const content = {
      transaction_id: 'another',
      ts: 1_404_835_423_000,
      origin: PEER,
      prev_ids: ['e1da392e61898be4d2009b9fecce5325'],
      previous_ids: [],
      pdu_failures: [],
      pdus: [],
      edus: [{ ...INVITE, origin: 'other.example', destination: 'third.example' }],
    }
    expect((await peer.transacts(home, 'of2015', content)).status).toBe(200)
    expect(await invitesOfAlice()).toEqual([eve.userId])
  })

  test('P-161 a transaction without EDUs is fine', async () => {
    const reply = await peer.transacts(home, 'empty', { origin: PEER, origin_server_ts: 1, pdus: [] })
    expect([reply.status, reply.body]).toEqual([200, { pdus: {} }])
  })
})

describe('profiles', () => {
  const PATH = '/_matrix/federation/v1/query/profile'

  function query(params: Record<string, string>): Promise<HostileReply> {
    return peer.requests(home, 'GET', `${PATH}?${new URLSearchParams(params)}`)
  }

  test('P-204 a profile is told as a whole or by field', async () => {
    await alice.names('Alice Margatroid')
    const whole = await query({ user_id: alice.userId })
    expect([whole.status, whole.body['displayname']]).toEqual([200, 'Alice Margatroid'])
    const one = await query({ user_id: alice.userId, field: 'displayname' })
    expect([one.status, one.body]).toEqual([200, { displayname: 'Alice Margatroid' }])
    expect(refusal(await query({ user_id: alice.userId, field: 'avatar_url' }))).toEqual([404, 'M_NOT_FOUND'])
    expect(refusal(await query({ user_id: `@nobody:${HOME}` }))).toEqual([404, 'M_NOT_FOUND'])
    expect(refusal(await query({ user_id: eve.userId }))).toEqual([400, 'M_INVALID_PARAM'])
    expect(refusal(await query({ user_id: 'nonsense' }))).toEqual([400, 'M_INVALID_PARAM'])
    expect((await query({})).status).toBe(400)
  })
})
