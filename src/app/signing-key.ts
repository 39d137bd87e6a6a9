import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { randomText, type Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import { encodeBase64, SigningKey } from '../matrix/signing.ts'

const SEED_BYTES = 32
const VERSION_LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
/** The form in which Matrix servers keep a signing key: algorithm, version, seed in base64 without padding. */
const LINE = /^ed25519 ([A-Za-z0-9_]+) ([A-Za-z0-9+/]{43})=?\s*$/

/** One line of a key file, with a fresh key. */
export function newSigningKeyLine(random: Random): string {
  const version = `a_${randomText(random, VERSION_LETTERS, 4)}`
  const seed = encodeBase64(random.bytes(SEED_BYTES))
  return `ed25519 ${version} ${seed}\n`
}

/**
 * The server's key from `<data_dir>/<server name>.signing.key`; made, with the folder, at the first start. Whoever has
 * the file can speak for this server, so only its owner may read it.
 *
 * @throws Error with a sentence for the operator
 */
export function loadSigningKey({
  dataDir,
  serverName,
  random,
}: {
  readonly dataDir: string
  readonly serverName: ServerName
  readonly random: Random
}): SigningKey {
  const file = join(dataDir, `${serverName}.signing.key`)
  const line = read(file) ?? create(dataDir, file, newSigningKeyLine(random))
  const [, version = '', seed = ''] = LINE.exec(line) ?? []
  if (seed === '')
    throw new Error(`${file} does not hold a signing key: expected "ed25519 <version> <seed>".`)
  return new SigningKey({ version, seed: Buffer.from(seed, 'base64') })
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Whole and on disk before it gets its name: a crash must not leave a broken key, nor one that was used and is gone. */
function create(dataDir: string, file: string, line: string): string {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const draft = `${file}.new`
  const handle = openSync(draft, 'w', 0o600)
  writeSync(handle, line)
  fsyncSync(handle)
  closeSync(handle)
  renameSync(draft, file)
  const folder = openSync(dataDir, 'r')
  fsyncSync(folder)
  closeSync(folder)
  return line
}
