import { describe, expect, test } from 'vitest'
import { aRoomHouse, as, aUser, refusal, type RoomHouse } from '../../test/support/room-house.ts'
import { must } from '../base/assert.ts'
import type { EventId, RoomId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { Pdu } from '../matrix/room-event.ts'
import { createMemoryStore } from '../store/memory.ts'

const ALICE = aUser('alice')
const BOB = aUser('bob')

/** What the event cites, as types and users. */
async function citedBy(house: RoomHouse, pdu: Pdu): Promise<string[]> {
  const rows = await house.store.events(pdu.auth_events)
  return rows.map((row) => (row.type === 'm.room.member' ? `member of ${row.stateKey}` : row.type)).sort()
}

async function lastPdu(house: RoomHouse, roomId: RoomId): Promise<Pdu> {
  return must((await house.pdus(roomId)).at(-1), 'an event').pdu
}

describe('the graph', () => {
  test('R-044 a new event cites the one before it and is one deeper', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.message('alice', roomId, 'one')
    await house.message('bob', roomId, 'two')
    const events = await house.pdus(roomId)
    events.forEach(({ pdu }, index) => {
      expect(pdu.depth).toBe(index + 1)
      expect(pdu.prev_events).toEqual(index === 0 ? [] : [events[index - 1]?.eventId])
    })
    expect(await house.store.extremities(roomId)).toEqual([events.at(-1)?.eventId])
  })

  test('R-044 with several extremities all are cited, the deepest ten of them', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const ids: EventId[] = []
    for (let n = 0; n < 12; n += 1) ids.push(await house.message('alice', roomId, `${n}`))
    await house.store.commit(ids.map((eventId) => ({ put: 'extremities', row: { roomId, eventId } })))
    const again = await aRoomHouse({ store: house.store })
    const deepest = (await house.pdu(must(ids.at(-1), 'the last'))).depth
    const eventId = await again.message('alice', roomId, 'all together')
    const pdu = await again.pdu(eventId)
    expect(pdu.prev_events).toEqual(ids.slice(2).reverse())
    expect(pdu.depth).toBe(deepest + 1)
    expect(new Set(await again.store.extremities(roomId))).toEqual(new Set([ids[0], ids[1], eventId]))
    expect((await again.pdu(await again.message('alice', roomId, 'next'))).prev_events).toEqual([
      eventId,
      ids[1],
      ids[0],
    ])
  })

  test('R-046 a message of version 11 cites create, power levels and the sender', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    await house.message('bob', roomId, 'hi')
    const pdu = await lastPdu(house, roomId)
    expect(await citedBy(house, pdu)).toEqual(['m.room.create', 'm.room.power_levels', `member of ${BOB}`])
  })

  test('R-047 in version 12 nothing cites the create event, and the first join cites nothing', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('12', 'bob')
    await house.message('bob', roomId, 'hi')
    const [create, join, ...others] = await house.pdus(roomId)
    expect(join?.pdu.auth_events).toEqual([])
    for (const { pdu } of others) expect(pdu.auth_events).not.toContain(create?.eventId)
    expect(others.length).toBeGreaterThan(3)
  })

  test('R-048 member events cite what they are judged by', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const base = ['m.room.create', 'm.room.power_levels']
    expect(await citedBy(house, await lastPdu(house, roomId))).toEqual([
      'm.room.create',
      'm.room.join_rules',
      'm.room.power_levels',
    ])
    await house.rooms.membership.kick(as('alice'), { roomId, target: BOB })
    expect(await citedBy(house, await lastPdu(house, roomId))).toEqual([
      ...base,
      `member of ${ALICE}`,
      `member of ${BOB}`,
    ])
    await house.rooms.membership.invite(as('alice'), { roomId, target: BOB })
    expect(await citedBy(house, await lastPdu(house, roomId))).toEqual([
      'm.room.create',
      'm.room.join_rules',
      'm.room.power_levels',
      `member of ${ALICE}`,
      `member of ${BOB}`,
    ])
    await house.rooms.membership.ban(as('alice'), { roomId, target: BOB })
    expect(await citedBy(house, await lastPdu(house, roomId))).toEqual([
      ...base,
      `member of ${ALICE}`,
      `member of ${BOB}`,
    ])
  })

  test('a refused event is not stored and never cited', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const before = await house.pdus(roomId)
    expect(await refusal(house.state('bob', roomId, 'm.room.name', { name: 'mine' }))).toBe('403 M_FORBIDDEN')
    expect(await house.pdus(roomId)).toEqual(before)
    const eventId = await house.message('bob', roomId, 'hi')
    expect((await house.pdu(eventId)).prev_events).toEqual([before.at(-1)?.eventId])
  })

  test('R-051 sends at the same time make a chain', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    const first = (await house.pdus(roomId)).length
    await Promise.all(
      Array.from({ length: 20 }, (_, n) => house.message(n % 2 === 0 ? 'alice' : 'bob', roomId, `${n}`)),
    )
    const events = (await house.pdus(roomId)).slice(first)
    expect(events.map(({ pdu }) => pdu.content['body'])).toEqual(Array.from({ length: 20 }, (_, n) => `${n}`))
    events.slice(1).forEach(({ pdu }, index) => {
      expect(pdu.prev_events).toEqual([events[index]?.eventId])
    })
  })

  test('every event is signed by us and says when it was made', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    await house.clock.advance(5_000)
    await house.message('alice', roomId, 'hi')
    const pdu = await lastPdu(house, roomId)
    expect(pdu.origin_server_ts).toBe(house.clock.now())
    expect(Object.keys(pdu.signatures['home.example'] ?? {})).toEqual(['ed25519:a_1'])
    expect(pdu.hashes.sha256).toMatch(/^[A-Za-z0-9+/]{43}$/)
  })
})

