import { describe, expect, test } from 'vitest'
import { engineKit, HOUR, MINUTE, NOTHING, SECOND, type EngineKit } from '../../test/support/engine-kit.ts'

const NOTHING_OF_ALICE = {
  user: 'alice',
  state: 'offline',
  hidden: false,
  statusMsg: null,
  lastActiveTs: null,
  currentlyActive: false,
  visible: true,
}

/** Alice on two devices, in a room with Bob, who listens and has read everything. */
function company(): EngineKit {
  const kit = engineKit()
  kit.joins('room', 'alice', 'bob')
  kit.listens('bob')
  kit.opens('alice', 'phone')
  kit.opens('alice', 'laptop')
  kit.puts('alice', 'phone', 'online', 'here')
  kit.catchUp('alice', 'bob')
  return kit
}

describe('hiding', () => {
  test('P-110 P-111 others get offline and nothing else, once, and are answered just that', () => {
    const kit = company()
    const { wakes, published } = kit.puts('alice', 'phone', 'hidden')
    expect([wakes, published]).toEqual([['alice', 'bob'], [['alice', 'state']]])
    expect(kit.view('bob', 'alice')).toEqual(NOTHING_OF_ALICE)
    expect(kit.reads('bob')).toEqual([NOTHING_OF_ALICE])
    expect(kit.reads('bob')).toEqual([])
  })

  test('P-145 the own devices know that the user hides, and text and time', () => {
    const kit = company()
    kit.passes(10 * SECOND)
    kit.puts('alice', 'phone', 'hidden', 'in hiding')
    const own = {
      ...NOTHING_OF_ALICE,
      hidden: true,
      statusMsg: 'in hiding',
      lastActiveTs: kit.now - 10 * SECOND,
    }
    expect(kit.reads('alice')).toEqual([own])
    expect(kit.view('alice', 'alice')).toEqual(own)
  })

  test('P-111 whatever a hidden user does, others hear and see nothing of it', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    kit.catchUp('bob')
    const silent = (
      step: string,
      { wakes, published }: { wakes: readonly string[]; published: unknown },
    ): void => {
      expect(wakes, step).not.toContain('bob')
      for (const one of published as [string, string][]) expect(one, step).toEqual(['alice', 'own'])
      expect(kit.reads('bob'), step).toEqual([])
      expect(kit.view('bob', 'alice'), step).toEqual(NOTHING_OF_ALICE)
    }
    kit.passes(2 * MINUTE)
    silent('acting', kit.acts('alice', 'phone'))
    silent('syncing online', kit.opens('alice', 'phone', 'online'))
    silent('syncing busy', kit.opens('alice', 'laptop', 'busy'))
    silent('a text from elsewhere', kit.puts('alice', 'laptop', 'online', 'peek'))
    silent('free for chat', kit.puts('alice', 'laptop', 'free_for_chat'))
    silent('hiding again', kit.puts('alice', 'phone', 'hidden', 'deeper'))
    silent('time', kit.passes(10 * MINUTE))
    silent('acting late', kit.acts('alice', 'laptop'))
    silent('leaving', kit.closes('alice', 'phone'))
    silent('logging out', kit.logsOut('alice', 'laptop'))
    silent('gone', kit.passes(HOUR))
  })

  test('P-111 who hides while offline takes the time along; nobody is woken for it but the own devices', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'offline', null)
    kit.puts('alice', 'laptop', 'offline')
    kit.catchUp('alice', 'bob')
    const { wakes } = kit.puts('alice', 'phone', 'hidden')
    expect(wakes).toEqual(['alice'])
    expect(kit.reads('bob')).toEqual([NOTHING_OF_ALICE])
    expect(kit.reads('alice')).toMatchObject([{ state: 'offline', hidden: true }])
  })

  test('P-110 the place of what others see stays where it was', () => {
    const kit = company()
    const place = (viewer: string): number | undefined =>
      kit.engine.view(kit.user(viewer), kit.user('alice'), kit.now)?.seq
    kit.puts('alice', 'phone', 'hidden')
    const { head } = kit.engine
    kit.puts('alice', 'phone', 'hidden', 'deeper')
    expect([place('bob'), place('alice')]).toEqual([head, head + 1])
  })

  test('P-112 a hidden user still receives others', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    expect(kit.opens('bob', 'phone').wakes).toContain('alice')
    expect(kit.hears('alice')).toContain('bob online')
  })

  test('P-111 a hidden user who joins is offline and nothing else; so is one with a new name', () => {
    const kit = company()
    kit.listens('carol')
    kit.joins('cellar', 'carol')
    kit.puts('alice', 'phone', 'hidden', 'in hiding')
    kit.catchUp('carol')
    kit.joins('cellar', 'alice')
    expect(kit.reads('carol')).toEqual([NOTHING_OF_ALICE])
    expect(kit.renames('alice', 'phone').wakes).toContain('carol')
    expect(kit.reads('carol')).toEqual([NOTHING_OF_ALICE])
  })
})

