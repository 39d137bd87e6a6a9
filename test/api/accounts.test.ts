import { createHmac } from 'node:crypto'
import * as fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Reply, RequestOptions } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

const V3 = '/_matrix/client/v3'
const DUMMY = { type: 'm.login.dummy' }

let server: TestServer
afterEach(() => server.close())

async function starts(config: ServerConfig = {}): Promise<void> {
  server = await startServer({ config })
}

const ask = (method: string, path: string, options: RequestOptions = {}): Promise<Reply> =>
  server.request(method, path.startsWith('/_') ? path : `${V3}${path}`, options)

async function ok(method: string, path: string, options: RequestOptions = {}): Promise<JsonObject> {
  const reply = await ask(method, path, options)
  expect(reply.status, `${method} ${path}: ${reply.text}`).toBe(200)
  return reply.body
}

async function refused(
  status: number,
  errcode: string,
  method: string,
  path: string,
  options: RequestOptions = {},
) {
  const reply = await ask(method, path, options)
  expect(reply, `${method} ${path}`).toMatchObject({ status, body: { errcode, error: expect.any(String) } })
}

type ServerConfig = NonNullable<NonNullable<Parameters<typeof startServer>[0]>['config']>

interface Login {
  readonly user_id: string
  readonly access_token: string
  readonly device_id: string
}

async function registers(username: string, password = 'pizza', more: JsonObject = {}): Promise<Login> {
  const body = { username, password, auth: DUMMY, ...more }
  return (await ok('POST', '/register', { body })) as unknown as Login
}

async function logsIn(user: string, password = 'pizza', more: JsonObject = {}): Promise<Login> {
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password, ...more }
  return (await ok('POST', '/login', { body })) as unknown as Login
}

const byPassword = (user: string, password: string, session?: unknown): JsonObject => ({
  type: 'm.login.password',
  identifier: { type: 'm.id.user', user },
  password,
  ...(typeof session === 'string' ? { session } : {}),
})

