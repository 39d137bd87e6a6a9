import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { refuse } from '../matrix/errors.ts'
import type { UserId } from '../matrix/ids.ts'
import { runCli, type CliDeps, type Surroundings } from './cli.ts'
import { allOptions } from './options.ts'

let folder: string

beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'adsum-cli-'))))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

interface Ran {
  code: number
  stdout: string
  stderr: string
  started: Surroundings | null
  events: string[]
}

/** Runs a command line in a process of its own making; `serve` gets its signal as soon as it runs. */
async function run(argv: readonly string[], deps: Partial<CliDeps> = {}): Promise<Ran> {
  const ran: Ran = { code: -1, stdout: '', stderr: '', started: null, events: [] }
  let signal: () => void = () => {}
  ran.code = await runCli(argv, {
    env: {},
    stdout: (text) => void (ran.stdout += text),
    stderr: (text) => void (ran.stderr += text),
    readPassword: async () => 'correct horse',
    onSignal: (listener) => void (signal = listener),
    exit: (code) => void ran.events.push(`exit ${code}`),
    startApp: async (surroundings) => {
      ran.started = surroundings
      setImmediate(() => signal())
      return {
        addresses: [{ url: 'http://127.0.0.1:8008', resources: ['client', 'web'] }],
        servesPage: true,
        close: async () => void ran.events.push('closed'),
      }
    },
    openAccounts: async () => ({
      create: async ({ localpart, password, admin }) => {
        ran.events.push(`${localpart} ${password} ${admin}`)
        return `@${localpart}:hs` as UserId
      },
      close: async () => void ran.events.push('closed'),
    }),
    ...deps,
  })
  return ran
}

test('serve is the default, runs until a signal, and says where it is and what to try', async () => {
  for (const argv of [[], ['serve']]) {
    const { code, stdout, events, started } = await run(argv)
    expect([code, events]).toEqual([0, ['closed']])
    expect(started?.config.serverName).toBe('localhost:8008')
    expect(stdout).toContain('at http://127.0.0.1:8008')
    expect(stdout).toContain('open http://127.0.0.1:8008/ in a browser')
    expect(stdout.match(/^ {2}curl /gm)?.length).toBe(3)
  }
})

test('a second signal ends the process at once', async () => {
  const signals: (() => void)[] = []
  const closing = Promise.withResolvers<void>()
  const events: string[] = []
  const running = run([], {
    onSignal: (listener) => void signals.push(listener),
    exit: (code) => {
      events.push(`exit ${code}`)
      closing.resolve()
    },
    startApp: async () => {
      setImmediate(() => signals[0]?.())
      return {
        addresses: [],
        servesPage: false,
        close: async () => {
          events.push('closing')
          signals[0]?.()
          await closing.promise
        },
      }
    },
  })
  await running
  expect(events).toEqual(['closing', 'exit 1'])
})

test('lines for people do not stand between the lines of a JSON log', async () => {
  const { stdout, stderr } = await run(['--config', file('json.yaml', 'log: { format: json }')])
  for (const line of stdout.trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow()
  expect(stderr).toContain('at http://127.0.0.1:8008')
})

test('config files are taken before and after the word serve, several of them', async () => {
  const one = file('one.yaml', 'server_name: one.example\nregistration: { enabled: false }')
  const two = file('two.yaml', 'server_name: two.example')
  const { started, stdout } = await run(['serve', '--config', one, '-c', two])
  expect(started?.config.serverName).toBe('two.example')
  expect(stdout).toContain('adsum user create alice')
  expect((await run(['--config', one])).started?.config.serverName).toBe('one.example')
})

test('a wrong configuration starts nothing and says why', async () => {
  const bad = file('bad.yaml', 'presence:\n  idle: 1\n  busy: 2\n')
  const { code, stderr, started } = await run(['--config', bad])
  expect([code, started]).toEqual([1, null])
  expect(stderr.match(/bad\.yaml:\d:\d+: /g)?.length).toBe(2)
})

test('what the system refuses is said in a sentence', async () => {
  const error = Object.assign(new Error('listen EADDRINUSE'), {
    code: 'EADDRINUSE',
    address: '127.0.0.1',
    port: 8008,
  })
  const { code, stderr } = await run([], { startApp: () => Promise.reject(error) })
  expect([code, stderr]).toEqual([1, 'adsum: port 8008 on 127.0.0.1 is in use by another program.\n'])
})

test('config check, dump and generate', async () => {
  expect(await run(['config', 'check'])).toMatchObject({ code: 0, stdout: 'The configuration is fine.\n' })
  expect(await run(['config', 'check', '-c', '/none.yaml'])).toMatchObject({ code: 1, stdout: '' })
  expect((await run(['config', 'dump'], { env: { ADSUM_SERVER_NAME: 'x.example' } })).stdout).toContain(
    'server_name: x.example',
  )
  expect((await run(['config', 'generate'])).stdout).toContain('# server_name: localhost:8008')
})

test('user create takes the password unseen and closes the accounts, also when it is refused', async () => {
  const made = await run(['user', 'create', 'alice', '--admin'])
  expect(made).toMatchObject({
    code: 0,
    stdout: '@alice:hs\n',
    events: ['alice correct horse true', 'closed'],
  })
  const events: string[] = []
  const refused = await run(['user', 'create', 'alice'], {
    openAccounts: async () => ({
      create: () => Promise.reject(refuse.userInUse()),
      close: async () => void events.push('closed'),
    }),
  })
  expect(refused).toMatchObject({ code: 1, stderr: 'adsum: The user name is taken\n' })
  expect(events).toEqual(['closed'])
  expect(await run(['user', 'create', 'alice'], { readPassword: async () => '' })).toMatchObject({
    code: 1,
    events: [],
  })
})

test('keys generate, version, help; what is not a command is code 2', async () => {
  expect((await run(['keys', 'generate'])).stdout).toMatch(/^ed25519 a_\w{4} [\w+/]{43}\n$/)
  expect((await run(['version'])).stdout).toMatch(/^adsum \d+\.\d+\.\d+\n$/)
  const help = await run(['serve', '--help'])
  expect(help.code).toBe(0)
  for (const { path, environment } of allOptions())
    if (environment !== null) expect(help.stdout).toContain(path)
  expect((await run(['srve'])).code).toBe(2)
  expect((await run(['serve', '--colour'])).code).toBe(2)
})
