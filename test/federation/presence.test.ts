import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/matrix/json.ts'
import { presenceOf, type Actor } from '../support/actors.ts'
import { HOME, openFederation, type FederationHouse } from '../support/federation-house.ts'
import type { HostileServer } from '../support/hostile-server.ts'
import { Follower } from '../support/lists.ts'
import { listEdu, Outsider, presenceEdu } from '../support/pairs.ts'
import type { TestServer } from '../support/server.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const BATCH = 10 * SECOND
const PING = 25 * MINUTE
const REMOTE_TTL = 30 * MINUTE
/** A server that speaks presence lists. */
const PEER = 'peer.example'
/** One that has rooms in common only. */
const ROOMS = 'rooms.example'
const OFF = { set_presence: 'offline' } as const

let house: FederationHouse
let home: TestServer
let peer: HostileServer
let rooms: HostileServer
let alice: Actor
let eve: Outsider

beforeEach(async () => {
  house = await openFederation({ names: [HOME], hostile: [PEER, ROOMS] })
  home = house.server(HOME)
  peer = house.peer(PEER)
  rooms = house.peer(ROOMS)
  alice = await home.registers('alice')
  eve = new Outsider('eve', peer, home)
  await alice.syncs(OFF)
})
afterEach(() => house.close())

/** A room of Alice with users of the other server in it. */
async function sharedRoom(...userIds: readonly string[]): Promise<string> {
  const roomId = await alice.creates({ preset: 'public_chat' })
  await house.plants(HOME, roomId, ...(userIds.length > 0 ? userIds : [`@rita:${ROOMS}`]))
  return roomId
}

async function polls(content: JsonObject): Promise<void> {
  const reply = await peer.says(home, [presenceEdu(content)])
  expect(reply.status).toBe(200)
  await house.quiet()
}

/** Forgets what the peers heard so far. */
function deafen(): void {
  for (const each of [peer, rooms]) each.heard.length = 0
}