describe('coming out', () => {
  test('P-021a the device that hid ends it, with another state', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    kit.catchUp('bob')
    const { wakes, published } = kit.puts('alice', 'phone', 'online')
    expect([wakes, published]).toEqual([['alice', 'bob'], [['alice', 'state']]])
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', state: 'online', statusMsg: 'here' }])
  })

  test('P-021a another device does not end it', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    kit.puts('alice', 'laptop', 'online')
    expect(kit.view('alice', 'alice')?.hidden).toBe(true)
    expect(kit.state('alice', 'bob')).toBe('offline')
  })

  test('P-021a any device ends it once the one that hid is logged out; logging out itself does not', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    kit.logsOut('alice', 'phone')
    expect(kit.view('alice', 'alice')?.hidden).toBe(true)
    kit.puts('alice', 'laptop', 'unavailable')
    expect(kit.state('alice', 'bob')).toBe('unavailable')
  })

  test('P-021a the device that hid last is the one that may end it', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    kit.puts('alice', 'laptop', 'hidden')
    kit.puts('alice', 'phone', 'online')
    expect(kit.view('alice', 'alice')?.hidden).toBe(true)
    kit.puts('alice', 'laptop', 'online')
    expect(kit.view('alice', 'alice')?.hidden).toBe(false)
  })

  test('P-021a a device that is merely away still is the one that hid', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    kit.closes('alice', 'phone')
    kit.passes(HOUR)
    kit.puts('alice', 'laptop', 'online')
    expect(kit.view('alice', 'alice')?.hidden).toBe(true)
  })

  test('P-145 coming out to offline is told to the own devices at once', () => {
    const kit = company()
    kit.puts('alice', 'laptop', 'offline', null)
    kit.puts('alice', 'phone', 'hidden')
    kit.catchUp('alice')
    expect(kit.puts('alice', 'phone', 'offline').wakes).toEqual(['alice'])
    expect(kit.reads('alice')).toMatchObject([{ user: 'alice', state: 'offline', hidden: false }])
  })

  test('P-092 no sync ends it', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    for (const presence of ['implicit', 'online', 'unavailable', 'offline', 'busy'] as const)
      kit.opens('alice', 'phone', presence)
    expect(kit.view('alice', 'alice')?.hidden).toBe(true)
  })

  test('P-151 hiding survives a restart, with the device that did it', () => {
    const kit = company()
    kit.puts('alice', 'phone', 'hidden')
    kit.catchUp('bob')
    expect(kit.restarts()).toEqual(NOTHING)
    expect(kit.view('bob', 'alice')).toEqual(NOTHING_OF_ALICE)
    expect(kit.view('alice', 'alice')).toMatchObject({ hidden: true, statusMsg: 'here' })
    kit.puts('alice', 'laptop', 'online')
    kit.passes(MINUTE)
    expect(kit.reads('bob')).toEqual([])
    kit.puts('alice', 'phone', 'unavailable')
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', state: 'unavailable', statusMsg: 'here' }])
  })
})
