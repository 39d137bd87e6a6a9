import type { z } from 'zod'
import type { ServerName } from '../matrix/ids.ts'
import { PRESENCE_LISTS } from '../matrix/presence-list.ts'
import type { Requester } from '../ports/directory.ts'

export type Method = 'GET' | 'PUT' | 'POST' | 'DELETE'

/** Path prefixes that select the surface: field placement and accepted states differ (PRESENCE-SPEC §2.0). */
export const PREFIXES = {
  'api/v1': '/_matrix/client/api/v1',
  r0: '/_matrix/client/r0',
  v1: '/_matrix/client/v1',
  v3: '/_matrix/client/v3',
  lists: `/_matrix/client/unstable/${PRESENCE_LISTS}`,
  /** The path is absolute: health, well-known, admin, federation. */
  root: '',
} as const

export type Surface = keyof typeof PREFIXES

/** Served since 2015 and still (ROOMS-SPEC §5, rows marked ¹ in PRESENCE-SPEC §2.11). */
export const EVERYWHERE = ['api/v1', 'r0', 'v3'] as const satisfies readonly Surface[]
export const MODERN = ['r0', 'v3'] as const satisfies readonly Surface[]
export const V3 = ['v3'] as const satisfies readonly Surface[]
export const ROOT = ['root'] as const satisfies readonly Surface[]

/** `user`: a valid token is required. `member`: the same, and not a guest's. `server`: the signature of another server. */
export type Auth = 'none' | 'user' | 'member' | 'server'

/** The rate limits that a route may name; their sizes are options (`rate_limits`). */
export type LimitName =
  | 'registration'
  | 'login'
  | 'message'
  | 'join'
  | 'invite'
  | 'create'
  | 'presence'
  | 'list'
  | 'search'
  | 'federation'

/** Which listener resource a route belongs to (`listeners[].resources`). */
export type Resource = 'client' | 'federation' | 'web' | 'health' | 'metrics' | 'admin'

type ParamNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParamNames<Rest>
  : Path extends `${string}:${infer Name}`
    ? Name
    : Path extends `${string}*`
      ? '*'
      : never

type RequesterOf<A extends Auth> = A extends 'none' | 'server' ? null : Requester
type OriginOf<A extends Auth> = A extends 'server' ? ServerName : null

/** What a handler is given; everything in it was checked as the route says. */
export interface Call<Path extends string = string, A extends Auth = Auth, Body = unknown> {
  readonly requester: RequesterOf<A>
  /** The server that signed the request. */
  readonly origin: OriginOf<A>
  /** Path segments, percent-decoded once. */
  readonly params: Readonly<Record<ParamNames<Path>, string>>
  readonly query: URLSearchParams
  readonly body: Body
  /** As it was sent; 0 if none was read. */
  readonly bodyBytes: number
  readonly surface: Surface
  readonly method: Method
  /** The path as sent, without the query: names a client transaction (ROOMS-SPEC §5.1). */
  readonly rawPath: string
  readonly ip: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Aborted when the client goes away or the server shuts down. */
  readonly signal: AbortSignal
}

/** An answer other than 200 with JSON. A `Buffer` body is sent as it is. */
export class Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.body = body
    this.headers = headers
  }
}

interface RouteSpec<Path extends string, A extends Auth, Schema extends z.ZodType | undefined> {
  readonly method: Method
  /** Below the prefixes, with `:name` segments; a last segment `*` takes the rest, slashes included, as param `*`. */
  readonly path: Path
  readonly under: readonly Surface[]
  readonly auth: A
  readonly resource?: Resource
  readonly limit?: LimitName
  /** Absent: the body is not read. A body of the wrong shape is 400 M_BAD_JSON. */
  readonly body?: Schema
  /** An empty body counts as `{}` (ROOMS-SPEC §5.1). */
  readonly emptyBody?: boolean
  /**
   * Event content: numbers are tested as written, duplicate keys and lone surrogates are refused (ROOMS-SPEC §2.5). So is what
   * servers sign.
   */
  readonly strictJson?: boolean
  /** Default `BODY_BYTES_MAX` (64 KiB). */
  readonly bodyBytesMax?: number
  /** A value becomes 200 with that JSON; an `Answer` says more; a thrown `MatrixError` refuses. */
  readonly handle: (call: Call<Path, A, Schema extends z.ZodType ? z.output<Schema> : undefined>) => unknown
}

/** A route is a value: method, path, who may, how big, how often, which body; readable without running it. */
export interface Route extends Omit<RouteSpec<string, Auth, z.ZodType | undefined>, 'handle'> {
  readonly resource: Resource
  readonly handle: (call: Call) => unknown
}

export const BODY_BYTES_MAX = 65_536
/** Key uploads and to-device messages (ROOMS-SPEC §5.1). */
export const BODY_BYTES_MAX_LARGE = 1_048_576

/** Checks a route's parts against each other at compile time: `params.roomId` on a path without it is a type error. */
export function route<
  const Path extends string,
  const A extends Auth,
  Schema extends z.ZodType | undefined = undefined,
>(spec: RouteSpec<Path, A, Schema>): Route {
  return { resource: 'client', ...spec, handle: spec.handle as (call: Call) => unknown }
}
