import { afterEach, describe, expect, test } from 'vitest'
import { presenceOf, type Actor, type PresenceEvent, type SyncParams } from '../support/actors.ts'
import { startServer, type ServerOptions, type TestServer } from '../support/server.ts'

const OFF = { set_presence: 'offline' } as const

let server: TestServer

afterEach(() => server.close())

interface Company {
  alice: Actor
  bob: Actor
  roomId: string
}

/** Two users in one room. Bob watches without being there himself, so that only Alice changes. */
async function company(config: ServerOptions['config'] = {}): Promise<Company> {
  server = await startServer({ config })
  const alice = await server.registers('alice')
  const bob = await server.registers('bob')
  const roomId = await alice.creates({ preset: 'public_chat' })
  await bob.joins(roomId)
  return { alice, bob, roomId }
}

/** The presence of one sync. */
async function told(who: Actor, params: SyncParams = {}): Promise<PresenceEvent[]> {
  return presenceOf(await who.syncs({ ...OFF, ...params }))
}

function senders(events: readonly PresenceEvent[]): string[] {
  return events.map(({ sender }) => sender).toSorted()
}

/** Whether the answer came; an aborted request never gets one. */
function watched(reply: Promise<unknown>): { is: boolean } {
  const done = { is: false }
  reply.then(
    () => (done.is = true),
    () => {},
  )
  return done
}

/** A filter as the query parameter takes it. */
function only(presence: object): SyncParams {
  return { filter: JSON.stringify({ presence }) }
}

