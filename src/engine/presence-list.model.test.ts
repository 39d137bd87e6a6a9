import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { assert } from '../base/assert.ts'
import { Consent } from '../../test/support/consent.ts'

type Act = readonly [name: string, act: (pair: Consent) => void]

const USERS: readonly Act[] = [
  ['invites', (pair) => pair.observer('invite')],
  ['asks again', (pair) => pair.observer('resend')],
  ['drops', (pair) => pair.observer('drop')],
  ['accepts', (pair) => pair.observed('accept')],
  ['denies', (pair) => pair.observed('deny')],
  ['denies and ignores', (pair) => pair.observed('deny and ignore')],
  ['revokes', (pair) => pair.observed('revoke')],
  ['revokes and ignores', (pair) => pair.observed('revoke and ignore')],
  ['lifts', (pair) => pair.observed('lift')],
  ['wants to be asked', (pair) => void (pair.verdict = 'ask')],
  ['accepts everybody', (pair) => void (pair.verdict = 'accept')],
  ['denies everybody', (pair) => void (pair.verdict = 'deny')],
]

const LAPSE: Act = ['nobody answered', (pair) => pair.observer('expire')]

const ROADS: readonly Act[] = [
  ['arrives there', (pair) => pair.arriveAtObserved()],
  ['arrives there twice', (pair) => pair.arriveAtObserved(2)],
  ['comes back', (pair) => pair.arriveAtObserver()],
  ['comes back twice', (pair) => pair.arriveAtObserver(2)],
]

function history(acts: readonly Act[]): fc.Arbitrary<readonly Act[]> {
  return fc.array(fc.constantFrom(...acts), { maxLength: 60, size: 'max' })
}

const AGREEMENTS: ReadonlySet<string> = new Set([
  'absent, absent',
  'absent, ignored',
  'pending, pending',
  'accepted, granted',
])

function agreement({ list, grant }: Consent): string {
  return `${list}, ${grant}`
}

function checkAgreement(pair: Consent): void {
  assert(pair.settles(), 'the sides never come to rest')
  assert(AGREEMENTS.has(agreement(pair)), `the sides disagree: ${agreement(pair)}`)
}

/** Did the observed user, by what was said and told alone, let the observer see? */
function checkConsent(pair: Consent, name: string, before: { grant: string; told: number }): void {
  if (pair.grant !== 'granted' || before.grant === 'granted') return
  const byHand = name === 'accepts' && pair.toldObserved[before.told - 1] === 'pending'
  const byPolicy = name.startsWith('arrives there') || name === 'invites' || name === 'asks again'
  assert(byHand || (byPolicy && pair.verdict === 'accept'), `granted because somebody ${name}`)
}

/** What each user was told last is what is so. */
function checkNews(pair: Consent): void {
  const lastOf = (told: readonly string[]): string => told.at(-1) ?? 'nothing'
  const over = ['nothing', 'denied', 'revoked', 'withdrawn', 'expired']
  const list = { absent: over, pending: ['pending'], accepted: ['accepted'] }[pair.list]
  const ignoredOrNot = { absent: over, ignored: over, pending: ['pending'], granted: ['accepted'] }
  assert(list.includes(lastOf(pair.toldObserver)), `the observer knows of ${pair.list}`)
  assert(ignoredOrNot[pair.grant].includes(lastOf(pair.toldObserved)), `the observed knows of ${pair.grant}`)
}

function act(pair: Consent, [name, perform]: Act): void {
  const before = { grant: pair.grant, told: pair.toldObserved.length }
  perform(pair)
  checkConsent(pair, name, before)
  checkNews(pair)
  assert(
    pair.pushedAs.every((state) => state === 'granted'),
    'presence left without a grant',
  )
}

test('P-057 P-149 L-21 on one server, where every word arrives at once, the sides agree after every act', () => {
  fc.assert(
    fc.property(history(USERS), (acts) => {
      const pair = new Consent({ stamped: false })
      for (const one of acts) {
        act(pair, one)
        checkAgreement(pair)
      }
    }),
    { numRuns: 1_000 },
  )
})

test('P-057 P-149 L-21 on two servers, whatever is late or comes twice, the sides agree once it is quiet', () => {
  fc.assert(
    fc.property(history([...USERS, LAPSE, ...ROADS, ...ROADS]), (acts) => {
      const pair = new Consent({ stamped: true })
      for (const one of acts) act(pair, one)
      checkAgreement(pair)
      checkNews(pair)
    }),
    { numRuns: 3_000 },
  )
})

test.each([
  [false, 'accepted, pending'],
  [true, 'pending, pending'],
])('an old accept that crosses a withdraw and a new invite; answers stamped: %s', (stamped, outcome) => {
  const pair = new Consent({ stamped })
  pair.observer('invite')
  pair.arriveAtObserved()
  pair.observed('accept')
  pair.observer('drop')
  pair.observer('invite')
  expect(pair.settles()).toBe(true)
  // Without the stamp nobody sees too much, but the observer waits for what will not come.
  expect(agreement(pair)).toBe(outcome)
})
