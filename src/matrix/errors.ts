/**
 * The catalogue of refusals: everything the server may answer a client's or a peer's mistake with
 * (PRESENCE-SPEC §2.0, ROOMS-SPEC §5). `docs/ERRORS.md` is made from it, and a test keeps the two equal.
 */
export const ERRORS = {
  missingToken: [401, 'M_MISSING_TOKEN', 'No access token was given'],
  unknownToken: [401, 'M_UNKNOWN_TOKEN', 'The access token is not known, or has ended'],
  unauthorized: [401, 'M_UNAUTHORIZED', 'The request of another server is not properly signed'],
  userLocked: [401, 'M_USER_LOCKED', 'The account is locked; only logging out is possible'],
  wrongPassword: [403, 'M_FORBIDDEN', 'The user name or the password is wrong'],
  forbidden: [403, 'M_FORBIDDEN', 'The caller may not do this'],
  guestForbidden: [403, 'M_GUEST_ACCESS_FORBIDDEN', 'Guests may not do this'],
  userSuspended: [403, 'M_USER_SUSPENDED', 'The account is suspended'],
  inviteBlocked: [403, 'M_INVITE_BLOCKED', 'The user does not accept invites'],
  badState: [403, 'M_BAD_STATE', 'The target is not in the state that this needs'],
  notJson: [400, 'M_NOT_JSON', 'The body, or an inline filter, is not JSON'],
  badJson: [
    400,
    'M_BAD_JSON',
    'The JSON has the wrong shape, or a value is of the wrong type or not allowed',
  ],
  missingParam: [400, 'M_MISSING_PARAM', 'A required parameter is missing'],
  invalidParam: [400, 'M_INVALID_PARAM', 'A path or query parameter is malformed'],
  badPagination: [400, 'M_BAD_PAGINATION', 'The `from` token of /events is not one of ours'],
  invalidUsername: [400, 'M_INVALID_USERNAME', 'The user name may not be registered'],
  userInUse: [400, 'M_USER_IN_USE', 'The user name is taken'],
  roomInUse: [400, 'M_ROOM_IN_USE', 'The room alias is taken'],
  badAlias: [400, 'M_BAD_ALIAS', 'The alias does not point to this room'],
  unsupportedRoomVersion: [
    400,
    'M_UNSUPPORTED_ROOM_VERSION',
    'This server cannot make rooms of that version',
  ],
  incompatibleRoomVersion: [
    400,
    'M_INCOMPATIBLE_ROOM_VERSION',
    'This server does not know the version of that room',
  ],
  invalidRoomState: [400, 'M_INVALID_ROOM_STATE', 'The requested initial state contradicts itself'],
  unableToAuthoriseJoin: [
    400,
    'M_UNABLE_TO_AUTHORISE_JOIN',
    'This server cannot check the conditions of the join',
  ],
  unableToGrantJoin: [400, 'M_UNABLE_TO_GRANT_JOIN', 'No local user may let others into the room'],
  duplicateAnnotation: [400, 'M_DUPLICATE_ANNOTATION', 'The same reaction was sent already'],
  keyTooLarge: [400, 'M_KEY_TOO_LARGE', 'The name of the profile field is longer than 255 bytes'],
  profileTooLarge: [400, 'M_PROFILE_TOO_LARGE', 'The profile would exceed 65,536 bytes'],
  notHttp: [400, 'M_UNKNOWN', 'The request is not HTTP/1.1'],
  unknown: [400, 'M_UNKNOWN', 'The request cannot be served, and no finer code fits'],
  aliasExists: [409, 'M_UNKNOWN', 'The alias exists already'],
  notFound: [404, 'M_NOT_FOUND', 'What was asked for does not exist, or may not be seen'],
  unrecognized: [404, 'M_UNRECOGNIZED', 'The path is unknown'],
  methodNotAllowed: [405, 'M_UNRECOGNIZED', 'The path is known, but not with this method'],
  notWritable: [405, 'M_BAD_JSON', 'This account data is managed by the server'],
  tooLarge: [413, 'M_TOO_LARGE', 'The body, or one field of it, is over its limit'],
  tooSlow: [408, 'M_UNKNOWN', 'The request took too long to arrive'],
  headersTooLarge: [431, 'M_TOO_LARGE', 'The headers or the address of the request are over their limit'],
  limitExceeded: [429, 'M_LIMIT_EXCEEDED', 'Too many requests; `retry_after_ms` says when to come back'],
  internal: [500, 'M_UNKNOWN', 'A fault in the server; the text names the entry in its log'],
  unreachable: [502, 'M_UNKNOWN', 'Another server had to be asked and gave no answer'],
  notReady: [503, 'M_UNKNOWN', 'The server is starting or stopping'],
} as const satisfies Record<string, readonly [status: number, errcode: string, meaning: string]>

type ErrorName = keyof typeof ERRORS

/** A refusal. Thrown anywhere above the engine; one funnel (`http/errors`) turns it into an answer. */
export class MatrixError extends Error {
  override readonly name = 'MatrixError'
  readonly status: number
  readonly errcode: string
  /** Further keys of the body, such as `retry_after_ms` or `soft_logout`. */
  readonly extra: Readonly<Record<string, unknown>>

  constructor(
    status: number,
    errcode: string,
    message: string,
    extra: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
    this.status = status
    this.errcode = errcode
    this.extra = extra
  }

  /** The body as PRESENCE-SPEC §2.0 wants it: `errcode` and `error` always, then the extras. */
  toBody(): Record<string, unknown> {
    return { errcode: this.errcode, error: this.message, ...this.extra }
  }
}

type Refuse = Record<ErrorName, (message?: string, extra?: Readonly<Record<string, unknown>>) => MatrixError>

/** `throw refuse.forbidden('You cannot set the presence of another user')`. */
export const refuse: Refuse = Object.fromEntries(
  Object.entries(ERRORS).map(([name, [status, errcode, meaning]]) => [
    name,
    (message: string = meaning, extra?: Readonly<Record<string, unknown>>) =>
      new MatrixError(status, errcode, message, extra),
  ]),
) as Refuse
