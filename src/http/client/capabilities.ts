import { ROOM_VERSIONS } from '../../matrix/room-version/index.ts'
import { MODERN, ROOT, route, type Route } from '../route.ts'

/** What a client may upload, were there a media repository; clients ask at every start. */
const UPLOAD_BYTES_MAX = 52_428_800

/** What a client asks about the server when it starts (ROOMS-SPEC §5.9). */
export function capabilitiesRoutes(options: { readonly defaultRoomVersion: string }): Route[] {
  const available = Object.fromEntries(ROOM_VERSIONS.map(({ id }) => [id, 'stable']))
  const capabilities = {
    'm.change_password': { enabled: true },
    'm.room_versions': { default: options.defaultRoomVersion, available },
    'm.set_displayname': { enabled: true },
    'm.set_avatar_url': { enabled: true },
    'm.3pid_changes': { enabled: false },
    'm.profile_fields': { enabled: true },
    'm.get_login_token': { enabled: false },
  }
  return [
    route({
      method: 'GET',
      path: '/capabilities',
      under: MODERN,
      auth: 'user',
      handle: () => ({ capabilities }),
    }),
    // No TURN server: an empty object, which clients take without asking again every few seconds (AR-10).
    route({ method: 'GET', path: '/voip/turnServer', under: MODERN, auth: 'user', handle: () => ({}) }),
    route({ method: 'GET', path: '/media/config', under: ['v1'], auth: 'user', handle: mediaConfig }),
    ...['/_matrix/media/v3/config', '/_matrix/media/r0/config'].map((path) =>
      route({ method: 'GET', path, under: ROOT, auth: 'user', handle: mediaConfig }),
    ),
  ]
}

function mediaConfig(): object {
  return { 'm.upload.size': UPLOAD_BYTES_MAX }
}
