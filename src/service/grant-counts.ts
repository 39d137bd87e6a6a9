import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import type { Row } from '../ports/store.ts'
import type { GrantTurn } from './presence-list-changes.ts'

/** Invites that wait for one user's answer; one more is denied at once, so that nobody's inbox can be flooded. */
export const INVITES_WAITING_MAX = 1_000
/** As many of them may be by users of one other server: the rest is left to others. */
export const ORIGIN_INVITES_PER_USER_MAX = 250
/** Invites by users of one other server that wait for the answers of anybody here. */
export const ORIGIN_INVITES_MAX = 10_000
/** Observers of one user; a policy gives nobody more, the user may. */
export const OBSERVERS_MAX = 10_000

type Counted = Pick<Row<'presenceGrants'>, 'observer' | 'observed'>

/**
 * How many grants there are, of whom and for whom, so that a new invite is judged without a look into the store: whoever
 * floods should cost nothing. Tombstones do not count: they are a user's own doing.
 */
export class GrantCounts {
  readonly #serverName: ServerName
  readonly #counts = new Map<string, number>()

  /** From the rows at start. */
  constructor({
    rows,
    serverName,
  }: {
    readonly rows: readonly Row<'presenceGrants'>[]
    readonly serverName: ServerName
  }) {
    this.#serverName = serverName
    for (const { observer, observed, state } of rows)
      this.turned({ observer, observed, before: 'absent', after: state })
  }

  /** A grant changed, durably. */
  turned({ observer, observed, before, after }: GrantTurn): void {
    const by = (step: 1 | -1, state: GrantTurn['after']): void => {
      if (state === 'pending')
        for (const key of this.#waitingKeys({ observer, observed })) this.#add(key, step)
      if (state === 'granted') this.#add(grantedKey(observed), step)
    }
    by(-1, before)
    by(1, after)
  }

  /** May one more invite wait for the observed user's answer? */
  mayWait(pair: Counted): boolean {
    const [ofAll = '', ofOriginHere = '', ofOrigin = ''] = this.#waitingKeys(pair)
    if (this.#of(ofAll) >= INVITES_WAITING_MAX) return false
    if (ofOrigin === '') return true
    return this.#of(ofOriginHere) < ORIGIN_INVITES_PER_USER_MAX && this.#of(ofOrigin) < ORIGIN_INVITES_MAX
  }

  /** May one more observer get a grant that the observed user's policy gives? */
  mayBeGiven(observed: UserId): boolean {
    return this.#of(grantedKey(observed)) < OBSERVERS_MAX
  }

  /** What a waiting invite counts towards; for our own users there is no origin. No ID holds a NUL. */
  #waitingKeys({ observer, observed }: Counted): string[] {
    const origin = serverOf(observer)
    const ofAll = `for ${observed}`
    return origin === this.#serverName ? [ofAll] : [ofAll, `for ${observed}\0by ${origin}`, `by ${origin}`]
  }

  #of(key: string): number {
    return this.#counts.get(key) ?? 0
  }

  #add(key: string, step: number): void {
    const count = this.#of(key) + step
    if (count <= 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }
}

function grantedKey(observed: UserId): string {
  return `of ${observed}`
}
