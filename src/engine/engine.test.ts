import { describe, expect, test } from 'vitest'
import {
  engineKit,
  HOUR,
  MINUTE,
  NOTHING,
  SECOND,
  START,
  type EngineKit,
} from '../../test/support/engine-kit.ts'

/** Alice and Bob in one room; Bob listens, and has read everything. */
function company(): EngineKit {
  const kit = engineKit()
  kit.joins('room', 'alice', 'bob')
  kit.listens('bob')
  kit.catchUp('bob')
  return kit
}

describe('idling', () => {
  test('P-132 an online device without activity for IDLE_TIMEOUT becomes unavailable, not a millisecond before', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.passes(5 * MINUTE - 1)
    expect(kit.state('alice', 'bob')).toBe('online')
    expect(kit.passes(1).published).toEqual([['alice', 'state']])
    expect(kit.state('alice', 'bob')).toBe('unavailable')
  })

  test('P-132 P-127 polling alone does not put it off, activity does', () => {
    const kit = company()
    for (let i = 0; i < 10; i += 1) {
      kit.opens('alice', 'phone')
      kit.passes(29 * SECOND)
      kit.closes('alice', 'phone')
      kit.passes(1 * SECOND)
    }
    expect(kit.state('alice')).toBe('unavailable')
    kit.opens('alice', 'phone')
    kit.acts('alice', 'phone')
    kit.passes(5 * MINUTE - 1)
    expect(kit.state('alice')).toBe('online')
    kit.passes(1)
    expect(kit.state('alice')).toBe('unavailable')
  })

  test('P-132 a client that says online with every poll stays online', () => {
    const kit = company()
    for (let i = 0; i < 100; i += 1) {
      kit.opens('alice', 'phone', 'online')
      kit.passes(30 * SECOND)
      kit.closes('alice', 'phone', 'online')
    }
    expect(kit.state('alice', 'bob')).toBe('online')
  })

  test('P-133 busy does not idle', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.puts('alice', 'phone', 'busy')
    kit.passes(100 * HOUR)
    expect(kit.state('alice', 'bob')).toBe('busy')
  })

  test('P-130 activity ends idling; P-131 it does not lift a manual offline', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.passes(6 * MINUTE)
    expect(kit.acts('alice', 'phone').published).toEqual([['alice', 'state']])
    expect(kit.state('alice', 'bob')).toBe('online')
    kit.puts('alice', 'phone', 'offline')
    kit.passes(10 * SECOND)
    expect(kit.acts('alice', 'phone').wakes).toEqual([])
    expect(kit.view('bob', 'alice')).toMatchObject({ state: 'offline', lastActiveTs: kit.now })
  })

  test('activity of who is not connected moves the time and nothing else', () => {
    const kit = company()
    kit.acts('alice', 'phone')
    expect(kit.view('bob', 'alice')).toMatchObject({ state: 'offline', lastActiveTs: kit.now })
    expect(kit.engine.deviceState(kit.user('alice'), kit.device('alice', 'phone'))).toBeNull()
  })
})

