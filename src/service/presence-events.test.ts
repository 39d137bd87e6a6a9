import { expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import { UNKNOWN_PRESENCE } from '../matrix/presence.ts'
import { createPresenceEvents, type ShownEntry } from './presence-events.ts'

const BOB = '@bob:home.example' as UserId
const ZOE = '@zoe:remote.example' as UserId
const YAN = '@yan:remote.example' as UserId

test('§5.8 names of other servers’ users are what is known at once, those of our own what the directory says', async () => {
  const asked: Record<string, UserId[][]> = { directory: [], cache: [] }
  const events = createPresenceEvents({
    directory: {
      profiles: async (userIds) => {
        asked['directory']?.push([...userIds])
        return new Map([[BOB, { displayname: 'Bob' }]])
      },
    },
    remoteProfiles: {
      known: (userIds) => {
        asked['cache']?.push([...userIds])
        return new Map([[ZOE, { displayname: 'Zoe', avatarUrl: 'mxc://remote.example/z' }]])
      },
    },
    clock: new ManualClock(),
    epoch: 'life',
    serverName: 'home.example' as ServerName,
    busy: false,
  })
  const entryOf = (userId: UserId): ShownEntry => ({ userId, view: { ...UNKNOWN_PRESENCE, seq: 1 } })
  const written = await events.write([ZOE, BOB, YAN].map(entryOf), 'sync')
  expect(written.map(({ sender, content }) => [sender, content])).toMatchObject([
    [ZOE, { displayname: 'Zoe', avatar_url: 'mxc://remote.example/z' }],
    [BOB, { displayname: 'Bob' }],
    [YAN, {}],
  ])
  expect(written[2]?.['content']).not.toHaveProperty('displayname')
  expect(asked).toEqual({ directory: [[BOB]], cache: [[ZOE, YAN]] })
  await events.write([entryOf(BOB)], 'sync')
  expect(asked['cache']).toHaveLength(1)
})
