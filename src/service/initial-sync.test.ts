import { describe, expect, test } from 'vitest'
import { settle } from '../../test/support/manual-clock.ts'
import type { PresenceView, UserNum } from '../engine/types.ts'
import type { DeviceId, RoomId, UserId } from '../matrix/ids.ts'
import type { InitialSyncQuery } from '../ports/event-section.ts'
import { createInitialSync } from './initial-sync.ts'
import type { NewsWindow } from './presence-list-news.ts'
import type { PresenceQuery } from './presence-section.ts'

const [ALICE, BOB, CAROL, DAVE] = ['alice', 'bob', 'carol', 'dave'].map(
  (name) => `@${name}:home.example`,
) as [UserId, UserId, UserId, UserId]
const ROOM = '!room:home.example' as RoomId

function view(state: PresenceView['state']): PresenceView {
  return {
    user: 1 as UserNum,
    state,
    hidden: false,
    statusMsg: null,
    lastActiveTs: null,
    currentlyActive: false,
    seq: 9,
    visible: true,
  }
}

/** Presence and rooms as plain values; both move on while the answer is being read. */
function world(views: ReadonlyMap<UserId, PresenceView> = new Map()) {
  const state = { seq: 5, stream: 7 }
  const asked: InitialSyncQuery[] = []
  const windows: [PresenceQuery, unknown][] = []
  const listWindows: NewsWindow[] = []
  const moveOn = async (): Promise<void> => {
    Object.assign(state, { seq: 6, stream: 8 })
    await settle(1)
  }
  const initialSync = createInitialSync({
    loop: {
      get head() {
        return state.seq
      },
      view: (_viewer, userId) => views.get(userId) ?? null,
    },
    presence: {
      window: (query, since) => {
        windows.push([query, since])
        const position = { seq: state.seq, skip: 0 }
        return { isEmpty: false, position, events: async () => [{ type: 'm.presence' }] }
      },
    },
    events: { write: async (entries, form) => entries.map(({ userId }) => ({ form, userId })) },
    rooms: {
      position: () => ({ stream: state.stream, typing: 0 }),
      initial: async (query) => {
        asked.push(query)
        await moveOn()
        return { rooms: [{ room_id: ROOM }], receipts: [], account_data: [] }
      },
      initialRoom: async (query) => {
        asked.push(query)
        await moveOn()
        return { info: { room_id: ROOM }, receipts: [], members: [ALICE, BOB, CAROL, DAVE] }
      },
    },
    lists: {
      read: async (_userId, pairs) => {
        listWindows.push(pairs)
        return { events: [{ type: 'dev.adsum.presence_lists.invite' }], ended: [] }
      },
    },
    epoch: 'life',
  })
  const requester = { userId: ALICE, deviceId: 'PHONE' as DeviceId, guest: false, admin: false }
  return { initialSync, requester, asked, windows, listWindows }
}

describe('initialSync', () => {
  test('P-075 P-076 its end is one moment of presence and rooms, and everything is read as of it', async () => {
    const { initialSync, requester, asked, windows, listWindows } = world()
    const body = await initialSync.all({ requester, form: 'api/v1', limit: 3, archived: false })
    expect(body).toEqual({
      end: 'a1_life_5_7_0',
      presence: [{ type: 'm.presence' }],
      'dev.adsum.presence_lists': [{ type: 'dev.adsum.presence_lists.invite' }],
      rooms: [{ room_id: ROOM }],
      receipts: [],
      account_data: [],
    })
    expect(asked).toMatchObject([{ end: body.end, now: { stream: 7 }, limit: 3, form: 'api/v1' }])
    expect(listWindows).toMatchObject([{ after: null, upTo: 7 }])
    expect(windows).toEqual([[{ viewer: ALICE, filter: {}, fullState: false, form: 'api/v1' }, null]])
  })

  test('P-079 a room has the presence of its members: not of the offline and the unseen, always the own', async () => {
    const { initialSync, requester, asked } = world(
      new Map([
        [ALICE, view('offline')],
        [BOB, view('offline')],
        [CAROL, view('unavailable')],
      ]),
    )
    const body = await initialSync.room({ requester, form: 'events', limit: 3 }, ROOM)
    expect(body).toEqual({
      room_id: ROOM,
      presence: [
        { form: 'events', userId: ALICE },
        { form: 'events', userId: CAROL },
      ],
      receipts: [],
    })
    expect(asked).toMatchObject([{ end: 'a1_life_5_7_0', now: { stream: 7 } }])
  })
})
