import { canonicalJson } from '../matrix/canonical-json.ts'
import { refuse } from '../matrix/errors.ts'
import { parseUserId, serverOf, type DeviceId, type ServerName, type UserId } from '../matrix/ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Wake } from '../ports/wake.ts'
import type { Serial } from '../base/serial.ts'
import type { Stream } from './stream.ts'

/** One-time keys kept for a device; clients keep about fifty. */
export const ONE_TIME_KEYS_MAX = 1_000
/** Users whose keys one query may ask for. */
export const QUERY_USERS_MAX = 1_000

/** The algorithm every client counts: its absence from an answer makes clients upload again and again. */
const COUNTED_ALWAYS = 'signed_curve25519'

/** A `/keys/upload` body whose outer shape was checked. */
export interface KeyUpload {
  readonly device_keys?: JsonObject | undefined
  readonly one_time_keys?: JsonObject | undefined
  readonly fallback_keys?: JsonObject | undefined
}

/** Stores end-to-end keys and hands them out; what is in them is the clients' affair (ROOMS-SPEC §5.11). */
export interface Keys {
  /** Counts of the device's unclaimed one-time keys by algorithm, after the upload. */
  upload(requester: Requester, upload: KeyUpload): Promise<Record<string, number>>
  /** The `/keys/query` answer; every local user asked for is in it, so that no client asks in a loop. */
  query(asked: ReadonlyMap<string, readonly string[]>): Promise<JsonObject>
}

export interface KeysDeps {
  readonly store: Pick<Store, 'account' | 'devices' | 'deviceKeys' | 'oneTimeKeys' | 'fallbackKeys'>
  readonly stream: Pick<Stream, 'commit'>
  readonly users: Serial<UserId>
  readonly wake: Pick<Wake, 'users'>
  readonly serverName: ServerName
}

export function createKeys(deps: KeysDeps): Keys {
  return {
    upload: (requester, upload) => deps.users.run(requester.userId, () => store(deps, requester, upload)),
    query: (asked) => query(deps, asked),
  }
}

async function store(
  deps: KeysDeps,
  requester: Requester,
  upload: KeyUpload,
): Promise<Record<string, number>> {
  const { userId, deviceId } = requester
  if (upload.device_keys !== undefined) checkDeviceKeys(upload.device_keys, requester)
  const stored = await deps.store.oneTimeKeys(userId, deviceId)
  const fresh = freshKeys(upload.one_time_keys ?? {}, stored)
  if (stored.length + fresh.length > ONE_TIME_KEYS_MAX)
    throw refuse.tooLarge(`At most ${ONE_TIME_KEYS_MAX} one-time keys are kept for a device`)
  const owner = { userId, deviceId }
  const others: Write[] = [
    ...deviceKeyRows(owner, upload.device_keys),
    ...fallbackRows(owner, upload.fallback_keys ?? {}),
  ]
  if (fresh.length + others.length > 0) {
    await deps.stream.commit((next) => [
      ...others,
      ...fresh.map((key): Write => ({ put: 'oneTimeKeys', row: { ...owner, ...key, pos: next() } })),
    ])
    // The device's own waiting sync carries the counts.
    deps.wake.users([userId], 'rooms')
  }
  return counts([...stored, ...fresh])
}

/** How many keys there are of each algorithm; the counted one is named even at nought. */
function counts(keys: readonly { readonly algorithm: string }[]): Record<string, number> {
  const byAlgorithm: Record<string, number> = { [COUNTED_ALWAYS]: 0 }
  for (const { algorithm } of keys) byAlgorithm[algorithm] = (byAlgorithm[algorithm] ?? 0) + 1
  return byAlgorithm
}

