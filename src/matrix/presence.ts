import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Millis } from '../base/clock.ts'
import type { ServerName, UserId } from './ids.ts'
import type { JsonObject } from './json.ts'

/** What a device, and after aggregation a user, can be. `hidden` is not one of them: it is a flag of the user. */
export type PresenceState = 'offline' | 'unavailable' | 'online' | 'free_for_chat' | 'busy'

/** A change to the status text has three cases (PRESENCE-SPEC §2.1). */
export type StatusChange =
  { readonly kind: 'keep' } | { readonly kind: 'clear' } | { readonly kind: 'set'; readonly text: string }

/** What `/sync` says of its device; `implicit` is an absent `set_presence` (PRESENCE-SPEC §2.8). */
export type SetPresence = 'implicit' | 'online' | 'unavailable' | 'offline' | 'busy'

/** The one spelling of busy on the wire until MSC3026 is accepted. */
export const BUSY = 'org.matrix.msc3026.busy'

/** Which words beyond the three of today's specification this server takes (options `presence.*`). */
export interface PresenceWords {
  readonly freeForChat: boolean
  readonly hidden: boolean
  readonly busy: boolean
}

/** The 2015 surface (`api/v1`) or everything since (`r0`, `v3`). */
export type PresenceSurface = 'api/v1' | 'modern'

/**
 * Where an event is shown decides which keys it has (PRESENCE-SPEC §3.1). `sync`: `/sync` and application services;
 * `events`: `/events`, `/initialSync` and presence lists, whose readers look for the user in the content; `api/v1`: the
 * same in 2015.
 */
export type PresenceEventForm = 'sync' | 'events' | 'api/v1'

/** What a viewer may see of a user; the engine's `PresenceView` is one. */
export interface ShownPresence {
  readonly state: PresenceState
  /** True only in the view of the user's own devices. */
  readonly hidden: boolean
  readonly statusMsg: string | null
  readonly lastActiveTs: Millis | null
  readonly currentlyActive: boolean
  /** False: the viewer may not see the user any more. */
  readonly visible: boolean
}

interface RenderOptions {
  /** Ages are computed now, when the answer is written (§3.3). */
  readonly now: Millis
  /** Does this server speak busy? Else it is shown as unavailable. */
  readonly busy: boolean
}

/** Letters of a hash: enough to tell users of one place apart. */
const EVENT_TAG_LENGTH = 10

type Reported = PresenceState | 'hidden'

/**
 * The body of `PUT status` (P-016 to P-021): an unknown or differently cased word, a text that is neither string nor
 * null, or one with a lone surrogate does not fit. Unknown keys are ignored (P-013). The length of the text is the
 * service's to judge: it is another error.
 */
export function setPresenceBody(
  words: PresenceWords,
): z.ZodType<{ presence: Reported; status: StatusChange }> {
  const accepted = acceptedWords(words)
  return z
    .object({
      presence: z.string().refine((word) => accepted.has(word), 'is not a presence state of this server'),
      status_msg: z
        .string()
        .refine((text) => text.isWellFormed(), 'is not well-formed Unicode')
        .nullable()
        .optional(),
    })
    .transform(({ presence, status_msg }) => ({
      presence: accepted.get(presence) ?? 'offline',
      status: statusChange(status_msg),
    }))
}

function acceptedWords(words: PresenceWords): ReadonlyMap<string, Reported> {
  const accepted = new Map<string, Reported>([
    ['online', 'online'],
    ['unavailable', 'unavailable'],
    ['offline', 'offline'],
  ])
  if (words.freeForChat) accepted.set('free_for_chat', 'free_for_chat')
  if (words.hidden) accepted.set('hidden', 'hidden')
  if (words.busy) accepted.set(BUSY, 'busy')
  return accepted
}

/** Absent keeps, null and the empty text clear (P-021). */
function statusChange(text: string | null | undefined): StatusChange {
  if (text === undefined) return { kind: 'keep' }
  return text === null || text === '' ? { kind: 'clear' } : { kind: 'set', text }
}

/** The query parameter `set_presence`, null if it is none of its words (P-091). */
export function parseSetPresence(text: string | null, busy: boolean): SetPresence | null {
  switch (text) {
    case null:
      return 'implicit'
    case 'online':
    case 'unavailable':
    case 'offline':
      return text
    case BUSY:
      return busy ? 'busy' : null
    default:
      return null
  }
}