describe('register', () => {
  test('R-093 without auth it is 401 with flows and a session, also for {} and auth null', async () => {
    await starts()
    for (const body of [{}, { auth: null }, { username: 'alice', password: 'pizza' }])
      expect(await ask('POST', '/register', { body })).toMatchObject({
        status: 401,
        body: { flows: [{ stages: ['m.login.dummy'] }], params: {}, session: expect.any(String) },
      })
  })

  test('R-094 the dummy stage makes the account, with or without the session, on every surface', async () => {
    await starts()
    expect(await registers('alice')).toEqual({
      user_id: '@alice:home.example',
      access_token: expect.stringMatching(/^adsum_/),
      device_id: expect.stringMatching(/^[A-Z]{10}$/),
      home_server: 'home.example',
    })
    for (const surface of ['api/v1', 'r0', 'v3']) {
      const path = `/_matrix/client/${surface}/register`
      const username = `bob-${surface}`
      const first = await ask('POST', path, { body: { username, password: 'pizza' } })
      const { session = null } = first.body
      const done = await ok('POST', path, {
        body: { username, password: 'pizza', auth: { ...DUMMY, session } },
      })
      expect(done.user_id).toBe(`@${username}:home.example`)
    }
  })

  test('R-094 a password given in the first request is kept if the last one leaves it out', async () => {
    await starts()
    const first = await ask('POST', '/register', { body: { username: 'alice', password: 'pizza' } })
    const { session = null } = first.body
    await ok('POST', '/register', { body: { username: 'alice', auth: { ...DUMMY, session } } })
    await logsIn('alice', 'pizza')
  })

  test('R-094 the device is named as the client wants', async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', {
      device_id: 'PHONE',
      initial_device_display_name: 'My phone',
    })
    const [device] = (await ok('GET', '/devices', { token })).devices as JsonObject[]
    expect(device).toMatchObject({ device_id: 'PHONE', display_name: 'My phone' })
  })

  test('R-095 inhibit_login leaves the token and the device out', async () => {
    await starts()
    const body = { username: 'alice', password: 'pizza', inhibit_login: true, auth: DUMMY }
    expect(await ok('POST', '/register', { body })).toEqual({
      user_id: '@alice:home.example',
      home_server: 'home.example',
    })
    await logsIn('alice')
  })

  test('R-096 a taken or invalid name is refused before authentication', async () => {
    await starts()
    await registers('alice')
    for (const auth of [undefined, DUMMY, { type: 'no' }]) {
      const rest = { password: 'pizza', ...(auth && { auth }) }
      await refused(400, 'M_USER_IN_USE', 'POST', '/register', { body: { username: 'Alice', ...rest } })
      for (const username of ['_alice', '42', 'al ice', ''])
        await refused(400, 'M_INVALID_USERNAME', 'POST', '/register', { body: { username, ...rest } })
    }
  })

  test('R-096 a name asked for by many at once goes to one', async () => {
    await starts()
    const body = { username: 'alice', password: 'pizza', auth: DUMMY }
    const replies = await Promise.all(Array.from({ length: 5 }, () => ask('POST', '/register', { body })))
    expect(replies.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 400, 400, 400, 400])
  })

  test('R-097 upper case becomes lower case', async () => {
    await starts()
    expect((await registers('ALICE')).user_id).toBe('@alice:home.example')
  })

  test('R-098 available says true, or refuses as registering would', async () => {
    await starts()
    await registers('alice')
    const path = '/register/available'
    expect(await ok('GET', path, { query: { username: 'bob' } })).toEqual({ available: true })
    await refused(400, 'M_USER_IN_USE', 'GET', path, { query: { username: 'ALICE' } })
    await refused(400, 'M_INVALID_USERNAME', 'GET', path, { query: { username: '_bob' } })
    await refused(400, 'M_MISSING_PARAM', 'GET', path)
  })

  test('R-099 guests are refused, and other kinds are malformed', async () => {
    await starts()
    const body = { username: 'alice', password: 'pizza', auth: DUMMY }
    await refused(403, 'M_GUEST_ACCESS_FORBIDDEN', 'POST', '/register', { body, query: { kind: 'guest' } })
    await refused(400, 'M_INVALID_PARAM', 'POST', '/register', { body, query: { kind: 'bot' } })
    await ok('POST', '/register', { body, query: { kind: 'user' } })
  })

  test('R-099 closed registration is 403, and the shared secret still opens', async () => {
    await starts({ registration: { enabled: false, shared_secret: 'complement' } })
    const body = { username: 'alice', password: 'pizza', auth: DUMMY }
    await refused(403, 'M_FORBIDDEN', 'POST', '/register', { body })
    await refused(403, 'M_FORBIDDEN', 'POST', '/register', { body: {} })
    await refused(403, 'M_FORBIDDEN', 'GET', '/register/available', { query: { username: 'bob' } })
    expect((await registersBySecret({})).status).toBe(200)
  })

  test('a request for refresh tokens is politely ignored', async () => {
    await starts()
    const answer = await registers('alice', 'pizza', { refresh_token: true })
    expect(Object.keys(answer)).not.toContain('expires_in_ms')
    await ok('GET', '/account/whoami', { token: answer.access_token })
  })

  test('a body of the wrong shape is 400 and makes nothing', async () => {
    await starts()
    const good = { username: 'alice', password: 'pizza', auth: DUMMY }
    const bad: JsonObject[] = [
      { ...good, username: 7 },
      { ...good, password: true },
      { ...good, password: '' },
      { ...good, password: 'x'.repeat(513) },
      { ...good, password: 'é'.repeat(257) },
      { ...good, password: '\ud800' },
      { ...good, auth: 'dummy' },
      { ...good, auth: [] },
      { ...good, device_id: 7 },
      { ...good, device_id: 'a\0b' },
      { ...good, inhibit_login: 'yes' },
      { username: 'alice', auth: DUMMY },
    ]
    for (const body of bad) await refused(400, 'M_BAD_JSON', 'POST', '/register', { body })
    for (const rawBody of ['[]', '"x"', 'null', '7'])
      await refused(400, 'M_BAD_JSON', 'POST', '/register', { rawBody })
    for (const rawBody of ['', '{', '{"a":NaN}'])
      await refused(400, 'M_NOT_JSON', 'POST', '/register', { rawBody })
    await refused(413, 'M_TOO_LARGE', 'POST', '/register', { body: { ...good, device_id: 'x'.repeat(256) } })
    await ok('GET', '/register/available', { query: { username: 'alice' } })
  })
})

