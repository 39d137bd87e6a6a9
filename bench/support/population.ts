import { hashAccessToken } from '../../src/homeserver/access-token.ts'
import type { DeviceId, EventId, RoomId, UserId } from '../../src/matrix/ids.ts'
import type { Store, Write } from '../../src/ports/store.ts'

export const SERVER_NAME = 'bench.example'

const ROOM = '!bench:bench.example' as RoomId
const DEVICE = 'BENCH' as DeviceId
const USERS_PER_COMMIT = 1_000

/** A user with one device; their access token. */
export function tokenOf(user: number): string {
  return `adsum_bench_${user}`
}

export function userIdOf(user: number): UserId {
  return `@user${user}:${SERVER_NAME}` as UserId
}

/** Somebody in no room: whose first sync is short. */
export const OUTSIDER = -1

/**
 * Users in one room, written as rows and not through the API: the room has no events, which `/sync` does not ask for as long
 * as nothing happens in it. All were online when the server stopped, so that their coming back is no news to anybody.
 */
export async function populate(store: Pick<Store, 'commit'>, users: number, now: number): Promise<void> {
  const room = { roomId: ROOM, version: '11', creator: userIdOf(0), createdTs: now, listed: 0 } as const
  await store.commit([{ put: 'rooms', row: room }, ...accountRows(OUTSIDER, now)])
  for (let from = 0; from < users; from += USERS_PER_COMMIT) {
    const some = Array.from({ length: Math.min(USERS_PER_COMMIT, users - from) }, (_, i) => from + i)
    await store.commit(some.flatMap((user) => accountRows(user, now).concat(memberRows(user, now))))
  }
}

export function accountRows(user: number, createdTs: number): Write[] {
  const userId = userIdOf(user)
  const account = { userId, passwordHash: null, admin: 0, guest: 0, createdTs, deactivatedTs: null } as const
  const seen = { lastSeenTs: createdTs, lastSeenIp: '127.0.0.1' }
  const device = { userId, deviceId: DEVICE, displayName: null, createdTs, ...seen }
  const tokenHash = hashAccessToken(tokenOf(user))
  return [
    { put: 'accounts', row: account },
    { put: 'devices', row: device },
    { put: 'tokens', row: { tokenHash, userId, deviceId: DEVICE, createdTs } },
    { put: 'profiles', row: { userId, field: 'displayname', json: `"User ${user}"` } },
  ]
}

function memberRows(user: number, now: number): Write[] {
  const userId = userIdOf(user)
  const eventId = `$member${user}` as EventId
  const presence = { state: 'online', statusMsg: null, lastActiveTs: now } as const
  const flags = { hidden: 0, hiddenBy: null, currentlyActive: 1, refreshedTs: null } as const
  return [
    {
      put: 'memberships',
      row: { roomId: ROOM, userId, membership: 'join', eventId, pos: user + 1, forgotten: 0 },
    },
    { put: 'presence', row: { userId, ...presence, ...flags } },
  ]
}
