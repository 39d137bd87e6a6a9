import type { Inbound } from '../../federation/inbound.ts'
import { EDU_BYTES_MAX, EDUS_MAX, PDUS_MAX } from '../../matrix/edu.ts'
import { EVENT_BYTES_MAX } from '../../matrix/pdu-shape.ts'
import { jsonObject } from '../client/event-bodies.ts'
import { BODY_BYTES_MAX, ROOT, route, type Route } from '../route.ts'

/** As much as the limits of its parts allow, and what stands around them. */
const TRANSACTION_BYTES_MAX = PDUS_MAX * EVENT_BYTES_MAX + EDUS_MAX * EDU_BYTES_MAX + BODY_BYTES_MAX

/** PRESENCE-SPEC §5.3. Its rate limit is by what it holds, and taken there. */
export function transactionRoutes({ inbound }: { readonly inbound: Pick<Inbound, 'receive'> }): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/_matrix/federation/v1/send/:txnId',
      under: ROOT,
      auth: 'server',
      resource: 'federation',
      body: jsonObject,
      strictJson: true,
      bodyBytesMax: TRANSACTION_BYTES_MAX,
      handle: ({ origin, params, body, bodyBytes }) => inbound.receive(origin, params.txnId, body, bodyBytes),
    }),
  ]
}
