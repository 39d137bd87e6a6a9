import type { Clock, Millis } from '../base/clock.ts'
import { runInAll, Serial } from '../base/serial.ts'
import { refuse } from '../matrix/errors.ts'
import { parseUserId, serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import type { InvitePolicy } from '../matrix/presence-list.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { Directory } from '../ports/directory.ts'
import type { ListEdu } from '../ports/edus.ts'
import type { Store } from '../ports/store.ts'
import type { Stream } from '../ports/stream.ts'
import type { Wake } from '../ports/wake.ts'
import type { Loop } from './loop.ts'
import type { GrantCounts } from './grant-counts.ts'
import { PairChanges, type PairStore, type Turn } from './presence-list-changes.ts'
import type { ListOutbox } from './presence-list-outbox.ts'
import { createVerdicts, type Verdicts } from './presence-list-verdict.ts'

/** Entries of one list (`LIST_MAX`). */
export const LIST_MAX = 1_000
/** Who was dropped from one list and whose server has not heard of it yet; with more, nobody is invited. */
export const UNHEARD_MAX = 1_000
/** User IDs in one change (`LIST_CHANGE_MAX`). */
export const LIST_CHANGE_MAX = 100
/** An invite that is asked for again is sent again at most this often. */
const RESEND_MIN_MS = 3_600_000

export interface ListChange {
  readonly invite: readonly string[]
  readonly drop: readonly string[]
}

/**
 * Who follows whom, with the consent of who is followed (PRESENCE-SPEC §2.4, §2.5, §5.5). Every change is durable on both
 * sides, and in force, when it resolves; a refused one changed nothing.
 */
export interface PresenceLists {
  /**
   * Invites in order, then drops in order; who is in both is dropped. Repeating changes nothing. An invite to another server
   * waits there and here, whether or not that server can be reached now.
   *
   * @throws MatrixError 400 M_INVALID_PARAM for what is no user ID, more than `LIST_CHANGE_MAX` of them, a list that would
   *   grow beyond `LIST_MAX`, invites while more than `UNHEARD_MAX` were dropped whose servers have not heard of it, or users of
   *   other servers where those are not spoken with
   */
  change(userId: UserId, change: ListChange): Promise<void>
  /**
   * Lets the observer see the user; with `addBack` the user invites the observer too.
   *
   * @throws MatrixError 404 M_NOT_FOUND if there is no invite (P-060); 400 M_INVALID_PARAM if the user's own list is full
   */
  accept(userId: UserId, observer: UserId, options: { readonly addBack: boolean }): Promise<void>
  /** Says no; with `ignoreFuture` to every later invite, too. @throws MatrixError 404 M_NOT_FOUND (P-060) */
  deny(userId: UserId, observer: UserId, options: { readonly ignoreFuture: boolean }): Promise<void>
  /** The observer sees the user no longer, if they did. `ignoreFuture` false lifts what an earlier true set; null leaves it. */
  revoke(userId: UserId, observer: UserId, options: { readonly ignoreFuture: boolean | null }): Promise<void>
  policy(userId: UserId): Promise<InvitePolicy>
  setPolicy(userId: UserId, policy: InvitePolicy): Promise<void>
  /**
   * A list EDU of another server arrived, whose users were held against it (P-187, P-188). Coming twice, or late, changes nothing;
   * it rejects only if the store fails.
   */
  hear(origin: ServerName, edu: ListEdu): Promise<void>
  /** An invite to another server's user that nobody answered is sent once more; the user did not ask again. */
  repeat(observer: UserId, observed: UserId): Promise<void>
  /** Ends what nobody answered since `askedUntil`. */
  expire(observer: UserId, observed: UserId, askedUntil: Millis): Promise<void>
  /** The account ended: so does all that it follows and is followed by. May be called again for what it left undone. */
  end(userId: UserId): Promise<void>
}

export interface PresenceListsDeps {
  readonly store: PairStore &
    Pick<Store, 'commit' | 'presenceEntries' | 'presenceGrants' | 'invitePolicy' | 'listOutboxOf'>
  readonly stream: Pick<Stream, 'commit'>
  readonly clock: Pick<Clock, 'now'>
  readonly serverName: ServerName
  readonly directory: Pick<Directory, 'isMember'>
  readonly loop: Pick<Loop, 'granted' | 'revoked' | 'isIgnored' | 'view'>
  readonly wake: Pick<Wake, 'users'>
  readonly destinations: Pick<Destinations, 'offerLists' | 'answerPresence'>
  readonly outbox: Pick<ListOutbox, 'takesMereAnswer'>
  readonly counts: GrantCounts
  /** Are other servers spoken with at all (`federation.enabled`)? */
  readonly federates: boolean
  /** Of users who set none (`presence.invite_policy`). */
  readonly defaultPolicy: InvitePolicy
  /** Told that there is something new that will be too old one day. */
  readonly onNews: () => void
}

export function createPresenceLists(deps: PresenceListsDeps): PresenceLists {
  return new StoredLists(deps)
}

class StoredLists implements PresenceLists {
  readonly #deps: PresenceListsDeps
  /** A line for each user; whatever changes a pair holds the lines of both. */
  readonly #users = new Serial<UserId>()
  readonly #verdicts: Verdicts

  constructor(deps: PresenceListsDeps) {
    this.#deps = deps
    this.#verdicts = createVerdicts(deps)
  }

  async change(userId: UserId, { invite, drop }: ListChange): Promise<void> {
    if (invite.length + drop.length > LIST_CHANGE_MAX)
      throw refuse.invalidParam(`A change may name ${LIST_CHANGE_MAX} users`)
    const dropped = new Set(drop.flatMap(userIdIn))
    // Who is in both is dropped, and nobody needs to ask themselves.
    const isInvited = (other: UserId): boolean => other !== userId && !dropped.has(other)
    const invited = new Set(invite.flatMap(userIdIn).filter(isInvited))
    this.#requireReach(invited)
    await this.#ownChange(userId, [...invited, ...dropped], async (changes) => {
      await this.#requireRoom(userId, invited, dropped)
      for (const observed of invited) await this.#invite(changes, userId, observed)
      for (const observed of dropped) changes.atList(await changes.pair(userId, observed), 'drop', 'ask')
    })
  }

  async accept(userId: UserId, observer: UserId, { addBack }: { readonly addBack: boolean }): Promise<void> {
    await this.#ownChange(userId, [observer], async (changes) => {
      const pair = await changes.pair(observer, userId)
      if (pair.grant !== 'pending' && pair.grant !== 'granted') throw noInvite()
      changes.atGrant(pair, 'accept')
      if (!addBack) return
      this.#requireReach([observer])
      await this.#requireRoom(userId, new Set([observer]), new Set())
      await this.#invite(changes, userId, observer)
    })
  }

  async deny(
    userId: UserId,
    observer: UserId,
    { ignoreFuture }: { readonly ignoreFuture: boolean },
  ): Promise<void> {
    await this.#ownChange(userId, [observer], async (changes) => {
      const pair = await changes.pair(observer, userId)
      if (pair.grant !== 'pending') throw noInvite()
      changes.atGrant(pair, ignoreFuture ? 'deny and ignore' : 'deny')
    })
  }

  async revoke(
    userId: UserId,
    observer: UserId,
    { ignoreFuture }: { readonly ignoreFuture: boolean | null },
  ): Promise<void> {
    if (observer === userId) return
    await this.#ownChange(userId, [observer], async (changes) => {
      const pair = await changes.pair(observer, userId)
      changes.atGrant(pair, ignoreFuture === true ? 'revoke and ignore' : 'revoke')
      if (ignoreFuture === false) changes.atGrant(pair, 'lift')
    })
  }

  async policy(userId: UserId): Promise<InvitePolicy> {
    return this.#verdicts.policy(userId)
  }

  async setPolicy(userId: UserId, policy: InvitePolicy): Promise<void> {
    await this.#users.run(userId, async () => {
      await this.#requireMember(userId)
      await this.#deps.store.commit([{ put: 'invitePolicies', row: { userId, policy } }])
    })
  }

  async hear(origin: ServerName, { observer, observed, ...word }: ListEdu): Promise<void> {
    const { outbox } = this.#deps
    await this.#inLines([observer, observed], async (changes) => {
      const pair = await changes.pair(observer, observed)
      const isNew = word.kind === 'invite' && pair.grant === 'absent'
      const reverse = isNew ? await changes.pair(observed, observer) : pair
      changes.hear(pair, word, isNew ? await this.#verdicts.of(pair, reverse) : 'ask')
      if (changes.isMereAnswer && !(await outbox.takesMereAnswer(origin))) changes.silence()
    })
  }

  async repeat(observer: UserId, observed: UserId): Promise<void> {
    await this.#inLines([observer, observed], async (changes) => {
      changes.atList(await changes.pair(observer, observed), 'repeat', 'ask')
    })
  }

  async expire(observer: UserId, observed: UserId, askedUntil: Millis): Promise<void> {
    await this.#inLines([observer, observed], async (changes) => {
      const pair = await changes.pair(observer, observed)
      if (pair.askedTs <= askedUntil) changes.atList(pair, 'expire', 'ask')
      if (pair.grantTs <= askedUntil) changes.atGrant(pair, 'expire')
    })
  }

  async end(userId: UserId): Promise<void> {
    const { store } = this.#deps
    const entries = await store.presenceEntries(userId)
    await this.#endEach(
      userId,
      entries.map(({ observed }) => observed),
      async (changes, observed) => changes.atList(await changes.pair(userId, observed), 'drop', 'ask'),
    )
    for (const [state, input] of [
      ['pending', 'deny'],
      ['granted', 'revoke'],
      ['ignored', 'lift'],
    ] as const) {
      const grants = await store.presenceGrants(userId, state)
      await this.#endEach(
        userId,
        grants.map(({ observer }) => observer),
        async (changes, observer) => changes.atGrant(await changes.pair(observer, userId), input),
      )
    }
    await store.commit([
      { drop: 'presenceListNews', where: { userId } },
      { drop: 'invitePolicies', where: { userId } },
    ])
  }

  /** A bounded number in each commit, so that nobody has to wait for all. */
  async #endEach(
    userId: UserId,
    others: readonly UserId[],
    change: (changes: PairChanges, other: UserId) => Promise<void>,
  ): Promise<void> {
    for (let at = 0; at < others.length; at += LIST_CHANGE_MAX) {
      const some = others.slice(at, at + LIST_CHANGE_MAX)
      await this.#inLines([userId, ...some], async (changes) => {
        for (const other of some) await change(changes, other)
      })
    }
  }

  async #invite(changes: PairChanges, observer: UserId, observed: UserId): Promise<void> {
    const reverse = await changes.pair(observed, observer)
    // Who invites somebody wants to hear of them again.
    changes.atGrant(reverse, 'lift')
    const pair = await changes.pair(observer, observed)
    const isDue = pair.list === 'pending' && this.#deps.clock.now() - pair.askedTs > RESEND_MIN_MS
    const verdict = this.#isLocal(observed) ? await this.#verdicts.of(pair, reverse) : 'ask'
    changes.atList(pair, isDue ? 'resend' : 'invite', verdict)
  }

  /** Nobody is to wait for an answer that cannot come. */
  #requireReach(invited: Iterable<UserId>): void {
    if (this.#deps.federates || [...invited].every((userId) => this.#isLocal(userId))) return
    throw refuse.invalidParam('This server does not speak with others: only its own users can be invited')
  }

  async #requireMember(userId: UserId): Promise<void> {
    if (!(await this.#deps.directory.isMember(userId))) throw refuse.unknownToken()
  }

  async #requireRoom(
    userId: UserId,
    invited: ReadonlySet<UserId>,
    dropped: ReadonlySet<UserId>,
  ): Promise<void> {
    if (invited.size === 0) return
    const { store } = this.#deps
    const entries = await store.presenceEntries(userId)
    const left = entries.map(({ observed }) => observed).filter((observed) => !dropped.has(observed))
    const entered = new Set([...left, ...invited])
    if (entered.size > LIST_MAX) throw refuse.invalidParam(`A presence list has at most ${LIST_MAX} entries`)
    const waiting = await store.listOutboxOf(userId)
    if (waiting.filter(({ observed }) => !entered.has(observed)).length > UNHEARD_MAX)
      throw refuse.invalidParam('Too many servers have not heard yet whom this list dropped')
  }

  /** What a user does; but a request may outlive its account. */
  async #ownChange(
    userId: UserId,
    others: readonly UserId[],
    change: (changes: PairChanges) => Promise<void>,
  ): Promise<void> {
    await this.#inLines([userId, ...others], async (changes) => {
      await this.#requireMember(userId)
      await change(changes)
    })
  }

  async #inLines(userIds: readonly UserId[], change: (changes: PairChanges) => Promise<void>): Promise<void> {
    const { store, clock } = this.#deps
    await runInAll(this.#users, userIds, async () => {
      const isLocal = (userId: UserId): boolean => this.#isLocal(userId)
      const changes = new PairChanges({ store, now: clock.now(), isLocal })
      await change(changes)
      await this.#commit(changes)
    })
  }

  /** Durable first, then said to other servers, then in sight or out of it, then everybody may look. */
  async #commit(changes: PairChanges): Promise<void> {
    const { stream, counts, destinations, wake, onNews } = this.#deps
    if (changes.isEmpty) return
    await stream.commit((next) => changes.writes(next))
    for (const turn of changes.grantTurns) counts.turned(turn)
    // First, so that an accept stands before the presence that it lets through (P-190).
    for (const server of changes.addressed) destinations.offerLists(server)
    for (const turn of changes.turns) this.#turn(turn)
    for (const { server, observed } of changes.pushes) destinations.answerPresence(server, [observed])
    if (changes.told.size === 0) return
    onNews()
    wake.users(changes.told, 'rooms')
  }

  #turn({ observer, observed, visible }: Turn): void {
    const { loop } = this.#deps
    if (visible) loop.granted(observer, observed)
    else loop.revoked(observer, observed)
  }

  #isLocal(userId: UserId): boolean {
    return serverOf(userId) === this.#deps.serverName
  }
}

/** Empty texts are passed over, as servers of the time did (§2.4). */
function userIdIn(text: string): UserId[] {
  if (text === '') return []
  const userId = parseUserId(text)
  if (userId === null) throw refuse.invalidParam('What is to be invited or dropped is not a user ID')
  return [userId]
}

function noInvite(): Error {
  return refuse.notFound('There is no invite by this user')
}
