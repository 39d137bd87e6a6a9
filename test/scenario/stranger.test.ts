import { afterEach, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { Actor, presenceOf } from '../support/actors.ts'
import { tellStory, type Client, type Story } from '../support/story.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const BUSY = 'org.matrix.msc3026.busy'

let story: Story

afterEach(() => story.ends())

/** A person whose every answer is kept as it came, headers and all. */
async function overhearing(name: string): Promise<{ client: Client; overheard: string[] }> {
  const overheard: string[] = []
  const born = await story.server.registers(name)
  const actor = new Actor(name, born.password, born, async (method, path, options) => {
    const reply = await story.server.request(method, path, options)
    overheard.push(`${JSON.stringify([...reply.headers])} ${reply.text}`)
    return reply
  })
  return { client: story.client(actor), overheard }
}

async function privateRoom(alice: Client, bob: Client): Promise<string> {
  const room = await alice.actor.creates({ preset: 'private_chat', name: 'The garden' })
  await alice.actor.invites(room, bob.actor)
  await bob.actor.joins(room)
  return room
}

/** Everything of others that a stranger can think of asking for. */
async function pokes(eve: Actor, others: readonly Client[], room: string): Promise<void> {
  const roomPath = `/v3/rooms/${encodeURIComponent(room)}`
  for (const { userId } of others) {
    for (const surface of ['v3', 'r0', 'api/v1']) {
      const [of, ofNobody] = [
        await eve.status(userId, surface),
        await eve.status('@nobody:home.example', surface),
      ]
      expect([of.status, of.text]).toEqual([ofNobody.status, ofNobody.text])
      expect(of.status).toBe(surface === 'api/v1' ? 404 : 403)
    }
    const put = await eve.request('PUT', `/v3/presence/${encodeURIComponent(userId)}/status`, {
      body: { presence: 'online' },
    })
    expect(put.status).toBe(403)
    const search = await eve.ok('POST', '/v3/user_directory/search', {
      body: { search_term: userId.slice(1, 4) },
    })
    expect(search['results']).toEqual([])
  }
  for (const path of ['/messages?dir=b', '/members', '/joined_members', '/state'])
    expect((await eve.request('GET', `${roomPath}${path}`)).status, path).toBe(403)
  await eve.ok('GET', '/v3/sync', { query: { full_state: true } })
}

test('P-146 P-036 P-035 L-14 L-22 a stranger learns nothing at any moment of a day', async () => {
  story = await tellStory({ config: { presence: { busy: true } }, store: 'sqlite' })
  const alice = await story.person('alice')
  const bob = await story.person('bob')
  const phone = await story.another(alice, 'phone')
  const { client: eve, overheard } = await overhearing('eve')
  await eve.actor.creates({ preset: 'public_chat', name: 'Nobody comes here' })
  const room = await privateRoom(alice, bob)
  await bob.opens()
  await eve.opens()
  await story.rest()
  const start = story.server.clock.now()
  const opened = eve.answers.length

  const scenes: (() => Promise<unknown>)[] = [
    () => alice.opens(),
    () => alice.actor.sets('online', 'down the hole'),
    () => story.passes(6 * MINUTE),
    () => alice.actor.says(room, 'curiouser and curiouser'),
    () => alice.actor.names('Alice Liddell'),
    () => phone.opens({ set_presence: 'unavailable' }),
    () => phone.actor.sets(BUSY, 'at tea'),
    () => alice.actor.sets('hidden'),
    () => alice.actor.sets('free_for_chat'),
    () => phone.logsOut(),
    () => story.restarts({ end: 'clean' }),
    async () => alice.closes(),
    () => story.passes(MINUTE),
    () => alice.opens(),
    () => bob.actor.leaves(room),
    () => alice.actor.invites(room, bob.actor),
    () => bob.actor.joins(room),
    () => bob.actor.deactivates(),
  ]
  for (const scene of scenes) {
    await scene()
    await story.passes(10 * SECOND)
    await pokes(eve.actor, [alice, bob], room)
  }

  const secrets = [
    alice.userId,
    bob.userId,
    room,
    'The garden',
    'down the hole',
    'curiouser',
    'Liddell',
    'at tea',
    'hidden',
  ]
  for (const secret of secrets)
    expect(overheard.filter((answer) => answer.includes(secret)).slice(0, 1), secret).toEqual([])
  // The collection is what it should be: her own presence is in it.
  expect(overheard.some((answer) => answer.includes(`"sender":"${eve.userId}"`))).toBe(true)
  // Nor was she ever woken: when an answer comes is a message too. Her own timers, and the restart, are hers.
  const polls = (story.server.clock.now() - start) / (27 * SECOND)
  expect(eve.answers.length - opened).toBeLessThanOrEqual(polls + 5)
})

test('P-147 P-036 L-15 nor does one who is invited, has left, or was banned', async () => {
  story = await tellStory()
  const alice = await story.person('alice')
  const bob = await story.person('bob')
  const eve = await story.person('eve')
  const room = await privateRoom(alice, bob)
  await alice.opens()
  await bob.opens()
  await eve.opens()
  const roomPath = `/v3/rooms/${encodeURIComponent(room)}`
  const memberships: (() => Promise<unknown>)[] = [
    () => alice.actor.invites(room, eve.actor),
    () => eve.actor.leaves(room),
    () => alice.actor.invites(room, eve.actor),
    () => alice.actor.ok('POST', `${roomPath}/ban`, { body: { user_id: eve.userId } }),
    () => alice.actor.ok('POST', `${roomPath}/unban`, { body: { user_id: eve.userId } }),
  ]
  for (const changes of memberships) {
    await changes()
    await alice.actor.sets('online', `text ${story.server.clock.now()}`)
    await story.passes(6 * MINUTE)
    expect(await eve.asks(alice)).toBe('M_FORBIDDEN')
    expect(await alice.asks(eve)).toBe('M_FORBIDDEN')
  }
  for (const [watcher, watched] of [
    [eve, [alice, bob]],
    [alice, [eve]],
    [bob, [eve]],
  ] as const) {
    const senders = watcher.answers
      .flatMap((answer) => presenceOf(JSON.parse(answer) as JsonObject))
      .map(({ sender }) => sender)
    for (const other of watched)
      expect(senders, `${watcher.name} of ${other.name}`).not.toContain(other.userId)
  }
})
