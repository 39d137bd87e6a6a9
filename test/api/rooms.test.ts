import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { eventsOf, joinedRoom, type Actor } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
afterEach(() => server.close())

async function people(...names: readonly string[]): Promise<Actor[]> {
  server = await startServer()
  const actors: Actor[] = []
  for (const name of names) actors.push(await server.registers(name))
  return actors
}

const inRoom = (roomId: string, rest: string): string => `/v3/rooms/${encodeURIComponent(roomId)}/${rest}`

async function refused(
  actor: Actor,
  [method, path]: readonly [string, string],
  body: unknown,
  [status, errcode]: readonly [number, string],
): Promise<void> {
  const reply = await actor.request(method, path, typeof body === 'string' ? { rawBody: body } : { body })
  expect(reply, `${method} ${path}`).toMatchObject({ status, body: { errcode, error: expect.any(String) } })
}

function timeline(body: JsonObject, roomId: string): JsonObject[] {
  return eventsOf(joinedRoom(body, roomId), 'timeline')
}

describe('numbers and texts of events', () => {
  test('R-010 R-012 numbers without a canonical form are refused as they are written', async () => {
    const [alice] = (await people('alice')) as [Actor]
    for (const version of ['6', '11']) {
      const roomId = await alice.creates({ room_version: version })
      const send = ['PUT', inRoom(roomId, 'send/m.x/1')] as const
      const state = ['PUT', inRoom(roomId, 'state/m.x')] as const
      for (const number of ['9007199254740992', '-9007199254740992', '1.1', '1.0', '1e3', '-0']) {
        await refused(alice, send, `{"n":${number}}`, [400, 'M_BAD_JSON'])
        await refused(alice, state, `{"deep":[{"n":${number}}]}`, [400, 'M_BAD_JSON'])
      }
      await alice.ok(...send, { rawBody: '{"n":9007199254740991,"m":-9007199254740991,"z":0}' })
    }
  })

  test('R-011 NaN and Infinity are not JSON', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates()
    for (const word of ['NaN', 'Infinity', '-Infinity'])
      await refused(alice, ['PUT', inRoom(roomId, 'send/m.x/1')], `{"n":${word}}`, [400, 'M_NOT_JSON'])
  })

  test('R-015 lone surrogates and duplicate keys are refused', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates()
    const send = ['PUT', inRoom(roomId, 'send/m.x/1')] as const
    await refused(alice, send, String.raw`{"t":"\ud800"}`, [400, 'M_BAD_JSON'])
    await refused(alice, send, '{"a":1,"a":2}', [400, 'M_BAD_JSON'])
    await refused(alice, ['POST', '/v3/createRoom'], '{"name":"a","name":"b"}', [400, 'M_BAD_JSON'])
  })

  test('content that is no object is refused, and a key __proto__ is data', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates()
    const send = ['PUT', inRoom(roomId, 'send/m.x/1')] as const
    for (const body of ['[]', '"x"', '1', 'null']) await refused(alice, send, body, [400, 'M_BAD_JSON'])
    for (const body of ['', '{']) await refused(alice, send, body, [400, 'M_NOT_JSON'])
    await alice.syncs()
    await alice.ok(...send, { rawBody: '{"__proto__":{"a":1}}' })
    const [event] = timeline(await alice.syncs(), roomId)
    expect(Object.entries(event?.['content'] as JsonObject)).toEqual([['__proto__', { a: 1 }]])
  })

  test('R-037 an event that is too large is refused', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates()
    const body = { body: 'x'.repeat(65_400) }
    await refused(alice, ['PUT', inRoom(roomId, 'send/m.x/1')], body, [413, 'M_TOO_LARGE'])
    await refused(alice, ['PUT', inRoom(roomId, 'state/m.x')], body, [413, 'M_TOO_LARGE'])
  })
})

