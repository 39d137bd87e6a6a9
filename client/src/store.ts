import type { Millis } from './clock.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { shownPresence, type PresenceNews, type RoomNews } from './guards.ts'
import type { UserPresence } from './types.ts'

/** Beyond this many users those who are offline, unlisted and in no room of ours are forgotten, oldest first. */
export const USERS_MAX = 20_000

type Listed = UserPresence['listed']

/**
 * What was heard of every user (PRESENCE-SPEC §6.2). Snapshots are frozen and stay the same object until something
 * differs; listeners are called once for a `batch`.
 */
export class Store {
  readonly #ownId: string
  readonly #usersMax: number
  readonly #users = new Map<string, UserPresence>()
  /** Stand-ins for users that were asked for and never heard of. */
  readonly #strangers = new Map<string, UserPresence>()
  readonly #listeners = new Map<string, Emitter<void>>()
  readonly #anyone = new Emitter<void>()
  readonly #changed = new Set<string>()
  #isTouched = false
  readonly #members: boolean
  #roster: readonly UserPresence[] | null = null
  #isLost = false
  #depth = 0

  constructor({
    ownId,
    members,
    usersMax = USERS_MAX,
  }: {
    readonly ownId: string
    readonly members: boolean
    readonly usersMax?: number
  }) {
    this.#ownId = ownId
    this.#members = members
    this.#usersMax = usersMax
  }

