import { beforeEach, expect, test } from 'vitest'
import type { UserId } from '../matrix/ids.ts'
import type { AskProfile, QueryProfile } from '../ports/remote-profiles.ts'
import { createAskProfile, createQueryProfile } from './queries.ts'
import type { Outcome, SignedRequest } from './transport.ts'

const BOB = '@bob+ä/?&=:remote.example:8448' as UserId

let asked: SignedRequest[]
let outcome: Outcome
let failing: string[]
let ask: AskProfile
let query: QueryProfile

beforeEach(() => {
  asked = []
  failing = []
  ask = createAskProfile({
    transport: {
      signedRequest: async (request) => {
        asked.push(request)
        return outcome
      },
    },
    outbound: { isFailing: (server) => failing.includes(server) },
  })
  query = createQueryProfile(ask)
})

const answer = (status: number, body: object | null = {}): Outcome =>
  ({ kind: 'answered', status, body, retryAfterMs: null }) as Outcome

test('§5.8 the user’s server is asked for both names at once', async () => {
  outcome = answer(200, { displayname: 'Bob', avatar_url: 'mxc://remote.example/x' })
  expect(await query(BOB)).toEqual({ displayname: 'Bob', avatarUrl: 'mxc://remote.example/x' })
  expect(asked).toEqual([
    {
      destination: 'remote.example:8448',
      method: 'GET',
      path: `/_matrix/federation/v1/query/profile?user_id=${encodeURIComponent(BOB)}`,
      content: null,
    },
  ])
})

test.each<[string, Outcome, object | null]>([
  ['null and missing', answer(200, { displayname: null }), {}],
  ['empty and odd', answer(200, { displayname: '', avatar_url: 7 }), {}],
  ['one', answer(200, { avatar_url: 'mxc://a/b' }), { avatarUrl: 'mxc://a/b' }],
  ['no JSON', answer(200, null), null],
  ['404', answer(404), null],
  ['403', answer(403), null],
])('§5.8 names that are %s', async (_what, given, names) => {
  outcome = given
  expect(await query(BOB)).toEqual(names)
})

test.each<[string, Outcome]>([
  ['no answer', { kind: 'failed', reason: 'refused' }],
  ['500', answer(500)],
  ['429', answer(429)],
])('§5.8 %s is not "no such user"', async (_what, given) => {
  outcome = given
  await expect(query(BOB)).rejects.toThrow('remote.example:8448')
})

test('§5.9 a server whose back-off runs is not asked', async () => {
  failing = ['remote.example:8448']
  await expect(query(BOB)).rejects.toThrow('it failed lately')
  expect(asked).toEqual([])
})

test('§2.10 a whole profile is what the server says; 403 and 404 are told apart', async () => {
  outcome = answer(200, { displayname: 'Bob', 'm.tz': 'Europe/Zurich' })
  expect(await ask(BOB)).toEqual({ kind: 'profile', fields: { displayname: 'Bob', 'm.tz': 'Europe/Zurich' } })
  outcome = answer(403)
  expect(await ask(BOB)).toEqual({ kind: 'forbidden' })
  outcome = answer(404)
  expect(await ask(BOB)).toEqual({ kind: 'none' })
})
