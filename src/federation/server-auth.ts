import { refuse, type MatrixError } from '../matrix/errors.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { VerifyKey } from '../matrix/signing.ts'
import { isRequestSigned, parseXMatrix, type ServerRequest, type XMatrix } from '../matrix/x-matrix.ts'
import type { EduSinks } from '../ports/edus.ts'
import type { FederationEvent, ObserveFederation } from './observe.ts'

/** Public keys of other servers; `federation/keys` implements it. */
export interface PeerKeys {
  /**
   * The key, if that server has it and may sign requests with it now; it is asked for its keys if need be, within bounds of
   * number and time. Null if it has none of that name, or does not say.
   */
  keyFor(server: ServerName, keyId: string): Promise<VerifyKey | null>
}

/** Who says that it is asking; nothing of it is proven before `verify`. */
export interface Peer {
  readonly origin: ServerName
  /**
   * Returns if the request is signed with the key that it names. Then, and not before, others are told that the server lives.
   *
   * @throws MatrixError 401 M_UNAUTHORIZED (P-158)
   */
  verify(request: Pick<ServerRequest, 'method' | 'uri' | 'content'>): void
}

/** Which server makes a request (PRESENCE-SPEC §5.2). */
export interface ServerAuth {
  /**
   * Reads the header and gets the key, which may take a request to the origin; so it comes before the body takes memory.
   *
   * @throws MatrixError 401 M_UNAUTHORIZED
   */
  identify(authorization: string | undefined): Promise<Peer>
}

export function createServerAuth(deps: {
  readonly serverName: ServerName
  readonly keys: PeerKeys
  readonly sinks: Pick<EduSinks, 'heardFrom'>
  readonly observe: ObserveFederation
}): ServerAuth {
  const { serverName, keys, sinks, observe } = deps
  const refused: Refused = (by, message) => {
    observe({ kind: 'request refused', by })
    return refuse.unauthorized(message)
  }
  return {
    async identify(authorization) {
      const claim = readClaim(authorization, serverName, (message) => refused('header', message))
      const { origin, keyId, signature } = claim
      const key = await keys.keyFor(origin, keyId)
      if (key === null) throw refused('key', `The key ${keyId} of ${origin} cannot be had`)
      return {
        origin,
        verify(request) {
          // Signed over our name whether or not the header says it: servers of 2015 leave it out there (P-157).
          const signed = { ...request, origin, destination: serverName }
          if (!isRequestSigned(signed, signature, key))
            throw refused('signature', 'The signature does not fit the request')
          sinks.heardFrom(origin)
        },
      }
    },
  }
}

type Refused = (by: (FederationEvent & { kind: 'request refused' })['by'], message: string) => MatrixError

function readClaim(
  authorization: string | undefined,
  serverName: ServerName,
  refused: (message: string) => MatrixError,
): XMatrix {
  if (authorization === undefined) throw refused('The request has no Authorization')
  const claim = parseXMatrix(authorization)
  if (claim === null) throw refused('The Authorization is not X-Matrix with origin, key and sig')
  const { origin, destination } = claim
  if (destination !== null && destination !== serverName)
    throw refused('The request is meant for another server')
  if (origin === serverName) throw refused('This server does not send requests to itself')
  return claim
}
