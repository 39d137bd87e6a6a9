import { describe, expect, test } from 'vitest'
import { engineKit, MINUTE, SECOND, type EngineKit, type KitOptions } from '../../test/support/engine-kit.ts'

/** Bob listens, in a room with those named; they are offline and were never active; he has read everything. */
function audience(names: readonly string[], options: KitOptions = {}): EngineKit {
  const kit = engineKit(options)
  for (const name of ['bob', ...names]) kit.user(name)
  kit.joins('room', 'bob', ...names)
  kit.listens('bob')
  kit.catchUp('bob')
  return kit
}

/** Reads on until nothing is left; each page as it came. */
function pages(kit: EngineKit, viewer: string, limit: number): string[][] {
  const all: string[][] = []
  for (let page = kit.hears(viewer, { limit }); page.length > 0; page = kit.hears(viewer, { limit }))
    all.push(page)
  return all
}

const comesOnline = (kit: EngineKit, ...names: string[]): void => {
  for (const name of names) kit.opens(name, 'phone')
}

describe('reading on', () => {
  test('P-082 P-083 P-087 each change once, the latest state only, in the order of the changes', () => {
    const kit = audience(['alice', 'carol'])
    comesOnline(kit, 'carol', 'alice')
    kit.puts('carol', 'phone', 'unavailable')
    kit.puts('carol', 'phone', 'busy', 'in a call')
    expect(kit.hears('bob')).toEqual(['alice online', 'carol busy'])
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-082 offline is told, too', () => {
    const kit = audience(['alice'])
    kit.opens('alice', 'phone', 'unavailable')
    kit.catchUp('bob')
    kit.logsOut('alice', 'phone')
    expect(kit.hears('bob')).toEqual(['alice offline'])
  })

  test('P-145 own changes are among them', () => {
    const kit = audience([])
    comesOnline(kit, 'bob')
    expect(kit.hears('bob')).toEqual(['bob online'])
  })

  test('an answer shows the time and what is currently so, not what was when it changed', () => {
    const kit = audience(['alice'])
    kit.opens('alice', 'phone', 'online')
    kit.passes(30 * SECOND)
    kit.acts('alice', 'phone')
    expect(kit.reads('bob')).toMatchObject([{ user: 'alice', lastActiveTs: kit.now, currentlyActive: true }])
  })

  test('a position beyond the newest counts as the newest', () => {
    const kit = audience(['alice'])
    comesOnline(kit, 'alice')
    kit.resumes('bob', { seq: kit.engine.head + 1_000, skip: 7 })
    expect(kit.hears('bob')).toEqual([])
    expect(kit.positionOf('bob')).toEqual({ seq: kit.engine.head, skip: 0 })
  })

  test('P-101 what a filter leaves out does not count to the limit and does not come later', () => {
    const kit = audience(['alice', 'carol', 'dave'])
    comesOnline(kit, 'alice', 'carol', 'dave')
    const accepts = (user: number): boolean => user !== kit.user('alice')
    expect(kit.hears('bob', { limit: 1, accepts })).toEqual(['carol online'])
    expect(kit.hears('bob', { limit: 1, accepts })).toEqual(['dave online'])
    expect(kit.hears('bob')).toEqual([])
  })
})

describe('a first answer', () => {
  test('P-099 the own entry, and of others those who are not offline', () => {
    const kit = audience(['alice', 'carol'])
    comesOnline(kit, 'carol')
    kit.puts('alice', 'phone', 'offline', 'away')
    expect(kit.hears('bob', { snapshot: true, omitOffline: true })).toEqual(['bob offline', 'carol online'])
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-099 for who is alone and unheard of', () => {
    expect(engineKit().hears('bob')).toEqual(['bob offline'])
  })

  test('P-104 in pages is everybody once', () => {
    const kit = audience(['a', 'b', 'c', 'd'])
    comesOnline(kit, 'd', 'b', 'a', 'c')
    const first = kit.hears('bob', { snapshot: true, omitOffline: true, limit: 2 })
    expect([first, ...pages(kit, 'bob', 2)]).toEqual([
      ['bob offline', 'd online'],
      ['b online', 'a online'],
      ['c online'],
    ])
  })
})

