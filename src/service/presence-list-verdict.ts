import { assertNever } from '../base/assert.ts'
import type { Verdict } from '../engine/presence-list.ts'
import type { UserId } from '../matrix/ids.ts'
import type { InvitePolicy } from '../matrix/presence-list.ts'
import type { Directory } from '../ports/directory.ts'
import type { Store } from '../ports/store.ts'
import type { GrantCounts } from './grant-counts.ts'
import type { Loop } from './loop.ts'
import type { Pair } from './presence-list-changes.ts'

/** What becomes of invites to users of this server, wherever they come from (PRESENCE-SPEC §2.5.2). */
export interface Verdicts {
  /** What the user does with new invites. */
  policy(userId: UserId): Promise<InvitePolicy>
  /** `reverse`: the pair the other way round, for who accepts those they follow themselves. */
  of(pair: Pair, reverse: Pair): Promise<Verdict>
}

export interface VerdictsDeps {
  readonly store: Pick<Store, 'invitePolicy'>
  readonly directory: Pick<Directory, 'isMember'>
  readonly loop: Pick<Loop, 'isIgnored' | 'view'>
  readonly counts: Pick<GrantCounts, 'mayWait' | 'mayBeGiven'>
  /** Of users who set none (`presence.invite_policy`). */
  readonly defaultPolicy: InvitePolicy
}

export function createVerdicts({ store, directory, loop, counts, defaultPolicy }: VerdictsDeps): Verdicts {
  const policy = async (userId: UserId): Promise<InvitePolicy> =>
    ((await store.invitePolicy(userId)) ?? defaultPolicy) as InvitePolicy

  /** What the observed user would have done with it. */
  const wish = async ({ observer, observed }: Pair, reverse: Pair): Promise<Verdict> => {
    if (!(await directory.isMember(observed)) || loop.isIgnored(observer, observed)) return 'deny'
    const chosen = await policy(observed)
    switch (chosen) {
      case 'accept_all':
        return 'accept'
      case 'deny_all':
        return 'deny'
      case 'accept_reverse':
        return reverse.list === 'absent' ? 'ask' : 'accept'
      case 'accept_shared_room':
        return loop.view(observer, observed) === null ? 'ask' : 'accept'
      case 'manual':
        return 'ask'
      default:
        return assertNever(chosen)
    }
  }

  return {
    policy,
    async of(pair, reverse) {
      // Whoever has an answer, or waits for one, gets no other by asking again.
      if (pair.grant !== 'absent') return 'ask'
      const verdict = await wish(pair, reverse)
      if (verdict === 'ask') return counts.mayWait(pair) ? 'ask' : 'deny'
      return verdict === 'accept' && !counts.mayBeGiven(pair.observed) ? 'deny' : verdict
    },
  }
}
