import { expect, test } from 'vitest'
import { hashAccessToken } from '../../src/homeserver/access-token.ts'
import type { DeviceId, UserId } from '../../src/matrix/ids.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Write } from '../../src/ports/store.ts'
import type { Exchange } from '../support/faulty-link.ts'
import { HOME, openFederation, REMOTE, type FederationHouse } from '../support/federation-house.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const PAIRS = 1_000

/** Accounts with a device, and everybody following their partner at the other server, as rows: 1,000 handshakes take their time. */
async function plantCrowd(house: FederationHouse): Promise<void> {
  for (const [name, other] of [
    [HOME, REMOTE],
    [REMOTE, HOME],
  ] as const) {
    const { store, clock } = house.server(name)
    const ts = clock.now()
    const writes: Write[] = []
    for (let i = 0; i < PAIRS; i += 1) {
      const userId = `@u${i}:${name}` as UserId
      const partner = `@u${i}:${other}` as UserId
      const [deviceId, token] = ['DEVICE' as DeviceId, tokenOf(name, i)]
      writes.push(
        {
          put: 'accounts',
          row: { userId, passwordHash: null, admin: 0, guest: 0, createdTs: ts, deactivatedTs: null },
        },
        {
          put: 'devices',
          row: { userId, deviceId, displayName: null, createdTs: ts, lastSeenTs: null, lastSeenIp: null },
        },
        { put: 'tokens', row: { tokenHash: hashAccessToken(token), userId, deviceId, createdTs: ts } },
        {
          put: 'presenceList',
          row: {
            observer: userId,
            observed: partner,
            state: 'accepted',
            askedTs: ts,
            acceptedPos: i + 1,
            ask: i + 1,
          },
        },
        {
          put: 'presenceGrants',
          row: { observed: userId, observer: partner, state: 'granted', ts, ask: i + 1 },
        },
      )
    }
    writes.push({ put: 'listPeers', row: { serverName: other as never, heardTs: ts } })
    await store.commit(writes)
    await house.restarts(name)
  }
}

function tokenOf(name: string, i: number): string {
  return `adsum_crowd_${name}_${i}`
}

async function sync(
  house: FederationHouse,
  name: string,
  i: number,
  query: Record<string, string>,
): Promise<JsonObject> {
  const reply = await house
    .server(name)
    .request('GET', '/_matrix/client/v3/sync', { token: tokenOf(name, i), query })
  expect(reply.status).toBe(200)
  return reply.body
}

/** All of them at both servers, as after a power cut in both towns. */
async function everybodyComesOnline(house: FederationHouse): Promise<void> {
  for (const name of [HOME, REMOTE])
    for (let from = 0; from < PAIRS; from += 50)
      await Promise.all(
        Array.from({ length: 50 }, (_, k) =>
          sync(house, name, from + k, { set_presence: 'online', timeout: '0' }),
        ),
      )
}

function pushesIn(exchanges: readonly Exchange[]): JsonObject[] {
  return exchanges
    .flatMap(({ edus }) => edus)
    .flatMap(({ content }) => (content['push'] ?? []) as JsonObject[])
}

test('P-174 P-173 P-183 L-18 a thousand pairs that come online together cause bounded, spread traffic', async () => {
  const house = await openFederation()
  await plantCrowd(house)
  await house.advance(MINUTE)
  for (const name of [HOME, REMOTE]) house.link(name).exchanges.length = 0
  const startMs = house.elapsedMs
  await everybodyComesOnline(house)
  await house.advance(29 * SECOND)
  for (const name of [HOME, REMOTE]) {
    const sent = house.link(name).transactions()
    // Groups of a window: one transaction may not be enough for all, but they are few.
    expect(sent.length).toBeLessThanOrEqual(12)
    const windows = new Set(sent.map(({ elapsedMs }) => elapsedMs - startMs))
    expect(windows.size).toBeGreaterThanOrEqual(2)
    for (const { received, edus } of sent) {
      expect(edus.length).toBeLessThanOrEqual(100)
      expect(received.body.length).toBeLessThan(2_000_000)
      for (const { content } of edus)
        expect(((content['push'] ?? []) as unknown[]).length).toBeLessThanOrEqual(50)
    }
    // Everybody is told, and hardly anybody more than twice: with the change, and as company of a poll.
    const pushes = pushesIn(sent)
    expect(new Set(pushes.map(({ user_id }) => user_id)).size).toBe(PAIRS)
    expect(pushes.length).toBeLessThanOrEqual(3 * PAIRS)
    const polled = sent
      .flatMap(({ edus }) => edus)
      .flatMap(({ content }) => (content['poll'] ?? []) as string[])
    expect(new Set(polled).size).toBe(PAIRS)
    expect(polled.length).toBeLessThanOrEqual(2 * PAIRS)
  }
  // And it was of use.
  const status = await house
    .server(HOME)
    .request('GET', `/_matrix/client/v3/presence/@u999:${REMOTE}/status`, { token: tokenOf(HOME, 999) })
  expect(status.body).toMatchObject({ presence: 'online' })
  // They all leave at the same time, too; the hour after is quiet.
  await house.advance(MINUTE)
  for (const name of [HOME, REMOTE]) house.link(name).exchanges.length = 0
  await house.advance(HOUR)
  for (const name of [HOME, REMOTE]) expect(house.link(name).transactions().length).toBeLessThanOrEqual(10)
  await house.close()
})
