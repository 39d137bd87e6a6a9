import {
  stepGrant,
  stepList,
  type GrantInput,
  type GrantState,
  type ListInput,
  type ListState,
  type ToObserved,
  type ToObserver,
  type Verdict,
} from '../../src/engine/presence-list.ts'
import type { InviteState } from '../../src/matrix/presence-list.ts'

interface Letter<Message> {
  readonly message: Message
  /** The asking that it makes or answers. */
  readonly asking: number
}

/**
 * An observer and an observed user on two servers, with a road in each direction that keeps the order of what is sent but
 * may take any time and deliver things twice. `stamped`: answers say which asking they answer, and those to an older one are passed over.
 */
export class Consent {
  list: ListState = 'absent'
  grant: GrantState = 'absent'
  /** What each user was told, oldest first. */
  readonly toldObserver: InviteState[] = []
  readonly toldObserved: InviteState[] = []
  /** Presence that left the observed user's server. */
  readonly pushedAs: GrantState[] = []
  readonly #stamped: boolean
  #verdict: Verdict = 'ask'
  #askings = 0
  #asked = 0
  #heard = 0
  /** The asking that ended unanswered at the observer's. */
  #lapsed = 0
  readonly #toObserved: Letter<ToObserved>[] = []
  readonly #toObserver: Letter<ToObserver>[] = []

  constructor({ stamped }: { readonly stamped: boolean }) {
    this.#stamped = stamped
  }

  get isQuiet(): boolean {
    return this.#toObserved.length === 0 && this.#toObserver.length === 0
  }

  set verdict(verdict: Verdict) {
    this.#verdict = verdict
  }

  get verdict(): Verdict {
    return this.#verdict
  }

  observer(input: ListInput): void {
    const { state, actions } = stepList(this.list, input)
    // Asking again is the same asking: an answer to the first invite answers both.
    if (this.list === 'absent' && state === 'pending') this.#asked = this.#askings += 1
    if (input === 'expire' && this.list === 'pending') this.#lapsed = this.#asked
    this.list = state
    for (const action of actions) {
      if (action.kind === 'event') this.toldObserver.push(action.state)
      if (action.kind === 'send') this.#toObserved.push({ message: action.message, asking: this.#asked })
    }
  }

  observed(input: GrantInput): void {
    const { state, actions } = stepGrant(this.grant, input)
    this.grant = state
    for (const action of actions) {
      if (action.kind === 'event') this.toldObserved.push(action.state)
      if (action.kind === 'push') this.pushedAs.push(this.grant)
      if (action.kind === 'send') this.#toObserver.push({ message: action.message, asking: this.#heard })
    }
  }

  /** The oldest thing on the road arrives; `times` 2: twice, as when its receipt was lost. */
  arriveAtObserved(times = 1): void {
    const letter = this.#toObserved.shift()
    if (letter === undefined) return
    for (let i = 0; i < times; i += 1) {
      // Its deny is on the way already.
      const isDenied = this.#toObserver.some(
        ({ message, asking }) => message === 'deny' && letter.asking <= asking,
      )
      if (letter.message === 'invite' && this.grant === 'absent' && this.#stamped && isDenied) continue
      if (letter.message === 'invite') this.#heard = letter.asking
      this.observed(letter.message === 'invite' ? `invite, ${this.#verdict}` : letter.message)
    }
  }

  arriveAtObserver(times = 1): void {
    const letter = this.#toObserver.shift()
    if (letter === undefined) return
    for (let i = 0; i < times; i += 1) {
      const isOld = this.list !== 'absent' && letter.asking < this.#asked
      if (this.#stamped && isOld) continue
      this.observer(letter.message)
      // It asked again before it heard.
      const isAsking = this.#toObserved.some(({ message }) => message === 'invite')
      if (this.#stamped && letter.message === 'deny' && isAsking)
        this.#toObserved.push({ message: 'withdraw', asking: this.#asked })
    }
  }

  /** Everything arrives; false if that never ends. */
  settles(): boolean {
    for (let i = 0; i < 1_000 && !this.isQuiet; i += 1) {
      this.arriveAtObserved()
      this.arriveAtObserver()
    }
    // The observed user's time for an asking ends a little after the observer's.
    if (this.grant === 'pending' && this.#heard === this.#lapsed) this.observed('expire')
    return this.isQuiet
  }
}
