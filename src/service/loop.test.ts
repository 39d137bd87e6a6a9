import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import { Engine } from '../engine/engine.ts'
import { Outcome } from '../engine/effects.ts'
import type { PresencePolicy } from '../engine/types.ts'
import type { DeviceId, RoomId, ServerName, UserId } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Row } from '../ports/store.ts'
import { createLoop, type LoopDeps, type SeeOptions } from './loop.ts'

const SECOND = 1_000
const MINUTE = 60_000
const POLICY: PresencePolicy = {
  idleTimeoutMs: 5 * MINUTE,
  activeWindowMs: MINUTE,
  offlineGraceMs: 30 * SECOND,
  busyGraceMs: 60 * MINUTE,
  offlineCutoffMs: 7 * 24 * 60 * MINUTE,
  maxRoomMembers: 0,
  hideFromIgnored: false,
  pingIntervalMs: 25 * MINUTE,
  remoteTimeoutMs: 30 * MINUTE,
  listPeerTimeoutMs: 65 * MINUTE,
}
const ALICE = '@alice:home.example' as UserId
const BOB = '@bob:home.example' as UserId
const PHONE = 'PHONE' as DeviceId
const LAPTOP = 'LAPTOP' as DeviceId
const ROOM = '!room:home.example' as RoomId
const ALL: SeeOptions = { limit: 100, omitOffline: false, snapshot: false, accepts: () => true }

function world(over: Partial<LoopDeps> = {}) {
  const clock = new ManualClock()
  const rows: Row<'presence'>[] = []
  const urgent: boolean[] = []
  const woken: UserId[] = []
  const dropped: UserId[] = []
  const sighted: UserId[] = []
  const pushed: string[] = []
  const polls: string[] = []
  const errors: string[] = []
  const note = (_: unknown, message: string): void => void errors.push(message)
  const log: Log = { debug: note, info: note, warn: note, error: note }
  const loop = createLoop({
    enabled: true,
    engine: new Engine({ policy: POLICY, head: 0 }),
    clock,
    persist: {
      add: (row, isPublished) => {
        rows.push(row)
        urgent.push(isPublished)
      },
      drop: (userId) => void dropped.push(userId),
    },
    wakeups: { users: (userIds) => void woken.push(...userIds) },
    log,
    serverName: 'home.example' as ServerName,
    destinations: {
      offerPresence: (server, userIds) =>
        void pushed.push(...[...userIds].map((userId) => `${server} ${userId}`)),
      offerPolls: (server, { poll, unpoll }) =>
        void polls.push(`${server} +${poll.join()} -${unpoll.join()}`),
    },
    onSighted: (userId) => void sighted.push(userId),
    ...over,
  })
  return { clock, rows, urgent, woken, dropped, sighted, pushed, polls, errors, loop }
}

/** Alice and Bob in one room; Bob listens without being there himself. */
function company(over: Partial<LoopDeps> = {}) {
  const all = world(over)
  all.loop.joined(ROOM, ALICE)
  all.loop.joined(ROOM, BOB)
  all.loop.begin()
  const stopListening = all.loop.openStream(BOB, LAPTOP, 'offline')
  all.woken.length = 0
  const state = (): string | undefined => all.loop.view(BOB, ALICE)?.state
  return { ...all, stopListening, state }
}

function stored(userId: UserId, over: Partial<Row<'presence'>> = {}): Row<'presence'> {
  const rest = {
    statusMsg: null,
    lastActiveTs: 5,
    hidden: 0,
    hiddenBy: null,
    currentlyActive: 0,
    refreshedTs: null,
  } as const
  return { userId, state: 'online', ...rest, ...over }
}

