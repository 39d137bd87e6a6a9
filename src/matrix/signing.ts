import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from 'node:crypto'
import { assert } from '../base/assert.ts'
import { canonicalJson } from './canonical-json.ts'
import { isJsonObject, own, type JsonObject } from './json.ts'

const SEED_BYTES = 32
const PUBLIC_KEY_BYTES = 32
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')
const KEY_VERSION = /^[a-zA-Z0-9_]+$/
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/

/** Signatures as they stand in JSON. */
type Signed = { signatures: { [server: string]: { [keyId: string]: string } } }

/** Our half of an ed25519 key; signs, and never shows its secret. */
export class SigningKey {
  /** `ed25519:<version>`. */
  readonly keyId: string
  /** Unpadded base64, as published. */
  readonly publicKey: string
  readonly #key: KeyObject

  constructor({ seed, version }: { readonly seed: Uint8Array; readonly version: string }) {
    assert(seed.length === SEED_BYTES, 'a signing key has a seed of 32 bytes')
    assert(KEY_VERSION.test(version), 'a key version has letters, digits and _ only')
    this.keyId = `ed25519:${version}`
    this.#key = createPrivateKey({ format: 'der', type: 'pkcs8', key: Buffer.concat([PKCS8_PREFIX, seed]) })
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' })
    this.publicKey = encodeBase64(spki.subarray(SPKI_PREFIX.length))
  }

  /** The 64 bytes of the signature. */
  sign(bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#key)
  }
}

/** Somebody's public ed25519 key, ready to verify with. */
export class VerifyKey {
  readonly #key: KeyObject

  /** Null unless `publicKey` is base64 of 32 bytes. */
  static parse(publicKey: string): VerifyKey | null {
    const bytes = decodeBase64(publicKey)
    return bytes?.length === PUBLIC_KEY_BYTES ? new VerifyKey(bytes) : null
  }

  private constructor(bytes: Uint8Array) {
    this.#key = createPublicKey({ format: 'der', type: 'spki', key: Buffer.concat([SPKI_PREFIX, bytes]) })
  }

  verify(bytes: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, bytes, this.#key, signature)
  }
}

/** The signature as it stands in JSON: unpadded base64. */
export function signBytes(bytes: Uint8Array, key: SigningKey): string {
  return encodeBase64(key.sign(bytes))
}

/** What a signature of `object` covers: its canonical form without `signatures` and `unsigned` (PRESENCE-SPEC §5.2). */
export function signedBytes(object: JsonObject): Uint8Array {
  const { signatures: _signatures, unsigned: _unsigned, ...signed } = object
  return Buffer.from(canonicalJson(signed))
}

/** A copy of `object` with our signature beside those that it has. */
export function signJson<T extends JsonObject>(object: T, server: string, key: SigningKey): T & Signed {
  return withSignature(object, server, key.keyId, signBytes(signedBytes(object), key))
}

/** A copy of `object` with one more signature. */
export function withSignature<T extends JsonObject>(
  object: T,
  server: string,
  keyId: string,
  signature: string,
): T & Signed {
  const present = own(object, 'signatures')
  const signatures = isJsonObject(present) ? present : {}
  const ofServer = own(signatures, server)
  const merged = { ...(isJsonObject(ofServer) ? ofServer : {}), [keyId]: signature }
  return { ...object, signatures: { ...signatures, [server]: merged } } as T & Signed
}

/**
 * Did `server` sign the object? At least one of its signatures must be under a key that `keyOf` gives, and none of those may be
 * wrong. Signatures under other keys are ignored (ROOMS-SPEC §2.10).
 */
export function verifyJson(
  object: JsonObject,
  server: string,
  keyOf: (keyId: string) => VerifyKey | null,
): boolean {
  const signatures = own(object, 'signatures')
  const ofServer = isJsonObject(signatures) ? own(signatures, server) : undefined
  if (!isJsonObject(ofServer)) return false
  const bytes = signedBytes(object)
  let verified = false
  for (const [keyId, signature] of Object.entries(ofServer)) {
    const key = keyOf(keyId)
    if (key === null) continue
    const decoded = typeof signature === 'string' ? decodeBase64(signature) : null
    if (decoded === null || !key.verify(bytes, decoded)) return false
    verified = true
  }
  return verified
}

/** Standard alphabet, without padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '')
}

/** Lenient: padding, non-zero trailing bits and both alphabets pass (ROOMS-SPEC §2.6). Null if it is not base64. */
export function decodeBase64(text: string): Uint8Array | null {
  if (!BASE64.test(text) || text.replace(/=+$/, '').length % 4 === 1) return null
  return Buffer.from(text, 'base64')
}
