import type { Millis } from '../base/clock.ts'
import { parseUserId, serverOf, type ServerName, type UserId } from './ids.ts'
import { isJsonObject, own, ownString, type Json } from './json.ts'
import { PRESENCE_LISTS } from './presence-list.ts'
import { BUSY, type PresenceState } from './presence.ts'

/** What one transaction may hold (§5.3). */
export const PDUS_MAX = 50
export const EDUS_MAX = 100
/** Entries of one `push` as we send it; of others more are taken, within the size of an EDU. */
export const PUSH_MAX = 50
/** IDs of one `poll` or `unpoll`; what is beyond is not read. */
export const POLL_MAX = 5_000
/** Canonical form of one EDU. */
export const EDU_BYTES_MAX = 65_536
/** About 35 years: a longer age says no more, and numbers made from it stay exact. */
const AGE_MAX_MS = 2 ** 40
/** As for names of our own users. */
const NAME_BYTES_MAX = 1_024

/** An `m.presence` EDU. */
export const PRESENCE_EDU_TYPE = 'm.presence'

/** The four EDUs of §5.5, by what they mean. */
export type ListEduKind = 'invite' | 'withdraw' | 'accept' | 'deny'

/** Their types on the wire. */
export const LIST_EDU_TYPES = {
  invite: 'm.presence_invite',
  accept: 'm.presence_accept',
  deny: 'm.presence_deny',
  withdraw: `${PRESENCE_LISTS}.withdraw`,
} as const satisfies Record<ListEduKind, string>

/** Names the asking that an invite begins and an answer answers (decision 0015). */
export const ASK = `${PRESENCE_LISTS}.ask`

/** One list EDU, with users that were held against its origin and direction (§5.5). */
export interface ListEdu {
  readonly kind: ListEduKind
  readonly observer: UserId
  readonly observed: UserId
  /** Null if the other side named none. */
  readonly ask: number | null
}

/** One entry of `push`: all that is known of one user, not a difference (§5.4). */
export interface PresencePush {
  readonly userId: UserId
  readonly state: PresenceState
  readonly statusMsg: string | null
  /** Age; null: not said, the time known before stays. */
  readonly lastActiveAgoMs: Millis | null
  readonly currentlyActive: boolean
  /** What servers of 2015 send along; taken from those only. */
  readonly displayname: string | null
  readonly avatarUrl: string | null
}

/** An `m.presence` EDU; all three are optional on the wire. */
export interface PresenceEdu {
  readonly push: readonly PresencePush[]
  readonly poll: readonly UserId[]
  readonly unpoll: readonly UserId[]
}

/** What is left of an `m.presence` EDU after each entry was checked alone, and how many entries were no good. */
export interface DecodedPresence extends PresenceEdu {
  readonly skipped: number
}

/**
 * The table of §5.4: entries of users of others, or without a known word, are left out, their neighbours stay (P-168, P-169).
 * All three keys are optional (P-184); unknown ones mean nothing (P-185).
 */
export function decodePresenceEdu(
  content: Json | undefined,
  origin: ServerName,
  { statusMsgBytesMax }: { readonly statusMsgBytesMax: number },
): DecodedPresence {
  const keys = isJsonObject(content) ? content : {}
  const entries = arrayOf(own(keys, 'push'))
  const push = entries.map((entry) => decodePush(entry, origin, statusMsgBytesMax)).filter(isSomething)
  const polled = arrayOf(own(keys, 'poll'))
  const unpolled = arrayOf(own(keys, 'unpoll'))
  const poll = decodeUserIds(polled)
  const unpoll = decodeUserIds(unpolled)
  const skipped =
    entries.length + polled.length + unpolled.length - (push.length + poll.length + unpoll.length)
  return { push, poll, unpoll, skipped: isJsonObject(content) ? skipped : 1 }
}

/** How many entries an `m.presence` EDU holds, good or not: what it costs to look at it, at least 1. */
export function presenceEntries(content: Json | undefined): number {
  if (!isJsonObject(content)) return 1
  const count = (key: string): number => arrayOf(own(content, key)).length
  return Math.max(1, count('push') + count('poll') + count('unpoll'))
}

