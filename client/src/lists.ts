import type { Clock, Millis } from './clock.ts'
import { decoded, fields, LISTS, presenceNews, type PresenceNews } from './guards.ts'
import { invite, inviteChange, invitePolicy, listEntry } from './list-guards.ts'
import { RequestError, type Request } from './request.ts'
import type { Invite, InviteChange, InvitePolicy, ListEntry, Lists } from './types.ts'

const BASE = `/_matrix/client/unstable/${LISTS}`
/** Of 100 invites each; nobody reads more. */
const PAGES_MAX = 10

export interface PresenceListsOptions {
  readonly ownId: string
  readonly request: Request
  readonly clock: Clock
  /** The snapshot differs. */
  readonly onChange: () => void
  /** A pair changed. */
  readonly onInvite: (change: InviteChange) => void
  /** Something was changed here, and accepted by the server. */
  readonly onChanged: () => void
  /** What a list, asked for at `askedTs`, says of the users on it. */
  readonly onPresence: (news: readonly PresenceNews[], askedTs: Millis) => void
}

interface Ends {
  readonly incoming: Map<string, number>
  readonly outgoing: Map<string, number>
  readonly following: Map<string, number>
  readonly observers: Map<string, number>
}

/** The own presence list and the invites of both directions (PRESENCE-SPEC §2.3–2.5). Loaded from servers that have them only. */
export class PresenceLists {
  readonly #options: PresenceListsOptions
  #ends: Ends = noEnds()
  #snapshot: Lists | null = null
  /** Changes that came while the lists were being read: the answers may be older. */
  #meanwhile: InviteChange[] | null = null

  constructor(options: PresenceListsOptions) {
    this.#options = options
  }

