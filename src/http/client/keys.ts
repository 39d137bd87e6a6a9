import { z } from 'zod'
import type { Keys, KeyUpload } from '../../homeserver/keys.ts'
import { refuse } from '../../matrix/errors.ts'
import { BODY_BYTES_MAX_LARGE, MODERN, route, type Route } from '../route.ts'
import { jsonObject } from './event-bodies.ts'

const uploadBody = z.object({
  device_keys: jsonObject.optional(),
  one_time_keys: jsonObject.optional(),
  fallback_keys: jsonObject.optional(),
}) satisfies z.ZodType<KeyUpload>

const queryBody = z.object({ device_keys: z.record(z.string(), z.array(z.string())) })

/** ROOMS-SPEC §5.11: stored and answered, never looked into. Claiming keys and sending to devices come with a later issue and are unknown paths until then. */
export function keysRoutes({ keys }: { readonly keys: Keys }): Route[] {
  return [
    route({
      method: 'POST',
      path: '/keys/upload',
      under: MODERN,
      auth: 'user',
      body: uploadBody,
      emptyBody: true,
      bodyBytesMax: BODY_BYTES_MAX_LARGE,
      handle: async ({ requester, body }) => ({ one_time_key_counts: await keys.upload(requester, body) }),
    }),
    route({
      method: 'POST',
      path: '/keys/query',
      under: MODERN,
      auth: 'user',
      body: queryBody,
      bodyBytesMax: BODY_BYTES_MAX_LARGE,
      handle: ({ body }) => keys.query(new Map(Object.entries(body.device_keys))),
    }),
    route({
      method: 'GET',
      path: '/room_keys/version',
      under: MODERN,
      auth: 'user',
      // Clients ask at every start whether there is a key backup: there is none.
      handle: () => {
        throw refuse.notFound('There is no key backup')
      },
    }),
  ]
}
