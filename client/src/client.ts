import type { Clock, Millis, Timer } from './clock.ts'
import { Emitter, type Unsubscribe } from './emitter.ts'
import { features, fields, presenceStatus, type SyncNews } from './guards.ts'
import type { PresenceLists } from './lists.ts'
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
  ListEntry,
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

const NONE: readonly never[] = Object.freeze([])
const NO_LISTS: Lists = Object.freeze({ incoming: NONE, outgoing: NONE, following: NONE, observers: NONE })

const NO_FEATURES: Features = Object.freeze({ lists: false, busy: false, hidden: false, freeForChat: false })

/** Presence of everyone one may see, and one's own; made by `createPresenceClient` and `attachTo`. */
export class PresenceClient {
  readonly userId: string
  readonly #source: Source
  readonly #clock: Clock
  readonly #unknownAfterMs: Millis
  readonly #idleOption: SharedOptions['idle']
  readonly #store: Store
  readonly #own: OwnSide
  readonly #rereadsLists: boolean
  readonly #invites = new Emitter<InviteChange>()
  #lists: PresenceLists | null = null
  #loading: Promise<PresenceLists> | null = null
  readonly #memory: ChoiceMemory
  #connection: Connection = 'stopped'
  #features: Features = NO_FEATURES
  #ownSnapshot: OwnPresence | null = null
  #lostTimer: Timer | null = null
  #ends: (() => void)[] = []
  /** What is to be read besides the sync. */
  readonly #unread = new Set<'lists' | 'own'>()

  constructor(options: PresenceClientOptions) {
    const { userId, source, clock, random, members, background, storage, channel } = options
    this.userId = userId
    this.#source = source
    this.#clock = clock
    this.#unknownAfterMs = options.unknownAfterMs ?? UNKNOWN_AFTER_MS
    this.#idleOption = options.idle
    this.#store = new Store({ ownId: userId, members })
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
    this.#rereadsLists = options.rereadsLists
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
      reread: () => this.#read('lists'),
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
    return this.#lists?.snapshot ?? NO_LISTS
  }

  subscribe(listener: () => void): Unsubscribe {
    return this.#store.subscribe(listener)
  }

  subscribeTo(userId: string, listener: () => void): Unsubscribe {
    return this.#store.subscribeTo(userId, listener)
  }

  onInvite(listener: (change: InviteChange) => void): Unsubscribe {
    return this.#invites.on(listener)
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

  async getList(): Promise<ListEntry[]> {
    return (await this.#needLists()).getList()
  }

  async invite(userIds: string | readonly string[]): Promise<void> {
    return (await this.#needLists()).invite(userIds)
  }

  async drop(userIds: string | readonly string[]): Promise<void> {
    return (await this.#needLists()).drop(userIds)
  }

  async incoming(): Promise<readonly Invite[]> {
    return (await this.#needLists()).incoming()
  }

  async accept(userId: string, options?: { readonly addBack?: boolean }): Promise<void> {
    return (await this.#needLists()).accept(userId, options)
  }

  async deny(userId: string, options?: { readonly ignoreFuture?: boolean }): Promise<void> {
    return (await this.#needLists()).deny(userId, options)
  }

  async observers(): Promise<readonly Invite[]> {
    return (await this.#needLists()).observers()
  }

  async revoke(userId: string, options?: { readonly ignoreFuture?: boolean }): Promise<void> {
    return (await this.#needLists()).revoke(userId, options)
  }

  async policy(): Promise<InvitePolicy> {
    return (await this.#needLists()).policy()
  }

  async setPolicy(policy: InvitePolicy): Promise<void> {
    return (await this.#needLists()).setPolicy(policy)
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
    this.#store.touch()
  }

  #heard(news: SyncNews, isInitial: boolean): void {
    this.#lostTimer?.cancel()
    this.#lostTimer = null
    if (isInitial) this.#unread.add('lists').add('own')
    this.#store.batch(() => {
      if (isInitial) this.#store.reset()
      for (const room of news.rooms) this.#store.hearRoom(room)
      for (const each of news.presence) this.#store.hear(each, this.#clock.now())
      this.#lists?.apply(news.invites)
      this.#become('connected')
    })
    this.#read()
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
    this.#store.batch(() => {
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
    this.#store.batch(() => {
      this.#own.stop()
      this.#store.lose()
      this.#become(connection)
    })
  }

  /** Reads what a sync does not tell. What fails is read again after the next one. */
  #read(what?: 'lists' | 'own'): void {
    if (what !== undefined) this.#unread.add(what)
    for (const each of Array.from(this.#unread)) {
      this.#unread.delete(each)
      if (each === 'lists' && !this.#features.lists) continue
      const reading = each === 'own' ? this.#readOwn() : this.#needLists().then((lists) => lists.refresh())
      reading.catch(() => this.#unread.add(each))
    }
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
    const { presence, statusMsg, updatedAt } = this.#store.get(this.userId)
    if (presence === 'unknown' || updatedAt === 0) return
    this.#own.follow({ statusMsg: statusMsg ?? null })
    // Hidden, or shown again, from another device: the new surface calls both offline.
    const { state } = this.#own.choice
    const isOdd = state === 'hidden' ? presence !== 'offline' : presence === 'offline' && state !== 'offline'
    if (isOdd && this.#features.hidden && !this.#own.isSaving) this.#read('own')
  }

  /** Only servers that say so are asked about lists, and only for them the code is loaded. */
  async #needLists(): Promise<PresenceLists> {
    if (!this.#features.lists)
      throw new RequestError(404, 'M_UNRECOGNIZED', 'This server has no presence lists')
    try {
      return await (this.#loading ??= this.#loadLists())
    } catch (error) {
      this.#loading = null
      throw new RequestError(0, '', String(error))
    }
  }

  async #loadLists(): Promise<PresenceLists> {
    const { PresenceLists } = await import('./lists.ts')
    const lists = new PresenceLists({
      ownId: this.userId,
      request: this.#source.request,
      clock: this.#clock,
      onInvite: (change) => this.#invites.emit(change),
      onChange: () =>
        this.#store.batch(() => {
          this.#store.list(lists.listed())
          this.#store.touch()
        }),
      onChanged: () => {
        if (this.#rereadsLists) this.#read('lists')
      },
      onPresence: (news, askedTs) =>
        this.#store.batch(() => {
          // A sync that answered meanwhile knows better.
          for (const each of news)
            if (this.#store.get(each.userId).updatedAt < askedTs) this.#store.hear(each, this.#clock.now())
        }),
    })
    return (this.#lists = lists)
  }

  #become(connection: Connection): void {
    if (connection === this.#connection) return
    this.#connection = connection
    this.#store.touch()
  }

  #touchOwn(): void {
    this.#ownSnapshot = null
    this.#store.touch()
  }
}