describe('createRoom', () => {
  test('R-004 a version that is no string is refused, and an unknown one', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const create = ['POST', '/v3/createRoom'] as const
    await refused(alice, create, { room_version: 11 }, [400, 'M_BAD_JSON'])
    await refused(alice, create, { room_version: '99' }, [400, 'M_UNSUPPORTED_ROOM_VERSION'])
  })

  test('wrong shapes are refused', async () => {
    const [alice] = (await people('alice')) as [Actor]
    for (const body of [
      { preset: 'banana' },
      { visibility: 'secret' },
      { name: 1 },
      { topic: {} },
      { initial_state: {} },
      { initial_state: [{ type: 'a' }] },
      { initial_state: [{ type: 'a', content: [] }] },
      { initial_state: [{ content: {} }] },
      { power_level_content_override: [] },
      { creation_content: 'x' },
      { invite: '@bob:home.example' },
      { is_direct: 'yes' },
    ])
      await refused(alice, ['POST', '/v3/createRoom'], body, [400, 'M_BAD_JSON'])
    await refused(alice, ['POST', '/v3/createRoom'], { invite: ['bob'] }, [400, 'M_INVALID_PARAM'])
  })

  test('R-129 the answer names room and alias, on every surface', async () => {
    const [alice] = (await people('alice')) as [Actor]
    for (const surface of ['api/v1', 'r0', 'v3']) {
      const name = `den-${surface.replace('/', '')}`
      const body = await alice.ok('POST', `/${surface}/createRoom`, { body: { room_alias_name: name } })
      const alias = `#${name}:home.example`
      expect(body).toEqual({ room_id: expect.stringMatching(/^!/), room_alias: alias })
      const found = await alice.ok('GET', `/${surface}/directory/room/${encodeURIComponent(alias)}`)
      expect(found).toEqual({ room_id: body['room_id'], servers: ['home.example'] })
    }
    await refused(alice, ['POST', '/v3/createRoom'], { room_alias_name: 'den-v3' }, [400, 'M_ROOM_IN_USE'])
  })

  test('R-144 an empty body makes a room', async () => {
    const [alice] = (await people('alice')) as [Actor]
    expect(await alice.ok('POST', '/v3/createRoom')).toEqual({ room_id: expect.any(String) })
  })
})

describe('membership', () => {
  test('R-133 R-135 R-144 joining by ID, alias and room path, with servers to ask and without a body', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates({ preset: 'public_chat', room_alias_name: 'den' })
    const id = encodeURIComponent(roomId)
    const alias = encodeURIComponent('#den:home.example')
    for (const path of [
      `/v3/join/${id}?via=a.example&via=b.example`,
      `/r0/join/${alias}?server_name=a.example&server_name=b.example`,
      `/api/v1/rooms/${id}/join`,
    ])
      expect(await bob.ok('POST', path)).toEqual({ room_id: roomId })
    const events = timeline(await bob.syncs(), roomId)
    expect(events.filter((event) => event['state_key'] === bob.userId)).toHaveLength(1)
    expect(await bob.ok('POST', inRoom(roomId, 'leave'))).toEqual({})
    expect(await bob.ok('POST', inRoom(roomId, 'forget'))).toEqual({})
  })

  test('R-136 what cannot be joined', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates()
    const join = (target: string) => ['POST', `/v3/join/${encodeURIComponent(target)}`] as const
    await refused(bob, join(roomId), {}, [403, 'M_FORBIDDEN'])
    await refused(bob, join('#none:home.example'), {}, [404, 'M_NOT_FOUND'])
    await refused(bob, join('!none:home.example'), {}, [404, 'M_NOT_FOUND'])
    await refused(bob, join('none'), {}, [400, 'M_INVALID_PARAM'])
    await refused(bob, ['POST', '/v3/rooms/none/join'], {}, [400, 'M_INVALID_PARAM'])
  })

  test('R-140 a forgotten room is closed until the user is back', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates({ preset: 'public_chat' })
    const messages = ['GET', inRoom(roomId, 'messages?dir=b')] as const
    await bob.joins(roomId)
    await refused(bob, ['POST', inRoom(roomId, 'forget')], undefined, [400, 'M_UNKNOWN'])
    await bob.leaves(roomId)
    await bob.ok(...messages)
    await bob.ok('POST', inRoom(roomId, 'forget'))
    await refused(bob, messages, undefined, [403, 'M_FORBIDDEN'])
    await bob.joins(roomId)
    await bob.ok(...messages)
  })

  test('invite, kick, ban and unban want a user', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates()
    for (const call of ['invite', 'kick', 'ban', 'unban']) {
      const request = ['POST', inRoom(roomId, call)] as const
      await refused(alice, request, {}, [400, 'M_BAD_JSON'])
      await refused(alice, request, { user_id: 5 }, [400, 'M_BAD_JSON'])
      await refused(alice, request, { user_id: 'bob' }, [400, 'M_INVALID_PARAM'])
      await refused(alice, request, { user_id: bob.userId, reason: 5 }, [400, 'M_BAD_JSON'])
    }
    const body = { user_id: bob.userId, reason: 'r' }
    for (const call of ['invite', 'kick', 'ban', 'unban'])
      expect(await alice.ok('POST', inRoom(roomId, call), { body })).toEqual({})
  })

  test('P-113 a new name reaches every room', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    await alice.syncs()
    await bob.names('Bob the Builder')
    const events = timeline(await alice.syncs(), roomId)
    expect(events.map((event) => [event['state_key'], event['content']])).toEqual([
      [bob.userId, { membership: 'join', displayname: 'Bob the Builder' }],
    ])
  })
})

