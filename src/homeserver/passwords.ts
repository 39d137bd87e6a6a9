import { argon2, timingSafeEqual } from 'node:crypto'
import { Gate } from '../base/gate.ts'
import type { Random } from '../base/random.ts'
import { refuse } from '../matrix/errors.ts'
import { encodeBase64 } from '../matrix/signing.ts'

/** ROOMS-SPEC §5.2.2: more is refused where the password enters. */
export const PASSWORD_BYTES_MAX = 512

const SALT_BYTES = 16
const TAG_BYTES = 32
const PARALLELISM = 1
/** What a client is told to wait when the line is full. */
const RETRY_AFTER_MS = 1_000
const PHC =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{16,86})$/

export interface PasswordsDeps {
  readonly random: Random
  /** Hashes computed at once. They share Node's thread pool with DNS and files, so few. */
  readonly parallelMax: number
  /** Computations that may wait for a turn; one more is refused with 429. */
  readonly waitingMax: number
  /** Costs of new hashes; stored ones carry their own. */
  readonly memoryKiB: number
  readonly passes: number
}

export interface Passwords {
  /** A PHC string with a fresh salt. */
  hash(password: string): Promise<string>
  /** Does the password match? With null (nobody, or nobody with a password) it takes as long and says no. */
  verify(password: string, phc: string | null): Promise<boolean>
}

interface Hash {
  readonly memoryKiB: number
  readonly passes: number
  readonly parallelism: number
  readonly salt: Uint8Array
  readonly tag: Uint8Array
}

/** Passwords by argon2id. They are taken as given, UTF-8, without normalisation. */
export function createPasswords(deps: PasswordsDeps): Passwords {
  const { random, memoryKiB, passes } = deps
  const gate = new Gate(deps)
  const costs = { memoryKiB, passes, parallelism: PARALLELISM }
  const nobody: Hash = { ...costs, salt: random.bytes(SALT_BYTES), tag: random.bytes(TAG_BYTES) }

  const deriveInTurn = async (password: string, hash: Hash): Promise<Buffer> => {
    const tag = await gate.run(() => derive(password, hash))
    if (tag === null)
      throw refuse.limitExceeded('Too many passwords are being checked', { retry_after_ms: RETRY_AFTER_MS })
    return tag
  }
  return {
    async hash(password) {
      const salt = random.bytes(SALT_BYTES)
      const tag = await deriveInTurn(password, { ...costs, salt, tag: nobody.tag })
      return formatPhc({ ...costs, salt, tag })
    },
    async verify(password, phc) {
      const stored = phc === null ? null : parsePhc(phc)
      const expected = stored ?? nobody
      const tag = await deriveInTurn(password, expected)
      return timingSafeEqual(tag, expected.tag) && stored !== null
    },
  }
}

async function derive(password: string, hash: Hash): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const parameters = {
    message: Buffer.from(password, 'utf8'),
    nonce: hash.salt,
    parallelism: hash.parallelism,
    tagLength: hash.tag.length,
    memory: hash.memoryKiB,
    passes: hash.passes,
  }
  argon2('argon2id', parameters, (error, tag) => (error === null ? resolve(tag) : reject(error)))
  return await promise
}

function formatPhc(hash: Hash): string {
  const { memoryKiB, passes, parallelism } = hash
  return `$argon2id$v=19$m=${memoryKiB},t=${passes},p=${parallelism}$${encodeBase64(hash.salt)}$${encodeBase64(hash.tag)}`
}

function parsePhc(phc: string): Hash | null {
  const match = PHC.exec(phc)
  if (match === null) return null
  const [, memoryKiB, passes, parallelism, salt = '', tag = ''] = match
  return {
    memoryKiB: Number(memoryKiB),
    passes: Number(passes),
    parallelism: Number(parallelism),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  }
}
