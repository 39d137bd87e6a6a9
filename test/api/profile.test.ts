import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { eventsOf, joinedRoom, presenceOf, type Actor, type Reply } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

const OFF = { set_presence: 'offline' } as const
const AVATAR = 'mxc://home.example/SEsfnsuifSDFSSEF'
const MINUTE = 60_000

let server: TestServer

afterEach(() => server.close())

interface Company {
  alice: Actor
  bob: Actor
  roomId: string
}

/** Two users in one room. Bob watches without being there himself. */
async function company(): Promise<Company> {
  server = await startServer()
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  return { alice, bob, roomId }
}

function profilePath(of: Actor | string, field?: string, surface = 'v3'): string {
  const userId = encodeURIComponent(typeof of === 'string' ? of : of.userId)
  const path = `/${surface}/profile/${userId}`
  return field === undefined ? path : `${path}/${encodeURIComponent(field)}`
}

async function sets(who: Actor, field: string, value: unknown): Promise<void> {
  await who.ok('PUT', profilePath(who, field), { body: { [field]: value } })
}

/** What anybody is answered, without a token. */
function looksUp(of: Actor | string, field?: string, surface = 'v3'): Promise<Reply> {
  return server.request('GET', `/_matrix/client${profilePath(of, field, surface)}`)
}

/** The contents of the user's member events in the timeline of a room. */
function memberContents(body: JsonObject, roomId: string, of: Actor): JsonObject[] {
  return eventsOf(joinedRoom(body, roomId), 'timeline')
    .filter((event) => event['type'] === 'm.room.member' && event['state_key'] === of.userId)
    .map((event) => event['content'] as JsonObject)
}

async function memberState(who: Actor, roomId: string, of: Actor): Promise<JsonObject> {
  const path = `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(of.userId)}`
  return await who.ok('GET', path)
}

