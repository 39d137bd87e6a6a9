import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { joinedRoom, presenceOf, type Actor, type Reply } from '../support/actors.ts'
import { settle } from '../support/manual-clock.ts'
import { startServer, type ServerOptions, type TestServer } from '../support/server.ts'

const SURFACES = ['api/v1', 'r0', 'v3'] as const
const SECOND = 1_000

let server: TestServer

afterEach(() => server.close())

interface Answer {
  readonly start: string
  readonly end: string
  readonly chunk: JsonObject[]
}

type Params = Readonly<Record<string, string | number>>

/** One look at the stream; at once unless `timeout` says otherwise. */
async function events(who: Actor, from: string | null, params: Params = {}, surface = 'r0'): Promise<Answer> {
  const query = { timeout: 0, ...(from !== null && { from }), ...params }
  return (await who.ok('GET', `/${surface}/events`, { query })) as unknown as Answer
}

/** A long poll of the stream; `answer` is null until it is there. */
function streams(
  who: Actor,
  from: string | null,
  params: Params = {},
  surface = 'r0',
): { answer: Reply | null; abort: () => void; done: Promise<void> } {
  const controller = new AbortController()
  const query = { timeout: 30_000, ...(from !== null && { from }), ...params }
  const reply = who.request('GET', `/${surface}/events`, { query, signal: controller.signal })
  const seen = { answer: null as Reply | null, abort: () => controller.abort(), done: Promise.resolve() }
  seen.done = reply.then(
    (answer) => void (seen.answer = answer),
    () => {},
  )
  return seen
}

function answerOf(seen: { answer: Reply | null }): Answer {
  expect(seen.answer?.status, seen.answer?.text).toBe(200)
  return seen.answer?.body as unknown as Answer
}

async function initialSync(who: Actor, surface = 'r0'): Promise<JsonObject> {
  return who.ok('GET', `/${surface}/initialSync`)
}

async function endOf(who: Actor): Promise<string> {
  return (await initialSync(who))['end'] as string
}

/** An invite into the first one's presence list. */
async function asks(who: Actor, other: Actor): Promise<void> {
  const path = `/r0/presence/list/${encodeURIComponent(who.userId)}`
  await who.ok('POST', path, { body: { invite: [other.userId] } })
}

function presenceIn(chunk: readonly JsonObject[]): JsonObject[] {
  return chunk.filter(({ type }) => type === 'm.presence')
}

/** Who the presence in a chunk is of, and what. */
function statesIn(chunk: readonly JsonObject[]): Record<string, unknown> {
  const contents = presenceIn(chunk).map(({ content }) => content as JsonObject)
  return Object.fromEntries(contents.map((content) => [content['user_id'], content['presence']]))
}

/** The types of the events that belong to rooms. */
function roomTypesIn(chunk: readonly JsonObject[]): unknown[] {
  return chunk.filter(({ room_id }) => room_id !== undefined).map(({ type }) => type)
}

/** Two users in one room; Bob is there already, so that only Alice changes. */
async function company(
  options: ServerOptions = {},
): Promise<{ alice: Actor; bob: Actor; roomId: string; from: string }> {
  server = await startServer(options)
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  await bob.sets('online')
  return { alice, bob, roomId, from: await endOf(bob) }
}

