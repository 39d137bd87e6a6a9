import { afterEach, describe, expect, test } from 'vitest'
import type { Actor } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

afterEach(() => server.close())

async function someone(config: Record<string, string> = {}): Promise<Actor> {
  server = await startServer({ config })
  return await server.registers('alice')
}

interface RoomVersions {
  readonly default: string
  readonly available: Record<string, string>
}

async function roomVersions(who: Actor, surface = 'v3'): Promise<RoomVersions> {
  const { capabilities } = await who.ok('GET', `/${surface}/capabilities`)
  return (capabilities as Record<string, unknown>)['m.room_versions'] as RoomVersions
}

async function versionOf(who: Actor, roomId: string): Promise<unknown> {
  const create = await who.ok('GET', `/v3/rooms/${encodeURIComponent(roomId)}/state/m.room.create`)
  return create['room_version']
}

describe('capabilities', () => {
  test('R-001 are those of the specification', async () => {
    const alice = await someone()
    const stable = ['6', '7', '8', '9', '10', '11', '12'].map((version) => [version, 'stable'])
    for (const surface of ['r0', 'v3'])
      expect(await alice.ok('GET', `/${surface}/capabilities`)).toEqual({
        capabilities: {
          'm.change_password': { enabled: true },
          'm.room_versions': { default: '11', available: Object.fromEntries(stable) },
          'm.set_displayname': { enabled: true },
          'm.set_avatar_url': { enabled: true },
          'm.3pid_changes': { enabled: false },
          'm.profile_fields': { enabled: true },
          'm.get_login_token': { enabled: false },
        },
      })
  })

  test('R-001 every room version listed can be created, and the default is what is created', async () => {
    const alice = await someone()
    const { default: usual, available } = await roomVersions(alice)
    for (const version of Object.keys(available))
      expect(await versionOf(alice, await alice.creates({ room_version: version })), version).toBe(version)
    expect(await versionOf(alice, await alice.creates())).toBe(usual)
    const reply = await alice.request('POST', '/v3/createRoom', { body: { room_version: '5' } })
    expect([reply.status, reply.body['errcode']]).toEqual([400, 'M_UNSUPPORTED_ROOM_VERSION'])
    expect(available).not.toHaveProperty('5')
  })

  test('R-001 what starting clients ask beside it is answered', async () => {
    const alice = await someone()
    for (const surface of ['r0', 'v3'])
      expect(await alice.ok('GET', `/${surface}/voip/turnServer`)).toEqual({})
    for (const path of ['/_matrix/client/v1', '/_matrix/media/v3', '/_matrix/media/r0']) {
      const limit = path.includes('client') ? `${path}/media/config` : `${path}/config`
      expect(await alice.ok('GET', limit)).toEqual({ 'm.upload.size': 52_428_800 })
      expect((await server.request('GET', limit)).status).toBe(401)
    }
    const backup = await alice.request('GET', '/v3/room_keys/version')
    expect([backup.status, backup.body['errcode']]).toEqual([404, 'M_NOT_FOUND'])
  })
})
