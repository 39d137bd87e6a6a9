import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import { serverOf, type UserId } from '../matrix/ids.ts'
import type { PublicProfile } from '../ports/directory.ts'
import { createRemoteProfiles, type RemoteProfileCache } from './remote-profiles.ts'

const ZOE = '@zoe:far' as UserId
const HOUR = 3_600_000

interface Query {
  readonly userId: UserId
  readonly answers: (profile: PublicProfile | null) => Promise<void>
  readonly fails: () => Promise<void>
}

let clock: ManualClock
let profiles: RemoteProfileCache
/** Queries on their way, and users whose watchers were told. */
let queries: Query[]
let changed: UserId[]

beforeEach(() => {
  clock = new ManualClock()
  queries = []
  changed = []
  profiles = createRemoteProfiles({
    clock,
    log: { debug: () => {} },
    query: (userId) =>
      new Promise((resolve, reject) => {
        const end = async (act: () => void): Promise<void> => {
          queries = queries.filter((one) => one !== query)
          act()
          await settle()
        }
        const query: Query = {
          userId,
          answers: (profile) => end(() => resolve(profile)),
          fails: () => end(() => reject(new Error('away'))),
        }
        queries.push(query)
      }),
    onChanged: (userId) => void changed.push(userId),
    usersMax: 3,
  })
})

const nameOf = (userId: UserId = ZOE): PublicProfile | undefined => profiles.known([userId]).get(userId)
const asked = (): UserId[] => queries.map(({ userId }) => userId)
const answer = async (profile: PublicProfile | null): Promise<void> => queries[0]?.answers(profile)
const usersOf = (server: string, count: number): UserId[] =>
  Array.from({ length: count }, (_, i) => `@u${i}:${server}` as UserId)

describe('a name', () => {
  test('that is not known is asked for once, and told when it arrives', async () => {
    expect([nameOf(), nameOf(), asked()]).toEqual([undefined, undefined, [ZOE]])
    await answer({ displayname: 'Zoe', avatarUrl: 'mxc://far/z' })
    expect(changed).toEqual([ZOE])
    expect(nameOf()).toEqual({ displayname: 'Zoe', avatarUrl: 'mxc://far/z' })
    expect(asked()).toEqual([])
  })

  test('is asked for again after a day; until then, and while the answer is out, the old one does', async () => {
    nameOf()
    await answer({ displayname: 'Zoe' })
    await clock.advance(24 * HOUR - 1)
    expect([nameOf(), asked()]).toEqual([{ displayname: 'Zoe' }, []])
    await clock.advance(1)
    expect([nameOf(), asked()]).toEqual([{ displayname: 'Zoe' }, [ZOE]])
    await answer({ displayname: 'Zoe' })
    expect(changed).toEqual([ZOE])
    await clock.advance(24 * HOUR)
    nameOf()
    await answer({ displayname: 'Zoë' })
    expect([changed, nameOf()]).toEqual([[ZOE, ZOE], { displayname: 'Zoë' }])
  })

  test('that nobody has is not asked for again at once', async () => {
    nameOf()
    await answer(null)
    expect([nameOf(), asked(), changed]).toEqual([{}, [], []])
    await clock.advance(24 * HOUR)
    expect([nameOf(), asked()]).toEqual([{}, [ZOE]])
  })

  test('stays known while its server is away, which is asked again after ten minutes', async () => {
    profiles.heard(ZOE, { displayname: 'Zoe', avatarUrl: null })
    await clock.advance(24 * HOUR)
    nameOf()
    await queries[0]?.fails()
    expect([nameOf(), asked()]).toEqual([{ displayname: 'Zoe' }, []])
    await clock.advance(600_000)
    expect([nameOf(), asked()]).toEqual([{ displayname: 'Zoe' }, [ZOE]])
  })

  test('is taken only as our own users may have it', async () => {
    nameOf()
    await answer({ displayname: 'x'.repeat(1_025), avatarUrl: 'https://far/z.png' })
    expect([nameOf(), changed]).toEqual([{}, []])
    profiles.heard(ZOE, { displayname: '', avatarUrl: 'mxc://' })
    expect([nameOf(), changed]).toEqual([{}, []])
    profiles.heard(ZOE, { displayname: 'x'.repeat(1_024), avatarUrl: 'mxc://far/z' })
    expect(nameOf()).toEqual({ displayname: 'x'.repeat(1_024), avatarUrl: 'mxc://far/z' })
  })
})

