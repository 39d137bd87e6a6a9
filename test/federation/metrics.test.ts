import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Actor } from '../support/actors.ts'
import { HOME, openFederation, type FederationHouse } from '../support/federation-house.ts'
import { newKey, type HostileServer } from '../support/hostile-server.ts'
import { Outsider, presenceEdu } from '../support/pairs.ts'
import type { TestServer } from '../support/server.ts'

const PEER = 'peer.example'
const MINUTE = 60_000

let house: FederationHouse
let home: TestServer
let peer: HostileServer
let alice: Actor
let eve: Outsider

beforeEach(async () => {
  house = await openFederation({ names: [HOME], hostile: [PEER] })
  home = house.server(HOME)
  peer = house.peer(PEER)
  alice = await home.registers('alice')
  eve = new Outsider('eve', peer, home)
  await alice.syncs({ set_presence: 'offline' })
})
afterEach(() => house.close())

/** What a scrape says of other servers: names with their labels, and values; without those that are 0. */
async function scraped(): Promise<Record<string, number>> {
  const text = await (await fetch(`${home.url}/metrics`)).text()
  const lines = [...text.matchAll(/^adsum_federation_(\S+) (\d+)$/gm)]
  return Object.fromEntries(
    lines.map(([, name, value]) => [name, Number(value)]).filter(([, count]) => count),
  )
}

test('metrics say what goes between servers', async () => {
  expect(await scraped()).toEqual({})
  await eve.follows(alice, house)
  await peer.says(home, [presenceEdu({}), { edu_type: 'm.typing', content: {} }])
  await peer.says(home, [], { key: newKey() })
  expect(await scraped()).toMatchObject({
    'edus_received_total{type="m.presence_invite",outcome="taken"}': 1,
    'edus_received_total{type="m.presence",outcome="taken"}': 1,
    'edus_received_total{type="other",outcome="left_out"}': 1,
    'requests_refused_total{by="signature"}': 1,
    remote_users: 1,
  })
})

test('metrics say which destinations fail', async () => {
  await eve.follows(alice, house)
  await house.advance(MINUTE)
  const before = await scraped()
  expect(before['transactions_sent_total{outcome="acknowledged"}']).toBeGreaterThan(0)
  peer.answers = async () => null
  await alice.sets('online', 'hello')
  await house.quiet()
  expect(await scraped()).toEqual({
    ...before,
    'transactions_sent_total{outcome="failed"}': 1,
    destinations: 1,
    destinations_failing: 1,
  })
})