describe('a change of name or picture', () => {
  test('P-113 reaches every joined room as a member event, and no other room', async () => {
    const { alice, bob, roomId } = await company()
    const second = await alice.creates({ preset: 'public_chat' })
    const left = await alice.creates({ preset: 'public_chat' })
    const invited = await bob.creates({ preset: 'private_chat' })
    await bob.joins(second)
    await bob.joins(left)
    await alice.leaves(left)
    await bob.invites(invited, alice)
    await bob.syncs(OFF)
    await sets(alice, 'displayname', 'Alice Margatroid')
    await sets(alice, 'avatar_url', AVATAR)
    const body = await bob.syncs(OFF)
    const both = { membership: 'join', displayname: 'Alice Margatroid', avatar_url: AVATAR }
    for (const room of [roomId, second]) {
      const { avatar_url: _, ...nameOnly } = both
      expect(memberContents(body, room, alice)).toEqual([nameOnly, both])
      expect(await memberState(bob, room, alice)).toEqual(both)
    }
    expect(Object.keys((body['rooms'] as { join: object }).join).toSorted()).toEqual(
      [roomId, second].toSorted(),
    )
  })

  test('P-114 P-117 is an m.presence with the current state and both values', async () => {
    const { alice, bob } = await company()
    await alice.sets('online', 'in a call')
    await sets(alice, 'avatar_url', AVATAR)
    await bob.syncs(OFF)
    await sets(alice, 'displayname', 'Alice Margatroid')
    const events = presenceOf(await bob.syncs(OFF))
    expect(events).toMatchObject([
      {
        type: 'm.presence',
        sender: alice.userId,
        content: {
          presence: 'online',
          status_msg: 'in a call',
          displayname: 'Alice Margatroid',
          avatar_url: AVATAR,
        },
      },
    ])
  })

  test('P-114 is told to the user’s own other devices', async () => {
    const { alice } = await company()
    const tablet = await server.logsIn(alice)
    await tablet.syncs(OFF)
    await sets(alice, 'displayname', 'Alice Margatroid')
    const ofAlice = presenceOf(await tablet.syncs(OFF)).filter(({ sender }) => sender === alice.userId)
    expect(ofAlice).toMatchObject([{ content: { displayname: 'Alice Margatroid' } }])
  })

  test('P-114 P-144 wakes those who wait, with presence and room event', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('online')
    await bob.syncs(OFF)
    const { body } = bob.polls({ ...OFF, filter: JSON.stringify({ room: { rooms: [] } }) })
    await server.parked(1)
    await sets(alice, 'displayname', 'Alice Margatroid')
    expect(presenceOf(await body)).toMatchObject([
      { sender: alice.userId, content: { presence: 'online', displayname: 'Alice Margatroid' } },
    ])
    await bob.syncs(OFF)
    const { body: second } = bob.polls({ ...OFF, filter: JSON.stringify({ presence: { types: [] } }) })
    await server.parked(1)
    await sets(alice, 'displayname', 'Alice')
    expect(memberContents(await second, roomId, alice)).toEqual([
      { membership: 'join', displayname: 'Alice' },
    ])
  })

  test('P-111 P-114 of a hidden user tells others `offline` and the names', async () => {
    const { alice, bob } = await company()
    await alice.sets('hidden')
    await bob.syncs(OFF)
    await sets(alice, 'displayname', 'Alice Margatroid')
    expect(presenceOf(await bob.syncs(OFF)).map(({ sender, content }) => [sender, content])).toEqual([
      [alice.userId, { presence: 'offline', displayname: 'Alice Margatroid' }],
    ])
  })

  test('P-113 P-114 back to nothing takes the keys away', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('online')
    await sets(alice, 'displayname', 'Alice Margatroid')
    await sets(alice, 'avatar_url', AVATAR)
    await bob.syncs(OFF)
    await sets(alice, 'displayname', '')
    await alice.ok('DELETE', profilePath(alice, 'avatar_url'))
    const body = await bob.syncs(OFF)
    expect(memberContents(body, roomId, alice).at(-1)).toEqual({ membership: 'join' })
    const [event] = presenceOf(body)
    expect(event?.content).not.toHaveProperty('displayname')
    expect(event?.content).not.toHaveProperty('avatar_url')
    expect((await looksUp(alice)).status).toBe(404)
  })

  test('P-113 P-114 to what it was is told to nobody', async () => {
    const { alice, bob } = await company()
    await sets(alice, 'displayname', 'Alice Margatroid')
    const { next_batch: since } = await bob.syncs(OFF)
    await sets(alice, 'displayname', 'Alice Margatroid')
    const { next_batch: after, ...body } = await bob.syncs(OFF)
    expect([presenceOf(body), joinedRoom(body, 'any')]).toEqual([[], undefined])
    expect(after).toBe(since)
  })

  test('P-115 member events that come later carry both: create, invite, join', async () => {
    const { alice, bob } = await company()
    await sets(alice, 'displayname', 'Alice Margatroid')
    await sets(alice, 'avatar_url', AVATAR)
    await sets(bob, 'displayname', 'Bob')
    const both = { displayname: 'Alice Margatroid', avatar_url: AVATAR }
    const created = await alice.creates({ preset: 'private_chat' })
    expect(await memberState(alice, created, alice)).toEqual({ membership: 'join', ...both })
    await alice.invites(created, bob)
    expect(await memberState(alice, created, bob)).toEqual({ membership: 'invite', displayname: 'Bob' })
    const joined = await bob.creates({ preset: 'public_chat' })
    await alice.joins(joined)
    expect(await memberState(bob, joined, alice)).toEqual({ membership: 'join', ...both })
  })

  test('P-117 every m.presence carries them, also to who sees the user for the first time', async () => {
    const { alice, roomId } = await company()
    await sets(alice, 'displayname', 'Alice Margatroid')
    await sets(alice, 'avatar_url', AVATAR)
    await alice.sets('online')
    const carol = await server.registers('carol')
    await carol.syncs(OFF)
    await carol.joins(roomId)
    await carol.syncs(OFF)
    expect(carol.seen.get(alice.userId)).toMatchObject({
      presence: 'online',
      displayname: 'Alice Margatroid',
      avatar_url: AVATAR,
    })
  })

  test('P-115 survives a restart', async () => {
    const { alice, bob, roomId } = await company()
    await sets(alice, 'displayname', 'Alice Margatroid')
    await server.crashes()
    expect((await looksUp(alice)).body).toEqual({ displayname: 'Alice Margatroid' })
    expect(await memberState(bob, roomId, alice)).toEqual({
      membership: 'join',
      displayname: 'Alice Margatroid',
    })
  })
})

