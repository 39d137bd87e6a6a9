import { describe, expect, test } from 'vitest'
import { engineKit, HOUR, MINUTE, NOTHING, SECOND, type EngineKit } from '../../test/support/engine-kit.ts'

/** Alice, on two devices and with a text, and Bob, who listens and has read everything. */
function company(): EngineKit {
  const kit = engineKit()
  kit.joins('room', 'alice', 'bob')
  kit.opens('alice', 'phone')
  kit.puts('alice', 'phone', 'online', 'here')
  kit.opens('alice', 'laptop')
  kit.passes(2 * MINUTE)
  kit.catchUp('bob')
  return kit
}

describe('a restart', () => {
  test('P-151 keeps state, text and time; nobody hears of it', () => {
    const kit = company()
    const before = kit.view('bob', 'alice')
    const { head } = kit.engine
    expect(kit.restarts(10 * SECOND)).toEqual(NOTHING)
    expect(kit.view('bob', 'alice')).toEqual(before)
    expect(kit.hears('bob')).toEqual([])
    expect(kit.engine.head).toBeGreaterThan(head)
  })

  test('P-152 who has not come back a grace after the beginning is offline, and that is told', () => {
    const kit = company()
    kit.restarts(HOUR)
    kit.listens('bob')
    expect(kit.passes(30 * SECOND - 1)).toEqual(NOTHING)
    expect(kit.state('alice', 'bob')).toBe('online')
    const { wakes, published } = kit.passes(1)
    expect([wakes, published]).toEqual([['bob'], [['alice', 'state']]])
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', state: 'offline', statusMsg: 'here' }])
  })

  test('P-152 busy does not stay longer than the rest', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'busy')
    kit.restarts()
    kit.passes(30 * SECOND)
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-135 P-152 who comes back within the grace was never away', () => {
    const kit = company()
    kit.restarts()
    kit.passes(10 * SECOND)
    kit.opens('alice', 'phone')
    const seen = new Set<unknown>([kit.state('alice', 'bob')])
    for (let i = 0; i < 60; i += 1) {
      kit.passes(SECOND)
      seen.add(kit.state('alice', 'bob'))
    }
    expect([...seen]).toEqual(['online'])
  })

  test.each([
    ['idle', 10 * MINUTE, 'unavailable'],
    ['online', 2 * MINUTE, 'online'],
  ] as const)(
    'P-127 P-152 who was %s and merely polls on goes on so, and nobody is told',
    (_, quietMs, state) => {
      const kit = engineKit()
      kit.joins('room', 'alice', 'bob')
      kit.opens('alice', 'phone')
      kit.passes(quietMs)
      kit.catchUp('bob')
      const before = kit.view('bob', 'alice')
      kit.restarts(SECOND)
      expect(kit.opens('alice', 'phone')).toEqual(NOTHING)
      expect(kit.view('bob', 'alice')).toEqual(before)
      expect(kit.state('alice', 'bob')).toBe(state)
      // It idles when it would have idled, and what somebody does brings it back.
      kit.passes(10 * MINUTE)
      expect(kit.state('alice', 'bob')).toBe('unavailable')
      kit.acts('alice', 'phone')
      expect(kit.state('alice', 'bob')).toBe('online')
    },
  )

  test('P-138 L-03 busy from before the restart is not caught by the device that polls on', () => {
    const kit = company()
    kit.puts('alice', 'laptop', 'busy')
    kit.restarts()
    kit.opens('alice', 'phone')
    expect(kit.state('alice', 'bob')).toBe('busy')
    kit.passes(30 * SECOND)
    expect(kit.state('alice', 'bob')).toBe('online')
  })

  test('the one device of several that comes back first does not pull the user down', () => {
    const kit = company()
    kit.restarts()
    kit.opens('alice', 'laptop', 'unavailable')
    expect(kit.state('alice', 'bob')).toBe('online')
    kit.passes(20 * SECOND)
    kit.opens('alice', 'phone', 'online')
    kit.passes(MINUTE)
    expect(kit.state('alice', 'bob')).toBe('online')
  })

  test('where only the idle device comes back the user is idle from then on', () => {
    const kit = company()
    kit.restarts()
    kit.opens('alice', 'laptop', 'unavailable')
    expect(kit.passes(30 * SECOND).published).toEqual([['alice', 'state']])
    expect(kit.state('alice', 'bob')).toBe('unavailable')
  })

  test('what the user says by hand is true at once', () => {
    const kit = company()
    kit.restarts()
    kit.puts('alice', 'phone', 'offline')
    expect(kit.state('alice', 'bob')).toBe('offline')
    kit.passes(MINUTE)
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('syncing as offline says nothing of the others who may come back', () => {
    const kit = company()
    kit.restarts()
    kit.opens('alice', 'phone', 'offline')
    expect(kit.state('alice', 'bob')).toBe('online')
  })

  test('P-142 whoever was told of activity before the restart is told of its end after it', () => {
    const kit = company()
    kit.acts('alice', 'phone')
    kit.catchUp('bob')
    kit.restarts(10 * SECOND)
    expect(kit.view('bob', 'alice')?.currentlyActive).toBe(true)
    kit.catchUp('bob')
    kit.restarts(2 * MINUTE)
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', currentlyActive: false }])
  })

  test('P-140 a user deactivated while it was down, or before, leaves nothing behind', () => {
    const kit = company()
    kit.deactivates('alice')
    kit.catchUp('bob')
    expect(kit.restarts()).toEqual(NOTHING)
    expect(kit.passes(HOUR)).toEqual(NOTHING)
    expect(kit.view('bob', 'alice')).toMatchObject({ state: 'offline', statusMsg: null, lastActiveTs: null })
  })

  test('P-151 grants and ignore lists stand as before, and are no news', () => {
    const kit = company()
    kit.joins('other', 'carol', 'bob')
    kit.opens('carol', 'phone')
    kit.opens('dave', 'phone')
    kit.grants('dave', 'bob')
    kit.ignores('bob', 'carol')
    kit.catchUp('bob')
    kit.restarts()
    expect(kit.hears('bob')).toEqual([])
    expect(kit.state('dave', 'bob')).toBe('online')
    expect(kit.hears('bob', { snapshot: true, omitOffline: true })).toEqual([
      'alice online',
      'bob offline',
      'dave online',
    ])
  })

  test('two in a row', () => {
    const kit = company()
    kit.restarts()
    kit.passes(10 * SECOND)
    kit.catchUp('bob')
    kit.restarts()
    expect(kit.hears('bob')).toEqual([])
    expect(kit.passes(30 * SECOND).published).toEqual([['alice', 'state']])
    expect(kit.hears('bob')).toEqual(['alice offline'])
  })
})