describe('what a sync tells', () => {
  test('P-081 P-084 P-106 the first one tells of oneself', async () => {
    const { bob } = await company()
    const [own, ...others] = await told(bob, { set_presence: 'online' })
    expect(others).toEqual([])
    expect(own).toEqual({
      type: 'm.presence',
      sender: bob.userId,
      content: {
        presence: 'online',
        last_active_ago: 0,
        currently_active: true,
      },
    })
  })

  test('P-081 P-099 the first one leaves out others who are offline, not oneself', async () => {
    const { alice, bob } = await company()
    await alice.sets('offline', 'gone fishing')
    expect(senders(await told(bob))).toEqual([bob.userId])
    await alice.sets('online')
    bob.since = null
    expect(senders(await told(bob))).toEqual([alice.userId, bob.userId])
  })

  test('P-082 P-087 a change comes with the next sync, once', async () => {
    const { alice, bob } = await company()
    await told(bob)
    await alice.sets('online', 'in a call')
    expect(await told(bob)).toMatchObject([
      {
        sender: alice.userId,
        content: { presence: 'online', status_msg: 'in a call', currently_active: true },
      },
    ])
    expect(await told(bob)).toEqual([])
  })

  test('P-083 L-16 of many changes the latest is told, one entry a user', async () => {
    const { alice, bob } = await company()
    await told(bob)
    for (const state of ['online', 'unavailable', 'offline', 'unavailable']) await alice.sets(state, state)
    expect(await told(bob)).toMatchObject([
      { sender: alice.userId, content: { presence: 'unavailable', status_msg: 'unavailable' } },
    ])
  })

  test('P-082 going offline is told to those who have a token', async () => {
    const { alice, bob } = await company()
    await alice.sets('online')
    await told(bob)
    await alice.sets('offline')
    expect((await told(bob)).map(({ content }) => content.presence)).toEqual(['offline'])
  })

  test('P-085 P-086 who joins a room is told of its members, and they of the newcomer', async () => {
    const { alice, bob, roomId } = await company()
    const carol = await server.registers('carol')
    await alice.sets('online')
    await bob.sets('unavailable', 'lunch')
    await carol.sets('online')
    await told(alice)
    await told(carol)
    await carol.joins(roomId)
    const body = await carol.syncs(OFF)
    expect(Object.keys((body['rooms'] as { join: object }).join)).toEqual([roomId])
    expect(senders(presenceOf(body))).toEqual([alice.userId, bob.userId])
    expect(senders(await told(alice))).toEqual([carol.userId])
  })

  test('P-087 joining a second common room tells nothing again', async () => {
    const { alice, bob } = await company()
    await alice.sets('online')
    const second = await alice.creates({ preset: 'public_chat' })
    await told(bob)
    await bob.joins(second)
    expect(senders(await told(bob)).filter((sender) => sender !== bob.userId)).toEqual([])
  })

  test('P-098 leaving the last common room is told as one offline, to both', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('online', 'here')
    await bob.sets('online')
    await told(alice)
    await told(bob)
    await bob.leaves(roomId)
    const ofAlice = (await told(bob)).filter(({ sender }) => sender === alice.userId)
    const ofBob = (await told(alice)).filter(({ sender }) => sender === bob.userId)
    expect(ofAlice.map(({ content }) => content)).toEqual([{ presence: 'offline' }])
    expect(ofBob.map(({ content }) => content)).toEqual([{ presence: 'offline' }])
    await alice.sets('unavailable')
    expect(await told(bob)).toEqual([])
  })

  test('P-096 full_state tells as a first sync does, and moves on', async () => {
    const { alice, bob } = await company()
    await alice.sets('online')
    await told(bob)
    const before = bob.since
    const first = await bob.syncs({ ...OFF, full_state: true })
    expect(senders(presenceOf(first))).toEqual([alice.userId, bob.userId])
    expect(first['next_batch']).not.toBe(before)
    const second = await bob.syncs({ ...OFF, full_state: true })
    expect(second['next_batch']).not.toBe(first['next_batch'])
    expect(await told(bob)).toEqual([])
  })

  test('P-145 one’s own changes come to one’s other devices', async () => {
    const { alice } = await company()
    const laptop = await server.logsIn(alice)
    await told(laptop)
    await alice.sets('unavailable', 'from the phone')
    expect(await told(laptop)).toMatchObject([
      { sender: alice.userId, content: { status_msg: 'from the phone' } },
    ])
  })

  test('P-146 strangers are told nothing', async () => {
    const { alice } = await company()
    const eve = await server.registers('eve')
    await told(eve)
    await alice.sets('online')
    await alice.sets('unavailable', 'x')
    expect(await told(eve)).toEqual([])
  })

  test('P-147 L-15 invitees neither see nor are seen', async () => {
    const { alice, roomId } = await company()
    const eve = await server.registers('eve')
    await eve.sets('online')
    await alice.sets('online')
    await told(alice)
    await told(eve)
    await alice.invites(roomId, eve)
    await eve.sets('unavailable')
    await alice.sets('unavailable')
    expect(senders(await told(eve))).toEqual([eve.userId])
    expect(senders(await told(alice))).toEqual([alice.userId])
  })

  test('P-147 L-15 an excluded room shows nobody, the newcomer neither', async () => {
    const { alice, bob } = await company()
    const carol = await server.registers('carol')
    const excluded = await carol.creates({ preset: 'public_chat' })
    await server.restarts({ config: { presence: { excluded_rooms: [excluded] } } })
    await alice.joins(excluded)
    await told(alice)
    await told(carol)
    await carol.sets('online')
    await bob.joins(excluded)
    expect(senders(await told(alice))).not.toContain(carol.userId)
    expect((await alice.status(carol)).status).toBe(403)
  })

  test('P-148 who is ignored looks offline once and is not told of any more', async () => {
    const { alice, bob } = await company()
    await alice.sets('online')
    await told(bob)
    await bob.ok('PUT', `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`, {
      body: { ignored_users: { [alice.userId]: {} } },
    })
    expect((await told(bob)).map(({ content }) => content)).toEqual([{ presence: 'offline' }])
    await alice.sets('online', 'hello')
    expect(await told(bob)).toEqual([])
    bob.since = null
    expect(senders(await told(bob))).toEqual([bob.userId])
  })
})