describe('whom presence is pushed to', () => {
  test('P-165 P-167 a change goes to every server with a joined member of a common room', async () => {
    await sharedRoom(`@rita:${ROOMS}`, `@pete:${PEER}`)
    await house.advance(MINUTE)
    deafen()
    await alice.sets('online', 'hello')
    await house.quiet()
    for (const each of [peer, rooms])
      expect(each.pushes()).toEqual([
        {
          user_id: alice.userId,
          presence: 'online',
          last_active_ago: 0,
          currently_active: true,
          status_msg: 'hello',
        },
      ])
  })

  test('P-176 a server that has just joined is sent the presence of our members, and of nobody else', async () => {
    const bob = await home.registers('bob')
    const carol = await home.registers('carol')
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    for (const [who, text] of [
      [alice, 'a'],
      [bob, 'b'],
      [carol, 'c'],
    ] as const)
      await who.sets('unavailable', text)
    await house.plants(HOME, roomId, `@rita:${ROOMS}`)
    // As if nobody knew what it was told.
    await house.restarts(HOME, { end: 'unclean' })
    await house.advance(MINUTE)
    // And again when they do not come back after the restart.
    const unavailable = { presence: 'unavailable' }
    const offline = { presence: 'offline' }
    for (const [who, status_msg] of [
      [alice, 'a'],
      [bob, 'b'],
    ] as const)
      expect(rooms.pushes(who.userId)).toMatchObject([
        { ...unavailable, status_msg },
        { ...offline, status_msg },
      ])
    expect(rooms.pushes(carol.userId)).toEqual([])
  })

  test('P-166 a server with neither room nor grant nor entitled poll hears nothing at all', async () => {
    await polls({ poll: [alice.userId] })
    await peer.says(home, [listEdu('invite', eve.userId, alice.userId)])
    await alice.sets('online', 'private')
    await house.advance(HOUR)
    expect(peer.transactions).toEqual([])
    expect(rooms.heard).toEqual([])
  })

  test('P-166 P-061 it hears nothing more when the grant is gone', async () => {
    await eve.follows(alice, house)
    await alice.sets('online', 'while it lasts')
    await house.advance(BATCH)
    expect(peer.pushes(alice.userId).at(-1)).toMatchObject({ status_msg: 'while it lasts' })
    await new Follower(alice).revokes({ userId: eve.userId } as Actor)
    await house.advance(BATCH)
    deafen()
    await alice.sets('unavailable', 'over')
    await house.advance(HOUR)
    expect(peer.pushes(alice.userId)).toEqual([])
  })

  test('P-167 somebody who never was active has an age all the same', async () => {
    await home.clock.advance(MINUTE)
    const bob = await home.registers('bob')
    await house.advance(MINUTE)
    await eve.follows(bob, house)
    const pushes = peer.pushes(bob.userId)
    expect(pushes.length).toBeGreaterThan(0)
    for (const push of pushes) {
      expect(push).toMatchObject({ user_id: bob.userId, presence: 'offline' })
      expect(Number.isInteger(push['last_active_ago'])).toBe(true)
      expect(push['last_active_ago']).toBeGreaterThanOrEqual(0)
    }
  })

  test('busy has words for both kinds of server, if it is enabled', async () => {
    await house.restarts(HOME, { config: { presence: { busy: true } } })
    await eve.follows(alice, house)
    await sharedRoom()
    await alice.sets('org.matrix.msc3026.busy')
    await house.advance(BATCH)
    expect(rooms.pushes(alice.userId).at(-1)).toMatchObject({ presence: 'org.matrix.msc3026.busy' })
    expect(peer.pushes(alice.userId).at(-1)).toMatchObject({ presence: 'unavailable' })
  })

  test('P-165 free for chat is online for those who never knew it', async () => {
    await sharedRoom()
    await alice.sets('free_for_chat', undefined, 'api/v1')
    await house.advance(BATCH)
    expect(rooms.pushes(alice.userId).at(-1)).toMatchObject({ presence: 'online' })
  })

  test('presence.federation_out and federation.enabled keep everything at home', async () => {
    await sharedRoom()
    await house.advance(MINUTE)
    await house.restarts(HOME, { config: { presence: { federation_out: false } } })
    deafen()
    await alice.sets('online', 'at home')
    await house.advance(HOUR)
    expect(rooms.pushes()).toEqual([])
  })
})