describe('limits', () => {
  test('R-037 an event of more than 65,536 bytes is refused, a message and state alike', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const content = (bytes: number): JsonObject => ({ body: 'x'.repeat(bytes) })
    expect(await refusal(house.send('alice', roomId, 'm.room.message', content(65_536)))).toBe(
      '413 M_TOO_LARGE',
    )
    expect(await refusal(house.state('alice', roomId, 'm.room.topic', content(65_536)))).toBe(
      '413 M_TOO_LARGE',
    )
    await house.send('alice', roomId, 'm.room.message', content(64_000))
  })

  test('R-038 a type or a state key of more than 255 bytes is refused', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('6')
    const long = 'é'.repeat(128)
    expect(await refusal(house.send('alice', roomId, long, {}))).toBe('413 M_TOO_LARGE')
    expect(await refusal(house.state('alice', roomId, 'org.example', {}, long))).toBe('413 M_TOO_LARGE')
    await house.state('alice', roomId, 'org.example', {}, 'é'.repeat(127))
  })

  test('content without a canonical form is refused', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    expect(await refusal(house.send('alice', roomId, 'm.x', { n: 1.5 }))).toBe('400 M_BAD_JSON')
    expect(await refusal(house.send('alice', roomId, 'm.x', { t: '\ud800' }))).toBe('400 M_BAD_JSON')
  })

  test('a key __proto__ in the content is data', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    const content = JSON.parse('{"__proto__":{"polluted":1},"body":"x"}') as JsonObject
    const eventId = await house.send('alice', roomId, 'm.room.message', content)
    expect(JSON.stringify((await house.pdu(eventId)).content)).toContain('"__proto__":{"polluted":1}')
    expect(({} as JsonObject)['polluted']).toBeUndefined()
  })

  test('requests beyond the queue of one room are sent away, and the room goes on', async () => {
    const house = await aRoomHouse({ queuePerRoomMax: 3 })
    const roomId = await house.publicRoom('11')
    const sends = Array.from({ length: 5 }, (_, n) => house.message('alice', roomId, `${n}`))
    const outcomes = await Promise.allSettled(sends)
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ])
    const sent = Promise.reject((outcomes[4] as PromiseRejectedResult).reason as Error)
    expect(await refusal(sent)).toBe('429 M_LIMIT_EXCEEDED')
    await house.message('alice', roomId, 'later')
  })
})