async function registersBySecret(over: JsonObject, secret = 'complement'): Promise<Reply> {
  const { nonce = '' } = await ok('GET', '/_synapse/admin/v1/register')
  const body: JsonObject = { nonce, username: 'root', password: 'pizza', admin: true, ...over }
  const admin = body.admin === true ? 'admin' : 'notadmin'
  const parts = [body.nonce, body.username, body.password].map((part) =>
    typeof part === 'string' ? part : '',
  )
  const mac = createHmac('sha1', secret)
    .update([...parts, admin].join('\0'))
    .digest('hex')
  return await ask('POST', '/_synapse/admin/v1/register', { body: { mac, ...body } })
}

describe('shared-secret registration', () => {
  const config = { registration: { shared_secret: 'complement' } }

  test('R-100 who knows the secret registers once per nonce', async () => {
    await starts(config)
    const { nonce = '' } = await ok('GET', '/_synapse/admin/v1/register')
    const first = await registersBySecret({ nonce, displayname: 'Root' })
    expect(first).toMatchObject({
      status: 200,
      body: {
        user_id: '@root:home.example',
        access_token: expect.any(String),
        device_id: expect.any(String),
      },
    })
    expect(await registersBySecret({ nonce, username: 'root2' })).toMatchObject({
      status: 400,
      body: { errcode: 'M_UNKNOWN' },
    })
    await logsIn('root')
    expect((await registersBySecret({ username: 'user', admin: false, inhibit_login: true })).body).toEqual({
      user_id: '@user:home.example',
      home_server: 'home.example',
    })
  })

  test('R-101 a wrong mac is 403 and makes nothing', async () => {
    await starts(config)
    expect(await registersBySecret({}, 'guess')).toMatchObject({
      status: 403,
      body: { errcode: 'M_FORBIDDEN' },
    })
    await ok('GET', '/register/available', { query: { username: 'root' } })
  })

  test('R-096 names are checked as elsewhere, and keys for their type', async () => {
    await starts(config)
    await registers('alice')
    expect((await registersBySecret({ username: 'Alice' })).body.errcode).toBe('M_USER_IN_USE')
    expect((await registersBySecret({ username: '_x' })).body.errcode).toBe('M_INVALID_USERNAME')
    for (const over of [{ username: 7 }, { password: null }, { admin: 'yes' }, { mac: 7 }, { nonce: 7 }])
      expect((await registersBySecret(over)).body.errcode).toBe('M_BAD_JSON')
  })

  test('it is not enabled without a secret', async () => {
    await starts({ registration: { shared_secret: null } })
    await refused(400, 'M_UNKNOWN', 'GET', '/_synapse/admin/v1/register')
    const body = { nonce: 'x', username: 'root', password: 'pizza', mac: 'x' }
    await refused(400, 'M_UNKNOWN', 'POST', '/_synapse/admin/v1/register', { body })
  })
})

