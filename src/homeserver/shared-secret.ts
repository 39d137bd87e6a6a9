import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Clock, Millis } from '../base/clock.ts'
import { createLru } from './lru.ts'
import type { Random } from '../base/random.ts'
import { refuse } from '../matrix/errors.ts'

const NONCE_BYTES = 32

export interface SharedSecretClaim {
  readonly nonce: string
  readonly username: string
  readonly password: string
  readonly admin: boolean
  readonly userType: string | null
  /** Lower-case hex HMAC-SHA1. */
  readonly mac: string
}

interface SharedSecretDeps {
  readonly clock: Clock
  readonly random: Random
  /** Null, or empty so that everybody would know it: the feature is off and everything is refused. */
  readonly secret: string | null
  /** Nonces not yet used; the oldest is forgotten for a new one. */
  readonly noncesMax: number
  readonly nonceTtlMs: Millis
}

/** Registration by those who know a secret (ROOMS-SPEC §5.2.3). */
export interface SharedSecret {
  /** A fresh nonce, good once within its time. */
  nonce(): string
  /** Refuses an unknown nonce (400) and a wrong `mac` (403); uses the nonce up in either case. */
  check(claim: SharedSecretClaim): void
}

export function createSharedSecret(deps: SharedSecretDeps): SharedSecret {
  const { clock, random } = deps
  const bornTs = createLru<string, Millis>(deps.noncesMax)
  const secret = (): string => {
    if (deps.secret === null || deps.secret === '')
      throw refuse.unknown('Shared-secret registration is not enabled')
    return deps.secret
  }
  return {
    nonce() {
      secret()
      const nonce = Buffer.from(random.bytes(NONCE_BYTES)).toString('hex')
      bornTs.set(nonce, clock.now())
      return nonce
    },
    check(claim) {
      const key = secret()
      // With a NUL inside, one message could be read as two different claims.
      if ([claim.username, claim.password, claim.userType ?? ''].some((part) => part.includes('\0')))
        throw refuse.badJson('No part may contain NUL')
      const born = bornTs.get(claim.nonce)
      bornTs.delete(claim.nonce)
      if (born === undefined || clock.now() - born >= deps.nonceTtlMs)
        throw refuse.unknown('The nonce is not known, or was used')
      const given = Buffer.from(claim.mac)
      const expected = Buffer.from(sharedSecretMac(key, claim))
      if (given.length !== expected.length || !timingSafeEqual(given, expected))
        throw refuse.forbidden('The mac is wrong')
    },
  }
}

/** Lower-case hex HMAC-SHA1 over the parts, joined by NUL. */
export function sharedSecretMac(secret: string, claim: Omit<SharedSecretClaim, 'mac'>): string {
  const parts = [claim.nonce, claim.username, claim.password, claim.admin ? 'admin' : 'notadmin']
  if (claim.userType !== null) parts.push(claim.userType)
  return createHmac('sha1', secret).update(parts.join('\0')).digest('hex')
}
