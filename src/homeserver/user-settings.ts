import type { UserId } from '../matrix/ids.ts'
import { isJsonObject, own, ownString, type Json, type JsonObject } from '../matrix/json.ts'
import { defaultPushRules, PUSH_RULE_KINDS, type PushRule, type PushRuleset } from '../matrix/push-rules.ts'
import type { Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache } from './followed-cache.ts'

/** The account data that changes what a user is shown (ROOMS-SPEC §5.9, §6.9, §6.10). */
export interface UserSettings {
  readonly ignored: ReadonlySet<string>
  readonly blocksInvites: boolean
  readonly pushRules: PushRuleset
}

export interface UserSettingsSource {
  /** The same object as long as nothing changed. */
  of(userId: UserId): Promise<UserSettings>
}

export function createUserSettings(deps: {
  readonly store: Pick<Store, 'accountData'>
  readonly stream: Pick<Stream, 'observe'>
  /** Users whose settings are kept in memory. */
  readonly usersMax: number
}): UserSettingsSource {
  const { store, stream, usersMax } = deps
  const load = async (key: string): Promise<UserSettings> => {
    const userId = key as UserId
    const [ignores, invites, rules] = await Promise.all([
      store.accountData(userId, '', 'm.ignored_user_list'),
      store.accountData(userId, '', 'm.invite_permission_config'),
      store.accountData(userId, '', 'm.push_rules'),
    ])
    return {
      ignored: ignoredUsers(objectOf(ignores?.json), userId),
      blocksInvites: ownString(objectOf(invites?.json), 'default_action') === 'block',
      pushRules: rules === null ? defaultPushRules(userId) : rulesetOf(objectOf(rules.json)),
    }
  }
  const cache = createFollowedCache({ stream, entriesMax: usersMax, load, keyOf })
  return { of: (userId) => cache.get(userId) }
}

const SETTINGS: ReadonlySet<string | undefined> = new Set([
  'm.ignored_user_list',
  'm.invite_permission_config',
  'm.push_rules',
])

function keyOf(write: Write): string | null {
  if ('put' in write)
    return write.put === 'accountData' && SETTINGS.has(write.row.type) ? write.row.userId : null
  return write.drop === 'accountData' ? (write.where.userId ?? null) : null
}

function objectOf(json: string | undefined): JsonObject {
  const value: unknown = json === undefined ? {} : JSON.parse(json)
  return isJsonObject(value) ? value : {}
}

/** Nobody can ignore themselves. */
function ignoredUsers(content: JsonObject, userId: UserId): Set<string> {
  const users = own(content, 'ignored_users')
  const ignored = new Set(isJsonObject(users) ? Object.keys(users) : [])
  ignored.delete(userId)
  return ignored
}

function rulesetOf(content: JsonObject): PushRuleset {
  const global = own(content, 'global')
  const lists = isJsonObject(global) ? global : {}
  return Object.fromEntries(PUSH_RULE_KINDS.map((kind) => [kind, asRules(own(lists, kind))])) as PushRuleset
}

/** The row was written by our own code, which checks what clients send. */
function asRules(list: Json | undefined): PushRule[] {
  return Array.isArray(list) ? (list.filter(isJsonObject) as unknown as PushRule[]) : []
}
