import { canonicalJson } from './canonical-json.ts'
import { parseServerName, type ServerName } from './ids.ts'
import type { JsonObject } from './json.ts'
import { decodeBase64, signBytes, type SigningKey, type VerifyKey } from './signing.ts'

/** Two server names, a key and a signature take a quarter of it; headers beyond are not looked at. */
const HEADER_CHARS_MAX = 4_096

const SCHEME = /[ \t]*X-Matrix[ \t]+/iy
/** Bare values may hold what a token may not, such as the `:` of a port (PRESENCE-SPEC §5.2). */
const PARAM =
  /([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",\\]+))[ \t]*(?:,[ \t,]*|$)/y
const KEY_ID = /^ed25519:[a-zA-Z0-9_]+$/

/** What stands in the `Authorization` header of another server's request. */
export interface XMatrix {
  readonly origin: ServerName
  /** Null from servers of 2015, which never send it. */
  readonly destination: ServerName | null
  /** `ed25519:<version>`. */
  readonly keyId: string
  /** Base64, not yet decoded. */
  readonly signature: string
}

/** What a request between servers is signed over. Names are those before delegation. */
export interface ServerRequest {
  readonly method: string
  /** Path and query exactly as sent. */
  readonly uri: string
  readonly origin: ServerName
  readonly destination: ServerName
  /** The parsed body; absent when there is none. */
  readonly content?: JsonObject
}

/**
 * Null unless it is an X-Matrix header with origin, key and signature. Scheme and names in any case, parameters in any order,
 * values quoted or bare; unknown parameters are ignored, a doubled one is refused: two readers could take different ones.
 */
export function parseXMatrix(header: string): XMatrix | null {
  if (header.length > HEADER_CHARS_MAX) return null
  const params = parameters(header)
  if (params === null) return null
  const origin = parseServerName(params.get('origin') ?? '')
  const named = params.get('destination')
  const destination = named === undefined ? null : parseServerName(named)
  const keyId = params.get('key') ?? ''
  const signature = params.get('sig') ?? ''
  if (origin === null || (named !== undefined && destination === null)) return null
  return KEY_ID.test(keyId) && signature !== '' ? { origin, destination, keyId, signature } : null
}

/** Lower-case names → values; null if the header has another form. */
function parameters(header: string): Map<string, string> | null {
  SCHEME.lastIndex = 0
  if (!SCHEME.test(header)) return null
  const params = new Map<string, string>()
  for (let at = SCHEME.lastIndex; at < header.length; at = PARAM.lastIndex) {
    PARAM.lastIndex = at
    const [, name = '', quoted, bare = ''] = PARAM.exec(header) ?? []
    const key = name.toLowerCase()
    if (key === '' || params.has(key)) return null
    params.set(key, quoted === undefined ? bare : quoted.replaceAll(/\\(.)/g, '$1'))
  }
  return params
}

/** The header as we send it (P-155): one blank, lower-case names, everything quoted, always with the destination. */
export function formatXMatrix(auth: XMatrix & { readonly destination: ServerName }): string {
  const { origin, destination, keyId, signature } = auth
  return `X-Matrix origin="${origin}",destination="${destination}",key="${keyId}",sig="${signature}"`
}

/** The object whose canonical form is signed (§5.2). */
export function requestToSign({ method, uri, origin, destination, content }: ServerRequest): JsonObject {
  const signed: JsonObject = { method, uri, origin, destination }
  return content === undefined ? signed : { ...signed, content }
}

/**
 * The `Authorization` header of a request of ours.
 *
 * @throws CanonicalJsonError if the content has no canonical form
 */
export function signRequest(request: ServerRequest, key: SigningKey): string {
  const signature = signBytes(signedRequestBytes(request), key)
  return formatXMatrix({ ...request, keyId: key.keyId, signature })
}

/** @throws CanonicalJsonError if the content has no canonical form; parsed strictly, it has one */
export function isRequestSigned(request: ServerRequest, signature: string, key: VerifyKey): boolean {
  const decoded = decodeBase64(signature)
  return decoded !== null && key.verify(signedRequestBytes(request), decoded)
}

function signedRequestBytes(request: ServerRequest): Uint8Array {
  return Buffer.from(canonicalJson(requestToSign(request)))
}