/** The word for a state on a surface (PRESENCE-SPEC §1.2). */
export function presenceWord(
  shown: Pick<ShownPresence, 'state' | 'hidden'>,
  surface: PresenceSurface,
  busy: boolean,
): string {
  const isOld = surface === 'api/v1'
  if (shown.hidden) return isOld ? 'hidden' : 'offline'
  if (shown.state === 'free_for_chat') return isOld ? 'free_for_chat' : 'online'
  if (shown.state === 'busy') return busy && !isOld ? BUSY : 'unavailable'
  return shown.state
}

/** The answer to `GET status` (§2.2). Old clients expect an explicit null where there is no text; new ones break on it. */
export function statusBody(
  shown: ShownPresence,
  surface: PresenceSurface,
  options: RenderOptions,
): JsonObject {
  const body = presenceKeys(shown, surface, options)
  if (shown.statusMsg !== null) body['status_msg'] = shown.statusMsg
  else if (surface === 'api/v1') body['status_msg'] = null
  return body
}

/** The status of a user of whom nothing is known, and of everybody while presence is off (P-029, P-037). */
export const UNKNOWN_PRESENCE: ShownPresence = {
  state: 'offline',
  hidden: false,
  statusMsg: null,
  lastActiveTs: null,
  currentlyActive: false,
  visible: true,
}

/** Of whom an event speaks, and which place of which presence stream it was made for. */
export interface PresenceEventSource {
  readonly userId: UserId
  readonly displayname?: string
  readonly avatarUrl?: string
  readonly seq: number
  /** The life of the presence numbers: after an unclean end they may be given out again. */
  readonly epoch: string
  readonly server: ServerName
}

/**
 * An `m.presence` event (§3.1, §3.2). What is not there has no key: clients fail on null and on empty texts (P-109). A
 * user who is not visible any more is `offline` and nothing else.
 */
export function presenceEvent(
  source: PresenceEventSource,
  shown: ShownPresence,
  options: RenderOptions & { readonly form: PresenceEventForm },
): JsonObject {
  const { userId } = source
  const isOld = options.form === 'api/v1'
  const content = eventContent(source, shown, isOld ? 'api/v1' : 'modern', options)
  if (options.form !== 'sync') content['user_id'] = userId
  return isOld
    ? { type: 'm.presence', event_id: presenceEventId(source), content }
    : { type: 'm.presence', sender: userId, content }
}

/**
 * `$presence_<place in the stream>:<server>`. Users who come into sight together share a place, and clients of 2015
 * take two events of one ID for the same, so what tells them apart is part of the place.
 */
function presenceEventId({ userId, seq, epoch, server }: PresenceEventSource): string {
  const tag = createHash('sha256').update(`${epoch} ${userId}`).digest('base64url').slice(0, EVENT_TAG_LENGTH)
  return `$presence_${seq}_${tag}:${server}`
}

function eventContent(
  { displayname, avatarUrl }: PresenceEventSource,
  shown: ShownPresence,
  surface: PresenceSurface,
  options: RenderOptions,
): JsonObject {
  if (!shown.visible) return { presence: 'offline' }
  const content = presenceKeys(shown, surface, options)
  if (shown.statusMsg) content['status_msg'] = shown.statusMsg
  if (displayname) content['displayname'] = displayname
  if (avatarUrl) content['avatar_url'] = avatarUrl
  return content
}

/** State, age and `currently_active`, which is there when and only when the word is online or busy (P-040). */
function presenceKeys(shown: ShownPresence, surface: PresenceSurface, options: RenderOptions): JsonObject {
  const word = presenceWord(shown, surface, options.busy)
  const keys: JsonObject = { presence: word }
  if (shown.lastActiveTs !== null) keys['last_active_ago'] = age(shown.lastActiveTs, options.now)
  if (surface === 'modern' && (word === 'online' || word === BUSY))
    keys['currently_active'] = shown.currentlyActive
  return keys
}

/** Never negative, never a fraction (P-108); a clock that stepped back gives 0. */
function age(ts: Millis, now: Millis): number {
  return Math.max(0, Math.floor(now - ts))
}
