import { describe, expect, test } from 'vitest'
import {
  DAY,
  engineKit,
  GONE,
  HOUR,
  MINUTE,
  NOTHING,
  SECOND,
  strangers,
  type EngineKit,
  type KitOptions,
} from '../../test/support/engine-kit.ts'

/** Alice and Bob are here, online and listening; Zoe and Yan are of `far`, Max is of `other`. Nobody sees anybody. */
function world(options: KitOptions = {}): EngineKit {
  const kit = strangers(options)
  kit.comeFrom('far', 'zoe', 'yan')
  kit.comeFrom('other', 'max')
  return kit
}

/** Alice and Zoe of `far` share a room; Alice knows that Zoe is online. */
function room(options: KitOptions = {}): EngineKit {
  const kit = world(options)
  kit.joins('room', 'alice', 'zoe')
  kit.says('zoe', 'online', { statusMsg: 'far away', lastActiveTs: kit.now - HOUR })
  kit.catchUp('alice', 'bob')
  return kit
}

describe('what other servers say', () => {
  test('P-175 is shown to whom may see the user, and wakes them', () => {
    const kit = room()
    const told = kit.says('zoe', 'unavailable', { lastActiveTs: 5 })
    expect([told.wakes, told.published]).toEqual([['alice'], [['zoe', 'state']]])
    expect(kit.hears('alice')).toEqual(['zoe unavailable'])
    expect(kit.view('bob', 'zoe')).toBeNull()
  })

  test('P-170 is a full replacement: a text that is not said is gone, a time that is not said stays', () => {
    const kit = room()
    const lastActiveTs = kit.now - HOUR
    kit.says('zoe', 'online')
    expect(kit.view('alice', 'zoe')).toMatchObject({ state: 'online', statusMsg: null, lastActiveTs })
  })

  test('P-197 lasts for the time-out, then the user is offline; text and time are kept', () => {
    const kit = room()
    kit.says('zoe', 'online', { statusMsg: 'far away', lastActiveTs: 5, currentlyActive: true })
    kit.catchUp('alice')
    expect(kit.passes(30 * MINUTE - 1).published.filter(([user]) => user === 'zoe')).toEqual([])
    expect(kit.passes(1).published).toContainEqual(['zoe', 'state'])
    expect(kit.reads('alice').filter(({ user }) => user === 'zoe')).toMatchObject([
      { state: 'offline', statusMsg: 'far away', lastActiveTs: 5, currentlyActive: false },
    ])
    expect(kit.passes(DAY).published.filter(([user]) => user === 'zoe')).toEqual([])
  })

  test('P-197 lasts anew with every word, be it the same', () => {
    const kit = room()
    kit.passes(29 * MINUTE)
    const told = kit.says('zoe', 'online', { statusMsg: 'far away' })
    expect([told.published, told.wakes]).toEqual([[], []])
    kit.passes(29 * MINUTE)
    expect(kit.state('zoe', 'alice')).toBe('online')
    kit.passes(MINUTE)
    expect(kit.state('zoe', 'alice')).toBe('offline')
  })

  test('lasts longer from a server that speaks presence lists', () => {
    const kit = room()
    kit.apply({ kind: 'server.speaks-lists', server: kit.server('far') })
    kit.passes(65 * MINUTE - 1)
    expect(kit.state('zoe', 'alice')).toBe('online')
    kit.passes(1)
    expect(kit.state('zoe', 'alice')).toBe('offline')
  })

  test('survives a restart with its age', () => {
    const kit = room()
    kit.passes(20 * MINUTE)
    kit.restarts(9 * MINUTE)
    expect(kit.view('alice', 'zoe')).toMatchObject({ state: 'online', statusMsg: 'far away' })
    kit.passes(MINUTE)
    expect(kit.state('zoe', 'alice')).toBe('offline')
  })

  test('is stored when it changes, and when its age moved', () => {
    const kit = room()
    expect(kit.says('zoe', 'online', { statusMsg: 'far away' }).writes).toEqual([])
    kit.passes(MINUTE)
    const [write] = kit.says('zoe', 'online', { statusMsg: 'far away' }).writes
    expect(write?.[1]).toMatchObject({ state: 'online', refreshedTs: kit.now, hidden: false })
  })

  test('P-172 goes to no other server', () => {
    const kit = room()
    kit.joins('room', 'max')
    expect(kit.says('zoe', 'offline').pushes).toEqual([])
    expect(kit.passes(DAY).pushes.filter((push) => push.endsWith('zoe'))).toEqual([])
    expect(kit.engine.servers.visibleTo(kit.server('other')).map((user) => kit.name(user))).toEqual(['alice'])
  })

  test('a new name is told like one of ours', () => {
    const kit = room()
    expect(kit.renames('zoe', null).published).toEqual([['zoe', 'profile']])
    expect(kit.hears('alice')).toEqual(['zoe online'])
  })
})

