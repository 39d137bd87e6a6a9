import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'

/** A certificate with its key, PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Somebody who signs certificates, as those do whom every machine knows. */
export interface Authority {
  /** PEM: what others have to trust (`federation.ca_file`). */
  readonly cert: string
  /** For these host names and addresses; `isExpired`: until 2021. */
  issue(names: readonly string[], options?: { readonly isExpired?: boolean }): Certificate
}

/** A self-signed certificate for `localhost`, valid from 2020 to 2049. */
export function selfSigned(): Certificate {
  const pair = keyPair()
  const name = commonName('localhost')
  const extensions = [alternativeNames(['localhost'])]
  const cert = certify({ ...pair, subject: name, issuer: name, signer: pair.privateKey, extensions })
  return { cert, key: pem(pair.privateKey) }
}

export function certificateAuthority(): Authority {
  const pair = keyPair()
  const name = commonName('An authority for tests')
  const extensions = [basicConstraints()]
  const own = { ...pair, subject: name, issuer: name, signer: pair.privateKey, extensions }
  return {
    cert: certify(own),
    issue(names, { isExpired = false } = {}) {
      const leaf = keyPair()
      const subject = commonName(names[0] ?? '')
      const signed = { issuer: name, signer: pair.privateKey, extensions: [alternativeNames(names)] }
      return { cert: certify({ ...leaf, ...signed, subject, isExpired }), key: pem(leaf.privateKey) }
    },
  }
}

interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

interface ToCertify extends KeyPair {
  readonly subject: Buffer
  readonly issuer: Buffer
  readonly signer: KeyObject
  readonly extensions: readonly Buffer[]
  readonly isExpired?: boolean
}

/** Serial numbers: one authority must not give the same twice. */
let certificates = 0

function certify({ publicKey, subject, issuer, signer, extensions, isExpired = false }: ToCertify): string {
  const algorithm = sequence(oid('2a8648ce3d040302'))
  const validity = sequence(time('200101000000Z'), time(isExpired ? '210101000000Z' : '491231235959Z'))
  const version = der(0xa0, der(0x02, Buffer.from([2])))
  certificates += 1
  const serial = der(0x02, Buffer.from([1, certificates >> 8, certificates & 0xff]))
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const extended = der(0xa3, sequence(...extensions))
  const body = sequence(version, serial, algorithm, issuer, validity, subject, spki, extended)
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, signer))
  const base64 = sequence(body, algorithm, signature).toString('base64')
  const lines = base64.match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

function keyPair(): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function pem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function commonName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(name)))))
}

function alternativeNames(names: readonly string[]): Buffer {
  const entries = names.map((name) =>
    isIP(name) === 4 ? der(0x87, Buffer.from(name.split('.').map(Number))) : der(0x82, Buffer.from(name)),
  )
  return sequence(oid('551d11'), der(0x04, sequence(...entries)))
}

/** Critical: this certificate may sign others. */
function basicConstraints(): Buffer {
  const yes = der(0x01, Buffer.from([0xff]))
  return sequence(oid('551d13'), yes, der(0x04, sequence(yes)))
}

function time(text: string): Buffer {
  return der(0x17, Buffer.from(text))
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, ...parts)
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'))
}