describe('grants', () => {
  test('P-033 P-061 show the observed to the observer, and wake who listens; taken away they hide at once', () => {
    const { loop, woken } = world()
    loop.begin()
    loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'keep' } })
    loop.openStream(BOB, LAPTOP, 'offline')
    woken.length = 0
    loop.granted(BOB, ALICE)
    expect(loop.view(BOB, ALICE)?.state).toBe('online')
    expect(loop.view(ALICE, BOB)).toBeNull()
    expect(woken).toEqual([BOB])
    const since = { seq: loop.head, skip: 0 }
    loop.revoked(BOB, ALICE)
    expect(loop.view(BOB, ALICE)).toBeNull()
    expect(woken).toEqual([BOB, BOB])
    expect(loop.read(BOB, since, ALL).entries).toMatchObject([{ userId: ALICE, view: { visible: false } }])
  })

  test('P-151 of before the start are in force, and no news', () => {
    const { loop } = world()
    loop.restore([stored(ALICE)])
    loop.granted(BOB, ALICE)
    const before = loop.head
    loop.begin()
    expect(loop.view(BOB, ALICE)?.state).toBe('online')
    expect(loop.head).toBe(before)
  })

  test('P-064 ignore lists can be asked', () => {
    const { loop } = world()
    expect(loop.isIgnored(ALICE, BOB)).toBe(false)
    loop.ignores(BOB, [ALICE])
    expect([loop.isIgnored(ALICE, BOB), loop.isIgnored(BOB, ALICE)]).toEqual([true, false])
    loop.ignores(BOB, [])
    expect(loop.isIgnored(ALICE, BOB)).toBe(false)
  })
})

describe('a report', () => {
  test('P-082 P-095 is stored, published and wakes those who listen', () => {
    const { loop, rows, woken, clock } = company()
    const before = loop.head
    loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'set', text: 'hello' } })
    expect(rows.at(-1)).toEqual(
      stored(ALICE, { statusMsg: 'hello', lastActiveTs: clock.now(), currentlyActive: 1 }),
    )
    expect(woken).toEqual([BOB])
    expect(loop.head).toBeGreaterThan(before)
    const { entries, position } = loop.read(BOB, { seq: before, skip: 0 }, ALL)
    expect(entries).toMatchObject([{ userId: ALICE, view: { state: 'online', statusMsg: 'hello' } }])
    expect(loop.read(BOB, position, ALL).entries).toEqual([])
  })

  test('P-151 names the device that hid, for the disk', () => {
    const { loop, rows } = company()
    loop.report(ALICE, PHONE, { presence: 'hidden', status: { kind: 'keep' } })
    expect(rows.at(-1)).toMatchObject({ userId: ALICE, hidden: 1, hiddenBy: PHONE })
    loop.deviceRemoved(ALICE, PHONE)
    expect(rows.at(-1)).toMatchObject({ userId: ALICE, hidden: 1, hiddenBy: null })
  })

  test('what others were told is stored sooner than what they were not', async () => {
    const { loop, clock, urgent } = company()
    loop.openStream(ALICE, PHONE, 'online')
    expect(urgent.at(-1)).toBe(true)
    await clock.advance(10 * SECOND)
    loop.acted(ALICE, PHONE)
    expect(urgent.at(-1)).toBe(false)
  })

  test('P-036 a question about somebody unknown leaves no trace', () => {
    const { loop } = company()
    expect(loop.view(BOB, '@nobody:home.example' as UserId)).toBeNull()
    expect(loop.view('@nobody:home.example' as UserId, ALICE)).toBeNull()
    expect(loop.deviceState(ALICE, 'NONE' as DeviceId)).toBeNull()
  })
})