describe('coming into sight and out of it', () => {
  test('P-180 who comes into sight, and is not known, is named: by a room', () => {
    const kit = world()
    expect(kit.joins('room', 'zoe').sighted).toEqual([])
    expect(kit.joins('room', 'alice').sighted).toEqual(['zoe'])
    expect(kit.joins('room', 'bob').sighted).toEqual(['zoe'])
    kit.says('zoe', 'online')
    expect(kit.joins('room', 'carol').sighted).toEqual([])
    expect(kit.joins('room', 'yan').sighted).toEqual(['yan'])
  })

  test('P-180 by a grant, and by a room that is small again', () => {
    const kit = world({ policy: { maxRoomMembers: 2 } })
    expect(kit.grants('zoe', 'alice').sighted).toEqual(['zoe'])
    expect(kit.joins('room', 'bob', 'max', 'yan').sighted).toEqual(['max'])
    expect(kit.leaves('room', 'yan').sighted).toEqual(['max'])
  })

  test('nothing is kept of who is out of sight: a grant that ends', () => {
    const kit = world()
    kit.grants('zoe', 'alice')
    kit.grants('zoe', 'bob')
    kit.says('zoe', 'online')
    expect(kit.revokes('zoe', 'bob').forgotten).toEqual([])
    kit.catchUp('alice')
    expect(kit.revokes('zoe', 'alice').forgotten).toEqual(['zoe'])
    expect(kit.reads('alice')).toEqual([{ user: 'zoe', ...GONE }])
    expect(kit.records.has(kit.user('zoe'))).toBe(false)
    expect(kit.engine.servers.isInSight(kit.user('zoe'))).toBe(false)
  })

  test('a last host who leaves, a guest who leaves, a room that becomes too large', () => {
    const kit = room()
    expect(kit.leaves('room', 'alice').forgotten).toEqual(['zoe'])
    const other = room()
    expect(other.leaves('room', 'zoe').forgotten).toEqual(['zoe'])
    const crowded = room({ policy: { maxRoomMembers: 2 } })
    expect(crowded.joins('room', 'bob').forgotten).toEqual(['zoe'])
  })

  test('who was stored and is in nobody’s sight at a start is forgotten', () => {
    const kit = engineKit({ isStarting: true })
    kit.comeFrom('far', 'zoe')
    kit.restored('zoe', { state: 'online', refreshedTs: kit.now })
    expect(kit.begins().forgotten).toEqual(['zoe'])
  })

  test('what was forgotten does not come back', () => {
    const kit = room()
    kit.leaves('room', 'zoe')
    expect(kit.joins('room', 'zoe').sighted).toEqual(['zoe'])
    expect(kit.view('alice', 'zoe')).toMatchObject({ state: 'offline', statusMsg: null, lastActiveTs: null })
    expect(kit.passes(DAY).published.filter(([user]) => user === 'zoe')).toEqual([])
  })
})