describe('a limit', () => {
  test('P-104 cuts, and the rest comes with the next answers, oldest first', () => {
    const kit = audience(['a', 'b', 'c', 'd', 'e'])
    comesOnline(kit, 'e', 'd', 'c', 'b', 'a')
    expect(pages(kit, 'bob', 2)).toEqual([['e online', 'd online'], ['c online', 'b online'], ['a online']])
  })

  test('P-104 cuts inside a group that became visible at once', () => {
    const names = ['a', 'b', 'c', 'd', 'e']
    const kit = audience([])
    kit.joins('second', ...names)
    comesOnline(kit, ...names)
    kit.joins('second', 'bob')
    const group = names.map((name) => `${name} online`)
    expect(pages(kit, 'bob', 2)).toEqual([group.slice(0, 2), group.slice(2, 4), group.slice(4)])
    kit.leaves('second', 'bob')
    const lost = names.map((name) => `${name} offline`)
    expect(pages(kit, 'bob', 3)).toEqual([lost.slice(0, 3), lost.slice(3)])
  })

  test('P-104 who changes between pages comes once more if already told, and once if not', () => {
    const names = ['a', 'b', 'c', 'd']
    const kit = audience([])
    kit.joins('second', ...names)
    comesOnline(kit, ...names)
    kit.joins('second', 'bob')
    expect(kit.hears('bob', { limit: 2 })).toEqual(['a online', 'b online'])
    kit.puts('a', 'phone', 'busy')
    kit.puts('c', 'phone', 'unavailable')
    expect(pages(kit, 'bob', 2)).toEqual([['d online', 'a busy'], ['c unavailable']])
  })

  test('P-104 who leaves between pages is lost if told, and lost or never told if not', () => {
    const names = ['a', 'b', 'c', 'd']
    const kit = audience([])
    kit.joins('second', ...names)
    comesOnline(kit, ...names)
    kit.joins('second', 'bob')
    expect(kit.hears('bob', { limit: 2 })).toEqual(['a online', 'b online'])
    kit.leaves('second', 'a')
    kit.leaves('second', 'c')
    expect(pages(kit, 'bob', 9)).toEqual([['d online', 'a offline', 'c offline']])
  })

  /** Everybody was there before the start, so that all stand in one group, and Bob comes with nothing. */
  function beforeTheStart(names: readonly string[]): EngineKit {
    const kit = engineKit({ isStarting: true, head: 40 })
    for (const name of names) kit.restored(name, { state: 'online', lastActiveTs: kit.now - 2 * MINUTE })
    kit.joins('room', 'bob', ...names)
    kit.begins()
    return kit
  }

  test('P-104 cuts the group of what was there before the start', () => {
    const kit = beforeTheStart(['a', 'b', 'c'])
    const first = kit.hears('bob', { limit: 2 })
    expect([first, ...pages(kit, 'bob', 1)]).toEqual([
      ['a online', 'b online'],
      ['c online'],
      ['bob offline'],
    ])
  })

  test('P-104 P-098 who is lost between pages of that group is told', () => {
    const kit = beforeTheStart(['a', 'b', 'c'])
    kit.hears('bob', { limit: 2 })
    kit.leaves('room', 'a')
    expect(kit.hears('bob')).toEqual(['c online', 'bob offline', 'a offline'])
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-104 who goes offline between pages of that group is told', () => {
    const kit = beforeTheStart(['a', 'b', 'c'])
    kit.hears('bob', { limit: 2 })
    kit.deactivates('a')
    expect(kit.hears('bob')).toEqual(['c online', 'bob offline', 'a offline'])
  })

  test('P-104 P-148 who is ignored no more between pages of that group is told', () => {
    const kit = beforeTheStart(['a', 'b', 'c'])
    kit.ignores('bob', 'a')
    expect(kit.hears('bob', { limit: 1 })).toEqual(['b online'])
    kit.ignores('bob')
    expect(kit.hears('bob')).toEqual(['c online', 'bob offline', 'a online'])
    expect(kit.hears('bob')).toEqual([])
  })

  test('P-104 who is seen by a grant alone, after a room, is not lost between pages', () => {
    const kit = audience(['alice'])
    comesOnline(kit, 'alice')
    kit.joins('second', 'bob', 'carol')
    comesOnline(kit, 'carol')
    kit.grants('alice', 'bob')
    kit.leaves('room', 'alice')
    const first = kit.hears('bob', { snapshot: true, limit: 2 })
    expect([...first, ...pages(kit, 'bob', 1).flat()].toSorted()).toEqual([
      'alice online',
      'bob offline',
      'carol online',
    ])
  })
})

describe('bounds', () => {
  test('P-148 more names found again than are remembered: everybody is told once more', () => {
    const names = Array.from({ length: 1_100 }, (_, i) => `user${i}`)
    const kit = audience(names)
    for (const name of names) kit.opens(name, 'phone')
    kit.ignores('bob', ...names)
    const before = kit.positionOf('bob')
    kit.reads('bob', { limit: 5_000 })
    expect(kit.reads('bob')).toEqual([])
    kit.ignores('bob')
    expect(kit.reads('bob', { limit: 5_000 }).filter(({ state }) => state === 'online')).toHaveLength(1_100)
    expect(kit.reads('bob')).toEqual([])
    kit.resumes('bob', before)
    expect(new Set(kit.hears('bob', { limit: 5_000 })).size).toBeGreaterThanOrEqual(1_100)
  })

  test('P-086 more newcomers than a room remembers: all are told', () => {
    const kit = audience([])
    const names = Array.from({ length: 300 }, (_, i) => `user${i}`)
    for (const name of names) {
      kit.opens(name, 'phone')
      kit.joins('room', name)
    }
    expect(kit.hears('bob')).toEqual(names.map((name) => `${name} online`))
  })
})

describe('digest', () => {
  test('differs where the state does', () => {
    const kit = audience(['alice'])
    const seen = new Set([kit.engine.digest()])
    const steps = [
      () => kit.opens('alice', 'phone'),
      () => kit.passes(MINUTE),
      () => kit.joins('second', 'alice'),
      () => kit.grants('alice', 'bob'),
      () => kit.ignores('bob', 'alice'),
    ]
    for (const step of steps) {
      step()
      seen.add(kit.engine.digest())
    }
    expect(seen.size).toBe(1 + steps.length)
  })
})
