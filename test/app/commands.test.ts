import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { configFile, emptyFolder, runAdsum, startProcess } from '../support/process.ts'

// Processes start slowly where many tests run at once.
vi.setConfig({ testTimeout: 180_000 })

describe('adsum config', () => {
  test('check says that all is well, or everything that is not, with line and column', async () => {
    const cwd = emptyFolder()
    const fine = await runAdsum(['config', 'check'], { cwd })
    expect([fine.code, fine.stdout, fine.stderr]).toEqual([0, 'The configuration is fine.\n', ''])

    const file = join(cwd, 'adsum.yaml')
    writeFileSync(file, 'presence:\n  idle_timeot: 5m\n  busy: perhaps\nserver_name: "not a name"\n')
    const wrong = await runAdsum(['config', 'check', '--config', 'adsum.yaml'], { cwd })
    expect([wrong.code, wrong.stdout]).toEqual([1, ''])
    const lines = wrong.stderr.trim().split('\n')
    const where = lines.map((line) => Number(/^adsum\.yaml:(\d+):\d+: /.exec(line)?.[1]))
    expect(where.toSorted((one, other) => one - other)).toEqual([2, 3, 4])
    expect(wrong.stderr).toContain('idle_timeout')
  })

  test('dump prints what is in force, files and environment together, and no secret', async () => {
    const cwd = emptyFolder()
    writeFileSync(join(cwd, 'one.yaml'), 'server_name: one.example\npresence: { idle_timeout: 10m }\n')
    writeFileSync(
      join(cwd, 'two.yaml'),
      'server_name: two.example\nregistration: { shared_secret: hush hush }\n',
    )
    const args = ['config', 'dump', '--config', 'one.yaml', '--config', 'two.yaml']
    const { code, stdout } = await runAdsum(args, { cwd, env: { ADSUM_PRESENCE__BUSY: 'true' } })
    expect(code).toBe(0)
    for (const line of ['server_name: two.example', '  idle_timeout: 10m', '  busy: true'])
      expect(stdout).toContain(`${line}\n`)
    expect(stdout).not.toContain('hush')
    // What it prints is a configuration.
    writeFileSync(join(cwd, 'dumped.yaml'), stdout.replace(/^ +shared_secret.*\n/m, ''))
    const again = await runAdsum(['config', 'check', '--config', 'dumped.yaml'], { cwd })
    expect([again.code, again.stderr]).toEqual([0, ''])
  })

  test('generate prints a file to start from, which changes nothing as it is', async () => {
    const cwd = emptyFolder()
    const { code, stdout } = await runAdsum(['config', 'generate'], { cwd })
    expect(code).toBe(0)
    writeFileSync(join(cwd, 'adsum.yaml'), stdout)
    const [bare, generated] = [
      await runAdsum(['config', 'dump'], { cwd }),
      await runAdsum(['config', 'dump', '--config', 'adsum.yaml'], { cwd }),
    ]
    expect([generated.code, generated.stdout]).toEqual([0, bare.stdout])
    expect(bare.stdout).toContain('port: 8008')
  })
})

test('adsum user create makes accounts that can log in, one of them an administrator', async () => {
  const cwd = emptyFolder()
  const config = configFile(cwd, { registration: { enabled: false } })
  const create = (name: string, password: string, ...more: string[]): ReturnType<typeof runAdsum> =>
    runAdsum(['user', 'create', name, ...more, '--config', config], { cwd, stdin: `${password}\n` })
  expect(await create('alice', 'down the hole')).toMatchObject({
    code: 0,
    stdout: '@alice:home.example\n',
    stderr: '',
  })
  expect(await create('queen', 'off with it', '--admin')).toMatchObject({ code: 0 })
  expect(await create('alice', 'another')).toMatchObject({
    code: 1,
    stdout: '',
    stderr: 'adsum: The user name is taken\n',
  })
  expect(await create('Alice Liddell', 'x')).toMatchObject({ code: 1, stdout: '' })
  expect(await create('bob', '')).toMatchObject({ code: 1, stderr: 'A password is needed.\n' })

  const server = await startProcess(['serve', '--config', config], { cwd })
  const logIn = (user: string, password: string): Promise<{ status: number }> =>
    server.request('POST', '/_matrix/client/v3/login', {
      body: { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password },
    })
  expect((await logIn('alice', 'down the hole')).status).toBe(200)
  expect((await logIn('queen', 'off with it')).status).toBe(200)
  expect((await logIn('alice', 'another')).status).toBe(403)
  expect((await logIn('bob', '')).status).toBe(403)
})

test('adsum keys generate prints a key that the server takes as its own', async () => {
  const cwd = emptyFolder()
  const one = await runAdsum(['keys', 'generate'], { cwd })
  const other = await runAdsum(['keys', 'generate'], { cwd })
  expect(one.stdout).toMatch(/^ed25519 a_\w+ [A-Za-z0-9+/]{43}\n$/)
  expect(other.stdout).not.toBe(one.stdout)
  const config = configFile(cwd, { data_dir: cwd })
  const file = join(cwd, 'home.example.signing.key')
  writeFileSync(file, one.stdout, { mode: 0o600 })
  const server = await startProcess(['serve', '--config', config], { cwd })
  await server.ends('SIGTERM')
  expect(readFileSync(file, 'utf8')).toBe(one.stdout)
})

test('adsum version is that of the package; what is no command is code 2, with help', async () => {
  const cwd = emptyFolder()
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  expect(await runAdsum(['version'], { cwd })).toMatchObject({ code: 0, stdout: `adsum ${version}\n` })
  const unknown = await runAdsum(['serv'], { cwd })
  expect([unknown.code, unknown.stdout]).toEqual([2, ''])
  expect(unknown.stderr).toContain('serve')
  const help = await runAdsum(['--help'], { cwd })
  expect(help.code).toBe(0)
  for (const command of ['serve', 'config', 'user', 'keys', 'version'])
    expect(help.stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'))
})
