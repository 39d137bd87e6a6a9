import { expect } from 'vitest'
import type { Face } from '../../src/engine/notify.ts'
import { OFFLINE_FACE } from '../../src/engine/notify.ts'
import { serverOf, type ServerName, type UserId } from '../../src/matrix/ids.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import type { Write } from '../../src/ports/store.ts'
import type { ManualClock } from './manual-clock.ts'
import type { Sending } from './sim-net.ts'
import type { SimServer } from './sim-server.ts'

/** An ordered pair. */
const pair = (observer: UserId, observed: UserId): string => `${observer} ${observed}`

interface WirePush {
  readonly user_id: UserId
  readonly presence: string
  readonly status_msg?: string
  readonly last_active_ago: number
  readonly currently_active?: boolean
}

/**
 * What was ever consented to, shared and shown, written down by somebody who is no part of any server; and what may be said on
 * the wire and shown to users, judged by that.
 */
export class Ledger {
  /** The observed user's server wrote down a grant; at present, and ever. */
  readonly #granted = new Set<string>()
  readonly #everGranted = new Set<string>()
  readonly #revokedTs = new Map<string, number>()
  /** The observer's server wrote down an accepted entry for a user of another. */
  readonly #accepted = new Set<string>()
  /** In some server's eyes both were in one room. */
  readonly #everShared = new Set<string>()
  /** What each user was in public, ever: state and text. */
  readonly #faces = new Map<UserId, Set<string>>()
  /** Who hides now, and by which device; null: by one that is gone. */
  readonly hidden = new Map<UserId, string | null>()
  readonly #time: ManualClock

  constructor(time: ManualClock) {
    this.#time = time
  }

  /** Rows that became durable at a server. */
  committed(server: ServerName, writes: readonly Write[]): void {
    for (const write of writes) {
      if ('put' in write && write.put === 'presenceGrants') {
        const { observed, observer, state } = write.row
        this.#grant(server, observer, observed, state === 'granted')
      } else if ('drop' in write && write.drop === 'presenceGrants') {
        const { observed, observer } = write.where
        if (observed !== undefined && observer !== undefined) this.#grant(server, observer, observed, false)
      } else if ('put' in write && write.put === 'presenceList') {
        const { observed, observer, state } = write.row
        if (state === 'accepted') this.#accepted.add(pair(observer, observed))
        else this.#accepted.delete(pair(observer, observed))
      } else if ('drop' in write && write.drop === 'presenceList') {
        const { observed, observer } = write.where
        if (observed !== undefined && observer !== undefined) this.#accepted.delete(pair(observer, observed))
      }
    }
  }

  /** These users are together in one room, as one server sees it. */
  share(members: Iterable<UserId>): void {
    const all = [...members]
    for (const a of all) for (const b of all) this.#everShared.add(pair(a, b))
  }

  /** Writes down what the users of a server are in public. While one hides, that is nothing. */
  recordFaces(server: SimServer, users: readonly UserId[]): void {
    for (const userId of users) {
      const face = server.life.core.loop.published(userId)
      if (this.hidden.has(userId)) expect(face, `${userId} hides`).toEqual(OFFLINE_FACE)
      this.#record(userId, face)
    }
  }

  isGranted(observer: UserId, observed: UserId): boolean {
    return this.#granted.has(pair(observer, observed))
  }

  /** May the observer's server show it the user: by an accepted entry, or by a room? */
  mayShow(server: SimServer, observer: UserId, observed: UserId): boolean {
    return this.#accepted.has(pair(observer, observed)) || shareRoom(server, observer, observed)
  }