describe('sending', () => {
  test('R-146 R-147 R-149 a repeated transaction has one effect, and only its device sees the ID', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const laptop = await server.logsIn(alice)
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    for (const actor of [alice, bob, laptop]) await actor.syncs()
    const first = await alice.says(roomId, 'one', 'txn')
    expect(await alice.says(roomId, 'two', 'txn')).toBe(first)
    const other = await laptop.says(roomId, 'three', 'txn')
    expect(other).not.toBe(first)
    const seen = async (actor: Actor): Promise<unknown[]> =>
      timeline(await actor.syncs(), roomId).map((event) => [
        event['event_id'],
        (event['unsigned'] as JsonObject)['transaction_id'],
      ])
    expect(await seen(alice)).toEqual([
      [first, 'txn'],
      [other, undefined],
    ])
    expect(await seen(laptop)).toEqual([
      [first, undefined],
      [other, 'txn'],
    ])
    expect(await seen(bob)).toEqual([
      [first, undefined],
      [other, undefined],
    ])
  })

  test('R-150 R-151 state with an empty key, with and without the slash', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates()
    const body = { topic: 'tea' }
    const first = await alice.ok('PUT', inRoom(roomId, 'state/m.room.topic'), { body })
    expect(await alice.ok('PUT', inRoom(roomId, 'state/m.room.topic/'), { body })).toEqual(first)
    expect(await alice.ok('GET', inRoom(roomId, 'state/m.room.topic/'))).toEqual(body)
  })

  test('state keys are decoded once, slashes and all', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates()
    const path = inRoom(roomId, `state/org.example/${encodeURIComponent('a/b%2Fc #?')}`)
    await alice.ok('PUT', path, { body: { n: 1 } })
    const state = (await alice.request('GET', inRoom(roomId, 'state'))).text
    expect(state).toContain('"state_key":"a/b%2Fc #?"')
  })

  test('R-080 R-081 a redacted message is empty for everybody', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    const eventId = await alice.says(roomId, 'secret')
    const redact = inRoom(roomId, `redact/${encodeURIComponent(eventId)}/t1`)
    await refused(bob, ['PUT', redact], {}, [403, 'M_FORBIDDEN'])
    const { event_id: redaction } = await alice.ok('PUT', redact, { body: { reason: 'typo' } })
    const event = await bob.ok('GET', inRoom(roomId, `event/${encodeURIComponent(eventId)}`))
    expect(event).toMatchObject({
      content: {},
      unsigned: { redacted_because: { event_id: redaction, content: { reason: 'typo' }, redacts: eventId } },
    })
  })

  test('who is not in the room sends nothing', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates({ preset: 'public_chat' })
    for (const room of [roomId, '!none:home.example'])
      await refused(bob, ['PUT', inRoom(room, 'send/m.room.message/1')], {}, [403, 'M_FORBIDDEN'])
    await refused(bob, ['PUT', inRoom('none', 'send/m.room.message/1')], {}, [400, 'M_INVALID_PARAM'])
  })

  test('what was acknowledged is there after a restart', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates({ name: 'Den' })
    const eventId = await alice.says(roomId, 'hello', 'txn')
    await server.restarts()
    expect(await alice.says(roomId, 'hello', 'txn')).toBe(eventId)
    expect(await alice.ok('GET', inRoom(roomId, 'state/m.room.name/'))).toEqual({ name: 'Den' })
  })
})