describe('names and hiding', () => {
  test('P-109 P-117 a name travels with every event', async () => {
    const { alice, bob } = await company()
    await alice.names('Alice Margatroid')
    await told(bob)
    await alice.sets('unavailable')
    expect(await told(bob)).toMatchObject([
      { content: { presence: 'unavailable', displayname: 'Alice Margatroid' } },
    ])
    await alice.names('')
    const [event] = await told(bob)
    expect(event?.content).not.toHaveProperty('displayname')
  })

  test('P-114 P-144 a new name is told with the state as it is', async () => {
    const { alice, bob } = await company()
    await alice.sets('unavailable', 'tea')
    await told(bob)
    await alice.names('Alice L.')
    expect(await told(bob)).toMatchObject([
      { sender: alice.userId, content: { status_msg: 'tea', displayname: 'Alice L.' } },
    ])
  })

  test('P-110 P-111 hiding is told once, without time or text, and then nothing', async () => {
    const { alice, bob, roomId } = await company()
    await alice.sets('online', 'here')
    await alice.names('Alice')
    await told(bob)
    await alice.sets('hidden')
    const [event, ...more] = await told(bob)
    expect(more).toEqual([])
    expect(event?.content).toEqual({ presence: 'offline', displayname: 'Alice' })
    const poll = bob.polls({ ...OFF, filter: JSON.stringify({ room: { rooms: [] } }) })
    await server.quiet()
    await alice.says(roomId, 'boo')
    await alice.syncs({ set_presence: 'online' })
    await alice.sets('hidden', 'secret')
    await server.clock.advance(30_000)
    expect(presenceOf(await poll.body)).toEqual([])
  })

  test('P-092 L-05 a sync ends neither hiding nor text', async () => {
    const { alice, bob } = await company()
    await alice.sets('hidden', 'mine')
    for (const set_presence of ['online', 'unavailable', 'offline']) await alice.syncs({ set_presence })
    await alice.syncs()
    expect((await alice.status(alice, 'api/v1')).body).toMatchObject({
      presence: 'hidden',
      status_msg: 'mine',
    })
    expect((await bob.status(alice)).body).toEqual({ presence: 'offline' })
  })

  test('P-112 a hidden user is told of others', async () => {
    const { alice, bob } = await company()
    await alice.sets('hidden')
    await told(alice)
    await bob.sets('online')
    expect(senders(await told(alice))).toEqual([bob.userId])
  })
})

describe('set_presence', () => {
  test('P-088 absent, it brings an offline device online', async () => {
    const { alice, bob } = await company()
    await alice.syncs()
    expect((await bob.status(alice)).body['presence']).toBe('online')
  })

  test('P-089 offline does not', async () => {
    const { alice, bob } = await company()
    await alice.syncs(OFF)
    const poll = alice.polls(OFF)
    await server.quiet()
    expect((await bob.status(alice)).body['presence']).toBe('offline')
    poll.abort()
  })

  test('P-090 unavailable is published', async () => {
    const { alice, bob } = await company()
    await told(bob)
    await alice.syncs({ set_presence: 'unavailable' })
    expect(await told(bob)).toMatchObject([{ sender: alice.userId, content: { presence: 'unavailable' } }])
  })

  test('P-091 any other word is 400', async () => {
    const { alice } = await company()
    for (const set_presence of ['', 'away', 'free_for_chat', 'hidden', 'ONLINE', 'org.matrix.msc3026.busy']) {
      const reply = await alice.request('GET', '/v3/sync', { query: { set_presence } })
      expect([reply.status, reply.body['errcode']], set_presence).toEqual([400, 'M_INVALID_PARAM'])
    }
  })

  test('P-093 L-02 is never answered with 429, and keeps counting as a connection', async () => {
    const { alice, bob } = await company({ rate_limits: { enabled: true } })
    for (let i = 0; i < 20; i += 1)
      await alice.syncs({ set_presence: i % 2 === 0 ? 'unavailable' : 'online' })
    for (let i = 0; i < 4; i += 1) {
      await alice.syncs({ set_presence: 'online' })
      await server.clock.advance(20_000)
    }
    expect((await bob.status(alice)).body['presence']).not.toBe('offline')
    await alice.syncs(OFF)
    expect((await bob.status(alice)).body['presence']).toBe('offline')
  })
})

