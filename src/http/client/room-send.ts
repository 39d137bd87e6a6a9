import type { EventId } from '../../matrix/ids.ts'
import type { ClientTransaction, SendEvent } from '../../homeserver/send-event.ts'
import { eventIdParam, roomIdParam } from '../params.ts'
import { EVERYWHERE, MODERN, route, type Route } from '../route.ts'
import { jsonObject, reasonBody } from './event-bodies.ts'

interface RoomSendDeps {
  readonly events: SendEvent
}

/** ROOMS-SPEC §5.6. */
export function roomSendRoutes(deps: RoomSendDeps): Route[] {
  return [...onceRoutes(deps), ...stateRoutes(deps)]
}

/** Those with a transaction ID. */
function onceRoutes({ events }: RoomSendDeps): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/rooms/:roomId/send/:eventType/:txnId',
      under: EVERYWHERE,
      auth: 'member',
      limit: 'message',
      body: jsonObject,
      strictJson: true,
      handle: async (call) => {
        const { requester, params, body } = call
        const event = { roomId: roomIdParam(params.roomId), type: params.eventType, content: body }
        return eventBody(await events.send(requester, event, transactionOf(call)))
      },
    }),
    route({
      method: 'PUT',
      path: '/rooms/:roomId/redact/:eventId/:txnId',
      under: MODERN,
      auth: 'member',
      limit: 'message',
      body: reasonBody,
      emptyBody: true,
      strictJson: true,
      handle: async (call) => {
        const { requester, params, body } = call
        const redaction = {
          roomId: roomIdParam(params.roomId),
          target: eventIdParam(params.eventId),
          reason: body.reason,
        }
        return eventBody(await events.redact(requester, redaction, transactionOf(call)))
      },
    }),
  ]
}

function stateRoutes({ events }: RoomSendDeps): Route[] {
  return [
    route({
      method: 'PUT',
      path: '/rooms/:roomId/state/:eventType/:stateKey',
      under: EVERYWHERE,
      auth: 'member',
      limit: 'message',
      body: jsonObject,
      strictJson: true,
      handle: async ({ requester, params, body }) => {
        const { eventType: type, stateKey } = params
        const event = { roomId: roomIdParam(params.roomId), type, stateKey, content: body }
        return eventBody(await events.sendState(requester, event))
      },
    }),
    // The router takes a trailing slash for none.
    route({
      method: 'PUT',
      path: '/rooms/:roomId/state/:eventType',
      under: EVERYWHERE,
      auth: 'member',
      limit: 'message',
      body: jsonObject,
      strictJson: true,
      handle: async ({ requester, params, body }) => {
        const roomId = roomIdParam(params.roomId)
        const event = { roomId, type: params.eventType, stateKey: '', content: body }
        return eventBody(await events.sendState(requester, event))
      },
    }),
  ]
}

/** The same path by the same device is the same request (ROOMS-SPEC §5.1). */
function transactionOf(call: {
  readonly method: string
  readonly rawPath: string
  readonly params: { readonly txnId: string }
}): ClientTransaction {
  return { request: `${call.method} ${call.rawPath}`, txnId: call.params.txnId }
}

function eventBody(eventId: EventId): { event_id: EventId } {
  return { event_id: eventId }
}
