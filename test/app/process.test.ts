import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { presenceOf, type Actor } from '../support/actors.ts'
import { configFile, emptyFolder, runAdsum, startProcess, type ServerProcess } from '../support/process.ts'

// Processes start slowly where many tests run at once.
vi.setConfig({ testTimeout: 180_000 })

const ANY_PORT = { ADSUM_LISTENERS: '[{port: 0, resources: [client, health, metrics]}]' }

/** A server with a configuration file; `folder` may hold what an earlier one left. */
async function serves(
  folder: string,
  config: Readonly<Record<string, unknown>> = {},
): Promise<ServerProcess> {
  return startProcess(['serve', '--config', configFile(folder, config)], { cwd: folder })
}

async function registers(server: ServerProcess, name: string): Promise<Actor> {
  const actor = await server.registers(name)
  if (actor === null) throw new Error(`${name} was refused`)
  return actor
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

describe('a start', () => {
  test('needs nothing but an empty folder, and says where it is and what to try', async () => {
    const folder = emptyFolder()
    // The one thing said to it is the port: another program may have the usual one.
    const server = await startProcess([], { cwd: folder, env: ANY_PORT })
    expect(server.name).toBe('localhost:8008')
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const health = await server.request('GET', '/health')
    expect([health.status, health.body]).toEqual([200, { status: 'live' }])
    const ready = await server.request('GET', '/ready')
    expect([ready.status, ready.body]).toEqual([200, { status: 'ready' }])
    const tries = server.stdout.match(/^ {2}curl .*$/gm) ?? []
    expect(tries.length).toBe(3)
    expect(tries.every((line) => line.includes(server.url))).toBe(true)

    expect(readdirSync(join(folder, 'data')).toSorted()).toEqual(
      expect.arrayContaining(['adsum.db', 'localhost:8008.signing.key']),
    )
    expect(modeOf(join(folder, 'data'))).toBe('700')
    for (const file of readdirSync(join(folder, 'data')))
      expect([file, modeOf(join(folder, 'data', file))]).toEqual([file, '600'])
  })

  test('a wrong configuration, or a port that is taken, is said in a sentence with code 1', async () => {
    const folder = emptyFolder()
    const wrong = configFile(folder, { presense: {} })
    const refused = await runAdsum(['serve', '--config', wrong], { cwd: folder })
    expect([refused.code, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toMatch(/adsum\.yaml:1:\d+: .*presense.*presence/)
    expect(existsSync(join(folder, 'data'))).toBe(false)

    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const taken = configFile(folder, { listeners: [{ port }] })
    const ended = await runAdsum(['serve', '--config', taken], { cwd: folder })
    expect([ended.code, ended.stderr]).toEqual([
      1,
      `adsum: port ${port} on 127.0.0.1 is in use by another program.\n`,
    ])
  })

  test('a second process on the same data is refused in a sentence, and disturbs nobody', async () => {
    const folder = emptyFolder()
    const first = await serves(folder)
    const alice = await registers(first, 'alice')
    const second = await runAdsum(['serve', '--config', configFile(folder)], { cwd: folder })
    expect(second.code).toBe(1)
    expect(second.stderr).toBe(
      `adsum: The database ${join(folder, 'data', 'adsum.db')} is in use: another process serves it, and only one may.\n`,
    )
    expect((await alice.request('GET', '/v3/account/whoami')).status).toBe(200)
    // Neither may a command work on it behind the server's back.
    const command = await runAdsum(['user', 'create', 'bob', '--config', configFile(folder)], {
      cwd: folder,
      stdin: 'secret of bob\n',
    })
    expect([command.code, command.stdout]).toEqual([1, ''])
    expect(command.stderr).toContain('is in use')
  })

  test('what is no database, and what is no key, is said in a sentence', async () => {
    const folder = emptyFolder()
    const file = join(folder, 'not-a-database')
    writeFileSync(file, 'these are not the rows you are looking for'.repeat(100))
    const config = configFile(folder, { database: { url: `sqlite:${file}` } })
    const noDatabase = await runAdsum(['serve', '--config', config], { cwd: folder })
    expect([noDatabase.code, noDatabase.stderr.split('\n').length]).toEqual([1, 2])
    expect(noDatabase.stderr).toContain(`The database ${file} cannot be used`)

    const server = await serves(folder)
    await server.ends('SIGTERM')
    const key = join(folder, 'data', 'home.example.signing.key')
    writeFileSync(key, 'open sesame\n')
    const noKey = await runAdsum(['serve', '--config', configFile(folder)], { cwd: folder })
    expect([noKey.code, noKey.stderr]).toEqual([
      1,
      `adsum: ${key} does not hold a signing key: expected "ed25519 <version> <seed>".\n`,
    ])
  })
})

describe('a stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s answers who waits at once, leaves tidy files and ends with code 0',
    async (signal) => {
      const folder = emptyFolder()
      const server = await serves(folder)
      const alice = await registers(server, 'alice')
      await alice.syncs()
      const started = performance.now()
      const poll = alice.polls({ timeout: 300_000 })
      await server.parked(1)
      const ended = await server.ends(signal)
      const body = await poll.body
      expect(body['next_batch']).toBe(alice.since)
      expect((await poll.reply).headers.get('connection')).toBe('close')
      expect([ended.code, ended.signal]).toEqual([0, null])
      expect(ended.stdout).toMatch(/stopping\n.*stopped\n$/)
      // Five minutes were asked for.
      expect(performance.now() - started).toBeLessThan(60_000)
      // The write-ahead log is written back and gone.
      expect(readdirSync(join(folder, 'data')).toSorted()).toEqual([
        'adsum.db',
        'adsum.db.lock',
        'home.example.signing.key',
      ])
    },
  )

  test('a log for programs is nothing but lines of JSON', async () => {
    const folder = emptyFolder()
    const server = await serves(folder, { log: { format: 'json', level: 'debug' } })
    const alice = await registers(server, 'alice')
    await alice.request('GET', '/v3/account/whoami', { query: { access_token: alice.token } })
    const { stdout } = await server.ends('SIGTERM')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { level: string; time: number; msg: string; path?: string })
    expect(lines.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['answered', 'stopping', 'stopped']))
    expect(lines.find(({ path }) => path?.endsWith('whoami'))).toMatchObject({
      level: 'debug',
      method: 'GET',
      status: 200,
      user: alice.userId,
    })
    expect(stdout).not.toContain(alice.token)
    expect(stdout).not.toContain(alice.password)
  })
})

