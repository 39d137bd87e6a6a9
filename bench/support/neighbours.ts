import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { UserId } from '../../src/matrix/ids.ts'
import type { Store, Write } from '../../src/ports/store.ts'
import { PEER_NAME, type Peer } from './peer.ts'
import { accountRows, OUTSIDER, userIdOf } from './population.ts'

export interface Neighbours {
  /** Users of the peer, each followed by one of ours. */
  readonly followed: number
  /** Ours who follow them, in turns: users 0 … followers-1. */
  readonly followers: number
  /** Ours whom users of the peer follow: the next ones. As many more are followed by nobody. */
  readonly told: number
}

const PAIRS_PER_COMMIT = 500

export function remoteIdOf(user: number): UserId {
  return `@remote${user}:${PEER_NAME}` as UserId
}

/** Users and pairs as rows; nobody shares a room, and everybody was online when the server stopped. */
export async function populateNeighbours(
  store: Pick<Store, 'commit'>,
  { followed, followers, told }: Neighbours,
  now: number,
): Promise<void> {
  await store.commit([
    ...accountRows(OUTSIDER, now),
    { put: 'listPeers', row: { serverName: PEER_NAME, heardTs: now } },
  ])
  const users = followers + 2 * told
  await inParts(store, users, (user) => [...accountRows(user, now), online(userIdOf(user), now, null)])
  await inParts(store, followed, (user) => entry(userIdOf(user % followers), remoteIdOf(user), user, now))
  await inParts(store, told, (user) => [
    grant(userIdOf(followers + user), remoteIdOf(user % Math.max(followed, 1)), now),
  ])
}

async function inParts(
  store: Pick<Store, 'commit'>,
  count: number,
  rowsOf: (user: number) => Write[],
): Promise<void> {
  for (let from = 0; from < count; from += PAIRS_PER_COMMIT) {
    const some = Array.from({ length: Math.min(PAIRS_PER_COMMIT, count - from) }, (_, i) => from + i)
    await store.commit(some.flatMap(rowsOf))
  }
}

function entry(observer: UserId, observed: UserId, pos: number, now: number): Write[] {
  const row = { observer, observed, state: 'accepted', askedTs: now, acceptedPos: pos, ask: pos } as const
  return [{ put: 'presenceList', row }, online(observed, now, now)]
}

function grant(observed: UserId, observer: UserId, now: number): Write {
  return { put: 'presenceGrants', row: { observed, observer, state: 'granted', ts: now, ask: null } }
}

function online(userId: UserId, now: number, refreshedTs: number | null): Write {
  const presence = { state: 'online', statusMsg: null, lastActiveTs: now } as const
  const flags = { hidden: 0, hiddenBy: null, currentlyActive: 1 } as const
  return { put: 'presence', row: { userId, ...presence, ...flags, refreshedTs } }
}

/** So that the server finds the peer, and believes its certificate. */
export function federationWith(peer: Peer, folder: string, batchWindow: string): object {
  const caFile = join(folder, 'ca.pem')
  writeFileSync(caFile, peer.authority)
  return {
    ca_file: caFile,
    destinations: { [PEER_NAME]: `127.0.0.1:${peer.port}` },
    batch_window: batchWindow,
  }
}
