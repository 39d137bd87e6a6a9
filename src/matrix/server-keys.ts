import type { Millis } from '../base/clock.ts'
import { CanonicalJsonError } from './canonical-json.ts'
import type { ServerName } from './ids.ts'
import { isJsonObject, own, ownString, type Json, type JsonObject } from './json.ts'
import { signJson, VerifyKey, verifyJson, type SigningKey } from './signing.ts'

/** No server has use for more; an object with more is refused whole. */
const KEYS_MAX = 100
const KEY_ID = /^ed25519:[a-zA-Z0-9_]+$/

/** A key that a server has, or had. */
export interface PublishedKey {
  /** `ed25519:<version>`. */
  readonly keyId: string
  /** Unpadded base64 of 32 bytes. */
  readonly publicKey: string
  /** When it stopped signing with it; null for current keys. */
  readonly expiredTs: Millis | null
}

/** What a server says of its own keys. */
export interface ServerKeys {
  /** Current and old ones, each key ID once. */
  readonly keys: readonly PublishedKey[]
  /** As it says; how long it is believed is the reader's to bound (PRESENCE-SPEC §5.2: at most 7 days). */
  readonly validUntilTs: Millis
}

/** The answer to `GET /_matrix/key/v2/server` (P-153), signed. */
export function serverKeysBody(own: {
  readonly serverName: ServerName
  readonly key: SigningKey
  readonly oldKeys: readonly (PublishedKey & { readonly expiredTs: Millis })[]
  readonly validUntilTs: Millis
}): JsonObject {
  const { serverName, key, oldKeys, validUntilTs } = own
  const old = oldKeys.map(({ keyId, publicKey, expiredTs }) => [
    keyId,
    { expired_ts: expiredTs, key: publicKey },
  ])
  const body: JsonObject = {
    server_name: serverName,
    verify_keys: { [key.keyId]: { key: key.publicKey } },
    old_verify_keys: Object.fromEntries(old) as JsonObject,
    valid_until_ts: validUntilTs,
  }
  return signJson(body, serverName, key)
}

/**
 * The keys in a key object of that server; null unless it is one, and signed with one of its own current keys. Keys of other
 * algorithms, and keys that are no keys, are left out.
 */
export function readServerKeys(json: Json, serverName: ServerName): ServerKeys | null {
  if (!isJsonObject(json) || own(json, 'server_name') !== serverName) return null
  const validUntilTs = own(json, 'valid_until_ts')
  const verifyKeys = own(json, 'verify_keys')
  const oldKeys = own(json, 'old_verify_keys') ?? {}
  if (!isTimestamp(validUntilTs) || !isJsonObject(verifyKeys) || !isJsonObject(oldKeys)) return null
  if (Object.keys(verifyKeys).length + Object.keys(oldKeys).length > KEYS_MAX) return null
  const current = currentKeys(verifyKeys)
  if (!isSelfSigned(json, serverName, current)) return null
  const old = expiredKeys(oldKeys).filter(({ keyId }) => !current.some((key) => key.keyId === keyId))
  return { keys: [...current, ...old], validUntilTs }
}

function currentKeys(verifyKeys: JsonObject): PublishedKey[] {
  return Object.entries(verifyKeys).flatMap(([keyId, value]) => {
    const publicKey = publicKeyOf(keyId, value)
    return publicKey === null ? [] : [{ keyId, publicKey, expiredTs: null }]
  })
}

function expiredKeys(oldKeys: JsonObject): PublishedKey[] {
  return Object.entries(oldKeys).flatMap(([keyId, value]) => {
    const publicKey = publicKeyOf(keyId, value)
    const expiredTs = isJsonObject(value) ? own(value, 'expired_ts') : undefined
    return publicKey === null || !isTimestamp(expiredTs) ? [] : [{ keyId, publicKey, expiredTs }]
  })
}

function publicKeyOf(keyId: string, value: Json): string | null {
  const publicKey = isJsonObject(value) ? ownString(value, 'key') : undefined
  if (publicKey === undefined || !KEY_ID.test(keyId)) return null
  return VerifyKey.parse(publicKey) === null ? null : publicKey
}

function isSelfSigned(json: JsonObject, serverName: ServerName, current: readonly PublishedKey[]): boolean {
  const keys = new Map(current.map(({ keyId, publicKey }) => [keyId, VerifyKey.parse(publicKey)]))
  try {
    return verifyJson(json, serverName, (keyId) => keys.get(keyId) ?? null)
  } catch (error) {
    if (error instanceof CanonicalJsonError) return false
    throw error
  }
}

function isTimestamp(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
