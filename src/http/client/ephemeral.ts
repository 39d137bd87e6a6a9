import { z } from 'zod'
import type { ReadMarkers } from '../../homeserver/read-markers.ts'
import {
  RECEIPT_TYPES,
  type ReceiptReport,
  type Receipts,
  type ReceiptType,
} from '../../homeserver/receipts.ts'
import { TYPING_DEFAULT_MS, type Typing } from '../../homeserver/typing.ts'
import { refuse } from '../../matrix/errors.ts'
import { ID_BYTES_MAX, parseEventId, type EventId } from '../../matrix/ids.ts'
import { isJsonObject, own } from '../../matrix/json.ts'
import { ownPath } from '../own-path.ts'
import { eventIdParam, roomIdParam } from '../params.ts'
import { EVERYWHERE, MODERN, route, type Route } from '../route.ts'

interface EphemeralRoutesDeps {
  readonly typing: Typing
  readonly receipts: Receipts
  readonly readMarkers: ReadMarkers
}

const FULLY_READ = 'm.fully_read'

const typingBody = z.object({ typing: z.boolean(), timeout: z.number().min(0).optional() })

const readMarkersBody = z.object({
  [FULLY_READ]: z.string().optional(),
  'm.read': z.string().optional(),
  'm.read.private': z.string().optional(),
})

/** Typing, receipts, read markers (ROOMS-SPEC §5.9): what a client reports while it reads. */
export function ephemeralRoutes(deps: EphemeralRoutesDeps): Route[] {
  return [typingRoute(deps), receiptRoute(deps), readMarkersRoute(deps)]
}

function typingRoute({ typing }: EphemeralRoutesDeps): Route {
  return route({
    method: 'PUT',
    path: '/rooms/:roomId/typing/:userId',
    under: EVERYWHERE,
    auth: 'user',
    limit: 'message',
    body: typingBody,
    handle: ({ requester, params, body }) => {
      const roomId = roomIdParam(params.roomId)
      //
      ownPath(requester, params.userId)
      const timeoutMs = Math.floor(body.timeout ?? TYPING_DEFAULT_MS)
      typing.report(requester, roomId, { typing: body.typing, timeoutMs })
      return {}
    },
  })
}

function receiptRoute({ receipts, readMarkers }: EphemeralRoutesDeps): Route {
  return route({
    method: 'POST',
    path: '/rooms/:roomId/receipt/:type/:eventId',
    under: MODERN,
    auth: 'user',
    limit: 'message',
    body: z.looseObject({}),
    emptyBody: true,
    handle: async ({ requester, params, body }) => {
      const roomId = roomIdParam(params.roomId)
      const eventId = eventIdParam(params.eventId)
      const thread = threadOf(body)
      if (params.type === FULLY_READ) {
        if (thread !== '') throw refuse.invalidParam('"m.fully_read" knows no threads')
        await readMarkers.set(requester, roomId, eventId)
        return {}
      }
      const type = RECEIPT_TYPES.find((known) => known === params.type)
      if (type === undefined) throw refuse.invalidParam('The type of receipt is not known')
      await receipts.report(requester, roomId, [{ type, eventId, thread }])
      return {}
    },
  })
}

/** '' without one; R-178. */
function threadOf(body: unknown): string {
  const thread = isJsonObject(body) ? own(body, 'thread_id') : undefined
  if (thread === undefined) return ''
  if (typeof thread !== 'string' || thread === '' || Buffer.byteLength(thread) > ID_BYTES_MAX)
    throw refuse.invalidParam(`"thread_id" must be a text of 1 to ${ID_BYTES_MAX} bytes`)
  return thread
}

function readMarkersRoute({ receipts, readMarkers }: EphemeralRoutesDeps): Route {
  return route({
    method: 'POST',
    path: '/rooms/:roomId/read_markers',
    under: MODERN,
    auth: 'user',
    limit: 'message',
    body: readMarkersBody,
    emptyBody: true,
    handle: async ({ requester, params, body }) => {
      const roomId = roomIdParam(params.roomId)
      const reports = RECEIPT_TYPES.flatMap((type) => reportOf(type, body[type]))
      const marker = body[FULLY_READ]
      // Everything is checked before anything is written.
      const marked = marker === undefined ? null : bodyEventId(marker)
      await receipts.report(requester, roomId, reports)
      if (marked !== null) await readMarkers.set(requester, roomId, marked)
      return {}
    },
  })
}

function reportOf(type: ReceiptType, eventId: string | undefined): ReceiptReport[] {
  return eventId === undefined ? [] : [{ type, eventId: bodyEventId(eventId), thread: '' }]
}

function bodyEventId(text: string): EventId {
  const eventId = parseEventId(text)
  if (eventId === null) throw refuse.badJson('A read marker must be an event ID')
  return eventId
}
