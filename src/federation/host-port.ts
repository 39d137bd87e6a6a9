import { isIP } from 'node:net'
import type { ServerName } from '../matrix/ids.ts'

/** A server name taken apart. */
export interface HostPort {
  /** Host name or IP address, the latter without brackets. */
  readonly host: string
  /** Null if the name has none. */
  readonly port: number | null
  readonly isAddress: boolean
}

const PARTS = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/
const PORT_MAX = 65_535

/** Null for ports that are none, and for brackets with no address between them. */
export function hostPortOf(name: ServerName | string): HostPort | null {
  const [, bracketed, plain = '', digits] = PARTS.exec(name) ?? []
  const port = digits === undefined ? null : Number(digits)
  if (port !== null && (port === 0 || port > PORT_MAX)) return null
  if (bracketed !== undefined)
    return isIP(bracketed) === 6 ? { host: bracketed, port, isAddress: true } : null
  return plain === '' ? null : { host: plain, port, isAddress: isIP(plain) === 4 }
}