/** Keys not stored yet. The same ID with other content is refused: a one-time key never changes. */
function freshKeys(
  uploaded: JsonObject,
  stored: readonly Row<'oneTimeKeys'>[],
): { keyId: string; algorithm: string; json: string }[] {
  const known = new Map(stored.map(({ keyId, json }) => [keyId, json]))
  const fresh: { keyId: string; algorithm: string; json: string }[] = []
  for (const [keyId, value] of Object.entries(uploaded)) {
    const json = canonical(value)
    const before = known.get(keyId)
    if (before !== undefined && before !== json)
      throw refuse.unknown(`One-time key "${keyId}" exists with other content`)
    if (before === undefined) fresh.push({ keyId, algorithm: algorithmOf(keyId), json })
  }
  return fresh
}

function deviceKeyRows(
  owner: { userId: UserId; deviceId: DeviceId },
  deviceKeys: JsonObject | undefined,
): Write[] {
  return deviceKeys === undefined
    ? []
    : [{ put: 'deviceKeys', row: { ...owner, json: canonical(deviceKeys) } }]
}

/** One fallback key an algorithm; a new one replaces the old and counts as unused. */
function fallbackRows(owner: { userId: UserId; deviceId: DeviceId }, uploaded: JsonObject): Write[] {
  return Object.entries(uploaded).map(([keyId, value]) => ({
    put: 'fallbackKeys',
    row: { ...owner, algorithm: algorithmOf(keyId), keyId, json: canonical(value), used: 0 },
  }))
}

/** `algorithm:key`. */
function algorithmOf(keyId: string): string {
  const colon = keyId.indexOf(':')
  if (colon <= 0) throw refuse.badJson('Key IDs must have the form "algorithm:id"')
  return keyId.slice(0, colon)
}

function checkDeviceKeys(keys: JsonObject, requester: Requester): void {
  if (own(keys, 'user_id') !== requester.userId || own(keys, 'device_id') !== requester.deviceId)
    throw refuse.invalidParam('The keys are of another user or device than the one that uploads them')
  if (!Array.isArray(own(keys, 'algorithms')))
    throw refuse.badJson('"device_keys.algorithms" must be an array')
  for (const key of ['keys', 'signatures']) {
    if (!isJsonObject(own(keys, key))) throw refuse.badJson(`"device_keys.${key}" must be an object`)
  }
}

function canonical(value: Json): string {
  try {
    return canonicalJson(value)
  } catch {
    throw refuse.badJson('Keys must be canonical JSON: whole numbers and well-formed text only')
  }
}

async function query(deps: KeysDeps, asked: ReadonlyMap<string, readonly string[]>): Promise<JsonObject> {
  if (asked.size > QUERY_USERS_MAX)
    throw refuse.tooLarge(`At most ${QUERY_USERS_MAX} users can be asked for at once`)
  const deviceKeys = new Map<string, JsonObject>()
  const failures = new Map<string, JsonObject>()
  for (const [text, wanted] of asked) {
    const userId = parseUserId(text)
    if (userId === null) continue
    if (serverOf(userId) !== deps.serverName) failures.set(serverOf(userId), {})
    else if ((await deps.store.account(userId)) !== null)
      deviceKeys.set(userId, await keysOfUser(deps, userId, wanted))
  }
  return {
    device_keys: Object.fromEntries(deviceKeys),
    failures: Object.fromEntries(failures),
    master_keys: {},
    self_signing_keys: {},
    user_signing_keys: {},
  }
}

/** Keys of the user's devices, or of the wanted ones; devices without keys are left out. */
async function keysOfUser(deps: KeysDeps, userId: UserId, wanted: readonly string[]): Promise<JsonObject> {
  const [rows, devices] = await Promise.all([deps.store.deviceKeys([userId]), deps.store.devices(userId)])
  const names = new Map(devices.map(({ deviceId, displayName }) => [deviceId, displayName]))
  const entries = rows
    .filter(({ deviceId }) => wanted.length === 0 || wanted.includes(deviceId))
    .map(({ deviceId, json }): [string, JsonObject] => {
      const name = names.get(deviceId) ?? null
      const unsigned = name === null ? {} : { device_display_name: name }
      return [deviceId, { ...(JSON.parse(json) as JsonObject), unsigned }]
    })
  return Object.fromEntries(entries)
}