describe('positions', () => {
  test('P-097 one at the horizon reads on without repeating', () => {
    const kit = company()
    const { seq } = kit.positionOf('bob')
    kit.restarts()
    expect(kit.engine.horizon).toBe(seq)
    kit.puts('alice', 'phone', 'unavailable')
    expect(kit.hears('bob')).toEqual(['alice unavailable'])
  })

  test('P-097 one before the horizon is answered with everything the viewer may see, once', () => {
    const kit = company()
    const before = kit.positionOf('bob')
    kit.puts('alice', 'phone', 'unavailable')
    kit.puts('alice', 'laptop', 'busy', 'in a call')
    kit.opens('stranger', 'phone')
    kit.resumes('bob', before)
    kit.restarts()
    expect(kit.hears('bob')).toEqual(['alice busy', 'bob offline'])
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-097 one of another life is before the first horizon, too', () => {
    const kit = engineKit({ isStarting: true })
    kit.restored('alice', { state: 'online', lastActiveTs: kit.now - HOUR })
    kit.joins('room', 'alice', 'bob')
    kit.begins()
    kit.resumes('bob', { seq: -1, skip: 0 })
    expect(kit.hears('bob')).toEqual(['alice online', 'bob offline'])
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-097 who is offline by now is among it', () => {
    const kit = company()
    const before = kit.positionOf('bob')
    kit.logsOut('alice', 'phone')
    kit.logsOut('alice', 'laptop')
    kit.resumes('bob', before)
    kit.restarts()
    expect(kit.hears('bob')).toEqual(['alice offline', 'bob offline'])
  })

  test('P-097 P-098 who went or was lost after the start is among it, too', () => {
    const kit = company()
    kit.joins('room', 'carol', 'dave')
    kit.opens('carol', 'phone', 'unavailable')
    kit.opens('dave', 'phone')
    kit.catchUp('bob')
    const before = kit.positionOf('bob')
    kit.puts('alice', 'phone', 'busy')
    kit.restarts()
    kit.passes(MINUTE)
    kit.leaves('room', 'dave')
    kit.resumes('bob', before)
    expect(kit.hears('bob').toSorted()).toEqual([
      'alice offline',
      'bob offline',
      'carol offline',
      'dave offline',
    ])
  })

  test('P-104 P-097 one cut in a group before the restart still misses nothing', () => {
    const kit = engineKit()
    for (const name of ['a', 'b', 'c', 'bob']) kit.user(name)
    kit.joins('room', 'a', 'b', 'c')
    for (const name of ['a', 'b', 'c']) kit.opens(name, 'phone')
    kit.catchUp('bob')
    kit.joins('room', 'bob')
    expect(kit.hears('bob', { limit: 2 })).toEqual(['a online', 'b online'])
    kit.restarts()
    expect(kit.hears('bob')).toContain('c online')
    expect(kit.hears('bob')).toEqual([])
  })
})