describe('how it is pushed', () => {
  beforeEach(async () => {
    await eve.follows(alice, house)
    await house.advance(MINUTE)
    deafen()
  })

  test('P-174 P-171 the first change goes at once, later ones once a window, the newest of each user, with ages of that moment', async () => {
    await alice.sets('online', 'one')
    await house.quiet()
    expect(peer.transactions).toHaveLength(1)
    for (const text of ['two', 'three', 'four']) {
      await house.advance(SECOND)
      await alice.sets('online', text)
    }
    await house.advance(SECOND)
    expect(peer.transactions).toHaveLength(1)
    await house.advance(BATCH)
    expect(peer.pushes().map(({ status_msg }) => status_msg)).toEqual(['one', 'four'])
    const [first, second] = peer.transactions
    expect((second?.ts ?? 0) - (first?.ts ?? 0)).toBe(BATCH)
    // Said at three seconds, sent at ten.
    expect(peer.pushes()[1]?.['last_active_ago']).toBe(BATCH - 3 * SECOND)
    deafen()
    await house.advance(BATCH)
    await alice.sets('online', 'five')
    await house.quiet()
    expect(peer.pushes()).toMatchObject([{ status_msg: 'five', last_active_ago: 0 }])
  })

  test('P-174 a minute of changes is at most a transaction a window', async () => {
    for (let i = 0; i < 120; i += 1) {
      await alice.sets('online', `change ${i}`)
      await house.advance(SECOND / 2)
    }
    await house.advance(BATCH)
    expect(peer.transactions.length).toBeLessThanOrEqual(8)
    expect(peer.pushes().at(-1)).toMatchObject({ status_msg: 'change 119' })
  })

  test('P-173 P-159 many users and long texts are cut into EDUs of 50 entries and 64 KiB, a user once', async () => {
    const crowd: Actor[] = []
    for (let i = 0; i < 130; i += 1) crowd.push(await home.registers(`u${i}`))
    for (const each of crowd) await new Follower(each).decides('accept_all')
    for (let i = 0; i < crowd.length; i += 50)
      await peer.says(
        home,
        crowd.slice(i, i + 50).map(({ userId }) => listEdu('invite', eve.userId, userId)),
      )
    await house.advance(MINUTE)
    deafen()
    await alice.sets('online', 'opens the window')
    await house.quiet()
    // A control character takes six bytes in JSON.
    for (const text of ['\u0001'.repeat(1_024), 'short']) {
      deafen()
      for (const each of crowd) await each.sets('unavailable', text)
      await house.advance(2 * BATCH)
      // One or the other of so many may be pinged by and by.
      for (const { userId } of crowd) expect(peer.pushes(userId).at(-1)).toMatchObject({ status_msg: text })
      expect(peer.pushes().length).toBeLessThan(crowd.length + 10)
      for (const { edus } of peer.transactions) {
        expect(edus.length).toBeLessThanOrEqual(100)
        for (const edu of edus) {
          expect((edu.content['push'] as unknown[]).length).toBeLessThanOrEqual(50)
          expect(Buffer.byteLength(JSON.stringify(edu))).toBeLessThanOrEqual(65_536)
        }
        const users = edus.flatMap(({ content }) =>
          (content['push'] as JsonObject[]).map(({ user_id }) => user_id),
        )
        expect(new Set(users).size).toBe(users.length)
      }
    }
  })

  test('P-155 P-162 a peer of lists gets origin and destination in every EDU, others do not', async () => {
    await sharedRoom()
    await alice.sets('online')
    await house.advance(BATCH)
    const ofPeer = peer.transactions.flatMap(({ body }) => body['edus'] as JsonObject[])
    const ofRooms = rooms.transactions.flatMap(({ body }) => body['edus'] as JsonObject[])
    expect(ofPeer.length).toBeGreaterThan(0)
    for (const edu of ofPeer) expect(edu).toMatchObject({ origin: HOME, destination: PEER })
    expect(ofRooms.length).toBeGreaterThan(0)
    for (const edu of ofRooms) expect(Object.keys(edu).toSorted()).toEqual(['content', 'edu_type'])
  })
})

