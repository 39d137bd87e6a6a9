import type { Serial } from '../base/serial.ts'
import { canonicalJson, CanonicalJsonError } from '../matrix/canonical-json.ts'
import { refuse } from '../matrix/errors.ts'
import { parseUserId, serverOf, type DeviceId, type ServerName, type UserId } from '../matrix/ids.ts'
import { isJsonObject, own, type Json, type JsonObject } from '../matrix/json.ts'
import type { Requester } from '../ports/directory.ts'
import type { Row, Store, Write } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { Wake } from '../ports/wake.ts'

/** One-time keys kept for a device; clients keep about fifty. */
export const ONE_TIME_KEYS_MAX = 1_000
/** Fallback keys kept for a device, one an algorithm. */
export const FALLBACK_KEYS_MAX = 10
/** Canonical JSON of one one-time or fallback key; room for much larger signatures than today's. */
export const KEY_BYTES_MAX = 8_192
/** Canonical JSON of a device's keys. */
export const DEVICE_KEYS_BYTES_MAX = 65_536
export const KEY_ID_BYTES_MAX = 255
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

interface KeysDeps {
  readonly store: Pick<Store, 'account' | 'devices' | 'deviceKeys' | 'oneTimeKeys' | 'fallbackKeys'>
  readonly stream: Pick<Stream, 'commit'>
  readonly users: Serial<UserId>
  readonly wake: Pick<Wake, 'users'>
  readonly serverName: ServerName
}

export function createKeys(deps: KeysDeps): Keys {
  return {
    upload: (requester, upload) => deps.users.run(requester.userId, () => keep(deps, requester, upload)),
    query: (asked) => query(deps, asked),
  }
}

type Owner = Pick<Requester, 'userId' | 'deviceId'>

/** One key of an upload, taken apart. */
interface UploadedKey {
  readonly keyId: string
  readonly algorithm: string
  readonly json: string
}

async function keep(
  deps: KeysDeps,
  requester: Requester,
  upload: KeyUpload,
): Promise<Record<string, number>> {
  const { userId, deviceId } = requester
  const owner: Owner = { userId, deviceId }
  await requireDevice(deps, owner)
  const stored = await deps.store.oneTimeKeys(userId, deviceId)
  const fresh = freshKeys(uploadedKeys(upload.one_time_keys), stored)
  const others = [
    ...(await changedDeviceKeys(deps, requester, upload.device_keys)),
    ...(await changedFallbackKeys(deps, owner, uploadedKeys(upload.fallback_keys))),
  ]
  if (fresh.length + others.length > 0) {
    await deps.stream.commit((next) => [
      ...others,
      ...fresh.map((key): Write => ({ put: 'oneTimeKeys', row: { ...owner, ...key, pos: next() } })),
    ])
    // The device's own waiting sync carries the counts.
    deps.wake.users([userId], 'rooms')
  }
  return countKeys([...stored, ...fresh])
}

/** What waited in the user's line while the device was logged out leaves nothing behind. */
async function requireDevice(deps: KeysDeps, { userId, deviceId }: Owner): Promise<void> {
  const devices = await deps.store.devices(userId)
  if (!devices.some((device) => device.deviceId === deviceId)) throw refuse.unknownToken()
}

/** How many keys there are of each algorithm; the counted one is named even at nought. */
export function countKeys(keys: Iterable<{ readonly algorithm: string }>): Record<string, number> {
  // A Map: an algorithm may be called `constructor`.
  const counts = new Map([[COUNTED_ALWAYS, 0]])
  for (const { algorithm } of keys) counts.set(algorithm, (counts.get(algorithm) ?? 0) + 1)
  return Object.fromEntries(counts)
}

/** Keys not stored yet. The same ID with other content is refused: a one-time key never changes. */
function freshKeys(uploaded: readonly UploadedKey[], stored: readonly Row<'oneTimeKeys'>[]): UploadedKey[] {
  const known = new Map(stored.map(({ keyId, json }) => [keyId, json]))
  const fresh = uploaded.filter(({ keyId, json }) => {
    const before = known.get(keyId)
    if (before !== undefined && before !== json)
      throw refuse.unknown(`One-time key "${keyId}" exists with other content`)
    return before === undefined
  })
  if (stored.length + fresh.length > ONE_TIME_KEYS_MAX)
    throw refuse.tooLarge(`At most ${ONE_TIME_KEYS_MAX} one-time keys are kept for a device`)
  return fresh
}

/** Uploading what is stored is no change, of which nobody need be told. */
async function changedDeviceKeys(
  deps: KeysDeps,
  { userId, deviceId }: Requester,
  deviceKeys: JsonObject | undefined,
): Promise<Write[]> {
  if (deviceKeys === undefined) return []
  checkDeviceKeys(deviceKeys, { userId, deviceId })
  const json = canonical(deviceKeys, DEVICE_KEYS_BYTES_MAX)
  const stored = await deps.store.deviceKeys([userId])
  if (stored.some((row) => row.deviceId === deviceId && row.json === json)) return []
  return [{ put: 'deviceKeys', row: { userId, deviceId, json } }]
}

