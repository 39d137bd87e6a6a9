import { z } from 'zod'
import { asSent } from './as-sent.ts'
import { refuse } from './errors.ts'
import { parseRoomId, parseUserId } from './ids.ts'
import type { Json } from './json.ts'
import { parseJson, StrictJsonError } from './strict-json.ts'

/** Absent list = everything, `[]` = nothing, `not_*` wins (PRESENCE-SPEC §2.9, ROOMS-SPEC §6.12). */
export interface EventFilter {
  readonly types?: readonly string[]
  readonly not_types?: readonly string[]
  readonly senders?: readonly string[]
  readonly not_senders?: readonly string[]
  readonly limit?: number
}

export interface RoomEventFilter extends EventFilter {
  readonly rooms?: readonly string[]
  readonly not_rooms?: readonly string[]
  readonly contains_url?: boolean
  readonly lazy_load_members?: boolean
  readonly include_redundant_members?: boolean
  readonly unread_thread_notifications?: boolean
}

interface RoomFilter {
  readonly rooms?: readonly string[]
  readonly not_rooms?: readonly string[]
  readonly include_leave?: boolean
  readonly timeline?: RoomEventFilter
  readonly state?: RoomEventFilter
  readonly ephemeral?: RoomEventFilter
  readonly account_data?: RoomEventFilter
}

/** A `/sync` filter as uploaded; unknown keys are kept and mean nothing. */
export interface Filter {
  readonly event_fields?: readonly string[]
  readonly event_format?: 'client' | 'federation'
  readonly presence?: EventFilter
  readonly account_data?: EventFilter
  readonly room?: RoomFilter
}

const texts = z.array(z.string())
const userIds = z.array(z.string().refine((text) => parseUserId(text) !== null, 'must be a user ID'))
const roomIds = z.array(z.string().refine((text) => parseRoomId(text) !== null, 'must be a room ID'))

const eventKeys = {
  types: texts.optional(),
  not_types: texts.optional(),
  senders: userIds.optional(),
  not_senders: userIds.optional(),
  limit: z.int().min(0).optional(),
}

const eventFilter = z.object(eventKeys)

const roomEventFilter = z.object({
  ...eventKeys,
  rooms: roomIds.optional(),
  not_rooms: roomIds.optional(),
  contains_url: z.boolean().optional(),
  lazy_load_members: z.boolean().optional(),
  include_redundant_members: z.boolean().optional(),
  unread_thread_notifications: z.boolean().optional(),
  related_by_senders: userIds.optional(),
  related_by_rel_types: texts.optional(),
})

const filter = z.object({
  event_fields: texts.optional(),
  event_format: z.enum(['client', 'federation']).optional(),
  presence: eventFilter.extend({ limit: z.int().min(1).optional() }).optional(),
  account_data: eventFilter.optional(),
  room: z
    .object({
      rooms: roomIds.optional(),
      not_rooms: roomIds.optional(),
      include_leave: z.boolean().optional(),
      timeline: roomEventFilter.optional(),
      state: roomEventFilter.optional(),
      ephemeral: roomEventFilter.optional(),
      account_data: roomEventFilter.optional(),
    })
    .optional(),
})

/** A single RoomEventFilter, as `/messages` and `/context` take it. */
export const roomEventFilterSchema: z.ZodType<RoomEventFilter> = asSent(
  roomEventFilter as z.ZodType<RoomEventFilter>,
)

/**
 * A whole filter, given back as it was sent (P-102, R-181, R-182). A presence limit must be positive (PRESENCE-SPEC §2.9);
 * a timeline of 0 events is what clients ask for who only want the state.
 */
export const filterSchema: z.ZodType<Filter> = asSent(filter as z.ZodType<Filter>)

/**
 * A filter that a query parameter holds as JSON.
 *
 * @throws MatrixError 400 M_NOT_JSON, or M_INVALID_PARAM if the JSON is no such filter (PRESENCE-SPEC §2.0)
 */
export function inlineFilter<T>(text: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(inlineJson(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw refuse.invalidParam(`The filter at "${issue?.path.join('.') ?? ''}": ${issue?.message ?? ''}`)
}

function inlineJson(text: string): Json {
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    if (error.kind === 'syntax') throw refuse.notJson('The filter is not JSON')
    throw refuse.invalidParam(`The filter: ${error.message}`)
  }
}
