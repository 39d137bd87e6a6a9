import { expect, test } from 'vitest'
import type { UserId } from '../matrix/ids.ts'
import type { InvitePolicy } from '../matrix/presence-list.ts'
import type { Pair } from './presence-list-changes.ts'
import { createVerdicts } from './presence-list-verdict.ts'

const PAIR: Pair = {
  observer: '@zoe:remote' as UserId,
  observed: '@alice:hs' as UserId,
  list: 'absent',
  askedTs: 0,
  grant: 'absent',
  grantTs: 0,
}

/** What became of an invite, and how often the account was looked up for it. */
async function verdictOf(options: {
  readonly policy: InvitePolicy
  readonly pair?: Partial<Pair>
  readonly mayWait?: boolean
  readonly mayBeGiven?: boolean
}): Promise<[verdict: string, lookUps: number]> {
  let lookUps = 0
  const verdicts = createVerdicts({
    store: { invitePolicy: async () => null },
    directory: { isMember: async () => (lookUps += 1) > 0 },
    loop: { isIgnored: () => false, view: () => null },
    counts: {
      mayWait: () => options.mayWait ?? true,
      mayBeGiven: () => options.mayBeGiven ?? true,
    },
    defaultPolicy: options.policy,
  })
  return [await verdicts.of({ ...PAIR, ...options.pair }, PAIR), lookUps]
}

test('who has too many observers gives no more by policy, and is still asked', async () => {
  expect(await verdictOf({ policy: 'accept_all' })).toEqual(['accept', 1])
  expect(await verdictOf({ policy: 'accept_all', mayBeGiven: false })).toEqual(['deny', 1])
  expect(await verdictOf({ policy: 'manual', mayBeGiven: false })).toEqual(['ask', 1])
})

test('an invite for which there is no room is denied; what is accepted needs none', async () => {
  expect(await verdictOf({ policy: 'manual', mayWait: false })).toEqual(['deny', 1])
  expect(await verdictOf({ policy: 'accept_all', mayWait: false })).toEqual(['accept', 1])
  expect(await verdictOf({ policy: 'deny_all', mayWait: false })).toEqual(['deny', 1])
})

test.each(['pending', 'granted', 'ignored'] as const)(
  'of a grant that is %s nothing is looked up',
  async (grant) => {
    expect(await verdictOf({ policy: 'deny_all', pair: { grant } })).toEqual(['ask', 0])
  },
)