describe('coming and going', () => {
  test('P-134 a device with no open stream for OFFLINE_GRACE goes offline, not a millisecond before', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.passes(MINUTE)
    kit.closes('alice', 'phone')
    kit.passes(30 * SECOND - 1)
    expect(kit.state('alice', 'bob')).toBe('online')
    expect(kit.passes(1).published).toEqual([['alice', 'state']])
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-135 forty polls with gaps under the grace are one online and no offline', () => {
    const kit = company()
    for (let i = 0; i < 40; i += 1) {
      kit.opens('alice', 'phone')
      kit.passes(30 * SECOND)
      kit.closes('alice', 'phone')
      kit.passes(i % 2 === 0 ? 100 : 29_999)
      expect(kit.state('alice', 'bob')).not.toBe('offline')
    }
  })

  test('P-136 while one of several streams is open the device stays', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.opens('alice', 'phone')
    kit.closes('alice', 'phone')
    kit.passes(HOUR)
    expect(kit.state('alice', 'bob')).toBe('unavailable')
    kit.closes('alice', 'phone')
    kit.passes(30 * SECOND)
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-137 a state set by a device without a stream lapses after the grace', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'online', 'here')
    kit.passes(30 * SECOND - 1)
    expect(kit.state('alice', 'bob')).toBe('online')
    kit.passes(1)
    expect(kit.view('bob', 'alice')).toMatchObject({ state: 'offline', statusMsg: 'here' })
  })

  test('P-134 busy has a grace of its own', () => {
    const kit = company()
    kit.opens('alice', 'phone', 'busy')
    kit.closes('alice', 'phone', 'busy')
    kit.passes(HOUR - 1)
    expect(kit.state('alice', 'bob')).toBe('busy')
    kit.passes(1)
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-089 syncing as offline ends what a sync began, at once, and not what was said by hand', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.closes('alice', 'phone')
    expect(kit.opens('alice', 'phone', 'offline').published).toEqual([['alice', 'state']])
    expect(kit.state('alice', 'bob')).toBe('offline')
    kit.puts('alice', 'phone', 'online')
    kit.opens('alice', 'phone', 'offline')
    expect(kit.state('alice', 'bob')).toBe('online')
    kit.passes(30 * SECOND)
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-089 online said by hand and then by a sync is ended by syncing as offline', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'online')
    kit.opens('alice', 'phone', 'online')
    kit.opens('alice', 'phone', 'offline')
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-140 a logged out device is gone at once, and its streams take nothing along when they end', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    expect(kit.logsOut('alice', 'phone').published).toEqual([['alice', 'state']])
    expect(kit.state('alice', 'bob')).toBe('offline')
    kit.opens('alice', 'laptop')
    kit.closes('alice', 'phone')
    kit.passes(MINUTE)
    expect(kit.state('alice', 'bob')).toBe('online')
  })

  test('P-140 a deactivated user is offline at once, without text and time', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.puts('alice', 'phone', 'online', 'here')
    kit.catchUp('bob')
    const { wakes, writes } = kit.deactivates('alice')
    expect(wakes).toContain('bob')
    const nothing = { state: 'offline', statusMsg: null, lastActiveTs: null, currentlyActive: false }
    expect(writes).toEqual([['alice', { ...nothing, hidden: false, hiddenBy: null, refreshedTs: null }]])
    expect(kit.reads('bob')).toEqual([{ user: 'alice', ...nothing, hidden: false, visible: true }])
    kit.closes('alice', 'phone')
    kit.passes(HOUR)
    expect(kit.reads('bob')).toEqual([])
  })

  test('registering is activity and no presence', () => {
    const kit = company()
    kit.registers('alice')
    expect(kit.view('bob', 'alice')).toMatchObject({ state: 'offline', lastActiveTs: START })
  })
})

describe('several devices', () => {
  test('P-026 P-138 a device speaks for itself; the highest speaks for the user', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.opens('alice', 'laptop')
    expect(kit.puts('alice', 'phone', 'offline').published).toEqual([])
    expect(kit.state('alice', 'bob')).toBe('online')
    kit.puts('alice', 'laptop', 'unavailable')
    expect(kit.state('alice', 'bob')).toBe('unavailable')
    kit.puts('alice', 'phone', 'free_for_chat')
    expect(kit.state('alice', 'bob')).toBe('free_for_chat')
    kit.puts('alice', 'laptop', 'busy')
    expect(kit.state('alice', 'bob')).toBe('busy')
  })

  test('P-138 who syncs beside a busy device does not become busy (LESSONS row 3)', () => {
    const kit = company()
    kit.opens('alice', 'phone', 'busy')
    kit.opens('alice', 'laptop')
    kit.opens('alice', 'laptop', 'online')
    kit.puts('alice', 'phone', 'online')
    expect(kit.state('alice', 'bob')).toBe('online')
    expect(kit.engine.deviceState(kit.user('alice'), kit.device('alice', 'laptop'))).toBe('online')
  })

  test('P-139 all idle is unavailable, none there is offline', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.passes(MINUTE)
    kit.opens('alice', 'laptop')
    kit.passes(4 * MINUTE)
    expect(kit.state('alice', 'bob')).toBe('online')
    kit.passes(MINUTE)
    expect(kit.state('alice', 'bob')).toBe('unavailable')
    kit.closes('alice', 'phone')
    kit.passes(MINUTE)
    expect(kit.state('alice', 'bob')).toBe('unavailable')
    kit.closes('alice', 'laptop')
    kit.passes(MINUTE)
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-129 the time is the latest of all devices and never goes back', () => {
    const kit = company()
    kit.opens('alice', 'phone', 'online')
    kit.passes(MINUTE)
    kit.opens('alice', 'laptop', 'online')
    const latest = kit.now
    kit.logsOut('alice', 'laptop')
    expect(kit.view('bob', 'alice')).toMatchObject({ state: 'online', lastActiveTs: latest })
    kit.now -= 10 * SECOND
    kit.acts('alice', 'phone')
    expect(kit.view('bob', 'alice')?.lastActiveTs).toBe(latest)
  })
})

