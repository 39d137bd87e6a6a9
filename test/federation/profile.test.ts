import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Actor } from '../support/actors.ts'
import { HOME, openFederation, REMOTE, type FederationHouse } from '../support/federation-house.ts'

const DAY = 86_400_000

let house: FederationHouse
let alice: Actor
let bob: Actor

beforeEach(async () => {
  house = await openFederation()
  alice = await house.registers('alice', HOME)
  bob = await house.registers('bob', REMOTE)
})
afterEach(() => house.close())

const questions = (): number =>
  house.link(REMOTE).exchanges.filter(({ received }) => received.uri.includes('/query/profile')).length

test('§2.10 a profile elsewhere is read through this server, whole or by its fields, and kept for a day', async () => {
  await bob.ok('PUT', `/v3/profile/${bob.userId}/displayname`, { body: { displayname: 'Bob elsewhere' } })
  await bob.ok('PUT', `/v3/profile/${bob.userId}/m.tz`, { body: { 'm.tz': 'Europe/Zurich' } })
  const whole = { displayname: 'Bob elsewhere', 'm.tz': 'Europe/Zurich' }
  expect(await alice.ok('GET', `/v3/profile/${bob.userId}`)).toEqual(whole)
  expect(await alice.ok('GET', `/v3/profile/${bob.userId}/m.tz`)).toEqual({ 'm.tz': 'Europe/Zurich' })
  const old = await alice.ok('GET', `/api/v1/profile/${bob.userId}/displayname`)
  expect(old).toEqual({ displayname: 'Bob elsewhere' })
  expect(questions()).toBe(1)
  await house.advance(DAY)
  await alice.ok('GET', `/v3/profile/${bob.userId}`)
  expect(questions()).toBe(2)
})

test('§2.10 who has none there has none here, and nothing is made up of who cannot be asked', async () => {
  const nobody = `@nobody:${REMOTE}`
  expect((await alice.request('GET', `/v3/profile/${nobody}`)).status).toBe(404)
  expect((await alice.request('GET', `/api/v1/profile/${nobody}/displayname`)).status).toBe(404)
  await house.stops(REMOTE)
  const reply = await alice.request('GET', `/v3/profile/${nobody}`)
  expect([reply.status, reply.body['errcode']]).toEqual([502, 'M_UNKNOWN'])
})

test('§2.10 asking costs: anybody may, and another server has to answer', async () => {
  const strict = await openFederation({
    config: { rate_limits: { enabled: true, search: { burst: 2, per_second: 0.001 } } },
  })
  try {
    const statuses = []
    for (let i = 0; i < 3; i += 1)
      statuses.push(
        (await strict.server(HOME).request('GET', `/_matrix/client/v3/profile/@u${i}:${REMOTE}`)).status,
      )
    expect(statuses).toEqual([404, 404, 429])
  } finally {
    await strict.close()
  }
})