describe('time', () => {
  test('P-132 P-142 P-134 deadlines are served by one timer', async () => {
    const { clock, loop, state } = company()
    const close = loop.openStream(ALICE, PHONE, 'implicit')
    expect(clock.timers).toBe(1)
    await clock.advance(MINUTE)
    expect(loop.view(BOB, ALICE)).toMatchObject({ state: 'online', currentlyActive: false })
    await clock.advance(4 * MINUTE - 1)
    expect(state()).toBe('online')
    await clock.advance(5 * SECOND)
    expect(state()).toBe('unavailable')
    close()
    await clock.advance(30 * SECOND - 1)
    expect(state()).toBe('unavailable')
    await clock.advance(5 * SECOND)
    expect(state()).toBe('offline')
    expect(clock.timers).toBeLessThanOrEqual(1)
  })

  test('P-134 a nearer deadline does not wait for a farther one', async () => {
    const { clock, loop } = company()
    loop.openStream(ALICE, PHONE, 'implicit')
    loop.report(BOB, PHONE, { presence: 'unavailable', status: { kind: 'keep' } })
    await clock.advance(30 * SECOND)
    expect(loop.deviceState(BOB, PHONE)).toBeNull()
    expect(loop.view(ALICE, BOB)?.state).toBe('offline')
  })

  test('P-135 L-01 forty polls with gaps never look offline', async () => {
    const { clock, loop, rows } = company()
    for (let cycle = 0; cycle < 40; cycle += 1) {
      const close = loop.openStream(ALICE, PHONE, 'implicit')
      await clock.advance(30 * SECOND)
      close()
      await clock.advance(100 + ((cycle * 379) % 900))
    }
    const states = rows.filter(({ userId }) => userId === ALICE).map(({ state }) => state)
    expect(states).not.toContain('offline')
    expect(states.at(-1)).toBe('unavailable')
  })

  test('P-143 L-18 an idle connected user causes no write and no wake', async () => {
    const { clock, loop, rows, woken } = company()
    let close = loop.openStream(ALICE, PHONE, 'implicit')
    await clock.advance(6 * MINUTE)
    rows.length = 0
    woken.length = 0
    for (let poll = 0; poll < 20; poll += 1) {
      close()
      close = loop.openStream(ALICE, PHONE, 'implicit')
      await clock.advance(30 * SECOND)
    }
    expect([rows, woken]).toEqual([[], []])
  })

  test('polls that come and go are not each a search for the next deadline', () => {
    const engine = new Engine({ policy: POLICY, head: 0 })
    const nextDeadline = engine.nextDeadline.bind(engine)
    let searches = 0
    engine.nextDeadline = () => {
      searches += 1
      return nextDeadline()
    }
    const { loop } = company({ engine })
    loop.openStream(ALICE, PHONE, 'online')()
    searches = 0
    for (let poll = 0; poll < 100; poll += 1) loop.openStream(ALICE, PHONE, 'implicit')()
    expect(searches).toBeLessThan(5)
  })

  test('L-17 two devices that disagree wake nobody', async () => {
    const { clock, loop, woken } = company()
    loop.openStream(ALICE, PHONE, 'online')
    loop.openStream(ALICE, LAPTOP, 'unavailable')
    await clock.advance(10 * SECOND)
    woken.length = 0
    for (let poll = 0; poll < 10; poll += 1) {
      loop.openStream(ALICE, PHONE, 'online')()
      loop.openStream(ALICE, LAPTOP, 'unavailable')()
      await clock.advance(SECOND)
    }
    expect(woken).toEqual([])
  })

  test('a fault in a deadline is logged and tried again later', async () => {
    let fails = true
    const engine = {
      head: 0,
      horizon: 0,
      begin: () => new Outcome().effects(),
      apply: () => new Outcome().effects(),
      nextDeadline: () => 1,
      deadlineBound: 1,
      tick: () => {
        if (fails) throw new Error('a bug')
        return new Outcome().effects()
      },
    } as unknown as Engine
    const { clock, loop, errors } = world({ engine })
    loop.begin()
    await clock.advance(10 * SECOND)
    expect(errors.length).toBeGreaterThan(0)
    expect(errors.length).toBeLessThan(5)
    fails = false
    const before = errors.length
    await clock.advance(10 * SECOND)
    expect(errors).toHaveLength(before)
    loop.stop()
  })
})

