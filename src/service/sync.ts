import { assertNever } from '../base/assert.ts'
import type { Clock, Millis } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { PresenceState } from '../engine/types.ts'
import { refuse } from '../matrix/errors.ts'
import { PRESENCE_LISTS } from '../matrix/presence-list.ts'
import type { SetPresence } from '../matrix/presence.ts'
import type { ClientEvent, SyncBody } from '../matrix/sync.ts'
import {
  formatSyncToken,
  notBeyond,
  parseSyncToken,
  renamedSyncToken,
  type SyncToken,
} from '../matrix/token.ts'
import type { SyncQuery, SyncSection } from '../ports/sync-section.ts'
import type { Loop } from './loop.ts'
import { poll } from './poll.ts'
import type { PresenceListNews } from './presence-list-news.ts'
import type { PresenceSection } from './presence-section.ts'
import type { RateLimits } from './rate-limit.ts'
import type { Wakeups } from './wakeups.ts'

/** ROOMS-SPEC §6.11: waits end up to this share early, never late, so that polls do not stay in step. */
const TIMEOUT_JITTER = 0.1

export interface SyncRequest extends SyncQuery {
  /** A `next_batch` of ours; null or empty for an initial sync. */
  readonly since: string | null
  readonly timeoutMs: Millis
  readonly setPresence: SetPresence
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal
}

export interface Sync {
  /**
   * Answers with what is new, at once or when there is something, at the latest when the time is over. While it runs the
   * device has a stream open, however the request fares.
   *
   * @throws MatrixError 400 M_INVALID_PARAM for a `since` that is not ours; 401 M_UNKNOWN_TOKEN when the device is
   *   logged out meanwhile
   */
  sync(request: SyncRequest): Promise<SyncBody>
}

export interface SyncDeps {
  readonly loop: Pick<Loop, 'openStream' | 'deviceState'>
  readonly wakeups: Pick<Wakeups, 'register'>
  readonly presence: PresenceSection
  readonly rooms: SyncSection
  readonly lists: PresenceListNews
  readonly limits: Pick<RateLimits<'presence'>, 'tryTake'>
  readonly clock: Clock
  readonly random: Random
  /** The life of the presence numbers, as in `PresenceSection`. */
  readonly epoch: string
  /** No request waits longer, whatever it asks for. */
  readonly pollMaxMs: Millis
}

/** One look at everything, all positions taken at the same moment. Most looks find nothing and are never answered with. */
interface Reading {
  readonly isEmpty: boolean
  readonly rooms: Partial<SyncBody>
  readonly events: ClientEvent[]
  readonly lists: readonly ClientEvent[]
  readonly next: SyncToken
}

export function createSync(deps: SyncDeps): Sync {
  return {
    async sync(request) {
      const since = parseSince(request.since)
      const { userId, deviceId } = request.requester
      const closeStream = deps.loop.openStream(userId, deviceId, effectivePresence(deps, request))
      try {
        if (since === null || request.fullState || request.timeoutMs === 0)
          return bodyOf(request, await read(deps, request, since))
        return bodyOf(request, await wait(deps, request, since))
      } finally {
        closeStream()
      }
    },
  }
}

function parseSince(text: string | null): SyncToken | null {
  if (text === null || text === '') return null
  const token = parseSyncToken(text)
  if (token === null) throw refuse.invalidParam('"since" is not a token of this server')
  return token
}

/**
 * A value that would change the device's state draws on the same allowance as `PUT status`. When that is used up the value
 * counts as absent: the sync itself is never refused for it (P-093), and it is a stream all the same. `offline` always
 * counts.
 */
function effectivePresence({ loop, limits }: SyncDeps, { requester, setPresence }: SyncRequest): SetPresence {
  const { userId, deviceId } = requester
  if (!wouldChange(loop.deviceState(userId, deviceId), setPresence)) return setPresence
  return limits.tryTake('presence', userId) ? setPresence : 'implicit'
}

function wouldChange(state: PresenceState | null, wanted: SetPresence): boolean {
  switch (wanted) {
    case 'implicit':
    case 'offline':
      return false
    case 'online':
      return state === null || state === 'offline' || state === 'unavailable'
    case 'unavailable':
    case 'busy':
      return state !== wanted
    default:
      return assertNever(wanted)
  }
}

/** What the filter hides wakes the request but does not end it. */
async function wait(deps: SyncDeps, request: SyncRequest, since: SyncToken): Promise<Reading> {
  const { requester, filter, signal, timeoutMs } = request
  let from: SyncToken = since
  return poll(deps, {
    requester,
    signal,
    topics: deps.presence.isWanted(filter) ? ['presence', 'rooms'] : ['rooms'],
    waitMs: waitMs(deps, timeoutMs),
    read: async () => {
      const reading = await read(deps, request, from)
      // Nothing of presence was for this client: the next look begins behind it.
      from = { ...reading.next, rooms: since.rooms }
      return reading
    },
  })
}

function waitMs({ random, pollMaxMs }: SyncDeps, timeoutMs: Millis): Millis {
  return Math.ceil(Math.min(timeoutMs, pollMaxMs) * (1 - TIMEOUT_JITTER * random.fraction()))
}

/** All positions are taken before anything is awaited, so nothing falls between two answers. */
async function read(deps: SyncDeps, request: SyncRequest, since: SyncToken | null): Promise<Reading> {
  const { requester, filter, fullState } = request
  const now = deps.rooms.position()
  const presence = deps.presence.window({ viewer: requester.userId, filter, fullState, form: 'sync' }, since)
  const window = { since: since === null ? null : notBeyond(since.rooms, now), now }
  const pairs = { after: window.since?.stream ?? null, upTo: now.stream, withPending: fullState }
  const [rooms, news] = await Promise.all([
    deps.rooms.read(request, window),
    deps.lists.read(requester.userId, pairs),
  ])
  return {
    isEmpty: presence.isEmpty && rooms.isEmpty && news.events.length === 0,
    rooms: rooms.body,
    events: await presence.events(news.ended),
    lists: news.events,
    next: { epoch: deps.epoch, presence: presence.position, rooms: now },
  }
}

function bodyOf({ since }: SyncRequest, { isEmpty, rooms, events, lists, next }: Reading): SyncBody {
  const token = formatSyncToken(next)
  // An answer with content must not look like no progress (ROOMS-SPEC §6.11), e.g. the full state twice.
  const nextBatch = !isEmpty && token === since ? renamedSyncToken(token) : token
  return {
    ...emptyBody(),
    ...rooms,
    presence: { events },
    // P-067: a key of its own, because clients fail on anything but presence among presence.
    ...(lists.length > 0 && { [PRESENCE_LISTS]: { events: [...lists] } }),
    next_batch: nextBatch,
  }
}

function emptyBody(): SyncBody {
  return {
    next_batch: '',
    rooms: { join: {}, invite: {}, knock: {}, leave: {} },
    presence: { events: [] },
    account_data: { events: [] },
    to_device: { events: [] },
    device_lists: { changed: [], left: [] },
    device_one_time_keys_count: { signed_curve25519: 0 },
    device_unused_fallback_key_types: [],
  }
}