describe('login', () => {
  test('R-102 the flows list m.login.password, on every surface', async () => {
    await starts()
    for (const surface of ['api/v1', 'r0', 'v3'])
      expect(await ok('GET', `/_matrix/client/${surface}/login`)).toEqual({
        flows: [{ type: 'm.login.password' }],
      })
  })

  test('R-103 localpart and full ID, by identifier and by the user of 2015, in any case', async () => {
    await starts()
    await registers('alice')
    const type = 'm.login.password'
    for (const user of ['alice', 'Alice', '@alice:home.example', '@ALICE:home.example']) {
      expect((await logsIn(user)).user_id).toBe('@alice:home.example')
      for (const surface of ['api/v1', 'r0', 'v3']) {
        const body = { type, user, password: 'pizza' }
        const answer = await ok('POST', `/_matrix/client/${surface}/login`, { body })
        expect(answer).toMatchObject({ user_id: '@alice:home.example', home_server: 'home.example' })
      }
    }
  })

  test('R-104 everything that can be wrong about a user or password is the same 403', async () => {
    await starts()
    await registers('alice')
    const tries = [
      ['alice', 'Pizza'],
      ['bob', 'pizza'],
      ['@alice:elsewhere.test', 'pizza'],
      ['', ''],
    ]
    const texts = new Set<string>()
    for (const [user = '', password = ''] of tries) {
      const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password }
      const reply = await ask('POST', '/login', { body })
      expect(reply).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } })
      texts.add(reply.text)
    }
    expect(texts.size).toBe(1)
  })

  test('failed attempts are limited, and say when to come back', async () => {
    await starts({ rate_limits: { enabled: true } })
    await registers('alice')
    const body = { type: 'm.login.password', user: 'alice', password: 'no' }
    const statuses: number[] = []
    for (let i = 0; i < 6; i += 1) statuses.push((await ask('POST', '/login', { body })).status)
    expect(statuses).toEqual([403, 403, 403, 403, 403, 429])
    const reply = await ask('POST', '/login', { body: { ...body, password: 'pizza' } })
    expect(reply.body).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: 5_000 })
    await server.clock.advance(5_000)
    await logsIn('alice')
  })

  test('R-105 logging in again with a device keeps it and ends its earlier token', async () => {
    await starts()
    const first = await registers('alice', 'pizza', { device_id: 'A', initial_device_display_name: 'Phone' })
    const second = await logsIn('alice', 'pizza', { device_id: 'A', initial_device_display_name: 'Other' })
    expect(second.device_id).toBe('A')
    await refused(401, 'M_UNKNOWN_TOKEN', 'GET', '/devices', { token: first.access_token })
    const { devices } = await ok('GET', '/devices', { token: second.access_token })
    expect(devices).toMatchObject([{ device_id: 'A', display_name: 'Phone' }])
  })

  test('R-106 unknown types of login and of identifier are M_UNKNOWN', async () => {
    await starts()
    for (const type of ['m.login.token', '', '__proto__'])
      await refused(400, 'M_UNKNOWN', 'POST', '/login', { body: { type, user: 'alice', password: 'x' } })
    const identifier = { type: 'm.id.thirdparty', medium: 'email', address: 'a@b.c' }
    const body = { type: 'm.login.password', identifier, password: 'x' }
    await refused(400, 'M_UNKNOWN', 'POST', '/login', { body })
  })

  test('a missing or misshapen user or password is M_BAD_JSON', async () => {
    await starts()
    const type = 'm.login.password'
    const bad: JsonObject[] = [
      {},
      { type },
      { type, user: 'alice' },
      { type, password: 'x' },
      { type, user: 7, password: 'x' },
      { type, identifier: {}, password: 'x' },
      { type, identifier: { type: 'm.id.user' }, password: 'x' },
      { type, identifier: { type: 'm.id.user', user: [] }, password: 'x' },
      { type, identifier: 'alice', password: 'x' },
      { type, user: 'alice', password: 'x'.repeat(513) },
    ]
    for (const body of bad) await refused(400, 'M_BAD_JSON', 'POST', '/login', { body })
  })

  test('R-107 passwords with any Unicode character work', async () => {
    await starts()
    const passwords = ['пароль', '密码🔑', 'a\u0000b', 'e\u0301', ' \t\n', 'x'.repeat(512)]
    for (const [at, password] of passwords.entries()) {
      await registers(`user-${at}`, password)
      await logsIn(`user-${at}`, password)
    }
  })
})