describe('telling', () => {
  test('P-142 when the window passes watchers hear it, once and on time', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.catchUp('bob')
    expect(kit.passes(MINUTE - 1)).toEqual(NOTHING)
    expect(kit.view('bob', 'alice')?.currentlyActive).toBe(true)
    const { wakes, published } = kit.passes(1)
    expect([wakes, published]).toEqual([['alice', 'bob'], [['alice', 'currently-active']]])
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', state: 'online', currentlyActive: false }])
    expect(kit.passes(3 * MINUTE)).toEqual(NOTHING)
  })

  test('P-143 an hour of activity is told once, its end once more', () => {
    const kit = company()
    kit.opens('alice', 'phone', 'online')
    for (let i = 0; i < 360; i += 1) {
      kit.passes(10 * SECOND)
      expect(kit.acts('alice', 'phone')).toMatchObject({ wakes: [], published: [] })
    }
    expect(kit.passes(MINUTE).published).toEqual([['alice', 'currently-active']])
  })

  test('P-143 a moved time alone waits for the next answer', () => {
    const kit = company()
    kit.registers('alice')
    kit.catchUp('bob')
    kit.passes(MINUTE + 1)
    expect(kit.acts('alice', 'phone')).toMatchObject({ wakes: [], published: [['alice', 'last-active']] })
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', state: 'offline', lastActiveTs: kit.now }])
    kit.passes(MINUTE)
    expect(kit.acts('alice', 'phone').published).toEqual([])
    expect(kit.reads('bob')).toEqual([])
  })

  test('P-144 text and profile are told in any state, and to the own devices', () => {
    const kit = company()
    kit.listens('alice')
    kit.puts('alice', 'phone', 'offline')
    const text = kit.puts('alice', 'phone', 'offline', 'away')
    expect([text.published, text.wakes]).toEqual([[['alice', 'status']], ['alice', 'bob']])
    const name = kit.renames('alice', 'phone')
    expect([name.published, name.wakes]).toEqual([[['alice', 'profile']], ['alice', 'bob']])
    expect(kit.view('bob', 'alice')?.lastActiveTs).toBe(kit.now)
    kit.passes(MINUTE)
    kit.renames('alice', null)
    expect(kit.view('bob', 'alice')?.lastActiveTs).toBe(kit.now - MINUTE)
  })

  test('P-141 the text is kept, set and cleared as told, and survives going', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.puts('alice', 'phone', 'online', 'here')
    kit.puts('alice', 'laptop', 'unavailable')
    kit.closes('alice', 'phone')
    kit.passes(HOUR)
    expect(kit.view('bob', 'alice')).toMatchObject({ state: 'offline', statusMsg: 'here' })
    kit.puts('alice', 'laptop', 'online', null)
    expect(kit.view('bob', 'alice')?.statusMsg).toBeNull()
  })

  test('a connected quiet user costs nothing', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.passes(10 * MINUTE)
    const { head } = kit.engine
    for (let i = 0; i < 100; i += 1) {
      expect(kit.closes('alice', 'phone')).toEqual(NOTHING)
      expect(kit.passes(SECOND)).toEqual(NOTHING)
      expect(kit.opens('alice', 'phone')).toEqual(NOTHING)
      expect(kit.passes(30 * SECOND)).toEqual(NOTHING)
    }
    expect(kit.engine.head).toBe(head)
    expect(kit.engine.nextDeadline()).toBeNull()
  })

  test('a burst of activity is one write', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.passes(SECOND)
    expect(kit.acts('alice', 'phone').writes).toHaveLength(1)
    for (let i = 0; i < 9; i += 1) {
      kit.passes(100)
      expect(kit.acts('alice', 'phone').writes).toEqual([])
    }
    kit.passes(100)
    expect(kit.acts('alice', 'phone').writes).toMatchObject([['alice', { lastActiveTs: kit.now }]])
  })
})

describe('time', () => {
  test('a deadline served late changes no outcome', () => {
    const kit = company()
    kit.opens('alice', 'phone')
    kit.oversleeps(10 * MINUTE)
    kit.closes('alice', 'phone')
    expect(kit.state('alice', 'bob')).toBe('unavailable')
    kit.oversleeps(10 * MINUTE)
    kit.opens('alice', 'phone', 'unavailable')
    kit.oversleeps(SECOND)
    expect(kit.acts('alice', 'phone').published).toEqual([['alice', 'state']])
  })

  test('a clock that steps back a little breaks nothing', () => {
    const kit = company()
    kit.opens('alice', 'phone', 'online')
    kit.closes('alice', 'phone', 'online')
    kit.now -= 20 * SECOND
    kit.opens('alice', 'phone')
    kit.closes('alice', 'phone')
    expect(kit.passes(10 * SECOND).published).toEqual([])
    expect(kit.state('alice', 'bob')).toBe('online')
    kit.passes(HOUR)
    expect(kit.state('alice', 'bob')).toBe('offline')
    expect(kit.engine.nextDeadline()).toBeNull()
  })

  test('a start begins once', () => {
    const kit = engineKit()
    expect(() => kit.begins()).toThrow('a start begins once')
  })
})