describe('a restart', () => {
  test.each(['SIGTERM', 'SIGKILL'] as const)(
    'P-097 P-151 R-214 after %s a token from before reads on: what was missed, and no more than is allowed',
    async (signal) => {
      const folder = emptyFolder()
      const first = await serves(folder)
      const alice = await registers(first, 'alice')
      const bob = await registers(first, 'bob')
      const room = await alice.creates({ preset: 'public_chat' })
      await bob.joins(room)
      await bob.syncs({ set_presence: 'offline' })
      const missed = await alice.says(room, 'you were not there')
      await alice.sets('unavailable', 'for later')
      await first.ends(signal)

      const second = await serves(folder)
      const reply = await second.knows(bob).request('GET', '/v3/sync', {
        query: { since: bob.since ?? '', set_presence: 'offline' },
      })
      expect(reply.status, reply.text).toBe(200)
      const rooms = reply.body['rooms'] as { join: Record<string, { timeline: { events: unknown[] } }> }
      expect(rooms.join[room]?.timeline.events).toMatchObject([
        { event_id: missed, content: { body: 'you were not there' } },
      ])
      const ofAlice = presenceOf(reply.body).filter(({ sender }) => sender === alice.userId)
      expect(ofAlice).toMatchObject([{ content: { presence: 'unavailable', status_msg: 'for later' } }])
      // And on from there: nothing twice.
      const next = await second.knows(bob).request('GET', '/v3/sync', {
        query: { since: reply.body['next_batch'] as string, set_presence: 'offline' },
      })
      expect(presenceOf(next.body)).toEqual([])
      expect(next.body['rooms']).toMatchObject({ join: {} })
    },
  )

  test('the signing key stays the one that it was', async () => {
    const folder = emptyFolder()
    const key = join(folder, 'data', 'home.example.signing.key')
    const first = await serves(folder)
    const before = [statSync(key).mtimeMs, statSync(key).ino]
    await first.ends('SIGKILL')
    await serves(folder)
    expect([statSync(key).mtimeMs, statSync(key).ino]).toEqual(before)
  })
})
