import type { MatrixClient } from 'matrix-js-sdk'
import { Preset } from 'matrix-js-sdk/lib/@types/partials.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { attachTo } from '../../client/src/attach.ts'
import { IdleTimer, type PresenceClient } from '../../client/src/index.ts'
import { until } from '../support/manual-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { passes, sdkClient } from './support.ts'

let server: TestServer
let idle: IdleTimer
let alice: MatrixClient
let bob: MatrixClient
let presenceOfAlice: PresenceClient
let presenceOfBob: PresenceClient

beforeAll(async () => {
  server = await startServer()
  alice = await sdkClient(server, 'alice')
  bob = await sdkClient(server, 'bob')
  const { clock } = server
  idle = new IdleTimer({ clock, channel: null, locks: null })
  presenceOfAlice = attachTo(alice, { clock, idle, storage: null })
  presenceOfBob = attachTo(bob, { clock, idle: false, storage: null })
  for (const presence of [presenceOfAlice, presenceOfBob]) presence.start()
  await alice.startClient({ pollTimeout: 30_000 })
  await bob.startClient({ pollTimeout: 30_000 })
  const { room_id: roomId } = await alice.createRoom({ preset: Preset.PublicChat })
  await bob.joinRoom(roomId)
})

afterAll(async () => {
  for (const presence of [presenceOfAlice, presenceOfBob]) presence.stop()
  idle.stop()
  alice.stopClient()
  bob.stopClient()
  await server.close()
})

function bobSees(presence: string): Promise<void> {
  return until(
    () => presenceOfBob.get(alice.getSafeUserId()).presence === presence,
    `bob sees alice ${presence}`,
  )
}

test('two real matrix-js-sdk clients see each other through the package, with one sync each', async () => {
  await bobSees('online')
  await until(() => presenceOfAlice.get(bob.getSafeUserId()).presence === 'online', 'alice sees bob')
  await server.parked(2)
})

test('a state and a text that are set through it arrive, and a text that is gone is gone', async () => {
  await presenceOfAlice.setPresence({ state: 'unavailable', statusMsg: 'lunch' })
  await bobSees('unavailable')
  expect(presenceOfBob.get(alice.getSafeUserId()).statusMsg).toBe('lunch')
  await passes(server, 5_000, 2)
  await presenceOfAlice.setPresence({ state: 'online', statusMsg: null })
  await bobSees('online')
  expect(presenceOfBob.get(alice.getSafeUserId())).not.toHaveProperty('statusMsg')
})

test('P-205 being idle is told with a later poll, and so is coming back', async () => {
  await passes(server, 4 * 60_000, 2)
  await bobSees('unavailable')
  idle.activity()
  await passes(server, 60_000, 2)
  await bobSees('online')
})

test('an invite is found and answered', async () => {
  await presenceOfAlice.invite(bob.getSafeUserId())
  await passes(server, 60_000, 2)
  await until(() => presenceOfBob.lists().incoming.length === 1, 'the invite')
  await presenceOfBob.accept(alice.getSafeUserId())
  await until(() => presenceOfBob.lists().observers.length === 1, 'accepted')
  await passes(server, 60_000, 2)
  await until(() => presenceOfAlice.lists().following.length === 1, 'alice follows')
})