describe('waiting', () => {
  test('P-094 without a timeout the answer comes at once', async () => {
    const { bob } = await company()
    await told(bob)
    const start = server.clock.now()
    expect(await told(bob)).toEqual([])
    expect(await told(bob, { timeout: 0 })).toEqual([])
    expect(server.clock.now()).toBe(start)
  })

  test('P-095 L-12 R-211 a change of a visible user ends the wait without time passing', async () => {
    const { alice, bob } = await company()
    await told(bob)
    const poll = bob.polls(OFF)
    await server.quiet()
    await alice.sets('online', 'now')
    expect(presenceOf(await poll.body)).toMatchObject([
      { sender: alice.userId, content: { status_msg: 'now' } },
    ])
  })

  test('P-095 P-100 R-212 what the filter hides neither ends the wait nor comes later', async () => {
    const { alice, bob } = await company()
    await told(bob)
    for (const presence of [{ types: [] }, { not_types: ['m.presence'] }, { not_senders: [alice.userId] }]) {
      const poll = bob.polls({ ...OFF, ...only(presence) })
      await server.quiet()
      await alice.sets('online', JSON.stringify(presence))
      const done = watched(poll.reply)
      await server.clock.advance(20_000)
      expect(done.is).toBe(false)
      await server.clock.advance(10_000)
      expect(presenceOf(await poll.body)).toEqual([])
    }
  })

  test('P-146 a stranger’s change does not end the wait', async () => {
    const { alice } = await company()
    const eve = await server.registers('eve')
    await told(eve)
    const poll = eve.polls(OFF)
    await server.quiet()
    await alice.sets('online')
    const done = watched(poll.reply)
    await server.clock.advance(20_000)
    expect(done.is).toBe(false)
    poll.abort()
  })

  test('R-211 with nothing to tell the answer comes at the time-out, empty', async () => {
    const { bob } = await company()
    await told(bob)
    const poll = bob.polls(OFF)
    await server.quiet()
    await server.clock.advance(30_000)
    expect(presenceOf(await poll.body)).toEqual([])
  })

  test('R-218 P-140 logging out ends the wait with 401', async () => {
    const { alice } = await company()
    await told(alice)
    const poll = alice.polls(OFF)
    await server.parked(1)
    await alice.ok('POST', '/v3/logout', { body: {} })
    const reply = await poll.reply
    expect([reply.status, reply.body['errcode']]).toEqual([401, 'M_UNKNOWN_TOKEN'])
  })

  test('R-194 a since that is not ours, or a timeout that is no number, is 400', async () => {
    const { bob } = await company()
    for (const query of [
      { since: 's1_2_3' },
      { since: 'a1__1_1_1' },
      { timeout: 'soon' },
      { timeout: -1 },
      { full_state: 'yes' },
    ]) {
      const reply = await bob.request('GET', '/v3/sync', { query })
      expect([reply.status, reply.body['errcode']], JSON.stringify(query)).toEqual([400, 'M_INVALID_PARAM'])
    }
  })
})

describe('filters', () => {
  test('P-100 P-103 by type', async () => {
    const { alice, bob } = await company()
    await alice.sets('online')
    for (const [presence, count] of [
      [{ types: [] }, 0],
      [{ not_types: ['m.presence'] }, 0],
      [{ not_types: ['m.pres*'] }, 0],
      [{ types: ['m.room.*'] }, 0],
      [{ types: ['*'] }, 2],
      [{ types: ['m.p*e'] }, 2],
      [{ types: ['*'], not_types: ['*'] }, 0],
    ] as const) {
      bob.since = null
      expect(await told(bob, only(presence)), JSON.stringify(presence)).toHaveLength(count)
    }
  })

  test('P-101 by sender, exclusion winning', async () => {
    const { alice, bob } = await company()
    await alice.sets('online')
    for (const [presence, expected] of [
      [{ senders: [alice.userId] }, [alice.userId]],
      [{ not_senders: [alice.userId] }, [bob.userId]],
      [{ senders: [alice.userId, bob.userId], not_senders: [bob.userId] }, [alice.userId]],
      [{ senders: [] }, []],
    ] as const) {
      bob.since = null
      expect(senders(await told(bob, only(presence))), JSON.stringify(presence)).toEqual(expected)
    }
  })

  test('P-104 L-16 a limit delivers the oldest changes first and the rest with later syncs, each once', async () => {
    const { bob, roomId } = await company()
    const names = ['carol', 'dave', 'erin', 'frank', 'grace']
    const crowd: Actor[] = []
    for (const name of names) crowd.push(await server.registers(name))
    for (const one of crowd) await one.joins(roomId)
    await told(bob)
    for (const one of crowd) await one.sets('online', 'here')
    const seen: string[] = []
    for (let i = 0; i < 4; i += 1) {
      const part = await told(bob, only({ limit: 2 }))
      expect(part.length).toBeLessThanOrEqual(2)
      seen.push(...part.map(({ sender }) => sender))
    }
    expect(seen).toEqual(crowd.map(({ userId }) => userId))
  })

  test('P-104 L-16 a limited first sync leaves nobody out for good', async () => {
    const { alice, bob, roomId } = await company()
    const crowd: Actor[] = [alice]
    for (const name of ['carol', 'dave', 'erin']) crowd.push(await server.registers(name))
    for (const one of crowd.slice(1)) await one.joins(roomId)
    for (const one of crowd) await one.sets('online', 'here')
    const seen = new Set<string>()
    for (let i = 0; i < 6; i += 1)
      for (const { sender } of await told(bob, only({ limit: 2 }))) seen.add(sender)
    expect([...seen].toSorted()).toEqual([...crowd.map(({ userId }) => userId), bob.userId].toSorted())
  })
})