describe('aliases and the directory', () => {
  const aliasPath = (alias: string): string => `/v3/directory/room/${encodeURIComponent(alias)}`

  test('R-171 R-172 R-173 an alias is put, found, listed and deleted', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates()
    const den = aliasPath('#den ☕:home.example')
    const body = { room_id: roomId }
    await refused(bob, ['PUT', den], body, [403, 'M_FORBIDDEN'])
    expect(await alice.ok('PUT', den, { body })).toEqual({})
    await refused(alice, ['PUT', den], body, [409, 'M_UNKNOWN'])
    expect(await bob.ok('GET', den)).toEqual({ room_id: roomId, servers: ['home.example'] })
    expect(await alice.ok('GET', inRoom(roomId, 'aliases'))).toEqual({ aliases: ['#den ☕:home.example'] })
    await refused(bob, ['GET', inRoom(roomId, 'aliases')], undefined, [403, 'M_FORBIDDEN'])
    await refused(bob, ['DELETE', den], undefined, [403, 'M_FORBIDDEN'])
    expect(await alice.ok('DELETE', den)).toEqual({})
    await refused(bob, ['GET', den], undefined, [404, 'M_NOT_FOUND'])
  })

  test('malformed aliases and rooms are refused', async () => {
    const [alice] = (await people('alice')) as [Actor]
    const roomId = await alice.creates()
    for (const alias of ['den', '#den', '#den:'])
      await refused(alice, ['GET', aliasPath(alias)], undefined, [400, 'M_INVALID_PARAM'])
    await refused(alice, ['PUT', aliasPath('#a:home.example')], { room_id: 'x' }, [400, 'M_INVALID_PARAM'])
    await refused(alice, ['PUT', aliasPath('#a:home.example')], {}, [400, 'M_BAD_JSON'])
    const foreign = aliasPath('#a:away.example')
    await refused(alice, ['PUT', foreign], { room_id: roomId }, [400, 'M_INVALID_PARAM'])
    await refused(alice, ['GET', foreign], undefined, [404, 'M_NOT_FOUND'])
  })

  test('published rooms are listed, and only who may publish does', async () => {
    const [alice, bob] = (await people('alice', 'bob')) as [Actor, Actor]
    const roomId = await alice.creates({ preset: 'public_chat', name: 'Den' })
    const path = `/v3/directory/list/room/${encodeURIComponent(roomId)}`
    expect(await bob.ok('GET', path)).toEqual({ visibility: 'private' })
    await refused(bob, ['PUT', path], { visibility: 'public' }, [403, 'M_FORBIDDEN'])
    await alice.ok('PUT', path)
    expect(await bob.ok('GET', path)).toEqual({ visibility: 'public' })
    const listed = { room_id: roomId, name: 'Den', num_joined_members: 1 }
    for (const surface of ['api/v1', 'r0', 'v3'])
      expect((await bob.ok('GET', `/${surface}/publicRooms`))['chunk']).toMatchObject([listed])
    const search = async (generic_search_term: string): Promise<unknown> =>
      (await bob.ok('POST', '/v3/publicRooms', { body: { filter: { generic_search_term } } }))['chunk']
    expect(await search('den')).toMatchObject([listed])
    expect(await search('other')).toEqual([])
    await refused(bob, ['GET', '/v3/publicRooms?since=x'], undefined, [400, 'M_INVALID_PARAM'])
    await refused(bob, ['GET', '/v3/publicRooms?server=away.example'], undefined, [404, 'M_NOT_FOUND'])
  })
})