  get(userId: string): UserPresence {
    const known = this.#users.get(userId) ?? this.#strangers.get(userId)
    if (known !== undefined) return known
    if (this.#strangers.size >= this.#usersMax) this.#strangers.clear()
    const stranger = this.#stranger(userId)
    this.#strangers.set(userId, stranger)
    return stranger
  }

  /** Everyone of interest but oneself. Where members are followed, those who are gone from rooms and list drop out. */
  roster(): readonly UserPresence[] {
    this.#roster ??= Object.freeze([...this.#users.values()].filter((user) => this.#isShown(user)))
    return this.#roster
  }

  subscribe(listener: () => void): Unsubscribe {
    return this.#anyone.on(listener)
  }

  subscribeTo(userId: string, listener: () => void): Unsubscribe {
    const emitter = this.#listeners.get(userId) ?? new Emitter()
    this.#listeners.set(userId, emitter)
    const off = emitter.on(listener)
    return () => {
      off()
      if (emitter.isEmpty && this.#listeners.get(userId) === emitter) this.#listeners.delete(userId)
    }
  }

  /** Runs `change`, then tells everyone concerned once. */
  batch(change: () => void): void {
    this.#depth += 1
    try {
      change()
    } finally {
      this.#depth -= 1
      if (this.#depth === 0) this.#tell()
    }
  }

  /** Something that is kept elsewhere differs: listeners of everything hear of it with this batch. */
  touch(): void {
    this.batch(() => (this.#isTouched = true))
  }

  /** Each event replaces the record, apart from profile keys that it does not state. */
  hear(news: PresenceNews, now: Millis): void {
    const { lastActiveAgoMs: ago, ...stated } = news
    const { displayname, avatarUrl, rooms, listed } = this.get(news.userId)
    this.batch(() =>
      this.#put({
        ...stated,
        presence: shownPresence(news.rawPresence),
        lastActiveTs: ago === undefined ? ago : now - ago,
        updatedAt: now,
        displayname: news.displayname ?? displayname,
        avatarUrl: news.avatarUrl ?? avatarUrl,
        rooms,
        listed,
      }),
    )
  }

  hearRoom({ roomId, isLeft, members }: RoomNews): void {
    this.batch(() => {
      if (isLeft)
        for (const user of this.#users.values()) this.#put({ ...user, rooms: without(user.rooms, roomId) })
      for (const { userId, isJoined, displayname, avatarUrl } of members) {
        const { rooms, ...before } = this.get(userId)
        const elsewhere = without(rooms, roomId)
        if (isJoined)
          this.#put({
            ...before,
            displayname,
            avatarUrl,
            rooms: elsewhere === rooms ? [...rooms, roomId] : rooms,
          })
        else if (elsewhere !== rooms) this.#put({ ...before, rooms: elsewhere })
      }
    })
  }

  /** Who is on the presence list, whole. */
  list(listed: ReadonlyMap<string, Exclude<Listed, null>>): void {
    this.batch(() => {
      for (const user of this.#users.values())
        if (user.listed !== null && !listed.has(user.userId)) this.#put({ ...user, listed: null })
      for (const [userId, how] of listed) this.#put({ ...this.get(userId), listed: how })
    })
  }

  /** The server fell silent: nothing is known of anyone, which is not the same as offline. */
  lose(): void {
    this.batch(() => {
      this.#isLost = true
      this.#strangers.clear()
      for (const user of this.#users.values())
        this.#put({ ...user, presence: 'unknown', currentlyActive: false })
      this.#touchListened()
    })
  }

  /** An initial sync follows, and who is not in it is offline. Names stay; rooms are told again. */
  reset(): void {
    this.batch(() => {
      this.#isLost = false
      this.#strangers.clear()
      for (const { userId, displayname, avatarUrl, listed } of this.#users.values())
        this.#put({ ...this.#stranger(userId), displayname, avatarUrl, listed })
      this.#touchListened()
    })
  }

  #stranger(userId: string): UserPresence {
    return record({
      userId,
      presence: this.#isLost ? 'unknown' : 'offline',
      rawPresence: 'offline',
      currentlyActive: false,
      updatedAt: 0,
      rooms: NO_ROOMS,
      listed: null,
    })
  }

  #isShown(user: UserPresence): boolean {
    if (user.userId === this.#ownId) return false
    if (!this.#members || user.listed !== null || user.rooms.length > 0) return true
    return user.presence !== 'offline' && user.presence !== 'unknown'
  }

  #put(fields: Draft): void {
    const user = record(fields)
    const before = this.#users.get(user.userId)
    if (before !== undefined && isSame(before, user)) return
    this.#users.set(user.userId, user)
    this.#strangers.delete(user.userId)
    this.#changed.add(user.userId)
  }

  /** Stand-ins changed too, for whoever watches one. */
  #touchListened(): void {
    for (const userId of this.#listeners.keys()) this.#changed.add(userId)
  }

  #tell(): void {
    const changed = [...this.#changed]
    if (changed.length === 0 && !this.#isTouched) return
    this.#forget()
    this.#isTouched = false
    this.#changed.clear()
    if (changed.length > 0) this.#roster = null
    for (const userId of changed) this.#listeners.get(userId)?.emit()
    this.#anyone.emit()
  }

  #forget(): void {
    let excess = this.#users.size - this.#usersMax
    for (const { userId, presence, listed, rooms } of excess > 0 ? this.#users.values() : []) {
      if (excess <= 0) break
      if (presence !== 'offline' || listed !== null || rooms.length > 0 || userId === this.#ownId) continue
      this.#users.delete(userId)
      excess -= 1
    }
  }
}

/** P-206: ms since the user last did something; 0 while currently active; undefined if never seen active. */
export function activeAgoMs(
  user: Pick<UserPresence, 'currentlyActive' | 'lastActiveTs'>,
  now: Millis,
): number | undefined {
  if (user.currentlyActive) return 0
  return user.lastActiveTs === undefined ? undefined : Math.max(0, now - user.lastActiveTs)
}

const NO_ROOMS: readonly string[] = Object.freeze([])

type Draft = { readonly [K in keyof UserPresence]: UserPresence[K] | undefined }

/** A snapshot; keys without a value are left out. */
function record(user: Draft): UserPresence {
  const stated = Object.entries(user).filter(([, value]) => value !== undefined)
  return Object.freeze(Object.fromEntries(stated)) as unknown as UserPresence
}

function isSame(one: UserPresence, other: UserPresence): boolean {
  const keys = Object.keys(one) as (keyof UserPresence)[]
  return keys.length === Object.keys(other).length && keys.every((key) => one[key] === other[key])
}

/** The same array if it does not contain the room. */
function without(rooms: readonly string[], roomId: string): readonly string[] {
  return rooms.includes(roomId) ? rooms.filter((each) => each !== roomId) : rooms
}
