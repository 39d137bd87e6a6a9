import { Background } from '../base/background.ts'
import { canonicalJson } from '../matrix/canonical-json.ts'
import { MatrixError, refuse } from '../matrix/errors.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import { own, type Json, type JsonObject } from '../matrix/json.ts'
import type { PublicProfile, Requester } from '../ports/directory.ts'
import type { Log } from '../ports/log.ts'
import type { Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { PresenceSubmit } from '../ports/submit.ts'
import type { ActiveUsers } from './active-users.ts'
import type { AccountDirectory } from './directory.ts'
import type { RemoteFields } from './remote-fields.ts'
import { Unfinished } from './unfinished.ts'

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
  /**
   * All fields of a user; null if there is no such user or no field (P-121). Of users of other servers those are asked.
   *
   * @throws MatrixError 403 M_FORBIDDEN if another server says so, 502 M_UNKNOWN if it says nothing
   */
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
  /** Tells rooms the names that an earlier process did not get to tell; said once, when rooms can be written. */
  resume(): Promise<void>
  /** Resolves when that is done. */
  close(): Promise<void>
}

interface ProfilesDeps {
  readonly serverName: ServerName
  readonly remoteFields: Pick<RemoteFields, 'get'>
  readonly store: Pick<Store, 'profiles' | 'account' | 'meta'>
  readonly stream: Pick<Stream, 'commit'>
  /** `propagate` runs in the user's line, too: names reach rooms in order, and no join between misses one. */
  readonly activeUsers: ActiveUsers
  readonly directory: Pick<AccountDirectory, 'profiles' | 'profileChanged'>
  readonly submit: Pick<PresenceSubmit, 'profileChanged'>
  /** Sends the new member event to every joined room; that rooms refuse is no failure (PRESENCE-SPEC §3.5). */
  readonly propagate: (userId: UserId, profile: PublicProfile) => Promise<void>
  readonly log: Pick<Log, 'error'>
}

export function createProfiles(deps: ProfilesDeps): Profiles {
  const { store } = deps
  const publication = createPublication(deps)

  const fieldsOf = async (userId: UserId): Promise<JsonObject> => {
    const rows = await store.profiles([userId])
    return Object.fromEntries(rows.map(({ field, json }) => [field, JSON.parse(json) as Json]))
  }

  /** `value` undefined removes the field. */
  const change = async (requester: Requester, field: string, value: Json | undefined): Promise<void> => {
    const { userId } = requester
    if (requester.guest && field !== 'displayname') throw refuse.guestForbidden()
    checkField(field, value)
    await deps.activeUsers.run(userId, async () => {
      const before = await fieldsOf(userId)
      const isUnchanged = same(own(before, field), value)
      if (PROPAGATED.has(field)) {
        if (isUnchanged && (await publication.isDone(userId))) return
        await publication.publish(requester, [writeOf(userId, before, field, value)])
      } else if (!isUnchanged) {
        await deps.stream.commit(() => [writeOf(userId, before, field, value)])
        deps.directory.profileChanged(userId)
      }
    })
  }

  return {
    async get(userId) {
      if (serverOf(userId) !== deps.serverName) return deps.remoteFields.get(userId)
      const fields = await fieldsOf(userId)
      return Object.keys(fields).length === 0 ? null : fields
    },
    exists: async (userId) => (await store.account(userId)) !== null,
    set: (requester, field, value) => change(requester, field, normalized(field, value)),
    remove: (requester, field) => change(requester, field, undefined),
    resume: () => publication.resume(),
    close: () => publication.close(),
  }
}

function writeOf(userId: UserId, before: JsonObject, field: string, value: Json | undefined): Write {
  if (value === undefined) return { drop: 'profiles', where: { userId, field } }
  if (Buffer.byteLength(canonicalJson({ ...before, [field]: value })) > PROFILE_BYTES_MAX)
    throw refuse.profileTooLarge()
  return { put: 'profiles', row: { userId, field, json: JSON.stringify(value) } }
}

/** How a new name gets to everybody; only inside the user's line. */
interface Publication {
  /** Does every room have the user's names? Not after a crash or a fault on the way. */
  isDone(userId: UserId): Promise<boolean>
  /** First presence, and in it the user's own devices; then the rooms, which are many (P-113, P-114). */
  publish(requester: Requester, writes: readonly Write[]): Promise<void>
  resume(): Promise<void>
  close(): Promise<void>
}

function createPublication(deps: ProfilesDeps): Publication {
  const unfinished = new Unfinished({ ...deps, key: 'profiles.propagating' })
  const background = new Background()

  const tellRooms = async (userId: UserId): Promise<void> => {
    const profile = (await deps.directory.profiles([userId])).get(userId) ?? {}
    await deps.propagate(userId, profile)
    await unfinished.end(userId)
  }
  const resumeFor = async (userId: UserId): Promise<void> => {
    try {
      await deps.activeUsers.run(userId, () => tellRooms(userId))
    } catch (error) {
      // The account was closed since: it leaves its rooms anyway.
      if (!(error instanceof MatrixError)) throw error
      await unfinished.end(userId)
    }
  }
  return {
    isDone: async (userId) => !(await unfinished.includes(userId)),
    async publish({ userId, deviceId }, writes) {
      await unfinished.begin(userId, writes)
      deps.directory.profileChanged(userId)
      deps.submit.profileChanged(userId, deviceId)
      await tellRooms(userId)
    },
    async resume() {
      for (const userId of await unfinished.users())
        background.run(
          () => resumeFor(userId),
          (err) =>
            deps.log.error(
              { err, userId },
              'A new name did not reach all rooms; tried again at the next start',
            ),
        )
    },
    close: () => background.idle(),
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