describe('whom other servers hear of', () => {
  test('P-165 every server in a common room hears of a change, once', () => {
    const kit = room()
    kit.joins('room', 'yan', 'max')
    kit.joins('more', 'alice', 'zoe')
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual(['far < alice', 'other < alice'])
  })

  test('P-166 no server without interest: strangers, rooms that were left, that are excluded or too large', () => {
    const kit = room({ policy: { maxRoomMembers: 2 } })
    expect(kit.puts('bob', 'phone', 'unavailable').pushes).toEqual([])
    kit.excludes('lobby')
    kit.joins('lobby', 'alice', 'max')
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual(['far < alice'])
    kit.joins('room', 'bob')
    expect(kit.puts('alice', 'phone', 'online').pushes).toEqual([])
    kit.leaves('room', 'bob')
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual(['far < alice'])
    kit.leaves('room', 'zoe')
    expect(kit.puts('alice', 'phone', 'online').pushes).toEqual([])
  })

  test('P-166 nor one whose only users here are ignored by who hides from the ignored', () => {
    const kit = room({ policy: { hideFromIgnored: true } })
    kit.joins('room', 'yan')
    kit.ignores('alice', 'zoe')
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual(['far < alice'])
    kit.ignores('alice', 'zoe', 'yan')
    expect(kit.puts('alice', 'phone', 'online').pushes).toEqual([])
    expect(kit.engine.servers.visibleTo(kit.server('far'))).toEqual([])
    expect(kit.ignores('alice', 'zoe').pushes).toEqual(['far < alice'])
  })

  test('P-190 the server of a granted observer hears at once, and of every change from then on', () => {
    const kit = world()
    expect(kit.grants('alice', 'zoe').pushes).toEqual(['far < alice'])
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual(['far < alice'])
    kit.revokes('alice', 'zoe')
    expect(kit.puts('alice', 'phone', 'online').pushes).toEqual([])
  })

  test('what nobody is told, servers are not told either: hiding stays here', () => {
    const kit = room()
    expect(kit.puts('alice', 'phone', 'hidden').pushes).toEqual(['far < alice'])
    expect(kit.engine.published(kit.user('alice'), kit.now)).toMatchObject({
      state: 'offline',
      lastActiveTs: null,
      statusMsg: null,
    })
    const acts = [kit.acts('alice', 'phone'), kit.puts('alice', 'phone', 'hidden', 'secret'), kit.passes(DAY)]
    expect(acts.flatMap(({ pushes }) => pushes)).toEqual([])
  })

  test('P-176 a server new to a room hears of all our members but the long gone; one that was there does not', () => {
    const kit = world()
    kit.joins('room', 'alice', 'bob')
    kit.registers('carol')
    kit.logsOut('carol', 'phone')
    kit.joins('room', 'carol')
    kit.passes(8 * DAY)
    kit.puts('carol', 'phone', 'offline', null)
    expect(kit.joins('room', 'zoe').pushes).toEqual(['far < alice', 'far < bob'])
    expect(kit.joins('room', 'yan').pushes).toEqual([])
    expect(kit.joins('room', 'max').pushes).toEqual(['other < alice', 'other < bob'])
  })

  test('a member of ours who joins is told to every server in the room', () => {
    const kit = world()
    kit.joins('room', 'zoe', 'max')
    expect(kit.joins('room', 'alice').pushes).toEqual(['far < alice', 'other < alice'])
    expect(kit.joins('room', 'alice').pushes).toEqual([])
  })

  test('a start tells nobody anything', () => {
    const kit = room()
    kit.grants('alice', 'max')
    expect(kit.restarts()).toMatchObject({ pushes: [], polls: [], sighted: [] })
  })
})

describe('pings', () => {
  test('P-196 whoever is not offline is told again within every interval', () => {
    const kit = room()
    for (let round = 0; round < 4; round += 1)
      expect(kit.passes(25 * MINUTE).pushes.filter((push) => push === 'far < alice').length).toBeGreaterThan(
        0,
      )
    kit.passes(DAY)
    expect(kit.passes(25 * MINUTE).pushes).toEqual(['far < alice'])
    kit.closes('alice', 'phone')
    kit.passes(MINUTE)
    expect(kit.passes(DAY).pushes).toEqual([])
  })

  test('P-196 from when there is a server to tell, and no longer', () => {
    const kit = world()
    expect(kit.passes(DAY).pushes).toEqual([])
    expect(kit.engine.nextDeadline()).toBeNull()
    kit.grants('alice', 'zoe')
    expect(kit.passes(25 * MINUTE).pushes).toEqual(['far < alice'])
    kit.revokes('alice', 'zoe')
    expect(kit.passes(DAY).pushes).toEqual([])
    expect(kit.engine.nextDeadline()).toBeNull()
  })

  test('P-196 also after a restart', () => {
    const kit = room()
    kit.restarts()
    kit.opens('alice', 'phone')
    kit.passes(DAY)
    expect(kit.passes(25 * MINUTE).pushes).toEqual(['far < alice'])
  })

  test('L-11 they are spread over the interval, whenever users came online', () => {
    const kit = engineKit()
    kit.comeFrom('far', 'zoe')
    const users = Array.from({ length: 500 }, (_, i) => `user${i}`)
    for (const user of users) kit.opens(user, 'phone')
    kit.joins('room', 'zoe', ...users)
    kit.passes(DAY)
    const perMinute = Array.from({ length: 25 }, () => kit.passes(MINUTE).pushes.length)
    expect(perMinute.reduce((sum, count) => sum + count, 0)).toBe(500)
    expect(Math.max(...perMinute)).toBeLessThan(30)
    expect(Math.min(...perMinute)).toBeGreaterThan(10)
  })

  test('never, if the interval is Infinity', () => {
    const kit = room({ policy: { pingIntervalMs: Infinity } })
    kit.passes(DAY)
    expect(kit.passes(DAY).pushes).toEqual([])
  })
})