describe('names that come along', () => {
  test('need no query, and are told if they are new', () => {
    profiles.heard(ZOE, { displayname: 'Zoe', avatarUrl: 'mxc://far/z' })
    profiles.heard(ZOE, { displayname: 'Zoe', avatarUrl: 'mxc://far/z' })
    expect([nameOf(), asked(), changed]).toEqual([
      { displayname: 'Zoe', avatarUrl: 'mxc://far/z' },
      [],
      [ZOE],
    ])
  })

  test('leave alone what they do not say', () => {
    profiles.heard(ZOE, { displayname: 'Zoe', avatarUrl: 'mxc://far/z' })
    profiles.heard(ZOE, { displayname: null, avatarUrl: null })
    profiles.heard(ZOE, { displayname: 'Z', avatarUrl: null })
    expect(nameOf()).toEqual({ displayname: 'Z', avatarUrl: 'mxc://far/z' })
    profiles.heard(ZOE, { displayname: '', avatarUrl: null })
    expect(nameOf()).toEqual({ avatarUrl: 'mxc://far/z' })
  })
})

describe('bounds', () => {
  test('P-201 a slow server leaves room for the others', async () => {
    const [slow, quick] = [usersOf('slow', 30), usersOf('quick', 30)]
    profiles.known([...slow, ...quick])
    const running = (server: string): number => asked().filter((userId) => serverOf(userId) === server).length
    expect([running('slow'), running('quick')]).toEqual([2, 2])
    for (let i = 0; i < 30; i += 1)
      await queries.find(({ userId }) => serverOf(userId) === 'quick')?.answers({ displayname: 'Q' })
    expect([running('slow'), running('quick'), changed.length]).toEqual([2, 0, 30])
  })

  test('few queries are out at once, each server in its turn', async () => {
    profiles.known(Array.from({ length: 50 }, (_, i) => usersOf(`s${i}`, 3)).flat())
    expect(asked()).toHaveLength(20)
    expect(new Set(asked().map(serverOf)).size).toBe(20)
    await answer(null)
    expect(serverOf(asked().at(-1) as UserId)).toBe('s20')
  })

  test('who does not fit is asked for another time', async () => {
    const many = usersOf('slow', 1_500)
    profiles.known(many)
    const seen = new Set<UserId>()
    while (queries.length > 0) {
      for (const userId of asked()) seen.add(userId)
      await answer(null)
    }
    expect(seen.size).toBe(1_000)
    profiles.known(many.slice(1_400))
    expect(asked()).toHaveLength(2)
  })

  test('whoever was looked at longest ago is forgotten first', () => {
    const [a, b, c, d] = usersOf('far', 4) as [UserId, UserId, UserId, UserId]
    for (const userId of [a, b, c]) profiles.heard(userId, { displayname: userId, avatarUrl: null })
    expect(nameOf(a)).toEqual({ displayname: a })
    profiles.heard(d, { displayname: d, avatarUrl: null })
    expect([a, b, c, d].map((userId) => nameOf(userId) !== undefined)).toEqual([true, false, true, true])
  })
})

test('after the end nothing is asked, and no answer does anything', async () => {
  profiles.known([ZOE, ...usersOf('far', 5)])
  profiles.close()
  await answer({ displayname: 'Zoe' })
  nameOf()
  expect([changed, nameOf(), asked()]).toEqual([[], undefined, ['@u0:far']])
})