describe('tokens', () => {
  const calls: [string, string][] = [
    ['GET', '/account/whoami'],
    ['GET', '/devices'],
    ['GET', '/devices/A'],
    ['PUT', '/devices/A'],
    ['DELETE', '/devices/A'],
    ['POST', '/delete_devices'],
    ['POST', '/logout'],
    ['POST', '/logout/all'],
    ['POST', '/account/password'],
    ['POST', '/account/deactivate'],
  ]

  test('P-001 P-002 no token is M_MISSING_TOKEN, an unknown one M_UNKNOWN_TOKEN, whatever the body', async () => {
    await starts()
    for (const [method, path] of calls) {
      await refused(401, 'M_MISSING_TOKEN', method, path)
      await refused(401, 'M_UNKNOWN_TOKEN', method, path, { token: 'adsum_no' })
    }
  })

  test('R-114 whoami names the user and the device', async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    expect(await ok('GET', '/account/whoami', { token })).toEqual({
      user_id: '@alice:home.example',
      device_id: 'A',
      is_guest: false,
    })
  })

  test('R-113 R-144 logout ends this device and no other, with an empty body or any', async () => {
    await starts()
    const a = await registers('alice', 'pizza', { device_id: 'A' })
    const b = await logsIn('alice', 'pizza', { device_id: 'B' })
    const c = await logsIn('alice', 'pizza', { device_id: 'C' })
    expect(await ok('POST', '/logout', { token: a.access_token })).toEqual({})
    expect(await ok('POST', '/logout', { token: b.access_token, body: {} })).toEqual({})
    for (const { access_token: token } of [a, b])
      await refused(401, 'M_UNKNOWN_TOKEN', 'GET', '/devices', { token })
    const { devices } = await ok('GET', '/devices', { token: c.access_token })
    expect(devices).toMatchObject([{ device_id: 'C' }])
  })

  test('R-113 P-140 a waiting sync of the device ends with 401, and the user is offline at once', async () => {
    await starts()
    const alice = await server.registers('alice')
    const bob = await server.registers('bob')
    await bob.joins(await alice.creates({ preset: 'public_chat' }))
    await alice.syncs()
    const { reply } = alice.polls()
    await bob.sees(alice, 'online')
    const { device_id: other, access_token: token } = await logsIn('alice', alice.password)
    expect(other).not.toBe(alice.deviceId)
    const auth = byPassword('alice', alice.password)
    await ok('DELETE', `/devices/${alice.deviceId}`, { token, body: { auth } })
    expect(await reply).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } })
    await bob.sees(alice, 'offline')
  })

  test('R-113 R-144 logout/all leaves none', async () => {
    await starts()
    const a = await registers('alice', 'pizza', { device_id: 'A' })
    const b = await logsIn('alice', 'pizza', { device_id: 'B' })
    await ok('POST', '/logout/all', { token: a.access_token })
    for (const { access_token: token } of [a, b])
      await refused(401, 'M_UNKNOWN_TOKEN', 'GET', '/devices', { token })
    const again = await logsIn('alice', 'pizza', { device_id: 'N' })
    const { devices } = await ok('GET', '/devices', { token: again.access_token })
    expect(devices).toMatchObject([{ device_id: 'N' }])
  })
})

describe('password', () => {
  test('R-108 a wrong password is 401 with M_FORBIDDEN, flows and session; the right one then passes', async () => {
    await starts()
    const { access_token: token } = await registers('alice')
    const path = '/account/password'
    const { status, body } = await ask('POST', path, { token, body: { new_password: 'new', auth: null } })
    expect(status).toBe(401)
    const wrong = byPassword('alice', 'no', body.session)
    expect(await ask('POST', path, { token, body: { new_password: 'new', auth: wrong } })).toMatchObject({
      status: 401,
      body: {
        errcode: 'M_FORBIDDEN',
        error: expect.any(String),
        flows: [{ stages: ['m.login.password'] }],
        session: body.session,
        completed: [],
      },
    })
    const right = byPassword('@alice:home.example', 'pizza', body.session)
    expect(await ok('POST', path, { token, body: { new_password: 'new', auth: right } })).toEqual({})
  })

  test('R-115 the old password fails, the new works, the other devices end unless asked otherwise', async () => {
    await starts()
    const a = await registers('alice', 'pizza', { device_id: 'A' })
    const b = await logsIn('alice', 'pizza', { device_id: 'B' })
    const token = a.access_token
    const keep = { new_password: 'second', logout_devices: false, auth: byPassword('alice', 'pizza') }
    await ok('POST', '/account/password', { token, body: keep })
    await ok('GET', '/account/whoami', { token: b.access_token })
    const drop = { new_password: 'third', auth: byPassword('alice', 'second') }
    await ok('POST', '/account/password', { token, body: drop })
    await ok('GET', '/account/whoami', { token })
    await refused(401, 'M_UNKNOWN_TOKEN', 'GET', '/account/whoami', { token: b.access_token })
    const type = 'm.login.password'
    await refused(403, 'M_FORBIDDEN', 'POST', '/login', { body: { type, user: 'alice', password: 'pizza' } })
    await logsIn('alice', 'third')
  })

  test('a missing or empty new password is M_BAD_JSON and changes nothing', async () => {
    await starts()
    const { access_token: token } = await registers('alice')
    const auth = byPassword('alice', 'pizza')
    for (const body of [{ auth }, { new_password: '', auth }, { new_password: 7, auth }])
      await refused(400, 'M_BAD_JSON', 'POST', '/account/password', { token, body })
    for (const stage of [
      { type: 'm.login.password' },
      { ...auth, password: 7 },
      { ...auth, identifier: 'alice' },
    ])
      await refused(400, 'M_BAD_JSON', 'POST', '/account/password', {
        token,
        body: { new_password: 'x', auth: stage },
      })
    await logsIn('alice')
  })
})

