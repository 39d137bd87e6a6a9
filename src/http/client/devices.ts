import { z } from 'zod'
import type { Devices } from '../../homeserver/devices.ts'
import { refuse } from '../../matrix/errors.ts'
import type { JsonObject } from '../../matrix/json.ts'
import type { Row } from '../../ports/store.ts'
import { MODERN, route, type Route } from '../route.ts'
import { authObject, deviceName, wellFormed } from './account-bodies.ts'
import { confirm, type ConfirmDeps } from './confirm.ts'

const renameBody = z.object({ display_name: wellFormed.optional() })
const removeBody = z.object({ auth: authObject })
const removeManyBody = z.object({ devices: z.array(z.string()), auth: authObject })

interface DevicesDeps extends ConfirmDeps {
  readonly devices: Pick<Devices, 'list' | 'get' | 'rename' | 'remove'>
}

/** ROOMS-SPEC §5.3. */
export function devicesRoutes(deps: DevicesDeps): Route[] {
  const { devices } = deps
  return [
    route({
      method: 'GET',
      path: '/devices',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester }) => ({ devices: (await devices.list(requester.userId)).map(deviceBody) }),
    }),
    route({
      method: 'GET',
      path: '/devices/:deviceId',
      under: MODERN,
      auth: 'user',
      handle: async ({ requester, params }) => {
        const device = await devices.get(requester.userId, params.deviceId)
        if (device === null) throw unknownDevice()
        return deviceBody(device)
      },
    }),
    route({
      method: 'PUT',
      path: '/devices/:deviceId',
      under: MODERN,
      auth: 'user',
      body: renameBody,
      emptyBody: true,
      handle: async ({ requester, params, body }) => {
        const name = body.display_name === undefined ? null : deviceName(body.display_name)
        if (!(await devices.rename(requester.userId, params.deviceId, name))) throw unknownDevice()
        return {}
      },
    }),
    ...removalRoutes(deps),
  ]
}

function removalRoutes(deps: DevicesDeps): Route[] {
  return [
    route({
      method: 'DELETE',
      path: '/devices/:deviceId',
      under: MODERN,
      auth: 'member',
      body: removeBody,
      emptyBody: true,
      handle: async ({ requester, params, body, ip }) => {
        const operation = `DELETE /devices ${JSON.stringify(params.deviceId)}`
        const challenge = await confirm(deps, { requester, operation, auth: body.auth, ip })
        if (challenge !== null) return challenge
        await deps.devices.remove(requester.userId, [params.deviceId])
        return {}
      },
    }),
    route({
      method: 'POST',
      path: '/delete_devices',
      under: MODERN,
      auth: 'member',
      body: removeManyBody,
      handle: async ({ requester, body, ip }) => {
        const chosen = [...new Set(body.devices)].sort()
        const operation = `POST /delete_devices ${JSON.stringify(chosen)}`
        const challenge = await confirm(deps, { requester, operation, auth: body.auth, ip })
        if (challenge !== null) return challenge
        await deps.devices.remove(requester.userId, chosen)
        return {}
      },
    }),
  ]
}

/** All four keys, always: matrix-nio requires them. */
function deviceBody(row: Row<'devices'>): JsonObject {
  return {
    device_id: row.deviceId,
    display_name: row.displayName,
    last_seen_ip: row.lastSeenIp,
    last_seen_ts: row.lastSeenTs,
  }
}

function unknownDevice(): Error {
  return refuse.notFound('You have no such device')
}