/** One fallback key an algorithm; a new one replaces the old and counts as unused, the same one changes nothing. */
async function changedFallbackKeys(
  deps: KeysDeps,
  owner: Owner,
  uploaded: readonly UploadedKey[],
): Promise<Write[]> {
  if (uploaded.length === 0) return []
  const stored = await deps.store.fallbackKeys(owner.userId, owner.deviceId)
  const algorithms = new Set([...stored, ...uploaded].map(({ algorithm }) => algorithm))
  if (algorithms.size > FALLBACK_KEYS_MAX)
    throw refuse.tooLarge(`At most ${FALLBACK_KEYS_MAX} fallback keys are kept for a device`)
  return uploaded
    .filter((key) => !stored.some(({ keyId, json }) => keyId === key.keyId && json === key.json))
    .map((key): Write => ({ put: 'fallbackKeys', row: { ...owner, ...key, used: 0 } }))
}

function uploadedKeys(uploaded: JsonObject = {}): UploadedKey[] {
  return Object.entries(uploaded).map(([keyId, value]) => {
    if (typeof value !== 'string' && !isJsonObject(value))
      throw refuse.badJson('A key must be a string or an object')
    return { keyId, algorithm: algorithmOf(keyId), json: canonical(value, KEY_BYTES_MAX) }
  })
}

/** `algorithm:id`. */
function algorithmOf(keyId: string): string {
  const colon = keyId.indexOf(':')
  if (colon <= 0) throw refuse.badJson('Key IDs must have the form "algorithm:id"')
  if (Buffer.byteLength(keyId) > KEY_ID_BYTES_MAX)
    throw refuse.tooLarge(`Key IDs are limited to ${KEY_ID_BYTES_MAX} bytes`)
  return keyId.slice(0, colon)
}

function checkDeviceKeys(keys: JsonObject, { userId, deviceId }: Owner): void {
  if (own(keys, 'user_id') !== userId || own(keys, 'device_id') !== deviceId)
    throw refuse.invalidParam('The keys are of another user or device than the one that uploads them')
  if (!Array.isArray(own(keys, 'algorithms')))
    throw refuse.badJson('"device_keys.algorithms" must be an array')
  for (const key of ['keys', 'signatures']) {
    if (!isJsonObject(own(keys, key))) throw refuse.badJson(`"device_keys.${key}" must be an object`)
  }
}

function canonical(value: Json, bytesMax: number): string {
  try {
    const json = canonicalJson(value)
    if (Buffer.byteLength(json) <= bytesMax) return json
  } catch (error) {
    if (!(error instanceof CanonicalJsonError)) throw error
    throw refuse.badJson('Keys must be canonical JSON: whole numbers and well-formed text only')
  }
  throw refuse.tooLarge(`A key is longer than ${bytesMax} bytes`)
}

async function query(deps: KeysDeps, asked: ReadonlyMap<string, readonly string[]>): Promise<JsonObject> {
  if (asked.size > QUERY_USERS_MAX)
    throw refuse.tooLarge(`At most ${QUERY_USERS_MAX} users can be asked for at once`)
  const local = new Map<UserId, readonly string[]>()
  const unreachable = new Set<ServerName>()
  for (const [text, wanted] of asked) {
    const userId = parseUserId(text)
    if (userId === null) continue
    if (serverOf(userId) === deps.serverName) local.set(userId, wanted)
    else unreachable.add(serverOf(userId))
  }
  return {
    device_keys: await localKeys(deps, local),
    failures: Object.fromEntries([...unreachable].map((server) => [server, {}])),
    master_keys: {},
    self_signing_keys: {},
    user_signing_keys: {},
  }
}

/** An entry for every user there is, even without keys. */
async function localKeys(deps: KeysDeps, asked: ReadonlyMap<UserId, readonly string[]>): Promise<JsonObject> {
  const rows = Map.groupBy(await deps.store.deviceKeys([...asked.keys()]), ({ userId }) => userId)
  const entries: [string, JsonObject][] = []
  for (const [userId, wanted] of asked) {
    const ofUser = rows.get(userId)
    if (ofUser !== undefined) entries.push([userId, await shownKeys(deps, userId, ofUser, wanted)])
    else if ((await deps.store.account(userId)) !== null) entries.push([userId, {}])
  }
  return Object.fromEntries(entries)
}

/** All devices with keys, or the wanted ones of them, with their names. */
async function shownKeys(
  deps: KeysDeps,
  userId: UserId,
  rows: readonly Row<'deviceKeys'>[],
  wanted: readonly string[],
): Promise<JsonObject> {
  const devices = await deps.store.devices(userId)
  const names = new Map(devices.map(({ deviceId, displayName }) => [deviceId, displayName]))
  const entries = rows
    .filter(({ deviceId }) => wanted.length === 0 || wanted.includes(deviceId))
    .map(({ deviceId, json }): [DeviceId, JsonObject] => {
      const name = names.get(deviceId) ?? null
      const unsigned = name === null ? {} : { device_display_name: name }
      return [deviceId, { ...(JSON.parse(json) as JsonObject), unsigned }]
    })
  return Object.fromEntries(entries)
}
