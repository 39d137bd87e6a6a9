import type { JsonObject } from '../../src/matrix/json.ts'
import type { Actor, Reply } from './actors.ts'

export const LISTS = '/unstable/dev.adsum.presence_lists'
export const NEWS = 'dev.adsum.presence_lists'

/** An entry of `GET presence/list`. */
export interface ListElement {
  readonly user_id: string
  readonly accepted: boolean
  readonly presence?: string
  readonly last_active_ago?: number
  readonly type: string
  readonly sender?: string
  readonly event_id?: string
  readonly content: JsonObject
}

/** What a presence list says of a pair. */
export interface InviteContent {
  readonly observer_user: string
  readonly observed_user: string
  readonly direction: string
  readonly state: string
  readonly ts: number
}

/** An actor at the presence list endpoints. */
export class Follower {
  readonly actor: Actor

  constructor(actor: Actor) {
    this.actor = actor
  }

  changes(body: unknown, surface = '/api/v1'): Promise<Reply> {
    return this.actor.request('POST', listPath(this.actor, surface), { body })
  }

  async invites(...others: readonly (Actor | string)[]): Promise<void> {
    await this.actor.ok('POST', listPath(this.actor), { body: { invite: others.map(idOf) } })
  }

  async drops(...others: readonly (Actor | string)[]): Promise<void> {
    await this.actor.ok('POST', listPath(this.actor), { body: { drop: others.map(idOf) } })
  }

  async list(surface = '/r0', includePending = false): Promise<ListElement[]> {
    const query = includePending ? { 'dev.adsum.presence_lists.include_pending': true } : {}
    const body = await this.actor.ok('GET', listPath(this.actor, surface), { query })
    return body as unknown as ListElement[]
  }

  async follows(): Promise<string[]> {
    return (await this.list()).map(({ user_id }) => user_id)
  }

  accepts(other: Actor, body: unknown = {}): Promise<Reply> {
    return this.actor.request('POST', invitePath(other, 'accept'), { body })
  }

  denies(other: Actor, body: unknown = {}): Promise<Reply> {
    return this.actor.request('POST', invitePath(other, 'deny'), { body })
  }

  revokes(other: Actor, query: Readonly<Record<string, boolean>> = {}): Promise<Reply> {
    return this.actor.request('DELETE', `${LISTS}/observers/${encodeURIComponent(other.userId)}`, { query })
  }

  async decides(policy: string): Promise<void> {
    await this.actor.ok('PUT', `${LISTS}/policy`, { body: { policy } })
  }

  async observers(): Promise<string[]> {
    const body = await this.actor.ok('GET', `${LISTS}/observers`)
    return (body['observers'] as { user_id: string }[]).map(({ user_id }) => user_id)
  }

  /** Users whose invites wait: `[incoming, outgoing]`. */
  async pending(): Promise<[string[], string[]]> {
    const body = await this.actor.ok('GET', `${LISTS}/invites`)
    const of = (key: string): string[] => (body[key] as { user_id: string }[]).map(({ user_id }) => user_id)
    return [of('incoming'), of('outgoing')]
  }

  /** What the next sync says of pairs, in words: `incoming @bob:hs pending`. */
  async hears(): Promise<string[]> {
    return newsIn(await this.actor.syncs({ set_presence: 'offline' }))
  }
}

export function newsOf(body: JsonObject): { sender: string; type: string; content: InviteContent }[] {
  const section = body[NEWS] as unknown as {
    events: { sender: string; type: string; content: InviteContent }[]
  }
  return section?.events ?? []
}

export function newsIn(body: JsonObject): string[] {
  return newsOf(body).map(({ content }) => inWords(content))
}

export function inWords({ direction, state, observer_user, observed_user }: InviteContent): string {
  return `${direction} ${direction === 'incoming' ? observer_user : observed_user} ${state}`
}

export function listPath({ userId }: { readonly userId: string }, surface = '/r0'): string {
  return `${surface}/presence/list/${encodeURIComponent(userId)}`
}

function invitePath(other: Actor, answer: string): string {
  return `${LISTS}/invites/${encodeURIComponent(other.userId)}/${answer}`
}

function idOf(other: Actor | string): string {
  return typeof other === 'string' ? other : other.userId
}
