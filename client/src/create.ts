import { PresenceClient } from './client.ts'
import { chance, systemClock } from './clock.ts'
import { syncNews } from './guards.ts'
import type { SharedOptions } from './options.ts'
import { createRequest, type Fetch, type OnUnauthorized } from './request.ts'
import type { Sink, Source } from './source.ts'
import { SyncLoop } from './sync-loop.ts'

export interface CreateOptions extends SharedOptions {
  /** `https://matrix.example` */
  readonly baseUrl: string
  /** Of a login of its own: two sync loops on one login take each other's to-device messages. */
  readonly accessToken: string
  readonly userId: string
  /** Asked once for each token that is refused; without it, or with null, the client stops. */
  readonly onUnauthorized?: OnUnauthorized
  /** Also follow who is in the own rooms. */
  readonly members?: boolean
  /** P-212: for work while nobody looks; the user is not made to look online. */
  readonly background?: boolean
  readonly fetch?: Fetch
}

/** A client with its own sync loop, for any Matrix homeserver. Begins with `start()`. */
export function createPresenceClient(options: CreateOptions): PresenceClient {
  const { clock = systemClock, random = chance, members = false, background = false } = options
  const request = createRequest({
    baseUrl: options.baseUrl,
    accessToken: options.accessToken,
    onUnauthorized: options.onUnauthorized ?? (() => null),
    fetch: options.fetch ?? ((url, init) => globalThis.fetch(url, init)),
    clock,
  })
  let sink: Sink | null = null
  const loop = new SyncLoop({
    request,
    clock,
    random,
    filter: JSON.stringify(filter(members)),
    prepare: async () => sink?.prepare(),
    apply: (body, isInitial) => {
      const news = syncNews(body)
      sink?.heard(news, isInitial)
      return {
        nextBatch: news.nextBatch,
        isEmpty: news.presence.length + news.invites.length + news.rooms.length === 0,
      }
    },
    onFailure: (isSilence) => sink?.failed(isSilence),
    onUnauthorized: () => sink?.unauthorized(),
  })
  const source: Source = {
    request,
    start: (given) => {
      sink = given
      loop.start()
    },
    stop: () => loop.stop(),
    setPresence: (value) => (loop.setPresence = value),
    forget: () => loop.forget(),
    retryNow: () => loop.retryNow(),
  }
  return new PresenceClient({ ...options, clock, random, members, background, source, rereadsLists: false })
}

const NOTHING = { types: [] }

/** Presence, and of rooms only who is in them, if that. */
function filter(members: boolean): object {
  const memberships = { types: ['m.room.member'] }
  const room = members
    ? { state: memberships, timeline: memberships }
    : { rooms: [], state: NOTHING, timeline: NOTHING }
  return {
    presence: { types: ['m.presence'] },
    account_data: NOTHING,
    room: { ...room, ephemeral: NOTHING, account_data: NOTHING },
  }
}