function decodePush(entry: Json, origin: ServerName, statusMsgBytesMax: number): PresencePush | null {
  if (!isJsonObject(entry)) return null
  const userId = parseUserId(ownString(entry, 'user_id') ?? '')
  const word = ownString(entry, 'presence') ?? ''
  const state = STATES.get(word)
  if (userId === null || serverOf(userId) !== origin || state === undefined) return null
  // Whoever hides is not betrayed by the time at which they last did something.
  const isHidden = word === 'hidden'
  return {
    userId,
    state,
    statusMsg: cut(ownString(entry, 'status_msg') ?? '', statusMsgBytesMax),
    lastActiveAgoMs: isHidden ? null : age(own(entry, 'last_active_ago')),
    currentlyActive: !isHidden && own(entry, 'currently_active') === true,
    displayname: name(ownString(entry, 'displayname')),
    avatarUrl: name(ownString(entry, 'avatar_url')),
  }
}

/** Every spelling of a state that servers have sent. */
const STATES: ReadonlyMap<string, PresenceState> = new Map<string, PresenceState>([
  ['offline', 'offline'],
  ['unavailable', 'unavailable'],
  ['online', 'online'],
  ['free_for_chat', 'free_for_chat'],
  ['busy', 'busy'],
  [BUSY, 'busy'],
  ['hidden', 'offline'],
])

/** Null for what is no whole number: the time known before stays. */
function age(value: Json | undefined): Millis | null {
  return Number.isSafeInteger(value) ? Math.min(Math.max(0, value as number), AGE_MAX_MS) : null
}

/** The longest beginning of whole code points that fits; null if nothing is left. */
function cut(text: string, bytesMax: number): string | null {
  const bytes = Buffer.from(text.toWellFormed())
  let end = Math.min(bytes.length, bytesMax)
  while (end < bytes.length && isContinuation(bytes[end])) end -= 1
  return bytes.toString('utf8', 0, end) || null
}

/** A byte of UTF-8 that goes on with a code point. */
function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80
}

function name(text: string | undefined): string | null {
  if (text === undefined || text === '' || !text.isWellFormed()) return null
  return Buffer.byteLength(text) > NAME_BYTES_MAX ? null : text
}

function decodeUserIds(values: readonly Json[]): UserId[] {
  return values
    .slice(0, POLL_MAX)
    .map((value) => (typeof value === 'string' ? parseUserId(value) : null))
    .filter(isSomething)
}

function arrayOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

function isSomething<T>(value: T | null): value is T {
  return value !== null
}

/** Which list EDU a type is; null for others. */
export function listEduKind(type: string): ListEduKind | null {
  return LIST_EDU_KINDS.get(type) ?? null
}

const LIST_EDU_KINDS: ReadonlyMap<string, ListEduKind> = new Map(
  (Object.keys(LIST_EDU_TYPES) as ListEduKind[]).map((kind) => [LIST_EDU_TYPES[kind], kind]),
)

type ListEduOutcome =
  { readonly kind: 'list'; readonly edu: ListEdu } | { readonly kind: 'refused'; readonly reason: string }

/**
 * An EDU of §5.5, held against its direction: `invite` and `withdraw` come from the observer's server and go to the observed
 * user's (P-187), `accept` and `deny` the other way (P-188).
 */
export function decodeListEdu(
  kind: ListEduKind,
  content: Json | undefined,
  { origin, serverName }: { readonly origin: ServerName; readonly serverName: ServerName },
): ListEduOutcome {
  if (!isJsonObject(content)) return { kind: 'refused', reason: 'the content is not an object' }
  const observer = parseUserId(ownString(content, 'observer_user') ?? '')
  const observed = parseUserId(ownString(content, 'observed_user') ?? '')
  if (observer === null || observed === null) return { kind: 'refused', reason: 'it does not name two users' }
  const isOfObserver = kind === 'invite' || kind === 'withdraw'
  const [theirs, ours] = isOfObserver ? [observer, observed] : [observed, observer]
  if (serverOf(theirs) !== origin)
    return { kind: 'refused', reason: 'it speaks for a user of another server' }
  if (serverOf(ours) !== serverName)
    return { kind: 'refused', reason: 'it is meant for a user of another server' }
  const ask = own(content, ASK)
  return {
    kind: 'list',
    edu: { kind, observer, observed, ask: Number.isSafeInteger(ask) ? (ask as number) : null },
  }
}
