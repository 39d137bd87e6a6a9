import type { Serial } from '../base/serial.ts'
import { canonicalJson } from '../matrix/canonical-json.ts'
import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import { own, type Json, type JsonObject } from '../matrix/json.ts'
import type { PublicProfile, Requester } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import { requireActive } from './active-account.ts'
import type { AccountDirectory } from './directory.ts'

export const PROFILE_BYTES_MAX = 65_536
export const FIELD_NAME_BYTES_MAX = 255
/** Names and avatars are copied into every room's member event, so each is bounded by itself. */
export const NAME_BYTES_MAX = 1_024

/** The outer limit of field names: dotted lower-case names beginning with a letter (PRESENCE-SPEC §2.10). */
const FIELD_NAME = /^[a-z][a-z0-9._-]*$/

/**
 * The two fields that travel with presence and membership. A change of any other tells nobody anything, not even that the
 * user is active (P-116): clients write them by themselves, such as the time zone.
 */
const PROPAGATED: ReadonlySet<string> = new Set(['displayname', 'avatar_url'])

/** Everybody reads; only the requester's own profile can be changed. */
export interface Profiles {
  /** All fields of a user; null if there is no such user or no field (P-121). */
  get(userId: UserId): Promise<JsonObject | null>
  /** Does the account exist? The old surface answers for its unset names (PRESENCE-SPEC §2.10). */
  exists(userId: UserId): Promise<boolean>
  /**
   * `value` null, or '' for the two names, unsets those. `value` is canonical JSON. Durable and propagated when it
   * resolves; an unchanged value is no change and no activity.
   */
  set(requester: Requester, field: string, value: Json): Promise<void>
  /** Fine if it was not there (P-123). */
  remove(requester: Requester, field: string): Promise<void>
}

export interface ProfilesDeps {
  readonly store: Pick<Store, 'commit' | 'profiles' | 'account'>
  /** The line of each user's account changes; `propagate` runs inside it, so that names reach rooms in order. */
  readonly users: Serial<UserId>
  readonly directory: Pick<AccountDirectory, 'profiles' | 'profileChanged'>
  readonly submit: Pick<PresenceSubmit, 'profileChanged'>
  /** Sends the new member event to every joined room; that rooms refuse is no failure (PRESENCE-SPEC §3.5). */
  readonly propagate: (userId: UserId, profile: PublicProfile) => Promise<void>
}

export function createProfiles(deps: ProfilesDeps): Profiles {
  const { store, users } = deps

  const fieldsOf = async (userId: UserId): Promise<JsonObject> => {
    const rows = await store.profiles([userId])
    return Object.fromEntries(rows.map(({ field, json }) => [field, JSON.parse(json) as Json]))
  }

  /** `value` undefined removes the field. */
  const change = async (requester: Requester, field: string, value: Json | undefined): Promise<void> => {
    const { userId } = requester
    if (requester.guest && field !== 'displayname') throw refuse.guestForbidden()
    checkField(field, value)
    await users.run(userId, async () => {
      await requireActive(store, userId)
      const before = await fieldsOf(userId)
      if (same(own(before, field), value)) return
      await write(userId, before, field, value)
      deps.directory.profileChanged(userId)
      if (PROPAGATED.has(field)) await publish(requester)
    })
  }

  const write = async (
    userId: UserId,
    before: JsonObject,
    field: string,
    value: Json | undefined,
  ): Promise<void> => {
    if (value === undefined) return store.commit([{ drop: 'profiles', where: { userId, field } }])
    if (Buffer.byteLength(canonicalJson({ ...before, [field]: value })) > PROFILE_BYTES_MAX)
      throw refuse.profileTooLarge()
    return store.commit([{ put: 'profiles', row: { userId, field, json: JSON.stringify(value) } }])
  }

  /** First presence, and in it the user's own devices; then the rooms, which are many (P-113, P-114). */
  const publish = async ({ userId, deviceId }: Requester): Promise<void> => {
    deps.submit.profileChanged(userId, deviceId)
    const profile = (await deps.directory.profiles([userId])).get(userId) ?? {}
    await deps.propagate(userId, profile)
  }

  return {
    async get(userId) {
      const fields = await fieldsOf(userId)
      return Object.keys(fields).length === 0 ? null : fields
    },
    exists: async (userId) => (await store.account(userId)) !== null,
    set: (requester, field, value) => change(requester, field, normalized(field, value)),
    remove: (requester, field) => change(requester, field, undefined),
  }
}

function checkField(field: string, value: Json | undefined): void {
  if (Buffer.byteLength(field) > FIELD_NAME_BYTES_MAX) throw refuse.keyTooLarge()
  if (!FIELD_NAME.test(field)) throw refuse.invalidParam('The name of the profile field is malformed')
  if (value === undefined || !PROPAGATED.has(field)) return
  if (typeof value !== 'string') throw refuse.badJson(`"${field}" must be a string`)
  if (Buffer.byteLength(value) > NAME_BYTES_MAX)
    throw refuse.tooLarge(`"${field}" is longer than ${NAME_BYTES_MAX} bytes`)
  if (field === 'avatar_url' && !/^mxc:\/\/./.test(value))
    throw refuse.invalidParam('"avatar_url" must be an mxc:// URI')
}

/** Unset is unset: null and '' are not stored for the two names. */
function normalized(field: string, value: Json): Json | undefined {
  return PROPAGATED.has(field) && (value === null || value === '') ? undefined : value
}

function same(one: Json | undefined, other: Json | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return canonicalJson(one) === canonicalJson(other)
}
