import { describe, expect, test } from 'vitest'
import { GONE, roommates, strangers, type EngineKit, type KitOptions } from '../../test/support/engine-kit.ts'

const change = (kit: EngineKit, user: string): readonly string[] =>
  kit.puts(user, 'phone', 'online', `at ${(kit.now += 1)}`).wakes

describe('ignoring', () => {
  test('P-148 the ignored are lost to the one who ignores, and nobody else hears of it', () => {
    const kit = roommates()
    expect(kit.ignores('bob', 'alice').wakes).toEqual(['bob'])
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', state: 'offline', statusMsg: null }])
    expect(kit.hears('alice')).toEqual([])
    expect(change(kit, 'alice').toSorted()).toEqual(['alice', 'carol'])
    expect(kit.hears('bob')).toEqual([])
    expect(kit.hears('carol')).toEqual(['alice online'])
    expect(change(kit, 'bob').toSorted()).toEqual(['alice', 'bob', 'carol'])
    expect(kit.ignores('bob').wakes).toEqual(['bob'])
    expect(kit.hears('bob')).toEqual(['bob online', 'alice online'])
  })

  test('P-148 an ignored newcomer is not told, and their leaving neither', () => {
    const kit = strangers()
    kit.ignores('bob', 'alice')
    kit.joins('room', 'bob')
    kit.catchUp('bob')
    expect(kit.joins('room', 'alice').wakes).toEqual(['alice'])
    expect(kit.hears('bob')).toEqual([])
    kit.leaves('room', 'alice')
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-146 ignoring a stranger tells nothing and wakes nobody', () => {
    const kit = strangers()
    expect(kit.ignores('bob', 'alice').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    expect(kit.ignores('bob').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
  })

  test('the same list again is nothing; one more name is that name alone', () => {
    const kit = roommates()
    kit.ignores('bob', 'alice')
    kit.catchUp('bob')
    expect(kit.ignores('bob', 'alice').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    kit.ignores('bob', 'alice', 'carol')
    expect(kit.hears('bob')).toEqual(['carol offline'])
  })

  test('P-148 who is ignored may let the one who ignores them see or not: nothing is told', () => {
    const kit = strangers()
    kit.ignores('bob', 'alice')
    expect(kit.grants('alice', 'bob').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    expect(change(kit, 'alice')).toEqual(['alice'])
    expect(kit.revokes('alice', 'bob').wakes).toEqual([])
    expect(kit.hears('bob')).toEqual([])
    kit.grants('alice', 'bob')
    expect(kit.ignores('bob').wakes).toEqual(['bob'])
    expect(kit.hears('bob')).toEqual(['alice online'])
  })

  test('P-098 who left, or whom the room grew too large for, and is ignored after that: lost all the same', () => {
    const kit = roommates({ policy: { maxRoomMembers: 3 } })
    kit.leaves('room', 'alice')
    kit.ignores('bob', 'alice')
    expect(kit.hears('bob')).toEqual(['alice offline'])
    kit.joins('room', 'dave', 'erin')
    kit.ignores('bob', 'carol')
    expect(kit.hears('bob')).toContain('carol offline')
  })

  describe('which also hides', () => {
    const hiding: KitOptions = { policy: { hideFromIgnored: true } }

    test('P-148 who is ignored sees the one who ignores no more, until they do not', () => {
      const kit = roommates(hiding)
      expect(kit.ignores('bob', 'alice').wakes.toSorted()).toEqual(['alice', 'bob'])
      expect(kit.reads('alice')).toEqual([{ user: 'bob', ...GONE }])
      expect(kit.view('alice', 'bob')).toBeNull()
      expect(change(kit, 'bob').toSorted()).toEqual(['bob', 'carol'])
      expect(kit.hears('alice')).toEqual([])
      expect(kit.ignores('bob').wakes.toSorted()).toEqual(['alice', 'bob'])
      expect(kit.hears('alice')).toEqual(['bob online'])
    })

    test('P-146 a stranger who ignores is nobody to tell of, coming or going', () => {
      const kit = strangers(hiding)
      expect(kit.ignores('bob', 'alice').wakes).toEqual([])
      kit.joins('room', 'alice')
      kit.joins('room', 'bob')
      expect(kit.hears('alice')).toEqual([])
      kit.leaves('room', 'bob')
      expect(kit.hears('alice')).toEqual([])
      kit.ignores('bob')
      expect(kit.hears('alice')).toEqual([])
    })

    test('P-098 ignored, left and forgiven, between two reads: one offline', () => {
      const kit = roommates(hiding)
      kit.ignores('bob', 'alice')
      kit.leaves('room', 'bob')
      kit.ignores('bob')
      expect(kit.hears('alice')).toEqual(['bob offline'])
    })
  })
})