describe('what comes in', () => {
  beforeEach(async () => {
    await eve.isFollowedBy(alice, house)
    await alice.syncs(OFF)
  })

  async function statusOf(userId = eve.userId): Promise<JsonObject> {
    const { body } = await alice.status(userId)
    return body
  }

  test('P-175 a change reaches a client that waits, at once', async () => {
    const poll = alice.polls(OFF)
    await home.parked(1)
    await eve.pushes({ presence: 'online', status_msg: 'here', currently_active: true })
    expect(presenceOf(await poll.body)).toEqual([
      {
        type: 'm.presence',
        sender: eve.userId,
        content: expect.objectContaining({
          presence: 'online',
          status_msg: 'here',
          currently_active: true,
          last_active_ago: 0,
        }) as never,
      },
    ])
  })

  test('P-175 a change reaches the members of a common room, too', async () => {
    const rita = new Outsider('rita', rooms, home)
    await sharedRoom()
    await rita.pushes({ presence: 'unavailable', status_msg: 'member' })
    expect(await alice.sees({ userId: rita.userId, name: 'rita' } as Actor, 'unavailable')).toMatchObject({
      status_msg: 'member',
    })
  })

  test('P-168 L-09 entries of users of other servers are passed over, those beside them are not', async () => {
    const bob = await home.registers('bob')
    const roomId = await alice.creates({ preset: 'public_chat' })
    await bob.joins(roomId)
    await bob.sets('unavailable', 'mine')
    await house.plants(HOME, roomId, `@rita:${ROOMS}`)
    await new Outsider('rita', rooms, home).pushes({ presence: 'unavailable', status_msg: 'hers' })
    await peer.pushesTo(
      home,
      { user_id: bob.userId, presence: 'online', last_active_ago: 0, status_msg: 'spoofed' },
      { user_id: `@rita:${ROOMS}`, presence: 'online', last_active_ago: 0, status_msg: 'spoofed' },
      { user_id: eve.userId, presence: 'online', last_active_ago: 0, status_msg: 'honest' },
    )
    expect(await statusOf(bob.userId)).toMatchObject({ presence: 'unavailable', status_msg: 'mine' })
    expect(await statusOf(`@rita:${ROOMS}`)).toMatchObject({ presence: 'unavailable', status_msg: 'hers' })
    expect(await statusOf()).toMatchObject({ presence: 'online', status_msg: 'honest' })
  })

  test('P-169 L-08 entries without a state, or with one that nobody knows, are passed over', async () => {
    await eve.pushes({ presence: 'unavailable', status_msg: 'before' })
    for (const presence of [undefined, 'banana', 7, null, 'Online', ''])
      await peer.pushesTo(home, {
        user_id: eve.userId,
        last_active_ago: 0,
        status_msg: 'after',
        ...(presence !== undefined && { presence }),
      })
    expect(await statusOf()).toMatchObject({ presence: 'unavailable', status_msg: 'before' })
  })

  test('P-168 P-169 L-08 in one EDU what is no good is passed over and what is good is shown', async () => {
    const second = new Outsider('second', peer, home)
    await second.isFollowedBy(alice, house)
    const good = { presence: 'online', last_active_ago: 0 }
    const push = [
      null,
      'a text',
      [],
      {},
      { user_id: eve.userId },
      { presence: 'online' },
      { ...good, user_id: 7 },
      { ...good, user_id: eve.userId, status_msg: 'first' },
      { ...good, user_id: eve.userId, presence: 'banana', status_msg: 'banana' },
      { ...good, user_id: `@eve:${ROOMS}`, status_msg: 'spoofed' },
      { ...good, user_id: alice.userId, status_msg: 'spoofed' },
      { ...good, user_id: second.userId, last_active_ago: {}, status_msg: 'last' },
    ]
    const reply = await peer.says(home, [presenceEdu({ push, poll: 'nobody', unpoll: { a: 1 } })])
    expect([reply.status, reply.body]).toEqual([200, { pdus: {} }])
    expect(await statusOf()).toMatchObject({ presence: 'online', status_msg: 'first' })
    expect(await statusOf(second.userId)).toMatchObject({ presence: 'online', status_msg: 'last' })
    expect(JSON.stringify(await home.store.all('presence'))).not.toMatch(/spoofed|banana/)
  })

  test('L-08 what is wrong beside the state is left out, and the state taken', async () => {
    await eve.pushes({
      presence: 'online',
      status_msg: 7,
      last_active_ago: 'yesterday',
      currently_active: 'yes',
    })
    const status = await statusOf()
    expect(status['presence']).toBe('online')
    expect(status).not.toHaveProperty('status_msg')
    expect(status['currently_active'] ?? false).toBe(false)
    await eve.pushes({ presence: 'online', last_active_ago: -5_000 })
    expect((await statusOf())['last_active_ago']).toBe(0)
    await eve.pushes({ presence: 'online', status_msg: 'é'.repeat(1_000) })
    const text = (await statusOf())['status_msg'] as string
    expect(text).toMatch(/^é+$/)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(1_024)
    expect(Buffer.byteLength(text)).toBeGreaterThan(1_000)
  })

  test('P-170 an entry without a text clears the one before', async () => {
    await eve.pushes({ presence: 'online', status_msg: 'text' })
    expect(await statusOf()).toMatchObject({ status_msg: 'text' })
    await eve.pushes({ presence: 'online' })
    expect(await statusOf()).not.toHaveProperty('status_msg')
  })

  test('the states of 2015 and of others have their place', async () => {
    const shown = async (): Promise<unknown> => (await alice.status(eve.userId, 'api/v1')).body['presence']
    await eve.pushes({ presence: 'free_for_chat' })
    expect(await shown()).toBe('free_for_chat')
    await eve.pushes({ presence: 'hidden' })
    expect(await shown()).toBe('offline')
    await eve.pushes({ presence: 'busy' })
    expect(await shown()).toBe('unavailable')
    await eve.pushes({ presence: 'org.matrix.msc3026.busy' })
    expect(await shown()).toBe('unavailable')
  })

  test('P-181 EDUs count in their order: an accept before its push, the last push of a user', async () => {
    const other = `@other:${PEER}`
    await new Follower(alice).invites(other)
    await house.quiet()
    const asking = peer.edus('m.presence_invite').at(-1)
    await peer.says(home, [
      { edu_type: 'm.presence_accept', content: asking?.content ?? {} },
      presenceEdu({
        push: [{ user_id: other, presence: 'online', last_active_ago: 0, status_msg: 'first' }],
      }),
      presenceEdu({ push: [{ user_id: other, presence: 'online', last_active_ago: 0, status_msg: 'last' }] }),
    ])
    expect(await statusOf(other)).toMatchObject({ status_msg: 'last' })
  })

  test('P-180 a push that overtook the accept is shown when that comes, for ten minutes', async () => {
    const early = `@early:${PEER}`
    const push = { user_id: early, presence: 'online', last_active_ago: 0, status_msg: 'too early' }
    await new Follower(alice).invites(early)
    await house.quiet()
    const asking = peer.edus('m.presence_invite').at(-1)
    await peer.pushesTo(home, push)
    expect((await alice.status(early)).status).toBe(403)
    expect((await home.store.all('presence')).filter(({ userId }) => userId === early)).toEqual([])
    await house.advance(MINUTE)
    await peer.says(home, [{ edu_type: 'm.presence_accept', content: asking?.content ?? {} }])
    expect(await statusOf(early)).toMatchObject({ presence: 'online', status_msg: 'too early' })
    const late = `@late:${PEER}`
    await new Follower(alice).invites(late)
    await peer.pushesTo(home, { ...push, user_id: late })
    await house.advance(11 * MINUTE)
    const asked = peer.edus('m.presence_invite').findLast(({ content }) => content['observed_user'] === late)
    await peer.says(home, [{ edu_type: 'm.presence_accept', content: asked?.content ?? {} }])
    expect(await statusOf(late)).toMatchObject({ presence: 'offline' })
  })

  test('P-166 nothing is stored of users whom nobody here may see', async () => {
    const push = Array.from({ length: 40 }, (_, i) => ({
      user_id: `@stranger${i}:${PEER}`,
      presence: 'online',
      last_active_ago: 0,
    }))
    await peer.pushesTo(home, ...push)
    await house.advance(MINUTE)
    const rows = await home.store.all('presence')
    expect(rows.map(({ userId }) => userId)).toEqual([alice.userId])
  })

  test('presence.federation_in switched off takes nothing', async () => {
    await house.restarts(HOME, { config: { presence: { federation_in: false } } })
    await eve.pushes({ presence: 'online', status_msg: 'knock' })
    expect(await statusOf()).not.toMatchObject({ presence: 'online' })
  })

  test('P-197 who is not refreshed goes offline, which is told; lists wait for the long watchdog and five minutes', async () => {
    await sharedRoom()
    const rita = new Outsider('rita', rooms, home)
    await rita.pushes({ presence: 'online', status_msg: 'still here?' })
    await eve.pushes({ presence: 'online' })
    await alice.syncs(OFF)
    await house.advance(REMOTE_TTL - MINUTE)
    expect(presenceOf(await alice.syncs(OFF))).toEqual([])
    await house.advance(MINUTE + 5 * SECOND)
    expect(presenceOf(await alice.syncs(OFF))).toMatchObject([
      { sender: rita.userId, content: { presence: 'offline', status_msg: 'still here?' } },
    ])
    await house.advance(HOUR + 6 * MINUTE - REMOTE_TTL)
    await house.advance(6 * MINUTE)
    expect(presenceOf(await alice.syncs(OFF))).toMatchObject([
      { sender: eve.userId, content: { presence: 'offline' } },
    ])
  })

  test('P-197 P-151 time goes on over a restart, and what was known is kept', async () => {
    await sharedRoom()
    const rita = new Outsider('rita', rooms, home)
    await rita.pushes({ presence: 'online', status_msg: 'kept' })
    await house.advance(REMOTE_TTL - 5 * MINUTE)
    await house.restarts(HOME, { end: 'unclean' })
    expect(await statusOf(rita.userId)).toMatchObject({ presence: 'online', status_msg: 'kept' })
    await house.advance(5 * MINUTE + 5 * SECOND)
    expect(await statusOf(rita.userId)).toMatchObject({ presence: 'offline', status_msg: 'kept' })
  })

  test('P-197 a refresh, even of the same, starts the time anew', async () => {
    await sharedRoom()
    const rita = new Outsider('rita', rooms, home)
    for (let i = 0; i < 5; i += 1) {
      await rita.pushes({ presence: 'unavailable' })
      await house.advance(PING)
      expect(await statusOf(rita.userId)).toMatchObject({ presence: 'unavailable' })
    }
  })
})