describe('following users of other servers', () => {
  /** Nobody is connected; Alice and Bob follow Zoe. */
  function followers(): EngineKit {
    const kit = engineKit()
    kit.comeFrom('far', 'zoe')
    kit.grants('zoe', 'alice')
    kit.grants('zoe', 'bob')
    return kit
  }

  test('P-183 begins with the first who connects and ends when the last is gone', () => {
    const kit = followers()
    expect(kit.opens('alice', 'phone').polls).toEqual(['+zoe'])
    expect(kit.opens('bob', 'phone').polls).toEqual([])
    expect(kit.engine.servers.followedAt(kit.server('far'))).toEqual([kit.user('zoe')])
    expect(kit.engine.servers.followersOf(kit.user('zoe'))).toEqual([kit.user('alice'), kit.user('bob')])
    kit.closes('alice', 'phone')
    expect(kit.passes(MINUTE).polls).toEqual([])
    kit.closes('bob', 'phone')
    expect(kit.passes(29 * SECOND).polls).toEqual([])
    expect(kit.passes(SECOND).polls).toEqual(['-zoe'])
    expect(kit.engine.servers.followedAt(kit.server('far'))).toEqual([])
  })

  test('P-183 begins with an accept while connected, and ends with the entry', () => {
    const kit = world()
    expect(kit.grants('zoe', 'alice').polls).toEqual(['+zoe'])
    expect(kit.revokes('zoe', 'alice').polls).toEqual(['-zoe'])
  })

  test('the follower’s own presence goes along, where that server may see it', () => {
    const kit = world()
    expect(kit.grants('zoe', 'alice').pushes).toEqual([])
    const mutual = world()
    mutual.grants('alice', 'zoe')
    expect(mutual.grants('zoe', 'alice').pushes).toEqual(['far < alice'])
  })

  test('users whom a room shows are not polled', () => {
    const kit = world()
    expect(kit.joins('room', 'alice', 'zoe').polls).toEqual([])
    expect(kit.opens('alice', 'laptop').polls).toEqual([])
  })
})

describe('what other servers want to hear', () => {
  test('P-179 P-182 who was unpolled is not told for grants alone, until polled again', () => {
    const kit = world()
    kit.grants('alice', 'zoe')
    kit.grants('bob', 'zoe')
    kit.polled('far', 'alice', false)
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual([])
    expect(kit.puts('bob', 'phone', 'unavailable').pushes).toEqual(['far < bob'])
    expect(kit.engine.servers.followedBy(kit.server('far'))).toEqual([kit.user('bob')])
    kit.passes(DAY)
    expect(kit.passes(25 * MINUTE).pushes).toEqual(['far < bob'])
    kit.polled('far', 'alice')
    expect(kit.puts('alice', 'phone', 'online').pushes).toEqual(['far < alice'])
    kit.passes(DAY)
    expect(kit.passes(25 * MINUTE).pushes.toSorted()).toEqual(['far < alice', 'far < bob'])
  })

  test('P-196 who is polled again is told again, though nothing changes', () => {
    const kit = world()
    kit.grants('alice', 'zoe')
    kit.polled('far', 'alice', false)
    expect(kit.passes(DAY).pushes).toEqual([])
    kit.polled('far', 'alice')
    expect(kit.passes(25 * MINUTE).pushes).toEqual(['far < alice'])
  })

  test('a common room overrules it, and one server’s word is not another’s', () => {
    const kit = world()
    kit.grants('alice', 'zoe')
    kit.grants('alice', 'max')
    kit.polled('far', 'alice', false)
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual(['other < alice'])
    kit.joins('room', 'alice', 'zoe')
    expect(kit.puts('alice', 'phone', 'online').pushes).toEqual(['far < alice', 'other < alice'])
  })

  test('it is forgotten with the last grant, and by a new one', () => {
    const kit = world()
    kit.grants('alice', 'zoe')
    kit.polled('far', 'alice', false)
    kit.revokes('alice', 'zoe')
    kit.grants('alice', 'yan')
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual(['far < alice'])
    kit.polled('far', 'alice', false)
    expect(kit.grants('alice', 'zoe').pushes).toEqual(['far < alice'])
    expect(kit.puts('alice', 'phone', 'online').pushes).toEqual(['far < alice'])
  })

  test('it survives a restart', () => {
    const kit = world()
    kit.grants('alice', 'zoe')
    kit.polled('far', 'alice', false)
    kit.restarts()
    kit.opens('alice', 'phone')
    expect(kit.puts('alice', 'phone', 'unavailable').pushes).toEqual([])
  })

  test('P-178 a server sees whom one of its users sees, and nobody else', () => {
    const kit = world()
    kit.grants('alice', 'zoe')
    const sees = (server: string, user: string): boolean =>
      kit.engine.servers.sees(kit.server(server), kit.user(user))
    expect([sees('far', 'alice'), sees('far', 'bob'), sees('other', 'alice')]).toEqual([true, false, false])
    expect(sees('nowhere', 'alice')).toBe(false)
  })
})

test('without other servers there is nothing of all this', () => {
  const kit = strangers()
  kit.joins('room', 'alice', 'bob')
  const { pushes, polls, sighted, forgotten } = kit.puts('alice', 'phone', 'unavailable')
  expect({ ...NOTHING, pushes, polls, sighted, forgotten }).toEqual(NOTHING)
})