describe('the life of a device', () => {
  test('P-140 a logout is offline at once, and what is still open then ends in silence', () => {
    const { loop, state } = company()
    const close = loop.openStream(ALICE, PHONE, 'online')
    loop.deviceRemoved(ALICE, PHONE)
    expect(state()).toBe('offline')
    close()
    loop.deviceRemoved(ALICE, PHONE)
    expect(state()).toBe('offline')
  })

  test('P-140 what an ended login left open does not end what the next login of the same name opened', async () => {
    const { loop, clock, state } = company()
    const close = loop.openStream(ALICE, PHONE, 'online')
    loop.deviceRemoved(ALICE, PHONE)
    loop.openStream(ALICE, PHONE, 'online')
    close()
    await clock.advance(MINUTE)
    expect(state()).toBe('online')
  })

  test('P-026 equal device IDs of two users are two devices', () => {
    const { loop } = company()
    loop.openStream(ALICE, PHONE, 'online')
    loop.openStream(BOB, PHONE, 'unavailable')
    expect(loop.deviceState(ALICE, PHONE)).toBe('online')
    expect(loop.deviceState(BOB, PHONE)).toBe('unavailable')
  })

  test('L-19 a deactivated account is offline at once', () => {
    const { loop, rows } = company()
    loop.openStream(ALICE, PHONE, 'online')
    loop.deactivated(ALICE)
    expect(rows.at(-1)).toMatchObject({ userId: ALICE, state: 'offline' })
    expect(loop.deviceState(ALICE, PHONE)).toBeNull()
  })

  test('P-148 ignored users are not told of', () => {
    const { loop, woken } = company()
    loop.ignores(BOB, [ALICE])
    const since = { seq: loop.head, skip: 0 }
    woken.length = 0
    loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'keep' } })
    expect(woken).toEqual([])
    expect(loop.read(BOB, since, ALL).entries).toEqual([])
  })
})

describe('start and stop', () => {
  test('P-152 P-141 restored users keep their state for one grace and are then told offline', async () => {
    const { loop, clock } = world()
    loop.restore([stored(ALICE, { statusMsg: 'kept' }), stored(BOB, { state: 'offline' })])
    loop.joined(ROOM, ALICE)
    loop.joined(ROOM, BOB)
    await clock.advance(10 * MINUTE)
    loop.begin()
    const since = { seq: loop.head, skip: 0 }
    expect(loop.view(BOB, ALICE)).toMatchObject({ state: 'online', statusMsg: 'kept' })
    await clock.advance(30 * SECOND - 1)
    expect(loop.view(BOB, ALICE)?.state).toBe('online')
    await clock.advance(5 * SECOND)
    expect(loop.read(BOB, since, ALL).entries).toMatchObject([
      { userId: ALICE, view: { state: 'offline', statusMsg: 'kept' } },
    ])
  })

  test('P-021a P-151 a restored hiding still belongs to its device', () => {
    const { loop } = world()
    loop.restore([stored(ALICE, { hidden: 1, hiddenBy: PHONE })])
    loop.joined(ROOM, ALICE)
    loop.joined(ROOM, BOB)
    loop.begin()
    loop.report(ALICE, LAPTOP, { presence: 'online', status: { kind: 'keep' } })
    expect(loop.view(ALICE, ALICE)?.hidden).toBe(true)
    loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'keep' } })
    expect(loop.view(BOB, ALICE)?.state).toBe('online')
  })

  test('P-147 L-15 excluded rooms show nobody', () => {
    const { loop } = world()
    loop.exclude([ROOM])
    loop.joined(ROOM, ALICE)
    loop.joined(ROOM, BOB)
    loop.begin()
    expect(loop.view(BOB, ALICE)).toBeNull()
  })

  test('P-029 with presence off nobody comes online and who was goes offline', async () => {
    const { loop, clock, rows } = world({ enabled: false })
    loop.restore([stored(ALICE)])
    loop.joined(ROOM, ALICE)
    loop.joined(ROOM, BOB)
    loop.begin()
    loop.registered(BOB, null)
    loop.report(BOB, PHONE, { presence: 'online', status: { kind: 'set', text: 'x' } })
    loop.acted(BOB, PHONE)
    loop.profileChanged(BOB, PHONE)
    loop.openStream(BOB, PHONE, 'online')()
    await clock.advance(MINUTE)
    expect(rows).toEqual([stored(ALICE, { state: 'offline' })])
  })

  test('after a stop nothing happens any more', async () => {
    const { loop, clock, rows, woken } = company()
    const close = loop.openStream(ALICE, PHONE, 'online')
    loop.stop()
    rows.length = 0
    woken.length = 0
    close()
    loop.report(ALICE, PHONE, { presence: 'offline', status: { kind: 'keep' } })
    await clock.advance(10 * MINUTE)
    expect([rows, woken, clock.timers]).toEqual([[], [], 0])
  })
})

