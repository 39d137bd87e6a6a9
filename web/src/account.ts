import type { Session } from './session.ts'

const DEVICE_NAME = 'Adsum in a browser'

/** Why signing in or registering did not work, as a sentence for the person who tried. */
export class AccountProblem extends Error {
  override readonly name = 'AccountProblem'
}

interface Reply {
  readonly user_id?: unknown
  readonly access_token?: unknown
  readonly errcode?: unknown
  readonly error?: unknown
  readonly retry_after_ms?: unknown
}

/** @throws AccountProblem */
export function signIn(user: string, password: string): Promise<Session> {
  return begin('login', { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password })
}

/** @throws AccountProblem */
export function register(username: string, password: string): Promise<Session> {
  return begin('register', { username, password, auth: { type: 'm.login.dummy' } })
}

/** Ends the login on the server too, if it can be reached: others then see at once that this device is gone. */
export async function signOut({ accessToken }: Session): Promise<void> {
  try {
    await fetch('/_matrix/client/v3/logout', {
      method: 'POST',
      headers: { authorization: `Bearer ${accessToken}` },
    })
  } catch {
    // The token stays valid there; here it is forgotten.
  }
}

async function begin(endpoint: 'login' | 'register', body: object): Promise<Session> {
  const reply = await post(endpoint, { ...body, initial_device_display_name: DEVICE_NAME })
  const { user_id: userId, access_token: accessToken } = reply
  if (typeof userId === 'string' && typeof accessToken === 'string') return { userId, accessToken }
  throw new AccountProblem(problemText(endpoint, reply))
}

async function post(endpoint: string, body: object): Promise<Reply> {
  try {
    const response = await fetch(`/_matrix/client/v3/${endpoint}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return (await response.json()) as Reply
  } catch {
    throw new AccountProblem('The server cannot be reached.')
  }
}

/** Known mistakes in our words, others in the server's. */
export function problemText(endpoint: 'login' | 'register', reply: Reply): string {
  switch (reply.errcode) {
    case 'M_FORBIDDEN':
      return endpoint === 'login'
        ? 'The name or the password is wrong.'
        : 'This server does not let people make their own accounts. Ask whoever runs it.'
    case 'M_USER_IN_USE':
      return 'Somebody has that name already.'
    case 'M_INVALID_USERNAME':
      return 'A name is made of small letters, digits and . _ = - / +'
    case 'M_LIMIT_EXCEEDED':
      return `Too many tries. Try again in ${seconds(reply.retry_after_ms)}.`
    default:
      return typeof reply.error === 'string' ? reply.error : 'The server gave an answer that makes no sense.'
  }
}

function seconds(ms: unknown): string {
  const count = typeof ms === 'number' ? Math.max(1, Math.ceil(ms / 1000)) : 60
  return count === 1 ? 'a second' : `${count} seconds`
}