  get snapshot(): Lists {
    const { incoming, outgoing, following, observers } = this.#ends
    this.#snapshot ??= Object.freeze({
      incoming: invites(incoming),
      outgoing: invites(outgoing),
      following: Object.freeze([...following.keys()]),
      observers: invites(observers),
    })
    return this.#snapshot
  }

  /** Who is on the list, and how. */
  listed(): Map<string, 'pending' | 'accepted'> {
    const { outgoing, following } = this.#ends
    const listed = new Map<string, 'pending' | 'accepted'>()
    for (const userId of outgoing.keys()) listed.set(userId, 'pending')
    for (const userId of following.keys()) listed.set(userId, 'accepted')
    return listed
  }

  /** Invite events of a sync. Whoever listens hears what is news only. */
  apply(events: readonly unknown[]): void {
    const changes = decoded(events, (event) => inviteChange(event, this.#options.ownId))
    this.#meanwhile?.push(...changes)
    const news = changes.filter((change) => enter(this.#ends, change))
    if (news.length === 0) return
    this.#touch()
    for (const change of news) this.#options.onInvite(change)
  }

  /** Reads everything anew. */
  async refresh(): Promise<void> {
    let isLatest = false
    const meanwhile: InviteChange[] = (this.#meanwhile = [])
    const reading = Promise.all([this.getList(), this.#pending('both'), this.observers()])
    const [entries, pending, observers] = await reading.finally(() => {
      isLatest = this.#meanwhile === meanwhile
      if (isLatest) this.#meanwhile = null
    })
    // Else a later reading is under way, and is the better one.
    if (!isLatest) return
    const before = this.#ends
    this.#ends = {
      incoming: byUser(pending.incoming),
      outgoing: byUser(pending.outgoing),
      following: new Map(entries.filter(({ accepted }) => accepted).map(({ userId }) => [userId, 0])),
      observers: byUser(observers),
    }
    for (const change of meanwhile) enter(this.#ends, change)
    this.#touch()
    for (const [userId, ts] of this.#ends.incoming)
      if (!before.incoming.has(userId))
        this.#options.onInvite({ userId, direction: 'incoming', state: 'pending', ts })
  }

  async getList(): Promise<ListEntry[]> {
    const { request, clock, onPresence } = this.#options
    const askedTs = clock.now()
    const items = await request('GET', this.#listPath, {
      query: { [`${LISTS}.include_pending`]: 'true' },
    })
    onPresence(decoded(items, presenceNews), askedTs)
    return decoded(items, listEntry)
  }

  invite(userIds: string | readonly string[]): Promise<void> {
    return this.#send('POST', this.#listPath, { invite: [userIds].flat() })
  }

  drop(userIds: string | readonly string[]): Promise<void> {
    return this.#send('POST', this.#listPath, { drop: [userIds].flat() })
  }

  async incoming(): Promise<readonly Invite[]> {
    return (await this.#pending('incoming')).incoming
  }

  accept(userId: string, { addBack = false }: { readonly addBack?: boolean } = {}): Promise<void> {
    return this.#answer(userId, 'accept', { add_back: addBack })
  }

  deny(userId: string, { ignoreFuture = false }: { readonly ignoreFuture?: boolean } = {}): Promise<void> {
    return this.#answer(userId, 'deny', { ignore_future: ignoreFuture })
  }

  async observers(): Promise<readonly Invite[]> {
    const body = await this.#options.request('GET', `${BASE}/observers`)
    return decoded(fields(body)['observers'], invite)
  }

  async revoke(userId: string, { ignoreFuture }: { readonly ignoreFuture?: boolean } = {}): Promise<void> {
    const query = ignoreFuture === undefined ? {} : { ignore_future: String(ignoreFuture) }
    await this.#send('DELETE', `${BASE}/observers/${encodeURIComponent(userId)}`, undefined, query)
  }

  async policy(): Promise<InvitePolicy> {
    return invitePolicy(await this.#options.request('GET', `${BASE}/policy`))
  }

  setPolicy(policy: InvitePolicy): Promise<void> {
    return this.#send('PUT', `${BASE}/policy`, { policy })
  }

  get #listPath(): string {
    return `${BASE}/presence/list/${encodeURIComponent(this.#options.ownId)}`
  }

  async #pending(
    direction: 'incoming' | 'both',
  ): Promise<{ readonly incoming: readonly Invite[]; readonly outgoing: readonly Invite[] }> {
    const all = { incoming: [] as Invite[], outgoing: [] as Invite[] }
    let from: unknown = null
    for (let page = 0; page < PAGES_MAX && from !== undefined; page += 1) {
      const query = { direction, ...(typeof from === 'string' && { from }) }
      const body = fields(await this.#options.request('GET', `${BASE}/invites`, { query }))
      all.incoming.push(...decoded(body['incoming'], invite))
      all.outgoing.push(...decoded(body['outgoing'], invite))
      from = body['next_batch']
    }
    return all
  }

  /** An invite that is gone was answered elsewhere or withdrawn: nothing is left to be done. */
  async #answer(userId: string, answer: 'accept' | 'deny', body: object): Promise<void> {
    try {
      await this.#send('POST', `${BASE}/invites/${encodeURIComponent(userId)}/${answer}`, body)
    } catch (error) {
      if (!(error instanceof RequestError && error.status === 404 && error.errcode === 'M_NOT_FOUND'))
        throw error
      if (this.#ends.incoming.delete(userId)) this.#touch()
    }
  }

  async #send(method: string, path: string, body?: object, query = {}): Promise<void> {
    const { request, onChanged } = this.#options
    await request(method, path, { body, query })
    onChanged()
  }

  #touch(): void {
    this.#snapshot = null
    this.#options.onChange()
  }
}

/** Enters a change; whether it was news. */
function enter(ends: Ends, { userId, direction, state, ts }: InviteChange): boolean {
  const [pending, accepted] =
    direction === 'incoming' ? [ends.incoming, ends.observers] : [ends.outgoing, ends.following]
  if (state === 'pending') {
    const isNews = pending.get(userId) !== ts
    pending.set(userId, ts)
    return accepted.delete(userId) || isNews
  }
  if (state === 'accepted') {
    const isNews = !accepted.has(userId)
    if (isNews) accepted.set(userId, ts)
    return pending.delete(userId) || isNews
  }
  const [wasPending, wasAccepted] = [pending.delete(userId), accepted.delete(userId)]
  // Denied at once, by policy or because there is no such user, an invite of ours was never seen pending.
  const isAnswer = direction === 'outgoing' && state === 'denied'
  return wasPending || wasAccepted || isAnswer
}

function noEnds(): Ends {
  return { incoming: new Map(), outgoing: new Map(), following: new Map(), observers: new Map() }
}

function byUser(list: readonly Invite[]): Map<string, number> {
  return new Map(list.map(({ userId, ts }) => [userId, ts]))
}

function invites(ends: ReadonlyMap<string, number>): readonly Invite[] {
  const list = [...ends].map(([userId, ts]) => Object.freeze({ userId, ts }))
  return Object.freeze(list.sort((one, other) => one.ts - other.ts))
}
