import { describe, expect, test } from 'vitest'
import { makeUserId, type ServerName } from './ids.ts'
import { defaultPushRules, PUSH_RULE_KINDS } from './push-rules.ts'

const ALICE = makeUserId('alice', 'hs.test' as ServerName)

const sound = { set_tweak: 'sound', value: 'default' }
const highlight = { set_tweak: 'highlight' }
const match = (key: string, pattern: string): object => ({ kind: 'event_match', key, pattern })
const two = { kind: 'room_member_count', is: '2' }

/** The table of ROOMS-SPEC §5.10, row by row. */
const OVERRIDE: [id: string, conditions: object[], actions: unknown[]][] = [
  ['.m.rule.master', [], []],
  ['.m.rule.suppress_notices', [match('content.msgtype', 'm.notice')], []],
  [
    '.m.rule.invite_for_me',
    [match('type', 'm.room.member'), match('content.membership', 'invite'), match('state_key', ALICE)],
    ['notify', sound],
  ],
  ['.m.rule.member_event', [match('type', 'm.room.member')], []],
  [
    '.m.rule.is_user_mention',
    [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: ALICE }],
    ['notify', sound, highlight],
  ],
  [
    '.m.rule.is_room_mention',
    [
      { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
      { kind: 'sender_notification_permission', key: 'room' },
    ],
    ['notify', highlight],
  ],
  ['.m.rule.tombstone', [match('type', 'm.room.tombstone'), match('state_key', '')], ['notify', highlight]],
  ['.m.rule.reaction', [match('type', 'm.reaction')], []],
  ['.m.rule.room.server_acl', [match('type', 'm.room.server_acl'), match('state_key', '')], []],
  [
    '.m.rule.suppress_edits',
    [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }],
    [],
  ],
]
const UNDERRIDE: typeof OVERRIDE = [
  ['.m.rule.call', [match('type', 'm.call.invite')], ['notify', { set_tweak: 'sound', value: 'ring' }]],
  ['.m.rule.encrypted_room_one_to_one', [two, match('type', 'm.room.encrypted')], ['notify', sound]],
  ['.m.rule.room_one_to_one', [two, match('type', 'm.room.message')], ['notify', sound]],
  ['.m.rule.message', [match('type', 'm.room.message')], ['notify']],
  ['.m.rule.encrypted', [match('type', 'm.room.encrypted')], ['notify']],
]

describe('the default push rules', () => {
  test('R-183 are those of the specification, in its order, only the master rule disabled', () => {
    const shown = (rows: typeof OVERRIDE): object[] =>
      rows.map(([rule_id, conditions, actions]) => {
        return { rule_id, default: true, enabled: rule_id !== '.m.rule.master', actions, conditions }
      })
    expect(defaultPushRules(ALICE)).toEqual({
      override: shown(OVERRIDE),
      content: [],
      room: [],
      sender: [],
      underride: shown(UNDERRIDE),
    })
  })

  test('R-183 all five lists are there, in the order in which they are tried', () => {
    expect(Object.keys(defaultPushRules(ALICE))).toEqual([...PUSH_RULE_KINDS])
    expect(PUSH_RULE_KINDS).toEqual(['override', 'content', 'room', 'sender', 'underride'])
  })

  test('R-183 one user’s rules are not another’s: changing what was given changes nothing else', () => {
    const rules = defaultPushRules(ALICE)
    rules.override.length = 0
    rules.underride[0]?.actions.push('more')
    expect(defaultPushRules(ALICE).override).toHaveLength(10)
    expect(defaultPushRules(ALICE).underride[0]?.actions).toHaveLength(2)
  })
})
