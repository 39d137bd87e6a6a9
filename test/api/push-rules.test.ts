import { afterEach, describe, expect, test } from 'vitest'
import type { UserId } from '../../src/matrix/ids.ts'
import { defaultPushRules } from '../../src/matrix/push-rules.ts'
import { eventsOf, type Actor } from '../support/actors.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer

afterEach(() => server.close())

async function someone(): Promise<Actor> {
  server = await startServer()
  return await server.registers('alice')
}

/** The rows of ROOMS-SPEC §5.10; what is in them is tested beside the table. */
const DEFAULTS = {
  override: [
    '.m.rule.master',
    '.m.rule.suppress_notices',
    '.m.rule.invite_for_me',
    '.m.rule.member_event',
    '.m.rule.is_user_mention',
    '.m.rule.is_room_mention',
    '.m.rule.tombstone',
    '.m.rule.reaction',
    '.m.rule.room.server_acl',
    '.m.rule.suppress_edits',
  ],
  content: [],
  room: [],
  sender: [],
  underride: [
    '.m.rule.call',
    '.m.rule.encrypted_room_one_to_one',
    '.m.rule.room_one_to_one',
    '.m.rule.message',
    '.m.rule.encrypted',
  ],
}

describe('reading push rules', () => {
  test('R-183 all five lists and the default rules in order, with and without the last slash', async () => {
    const alice = await someone()
    for (const surface of ['r0', 'v3']) {
      for (const slash of ['', '/']) {
        const all = await alice.ok('GET', `/${surface}/pushrules${slash}`)
        expect(Object.keys(all)).toEqual(['global'])
        expect(await alice.ok('GET', `/${surface}/pushrules/global${slash}`)).toEqual(all['global'])
        const lists = all['global'] as Record<string, { rule_id: string }[]>
        const ids = Object.entries(lists).map(([kind, rules]) => [kind, rules.map(({ rule_id }) => rule_id)])
        expect(Object.fromEntries(ids)).toEqual(DEFAULTS)
        expect(lists).toEqual(defaultPushRules(alice.userId as UserId))
      }
    }
  })

  test('R-183 one rule by its kind and ID; other IDs are 404, other kinds 400', async () => {
    const alice = await someone()
    expect(await alice.ok('GET', '/v3/pushrules/global/override/.m.rule.master')).toEqual({
      rule_id: '.m.rule.master',
      default: true,
      enabled: false,
      actions: [],
      conditions: [],
    })
    for (const [path, status, errcode] of [
      ['override/.m.rule.call', 404, 'M_NOT_FOUND'],
      ['content/.m.rule.master', 404, 'M_NOT_FOUND'],
      ['override/__proto__', 404, 'M_NOT_FOUND'],
      ['other/.m.rule.master', 400, 'M_INVALID_PARAM'],
      ['__proto__/.m.rule.master', 400, 'M_INVALID_PARAM'],
    ] as const) {
      const reply = await alice.request('GET', `/v3/pushrules/global/${path}`)
      expect([reply.status, reply.body['errcode']], path).toEqual([status, errcode])
    }
  })

  test('R-183 R-195 the rules are in the first sync, and the same under account data', async () => {
    const alice = await someone()
    const rules = await alice.ok('GET', '/v3/pushrules/')
    const events = eventsOf(await alice.syncs(), 'account_data')
    expect(events.filter(({ type }) => type === 'm.push_rules')).toEqual([
      { type: 'm.push_rules', content: rules },
    ])
    const path = `/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.push_rules`
    expect(await alice.ok('GET', path)).toEqual(rules)
    expect(eventsOf(await alice.syncs(), 'account_data')).toEqual([])
  })
})
