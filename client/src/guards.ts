import type { Features, ShownPresence } from './types.ts'

/** The namespace of presence lists (PRESENCE-SPEC §0.3), also the key of invite events in `/sync`. */
export const LISTS = 'dev.adsum.presence_lists'

export const BUSY = 'org.matrix.msc3026.busy'

export type Fields = Readonly<Record<string, unknown>>

/** One `m.presence` event, checked: what it states, and nothing that it does not. */
export interface PresenceNews {
  readonly userId: string
  readonly rawPresence: string
  readonly statusMsg: string | undefined
  readonly lastActiveAgoMs: number | undefined
  readonly currentlyActive: boolean
  readonly displayname: string | undefined
  readonly avatarUrl: string | undefined
}

/** One room of a sync answer: who joined and who is gone, in order; `isLeft`: we are not in it any more. */
export interface RoomNews {
  readonly roomId: string
  readonly isLeft: boolean
  readonly members: readonly MemberNews[]
}

export interface MemberNews {
  readonly userId: string
  readonly isJoined: boolean
  readonly displayname: string | undefined
  readonly avatarUrl: string | undefined
}

export interface SyncNews {
  readonly nextBatch: string
  readonly presence: readonly PresenceNews[]
  /** Invite events as they came; `lists.ts` understands them, where the server has lists. */
  readonly invites: readonly unknown[]
  readonly rooms: readonly RoomNews[]
}

const SHOWN: Readonly<Record<string, ShownPresence>> = {
  online: 'online',
  unavailable: 'unavailable',
  offline: 'offline',
  hidden: 'offline',
  free_for_chat: 'free_for_chat',
  busy: 'busy',
  [BUSY]: 'busy',
}

/** P-209: what this library does not know shows as `unavailable`. */
export function shownPresence(raw: string): ShownPresence {
  return Object.hasOwn(SHOWN, raw) ? (SHOWN[raw] ?? 'unavailable') : 'unavailable'
}

/** P-207: the user is `sender`, else `content.user_id`; an event in which both stand and differ is null, like any broken one. */
export function presenceNews(event: unknown): PresenceNews | null {
  const { type, sender, content } = fields(event)
  const { presence, user_id: named } = fields(content)
  const userId = sender === undefined ? named : sender
  if (type !== 'm.presence' || typeof presence !== 'string' || !isUserId(userId)) return null
  if (named !== undefined && named !== userId) return null
  return { userId, rawPresence: presence, ...presenceFields(fields(content)) }
}

/** The answer of `GET …/presence/{userId}/status`. */
export function presenceStatus(userId: string, body: unknown): PresenceNews {
  const { presence } = fields(body)
  return {
    userId,
    rawPresence: typeof presence === 'string' ? presence : 'offline',
    ...presenceFields(fields(body)),
  }
}

function presenceFields(content: Fields): Omit<PresenceNews, 'userId' | 'rawPresence'> {
  const ago = content['last_active_ago']
  return {
    statusMsg: text(content['status_msg']),
    lastActiveAgoMs: typeof ago === 'number' && Number.isFinite(ago) && ago >= 0 ? ago : undefined,
    currentlyActive: content['currently_active'] === true,
    displayname: text(content['displayname']),
    avatarUrl: text(content['avatar_url']),
  }
}

export function syncNews(body: unknown): SyncNews {
  const { next_batch: nextBatch, presence, rooms, [LISTS]: lists } = fields(body)
  if (typeof nextBatch !== 'string') throw new TypeError('a sync answer without next_batch')
  const { join, leave } = fields(rooms)
  return {
    nextBatch,
    presence: decoded(fields(presence)['events'], presenceNews),
    invites: array(fields(lists)['events']),
    rooms: [
      ...Object.entries(fields(join)).map(([roomId, room]) => roomNews(roomId, room)),
      ...Object.keys(fields(leave)).map((roomId) => ({ roomId, isLeft: true, members: [] })),
    ],
  }
}

function roomNews(roomId: string, room: unknown): RoomNews {
  const { state, timeline } = fields(room)
  const events = [...array(fields(state)['events']), ...array(fields(timeline)['events'])]
  return { roomId, isLeft: false, members: decoded(events, memberNews) }
}

function memberNews(event: unknown): MemberNews | null {
  const { type, state_key: userId, content } = fields(event)
  if (type !== 'm.room.member' || !isUserId(userId)) return null
  const { membership, displayname, avatar_url: avatarUrl } = fields(content)
  return {
    userId,
    isJoined: membership === 'join',
    displayname: text(displayname),
    avatarUrl: text(avatarUrl),
  }
}

export function features(versions: unknown): Features {
  const flags = fields(fields(versions)['unstable_features'])
  return {
    lists: flags[LISTS] === true,
    busy: flags['org.matrix.msc3026.busy_presence'] === true,
    hidden: flags['dev.adsum.hidden'] === true,
    freeForChat: flags['dev.adsum.free_for_chat'] === true,
  }
}

/** The elements that `decode` understands; one broken element does not take the others with it. */
export function decoded<T>(value: unknown, decode: (item: unknown) => T | null): T[] {
  return array(value)
    .map(decode)
    .filter((item) => item !== null)
}

/** The keys of a JSON object; of anything else, none. */
export function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function millis(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

export function isUserId(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('@') && value.includes(':')
}