describe.each(SURFACES)('on %s', (surface) => {
  test('P-070 without from, and from END, the stream begins at the current position', async () => {
    const { alice, bob, roomId } = await company()
    await alice.says(roomId, 'before')
    await alice.sets('online', 'before')
    for (const params of [{}, { from: 'END' }]) {
      const answer = await events(bob, null, params, surface)
      expect(answer.chunk).toEqual([])
      expect(answer.start).toBe(answer.end)
      const eventId = await alice.says(roomId, 'after')
      expect(await events(bob, answer.end, {}, surface)).toMatchObject({
        start: answer.end,
        chunk: [{ event_id: eventId }],
      })
    }
  })

  test('P-070 P-071 even for a device that comes online by it, from now waits for something to happen', async () => {
    const { alice, bob, roomId } = await company()
    const laptop = await server.logsIn(bob)
    await server.clock.advance(60 * SECOND)
    const waiting = streams(laptop, null, {}, surface)
    await server.parked(1)
    const eventId = await alice.says(roomId, 'hello')
    await waiting.done
    expect(answerOf(waiting).chunk).toMatchObject([{ event_id: eventId }])
  })

  test('P-071 it blocks until there is something, and answers with start, end and chunk', async () => {
    const { alice, bob, roomId, from } = await company()
    const waiting = streams(bob, from, {}, surface)
    await server.parked(1)
    expect(waiting.answer).toBeNull()
    const eventId = await alice.says(roomId, 'hello')
    await waiting.done
    const answer = answerOf(waiting)
    expect(answer).toEqual({
      start: from,
      end: expect.any(String) as string,
      chunk: [expect.objectContaining({ type: 'm.room.message', event_id: eventId, room_id: roomId })],
    })
    expect((await events(bob, answer.end, {}, surface)).chunk).toEqual([])
  })

  test('P-072 when the time is over it answers with an empty chunk, and end is start', async () => {
    const { bob, from } = await company()
    const waiting = streams(bob, from, { timeout: 5_000 }, surface)
    await server.parked(1)
    await server.clock.advance(5_500)
    await waiting.done
    expect(answerOf(waiting)).toEqual({ start: from, end: from, chunk: [] })
  })

  test.each(['s3456_9_0', 'yesterday', 'a1_1_2'])('P-073 from %s is 400 M_BAD_PAGINATION', async (from) => {
    const { bob } = await company()
    const reply = await bob.request('GET', `/${surface}/events`, { query: { from, timeout: 0 } })
    expect([reply.status, reply.body['errcode']]).toEqual([400, 'M_BAD_PAGINATION'])
  })

  test.each(['soon', '-1', '1.5', ''])('timeout %j is 400 M_INVALID_PARAM', async (timeout) => {
    const { bob } = await company()
    const reply = await bob.request('GET', `/${surface}/events`, { query: { timeout } })
    expect([reply.status, reply.body['errcode']]).toEqual([400, 'M_INVALID_PARAM'])
  })

  test('the preview of a room is refused', async () => {
    const { bob, roomId } = await company()
    const reply = await bob.request('GET', `/${surface}/events`, { query: { room_id: roomId, timeout: 0 } })
    expect([reply.status, reply.body['errcode']]).toEqual([403, 'M_FORBIDDEN'])
  })

  test('P-080 who joins gets the presence of the members, and they get theirs', async () => {
    const { alice, bob, roomId } = await company()
    const carol = await server.registers('carol')
    const dave = await server.registers('dave')
    await dave.joins(roomId)
    await alice.sets('unavailable', 'reading')
    await carol.sets('online', 'new here')
    const [ofBob, ofCarol] = [await endOf(bob), await endOf(carol)]
    const waiting = streams(bob, ofBob, {}, surface)
    await server.parked(1)
    await carol.joins(roomId)
    await waiting.done

    const joined = await events(carol, ofCarol, {}, surface)
    expect(joined.chunk[0]).toMatchObject({
      type: 'm.room.member',
      room_id: roomId,
      state_key: carol.userId,
      content: { membership: 'join' },
    })
    expect(statesIn(joined.chunk)).toMatchObject({
      [alice.userId]: 'unavailable',
      [bob.userId]: 'online',
      [dave.userId]: 'offline',
    })
    expect(presenceIn((await events(carol, joined.end, {}, surface)).chunk)).toEqual([])

    const seen = answerOf(waiting)
    expect(seen.chunk[0]).toMatchObject({ type: 'm.room.member', state_key: carol.userId })
    const all = [...seen.chunk, ...(await events(bob, seen.end, {}, surface)).chunk]
    expect(presenceIn(all)).toMatchObject([
      { content: { user_id: carol.userId, presence: 'online', status_msg: 'new here' } },
    ])
  })

  test('P-078 P-107 P-108 P-109 presence names the user in its content, and no room', async () => {
    const { alice, bob, from } = await company()
    await alice.names('Alice')
    await alice.sets('online', 'in a call')
    const [event, ...others] = presenceIn((await events(bob, from, {}, surface)).chunk)
    expect(others).toEqual([])
    const modern = { currently_active: true }
    expect(event).toEqual({
      type: 'm.presence',
      ...(surface === 'api/v1'
        ? { event_id: expect.stringMatching(/^\$presence_\d+_[\w-]+:home\.example$/) as string }
        : { sender: alice.userId }),
      content: {
        user_id: alice.userId,
        presence: 'online',
        last_active_ago: 0,
        status_msg: 'in a call',
        displayname: 'Alice',
        ...(surface !== 'api/v1' && modern),
      },
    })
  })

  test('P-110 P-111 states have the words of the surface', async () => {
    const { alice, bob } = await company()
    const isOld = surface === 'api/v1'
    let [ofBob, ofAlice] = [await endOf(bob), await endOf(alice)]
    const said: unknown[] = []
    for (const state of ['free_for_chat', 'hidden']) {
      await alice.sets(state, 'as I like it')
      const [seen, own] = [await events(bob, ofBob, {}, surface), await events(alice, ofAlice, {}, surface)]
      said.push([statesIn(seen.chunk)[alice.userId], statesIn(own.chunk)[alice.userId]])
      if (state === 'hidden')
        expect(presenceIn(seen.chunk)[0]?.['content']).toEqual({ user_id: alice.userId, presence: 'offline' })
      ;[ofBob, ofAlice] = [seen.end, own.end]
    }
    expect(said).toEqual(
      isOld
        ? [
            ['free_for_chat', 'free_for_chat'],
            ['offline', 'hidden'],
          ]
        : [
            ['online', 'online'],
            ['offline', 'offline'],
          ],
    )
  })

  test('P-065 P-069 presence invites end a wait, in the chunk and without a room', async () => {
    const { alice, bob } = await company()
    const waiting = streams(bob, await endOf(bob), {}, surface)
    await server.parked(1)
    await asks(alice, bob)
    await waiting.done
    const { chunk, end } = answerOf(waiting)
    expect(chunk).toEqual([
      {
        type: 'dev.adsum.presence_lists.invite',
        sender: alice.userId,
        content: {
          observer_user: alice.userId,
          observed_user: bob.userId,
          direction: 'incoming',
          state: 'pending',
          ts: server.clock.now(),
        },
      },
    ])
    expect((await events(bob, end, {}, surface)).chunk).toEqual([])
    // Who begins anew has what is pending.
    expect((await initialSync(bob, surface))['dev.adsum.presence_lists']).toEqual(chunk)
  })

  test('room events carry their sender as the surface has it, and their age', async () => {
    const { alice, bob, roomId, from } = await company()
    await alice.says(roomId, 'hello')
    await server.clock.advance(32)
    const [event] = (await events(bob, from, {}, surface)).chunk
    if (surface === 'api/v1') {
      expect(event).toMatchObject({ user_id: alice.userId, age: 32, content: { body: 'hello' } })
      expect(event).not.toHaveProperty('sender')
      expect(event).not.toHaveProperty('unsigned')
    } else {
      expect(event).toMatchObject({ sender: alice.userId, unsigned: { age: 32 }, content: { body: 'hello' } })
      expect(event).not.toHaveProperty('user_id')
    }
  })
})

