import { matchesGlob } from '../matrix/glob.ts'
import type { ServerName } from '../matrix/ids.ts'
import { own, type JsonObject } from '../matrix/json.ts'

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/

/** Does the content of an `m.room.server_acl` let the server take part (§7.9)? */
export function admitsServer(content: JsonObject, serverName: ServerName): boolean {
  const host = serverName.replace(/:\d+$/, '').toLowerCase()
  const isAddress = host.startsWith('[') || IPV4.test(host)
  if (isAddress && own(content, 'allow_ip_literals') === false) return false
  if (globs(content, 'deny').some((glob) => matchesGlob(glob, host))) return false
  return globs(content, 'allow').some((glob) => matchesGlob(glob, host))
}

/** Entries that are not strings are skipped. */
function globs(content: JsonObject, name: 'allow' | 'deny'): string[] {
  const list = own(content, name)
  if (!Array.isArray(list)) return []
  return list.filter((glob) => typeof glob === 'string').map((glob) => glob.toLowerCase())
}
