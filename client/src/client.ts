import type { Clock, Millis, Timer } from './clock.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { features, fields, presenceStatus, type ListEntry, type SyncNews } from './guards.ts'
import { PresenceLists } from './lists.ts'
import { ChoiceMemory } from './memory.ts'
import type { SharedOptions } from './options.ts'
import { OwnPresence as OwnSide } from './own-presence.ts'
import { onBrowserOnline, watchIdle } from './page.ts'
import { RequestError, statusPath } from './request.ts'
import type { Source } from './source.ts'
import { Store } from './store.ts'
import type {
  Connection,
  Features,
  Invite,
  InviteChange,
  InvitePolicy,
  Lists,
  OwnPresence,
  SetPresence,
  UserPresence,
} from './types.ts'

export interface PresenceClientOptions extends Omit<SharedOptions, 'clock' | 'random'> {
  readonly userId: string
  readonly source: Source
  readonly clock: Clock
  readonly random: () => number
  readonly members: boolean
  readonly background: boolean
  /** Whether lists must be read again after each change, because the source does not tell. */
  readonly rereadsLists: boolean
}

const UNKNOWN_AFTER_MS: Millis = 10_000

const NO_FEATURES: Features = Object.freeze({ lists: false, busy: false, hidden: false, freeForChat: false })

/** Presence of everyone one may see, and one's own; made by `createPresenceClient` and `attachTo`. */
export class PresenceClient {
  readonly userId: string
  readonly #source: Source
  readonly #clock: Clock
  readonly #unknownAfterMs: Millis
  readonly #idleOption: SharedOptions['idle']
  readonly #rereadsLists: boolean
  readonly #store: Store
  readonly #own: OwnSide
  readonly #lists: PresenceLists
  readonly #memory: ChoiceMemory
  readonly #anything = new Emitter<void>()
  #connection: Connection = 'stopped'
  #features: Features = NO_FEATURES
  #ownSnapshot: OwnPresence | null = null
  #lostTimer: Timer | null = null
  #ends: (() => void)[] = []
  /** What is to be read besides the sync. */
  #unread = { lists: false, own: false }
  #depth = 0
  #isTouched = false