describe('deactivate', () => {
  test('R-116 the token is 401, the login 403, the name stays taken', async () => {
    await starts()
    const a = await registers('alice')
    const b = await logsIn('alice')
    const token = a.access_token
    expect((await ask('POST', '/account/deactivate', { token })).status).toBe(401)
    const body = { auth: byPassword('alice', 'pizza'), erase: false, id_server: 'x' }
    expect(await ok('POST', '/account/deactivate', { token, body })).toEqual({
      id_server_unbind_result: 'success',
    })
    for (const ended of [a, b])
      await refused(401, 'M_UNKNOWN_TOKEN', 'GET', '/account/whoami', { token: ended.access_token })
    const type = 'm.login.password'
    await refused(403, 'M_FORBIDDEN', 'POST', '/login', { body: { type, user: 'alice', password: 'pizza' } })
    await refused(400, 'M_USER_IN_USE', 'GET', '/register/available', { query: { username: 'alice' } })
  })

  test.each([
    [true, {}],
    [false, { msgtype: 'm.text', body: 'hello' }],
    [undefined, { msgtype: 'm.text', body: 'hello' }],
  ])(
    '§5.2.6 with erase %j, who comes later reads %j of what was said, also after a restart',
    async (erase, read) => {
      await starts()
      const alice = await server.registers('alice')
      const bob = await server.registers('bob')
      const roomId = await alice.creates({ preset: 'public_chat' })
      await bob.joins(roomId)
      const eventId = await alice.says(roomId, 'hello')
      const auth = byPassword(alice.userId, alice.password)
      await alice.ok('POST', '/v3/account/deactivate', { body: { auth, erase } })
      const carol = await server.registers('carol')
      await carol.joins(roomId)
      const path = `/v3/rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(eventId)}`
      for (let start = 0; start < 2; start += 1) {
        expect((await carol.ok('GET', path))['content']).toEqual(read)
        expect((await bob.ok('GET', path))['content']).toEqual({ msgtype: 'm.text', body: 'hello' })
        await server.restarts()
      }
    },
  )

  test('R-116 the user leaves the rooms and is offline for those who stay', async () => {
    await starts()
    const alice = await server.registers('alice')
    const bob = await server.registers('bob')
    const roomId = await bob.creates({ preset: 'public_chat' })
    await alice.joins(roomId)
    await alice.syncs({ set_presence: 'online' })
    await bob.sees(alice, 'online')
    const auth = byPassword(alice.userId, alice.password)
    await alice.ok('POST', '/v3/account/deactivate', { body: { auth } })
    const path = `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`
    const joined = async () => Object.keys((await bob.ok('GET', path)).joined as JsonObject)
    let members = await joined()
    for (let turn = 0; turn < 100 && members.length > 1; turn += 1) members = await joined()
    expect(members).toEqual([bob.userId])
    await bob.sees(alice, 'offline')
  })
})