test('P-105 on api/v1 the events of users who come into sight together have IDs of their own', async () => {
  const { alice, bob, roomId } = await company()
  const carol = await server.registers('carol')
  const from = await endOf(carol)
  for (const actor of [alice, bob]) await actor.sets('online', 'here')
  await carol.joins(roomId)
  const presence = presenceIn((await events(carol, from, {}, 'api/v1')).chunk)
  expect(Object.keys(statesIn(presence))).toEqual(expect.arrayContaining([alice.userId, bob.userId]))
  expect(new Set(presence.map((event) => event['event_id'])).size).toBe(presence.length)
  for (const event of presence) {
    expect(event).toMatchObject({
      type: 'm.presence',
      event_id: expect.any(String) as string,
      content: { user_id: expect.any(String) as string, presence: expect.any(String) as string },
    })
    expect(event).not.toHaveProperty('sender')
    expect(event['content']).not.toHaveProperty('currently_active')
  }
})

test('P-106 what the old forms have does not come into /sync', async () => {
  const { alice, bob } = await company()
  await alice.sets('online', 'hi')
  for (const surface of ['r0', 'v3']) {
    bob.since = null
    for (const event of presenceOf(await bob.syncs({}, surface))) {
      for (const key of ['event_id', 'room_id', 'user_id']) expect(event).not.toHaveProperty(key)
      expect(event.content).not.toHaveProperty('user_id')
    }
  }
})

