import {
  ClientEvent,
  RoomEvent,
  RoomStateEvent,
  SetPresence,
  UserEvent,
  type EmittedEvents,
  type MatrixClient,
} from 'matrix-js-sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Preset } from 'matrix-js-sdk/lib/@types/partials.js'
import { startServer, type TestServer } from '../support/server.ts'
import { expectCalm, passes, requestsInOneMinute, sdkClient } from './support.ts'

const MINUTE = 60_000

/** Resolves when `emitter` has made `condition` true; real clients work on real time. */
function when(
  client: MatrixClient,
  events: readonly EmittedEvents[],
  condition: () => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (!condition()) return
      for (const event of events) client.off(event, check)
      resolve()
    }
    for (const event of events) client.on(event, check)
    check()
  })
}

describe('two matrix-js-sdk clients, one with encryption', () => {
  let server: TestServer
  let alice: MatrixClient
  let bob: MatrixClient
  let roomId: string

  const bobSees = (state: string): Promise<void> =>
    when(bob, [UserEvent.Presence, UserEvent.CurrentlyActive, ClientEvent.Event, ClientEvent.Sync], () => {
      return bob.getUser(alice.getSafeUserId())?.presence === state
    })

  beforeAll(async () => {
    server = await startServer()
    alice = await sdkClient(server, 'alice')
    bob = await sdkClient(server, 'bob')
    await bob.initRustCrypto({ useIndexedDB: false })
  })

  afterAll(async () => {
    alice.stopClient()
    bob.stopClient()
    await server.close()
  })

  test('P-081 P-085 P-086 both start, meet in a room, and see each other online', async () => {
    await alice.startClient({ pollTimeout: 30_000 })
    await bob.startClient({ pollTimeout: 30_000 })
    await when(alice, [ClientEvent.Sync], () => alice.isInitialSyncComplete())
    await when(bob, [ClientEvent.Sync], () => bob.isInitialSyncComplete())
    roomId = (await alice.createRoom({ preset: Preset.PublicChat, name: 'Roll call' })).room_id
    await bob.joinRoom(roomId)
    await bobSees('online')
    await when(
      alice,
      [UserEvent.Presence, ClientEvent.Event],
      () => alice.getUser(bob.getSafeUserId())?.presence === 'online',
    )
    expect(bob.getUser(alice.getSafeUserId())?.currentlyActive).toBe(true)
  })

  test('P-082 a status text arrives', async () => {
    await alice.setPresence({ presence: 'online', status_msg: 'at the tea party' })
    await when(bob, [ClientEvent.Event, UserEvent.Presence], () => {
      return bob.getUser(alice.getSafeUserId())?.presenceStatusMsg === 'at the tea party'
    })
  })

  test('P-113 P-114 a rename arrives as presence and as membership', async () => {
    await alice.setDisplayName('Alice Liddell')
    await when(bob, [ClientEvent.Event, RoomStateEvent.Members], () => {
      const user = bob.getUser(alice.getSafeUserId())
      const member = bob.getRoom(roomId)?.getMember(alice.getSafeUserId())
      return user?.displayName === 'Alice Liddell' && member?.rawDisplayName === 'Alice Liddell'
    })
  })

  test('P-124 R-197 a message arrives', async () => {
    const arrived = when(bob, [RoomEvent.Timeline], () => {
      return (bob.getRoom(roomId)?.timeline ?? []).some(
        (event) => event.getContent()['body'] === 'Curiouser!',
      )
    })
    await alice.sendTextMessage(roomId, 'Curiouser!')
    await arrived
  })

  test('R-187 R-215 an idle minute causes no request storm', async () => {
    await server.parked(2)
    expectCalm(await requestsInOneMinute(server, 2), 2)
  })

  test('P-132 five quiet minutes make an idle client unavailable', async () => {
    const seen = bobSees('unavailable')
    await passes(server, 6 * MINUTE, 2)
    await seen
    expect(alice.getUser(alice.getSafeUserId())?.presence).toBe('unavailable')
  })

  test('P-130 P-089 acting brings it back, and choosing offline shows', async () => {
    const back = bobSees('online')
    await alice.sendTextMessage(roomId, 'I am back')
    await back
    const gone = bobSees('offline')
    await alice.setSyncPresence(SetPresence.Offline)
    await passes(server, MINUTE, 2)
    await gone
  })

  test('P-134 a client that stops goes offline after the grace', async () => {
    await alice.setSyncPresence(SetPresence.Online)
    await passes(server, MINUTE, 2)
    await bobSees('online')
    alice.stopClient()
    const gone = bobSees('offline')
    await passes(server, MINUTE, 1)
    await gone
  })
})