describe('other fields', () => {
  test('P-116 changing one sends no m.room.member and no m.presence, not even of an idle user', async () => {
    const { alice, bob, roomId } = await company()
    await alice.syncs({ set_presence: 'online' })
    await alice.sets('unavailable')
    await server.clock.advance(2 * MINUTE)
    await bob.syncs(OFF)
    const before = await memberState(bob, roomId, alice)
    await sets(alice, 'm.tz', 'Europe/London')
    await sets(alice, 'm.tz', 'Europe/Paris')
    await alice.ok('DELETE', profilePath(alice, 'm.tz'))
    const body = await bob.syncs(OFF)
    expect([presenceOf(body), joinedRoom(body, roomId)]).toEqual([[], undefined])
    expect(await memberState(bob, roomId, alice)).toEqual(before)
  })

  test('P-116 they are served beside the names, on v3 alone by themselves', async () => {
    const { alice } = await company()
    await sets(alice, 'displayname', 'Alice')
    await sets(alice, 'org.example.odd', { a: [1, null] })
    const whole = { displayname: 'Alice', 'org.example.odd': { a: [1, null] } }
    for (const surface of ['api/v1', 'r0', 'v3'])
      expect((await looksUp(alice, undefined, surface)).body).toEqual(whole)
    expect((await looksUp(alice, 'org.example.odd')).body).toEqual({ 'org.example.odd': { a: [1, null] } })
    for (const surface of ['api/v1', 'r0']) {
      const reply = await looksUp(alice, 'org.example.odd', surface)
      expect([reply.status, reply.body['errcode']]).toEqual([404, 'M_UNRECOGNIZED'])
    }
  })

  test('P-120 a profile over 65,536 bytes and a key over 255 are refused, and nothing changes', async () => {
    const { alice } = await company()
    await sets(alice, 'displayname', 'Alice')
    const put = (field: string, value: string): Promise<Reply> =>
      alice.request('PUT', profilePath(alice, field), { body: { [field]: value } })
    const large = await put('org.large', 'x'.repeat(65_536))
    expect([large.status, large.body['errcode']]).toEqual([400, 'M_PROFILE_TOO_LARGE'])
    const long = await put('k'.repeat(256), 'x')
    expect([long.status, long.body['errcode']]).toEqual([400, 'M_KEY_TOO_LARGE'])
    const odd = await put('Not.A.Name', 'x')
    expect([odd.status, odd.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
    expect((await put('k'.repeat(255), 'x')).status).toBe(200)
    expect(Object.keys((await looksUp(alice)).body)).toEqual(['displayname', 'k'.repeat(255)])
  })

  test('P-123 DELETE answers 200 whether or not the key is there', async () => {
    const { alice } = await company()
    await sets(alice, 'm.tz', 'Europe/London')
    for (const field of ['m.tz', 'm.tz', 'displayname', 'org.never'])
      expect(await alice.ok('DELETE', profilePath(alice, field))).toEqual({})
    expect((await looksUp(alice, 'm.tz')).status).toBe(404)
  })
})

describe('looking up', () => {
  test('P-121 a user without profile, and an unknown one, are 404 M_NOT_FOUND', async () => {
    const { alice } = await company()
    for (const of of [alice, '@nobody:home.example']) {
      for (const surface of ['api/v1', 'r0', 'v3']) {
        const reply = await looksUp(of, undefined, surface)
        expect([reply.status, reply.body['errcode']]).toEqual([404, 'M_NOT_FOUND'])
      }
    }
  })

  test('§2.10 of a server that cannot be asked nothing is made up: 502', async () => {
    await company()
    const reply = await looksUp('@bob:remote.example')
    expect([reply.status, reply.body['errcode']]).toEqual([502, 'M_UNKNOWN'])
  })

  test('P-121 an unset name is 404, on the old surface null for users there are', async () => {
    const { alice } = await company()
    for (const field of ['displayname', 'avatar_url']) {
      for (const surface of ['r0', 'v3']) expect((await looksUp(alice, field, surface)).status).toBe(404)
      const old = await looksUp(alice, field, 'api/v1')
      expect([old.status, old.body]).toEqual([200, { [field]: null }])
      expect((await looksUp('@nobody:home.example', field, 'api/v1')).status).toBe(404)
    }
  })

  test('P-122 everybody may look up whoever they may meet, with and without a token', async () => {
    const { alice, bob } = await company()
    const eve = await server.registers('eve')
    await sets(alice, 'displayname', 'Alice')
    await sets(alice, 'avatar_url', AVATAR)
    for (const surface of ['api/v1', 'r0', 'v3']) {
      expect((await looksUp(alice, undefined, surface)).body).toEqual({
        displayname: 'Alice',
        avatar_url: AVATAR,
      })
      for (const reader of [alice, bob, eve]) {
        expect(await reader.ok('GET', profilePath(alice, 'displayname', surface))).toEqual({
          displayname: 'Alice',
        })
        expect(await reader.ok('GET', profilePath(alice, 'avatar_url', surface))).toEqual({
          avatar_url: AVATAR,
        })
      }
    }
  })

  test('P-121 a malformed user ID is 400 M_INVALID_PARAM', async () => {
    await company()
    for (const userId of ['alice', '@alice', 'alice:home.example']) {
      const reply = await looksUp(userId)
      expect([reply.status, reply.body['errcode']], userId).toEqual([400, 'M_INVALID_PARAM'])
    }
  })

  test('P-121 a deactivated user has no profile any more', async () => {
    const { alice, bob } = await company()
    await sets(alice, 'displayname', 'Alice')
    await sets(alice, 'm.tz', 'Europe/London')
    const auth = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: alice.userId },
      password: alice.password,
    }
    await alice.ok('POST', '/v3/account/deactivate', { body: { auth } })
    for (const field of [undefined, 'displayname', 'm.tz'])
      expect((await bob.request('GET', profilePath(alice, field))).status).toBe(404)
  })
})