describe('what others are told', () => {
  test('the device that sent is active, and every joined member is woken', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11', 'bob')
    house.told.length = 0
    house.woken.length = 0
    await house.message('bob', roomId, 'hi')
    expect(house.told).toEqual([`acted ${BOB} PHONE`])
    expect(house.woken).toEqual([[ALICE, BOB]])
  })

  test('joining and leaving are told once; a new name is no join', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    house.told.length = 0
    await house.join('bob', roomId)
    await house.join('bob', roomId, { displayname: 'Bobby' })
    await house.rooms.membership.leave(as('bob'), roomId, undefined)
    expect(house.told.filter((line) => !line.startsWith('acted'))).toEqual([
      `joined ${roomId} ${BOB}`,
      `left ${roomId} ${BOB}`,
    ])
    expect([...house.memberships.joinedMembers(roomId)]).toEqual([ALICE])
  })

  test('whom an event concerns is woken too: the invited, the kicked', async () => {
    const house = await aRoomHouse()
    const roomId = await house.create('alice')
    house.woken.length = 0
    await house.rooms.membership.invite(as('alice'), { roomId, target: BOB })
    await house.rooms.membership.kick(as('alice'), { roomId, target: BOB })
    expect(house.woken).toEqual([
      [ALICE, BOB],
      [ALICE, BOB],
    ])
  })

  test('everything is durable before anybody is told', async () => {
    const store = createMemoryStore()
    let committed = 0
    const house = await aRoomHouse({
      store: {
        ...store,
        async commit(writes) {
          expect(house.told).toHaveLength(committed)
          expect(house.woken).toHaveLength(committed)
          await new Promise<void>((resolve) => setImmediate(resolve))
          await store.commit(writes)
          committed += 1
        },
      },
    })
    const roomId = await house.create('alice').catch((error: unknown) => error)
    expect(typeof roomId).toBe('string')
    expect(house.told.length).toBeGreaterThan(0)
  })

  test('a commit that fails changes nothing, and the room goes on from what is stored', async () => {
    const store = createMemoryStore()
    let fails = false
    const house = await aRoomHouse({
      store: {
        ...store,
        async commit(writes) {
          if (fails) throw new Error('disk full')
          await store.commit(writes)
        },
      },
    })
    const roomId = await house.publicRoom('11')
    house.told.length = 0
    fails = true
    await expect(house.join('bob', roomId)).rejects.toThrow('disk full')
    expect(house.told).toEqual([])
    expect(await house.membership(roomId, 'bob')).toBeUndefined()
    fails = false
    await house.join('bob', roomId)
    expect(await house.membership(roomId, 'bob')).toBe('join')
  })

  test('a commit that was done but not confirmed is found again', async () => {
    const store = createMemoryStore()
    let fails = false
    const house = await aRoomHouse({
      store: {
        ...store,
        async commit(writes) {
          await store.commit(writes)
          if (fails) throw new Error('the answer was lost')
        },
      },
    })
    const roomId = await house.publicRoom('11')
    fails = true
    await expect(house.state('alice', roomId, 'm.room.name', { name: 'x' })).rejects.toThrow('was lost')
    fails = false
    expect(await house.content(roomId, 'm.room.name')).toEqual({ name: 'x' })
    const eventId = await house.message('alice', roomId, 'next')
    const rows = await store.events((await house.pdu(eventId)).prev_events)
    expect(rows.map((row) => row.type)).toEqual(['m.room.name'])
  })

  test('a room that is not known is refused like one that the user is not in', async () => {
    const house = await aRoomHouse()
    const roomId = await house.publicRoom('11')
    expect(await refusal(house.message('bob', roomId, 'x'))).toBe('403 M_FORBIDDEN')
    expect(await refusal(house.message('bob', '!nowhere:home.example' as RoomId, 'x'))).toBe(
      '403 M_FORBIDDEN',
    )
  })
})
