import { OUTSIDER, tokenOf, userIdOf } from './population.ts'

/** A whole HTTP request as it goes over the wire; the body is ASCII. */
export function httpRequest(
  method: string,
  path: string,
  { token, body = '' }: { readonly token?: string; readonly body?: string } = {},
): string {
  const lines = [`${method} ${path} HTTP/1.1`, 'host: 127.0.0.1', 'connection: keep-alive']
  if (token !== undefined) lines.push(`authorization: Bearer ${token}`)
  if (body !== '') lines.push('content-type: application/json', `content-length: ${body.length}`)
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

/** A long poll from where the last answer ended. */
export function poll(user: number, since: string, timeoutMs: number): string {
  const path = `/_matrix/client/v3/sync?timeout=${timeoutMs}&since=${since}`
  return httpRequest('GET', path, { token: tokenOf(user) })
}

/** A place in the stream is the same for everybody: one first sync, of somebody who sees nobody, gives it to all. */
export function firstSync(): string {
  const path = '/_matrix/client/v3/sync?timeout=0&set_presence=offline'
  return httpRequest('GET', path, { token: tokenOf(OUTSIDER) })
}

/** `PUT status`, each round another text. */
export function statusChange(user: number, round: number): string {
  const path = `/_matrix/client/v3/presence/${encodeURIComponent(userIdOf(user))}/status`
  const body = JSON.stringify({ presence: 'online', status_msg: `in meeting ${round}` })
  return httpRequest('PUT', path, { token: tokenOf(user), body })
}

/** Without parsing the rest; empty if there is none. */
export function nextBatchOf(body: string): string {
  const key = '"next_batch":"'
  const start = body.indexOf(key)
  if (start < 0) return ''
  return body.slice(start + key.length, body.indexOf('"', start + key.length))
}
