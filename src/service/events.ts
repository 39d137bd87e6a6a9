import type { Clock, Millis } from '../base/clock.ts'
import { jittered, type Random } from '../base/random.ts'
import { refuse } from '../matrix/errors.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import { formatSyncToken, notBeyond, parseSyncToken, type SyncToken } from '../matrix/token.ts'
import type { EventsAudience, EventSection } from '../ports/event-section.ts'
import type { Loop } from './loop.ts'
import { poll } from './poll.ts'
import type { NewsOfPairs, PresenceListNews } from './presence-list-news.ts'
import type { PresenceSection } from './presence-section.ts'
import type { Wakeups } from './wakeups.ts'

/** `EVENTS_MIN_TIMEOUT`: a wait that is shorter is not worth its request. */
const TIMEOUT_MIN_MS = 500
/** `POLL_JITTER`, to both sides here (P-074). */
const TIMEOUT_JITTER = 0.1
/** Means the current position. */
const END = 'END'

export interface EventsRequest extends EventsAudience {
  /** An `end` of ours; absent, empty or `END` for the current position. */
  readonly from: string | null
  /** 0 answers at once. */
  readonly timeoutMs: Millis
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal
}

/** The answer on the wire. */
export interface EventsBody {
  readonly start: string
  readonly end: string
  readonly chunk: readonly ClientEvent[]
}

/** The event stream of 2015 (PRESENCE-SPEC §2.6). */
export interface Events {
  /**
   * Answers with what is new, at once or when there is something, at the latest when the time is over: then with nothing and
   * `end` where it started. While it runs the device has a stream open.
   *
   * @throws MatrixError 400 M_BAD_PAGINATION for a `from` that is not ours (P-073); 401 M_UNKNOWN_TOKEN when the device is
   *   logged out meanwhile
   */
  events(request: EventsRequest): Promise<EventsBody>
}

export interface EventsDeps {
  readonly loop: Pick<Loop, 'openStream' | 'head'>
  readonly wakeups: Pick<Wakeups, 'register'>
  readonly presence: Pick<PresenceSection, 'window'>
  readonly rooms: Pick<EventSection, 'position' | 'read'>
  readonly lists: PresenceListNews
  readonly clock: Pick<Clock, 'now'>
  readonly random: Random
  /** The life of the presence numbers. */
  readonly epoch: string
  /** No request waits longer, whatever it asks for. */
  readonly pollMaxMs: Millis
}

interface Reading {
  readonly chunk: readonly ClientEvent[]
  readonly end: SyncToken
  readonly isEmpty: boolean
}

export function createEvents(deps: EventsDeps): Events {
  return {
    async events(request) {
      const from = parseFrom(request.from)
      const { userId, deviceId } = request.requester
      const closeStream = deps.loop.openStream(userId, deviceId, 'implicit')
      try {
        // Behind the coming online of the own device, which would end the first wait at once (P-070).
        const start = from === null ? currentPosition(deps) : readableFrom(from, currentPosition(deps))
        const reading = await wait(deps, request, start)
        // P-072: nothing to tell does not move the client on.
        const end = reading.isEmpty ? start : reading.end
        return { start: formatSyncToken(start), end: formatSyncToken(end), chunk: reading.chunk }
      } finally {
        closeStream()
      }
    },
  }
}

function parseFrom(text: string | null): SyncToken | null {
  if (text === null || text === '' || text === END) return null
  const token = parseSyncToken(text)
  if (token === null) throw refuse.badPagination('"from" is not a token of this server')
  return token
}

function currentPosition({ epoch, loop, rooms }: EventsDeps): SyncToken {
  return { epoch, presence: { seq: loop.head, skip: 0 }, rooms: rooms.position() }
}

/** Positions of the future (a restored backup) count as current. Those of another epoch mean nothing, and stay. */
function readableFrom(from: SyncToken, now: SyncToken): SyncToken {
  const isAhead = from.epoch === now.epoch && from.presence.seq > now.presence.seq
  return {
    epoch: from.epoch,
    presence: isAhead ? now.presence : from.presence,
    rooms: notBeyond(from.rooms, now.rooms),
  }
}

async function wait(deps: EventsDeps, request: EventsRequest, start: SyncToken): Promise<Reading> {
  const { requester, signal, timeoutMs } = request
  if (timeoutMs === 0) return readFrom(deps, request, start)
  let from = start
  return poll(deps, {
    requester,
    signal,
    topics: ['presence', 'rooms'],
    waitMs: waitMs(deps, timeoutMs),
    read: async () => {
      const reading = await readFrom(deps, request, from)
      // Nothing of presence was for this client: the next look begins behind it.
      from = { ...reading.end, rooms: start.rooms }
      return reading
    },
  })
}

/** P-074. */
function waitMs({ random, pollMaxMs }: EventsDeps, timeoutMs: Millis): Millis {
  const spread = jittered(random, Math.min(timeoutMs, pollMaxMs), TIMEOUT_JITTER)
  return Math.min(Math.max(spread, TIMEOUT_MIN_MS), pollMaxMs)
}

/** All positions are taken before anything is awaited, so nothing falls between two answers. */
async function readFrom(deps: EventsDeps, audience: EventsAudience, from: SyncToken): Promise<Reading> {
  const { requester, form } = audience
  const now = deps.rooms.position()
  const query = { viewer: requester.userId, filter: {}, fullState: false, form }
  const presence = deps.presence.window(query, from)
  const rooms = await deps.rooms.read(audience, { since: from.rooms, now })
  const newsUpTo = (upTo: number): Promise<NewsOfPairs> =>
    deps.lists.read(requester.userId, { after: from.rooms.stream, upTo, withPending: false })
  const news = await newsUpTo(rooms.end.stream)
  // Presence is told as of now, also where the rooms are cut short.
  const { ended } = rooms.end.stream === now.stream ? news : await newsUpTo(now.stream)
  const chunk = [...rooms.events, ...news.events, ...(await presence.events(ended))]
  return {
    chunk,
    isEmpty: chunk.length === 0,
    end: { epoch: deps.epoch, presence: presence.position, rooms: rooms.end },
  }
}
