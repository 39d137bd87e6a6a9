import { describe, expect, test } from 'vitest'
import {
  engineKit,
  GONE,
  MINUTE,
  roommates,
  strangers,
  type EngineKit,
  type KitOptions,
} from '../../test/support/engine-kit.ts'

const change = (kit: EngineKit, user: string): readonly string[] =>
  kit.puts(user, 'phone', 'online', `at ${(kit.now += 1)}`).wakes

describe('who may see whom', () => {
  test('P-146 strangers see nothing of each other and are not woken', () => {
    const kit = strangers()
    expect(kit.view('bob', 'alice')).toBeNull()
    expect(change(kit, 'alice')).toEqual(['alice'])
    expect(kit.hears('bob')).toEqual([])
    expect(kit.view('bob', 'nobody')).toBeNull()
  })

  test('P-146 a user sees themselves', () => {
    expect(strangers().view('alice', 'alice')).toMatchObject({ state: 'online', visible: true })
  })

  test('P-146 who shares a room sees and is woken, each once however many rooms', () => {
    const kit = roommates()
    for (const room of ['two', 'three']) kit.joins(room, 'alice', 'bob')
    kit.catchUp('alice', 'bob', 'carol')
    expect(change(kit, 'alice').toSorted()).toEqual(['alice', 'bob', 'carol'])
    expect(kit.hears('bob')).toEqual(['alice online'])
    expect(kit.hears('carol')).toEqual(['alice online'])
  })

  test('P-147 who left sees no more and is not woken', () => {
    const kit = roommates()
    kit.leaves('room', 'bob')
    kit.catchUp('alice', 'bob', 'carol')
    expect(change(kit, 'alice').toSorted()).toEqual(['alice', 'carol'])
    expect(kit.view('bob', 'alice')).toBeNull()
    expect(kit.view('alice', 'bob')).toBeNull()
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-146 an excluded room makes nobody visible, neither by joining nor by leaving', () => {
    const kit = strangers()
    kit.excludes('lobby')
    expect(kit.joins('lobby', 'alice', 'bob', 'carol').wakes).toEqual([])
    expect(kit.view('bob', 'alice')).toBeNull()
    expect(change(kit, 'alice')).toEqual(['alice'])
    expect(kit.leaves('lobby', 'alice').wakes).toEqual([])
    expect(kit.leaves('lobby', 'bob').wakes).toEqual([])
    for (const name of ['bob', 'carol']) expect(kit.hears(name)).toEqual([])
    kit.leaves('lobby', 'carol')
    kit.joins('lobby', 'alice', 'bob')
    expect(kit.view('bob', 'alice')).toBeNull()
  })

  test('P-146 a grant lets the observer see, and not the observed', () => {
    const kit = strangers()
    expect(kit.grants('alice', 'bob').wakes).toEqual(['bob'])
    expect(kit.hears('bob')).toEqual(['alice online'])
    expect(kit.view('alice', 'bob')).toBeNull()
    expect(kit.hears('alice')).toEqual([])
    expect(kit.grants('alice', 'bob').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    expect(change(kit, 'alice')).toEqual(['alice', 'bob'])
    expect(change(kit, 'bob')).toEqual(['bob'])
    expect(kit.revokes('alice', 'bob').wakes).toEqual(['bob'])
    expect(kit.reads('bob').find(({ user }) => user === 'alice')).toEqual({ user: 'alice', ...GONE })
    expect(kit.view('bob', 'alice')).toBeNull()
    expect(change(kit, 'alice')).toEqual(['alice'])
  })

  test('a grant beside a common room, given or taken, changes nothing and tells nothing', () => {
    const kit = roommates()
    expect(kit.grants('alice', 'bob').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    expect(kit.grants('alice', 'bob').wakes).toEqual([])
    expect(kit.revokes('alice', 'bob').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    expect(kit.revokes('alice', 'bob').wakes).toEqual([])
    expect(kit.state('alice', 'bob')).toBe('online')
  })

  test('a grant keeps in sight who leaves the room', () => {
    const kit = roommates()
    kit.grants('alice', 'bob')
    kit.catchUp('bob')
    kit.leaves('room', 'alice')
    expect(kit.hears('bob')).toEqual([])
    expect(kit.state('alice', 'bob')).toBe('online')
  })
})

describe('beginning to see', () => {
  test('P-085 P-086 a newcomer gets everybody, everybody gets the newcomer', () => {
    const kit = strangers()
    kit.joins('room', 'alice', 'bob')
    kit.catchUp('alice', 'bob', 'carol')
    kit.passes(2 * MINUTE)
    kit.catchUp('alice', 'bob', 'carol')
    expect(kit.joins('room', 'carol').wakes.toSorted()).toEqual(['alice', 'bob', 'carol'])
    expect(kit.reads('alice')).toMatchObject([{ user: 'carol', state: 'online', statusMsg: 'text of carol' }])
    expect(kit.hears('bob')).toEqual(['carol online'])
    expect(kit.hears('carol')).toEqual(['alice online', 'bob online'])
    for (const name of ['alice', 'bob', 'carol']) expect(kit.hears(name)).toEqual([])
  })

  test('P-085 of those who are offline, only who has a text or was there lately', () => {
    const kit = engineKit({ isStarting: true })
    const { now } = kit
    const cutoff = now - kit.policy.offlineCutoffMs
    kit.restored('text', { statusMsg: 'gone fishing' })
    kit.restored('lately', { lastActiveTs: cutoff + 1 })
    kit.restored('longago', { lastActiveTs: cutoff })
    kit.restored('never', {})
    kit.joins('room', 'text', 'lately', 'longago', 'never', 'unheard')
    kit.begins()
    kit.catchUp('bob')
    kit.joins('room', 'bob')
    expect(kit.hears('bob')).toEqual(['text offline', 'lately offline'])
  })

  test('P-087 joining a second room with the same people tells nothing', () => {
    const kit = roommates()
    kit.joins('second', 'alice', 'bob')
    expect(kit.hears('alice')).toEqual([])
    expect(kit.hears('bob')).toEqual([])
  })

  test('joining twice is joining once', () => {
    const kit = roommates()
    const { head } = kit.engine
    expect(kit.joins('room', 'alice').wakes).toEqual([])
    expect(kit.engine.head).toBe(head)
    expect(kit.hears('bob')).toEqual([])
  })

  test('who joins alone wakes nobody', () => {
    expect(strangers().joins('cell', 'alice').wakes).toEqual([])
  })
})

describe('ceasing to see', () => {
  test('P-098 when the last common room is left each side gets one offline for the other and nothing else', () => {
    const kit = roommates()
    expect(kit.leaves('room', 'alice').wakes.toSorted()).toEqual(['alice', 'bob', 'carol'])
    expect(kit.reads('bob')).toEqual([{ user: 'alice', ...GONE }])
    expect(kit.reads('alice')).toEqual([
      { user: 'bob', ...GONE },
      { user: 'carol', ...GONE },
    ])
    expect(kit.hears('carol')).toEqual(['alice offline'])
    for (const name of ['alice', 'bob', 'carol']) expect(kit.hears(name)).toEqual([])
  })

  test('P-098 while another common room is left, nothing is said', () => {
    const kit = roommates()
    kit.joins('second', 'alice', 'bob')
    kit.catchUp('alice', 'bob', 'carol')
    kit.leaves('room', 'alice')
    expect(kit.hears('bob')).toEqual([])
    expect(kit.hears('alice')).toEqual(['carol offline'])
    expect(kit.hears('carol')).toEqual(['alice offline'])
  })

  test('P-098 both leave, in either order, and the room is empty', () => {
    const kit = strangers()
    kit.joins('room', 'alice', 'bob')
    kit.catchUp('alice', 'bob')
    kit.leaves('room', 'alice')
    kit.leaves('room', 'bob')
    expect(kit.hears('alice')).toEqual(['bob offline'])
    expect(kit.hears('bob')).toEqual(['alice offline'])
    expect(JSON.parse(kit.engine.digest())).toMatchObject({ interest: { rooms: [] } })
    kit.joins('room', 'bob')
    kit.joins('room', 'carol')
    expect(kit.hears('bob')).toEqual(['carol online'])
    expect(kit.hears('alice')).toEqual([])
  })

  test('P-098 who leaves and comes back is seen as they are now, once', () => {
    const kit = roommates()
    kit.leaves('room', 'alice')
    kit.joins('room', 'alice')
    expect(kit.hears('bob')).toEqual(['alice online'])
    expect(kit.hears('alice')).toEqual(['bob online', 'carol online'])
  })

  test('P-146 who came after one left, or left before one came, never hears of that one', () => {
    const kit = strangers()
    kit.joins('room', 'alice', 'bob')
    const before = kit.positionOf('carol')
    kit.leaves('room', 'alice')
    kit.joins('room', 'carol')
    expect(kit.hears('carol')).toEqual(['bob online'])
    expect(kit.hears('alice')).toEqual(['bob offline'])
    kit.leaves('room', 'bob')
    kit.resumes('carol', before)
    expect(kit.hears('carol')).toEqual(['bob offline'])
  })

  test('P-146 who came after the viewer left, and left again, was never there', () => {
    const kit = roommates()
    kit.leaves('room', 'bob')
    kit.joins('room', 'dave')
    kit.leaves('room', 'dave')
    expect(kit.hears('bob')).toEqual(['alice offline', 'carol offline'])
    kit.joins('room', 'dave')
    kit.leaves('room', 'dave')
    kit.joins('room', 'bob')
    expect(kit.hears('bob')).toEqual(['alice online', 'carol online'])
    kit.leaves('room', 'bob')
    expect(kit.hears('bob')).toEqual(['alice offline', 'carol offline'])
  })

  test('P-087 who was lost before is not lost again when the viewer leaves, too', () => {
    const kit = roommates()
    kit.leaves('room', 'alice')
    expect(kit.hears('bob')).toEqual(['alice offline'])
    kit.leaves('room', 'bob')
    expect(kit.hears('bob')).toEqual(['carol offline'])
  })

  test('P-146 a member who left, and another who left later, and one who came back', () => {
    const kit = roommates()
    kit.leaves('room', 'bob')
    kit.leaves('room', 'alice')
    kit.joins('room', 'bob')
    expect(kit.hears('bob')).toEqual(['alice offline', 'carol online'])
  })
})

describe('rooms with a limit', () => {
  const limited: KitOptions = { policy: { maxRoomMembers: 3 } }

  test('P-146 crossing the limit takes everybody out of sight, crossing back brings them back', () => {
    const kit = roommates(limited)
    kit.listens('dave')
    kit.catchUp('dave')
    expect(kit.joins('room', 'dave').wakes.toSorted()).toEqual(['alice', 'bob', 'carol'])
    expect(kit.hears('bob')).toEqual(['alice offline', 'carol offline'])
    expect(kit.hears('dave')).toEqual([])
    expect(kit.view('bob', 'alice')).toBeNull()
    expect(change(kit, 'alice')).toEqual(['alice'])
    expect(kit.leaves('room', 'dave').wakes.toSorted()).toEqual(['alice', 'bob', 'carol'])
    expect(kit.hears('bob')).toEqual(['alice online', 'carol online'])
    expect(kit.hears('dave')).toEqual([])
  })

  test('P-146 who comes to a room over its limit sees nobody, was never seen, and leaves without a word', () => {
    const kit = roommates(limited)
    kit.joins('room', 'dave')
    kit.listens('erin')
    kit.catchUp('alice', 'bob', 'carol', 'dave', 'erin')
    expect(kit.joins('room', 'erin').wakes).toEqual([])
    kit.joins('second', 'erin')
    expect(kit.leaves('room', 'erin').wakes).toEqual([])
    for (const name of ['alice', 'bob', 'dave', 'erin']) expect(kit.hears(name)).toEqual([])
  })

  test('P-146 a reader from before the limit was crossed hears nothing of who came after', () => {
    const kit = roommates(limited)
    kit.catchUp('dave')
    kit.joins('room', 'dave', 'erin')
    kit.leaves('room', 'dave')
    expect(kit.hears('bob')).toEqual(['alice offline', 'carol offline'])
    expect(kit.hears('dave')).toEqual([])
  })

  test('P-098 who left a room over its limit was lost when it crossed, not again', () => {
    const kit = roommates(limited)
    kit.joins('room', 'dave', 'erin')
    kit.catchUp('alice', 'bob')
    kit.leaves('room', 'alice')
    expect(kit.hears('alice')).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    expect(kit.hears('carol')).toEqual(['alice offline', 'bob offline'])
  })

  test('P-085 who came while it was over sees everybody when it is not any more', () => {
    const kit = roommates(limited)
    kit.joins('room', 'dave')
    kit.opens('dave', 'phone')
    kit.catchUp('alice', 'bob', 'carol', 'dave')
    kit.leaves('room', 'carol')
    expect(kit.hears('dave')).toEqual(['alice online', 'bob online'])
    expect(kit.hears('alice')).toEqual(['bob online', 'dave online'])
    expect(kit.hears('carol')).toEqual([])
  })
})

describe('listening', () => {
  test('who has no stream open is not woken, and reads it later', () => {
    const kit = roommates()
    kit.closes('bob', 'phone')
    kit.passes(29_999)
    kit.catchUp('alice', 'bob', 'carol')
    expect(change(kit, 'alice')).toContain('bob')
    kit.passes(MINUTE)
    kit.catchUp('alice', 'bob', 'carol')
    expect(change(kit, 'alice')).toEqual(['alice', 'carol'])
    expect(kit.hears('bob')).toEqual(['alice online'])
    kit.opens('bob', 'phone', 'offline')
    expect(change(kit, 'alice')).toContain('bob')
  })

  test('who joins while listening is woken there, who left is not', () => {
    const kit = strangers()
    kit.joins('room', 'alice', 'bob')
    kit.leaves('room', 'bob')
    expect(change(kit, 'alice')).toEqual(['alice'])
    kit.joins('room', 'bob')
    expect(change(kit, 'alice')).toEqual(['alice', 'bob'])
  })
})
