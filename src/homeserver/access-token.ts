import { hash } from 'node:crypto'
import type { Random } from '../base/random.ts'

const PREFIX = 'adsum_'
const TOKEN_BYTES = 32

/** A fresh access token: 256 random bits behind a prefix by which leaked ones can be found (ROOMS-SPEC §5.2.5). */
export function makeAccessToken(random: Random): string {
  return PREFIX + Buffer.from(random.bytes(TOKEN_BYTES)).toString('base64url')
}

/** What is stored of a token. It has full entropy, so one round of SHA-256 is enough and a look-up by it tells nothing. */
export function hashAccessToken(accessToken: string): string {
  return hash('sha256', accessToken, 'base64url')
}
