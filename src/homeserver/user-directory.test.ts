import { describe, expect, test } from 'vitest'
import { aUserHouse, close, enrol, type UserHouse } from '../../test/support/user-house.ts'
import type { RoomId } from '../matrix/ids.ts'
import type { Requester } from '../ports/directory.ts'
import { Memberships } from './memberships.ts'
import { createUserDirectory, SEARCH_ACCOUNTS_MAX, SEARCH_TERM_CHARS_MAX } from './user-directory.ts'

const DEN = '!den:hs.test' as RoomId
const CLUB = '!club:hs.test' as RoomId
const SQUARE = '!square:hs.test' as RoomId

interface House extends UserHouse {
  readonly alice: Requester
  /** Rooms that were asked about, in order. */
  readonly asked: RoomId[]
  enters(roomId: RoomId, ...members: readonly Requester[]): void
  names(requester: Requester, displayname: string): Promise<void>
  /** `[localparts found, limited]` */
  finds(requester: Requester, term: string, limit?: number): Promise<[names: string[], limited: boolean]>
}

/** Everybody may join the square; nobody the den and the club. */
async function house(): Promise<House> {
  const base = await aUserHouse()
  const memberships = new Memberships()
  const asked: RoomId[] = []
  const directory = createUserDirectory({
    ...base,
    memberships,
    isPublic: async (roomId) => {
      asked.push(roomId)
      return roomId === SQUARE
    },
  })
  return {
    ...base,
    alice: await enrol(base, 'alice'),
    asked,
    enters(roomId, ...members) {
      for (const { userId } of members) memberships.set({ roomId, userId, membership: 'join' })
    },
    async names({ userId }, displayname) {
      const json = JSON.stringify(displayname)
      await base.store.commit([{ put: 'profiles', row: { userId, field: 'displayname', json } }])
    },
    async finds(requester, term, limit = 10) {
      const { results, limited } = await directory.search(requester, { term, limit })
      return [results.map(({ userId }) => userId.slice(1, userId.indexOf(':'))), limited]
    },
  }
}

describe('searching users', () => {
  test('§5.9 finds those who share a room, by user ID or display name in any case', async () => {
    const all = await house()
    const bob = await enrol(all, 'bob')
    const carol = await enrol(all, 'carol')
    await all.names(carol, 'Bobby Tables')
    all.enters(DEN, all.alice, bob, carol)
    expect(await all.finds(all.alice, 'BOB')).toEqual([['bob', 'carol'], false])
    expect(await all.finds(all.alice, '  tables ')).toEqual([['carol'], false])
    expect(await all.finds(all.alice, 'dan')).toEqual([[], false])
  })

  test('§5.9 finds those in a room that everyone may join, and no others', async () => {
    const all = await house()
    const [sam, sue, sid] = [await enrol(all, 'sam'), await enrol(all, 'sue'), await enrol(all, 'sid')]
    all.enters(SQUARE, sam)
    all.enters(CLUB, sam, sue)
    all.enters(DEN, all.alice)
    expect(await all.finds(all.alice, 's')).toEqual([['sam'], false])
    expect(await all.finds(sid, 's')).toEqual([['sam'], false])
    expect(await all.finds(sue, 's')).toEqual([['sam'], false])
    expect(await all.finds(sam, 's')).toEqual([['sue'], false])
  })

  test('§5.9 finds neither the searcher nor deactivated users', async () => {
    const all = await house()
    const bob = await enrol(all, 'bob')
    all.enters(SQUARE, all.alice, bob)
    await close(all, bob)
    expect(await all.finds(all.alice, 'hs.test')).toEqual([[], false])
  })

  test('§5.9 `limited` says that there are more than were wanted', async () => {
    const all = await house()
    for (const name of ['u1', 'u2', 'u3']) all.enters(SQUARE, await enrol(all, name))
    expect(await all.finds(all.alice, 'u', 2)).toEqual([['u1', 'u2'], true])
    expect(await all.finds(all.alice, 'u', 3)).toEqual([['u1', 'u2', 'u3'], false])
    expect(await all.finds(all.alice, 'u', 0)).toEqual([[], true])
  })

  test('§5.9 `limited` says that more accounts match than are looked at', async () => {
    const all = await house()
    for (let i = 0; i < SEARCH_ACCOUNTS_MAX; i += 1) await enrol(all, `u${i}`)
    expect(await all.finds(all.alice, 'u')).toEqual([[], true])
  })

  test('§5.9 a blank text, or one that no name can contain, finds nobody', async () => {
    const all = await house()
    all.enters(SQUARE, await enrol(all, 'bob'))
    for (const term of ['', '  \t', 'b'.repeat(SEARCH_TERM_CHARS_MAX + 1)])
      expect(await all.finds(all.alice, term)).toEqual([[], false])
  })

  test('§5.9 a room is asked about once a search', async () => {
    const all = await house()
    for (const name of ['u1', 'u2', 'u3']) all.enters(CLUB, await enrol(all, name))
    await all.finds(all.alice, 'u')
    expect(all.asked).toEqual([CLUB])
  })

  test('§5.9 results carry the profile', async () => {
    const all = await house()
    const bob = await enrol(all, 'bob')
    await all.names(bob, 'Bob')
    const memberships = new Memberships()
    memberships.set({ roomId: SQUARE, userId: bob.userId, membership: 'join' })
    const directory = createUserDirectory({ ...all, memberships, isPublic: async () => true })
    const { results } = await directory.search(all.alice, { term: 'bob', limit: 10 })
    expect(results).toEqual([{ userId: bob.userId, profile: { displayname: 'Bob' } }])
  })
})
