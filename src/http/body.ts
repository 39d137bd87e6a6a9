import { isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import type { z } from 'zod'
import { refuse } from '../matrix/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../matrix/json.ts'
import { parseJson, parseStrictJson, StrictJsonError } from '../matrix/strict-json.ts'
import type { Route } from './route.ts'

/** How much of a refused body is still read, so that the client can finish sending and reads our answer. */
const DISCARD_BYTES_MAX = 16 * 1_048_576
/**
 * `,`, `[`, `{` and `\\`, which are what takes time to parse and to verify. A transaction full of presence has 30,000; one of the
 * largest size could hold ten million, and everybody would wait for seconds.
 */
const SEPARATORS_MAX = 500_000
/** Of the path of an offending key: keys are the client's own text. */
const PATH_CHARS_MAX = 100

/** The client went away before its request was complete: there is nobody to answer. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

/**
 * The whole body, whatever its content type. The limit holds while reading, so chunked bodies are held to it too.
 *
 * @throws MatrixError 413 M_TOO_LARGE; ClientGone; the signal's reason
 */
export function readBody(
  stream: Readable,
  { bytesMax, declaredBytes, signal }: { bytesMax: number; declaredBytes: number; signal: AbortSignal },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const settle = (outcome: () => void): void => {
      stream.off('data', take).off('end', end).off('error', gone).off('close', gone)
      signal.removeEventListener('abort', abort)
      outcome()
    }
    const take = (chunk: Buffer): void => {
      bytes += chunk.length
      if (bytes > bytesMax) tooLarge()
      else chunks.push(chunk)
    }
    const tooLarge = (): void =>
      settle(() => {
        discard(stream)
        reject(refuse.tooLarge(`The body is larger than ${bytesMax} bytes`))
      })
    const end = (): void => settle(() => resolve(Buffer.concat(chunks, bytes)))
    const gone = (): void => settle(() => reject(new ClientGone('the client went away')))
    const abort = (): void => settle(() => reject(signal.reason as Error))
    if (signal.aborted) return abort()
    if (declaredBytes > bytesMax) return tooLarge()
    stream.on('data', take).on('end', end).on('error', gone).on('close', gone)
    signal.addEventListener('abort', abort, { once: true })
  })
}

/** Lets the rest flow away. Closing at once would reset the connection before the client has read the refusal. */
function discard(stream: Readable): void {
  let left = DISCARD_BYTES_MAX
  stream.on('error', () => {})
  stream.on('data', (chunk: Buffer) => {
    left -= chunk.length
    if (left < 0) stream.destroy()
  })
}

/**
 * What the route's schema makes of the bytes.
 *
 * @throws MatrixError 400 M_NOT_JSON (P-007), M_BAD_JSON (P-008)
 */
export function decodeBody(bytes: Buffer, schema: z.ZodType, route: Route): unknown {
  const json = bytes.length === 0 && route.emptyBody === true ? {} : parse(bytes, route.strictJson === true)
  return checkBody(json, schema)
}

/**
 * A body that is signed: it has a canonical form, and that of an object.
 *
 * @throws MatrixError 400 M_NOT_JSON, M_BAD_JSON; 413 M_TOO_LARGE
 */
export function parseSignedBody(bytes: Buffer): JsonObject {
  if (separatorsIn(bytes) > SEPARATORS_MAX) throw refuse.tooLarge('The body has too many parts')
  const json = parse(bytes, true)
  if (isJsonObject(json)) return json
  throw refuse.badJson('The body must be an object')
}

/** Of values, and of what is escaped within texts. */
function separatorsIn(bytes: Buffer): number {
  let count = 0
  for (let i = 0; i < bytes.length; i += 1) {
    const sign = bytes[i]
    if (sign === 0x2c || sign === 0x5b || sign === 0x5c || sign === 0x7b) count += 1
  }
  return count
}

/** @throws MatrixError 400 M_BAD_JSON */
export function checkBody(json: Json, schema: z.ZodType): unknown {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  throw refuse.badJson(shapeMessage(result.error))
}

function parse(bytes: Buffer, strict: boolean): Json {
  if (bytes.length === 0) throw refuse.notJson('The body is empty')
  if (!isUtf8(bytes)) throw refuse.notJson('The body is not UTF-8')
  const text = bytes.toString()
  // RFC 8259 §8.1 lets a receiver ignore a byte order mark.
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text
  try {
    return strict ? parseStrictJson(json) : parseJson(json)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    throw error.kind === 'syntax' ? refuse.notJson(error.message) : refuse.badJson(error.message)
  }
}

/** Names the key, never the value: values may be passwords. */
function shapeMessage(error: z.ZodError): string {
  const issue = error.issues[0]
  if (issue === undefined) return 'The body has the wrong shape'
  const path = issue.path.map(String).join('.').slice(0, PATH_CHARS_MAX).toWellFormed()
  return path === '' ? `The body: ${issue.message}` : `"${path}": ${issue.message}`
}