describe('devices', () => {
  test('R-117 all four keys are there, always', async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    const device = {
      device_id: 'A',
      display_name: null,
      last_seen_ip: expect.any(String),
      last_seen_ts: expect.any(Number),
    }
    expect(await ok('GET', '/devices', { token })).toEqual({ devices: [device] })
    expect(await ok('GET', '/devices/A', { token })).toEqual(device)
  })

  test('R-118 an unknown device, and that of another user, is 404', async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    await registers('bob', 'pizza', { device_id: 'B' })
    for (const id of ['B', 'a', '%00', 'x'.repeat(300)]) {
      await refused(404, 'M_NOT_FOUND', 'GET', `/devices/${id}`, { token })
      await refused(404, 'M_NOT_FOUND', 'PUT', `/devices/${id}`, { token, body: { display_name: 'x' } })
      await refused(404, 'M_NOT_FOUND', 'PUT', `/devices/${id}`, { token, body: {} })
    }
  })

  test('R-118 a device is renamed; an absent name changes nothing', async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    await ok('PUT', '/devices/A', { token, body: { display_name: 'Phone' } })
    await ok('PUT', '/devices/A', { token, body: {} })
    expect(await ok('GET', '/devices/A', { token })).toMatchObject({ display_name: 'Phone' })
    await refused(400, 'M_BAD_JSON', 'PUT', '/devices/A', { token, body: { display_name: 7 } })
    await refused(413, 'M_TOO_LARGE', 'PUT', '/devices/A', { token, body: { display_name: 'x'.repeat(257) } })
  })

  test('R-119 R-144 deleting a device asks for the password and ends its token', async () => {
    await starts()
    const a = await registers('alice', 'pizza', { device_id: 'A' })
    const b = await logsIn('alice', 'pizza', { device_id: 'B' })
    const token = a.access_token
    const { status, body } = await ask('DELETE', '/devices/B', { token })
    expect({ status, flows: body.flows }).toEqual({ status: 401, flows: [{ stages: ['m.login.password'] }] })
    await ok('GET', '/account/whoami', { token: b.access_token })
    await ok('DELETE', '/devices/B', { token, body: { auth: byPassword('alice', 'pizza', body.session) } })
    await refused(401, 'M_UNKNOWN_TOKEN', 'GET', '/account/whoami', { token: b.access_token })
    await refused(404, 'M_NOT_FOUND', 'GET', '/devices/B', { token })
    await ok('DELETE', '/devices/B', { token, body: { auth: byPassword('alice', 'pizza') } })
  })

  test('R-119 many devices are deleted at once, unknown ones passed over, also the calling one', async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    for (const id of ['B', 'C', 'D']) await logsIn('alice', 'pizza', { device_id: id })
    const auth = byPassword('alice', 'pizza')
    await ok('POST', '/delete_devices', { token, body: { devices: ['B', 'C', 'C', 'nope'], auth } })
    const ids = ((await ok('GET', '/devices', { token })).devices as JsonObject[]).map((row) => row.device_id)
    expect(new Set(ids)).toEqual(new Set(['A', 'D']))
    await ok('POST', '/delete_devices', { token, body: { devices: ['A'], auth } })
    await refused(401, 'M_UNKNOWN_TOKEN', 'GET', '/devices', { token })
    await refused(401, 'M_UNKNOWN_TOKEN', 'POST', '/delete_devices', { token, body: { devices: [], auth } })
  })

  test('R-109 a session begun for one operation is 403 for another, and nothing is deleted', async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    for (const id of ['B', 'C']) await logsIn('alice', 'pizza', { device_id: id })
    const { session } = (await ask('DELETE', '/devices/B', { token })).body
    const auth = byPassword('alice', 'pizza', session)
    await refused(403, 'M_FORBIDDEN', 'DELETE', '/devices/C', { token, body: { auth } })
    await refused(403, 'M_FORBIDDEN', 'POST', '/delete_devices', { token, body: { devices: ['B'], auth } })
    await refused(403, 'M_FORBIDDEN', 'POST', '/account/deactivate', { token, body: { auth } })
    await refused(403, 'M_FORBIDDEN', 'POST', '/account/password', {
      token,
      body: { new_password: 'x', auth },
    })
    const many = (await ask('POST', '/delete_devices', { token, body: { devices: ['B', 'C'] } })).body.session
    const manyAuth = byPassword('alice', 'pizza', many)
    await refused(403, 'M_FORBIDDEN', 'POST', '/delete_devices', {
      token,
      body: { devices: ['B'], auth: manyAuth },
    })
    expect((await ok('GET', '/devices', { token })).devices).toHaveLength(3)
    await ok('POST', '/delete_devices', { token, body: { devices: ['C', 'B'], auth: manyAuth } })
  })

  test("R-109 a session is no good for another user's device of the same name", async () => {
    await starts()
    const a = await registers('alice', 'pizza', { device_id: 'X' })
    const b = await registers('bob', 'pizza', { device_id: 'X' })
    const { session } = (await ask('DELETE', '/devices/X', { token: a.access_token })).body
    const auth = byPassword('bob', 'pizza', session)
    await refused(403, 'M_FORBIDDEN', 'DELETE', '/devices/X', { token: b.access_token, body: { auth } })
  })

  test("R-110 another user's password deletes nothing", async () => {
    await starts()
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    await registers('bob', 'bobs')
    await logsIn('alice', 'pizza', { device_id: 'B' })
    for (const auth of [
      byPassword('bob', 'bobs'),
      byPassword('@bob:home.example', 'bobs'),
      byPassword('alice', 'bobs'),
    ]) {
      const { status, body } = await ask('DELETE', '/devices/B', { token, body: { auth } })
      expect([401, 403]).toContain(status)
      expect(body.errcode).toBe('M_FORBIDDEN')
    }
    expect((await ok('GET', '/devices', { token })).devices).toHaveLength(2)
  })
})