describe('who may change', () => {
  test('P-118 nobody but the owner: 403 M_FORBIDDEN, whatever the body', async () => {
    const { alice, bob } = await company()
    await sets(alice, 'displayname', 'Alice')
    const others = [alice.userId, '@nobody:home.example', '@alice:else.where']
    for (const userId of others) {
      for (const surface of ['api/v1', 'r0', 'v3']) {
        for (const body of [{ displayname: 'Mallory' }, {}]) {
          const reply = await bob.request('PUT', profilePath(userId, 'displayname', surface), { body })
          expect([reply.status, reply.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
        }
      }
      const removed = await bob.request('DELETE', profilePath(userId, 'displayname'))
      expect([removed.status, removed.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
    }
    expect((await looksUp(alice)).body).toEqual({ displayname: 'Alice' })
  })

  test('P-118 nobody without a token: 401', async () => {
    const { alice } = await company()
    for (const [method, options] of [
      ['PUT', { body: { displayname: 'x' } }],
      ['DELETE', {}],
    ] as const) {
      const path = `/_matrix/client${profilePath(alice, 'displayname')}`
      const reply = await server.request(method, path, options)
      expect([reply.status, reply.body['errcode']]).toEqual([401, 'M_MISSING_TOKEN'])
    }
  })

  test('P-119 a body without the key of the path is 400 M_MISSING_PARAM', async () => {
    const { alice } = await company()
    for (const [field, body] of [
      ['displayname', {}],
      ['displayname', { avatar_url: AVATAR }],
      ['avatar_url', { displayname: 'x' }],
      ['m.tz', { 'm.TZ': 'x' }],
      ['constructor', {}],
    ] as const) {
      const reply = await alice.request('PUT', profilePath(alice, field), { body })
      expect([reply.status, reply.body['errcode']], field).toEqual([400, 'M_MISSING_PARAM'])
    }
    const proto = await alice.request('PUT', profilePath(alice, 'displayname'), {
      rawBody: '{"__proto__":{"displayname":"x"}}',
    })
    expect(proto.body['errcode']).toBe('M_MISSING_PARAM')
  })

  test('P-119 bodies and values of the wrong shape are refused with the code of the table', async () => {
    const { alice } = await company()
    const cases: [field: string, rawBody: string, status: number, errcode: string][] = [
      ['displayname', '', 400, 'M_NOT_JSON'],
      ['displayname', '{"displayname":', 400, 'M_NOT_JSON'],
      ['displayname', '"Alice"', 400, 'M_BAD_JSON'],
      ['displayname', '["displayname"]', 400, 'M_BAD_JSON'],
      ['displayname', '{"displayname":1}', 400, 'M_BAD_JSON'],
      ['displayname', String.raw`{"displayname":"\ud800"}`, 400, 'M_BAD_JSON'],
      ['displayname', `{"displayname":"${'x'.repeat(1_025)}"}`, 413, 'M_TOO_LARGE'],
      ['displayname', `{"displayname":"${'x'.repeat(1_048_576)}"}`, 413, 'M_TOO_LARGE'],
      ['avatar_url', '{"avatar_url":{}}', 400, 'M_BAD_JSON'],
      ['avatar_url', '{"avatar_url":"https://home.example/a.png"}', 400, 'M_INVALID_PARAM'],
      ['m.tz', '{"m.tz":1.5}', 400, 'M_BAD_JSON'],
    ]
    for (const [field, rawBody, status, errcode] of cases) {
      const reply = await alice.request('PUT', profilePath(alice, field), { rawBody })
      expect([reply.status, reply.body['errcode']], rawBody.slice(0, 50)).toEqual([status, errcode])
    }
    expect((await looksUp(alice)).status).toBe(404)
    expect(server.complaints).toEqual([])
  })

  test('P-113 the old surfaces change names too', async () => {
    const { alice, bob, roomId } = await company()
    for (const surface of ['api/v1', 'r0']) {
      const body = { displayname: `Alice on ${surface}` }
      await alice.ok('PUT', profilePath(alice, 'displayname', surface), { body })
      expect((await memberState(bob, roomId, alice))['displayname']).toBe(`Alice on ${surface}`)
    }
  })
})
