import { z } from 'zod'
import { PRESETS } from '../../homeserver/room-presets.ts'
import type { Rooms } from '../../homeserver/rooms.ts'
import { EVERYWHERE, route, type Route } from '../route.ts'
import { jsonObject } from './event-bodies.ts'

const createRoomBody = z.object({
  preset: z.enum(PRESETS).optional(),
  visibility: z.enum(['public', 'private']).optional(),
  room_version: z.string().optional(),
  creation_content: jsonObject.optional(),
  room_alias_name: z.string().optional(),
  name: z.string().optional(),
  topic: z.string().optional(),
  initial_state: z
    .array(z.object({ type: z.string(), state_key: z.string().optional(), content: jsonObject }))
    .optional(),
  power_level_content_override: jsonObject.optional(),
  invite: z.array(z.string()).optional(),
  invite_3pid: z.array(z.unknown()).optional(),
  is_direct: z.boolean().optional(),
})

/** ROOMS-SPEC §5.4. */
export function roomsRoutes({ rooms }: { readonly rooms: Pick<Rooms, 'create'> }): Route[] {
  return [
    route({
      method: 'POST',
      path: '/createRoom',
      under: EVERYWHERE,
      auth: 'member',
      limit: 'create',
      body: createRoomBody,
      emptyBody: true,
      strictJson: true,
      handle: async ({ requester, body }) => {
        const { roomId, alias } = await rooms.create(requester, body)
        return { room_id: roomId, ...(alias === null ? {} : { room_alias: alias }) }
      },
    }),
  ]
}