  constructor(options: PresenceClientOptions) {
    const { userId, source, clock, random, members, background, storage, channel } = options
    this.userId = userId
    this.#source = source
    this.#clock = clock
    this.#unknownAfterMs = options.unknownAfterMs ?? UNKNOWN_AFTER_MS
    this.#idleOption = options.idle
    this.#rereadsLists = options.rereadsLists
    this.#store = new Store({ ownId: userId, members })
    this.#store.subscribe(() => this.#touch())
    this.#store.subscribeTo(userId, () => this.#heardOfOneself())
    this.#memory = new ChoiceMemory({ userId, storage, channel })
    this.#own = new OwnSide({
      path: statusPath(userId),
      request: source.request,
      clock,
      random,
      initial: this.#memory.state,
      features: () => this.#features,
      onUnsupported: (state) =>
        this.#learnFeatures({
          ...this.#features,
          [state === 'free_for_chat' ? 'freeForChat' : state]: false,
        }),
      onSetPresence: (value) => source.setPresence(value),
      onChosen: (choice) => this.#memory.chose(choice),
      onChange: () => this.#touchOwn(),
    })
    this.#own.background = background
    this.#lists = new PresenceLists({
      ownId: userId,
      request: source.request,
      clock,
      onChange: () => this.#listsChanged(),
      onPresence: (news, askedTs) => {
        // A sync that answered meanwhile knows better.
        const older = news.filter((each) => this.#store.get(each.userId).updatedAt < askedTs)
        this.#batch(() => older.forEach((each) => this.#store.hear(each, clock.now())))
      },
    })
  }

  start(): void {
    if (this.#ends.length > 0) return
    this.#become('connecting')
    this.#memory.start((choice) => this.#own.follow(choice))
    const stopIdle = watchIdle({
      idle: this.#idleOption,
      clock: this.#clock,
      name: `adsum-idle ${this.userId}`,
      tell: (isIdle, reports) => this.#own.idle(isIdle, reports),
    })
    this.#own.start()
    this.#source.start({
      prepare: () => this.#prepare(),
      heard: (news, isInitial) => this.#heard(news, isInitial),
      failed: (isSilence) => this.#failed(isSilence),
      unauthorized: () => this.#end('unauthorized'),
      reread: () => this.#reread(),
    })
    this.#ends = [stopIdle, onBrowserOnline(() => this.retryNow())]
  }

  stop(): void {
    this.#end('stopped')
  }

  connection(): Connection {
    return this.#connection
  }

  features(): Features {
    return this.#features
  }

  /** Tries a lost server again at once. */
  retryNow(): void {
    this.#source.retryNow()
  }

  /** P-212: while nobody looks, nothing makes the user look online. */
  setBackground(background: boolean): void {
    this.#own.background = background
  }

  get(userId: string): UserPresence {
    return this.#store.get(userId)
  }

  roster(): readonly UserPresence[] {
    return this.#store.roster()
  }

  own(): OwnPresence {
    const { choice, isIdle, isSaving, error } = this.#own
    this.#ownSnapshot ??= Object.freeze({
      userId: this.userId,
      state: choice.state,
      isIdle,
      ...(typeof choice.statusMsg === 'string' && { statusMsg: choice.statusMsg }),
      published: this.#store.get(this.userId),
      isSaving,
      ...(error !== undefined && { error }),
    })
    return this.#ownSnapshot
  }

  lists(): Lists {
    return this.#lists.snapshot
  }

  subscribe(listener: () => void): Unsubscribe {
    return this.#anything.on(listener)
  }

  subscribeTo(userId: string, listener: () => void): Unsubscribe {
    return this.#store.subscribeTo(userId, listener)
  }

  onInvite(listener: (change: InviteChange) => void): Unsubscribe {
    return this.#lists.changes.on(listener)
  }

  /** Asks for the exact last activity. Rejects with `RequestError` 403 or 404 if the user may not be seen. */
  async fetchPresence(userId: string): Promise<UserPresence> {
    const body = await this.#source.request('GET', statusPath(userId))
    this.#store.hear(presenceStatus(userId, body), this.#clock.now())
    return this.#store.get(userId)
  }

  setPresence(choice: SetPresence): Promise<void> {
    return this.#own.choose(choice)
  }

  getList(): Promise<ListEntry[]> {
    return this.#listed(() => this.#lists.getList())
  }

  invite(userIds: string | readonly string[]): Promise<void> {
    return this.#changing(() => this.#lists.invite(userIds))
  }

  drop(userIds: string | readonly string[]): Promise<void> {
    return this.#changing(() => this.#lists.drop(userIds))
  }

  incoming(): Promise<readonly Invite[]> {
    return this.#listed(() => this.#lists.incoming())
  }

  accept(userId: string, options?: { readonly addBack?: boolean }): Promise<void> {
    return this.#changing(() => this.#lists.accept(userId, options))
  }

  deny(userId: string, options?: { readonly ignoreFuture?: boolean }): Promise<void> {
    return this.#changing(() => this.#lists.deny(userId, options))
  }

  observers(): Promise<readonly Invite[]> {
    return this.#listed(() => this.#lists.observers())
  }

  revoke(userId: string, options?: { readonly ignoreFuture?: boolean }): Promise<void> {
    return this.#changing(() => this.#lists.revoke(userId, options))
  }

  policy(): Promise<InvitePolicy> {
    return this.#listed(() => this.#lists.policy())
  }

  setPolicy(policy: InvitePolicy): Promise<void> {
    return this.#listed(() => this.#lists.setPolicy(policy))
  }

  async #prepare(): Promise<void> {
    let versions: unknown
    try {
      versions = await this.#source.request('GET', '/_matrix/client/versions')
    } catch (error) {
      // A server without it has nothing to advertise.
      if (!(error instanceof RequestError) || error.status !== 404) throw error
    }
    this.#learnFeatures(features(versions))
  }

  #learnFeatures(features: Features): void {
    this.#features = Object.freeze(features)
    this.#own.review()
    this.#touch()
  }

  #heard(news: SyncNews, isInitial: boolean): void {
    this.#lostTimer?.cancel()
    this.#lostTimer = null
    this.#batch(() => {
      this.#store.batch(() => {
        if (isInitial) this.#store.reset()
        for (const room of news.rooms) this.#store.hearRoom(room)
        for (const each of news.presence) this.#store.hear(each, this.#clock.now())
      })
      this.#lists.apply(news.invites)
      this.#become('connected')
    })
    if (isInitial) {
      this.#unread = { lists: true, own: true }
      this.#own.review()
    }
    this.#catchUp()
  }

  #failed(isSilence: boolean): void {
    if (isSilence) this.#lose()
    else if (this.#connection !== 'lost')
      this.#lostTimer ??= this.#clock.after(this.#unknownAfterMs, () => this.#lose())
  }

  #lose(): void {
    this.#lostTimer?.cancel()
    this.#lostTimer = null
    if (this.#connection === 'lost') return
    this.#source.forget()
    this.#batch(() => {
      this.#store.lose()
      this.#become('lost')
    })
  }

  #end(connection: 'stopped' | 'unauthorized'): void {
    if (this.#ends.length === 0) return
    for (const end of this.#ends) end()
    this.#ends = []
    this.#lostTimer?.cancel()
    this.#lostTimer = null
    this.#source.stop()
    this.#memory.stop()
    this.#batch(() => {
      this.#own.stop()
      this.#store.lose()
      this.#become(connection)
    })
  }

  /** Reads what an initial sync does not tell. What fails is read again after the next sync. */
  #catchUp(): void {
    const { lists, own } = this.#unread
    this.#unread = { lists: false, own: false }
    if (lists && this.#features.lists)
      this.#lists.refresh().catch(() => (this.#unread = { ...this.#unread, lists: true }))
    if (own) this.#readOwn().catch(() => (this.#unread = { ...this.#unread, own: true }))
  }

  /** The old surface tells oneself the truth about `hidden`. */
  async #readOwn(): Promise<void> {
    const path = this.#features.hidden
      ? statusPath(this.userId, '/_matrix/client/api/v1')
      : statusPath(this.userId)
    const body = fields(await this.#source.request('GET', path))
    const { state } = this.#own.choice
    const isHidden = body['presence'] === 'hidden'
    this.#own.follow({
      ...(isHidden
        ? { state: 'hidden' }
        : state === 'hidden' && this.#features.hidden && { state: 'online' }),
      statusMsg: presenceStatus(this.userId, body).statusMsg ?? null,
    })
  }

  #heardOfOneself(): void {
    this.#touchOwn()
    const { presence, statusMsg } = this.#store.get(this.userId)
    if (presence === 'unknown' || this.#connection !== 'connected') return
    this.#own.follow({ statusMsg: statusMsg ?? null })
    // Hidden, or shown again, from another device: the new surface calls both offline.
    const { state } = this.#own.choice
    const isOdd = state === 'hidden' ? presence !== 'offline' : presence === 'offline' && state !== 'offline'
    if (isOdd && this.#features.hidden && !this.#own.isSaving) {
      this.#unread = { ...this.#unread, own: true }
      this.#catchUp()
    }
  }

  #listsChanged(): void {
    const { following, outgoing } = this.#lists.snapshot
    this.#batch(() => {
      this.#store.batch(() =>
        this.#store.list(
          new Map([
            ...outgoing.map(({ userId }) => [userId, 'pending'] as const),
            ...following.map((userId) => [userId, 'accepted'] as const),
          ]),
        ),
      )
      this.#touch()
    })
  }

  /** Lists where the server says it has them; another server would not understand, and is not asked. */
  #listed<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#features.lists) return ask()
    return Promise.reject(new RequestError(404, 'M_UNRECOGNIZED', 'This server has no presence lists'))
  }

  async #changing(change: () => Promise<void>): Promise<void> {
    await this.#listed(change)
    if (this.#rereadsLists) this.#reread()
  }

  #reread(): void {
    this.#unread = { ...this.#unread, lists: true }
    this.#catchUp()
  }

  #become(connection: Connection): void {
    if (connection === this.#connection) return
    this.#connection = connection
    this.#touch()
  }

  #touchOwn(): void {
    this.#ownSnapshot = null
    this.#touch()
  }

  /** Listeners hear once of what happens together. */
  #batch(change: () => void): void {
    this.#depth += 1
    try {
      change()
    } finally {
      this.#depth -= 1
      if (this.#isTouched) this.#touch()
    }
  }

  #touch(): void {
    this.#isTouched = this.#depth > 0
    if (!this.#isTouched) this.#anything.emit()
  }
}
