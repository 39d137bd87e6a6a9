import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ROOM_VERSIONS } from '../matrix/room-version/index.ts'
import { readConfig, type ConfigSources } from './config.ts'
import { dumpConfig, generateConfig } from './options-text.ts'
import { allOptions, OPTIONS, type Config } from './options.ts'

let folder: string

beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'adsum-config-'))))
afterAll(() => rmSync(folder, { recursive: true }))

let files = 0

function file(text: string): string {
  const path = join(folder, `${(files += 1)}.yaml`)
  writeFileSync(path, text)
  return path
}

function configOf(texts: readonly string[], env: ConfigSources['env'] = {}): Config {
  const outcome = readConfig({ files: texts.map(file), env })
  if (outcome.kind === 'problems') throw new Error(outcome.problems.join('\n'))
  return outcome.config
}

/** The problems, with the folder's name taken out. */
function problemsOf(texts: readonly string[], env: ConfigSources['env'] = {}): string[] {
  const outcome = readConfig({ files: texts.map(file), env })
  if (outcome.kind === 'config') return []
  return outcome.problems.map((problem) => problem.replace(/^.*\/\d+\.yaml/, 'file'))
}

test('without any source, the defaults are those of the specification', () => {
  const config = configOf([])
  expect(config.serverName).toBe('localhost:8008')
  expect(config.listeners).toEqual([
    {
      port: 8008,
      bind: '127.0.0.1',
      tls: null,
      resources: ['client', 'federation', 'web', 'health'],
      xForwarded: false,
    },
  ])
  expect(config.presence).toMatchObject({
    idleTimeoutMs: 300_000,
    lastActiveGranularityMs: 60_000,
    syncOnlineTimeoutMs: 30_000,
    busyOnlineTimeoutMs: 3_600_000,
    statusMsgBytesMax: 1_024,
    offlineCutoffMs: 604_800_000,
    persistIntervalMs: 60_000,
  })
  expect(config.federation).toEqual({
    enabled: true,
    caFile: null,
    verifyTls: true,
    batchWindowMs: 10_000,
    pingIntervalMs: 1_500_000,
    remoteTimeoutMs: 1_800_000,
    watchdogShortMs: 60_000,
    watchdogLongMs: 3_600_000,
    requestTimeoutMs: 60_000,
    retryMinMs: 5_000,
    retryMaxMs: 3_600_000,
    destinations: new Map(),
  })
  expect(config.rateLimits.presence).toEqual({ burst: 5, perSecond: 0.2 })
  expect(config.rateLimits.message).toEqual({ burst: 50, perSecond: 10 })
  expect(config.database.url).toBe('sqlite:./data/adsum.db')
})

test('the database stands in the data folder unless it is given', () => {
  expect(configOf(['data_dir: /srv/adsum']).database.url).toBe('sqlite:/srv/adsum/adsum.db')
  expect(configOf(['data_dir: /srv/adsum\ndatabase: { url: "sqlite:/x.db" }']).database.url).toBe(
    'sqlite:/x.db',
  )
})

test('later files win option by option, and the environment wins over all', () => {
  const texts = ['presence: { idle_timeout: 1m, busy: true }', 'presence: { idle_timeout: 2m }', 'presence:']
  expect(configOf(texts).presence).toMatchObject({ idleTimeoutMs: 120_000, busy: true })
  const env = { ADSUM_PRESENCE__IDLE_TIMEOUT: '3m', ADSUM_PRESENCE__BUSY: '', PATH: '/bin' }
  expect(configOf(texts, env).presence).toMatchObject({ idleTimeoutMs: 180_000, busy: true })
})

test('lists in the environment are separated by commas, or written as in YAML', () => {
  const rooms = (text: string): unknown =>
    configOf([], { ADSUM_PRESENCE__EXCLUDED_ROOMS: text }).presence.excludedRooms
  expect(rooms('!a:hs, !b:hs')).toEqual(['!a:hs', '!b:hs'])
  expect(rooms('["!a:hs"]')).toEqual(['!a:hs'])
  const listeners = configOf([], {
    ADSUM_LISTENERS: '[{port: 0, bind: "::1", resources: [client]}]',
  }).listeners
  expect(listeners).toEqual([{ port: 0, bind: '::1', tls: null, resources: ['client'], xForwarded: false }])
})

test('YAML is read by the rules of 1.1: yes and no, merges, anchors; texts stay as written', () => {
  const config = configOf([
    `presence: { busy: yes, hidden: off, enabled: "true" }
default_room_version: 10
registration: { shared_secret: 0123 }
listeners:
  - &first { port: 1_000, bind: 127.0.0.2, resources: &all [client, health] }
  - { <<: *first, port: 2000, resources: *all }
`,
  ])
  expect(config.presence).toMatchObject({ busy: true, hidden: false, enabled: true })
  expect([config.defaultRoomVersion, config.registration.sharedSecret]).toEqual(['10', '0123'])
  expect(config.listeners.map(({ port, bind }) => [port, bind])).toEqual([
    [1_000, '127.0.0.2'],
    [2_000, '127.0.0.2'],
  ])
})

