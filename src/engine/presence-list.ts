import type { InviteState } from '../matrix/presence-list.ts'

/** What an observer's server keeps of one observed user. */
export type ListState = 'absent' | 'pending' | 'accepted'

/** What an observed user's server keeps of one observer; `ignored` answers every later invite with a deny. */
export type GrantState = 'absent' | 'pending' | 'granted' | 'ignored'

/** What the two sides say to each other; between servers these are the EDUs of PRESENCE-SPEC §5.5. */
export type ToObserved = 'invite' | 'withdraw'
export type ToObserver = 'accept' | 'deny'

/**
 * `resend`: the user asks again, and the last invite is old enough. `repeat`: nobody answered, and the invite may have been
 * lost. `expire`: nobody answered within `INVITE_TTL`.
 */
export type ListInput = 'invite' | 'resend' | 'repeat' | 'drop' | 'expire' | ToObserver

/** An invite comes with what the observed user's policy makes of a new one. */
export type Verdict = 'ask' | 'accept' | 'deny'

/**
 * `accept`, `deny`, `revoke`: the observed user's own acts, the last two with or without `ignore_future`. `lift`: the
 * observed user wants to hear of the observer again.
 */
export type GrantInput =
  | `invite, ${Verdict}`
  | 'withdraw'
  | 'accept'
  | 'deny'
  | 'deny and ignore'
  | 'revoke'
  | 'revoke and ignore'
  | 'lift'
  | 'expire'

/**
 * What follows from a change. `send`: tell the other side. `event`: tell the user whose side this is. `push`: the observer's
 * server is to hear the observed user's presence. `refresh`: the time of the invite is now.
 */
export type Action<Message> =
  | { readonly kind: 'send'; readonly message: Message }
  | { readonly kind: 'event'; readonly state: InviteState }
  | { readonly kind: 'push' }
  | { readonly kind: 'refresh' }

export interface Step<State, Message> {
  readonly state: State
  readonly actions: readonly Action<Message>[]
}

/** A cell of a table: the new state and what follows; `null`: nothing changes and nothing follows. */
type Table<State extends string, Input extends string, Message> = Readonly<
  Record<State, Readonly<Record<Input, Step<State, Message> | null>>>
>

const REFRESH = { kind: 'refresh' } as const
const PUSH = { kind: 'push' } as const

/**
 * The observer's side, `list(observer, observed)`: the first table of §5.5. It never makes anybody visible; that is for the
 * other side to say.
 */
const LIST: Table<ListState, ListInput, ToObserved> = {
  absent: {
    invite: to('pending', send('invite'), event('pending')),
    resend: null,
    repeat: null,
    drop: null,
    expire: null,
    // Clears a grant that nobody uses.
    accept: to('absent', send('withdraw')),
    deny: null,
  },
  pending: {
    invite: null,
    resend: to('pending', REFRESH, send('invite')),
    repeat: to('pending', send('invite')),
    drop: to('absent', send('withdraw'), event('withdrawn')),
    expire: to('absent', event('expired')),
    accept: to('accepted', event('accepted')),
    deny: to('absent', event('denied')),
  },
  accepted: {
    invite: null,
    resend: null,
    repeat: null,
    drop: to('absent', send('withdraw'), event('withdrawn')),
    expire: null,
    accept: null,
    deny: to('absent', event('revoked')),
  },
}

const GRANTED_AGAIN = to<GrantState, ToObserver>('granted', send('accept'), PUSH)
const ASKED_AGAIN = to<GrantState, ToObserver>('pending', REFRESH)
const REFUSED_SILENTLY = to<GrantState, ToObserver>('ignored', send('deny'))

/** The observed user's side, `grant(observed, observer)`: the second table of §5.5. */
const GRANT: Table<GrantState, GrantInput, ToObserver> = {
  absent: {
    'invite, ask': to('pending', event('pending')),
    'invite, accept': to('granted', send('accept'), PUSH, event('accepted')),
    'invite, deny': to('absent', send('deny')),
    withdraw: null,
    accept: null,
    deny: null,
    'deny and ignore': null,
    revoke: null,
    // §2.5.2: whether or not there was anything to revoke.
    'revoke and ignore': to('ignored'),
    lift: null,
    expire: null,
  },
  pending: {
    'invite, ask': ASKED_AGAIN,
    'invite, accept': ASKED_AGAIN,
    'invite, deny': ASKED_AGAIN,
    withdraw: to('absent', event('withdrawn')),
    accept: to('granted', send('accept'), PUSH, event('accepted')),
    deny: to('absent', send('deny'), event('denied')),
    'deny and ignore': to('ignored', send('deny'), event('denied')),
    revoke: null,
    'revoke and ignore': to('ignored', send('deny'), event('denied')),
    lift: null,
    expire: to('absent', event('expired')),
  },
  granted: {
    // Repairs an answer that was lost.
    'invite, ask': GRANTED_AGAIN,
    'invite, accept': GRANTED_AGAIN,
    'invite, deny': GRANTED_AGAIN,
    withdraw: to('absent', event('withdrawn')),
    accept: null,
    deny: null,
    'deny and ignore': null,
    revoke: to('absent', send('deny'), event('revoked')),
    'revoke and ignore': to('ignored', send('deny'), event('revoked')),
    lift: null,
    expire: null,
  },
  ignored: {
    'invite, ask': REFUSED_SILENTLY,
    'invite, accept': REFUSED_SILENTLY,
    'invite, deny': REFUSED_SILENTLY,
    withdraw: null,
    accept: null,
    deny: null,
    'deny and ignore': null,
    revoke: null,
    'revoke and ignore': null,
    lift: to('absent'),
    expire: null,
  },
}

/** What an input does to the observer's side. */
export function stepList(state: ListState, input: ListInput): Step<ListState, ToObserved> {
  return LIST[state][input] ?? { state, actions: [] }
}

/** What an input does to the observed user's side. */
export function stepGrant(state: GrantState, input: GrantInput): Step<GrantState, ToObserver> {
  return GRANT[state][input] ?? { state, actions: [] }
}

function to<State, Message>(state: State, ...actions: readonly Action<Message>[]): Step<State, Message> {
  return { state, actions }
}

function send<Message>(message: Message): Action<Message> {
  return { kind: 'send', message }
}

function event(state: InviteState): Action<never> {
  return { kind: 'event', state }
}