describe('polls', () => {
  test('P-177 P-184 a poll for somebody whom the peer may see is answered at once, each time', async () => {
    await alice.sets('unavailable', 'ask me')
    await eve.follows(alice, house)
    await house.advance(MINUTE)
    for (let i = 0; i < 2; i += 1) {
      deafen()
      await polls({ poll: [alice.userId] })
      expect(peer.pushes()).toMatchObject([
        { user_id: alice.userId, presence: 'offline', status_msg: 'ask me' },
      ])
    }
    await alice.sets('online', 'now')
    await house.quiet()
    deafen()
    await polls({ poll: [alice.userId] })
    expect(peer.pushes()).toMatchObject([{ user_id: alice.userId, presence: 'online', status_msg: 'now' }])
  })

  test('P-178 a poll for anybody else is met with silence, whether they exist or not', async () => {
    const bob = await home.registers('bob')
    await bob.sets('online', 'private')
    await eve.follows(alice, house)
    await house.advance(MINUTE)
    deafen()
    await polls({ poll: [bob.userId, `@nobody:${HOME}`, `@far:${ROOMS}`, 'no user', 7] })
    await bob.sets('unavailable', 'still private')
    await house.advance(HOUR)
    expect(peer.pushes().filter(({ user_id }) => user_id !== alice.userId)).toEqual([])
    expect(await home.store.all('polls')).toEqual([])
  })

  test('P-178 asking is no permission, also when it comes by a server in a common room with others', async () => {
    const bob = await home.registers('bob')
    await sharedRoom()
    await rooms.says(home, [presenceEdu({ poll: [bob.userId] })])
    await house.advance(MINUTE)
    expect(rooms.pushes(bob.userId)).toEqual([])
  })

  test('P-179 P-182 P-184 changes are pushed until unpoll; polls and unpolls change what there is', async () => {
    const bob = await home.registers('bob')
    await eve.follows(alice, house)
    await eve.follows(bob, house)
    await polls({ poll: [alice.userId] })
    await polls({ poll: [bob.userId] })
    await house.advance(MINUTE)
    deafen()
    for (const one of [alice, bob]) await one.sets('online', 'both')
    await house.advance(BATCH)
    expect(new Set(peer.pushes().map(({ user_id }) => user_id))).toEqual(new Set([alice.userId, bob.userId]))
    await polls({ unpoll: [alice.userId] })
    deafen()
    for (const one of [alice, bob]) await one.sets('unavailable', 'one')
    await house.advance(BATCH)
    expect(new Set(peer.pushes().map(({ user_id }) => user_id))).toEqual(new Set([bob.userId]))
    // Remembered over a restart.
    await house.restarts(HOME, { end: 'unclean' })
    await house.advance(MINUTE)
    deafen()
    for (const one of [alice, bob]) await one.sets('online', 'still one')
    await house.advance(BATCH)
    expect(new Set(peer.pushes().map(({ user_id }) => user_id))).toEqual(new Set([bob.userId]))
    await polls({ poll: [alice.userId] })
    expect(peer.pushes(alice.userId)).toMatchObject([{ status_msg: 'still one' }])
  })

  test('P-179 a common room goes on showing who was unpolled', async () => {
    await eve.follows(alice, house)
    await polls({ unpoll: [alice.userId] })
    await sharedRoom(eve.userId)
    await house.advance(MINUTE)
    deafen()
    await alice.sets('online', 'in the room')
    await house.advance(BATCH)
    expect(peer.pushes(alice.userId)).toMatchObject([{ status_msg: 'in the room' }])
  })

  test('P-183 we poll while an observer is connected, with their own state if that server may see it, and unpoll when the last one leaves', async () => {
    const bob = await home.registers('bob')
    await eve.isFollowedBy(alice, house)
    await eve.isFollowedBy(bob, house)
    await eve.follows(alice, house)
    await house.advance(MINUTE)
    deafen()
    const wishes = (): JsonObject[] =>
      peer
        .edus('m.presence')
        .filter(({ content }) => [content['poll'], content['unpoll']].flat().includes(eve.userId))
        .map(({ content }) => content)
    await house.advance(DAY)
    expect(wishes()).toEqual([])
    const ours = house.client(alice)
    await ours.opens()
    await house.advance(BATCH)
    expect(wishes()).toMatchObject([{ poll: [eve.userId] }])
    expect(wishes()[0]?.['push']).toMatchObject([{ user_id: alice.userId }])
    const other = house.client(bob)
    await other.opens()
    await house.advance(BATCH)
    expect(wishes()).toHaveLength(1)
    ours.closes()
    await house.advance(MINUTE)
    expect(wishes()).toHaveLength(1)
    other.closes()
    await house.advance(MINUTE)
    expect(wishes()[1]?.['unpoll']).toEqual([eve.userId])
    expect(wishes()).toHaveLength(2)
  })

  test('P-183 an accept that comes while the observer is connected is followed by a poll', async () => {
    const ours = house.client(alice)
    await ours.opens()
    await eve.isFollowedBy(alice, house)
    await house.advance(BATCH)
    expect(peer.edus('m.presence').map(({ content }) => content['poll'])).toContainEqual([eve.userId])
  })
})

