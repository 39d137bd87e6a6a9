import { afterEach, describe, expect, test } from 'vitest'
import type { Actor } from '../support/actors.ts'
import { startServer, type ServerOptions, type TestServer } from '../support/server.ts'

const SURFACES = ['api/v1', 'r0', 'v3'] as const
const BUSY = 'org.matrix.msc3026.busy'
const MINUTE = 60_000

let server: TestServer

afterEach(() => server.close())

/** Two users who share a room, and one who shares none. */
async function company(
  config: ServerOptions['config'] = {},
): Promise<{ alice: Actor; bob: Actor; eve: Actor; roomId: string }> {
  server = await startServer({ config })
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const eve = await server.registers('eve')
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  return { alice, bob, eve, roomId }
}

function statusPath(userId: string, surface = 'v3'): string {
  return `/${surface}/presence/${encodeURIComponent(userId)}/status`
}

describe('PUT status', () => {
  test('P-014 answers 200 with an empty object on every surface', async () => {
    const { alice } = await company()
    for (const surface of SURFACES) {
      const reply = await alice.request('PUT', statusPath(alice.userId, surface), {
        body: { presence: 'online' },
      })
      expect([reply.status, reply.body]).toEqual([200, {}])
    }
  })

  test('P-015 of another user is 403, whoever that is, and changes nothing', async () => {
    const { alice, bob } = await company()
    await bob.sets('unavailable', 'mine')
    const answers = new Set<string>()
    for (const userId of [bob.userId, '@nobody:home.example', '@carol:remote.example']) {
      const reply = await alice.request('PUT', statusPath(userId), {
        body: { presence: 'online', status_msg: 'x' },
      })
      expect([reply.status, reply.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
      answers.add(reply.text)
    }
    expect(answers.size).toBe(1)
    expect((await bob.status()).body).toMatchObject({ presence: 'unavailable', status_msg: 'mine' })
  })

  test('P-009 with a malformed user ID is 400', async () => {
    const { alice } = await company()
    for (const userId of ['alice', '@alice', 'alice:home.example']) {
      const put = await alice.request('PUT', statusPath(userId), { body: { presence: 'online' } })
      const get = await alice.request('GET', statusPath(userId))
      for (const reply of [put, get])
        expect([reply.status, reply.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
    }
  })

  test('P-016 P-019 P-020 P-023 with a body of the wrong shape is 400 M_BAD_JSON and changes nothing', async () => {
    const { alice } = await company()
    await alice.sets('unavailable', 'still here')
    await server.clock.advance(5_000)
    const before = (await alice.status()).body
    for (const body of [
      [],
      'online',
      {},
      { presence: 1 },
      { presence: null },
      { presence: 'away' },
      { presence: 'ONLINE' },
      { presence: BUSY },
      { presence: 'online', status_msg: 5 },
      { presence: 'online', status_msg: { a: 1 } },
      { status_msg: 'no state' },
    ]) {
      const reply = await alice.request('PUT', statusPath(alice.userId), { body })
      expect([reply.status, reply.body['errcode']], JSON.stringify(body)).toEqual([400, 'M_BAD_JSON'])
    }
    const surrogate = await alice.request('PUT', statusPath(alice.userId), {
      rawBody: '{"presence":"online","status_msg":"\\ud800"}',
    })
    expect(surrogate.status).toBe(400)
    expect((await alice.status()).body).toEqual(before)
  })

  test('P-007 P-023 with no JSON is 400 M_NOT_JSON', async () => {
    const { alice } = await company()
    for (const rawBody of ['', '{"presence":', '{"presence": NaN}', 'online']) {
      const reply = await alice.request('PUT', statusPath(alice.userId), { rawBody })
      expect([reply.status, reply.body['errcode']], rawBody).toEqual([400, 'M_NOT_JSON'])
    }
  })

  test('P-017 P-018 P-042 takes the states of 2015 and shows them by surface', async () => {
    const { alice } = await company()
    const rows = [
      ['online', 'online', 'online'],
      ['unavailable', 'unavailable', 'unavailable'],
      ['offline', 'offline', 'offline'],
      ['free_for_chat', 'free_for_chat', 'online'],
      ['hidden', 'hidden', 'offline'],
    ] as const
    for (const [state, old, modern] of rows) {
      await alice.sets(state)
      expect((await alice.status(alice, 'api/v1')).body['presence']).toBe(old)
      expect((await alice.status(alice, 'r0')).body['presence']).toBe(modern)
      expect((await alice.status(alice, 'v3')).body['presence']).toBe(modern)
    }
  })

  test('P-021 an absent text is kept, null and the empty text clear', async () => {
    const { alice } = await company()
    const text = async (): Promise<unknown> => (await alice.status()).body['status_msg']
    await alice.sets('online', 'tea time')
    await alice.sets('unavailable')
    expect(await text()).toBe('tea time')
    await alice.sets('online', null)
    expect(await text()).toBeUndefined()
    await alice.sets('online', 'tea time')
    await alice.sets('online', '')
    expect(await text()).toBeUndefined()
  })

  test('P-021a hiding ends by the device that hid, or by any when that one is gone', async () => {
    const { alice, bob } = await company()
    const laptop = await server.logsIn(alice)
    const phone = await server.logsIn(alice)
    await laptop.sets('hidden')
    await phone.sets('online')
    expect((await bob.status(alice)).body).toEqual({ presence: 'offline' })
    await laptop.sets('online')
    expect((await bob.status(alice)).body['presence']).toBe('online')
    await laptop.sets('hidden')
    await laptop.ok('POST', '/v3/logout', { body: {} })
    expect((await bob.status(alice)).body['presence']).toBe('offline')
    await phone.sets('online')
    expect((await bob.status(alice)).body['presence']).toBe('online')
  })

  test('P-022 P-023 a text of more than 1,024 bytes is 413 and changes nothing', async () => {
    const { alice } = await company()
    await alice.sets('unavailable', 'x'.repeat(1_024))
    for (const status_msg of ['x'.repeat(1_025), 'é'.repeat(513)]) {
      const reply = await alice.request('PUT', statusPath(alice.userId), {
        body: { presence: 'online', status_msg },
      })
      expect([reply.status, reply.body['errcode']]).toEqual([413, 'M_TOO_LARGE'])
    }
    expect((await alice.status()).body).toMatchObject({
      presence: 'unavailable',
      status_msg: 'x'.repeat(1_024),
    })
  })

  test('P-024 is there for the next GET', async () => {
    const { alice } = await company()
    await alice.sets('unavailable', 'Back after lunch')
    expect((await alice.status()).body).toMatchObject({
      presence: 'unavailable',
      status_msg: 'Back after lunch',
    })
  })

  test('P-025 of a guest is 403', async () => {
    await company()
    const guest = await server.registersGuest()
    const reply = await guest.request('PUT', statusPath(guest.userId), { body: { presence: 'online' } })
    expect([reply.status, reply.body['errcode']]).toEqual([403, 'M_GUEST_ACCESS_FORBIDDEN'])
  })

  test('P-026 changes the calling device only', async () => {
    const { alice, bob } = await company()
    const laptop = await server.logsIn(alice)
    await alice.sets('online')
    await laptop.sets('unavailable')
    expect((await bob.status(alice)).body['presence']).toBe('online')
    await alice.sets('offline')
    expect((await bob.status(alice)).body['presence']).toBe('unavailable')
  })

  test('P-027 P-012 beyond its limit is 429, and comes back with time', async () => {
    const { alice } = await company({ rate_limits: { enabled: true } })
    const put = (): ReturnType<Actor['request']> =>
      alice.request('PUT', statusPath(alice.userId), { body: { presence: 'online' } })
    const statuses: number[] = []
    for (let i = 0; i < 6; i += 1) statuses.push((await put()).status)
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429])
    const refused = await put()
    expect(refused.body).toMatchObject({
      errcode: 'M_LIMIT_EXCEEDED',
      retry_after_ms: expect.any(Number) as number,
    })
    await server.clock.advance(refused.body['retry_after_ms'] as number)
    expect((await put()).status).toBe(200)
  })

  test('P-028 busy is taken when and only when /versions advertises it', async () => {
    for (const busy of [false, true]) {
      const { alice, bob } = await company({ presence: { busy } })
      const versions = await alice.request('GET', '/_matrix/client/versions')
      const features = versions.body['unstable_features'] as Record<string, unknown>
      expect(features['org.matrix.msc3026.busy_presence']).toBe(busy)
      const reply = await alice.request('PUT', statusPath(alice.userId), { body: { presence: BUSY } })
      expect(reply.status).toBe(busy ? 200 : 400)
      if (busy) {
        expect((await bob.status(alice)).body).toMatchObject({ presence: BUSY, currently_active: true })
        expect((await bob.status(alice, 'api/v1')).body['presence']).toBe('unavailable')
        const sync = await alice.request('GET', '/v3/sync', { query: { set_presence: BUSY } })
        expect(sync.status).toBe(200)
      }
      if (!busy) await server.close()
    }
  })

  test('P-029 with presence disabled has no effect and everybody is offline', async () => {
    const { alice, bob, eve } = await company({ presence: { enabled: false } })
    await alice.sets('online', 'hello?')
    expect((await alice.status()).body).toEqual({ presence: 'offline' })
    expect((await bob.status(alice)).body).toEqual({ presence: 'offline' })
    expect((await eve.status(alice, 'api/v1')).body).toEqual({ presence: 'offline', status_msg: null })
    const initial = await bob.syncs()
    expect(initial['presence']).toEqual({ events: [] })
  })

  test('P-013 unknown keys are ignored', async () => {
    const { alice } = await company()
    await alice.ok('PUT', statusPath(alice.userId), {
      body: { presence: 'unavailable', currently_active: 'yes', __proto__x: 1, last_active_ago: -5 },
    })
    expect((await alice.status()).body['presence']).toBe('unavailable')
  })
})

describe('GET status', () => {
  test('P-030 P-040 P-041 P-108 has the state, an exact age and currently_active', async () => {
    const { alice, bob } = await company()
    await alice.sets('online')
    await server.clock.advance(1_203)
    expect((await bob.status(alice)).body).toEqual({
      presence: 'online',
      last_active_ago: 1_203,
      currently_active: true,
    })
    await alice.sets('unavailable')
    const { body } = await bob.status(alice)
    expect(body).toEqual({ presence: 'unavailable', last_active_ago: 1_203 })
  })

  test('P-031 P-037 of oneself is always there', async () => {
    const { eve } = await company()
    for (const surface of SURFACES) expect((await eve.status(eve, surface)).status).toBe(200)
  })

  test('P-032 P-034 P-035 P-036 L-14 needs a shared room, and does not tell why there is none', async () => {
    const { alice, bob, eve } = await company()
    await alice.sets('online')
    expect((await bob.status(alice)).status).toBe(200)
    const strangers = [alice.userId, bob.userId, '@nobody:home.example', '@carol:remote.example']
    for (const [surface, status, errcode] of [
      ['v3', 403, 'M_FORBIDDEN'],
      ['r0', 403, 'M_FORBIDDEN'],
      ['api/v1', 404, 'M_NOT_FOUND'],
    ] as const) {
      const texts = new Set<string>()
      for (const userId of strangers) {
        const reply = await eve.status(userId, surface)
        expect([reply.status, reply.body['errcode']]).toEqual([status, errcode])
        texts.add(reply.text)
      }
      expect(texts.size).toBe(1)
    }
  })

  test('P-036 L-19 a deactivated user is as unknown as one who never was', async () => {
    const { alice, bob } = await company()
    const unknown = await bob.status('@nobody:home.example')
    const auth = { type: 'm.login.password', user: alice.userId, password: alice.password }
    await alice.ok('POST', '/v3/account/deactivate', { body: { auth } })
    const gone = await bob.status(alice)
    expect([gone.status, gone.text]).toEqual([unknown.status, unknown.text])
  })

  test('P-038 P-039 an absent text is null on api/v1 and absent elsewhere', async () => {
    const { alice, bob } = await company()
    await alice.sets('unavailable')
    expect((await bob.status(alice, 'api/v1')).body).toHaveProperty('status_msg', null)
    expect((await bob.status(alice, 'api/v1')).body).not.toHaveProperty('currently_active')
    for (const surface of ['r0', 'v3'])
      expect((await bob.status(alice, surface)).body).not.toHaveProperty('status_msg')
  })

  test('P-147 L-15 an invite, a leave or a ban shows nothing to either side', async () => {
    const { alice, eve, roomId } = await company()
    await alice.invites(roomId, eve)
    expect((await eve.status(alice)).status).toBe(403)
    expect((await alice.status(eve)).status).toBe(403)
    await eve.joins(roomId)
    expect((await eve.status(alice)).status).toBe(200)
    expect((await alice.status(eve)).status).toBe(200)
    await eve.leaves(roomId)
    expect((await eve.status(alice)).status).toBe(403)
    await eve.joins(roomId)
    await alice.ok('POST', `/v3/rooms/${encodeURIComponent(roomId)}/ban`, { body: { user_id: eve.userId } })
    expect((await eve.status(alice)).status).toBe(403)
    expect((await alice.status(eve)).status).toBe(403)
  })

  test('P-110 P-111 L-05 of a hidden user is offline and nothing else, whatever they do', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('online', 'a text')
    await alice.sets('hidden')
    await alice.says(roomId, 'boo')
    await alice.syncs({ set_presence: 'online' })
    for (const surface of ['r0', 'v3'])
      expect((await bob.status(alice, surface)).body).toEqual({ presence: 'offline' })
    expect((await bob.status(alice, 'api/v1')).body).toEqual({ presence: 'offline', status_msg: null })
    expect((await alice.status(alice, 'api/v1')).body).toMatchObject({
      presence: 'hidden',
      status_msg: 'a text',
    })
    await server.clock.advance(MINUTE)
    expect((await bob.status(alice)).body).toEqual({ presence: 'offline' })
  })
})