test('routes are server names and where each is reached', () => {
  const routes = new Map([
    ['remote.example', '10.0.0.1:8448'],
    ['other.example:1', '[::1]:9'],
  ])
  const text =
    'federation: { destinations: { remote.example: "10.0.0.1:8448", "other.example:1": "[::1]:9" } }'
  expect(configOf([text]).federation.destinations).toEqual(routes)
  const env = { ADSUM_FEDERATION__DESTINATIONS: '{ remote.example: "10.0.0.1:8448" }' }
  expect(configOf([text], env).federation.destinations.size).toBe(1)
  expect(
    problemsOf(['federation: { destinations: { remote.example: nowhere, "a b": "c:1", d.example: } }']),
  ).toEqual([
    'file:1:47: "federation.destinations.remote.example" must be a host:port, not "nowhere".',
    'file:1:63: "federation.destinations.a b" must be the route of a server name, not "c:1".',
    'file:1:81: "federation.destinations.d.example" must be a host:port.',
  ])
  expect(problemsOf(['federation: { destinations: [] }'])).toEqual([
    'file:1:29: "federation.destinations" must be a map of server names to host:port.',
  ])
})

test('every problem is said at once, in a sentence, with its line and column', () => {
  const problems = problemsOf(
    [
      `server_name: "not a name"
presence:
  idle_timout: 5m
  sync_online_timeout: 30
  busy: perhaps
  status_msg_bytes_max: 1MiB
listeners:
  - port: 80000
    resources: [client, cliant]
    colour: red
  - { bind: "::" }
log: loud
`,
    ],
    { ADSUM_PRESENCE__HIDEN: 'true', ADSUM_RATE_LIMITS__JOIN__BURST: '0.5' },
  )
  expect(problems.toSorted()).toEqual(
    [
      'file:1:14: "server_name" must be a server name such as example.org or localhost:8008, not "not a name".',
      'file:3:3: "presence.idle_timout" is not an option. Did you mean "presence.idle_timeout"?',
      'file:4:24: "presence.sync_online_timeout" must be a duration such as 30s, 5m or 1h, not "30".',
      'file:5:9: "presence.busy" must be true or false, not "perhaps".',
      'file:6:25: "presence.status_msg_bytes_max" must be between 1 and 16KiB, not "1MiB".',
      'file:8:11: "listeners[0].port" must be between 0 and 65535, not "80000".',
      'file:9:25: "listeners[0].resources" must be a list of client, federation, web, health, metrics, admin, not "cliant".',
      'file:10:5: "listeners[0].colour" is not an option.',
      'file:11:5: "listeners[1].port" must be given.',
      'file:12:6: "log" must be a section.',
      'environment: "ADSUM_PRESENCE__HIDEN" is not an option. Did you mean "ADSUM_PRESENCE__HIDDEN"?',
      'ADSUM_RATE_LIMITS__JOIN__BURST: "rate_limits.join.burst" must be a whole number, not "0.5".',
    ].toSorted(),
  )
})

test('a file that is not there, or not YAML, is a problem with its place', () => {
  const outcome = readConfig({ files: ['/none/adsum.yaml'], env: {} })
  expect(outcome).toEqual({
    kind: 'problems',
    problems: ['/none/adsum.yaml: There is no file /none/adsum.yaml.'],
  })
  expect(problemsOf(['presence: {'])[0]).toMatch(/^file:1:\d+: .*\.$/)
  expect(problemsOf(['a: 1\na: 2'])[0]).toMatch(/^file:2:1: /)
  expect(problemsOf(['- a'])).toEqual(['file:1:1: The file must be a section.'])
  expect(problemsOf(['data_dir: *nowhere'])[0]).toMatch(/^file:1:\d+: /)
  expect(problemsOf(['__proto__: 1\ntoString: 2\npresence: { constructor: 3 }']).length).toBe(3)
  expect(problemsOf([''])).toEqual([])
  expect(problemsOf(['listeners: &a [*a]']).join('\n')).toContain('nested too deeply')
})

test('options that contradict each other are said', () => {
  expect(problemsOf(['presence: { idle_timeout: 10s }'])).toEqual([
    'ADSUM_PRESENCE__LAST_ACTIVE_GRANULARITY: "presence.last_active_granularity" must not be longer than "presence.idle_timeout".',
  ])
  expect(problemsOf(['listeners: [{ port: 1 }, { port: 1 }]'])).toEqual([
    'file:1:12: "listeners[1]" is a second one on 127.0.0.1 port 1.',
  ])
  expect(problemsOf(['listeners: [{ port: 0 }, { port: 0 }]'])).toEqual([])
  expect(problemsOf(['listeners: [{ port: 1, resources: [] }]']).length).toBe(1)
  expect(problemsOf(['listeners: []']).length).toBe(1)
  expect(problemsOf(['database: { url: "mysql://x" }'])[0]).toMatch(
    /^file:1:18: "database.url" must be "sqlite:"/,
  )
  expect(problemsOf(['listeners: [{ port: 1, tls: { cert_file: /none/c, key_file: /none/k } }]'])).toEqual([
    'file:1:12: There is no file /none/c.',
    'file:1:12: There is no file /none/k.',
  ])
})