  /** What a user is shown of one of another server was consented to, and true at some time. */
  checkShown(server: SimServer, observer: UserId, observed: UserId): void {
    const view = server.life.core.loop.view(observer, observed)
    // Asked at every moment: too often for `expect`.
    const must = (holds: boolean, why: string): void => {
      if (!holds) expect.unreachable(`${observer} is shown ${observed} ${JSON.stringify(view)}: ${why}`)
    }
    must((view !== null) === this.mayShow(server, observer, observed), 'or not, against entry and room')
    if (view === null || (view.state === 'offline' && view.statusMsg === null && view.lastActiveTs === null))
      return
    const key = pair(observer, observed)
    must(this.#everGranted.has(key) || this.#everShared.has(key), 'without consent')
    if (view.state === 'offline' && view.statusMsg === null) return
    const wasSo = [view.state, ...(view.state === 'offline' ? STATES : [])].some((state) =>
      this.#faces.get(observed)?.has(`${state} ${view.statusMsg ?? ''}`),
    )
    must(wasSo, 'what never was')
  }

  /** What leaves a server is true at that moment, and for a server that may hear it. */
  checkSaid({ to, content, isSplit }: Sending, origin: SimServer): void {
    for (const edu of content['edus'] as { edu_type: string; content: JsonObject }[]) {
      if (edu.edu_type !== 'm.presence') continue
      const push = edu.content['push'] as unknown as readonly WirePush[]
      const users = push.map(({ user_id }) => user_id)
      expect(new Set(users).size, 'each user once').toBe(users.length)
      // What is repeated in halves was true when it was said first.
      if (!isSplit) for (const entry of push) this.#checkPush(entry, to, origin)
    }
  }

  #checkPush(entry: WirePush, to: ServerName, origin: SimServer): void {
    const { user_id: userId } = entry
    const what = `${to} is told ${JSON.stringify(entry)}`
    expect(serverOf(userId), what).toBe(origin.name)
    expect(this.#mayHear(to, userId, origin), what).toBe(true)
    const face = origin.life.core.loop.published(userId)
    this.#record(userId, face)
    expect(entry.status_msg ?? null, what).toBe(face.statusMsg)
    expect(wordsOf(face.state), what).toContain(entry.presence)
    const sinceTs = face.lastActiveTs ?? origin.accounts.get(userId)?.createdTs ?? 0
    expect(entry.last_active_ago, what).toBe(Math.max(0, origin.now - sinceTs))
    if (!this.hidden.has(userId)) return
    expect(face, what).toEqual(OFFLINE_FACE)
    expect(entry.currently_active ?? false, what).toBe(false)
  }

  /** What ends at this very moment may have been there when the words were chosen. */
  #mayHear(to: ServerName, userId: UserId, origin: SimServer): boolean {
    for (const key of [...this.#granted, ...this.#justRevoked()]) {
      const [observer, observed] = key.split(' ') as [UserId, UserId]
      if (observed === userId && serverOf(observer) === to) return true
    }
    for (const [roomId, members] of origin.rooms) {
      const isIn = (member: UserId): boolean =>
        members.has(member) || origin.leftTs.get(`${roomId} ${member}`) === origin.now
      const left = [...origin.leftTs.keys()].map((key) => key.split(' ')[1] as UserId)
      const isToBeTold = (member: UserId): boolean => serverOf(member) === to && isIn(member)
      if (isIn(userId) && [...members, ...left].some(isToBeTold)) return true
    }
    return false
  }

  *#justRevoked(): Generator<string> {
    for (const [key, ts] of this.#revokedTs) if (ts === this.#time.now()) yield key
  }

  #grant(server: ServerName, observer: UserId, observed: UserId, isGranted: boolean): void {
    if (serverOf(observed) !== server) return
    const key = pair(observer, observed)
    if (isGranted) {
      this.#granted.add(key)
      this.#everGranted.add(key)
    } else if (this.#granted.delete(key)) this.#revokedTs.set(key, this.#time.now())
  }

  #record(userId: UserId, { state, statusMsg }: Face): void {
    const faces = this.#faces.get(userId) ?? new Set()
    this.#faces.set(userId, faces)
    for (const word of wordsOf(state)) faces.add(`${word} ${statusMsg ?? ''}`)
  }
}

const STATES = ['offline', 'unavailable', 'online', 'free_for_chat', 'busy'] as const

/** What a state may be called by the time that another server shows it (PRESENCE-SPEC §1.2). */
export function wordsOf(state: string): readonly string[] {
  if (state === 'free_for_chat') return ['free_for_chat', 'online']
  if (state === 'busy') return ['busy', 'org.matrix.msc3026.busy', 'unavailable']
  return [state]
}

export function shareRoom(server: SimServer, a: UserId, b: UserId): boolean {
  return [...server.rooms.values()].some((members) => members.has(a) && members.has(b))
}
