import { Command, CommanderError } from 'commander'
import { systemClock, type Clock } from '../base/clock.ts'
import { systemRandom, type Random } from '../base/random.ts'
import type { UserId } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import { readConfig } from './config.ts'
import { createLog } from './log.ts'
import type { Config } from './options.ts'
import { dumpConfig, generateConfig, optionsHelp } from './options-text.ts'
import { newSigningKeyLine } from './signing-key.ts'
import { version } from './version.ts'

/** What every part of a running program is given. */
export interface Surroundings {
  readonly config: Config
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** A server that runs. */
export interface RunningApp {
  readonly addresses: readonly { readonly url: string; readonly resources: readonly string[] }[]
  /** Is there a page for people at `/` of what has the resource `web`? */
  readonly servesPage: boolean
  /** Answers what is parked, flushes, lets go of everything. */
  close(): Promise<void>
}

/** The accounts of the database, without a server around them. */
export interface OpenAccounts {
  /** @throws MatrixError if the name is taken or may not be registered */
  create(account: {
    readonly localpart: string
    readonly password: string
    readonly admin: boolean
  }): Promise<UserId>
  close(): Promise<void>
}

/** The process around the commands. */
export interface CliDeps {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
  /** A line from the terminal, unseen, or the first line of what is piped in. */
  readonly readPassword: (prompt: string) => Promise<string>
  /** SIGTERM and SIGINT. */
  readonly onSignal: (run: () => void) => void
  /** Ends the process without waiting for anything. */
  readonly exit: (code: number) => void
  readonly startApp: (surroundings: Surroundings) => Promise<RunningApp>
  readonly openAccounts: (surroundings: Surroundings) => Promise<OpenAccounts>
}

/** A command that could not be done; its sentence was written for the operator. */
class CommandFailed extends Error {
  override readonly name = 'CommandFailed'
}

const FAILED = 1
const MISUSED = 2

/** Runs one command line (without `node` and the script) and says with which code to exit. */
export async function runCli(argv: readonly string[], deps: CliDeps): Promise<number> {
  try {
    await createProgram(deps).parseAsync(argv, { from: 'user' })
    return 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED
    const isOurs = error instanceof CommandFailed
    deps.stderr(`${isOurs ? error.message : `adsum: ${reasonOf(error)}`}\n`)
    return FAILED
  }
}

function createProgram(deps: CliDeps): Command {
  const program = new Command('adsum')
  program
    .description('A Matrix homeserver with presence at its centre')
    .exitOverride()
    .configureOutput({ writeOut: deps.stdout, writeErr: deps.stderr })
  withConfig(
    program.command('serve', { isDefault: true }).description('serve until a signal comes (the default)'),
  )
    .addHelpText('after', optionsHelp())
    .action((options: ConfigOptions) => serve(options, deps))
  const config = program.command('config').description('look at the configuration')
  withConfig(config.command('check').description('say everything that is wrong with it')).action(
    (options: ConfigOptions) => check(options, deps),
  )
  withConfig(config.command('dump').description('print what is in force, without secrets')).action(
    (options: ConfigOptions) => deps.stdout(dumpConfig(load(options, deps))),
  )
  config
    .command('generate')
    .description('print a file to start from')
    .action(() => deps.stdout(generateConfig()))
  const user = program.command('user').description('manage users')
  withConfig(
    user
      .command('create <name>')
      .description('make an account; asks for the password, or reads it from a pipe'),
  )
    .option('--admin', 'may use the admin endpoints', false)
    .action((name: string, options: ConfigOptions & { admin: boolean }) => createUser(name, options, deps))
  const keys = program.command('keys').description('manage signing keys')
  keys
    .command('generate')
    .description('print a new signing key, as it stands in a key file')
    .action(() => deps.stdout(newSigningKeyLine(systemRandom())))
  program
    .command('version')
    .description('print the version')
    .action(() => deps.stdout(`adsum ${version()}\n`))
  return program
}

interface ConfigOptions {
  readonly config?: readonly string[]
}

function withConfig(command: Command): Command {
  const collect = (file: string, files: readonly string[] = []): readonly string[] => [...files, file]
  return command.option('-c, --config <file>', 'a YAML file; may be repeated, later ones win', collect)
}

function load({ config: files = [] }: ConfigOptions, { env, stderr }: CliDeps): Config {
  const outcome = readConfig({ files, env })
  if (outcome.kind === 'problems') throw new CommandFailed(outcome.problems.join('\n'))
  for (const warning of outcome.warnings) stderr(`Warning: ${warning}\n`)
  return outcome.config
}

function check(options: ConfigOptions, deps: CliDeps): void {
  load(options, deps)
  deps.stdout('The configuration is fine.\n')
}

function surround(config: Config, { stdout }: CliDeps): Surroundings {
  const clock = systemClock()
  return { config, clock, random: systemRandom(), log: createLog({ ...config.log, clock, write: stdout }) }
}

async function serve(options: ConfigOptions, deps: CliDeps): Promise<void> {
  const config = load(options, deps)
  const stopped = firstSignal(deps)
  const surroundings = surround(config, deps)
  const app = await deps.startApp(surroundings)
  // Lines for people must not stand between lines for programs.
  const say = config.log.format === 'json' ? deps.stderr : deps.stdout
  say(welcome(config, app))
  await stopped
  surroundings.log.info({}, 'stopping')
  await app.close()
  surroundings.log.info({}, 'stopped')
}

/** The first signal asks to stop, the second does not ask. */
function firstSignal({ onSignal, exit }: CliDeps): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let signals = 0
  onSignal(() => {
    signals += 1
    if (signals === 1) resolve()
    else exit(FAILED)
  })
  return promise
}

