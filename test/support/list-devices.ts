import { expect } from 'vitest'
import type { UserId } from '../../src/matrix/ids.ts'
import { INVITE_POLICIES, type InviteState } from '../../src/matrix/presence-list.ts'
import type { Choices, ListHouse } from './list-house.ts'
import { inWords, type InviteContent } from './lists.ts'

/** A device that syncs now and then, and believes what it was told. */
export class ListDevice {
  readonly userId: UserId
  readonly #told = new Map<string, InviteState>()
  #since = 0

  constructor(userId: UserId) {
    this.userId = userId
  }

  /** How much it was told. */
  async syncs({ news, stream }: ListHouse): Promise<number> {
    const upTo = stream.current
    const { events } = await news.read(this.userId, { after: this.#since, upTo, withPending: false })
    for (const { content } of events as unknown as { content: InviteContent }[]) {
      const [direction = '', other = '', state] = inWords(content).split(' ')
      this.#told.set(`${direction} ${other}`, state as InviteState)
    }
    this.#since = upTo
    return events.length
  }

  /** What it would show of a pair. */
  believes(direction: string, other: UserId): string {
    const state = this.#told.get(`${direction} ${other}`)
    return state === 'pending' || state === 'accepted' ? state : 'over'
  }

  /** What it would show is what is so. */
  checkBelief(other: UserId, { list, grant }: { readonly list: string; readonly grant: string }): void {
    expect(this.believes('outgoing', other)).toBe(list)
    expect(this.believes('incoming', other)).toBe({ granted: 'accepted', ignored: 'over' }[grant] ?? grant)
  }
}

/** One of all that a user can do about another. */
export async function operate(
  { lists }: ListHouse,
  me: UserId,
  other: UserId,
  { of, below }: Choices,
): Promise<void> {
  const ignoreFuture = below(8) === 0
  const operations: (() => Promise<unknown>)[] = [
    () => lists.change(me, { invite: [other], drop: [] }),
    () => lists.change(me, { invite: [other, me], drop: [] }),
    () => lists.change(me, { invite: [], drop: [other] }),
    () => lists.change(me, { invite: [other], drop: [other] }),
    () => lists.accept(me, other, { addBack: below(2) === 0 }),
    () => lists.accept(me, other, { addBack: false }),
    () => lists.deny(me, other, { ignoreFuture }),
    () => lists.revoke(me, other, { ignoreFuture: of([true, false, null]) }),
    () => lists.revoke(me, other, { ignoreFuture: false }),
    () => lists.setPolicy(me, of(INVITE_POLICIES)),
  ]
  try {
    await of(operations)()
  } catch (error) {
    // "There is no invite" is an answer like another.
    expect(error).toMatchObject({ errcode: 'M_NOT_FOUND' })
  }
}
