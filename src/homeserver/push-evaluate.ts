import { assertNever } from '../base/assert.ts'
import { splitFieldPath, valueAt } from '../matrix/event-fields.ts'
import { isJsonObject, own, ownString, type Json, type JsonObject } from '../matrix/json.ts'
import { PUSH_RULE_KINDS, type PushRule, type PushRuleKind, type PushRuleset } from '../matrix/push-rules.ts'
import type { Pdu } from '../matrix/room-event.ts'
import { matchesWholeText, matchesWords } from './push-pattern.ts'

/** What conditions may ask besides the event itself. */
export interface PushContext {
  readonly roomId: string
  readonly memberCount: number
  /** The reader's display name in the room, if any. */
  readonly displayName: string | null
  /** May this user notify the room, e.g. with `@room`? */
  readonly mayNotify: (sender: string, key: string) => boolean
}

export interface PushVerdict {
  readonly notify: boolean
  readonly highlight: boolean
}

const SILENT: PushVerdict = { notify: false, highlight: false }
const MASTER = '.m.rule.master'

/** What the first enabled rule that matches says (ROOMS-SPEC §5.10); silent if none does. */
export function evaluatePushRules(ruleset: PushRuleset, event: Pdu, context: PushContext): PushVerdict {
  const master = ruleset.override.find((rule) => rule.rule_id === MASTER)
  if (master?.enabled === true) return verdictOf(master)
  for (const kind of PUSH_RULE_KINDS) {
    for (const rule of ruleset[kind]) {
      if (rule.enabled && rule.rule_id !== MASTER && applies(rule, kind, event, context))
        return verdictOf(rule)
    }
  }
  return SILENT
}

function verdictOf({ actions }: PushRule): PushVerdict {
  if (!Array.isArray(actions) || !actions.includes('notify')) return SILENT
  const tweak = actions.findLast(
    (action) => isJsonObject(action) && ownString(action, 'set_tweak') === 'highlight',
  )
  return { notify: true, highlight: isJsonObject(tweak) && own(tweak, 'value') !== false }
}

function applies(rule: PushRule, kind: PushRuleKind, event: Pdu, context: PushContext): boolean {
  switch (kind) {
    case 'room':
      return rule.rule_id === context.roomId
    case 'sender':
      return rule.rule_id === event.sender
    case 'content': {
      const body = own(event.content, 'body')
      return typeof body === 'string' && rule.pattern !== undefined && matchesWords(rule.pattern, body)
    }
    case 'override':
    case 'underride':
      return (rule.conditions ?? []).every((condition) => holds(condition, event, context))
    default:
      return assertNever(kind)
  }
}

/** Conditions of an unknown kind never hold. */
function holds(condition: JsonObject, event: Pdu, context: PushContext): boolean {
  switch (ownString(condition, 'kind') ?? '') {
    case 'event_match':
      return eventMatches(condition, event, context)
    case 'event_property_is': {
      const value = property(condition, event, context)
      return value !== undefined && value === own(condition, 'value')
    }
    case 'event_property_contains': {
      const values = property(condition, event, context)
      const wanted = own(condition, 'value')
      return wanted !== undefined && Array.isArray(values) && values.includes(wanted)
    }
    case 'contains_display_name': {
      const body = own(event.content, 'body')
      const { displayName } = context
      return typeof body === 'string' && displayName !== null && matchesWords(displayName, body, 'literal')
    }
    case 'room_member_count':
      return comparesTo(context.memberCount, ownString(condition, 'is') ?? '')
    case 'sender_notification_permission':
      return context.mayNotify(event.sender, ownString(condition, 'key') ?? '')
    default:
      return false
  }
}

function eventMatches(condition: JsonObject, event: Pdu, context: PushContext): boolean {
  const pattern = ownString(condition, 'pattern')
  const value = property(condition, event, context)
  if (pattern === undefined || typeof value !== 'string') return false
  if (ownString(condition, 'key') === 'content.body') return matchesWords(pattern, value)
  return matchesWholeText(pattern, value)
}

function property(condition: JsonObject, event: Pdu, context: PushContext): Json | undefined {
  const key = ownString(condition, 'key')
  if (key === undefined) return undefined
  return key === 'room_id' ? context.roomId : valueAt(event, splitFieldPath(key))
}

/** `2`, `==2`, `<10`, `>1`, `>=5`, `<=5`. */
function comparesTo(count: number, is: string): boolean {
  const match = /^(==|<=|>=|<|>)?(\d{1,9})$/.exec(is)
  if (match === null) return false
  const limit = Number(match[2])
  switch (match[1] ?? '==') {
    case '<':
      return count < limit
    case '>':
      return count > limit
    case '<=':
      return count <= limit
    case '>=':
      return count >= limit
    default:
      return count === limit
  }
}
