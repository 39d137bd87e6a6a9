import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import type { Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import { RESOLVER_BOUNDS } from './bounds.ts'
import type { ServiceRecord } from './dns.ts'
import type { HttpsOutcome } from './https-client.ts'
import { Resolver } from './resolver.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

let clock: ManualClock
/** What DNS and the web know; what is not there does not exist. */
let services: Map<string, ServiceRecord[] | Error>
let pages: Map<string, HttpsOutcome | Promise<HttpsOutcome>>
let asked: string[]
let fraction: number
let resolver: Resolver

beforeEach(() => {
  clock = new ManualClock()
  services = new Map()
  pages = new Map()
  asked = []
  fraction = 0.5
  resolver = aResolver()
})

function aResolver(bounds: Partial<typeof RESOLVER_BOUNDS> | object = {}): Resolver {
  const random: Random = { bytes: (n) => new Uint8Array(n), int: () => 0, fraction: () => fraction }
  return new Resolver({
    routes: new Map([
      ['fixed.example' as ServerName, '127.0.0.1:9001'],
      ['fixed.example:8448' as ServerName, 'localhost:9002'],
      ['[::1]:8448' as ServerName, '[::1]:9003'],
    ]),
    dns: {
      services: async (name) => {
        asked.push(name)
        const found = services.get(name) ?? []
        if (found instanceof Error) throw found
        return found
      },
      addresses: () => Promise.reject(new Error('not the business of this')),
    },
    fetchPage: async (url) => {
      asked.push(url.href)
      return (await pages.get(url.href)) ?? answer(404, 'nothing here')
    },
    clock,
    random,
    bounds: { ...RESOLVER_BOUNDS, ...bounds },
  })
}

function answer(status: number, body: string, headers: Record<string, string> = {}): HttpsOutcome {
  return { kind: 'answered', status, headers: new Map(Object.entries(headers)), body: Buffer.from(body) }
}

const delegatesTo = (name: string, headers: Record<string, string> = {}): HttpsOutcome =>
  answer(200, JSON.stringify({ 'm.server': name }), headers)

const wellKnown = (host: string): string => `https://${host}/.well-known/matrix/server`
const record = (host: string, port: number, priority = 10, weight = 5): ServiceRecord => ({
  host,
  port,
  priority,
  weight,
})

/** Targets → Host header, certificate. */
async function found(name: string): Promise<string> {
  const address = await resolver.resolve(name as ServerName)
  if (address === null) return 'nowhere'
  const targets = address.targets.map(({ host, port }) => `${host}/${port}`).join(' ')
  return `${targets} → ${address.hostHeader}, ${address.tlsName}`
}

describe('§5.1 the steps', () => {
  test.each([
    ['1.2.3.4', '1.2.3.4/8448 → 1.2.3.4, 1.2.3.4'],
    ['1.2.3.4:80', '1.2.3.4/80 → 1.2.3.4:80, 1.2.3.4'],
    ['[2001:db8::1]', '2001:db8::1/8448 → [2001:db8::1], 2001:db8::1'],
    ['[2001:db8::1]:99', '2001:db8::1/99 → [2001:db8::1]:99, 2001:db8::1'],
    ['a.example:99', 'a.example/99 → a.example:99, a.example'],
    ['a.example:99999', 'nowhere'],
    ['fixed.example', '127.0.0.1/9001 → fixed.example, fixed.example'],
    ['fixed.example:8448', 'localhost/9002 → fixed.example:8448, fixed.example'],
    ['[::1]:8448', '::1/9003 → [::1]:8448, ::1'],
  ])('%s needs no look-up: %s', async (name, address) => {
    expect(await found(name)).toBe(address)
    expect(asked).toEqual([])
  })

  test('a bare name: well-known, then both services, then port 8448; in this order', async () => {
    expect(await found('a.example')).toBe('a.example/8448 → a.example, a.example')
    expect(asked).toEqual([wellKnown('a.example'), '_matrix-fed._tcp.a.example', '_matrix._tcp.a.example'])
  })

  test('a service of today comes before a deprecated one; host and certificate stay those of the name', async () => {
    services.set('_matrix._tcp.a.example', [record('old.example', 2)])
    expect(await found('a.example')).toBe('old.example/2 → a.example, a.example')
    services.set('_matrix-fed._tcp.a.example', [record('new.example', 1)])
    resolver = aResolver()
    expect(await found('a.example')).toBe('new.example/1 → a.example, a.example')
  })

  test.each([
    ['5.6.7.8', '5.6.7.8/8448 → 5.6.7.8, 5.6.7.8'],
    ['[::2]:5', '::2/5 → [::2]:5, ::2'],
    ['b.example:443', 'b.example/443 → b.example:443, b.example'],
    ['b.example', 'target.example/7 → b.example, b.example'],
    ['c.example', 'c.example/8448 → c.example, c.example'],
  ])('delegation to %s leads by the same rules to %s', async (name, address) => {
    pages.set(wellKnown('a.example'), delegatesTo(name))
    services.set('_matrix-fed._tcp.b.example', [record('target.example', 7)])
    // Of the name that delegates, and of the name that is delegated to, nothing more is looked at.
    services.set('_matrix-fed._tcp.a.example', [record('wrong.example', 7)])
    pages.set(wellKnown('b.example'), delegatesTo('wrong.example:1'))
    expect(await found('a.example')).toBe(address)
  })

  test.each([
    ['no JSON', answer(200, 'm.server=b.example')],
    ['no object', answer(200, '["b.example"]')],
    ['no name', answer(200, '{"m.server": 5}')],
    ['a bad name', delegatesTo('b_example/x')],
    ['a bad port', delegatesTo('b.example:70000')],
    ['no 200', { ...delegatesTo('b.example'), status: 201 } as HttpsOutcome],
    ['too long a page', answer(200, `{"m.server":"b.example","x":"${'x'.repeat(51_200)}"}`)],
    ['far too long a page', { ...delegatesTo('b.example'), body: null } as HttpsOutcome],
    ['a server error', answer(500, '')],
    ['no answer', { kind: 'failed', reason: 'refused' } as const],
  ])('%s is no delegation: the next step', async (_what, page) => {
    pages.set(wellKnown('a.example'), page)
    expect(await found('a.example')).toBe('a.example/8448 → a.example, a.example')
  })

  test('redirects are followed, relative ones too', async () => {
    pages.set(wellKnown('a.example'), answer(301, '', { location: 'https://www.a.example/x?y=1' }))
    pages.set('https://www.a.example/x?y=1', answer(307, '', { location: '/z' }))
    pages.set('https://www.a.example/z', delegatesTo('b.example:1'))
    expect(await found('a.example')).toBe('b.example/1 → b.example:1, b.example')
  })

  test.each(['http://a.example/plain', 'ftp://a.example/', 'https://', '', 'file:///etc/passwd'])(
    'a redirect to "%s" is not followed',
    async (location) => {
      pages.set(wellKnown('a.example'), answer(302, '', { location }))
      expect(await found('a.example')).toBe('a.example/8448 → a.example, a.example')
      expect(asked.filter((what) => what.includes('/'))).toHaveLength(1)
    },
  )

  test('redirects in a circle end, and so do those that lead ever further', async () => {
    pages.set(wellKnown('a.example'), answer(302, '', { location: 'https://b.example/' }))
    pages.set('https://b.example/', answer(302, '', { location: wellKnown('a.example') }))
    expect(await found('a.example')).toBe('a.example/8448 → a.example, a.example')
    expect(asked.filter((what) => what.includes('/'))).toHaveLength(2)
    for (let i = 0; i < 100; i += 1)
      pages.set(`https://far.example/${i}`, answer(302, '', { location: `/${i + 1}` }))
    pages.set(wellKnown('far.example'), answer(302, '', { location: '/0' }))
    asked = []
    await found('far.example')
    expect(asked.filter((what) => what.includes('/'))).toHaveLength(RESOLVER_BOUNDS.redirectsMax + 1)
  })

  test('services by priority, within one by weight; "." is no service', async () => {
    services.set('_matrix-fed._tcp.a.example', [
      record('later.example', 3, 20),
      record('heavy.example', 2, 10, 90),
      record('light.example', 1, 10, 10),
      record('.', 0, 0),
    ])
    fraction = 0.5
    expect(await found('a.example')).toMatch(/^heavy.example\/2 light.example\/1 later.example\/3 /)
    resolver = aResolver()
    fraction = 0.95
    expect(await found('a.example')).toMatch(/^light.example\/1 heavy.example\/2 later.example\/3 /)
    services.set('_matrix-fed._tcp.b.example', [record('.', 0)])
    expect(await found('b.example')).toMatch(/^b.example\/8448 /)
  })

  test('name servers that fail are no end: the host is tried, and they are asked again soon', async () => {
    services.set('_matrix-fed._tcp.a.example', new Error('SERVFAIL'))
    expect(await found('a.example')).toMatch(/^a.example\/8448 /)
    services.set('_matrix-fed._tcp.a.example', [record('b.example', 1)])
    await clock.advance(60_000)
    expect(await found('a.example')).toMatch(/^b.example\/1 /)
  })
})

describe('§5.1 what is remembered', () => {
  const delegationLasts = async (headers: Record<string, string>): Promise<number> => {
    clock = new ManualClock()
    resolver = aResolver()
    pages.set(wellKnown('a.example'), delegatesTo('b.example:1', headers))
    await found('a.example')
    asked = []
    for (let minutes = 1; minutes <= 3 * 24 * 60; minutes += 1) {
      await clock.advance(60_000)
      await found('a.example')
      if (asked.length > 0) return minutes * 60_000
    }
    return Infinity
  }

  test.each([
    [{}, DAY],
    [{ 'cache-control': 'public, max-age=7200' }, 2 * HOUR],
    [{ 'cache-control': 'max-age=7200', expires: 'Fri, 02 Oct 2015 13:00:00 GMT' }, 2 * HOUR],
    [{ 'cache-control': 'max-age=99999999' }, 2 * DAY],
    [{ 'cache-control': 'no-store' }, 60_000],
    [{ 'cache-control': 'max-age=0' }, 60_000],
    [{ expires: 'Fri, 02 Oct 2015 13:00:00 GMT' }, HOUR],
    [{ expires: '0' }, 60_000],
    [{ 'cache-control': 'immutable' }, DAY],
  ])('a delegation with %j is believed for %d ms', async (headers, ms) => {
    expect(await delegationLasts(headers)).toBe(ms)
  })

  test('errors are remembered for a minute, then longer and longer, up to an hour', async () => {
    await found('a.example')
    const times: number[] = []
    const startTs = clock.now()
    for (let minutes = 1; minutes <= 200; minutes += 1) {
      asked = []
      await clock.advance(60_000)
      await found('a.example')
      if (asked.includes(wellKnown('a.example'))) times.push((clock.now() - startTs) / 60_000)
    }
    expect(times).toEqual([1, 3, 7, 15, 31, 63, 123, 183])
  })

  test('a delegation outlives a web server that does not answer, for two days; one that answers otherwise ends it', async () => {
    pages.set(wellKnown('a.example'), delegatesTo('b.example:1', { 'cache-control': 'max-age=60' }))
    await found('a.example')
    pages.set(wellKnown('a.example'), { kind: 'failed', reason: 'refused' })
    await clock.advance(2 * DAY - HOUR)
    expect(await found('a.example')).toMatch(/^b.example\/1 /)
    await clock.advance(HOUR)
    expect(await found('a.example')).toMatch(/^a.example\/8448 /)
    pages.set(wellKnown('a.example'), delegatesTo('c.example:1', { 'cache-control': 'max-age=60' }))
    await clock.advance(HOUR)
    expect(await found('a.example')).toMatch(/^c.example\/1 /)
    pages.delete(wellKnown('a.example'))
    await clock.advance(60_000)
    expect(await found('a.example')).toMatch(/^a.example\/8448 /)
  })

  test('services are asked for again after ten minutes', async () => {
    pages.set(wellKnown('a.example'), delegatesTo('b.example'))
    await found('a.example')
    asked = []
    await clock.advance(599_000)
    await found('a.example')
    expect(asked).toEqual([])
    await clock.advance(1_000)
    await found('a.example')
    expect(asked).toEqual(['_matrix-fed._tcp.b.example', '_matrix._tcp.b.example'])
  })

  test('who asks for the same name at the same time shares the look-up', async () => {
    const page = Promise.withResolvers<HttpsOutcome>()
    pages.set(wellKnown('a.example'), page.promise)
    const answers = [found('a.example'), found('a.example'), found('a.example')]
    await settle()
    page.resolve(delegatesTo('b.example:1'))
    expect(new Set(await Promise.all(answers)).size).toBe(1)
    expect(asked).toEqual([wellKnown('a.example')])
  })

  test('look-ups that hang are bounded, and hold up nobody whose address is known', async () => {
    resolver = aResolver({ lookupsMax: 2 })
    await found('known.example')
    for (const name of ['a.example', 'b.example']) {
      pages.set(wellKnown(name), new Promise(() => {}))
      void found(name)
    }
    expect(await found('c.example')).toBe('nowhere')
    expect(await found('known.example')).toMatch(/^known.example\/8448 /)
  })

  test('names are remembered in bounded number', async () => {
    resolver = aResolver({ serversMax: 2 })
    for (const name of ['a.example', 'b.example', 'c.example']) await found(name)
    asked = []
    await found('c.example')
    expect(asked).toEqual([])
    await found('a.example')
    expect(asked).toContain(wellKnown('a.example'))
  })
})