function welcome({ serverName, registration }: Config, { addresses, servesPage }: RunningApp): string {
  const client = addresses.find(({ resources }) => resources.includes('client'))
  const places = addresses.map(({ url }) => url).join(', ')
  const web = servesPage ? addresses.find(({ resources }) => resources.includes('web')) : undefined
  const page = web === undefined ? '' : `Who is around: open ${web.url}/ in a browser\n`
  const greeting = `\nAdsum ${version()} serves ${serverName} at ${places}\n${page}`
  if (client === undefined) return greeting
  const register = registration.enabled
    ? `curl ${client.url}/_matrix/client/v3/register -d '{"username":"alice","password":"choose one","auth":{"type":"m.login.dummy"}}'`
    : 'adsum user create alice'
  const put = `curl -X PUT ${client.url}/_matrix/client/v3/presence/@alice:${serverName}/status`
  return `${greeting}What to try next, besides pointing a Matrix client at it:

  curl ${client.url}/_matrix/client/versions
  ${register}
  ${put} -H 'Authorization: Bearer ACCESS_TOKEN' -d '{"presence":"online","status_msg":"I am here"}'

`
}

async function createUser(
  localpart: string,
  options: ConfigOptions & { readonly admin: boolean },
  deps: CliDeps,
): Promise<void> {
  const config = load(options, deps)
  const password = await deps.readPassword(`Password of ${localpart}: `)
  if (password === '') throw new CommandFailed('A password is needed.')
  const accounts = await deps.openAccounts(surround(config, deps))
  try {
    const userId = await accounts.create({ localpart, password, admin: options.admin })
    deps.stdout(`${userId}\n`)
  } finally {
    await accounts.close()
  }
}

/** What the system says of the usual mistakes is not a sentence. */
function reasonOf(error: unknown): string {
  const { code, address, port, message } = error as NodeJS.ErrnoException & {
    address?: string
    port?: number
  }
  if (code === 'EADDRINUSE') return `port ${port} on ${address} is in use by another program.`
  if (code === 'EACCES' && port !== undefined)
    return `port ${port} on ${address} may not be used by this user.`
  if (code === 'EADDRNOTAVAIL') return `${address} is not an address of this machine.`
  return error instanceof Error ? message : 'it failed for an unknown reason.'
}