describe('any body', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('alice', '@alice:home.example', '', '__proto__', 'm.id.user'),
  )
  const odd = fc.oneof(text, fc.jsonValue(), fc.constant(null))
  const type = fc.oneof(fc.constantFrom('m.login.password', 'm.login.dummy'), odd)
  const identifier = fc.oneof(fc.record({ type, user: odd, __proto__: odd }, { requiredKeys: [] }), odd)
  const auth = fc.oneof(
    fc.record({ type, session: odd, identifier, user: odd, password: odd }, { requiredKeys: [] }),
    odd,
  )
  const body = fc.record(
    {
      type,
      identifier,
      auth,
      user: odd,
      username: odd,
      password: odd,
      new_password: odd,
      device_id: odd,
      initial_device_display_name: odd,
      inhibit_login: odd,
      devices: fc.oneof(fc.array(odd), odd),
      display_name: odd,
      nonce: odd,
      mac: odd,
    },
    { requiredKeys: [] },
  )
  const path = fc.constantFrom(
    ['POST', '/register'],
    ['POST', '/login'],
    ['POST', '/account/password'],
    ['POST', '/delete_devices'],
    ['PUT', '/devices/A'],
    ['DELETE', '/devices/A'],
    ['POST', '/_synapse/admin/v1/register'],
  )

  test('is answered with a clear status and never with a 500', async () => {
    await starts({ registration: { shared_secret: 'x' } })
    const { access_token: token } = await registers('alice', 'pizza', { device_id: 'A' })
    await fc.assert(
      fc.asyncProperty(path, body, async ([method = '', where = ''], content) => {
        const reply = await ask(method, where, { token, body: content })
        expect(reply.status, reply.text).toBeLessThan(500)
        if (reply.status >= 400 && reply.status !== 401) expect(reply.body.errcode).toBeTypeOf('string')
      }),
      { numRuns: 400 },
    )
    await ok('GET', '/account/whoami', { token })
  })

  test('any user name is taken, or refused as a name', async () => {
    await starts()
    await fc.assert(
      fc.asyncProperty(text, async (username) => {
        const first = await ask('POST', '/register', { body: { username, password: 'x', auth: DUMMY } })
        const codes: unknown[] = ['M_INVALID_USERNAME', 'M_USER_IN_USE']
        if (first.status === 200) expect(first.body.user_id).toMatch(/^@[a-z0-9._=\-/+]+:home.example$/)
        else expect(codes).toContain(first.body.errcode)
        const { status } = await ask('GET', '/register/available', { query: { username } })
        expect(status).toBe(400)
      }),
      { numRuns: 200 },
    )
  })
})
