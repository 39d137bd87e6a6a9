import {
  blocksInvites,
  ignoredUsers,
  IGNORED_USERS,
  INVITE_PERMISSION,
  PUSH_RULES,
} from '../matrix/account-data.ts'
import type { UserId } from '../matrix/ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from '../matrix/json.ts'
import { defaultPushRules, PUSH_RULE_KINDS, type PushRule, type PushRuleset } from '../matrix/push-rules.ts'
import type { Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import { createFollowedCache } from './followed-cache.ts'

/** The account data that changes what a user is shown (ROOMS-SPEC §5.9, §6.9, §6.10). */
export interface UserSettings {
  readonly ignored: ReadonlySet<UserId>
  readonly blocksInvites: boolean
  readonly pushRules: PushRuleset
}

export interface UserSettingsSource {
  /** The same object as long as nothing changed. */
  of(userId: UserId): Promise<UserSettings>
}

/** Is an invite by this user shown? */
export function showsInvite({ ignored, blocksInvites }: UserSettings, inviter: UserId): boolean {
  return !blocksInvites && !ignored.has(inviter)
}

export function createUserSettings(deps: {
  readonly store: Pick<Store, 'accountData'>
  readonly stream: Pick<Stream, 'observe'>
  /** Users whose settings are kept in memory. */
  readonly usersMax: number
}): UserSettingsSource {
  const { store, stream, usersMax } = deps
  const load = async (userId: UserId): Promise<UserSettings> => {
    const [ignores, invites, rules] = await Promise.all([
      store.accountData(userId, '', IGNORED_USERS),
      store.accountData(userId, '', INVITE_PERMISSION),
      store.accountData(userId, '', PUSH_RULES),
    ])
    return {
      ignored: ignoredUsers(objectOf(ignores?.json), userId),
      blocksInvites: blocksInvites(objectOf(invites?.json)),
      pushRules: rules === null ? defaultPushRules(userId) : rulesetOf(objectOf(rules.json)),
    }
  }
  const cache = createFollowedCache({ stream, entriesMax: usersMax, load, keyOf })
  return { of: (userId) => cache.get(userId) }
}

const SETTINGS: ReadonlySet<string> = new Set([IGNORED_USERS, INVITE_PERMISSION, PUSH_RULES])

function keyOf(write: Write): UserId | null {
  if ('put' in write)
    return write.put === 'accountData' && SETTINGS.has(write.row.type) ? write.row.userId : null
  return write.drop === 'accountData' ? (write.where.userId ?? null) : null
}

function objectOf(json: string | undefined): JsonObject {
  const value: unknown = json === undefined ? {} : JSON.parse(json)
  return isJsonObject(value) ? value : {}
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