describe('users of other servers', () => {
  const ZOE = '@zoe:far.example' as UserId
  const FAR = 'far.example' as ServerName
  const ONLINE = { state: 'online', statusMsg: null, lastActiveTs: 5, currentlyActive: false } as const

  test('are known by what their server says, if somebody may see them, and kept with its time', () => {
    const { loop, clock, rows, sighted } = world()
    loop.begin()
    expect(loop.pushed(ZOE, ONLINE)).toBe(false)
    loop.granted(ALICE, ZOE)
    expect(sighted).toEqual([ZOE])
    expect(loop.pushed(ZOE, ONLINE)).toBe(true)
    expect(loop.view(ALICE, ZOE)).toMatchObject({ state: 'online', lastActiveTs: 5 })
    expect(rows).toMatchObject([{ userId: ZOE, state: 'online', refreshedTs: clock.now() }])
  })

  test('are polled while a follower is connected, and dropped when nobody may see them any more', async () => {
    const { loop, clock, polls, dropped } = world()
    loop.begin()
    loop.granted(ALICE, ZOE)
    const ends = loop.openStream(ALICE, PHONE, 'implicit')
    expect([polls, loop.followedAt(FAR), loop.followersOf(ZOE)]).toEqual([
      [`${FAR} +${ZOE} -`],
      [ZOE],
      [ALICE],
    ])
    ends()
    await clock.advance(MINUTE)
    expect(polls.slice(1)).toEqual([`${FAR} + -${ZOE}`])
    loop.pushed(ZOE, ONLINE)
    loop.revoked(ALICE, ZOE)
    expect(dropped).toEqual([ZOE])
    expect(loop.pushed(ZOE, ONLINE)).toBe(false)
  })

  test('are an audience: their server is offered what they may see, until it declines', () => {
    const { loop, pushed } = world()
    loop.begin()
    loop.granted(ZOE, ALICE)
    loop.report(ALICE, PHONE, { presence: 'online', status: { kind: 'keep' } })
    expect(pushed).toEqual([`${FAR} ${ALICE}`, `${FAR} ${ALICE}`])
    expect(loop.published(ALICE)).toMatchObject({ state: 'online' })
    expect([loop.serverSees(FAR, ALICE), loop.serverSees(FAR, BOB)]).toEqual([true, false])
    expect(loop.servers()).toEqual([FAR])
    expect([loop.visibleToServer(FAR), loop.followedBy(FAR)]).toEqual([[ALICE], [ALICE]])
    loop.polled(FAR, ALICE, false)
    expect([loop.visibleToServer(FAR), loop.followedBy(FAR)]).toEqual([[ALICE], []])
  })

  test('whose name became known are told of; strangers are not', () => {
    const { loop, woken } = world()
    loop.begin()
    loop.granted(ALICE, ZOE)
    loop.openStream(ALICE, PHONE, 'offline')
    loop.pushed(ZOE, ONLINE)
    woken.length = 0
    loop.remoteProfileChanged(ZOE)
    loop.remoteProfileChanged('@nobody:far.example' as UserId)
    expect(woken).toEqual([ALICE])
  })

  test('expire later when their server speaks presence lists; questions about the unknown have empty answers', async () => {
    const { loop, clock } = world()
    loop.begin()
    expect([loop.followedAt(FAR), loop.visibleToServer(FAR), loop.followersOf(ZOE)]).toEqual([[], [], []])
    loop.granted(ALICE, ZOE)
    loop.peerSpeaksLists(FAR)
    loop.pushed(ZOE, ONLINE)
    await clock.advance(64 * MINUTE)
    expect(loop.view(ALICE, ZOE)?.state).toBe('online')
    await clock.advance(MINUTE)
    expect(loop.view(ALICE, ZOE)?.state).toBe('offline')
  })
})
