import { z } from 'zod'
import { PASSWORD_BYTES_MAX } from '../../homeserver/passwords.ts'
import type { DeviceRequest, Session } from '../../homeserver/devices.ts'
import { refuse } from '../../matrix/errors.ts'
import { ID_BYTES_MAX, parseDeviceId } from '../../matrix/ids.ts'
import { isJsonObject, own, ownString, type JsonObject } from '../../matrix/json.ts'

const DEVICE_NAME_BYTES_MAX = 256

/** UTF-8 cannot carry lone surrogates, so two such texts would become the same bytes. */
export const wellFormed: z.ZodType<string> = z
  .string()
  .refine((text) => text.isWellFormed(), 'has a lone surrogate')

/** A password to be set or proven: any Unicode text within the limit. */
export const passwordText: z.ZodType<string> = wellFormed.refine(
  (text) => Buffer.byteLength(text) <= PASSWORD_BYTES_MAX,
  `must not be longer than ${PASSWORD_BYTES_MAX} bytes`,
)

export const newPasswordText: z.ZodType<string> = passwordText.refine(
  (text) => text !== '',
  'must not be empty',
)

/** Clients that begin without authentication send `auth: null`. */
export const authObject: z.ZodType<JsonObject | undefined> = z
  .custom<JsonObject | null>((value) => value === null || isJsonObject(value), 'must be an object')
  .optional()
  .transform((auth) => auth ?? undefined)

interface DeviceKeys {
  readonly device_id?: string | undefined
  readonly initial_device_display_name?: string | undefined
}

/** The device that a login or registration asks for; an empty ID counts as none. */
export function deviceRequest(body: DeviceKeys, ip: string): DeviceRequest {
  const { device_id: id = '', initial_device_display_name: displayName = null } = body
  if (Buffer.byteLength(id) > ID_BYTES_MAX) throw refuse.tooLarge('The device ID is longer than 255 bytes')
  const deviceId = id === '' ? null : parseDeviceId(id)
  if (id !== '' && deviceId === null) throw refuse.badJson('The device ID is malformed')
  return { deviceId, displayName: displayName === null ? null : deviceName(displayName), ip }
}

export function deviceName(displayName: string): string {
  if (Buffer.byteLength(displayName) > DEVICE_NAME_BYTES_MAX)
    throw refuse.tooLarge(`The device's name is longer than ${DEVICE_NAME_BYTES_MAX} bytes`)
  return displayName
}

/**
 * Whom a login or a password stage names: the `identifier`, or the `user` of 2015.
 *
 * @throws MatrixError 400 M_UNKNOWN for other identifiers than user IDs; 400 M_BAD_JSON when nobody is named
 */
export function namedUser(body: JsonObject): string {
  const identifier = own(body, 'identifier')
  if (identifier === undefined || identifier === null) return must(ownString(body, 'user'))
  if (!isJsonObject(identifier)) throw refuse.badJson('"identifier" must be an object')
  const type = must(ownString(identifier, 'type'))
  if (type !== 'm.id.user') throw refuse.unknown('This kind of identifier is not supported')
  return must(ownString(identifier, 'user'))
}

/** The answer to a login or registration; `home_server` is for clients of 2015. */
export function sessionBody(session: Session, homeServer: string): JsonObject {
  return {
    user_id: session.userId,
    access_token: session.accessToken,
    device_id: session.deviceId,
    home_server: homeServer,
  }
}

function must(text: string | undefined): string {
  if (text === undefined) throw refuse.badJson('The user is not named')
  return text
}
