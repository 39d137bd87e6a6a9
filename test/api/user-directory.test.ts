import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

afterEach(() => server.close())

function searches(who: Actor, body: unknown, surface = 'v3'): Promise<JsonObject> {
  return who.ok('POST', `/${surface}/user_directory/search`, { body })
}

async function found(who: Actor, term: string): Promise<string[]> {
  const { results } = await searches(who, { search_term: term })
  return (results as { user_id: string }[]).map(({ user_id }) => user_id)
}

describe('POST /user_directory/search', () => {
  test('§5.9 finds users by shared room, or by a room that is public now', async () => {
    server = await startServer()
    const alice = await server.registers('alice')
    const bob = await server.registers('bob')
    const eve = await server.registers('eve')
    const roomId = await alice.creates({ preset: 'private_chat' })
    await alice.invites(roomId, bob)
    expect(await found(alice, 'bob')).toEqual([])
    await bob.joins(roomId)
    expect(await found(alice, 'BOB')).toEqual([bob.userId])
    expect(await found(eve, 'bob')).toEqual([])
    const rule = async (join_rule: string): Promise<void> => {
      const path = `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.join_rules`
      await alice.ok('PUT', path, { body: { join_rule } })
    }
    await rule('public')
    expect(await found(eve, 'home.example')).toEqual([alice.userId, bob.userId])
    await rule('invite')
    expect(await found(eve, 'bob')).toEqual([])
    await bob.leaves(roomId)
    expect(await found(alice, 'bob')).toEqual([])
  })

  test('§5.9 results have the profile, `limit` cuts and `limited` says so', async () => {
    server = await startServer()
    const alice = await server.registers('alice')
    const roomId = await alice.creates({ preset: 'public_chat' })
    for (const name of ['tom', 'tim', 'tam']) {
      const who = await server.registers(name)
      await who.joins(roomId)
      await who.names(`T. ${name.toUpperCase()}`)
    }
    for (const surface of ['r0', 'v3'])
      expect(await searches(alice, { search_term: 't. t', limit: 2 }, surface)).toEqual({
        results: [
          { user_id: '@tam:home.example', display_name: 'T. TAM' },
          { user_id: '@tim:home.example', display_name: 'T. TIM' },
        ],
        limited: true,
      })
    expect(await searches(alice, { search_term: 'tom' })).toEqual({
      results: [{ user_id: '@tom:home.example', display_name: 'T. TOM' }],
      limited: false,
    })
  })

  test('§5.9 malformed searches are 400 M_BAD_JSON, without a token 401', async () => {
    server = await startServer()
    const alice = await server.registers('alice')
    for (const body of [
      {},
      { search_term: 1 },
      { search_term: 'a', limit: -1 },
      { search_term: 'a', limit: 1.5 },
      { search_term: 'a', limit: '10' },
    ]) {
      const reply = await alice.request('POST', '/v3/user_directory/search', { body })
      expect([reply.status, reply.body['errcode']], JSON.stringify(body)).toEqual([400, 'M_BAD_JSON'])
    }
    const anonymous = await server.request('POST', '/_matrix/client/v3/user_directory/search', {
      body: { search_term: 'a' },
    })
    expect(anonymous.status).toBe(401)
  })

  test('§5.9 searches look at everybody, so they are limited, together with those of the room directory', async () => {
    const search = { burst: 2, per_second: 1 }
    server = await startServer({ config: { rate_limits: { enabled: true, search } } })
    const alice = await server.registers('alice')
    await found(alice, 'bob')
    await alice.ok('POST', '/v3/publicRooms', { body: { filter: { generic_search_term: 'bob' } } })
    const reply = await alice.request('POST', '/v3/user_directory/search', { body: { search_term: 'bob' } })
    expect([reply.status, reply.body['errcode']]).toEqual([429, 'M_LIMIT_EXCEEDED'])
    await server.clock.advance(1_000)
    expect(await found(alice, 'bob')).toEqual([])
  })
})