describe('waiting', () => {
  test.each([1, 300, 499])('P-074 a timeout of %d ms is raised to 500', async (timeout) => {
    const { bob, from } = await company()
    const waiting = streams(bob, from, { timeout })
    await server.parked(1)
    await server.clock.advance(499)
    expect(waiting.answer).toBeNull()
    await server.clock.advance(51)
    await waiting.done
    expect(answerOf(waiting).chunk).toEqual([])
  })

  test('P-074 a poll ends within a tenth of its timeout, polls not all at once; without one it has 30 s', async () => {
    const { bob } = await company()
    const actors = [bob]
    for (let i = 0; i < 11; i += 1) actors.push(await server.logsIn(bob))
    const controllers = actors.map((actor) => streams(actor, null))
    await server.parked(12)
    await server.clock.advance(26_999)
    await settle(20)
    expect(controllers.filter(({ answer }) => answer !== null)).toEqual([])
    // Twelve that are spread evenly do not all end in the same tenth of a second.
    let most = 0
    for (let ms = 27_000, before = 0; ms <= 33_000; ms += 100) {
      await server.clock.advance(100)
      await settle(20)
      const ended = controllers.filter(({ answer }) => answer !== null).length
      most = Math.max(most, ended - before)
      before = ended
    }
    await Promise.all(controllers.map(({ done }) => done))
    expect(most).toBeLessThan(12)
  })

  test('P-071 presence, typing, receipts and invites end a wait too', async () => {
    const { alice, bob, roomId } = await company()
    const eventId = await bob.says(roomId, 'hello')
    const room = encodeURIComponent(roomId)
    const secret = await alice.creates({ preset: 'private_chat' })
    const causes: readonly [unknown, () => Promise<unknown>][] = [
      ['m.presence', () => alice.sets('unavailable', 'away')],
      [
        'm.typing',
        () => alice.ok('PUT', `/r0/rooms/${room}/typing/${alice.userId}`, { body: { typing: true } }),
      ],
      [
        'm.receipt',
        () => alice.ok('POST', `/r0/rooms/${room}/receipt/m.read/${encodeURIComponent(eventId)}`),
      ],
      ['m.room.member', () => alice.invites(secret, bob)],
    ]
    for (const [type, cause] of causes) {
      // Whatever Alice's acting does to her presence comes first.
      await alice.sets('online')
      const waiting = streams(bob, await endOf(bob))
      await server.parked(1)
      await cause()
      await waiting.done
      expect(answerOf(waiting).chunk.map((event) => event['type'])).toContain(type)
    }
  })

  test('P-140 R-218 a logout ends it with 401', async () => {
    const { bob, from } = await company()
    const waiting = streams(bob, from)
    await server.parked(1)
    await bob.ok('POST', '/v3/logout', { body: {} })
    await waiting.done
    expect([waiting.answer?.status, waiting.answer?.body['errcode']]).toEqual([401, 'M_UNKNOWN_TOKEN'])
  })

  test('a stop of the server answers it, with where to go on', async () => {
    const { alice, bob, roomId, from } = await company()
    const waiting = streams(bob, from)
    await server.parked(1)
    await server.restarts()
    await waiting.done
    expect(answerOf(waiting)).toEqual({ start: from, end: from, chunk: [] })
    const eventId = await alice.says(roomId, 'after')
    expect((await events(bob, from)).chunk).toMatchObject([{ event_id: eventId }])
  })
})

describe('the device', () => {
  test('P-088 P-134 P-136 is online while it streams, and offline one grace after', async () => {
    const { alice, bob, roomId } = await company()
    const carol = await server.registers('carol')
    await carol.joins(roomId)
    await server.clock.advance(60 * SECOND)
    expect((await alice.status(carol)).body['presence']).toBe('offline')
    const waiting = streams(carol, null)
    await server.parked(1)
    expect((await alice.status(carol)).body['presence']).toBe('online')
    waiting.abort()
    await waiting.done
    await server.parked(0)
    await server.clock.advance(29 * SECOND)
    expect((await alice.status(carol)).body['presence']).toBe('online')
    await server.clock.advance(6 * SECOND)
    expect((await bob.status(carol)).body['presence']).toBe('offline')
  })

  test('keeps a deliberate offline while the same session goes on streaming', async () => {
    const { alice, bob } = await company()
    await alice.sets('offline')
    await events(alice, null)
    expect((await bob.status(alice)).body['presence']).toBe('offline')
  })
})

