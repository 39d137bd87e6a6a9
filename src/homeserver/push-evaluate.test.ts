import { describe, expect, test } from 'vitest'
import type { UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import { defaultPushRules, type PushRule } from '../matrix/push-rules.ts'
import type { Pdu } from '../matrix/room-event.ts'
import { evaluatePushRules, type PushContext, type PushVerdict } from './push-evaluate.ts'

const BOB = '@bob:home.example' as UserId
const CONTEXT: PushContext = {
  roomId: '!room:home.example',
  memberCount: 3,
  displayName: 'Bobby',
  mayNotify: (sender) => sender === '@admin:home.example',
}
const SILENT: PushVerdict = { notify: false, highlight: false }
const NOTIFY: PushVerdict = { notify: true, highlight: false }
const HIGHLIGHT: PushVerdict = { notify: true, highlight: true }

function anEvent(type: string, content: JsonObject, more: Partial<Pdu> = {}): Pdu {
  return { type, content, sender: '@alice:home.example' as UserId, ...more } as Pdu
}

function byDefault(event: Pdu, context: Partial<PushContext> = {}): PushVerdict {
  return evaluatePushRules(defaultPushRules(BOB), event, { ...CONTEXT, ...context })
}

function aRule(rule: Partial<PushRule>): PushRule {
  return { rule_id: 'mine', default: false, enabled: true, actions: ['notify'], ...rule }
}

/** Only this rule, as an override with these conditions. */
function onlyIf(conditions: JsonObject[], event: Pdu, context: Partial<PushContext> = {}): boolean {
  const rules = { override: [aRule({ conditions })], content: [], room: [], sender: [], underride: [] }
  return evaluatePushRules(rules, event, { ...CONTEXT, ...context }).notify
}

describe('§5.10 the default rules', () => {
  const message = anEvent('m.room.message', { msgtype: 'm.text', body: 'hi' })

  test.each([
    ['a message', message, NOTIFY],
    ['an encrypted message', anEvent('m.room.encrypted', {}), NOTIFY],
    ['a call', anEvent('m.call.invite', {}), NOTIFY],
    ['a notice', anEvent('m.room.message', { msgtype: 'm.notice' }), SILENT],
    ['a reaction', anEvent('m.reaction', {}), SILENT],
    ['a mention', anEvent('m.room.message', { 'm.mentions': { user_ids: [BOB] } }), HIGHLIGHT],
    ['a mention of others', anEvent('m.room.message', { 'm.mentions': { user_ids: ['@x:y'] } }), NOTIFY],
    ['a mention of the room', anEvent('m.room.message', { 'm.mentions': { room: true } }), NOTIFY],
    [
      'the same by somebody who may',
      anEvent(
        'm.room.message',
        { 'm.mentions': { room: true } },
        { sender: '@admin:home.example' as UserId },
      ),
      HIGHLIGHT,
    ],
    ['an edit', anEvent('m.room.message', { 'm.relates_to': { rel_type: 'm.replace' } }), SILENT],
    ['a tombstone', anEvent('m.room.tombstone', {}, { state_key: '' }), HIGHLIGHT],
    ['a server ACL', anEvent('m.room.server_acl', {}, { state_key: '' }), SILENT],
    [
      'a join',
      anEvent('m.room.member', { membership: 'join' }, { state_key: '@alice:home.example' }),
      SILENT,
    ],
    ['my invite', anEvent('m.room.member', { membership: 'invite' }, { state_key: BOB }), NOTIFY],
    ['a topic', anEvent('m.room.topic', {}, { state_key: '' }), SILENT],
  ])('%s', (_, event, verdict) => {
    expect(byDefault(event)).toEqual(verdict)
  })

  test('a room of two is one to one: its rule has a sound', () => {
    const rules = defaultPushRules(BOB)
    rules.underride = rules.underride.filter((rule) => rule.rule_id === '.m.rule.room_one_to_one')
    expect(evaluatePushRules(rules, message, { ...CONTEXT, memberCount: 2 }).notify).toBe(true)
    expect(evaluatePushRules(rules, message, CONTEXT).notify).toBe(false)
  })

  test('the master rule, when enabled, silences all', () => {
    const rules = defaultPushRules(BOB)
    rules.override.unshift(aRule({ conditions: [] }))
    for (const rule of rules.override) if (rule.rule_id === '.m.rule.master') rule.enabled = true
    expect(evaluatePushRules(rules, message, CONTEXT)).toEqual(SILENT)
  })
})

describe('§5.10 user rules', () => {
  const message = anEvent('m.room.message', { body: 'tea with Bobby?' })

  test('the first enabled match decides, in the order of the kinds', () => {
    const rules = defaultPushRules(BOB)
    rules.content.push(aRule({ pattern: 'tea', actions: ['notify', { set_tweak: 'highlight' }] }))
    rules.room.push(aRule({ rule_id: CONTEXT.roomId, actions: [] }))
    expect(evaluatePushRules(rules, message, CONTEXT)).toEqual(HIGHLIGHT)
    for (const rule of rules.content) rule.enabled = false
    expect(evaluatePushRules(rules, message, CONTEXT)).toEqual(SILENT)
    rules.room[0] = aRule({ rule_id: '!other:home.example', actions: [] })
    rules.sender.push(
      aRule({
        rule_id: '@alice:home.example',
        actions: ['notify', { set_tweak: 'highlight', value: false }],
      }),
    )
    expect(evaluatePushRules(rules, message, CONTEXT)).toEqual(NOTIFY)
  })

  test('no rule at all is silence', () => {
    const none = { override: [], content: [], room: [], sender: [], underride: [] }
    expect(evaluatePushRules(none, message, CONTEXT)).toEqual(SILENT)
  })

  test('conditions must all hold; unknown ones never do', () => {
    const type = { kind: 'event_match', key: 'type', pattern: 'm.room.*' }
    expect(onlyIf([], message)).toBe(true)
    expect(onlyIf([type], message)).toBe(true)
    expect(onlyIf([type, { kind: 'contains_display_name' }], message)).toBe(true)
    expect(onlyIf([type, { kind: 'contains_display_name' }], message, { displayName: 'Bob' })).toBe(false)
    expect(onlyIf([{ kind: 'contains_display_name' }], message, { displayName: null })).toBe(false)
    expect(onlyIf([type, { kind: 'org.example.unknown' }], message)).toBe(false)
    expect(onlyIf([{ kind: 'event_match', key: 'room_id', pattern: CONTEXT.roomId }], message)).toBe(true)
    expect(onlyIf([{ kind: 'event_match', key: 'content.body', pattern: 'bobby' }], message)).toBe(true)
    expect(onlyIf([{ kind: 'event_match', key: 'content.body', pattern: 'bob' }], message)).toBe(false)
    expect(onlyIf([{ kind: 'event_match', key: 'content.missing', pattern: '*' }], message)).toBe(false)
    expect(onlyIf([{ kind: 'event_match', key: 'type' }], message)).toBe(false)
    expect(onlyIf([{ kind: 'event_property_is', key: 'content.missing' }], message)).toBe(false)
  })

  test.each([
    ['3', true],
    ['==3', true],
    ['2', false],
    ['<4', true],
    ['<3', false],
    ['>2', true],
    ['>3', false],
    ['>=3', true],
    ['>=4', false],
    ['<=3', true],
    ['<=2', false],
    ['three', false],
    ['', false],
  ])('a member count that is %j, of three: %s', (is, expected) => {
    expect(onlyIf([{ kind: 'room_member_count', is }], message)).toBe(expected)
  })
})