describe('timers', () => {
  test('P-196 who stays as they are is pushed again within the interval, and who is offline is not', async () => {
    const bob = await home.registers('bob')
    const roomId = await sharedRoom()
    await bob.joins(roomId)
    const client = house.client(alice)
    await client.opens({ set_presence: 'online' })
    await house.advance(5 * MINUTE)
    deafen()
    await house.advance(PING + MINUTE)
    expect(rooms.pushes(alice.userId)).toHaveLength(1)
    await house.advance(2 * PING)
    expect(rooms.pushes(alice.userId).length).toBeGreaterThanOrEqual(3)
    expect(rooms.pushes(alice.userId).length).toBeLessThanOrEqual(4)
    expect(rooms.pushes(bob.userId)).toEqual([])
    // Never later than the others forget us.
    const times = rooms.transactions.map(({ ts }) => ts)
    for (const [index, ts] of times.slice(1).entries())
      expect(ts - (times[index] ?? 0)).toBeLessThan(REMOTE_TTL)
  })

  test('L-11 the pings of many are spread over the interval', async () => {
    const roomId = await sharedRoom()
    // Busy people need no open connection for an hour.
    await house.restarts(HOME, { config: { presence: { busy: true } } })
    for (let i = 0; i < 100; i += 1) {
      const actor = await home.registers(`u${i}`)
      await actor.joins(roomId)
      await actor.sets('org.matrix.msc3026.busy')
    }
    await house.advance(30 * MINUTE)
    deafen()
    await house.advance(PING)
    const perMinute = new Map<number, number>()
    for (const { ts, edus } of rooms.transactions)
      for (const { content } of edus)
        for (const _ of content['push'] as JsonObject[])
          perMinute.set(Math.floor(ts / MINUTE), (perMinute.get(Math.floor(ts / MINUTE)) ?? 0) + 1)
    const total = [...perMinute.values()].reduce((sum, count) => sum + count, 0)
    expect(total).toBeGreaterThanOrEqual(90)
    expect(total).toBeLessThanOrEqual(220)
    expect(Math.max(...perMinute.values())).toBeLessThan(total / 4)
    expect(perMinute.size).toBeGreaterThan(8)
  })

  test('P-198 P-199 a silent peer of lists is reminded: one EDU with all that it follows and all that is followed there', async () => {
    await eve.isFollowedBy(alice, house)
    await eve.follows(alice, house)
    const client = house.client(alice)
    await client.opens({ set_presence: 'unavailable' })
    await house.advance(BATCH)
    await eve.pushes({ presence: 'online' })
    deafen()
    // The peer answers what it is sent, so the short timer rests until nothing is sent any more.
    await house.advance(2 * MINUTE)
    const reminders = peer
      .edus('m.presence')
      .filter(({ content }) => (content['poll'] as unknown[]).length > 0)
    expect(reminders.length).toBeGreaterThanOrEqual(1)
    expect(reminders[0]?.content).toMatchObject({
      push: [{ user_id: alice.userId, presence: 'unavailable' }],
      poll: [eve.userId],
    })
  })

  test('P-198 any message of the peer resets the short timer; reminders that change nothing become rare', async () => {
    await eve.isFollowedBy(alice, house)
    const client = house.client(alice)
    await client.opens({ set_presence: 'unavailable' })
    await house.advance(BATCH)
    await eve.pushes({ presence: 'online' })
    deafen()
    for (let i = 0; i < 20; i += 1) {
      await peer.says(home, [])
      await house.advance(30 * SECOND)
    }
    expect(peer.edus('m.presence')).toEqual([])
    await house.advance(3 * HOUR)
    const reminders = peer.edus('m.presence').length
    expect(reminders).toBeGreaterThanOrEqual(4)
    expect(reminders).toBeLessThanOrEqual(20)
  })

  test('P-200 reminders of different peers do not fall together', async () => {
    const names = Array.from({ length: 8 }, (_, i) => `p${i}.example`)
    const many = await openFederation({ names: [HOME], hostile: names })
    const dora = await many.registers('dora', HOME)
    for (const name of names)
      await new Outsider('eve', many.peer(name), many.server(HOME)).follows(dora, many)
    for (const name of names) many.peer(name).heard.length = 0
    // The short timer is kept quiet, so that only the long one is left.
    const times = new Map<string, number>()
    for (let i = 0; i < 140 && times.size < names.length; i += 1) {
      for (const name of names) await many.peer(name).says(many.server(HOME), [])
      await many.advance(30 * SECOND)
      for (const name of names) {
        const [first] = many.peer(name).transactions
        if (first !== undefined && !times.has(name)) times.set(name, first.ts)
      }
    }
    expect(times.size).toBe(names.length)
    const all = [...times.values()]
    expect(new Set(all).size).toBeGreaterThan(4)
    expect(Math.max(...all) - Math.min(...all)).toBeGreaterThan(MINUTE)
    await many.close()
  })

  test('P-198 chat traffic does not reset the long timer', async () => {
    await eve.isFollowedBy(alice, house)
    const client = house.client(alice)
    await client.opens({ set_presence: 'unavailable' })
    await house.advance(BATCH)
    await eve.pushes({ presence: 'online' })
    deafen()
    for (let i = 0; i < 140; i += 1) {
      await peer.says(home, [])
      await house.advance(30 * SECOND)
    }
    const reminders = peer.edus('m.presence').length
    expect(reminders).toBeGreaterThanOrEqual(1)
    expect(reminders).toBeLessThanOrEqual(2)
  })
})