describe('what is told', () => {
  test('P-075 end of initialSync leads on without losing or repeating', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('online', 'before')
    await alice.says(roomId, 'before')
    const body = await initialSync(bob)
    expect(statesIn(body['presence'] as JsonObject[])).toEqual({
      [alice.userId]: 'online',
      [bob.userId]: 'online',
    })
    const from = body['end'] as string
    expect((await events(bob, from)).chunk).toEqual([])
    await alice.sets('unavailable', 'after')
    await alice.says(roomId, 'after')
    // Acting makes her active again.
    const { chunk, end } = await events(bob, from)
    expect(chunk).toMatchObject([
      { type: 'm.room.message', content: { body: 'after' } },
      { type: 'm.presence', content: { user_id: alice.userId, presence: 'online', status_msg: 'after' } },
    ])
    expect((await events(bob, end)).chunk).toEqual([])
  })

  test('P-087 the tokens of /sync and of the stream lead on from each other', async () => {
    const { alice, bob, roomId } = await company()
    await bob.syncs()
    const eventId = await alice.says(roomId, 'hello')
    const { chunk, end } = await events(bob, bob.since)
    expect(chunk).toMatchObject([{ event_id: eventId }])
    bob.since = end
    const body = await bob.syncs()
    expect(presenceOf(body)).toEqual([])
    expect(body['rooms']).toMatchObject({ join: {} })
    expect(joinedRoom(body, roomId)).toBeUndefined()
  })

  test('R-217 P-148 of somebody ignored are neither messages nor presence told', async () => {
    const { alice, bob, roomId } = await company()
    const path = `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`
    await bob.ok('PUT', path, { body: { ignored_users: { [alice.userId]: {} } } })
    const { end } = await events(bob, await endOf(bob))
    await alice.says(roomId, 'unheard')
    await alice.sets('unavailable', 'unseen')
    expect((await events(bob, end)).chunk).toEqual([])
  })

  test('P-146 nothing is told of rooms and users that are not one’s own', async () => {
    const { alice, bob, roomId } = await company()
    const carol = await server.registers('carol')
    await carol.sets('online')
    const from = await endOf(carol)
    await alice.says(roomId, 'secret')
    await bob.sets('unavailable', 'secret')
    expect((await events(carol, from)).chunk).toEqual([])
  })

  test('P-098 who leaves the last common room is told offline once', async () => {
    const { alice, bob, roomId, from } = await company()
    await bob.leaves(roomId)
    const { chunk, end } = await events(bob, from)
    expect(roomTypesIn(chunk)).toEqual(['m.room.member'])
    expect(presenceIn(chunk)).toMatchObject([{ content: { user_id: alice.userId, presence: 'offline' } }])
    await alice.sets('online', 'secret')
    expect((await events(bob, end)).chunk).toEqual([])
  })

  test('an invite, joining and the own echo with its transaction', async () => {
    const { alice, bob, from } = await company()
    const secret = await alice.creates({ preset: 'private_chat' })
    await alice.invites(secret, bob)
    const invited = await events(bob, from)
    expect(invited.chunk.filter(({ room_id }) => room_id === secret)).toMatchObject([
      { type: 'm.room.member', state_key: bob.userId, content: { membership: 'invite' } },
    ])
    await bob.joins(secret)
    await bob.says(secret, 'here I am', 'my-transaction')
    const { chunk } = await events(bob, invited.end)
    expect(chunk.filter(({ room_id }) => room_id === secret)).toMatchObject([
      { type: 'm.room.member', content: { membership: 'join' } },
      { content: { body: 'here I am' }, unsigned: { transaction_id: 'my-transaction' } },
    ])
  })
})

describe('positions', () => {
  test('one ahead of the server counts as current', async () => {
    const { alice, bob, roomId, from } = await company()
    const [version, epoch] = from.split('_')
    const ahead = `${version}_${epoch}_900_900_${Number.MAX_SAFE_INTEGER}`.slice(0, -1)
    const { start, end, chunk } = await events(bob, ahead)
    expect(chunk).toEqual([])
    expect(start).toBe(end)
    const eventId = await alice.says(roomId, 'hello')
    expect((await events(bob, end)).chunk).toMatchObject([{ event_id: eventId }])
  })

  test('P-097 a clean restart is not noticed', async () => {
    const { alice, bob, roomId, from } = await company()
    const eventId = await alice.says(roomId, 'before')
    await server.restarts()
    const { chunk, end } = await events(bob, from)
    expect(roomTypesIn(chunk)).toEqual(['m.room.message'])
    expect(chunk[0]).toMatchObject({ event_id: eventId })
    expect(roomTypesIn((await events(bob, end)).chunk)).toEqual([])
  })

  test('P-097 after an unclean one, rooms go on where they were and presence is told anew', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('online', 'before')
    const from = await endOf(bob)
    const eventId = await alice.says(roomId, 'kept')
    await server.crashes()
    const { chunk, end } = await events(bob, from)
    expect(chunk[0]).toMatchObject({ event_id: eventId })
    expect(statesIn(chunk)).toEqual({ [alice.userId]: 'online', [bob.userId]: 'online' })
    expect((await events(bob, end)).chunk).toEqual([])
  })
})

test('P-003 P-004 P-005 the token in the query follows the stream on api/v1 and r0, not on v3', async () => {
  const { bob } = await company()
  for (const [surface, status] of [
    ['api/v1', 200],
    ['r0', 200],
    ['v3', 401],
  ] as const) {
    for (const path of ['events', 'initialSync']) {
      const query = { access_token: bob.token, timeout: 0 }
      const reply = await server.request('GET', `/_matrix/client/${surface}/${path}`, { query })
      expect([surface, path, reply.status]).toEqual([surface, path, status])
    }
  }
})
