import type { UserId } from './ids.ts'
import type { Json, JsonObject } from './json.ts'

/** In the order in which they are tried (ROOMS-SPEC §5.10). */
export const PUSH_RULE_KINDS = ['override', 'content', 'room', 'sender', 'underride'] as const

export type PushRuleKind = (typeof PUSH_RULE_KINDS)[number]

/** On the wire, and as stored. User rules may hold anything that a client put there. */
export interface PushRule {
  rule_id: string
  default: boolean
  enabled: boolean
  actions: Json[]
  conditions?: JsonObject[]
  /** Content rules only. */
  pattern?: string
}

export type PushRuleset = Record<PushRuleKind, PushRule[]>

const NOTIFY = 'notify'
const SOUND: JsonObject = { set_tweak: 'sound', value: 'default' }
const RING: JsonObject = { set_tweak: 'sound', value: 'ring' }
const HIGHLIGHT: JsonObject = { set_tweak: 'highlight' }
const ONE_TO_ONE: JsonObject = { kind: 'room_member_count', is: '2' }

/** The rules of a user who changed none; what `GET /pushrules/global/` answers (ROOMS-SPEC §5.10). */
export function defaultPushRules(userId: UserId): PushRuleset {
  return {
    override: [
      { ...rule('.m.rule.master', [], []), enabled: false },
      rule('.m.rule.suppress_notices', [equals('content.msgtype', 'm.notice')], []),
      rule(
        '.m.rule.invite_for_me',
        [
          equals('type', 'm.room.member'),
          equals('content.membership', 'invite'),
          equals('state_key', userId),
        ],
        [NOTIFY, SOUND],
      ),
      rule('.m.rule.member_event', [equals('type', 'm.room.member')], []),
      rule(
        '.m.rule.is_user_mention',
        [{ kind: 'event_property_contains', key: String.raw`content.m\.mentions.user_ids`, value: userId }],
        [NOTIFY, SOUND, HIGHLIGHT],
      ),
      rule(
        '.m.rule.is_room_mention',
        [
          { kind: 'event_property_is', key: String.raw`content.m\.mentions.room`, value: true },
          { kind: 'sender_notification_permission', key: 'room' },
        ],
        [NOTIFY, HIGHLIGHT],
      ),
      rule(
        '.m.rule.tombstone',
        [equals('type', 'm.room.tombstone'), equals('state_key', '')],
        [NOTIFY, HIGHLIGHT],
      ),
      rule('.m.rule.reaction', [equals('type', 'm.reaction')], []),
      rule('.m.rule.room.server_acl', [equals('type', 'm.room.server_acl'), equals('state_key', '')], []),
      rule(
        '.m.rule.suppress_edits',
        [
          {
            kind: 'event_property_is',
            key: String.raw`content.m\.relates_to.rel_type`,
            value: 'm.replace',
          },
        ],
        [],
      ),
    ],
    content: [],
    room: [],
    sender: [],
    underride: [
      rule('.m.rule.call', [equals('type', 'm.call.invite')], [NOTIFY, RING]),
      rule(
        '.m.rule.encrypted_room_one_to_one',
        [ONE_TO_ONE, equals('type', 'm.room.encrypted')],
        [NOTIFY, SOUND],
      ),
      rule('.m.rule.room_one_to_one', [ONE_TO_ONE, equals('type', 'm.room.message')], [NOTIFY, SOUND]),
      rule('.m.rule.message', [equals('type', 'm.room.message')], [NOTIFY]),
      rule('.m.rule.encrypted', [equals('type', 'm.room.encrypted')], [NOTIFY]),
    ],
  }
}

function rule(ruleId: string, conditions: JsonObject[], actions: Json[]): PushRule {
  return { rule_id: ruleId, default: true, enabled: true, conditions, actions }
}

function equals(key: string, pattern: string): JsonObject {
  return { kind: 'event_match', key, pattern }
}
