import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemRandom } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import { loadSigningKey, newSigningKeyLine } from './signing-key.ts'

const serverName = 'localhost:8008' as ServerName
const random = systemRandom()
let folder: string

beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'adsum-key-'))))
afterEach(() => rmSync(folder, { recursive: true }))

test('the first start makes a key that only its owner may read, the next ones load it', () => {
  const dataDir = join(folder, 'new', 'data')
  const first = loadSigningKey({ dataDir, serverName, random })
  const file = join(dataDir, 'localhost:8008.signing.key')
  expect(first.keyId).toMatch(/^ed25519:a_[A-Za-z0-9]{4}$/)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const again = loadSigningKey({ dataDir, serverName, random })
  expect([again.keyId, again.publicKey]).toEqual([first.keyId, first.publicKey])
  const message = Buffer.from('adsum')
  expect(again.sign(message)).toEqual(first.sign(message))
})

test('a printed key is the content of a key file; each is another', () => {
  const line = newSigningKeyLine(random)
  expect(newSigningKeyLine(random)).not.toBe(line)
  writeFileSync(join(folder, 'hs.signing.key'), line)
  const key = loadSigningKey({ dataDir: folder, serverName: 'hs' as ServerName, random })
  expect(line).toContain(key.keyId.replace('ed25519:', 'ed25519 '))
})

test('a known seed gives its known public key', () => {
  const seed = 'YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1'
  writeFileSync(join(folder, 'hs.signing.key'), `ed25519 1 ${seed}\n`)
  const key = loadSigningKey({ dataDir: folder, serverName: 'hs' as ServerName, random })
  expect([key.keyId, key.publicKey]).toEqual(['ed25519:1', 'XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI'])
})

test('a file that holds no key is said and left alone', () => {
  const file = join(folder, 'hs.signing.key')
  for (const text of ['', 'ed25519 1 short', 'rsa 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1']) {
    writeFileSync(file, text)
    expect(() => loadSigningKey({ dataDir: folder, serverName: 'hs' as ServerName, random })).toThrow(
      'does not hold a signing key',
    )
    expect(readFileSync(file, 'utf8')).toBe(text)
  }
})
