import { lookup, Resolver } from 'node:dns/promises'
import type { LookupAddress } from 'node:dns'

/** An SRV record. */
export interface ServiceRecord {
  readonly host: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** The names of machines, as an input. */
export interface Dns {
  /**
   * SRV records of a name; none if it has none.
   *
   * @throws Error if nobody could tell
   */
  services(name: string): Promise<ServiceRecord[]>
  /**
   * The addresses of a host, at least one.
   *
   * @throws Error if there is none, or nobody could tell
   */
  addresses(host: string): Promise<LookupAddress[]>
}

/** How long one name server has, and how often it is asked. */
const QUERY = { timeout: 5_000, tries: 2 }
/** What name servers say of a name that is not there, or has nothing of that kind; the last if there is no name server. */
const NOTHING: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED'])
/** Never a name server's business (RFC 6761). */
const LOCAL = /^(?:.+\.)?localhost$/i

/**
 * Asks the name servers of the machine, not its `getaddrinfo`: that would share Node's few threads with password hashes, and names
 * chosen by others may be slow to look up. Only what they do not know is asked there, for the sake of the hosts file.
 */
export function systemDns(): Dns {
  const resolver = new Resolver(QUERY)
  return {
    services: (name) => services(resolver, name),
    addresses: (host) => (LOCAL.test(host) ? lookup(host, { all: true }) : allAddresses(resolver, host)),
  }
}

/** One family is enough: name servers that never answer for the other are common. */
async function allAddresses(resolver: Resolver, host: string): Promise<LookupAddress[]> {
  const asked = await Promise.allSettled([addresses(resolver, host, 4), addresses(resolver, host, 6)])
  const found = asked.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  if (found.length > 0) return found
  for (const answer of asked) if (answer.status === 'rejected') throw answer.reason
  return lookup(host, { all: true })
}

async function services(resolver: Resolver, name: string): Promise<ServiceRecord[]> {
  const records = await orNothing(resolver.resolveSrv(name))
  return records.map(({ name: host, port, priority, weight }) => ({ host, port, priority, weight }))
}

async function addresses(resolver: Resolver, host: string, family: 4 | 6): Promise<LookupAddress[]> {
  const found = await orNothing(family === 4 ? resolver.resolve4(host) : resolver.resolve6(host))
  return found.map((address) => ({ address, family }))
}

async function orNothing<T>(asked: Promise<T[]>): Promise<T[]> {
  try {
    return await asked
  } catch (error) {
    if (NOTHING.has((error as NodeJS.ErrnoException).code)) return []
    throw error
  }
}