test('of two bounds the least is not above the most, and authorities can be read', () => {
  expect(
    problemsOf(['federation: { retry_min: 2h, watchdog_short: 2h, ca_file: /none/ca.pem }']).toSorted(),
  ).toEqual([
    'file:1:26: "federation.retry_min" must not be longer than "federation.retry_max".',
    'file:1:46: "federation.watchdog_short" must not be longer than "federation.watchdog_long".',
    'file:1:59: There is no file /none/ca.pem.',
  ])
})

test('a secret may come from a file; a later source replaces either form', () => {
  const secretFile = file('from the file\n')
  const viaFile = `registration: { shared_secret_file: ${secretFile} }`
  const inline = 'registration: { shared_secret: inline }'
  const secret = (texts: readonly string[], env: ConfigSources['env'] = {}): unknown =>
    configOf(texts, env).registration.sharedSecret
  expect(secret([viaFile])).toBe('from the file')
  expect(secret([viaFile, inline])).toBe('inline')
  expect(secret([inline, viaFile])).toBe('from the file')
  expect(secret([inline], { ADSUM_REGISTRATION__SHARED_SECRET_FILE: secretFile })).toBe('from the file')
  expect(problemsOf([`registration: { shared_secret: a, shared_secret_file: ${secretFile} }`])).toEqual([
    'file:1:55: Give "registration.shared_secret" or "registration.shared_secret_file", not both.',
  ])
  expect(problemsOf(['registration: { shared_secret_file: /none/secret }'])[0]).toContain('there is no file')
  expect(problemsOf(['registration: { enabled_file: /x }'])[0]).toContain('is not an option')
})

test('a secret is never shown, neither in problems nor in the dump', () => {
  const problems = problemsOf(['registration: { shared_secret: [hunter2] }'])
  expect(problems).toEqual(['file:1:32: "registration.shared_secret" must be a text that is not empty.'])
  const dump = dumpConfig(configOf(['registration: { shared_secret: hunter2 }']))
  expect(dump).not.toContain('hunter2')
  expect(dump).toContain('shared_secret: (hidden)')
})

test('what is dumped is a file that says the same', () => {
  const config = configOf([
    `server_name: example.org
presence: { idle_timeout: 90s, busy: true, status_msg_bytes_max: 2KiB, excluded_rooms: ["!a:b"] }
listeners: [{ port: 8448, bind: "::", resources: [client] }]
federation: { destinations: { remote.example: "10.0.0.1:8448" } }
`,
  ])
  expect(configOf([dumpConfig(config)])).toEqual(config)
})

test('what is generated has every option, and changes nothing, commented or not', () => {
  const text = generateConfig()
  expect(configOf([text])).toEqual(configOf([]))
  const uncommented = text
    .replaceAll(/^( *)# ?(?=(?: *- )?[a-z_]+:(?: |$))/gm, '$1')
    .replaceAll(/^#   .*: .*[.)]$/gm, '')
  expect(configOf([uncommented])).toEqual(configOf([]))
  for (const { path } of allOptions()) expect(text).toContain(`${path.split(/[.[]/).at(-1)}`)
})

test('the config cannot be changed', () => {
  const config = configOf([])
  expect(
    Object.isFrozen(config) && Object.isFrozen(config.presence) && Object.isFrozen(config.listeners[0]),
  ).toBe(true)
})

test('an open server that others can reach is warned of', () => {
  const warnings = (text: string): number => {
    const outcome = readConfig({ files: [file(text)], env: {} })
    return outcome.kind === 'config' ? outcome.warnings.length : -1
  }
  expect(warnings('')).toBe(0)
  expect(warnings('federation: { verify_tls: off }')).toBe(1)
  expect(warnings('federation: { verify_tls: off, enabled: off }')).toBe(0)
  expect(warnings('listeners: [{ port: 1, bind: "::" }]')).toBe(2)
  expect(warnings('server_name: example.org\nlisteners: [{ port: 1, bind: "::" }]')).toBe(1)
  expect(
    warnings('server_name: example.org\nregistration: { enabled: no }\nlisteners: [{ port: 1, bind: "::" }]'),
  ).toBe(0)
})

test('R-001 rooms can be made in every version that this server knows', () => {
  expect(OPTIONS.default_room_version.of).toEqual(ROOM_VERSIONS.map(({ id }) => id))
})
