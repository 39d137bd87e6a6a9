import { readFileSync } from 'node:fs'
import { decodeOption, fileProblem, readSecretFile, unknownOption, type Decoding } from './decode.ts'
import { readYaml, readYamlValue, type Given, type Problem } from './given.ts'
import { configKey, environmentName, isOption, type Group, type OptionSpec } from './option-spec.ts'
import { allOptions, OPTIONS, type Config } from './options.ts'

export interface ConfigSources {
  /** Paths of YAML files; what a later one says wins. */
  readonly files: readonly string[]
  /** `ADSUM_…` names win over every file. */
  readonly env: Readonly<Record<string, string | undefined>>
}

type ConfigOutcome =
  | { readonly kind: 'config'; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly kind: 'problems'; readonly problems: readonly string[] }

const ENVIRONMENT_PREFIX = 'ADSUM_'

/** Every problem at once, each as `place: sentence`, or the whole configuration. */
export function readConfig({ files, env }: ConfigSources): ConfigOutcome {
  const decoding: Decoding = { problems: [], failed: new Set() }
  const given: GivenByPath = new Map()
  for (const file of files) layer(given, fromFile(file, decoding))
  layer(given, fromEnvironment(env, decoding))
  const config = decodeGroup(OPTIONS, '', given, decoding) as Config
  if (decoding.failed.size === 0) decoding.problems.push(...contradictions(config, given))
  if (decoding.problems.length > 0) {
    return {
      kind: 'problems',
      problems: decoding.problems.map(({ where, message }) => `${where}: ${message}`),
    }
  }
  return { kind: 'config', config: frozen(completed(config)), warnings: warningsOf(config) }
}

/** By path; a secret's file under `<path>_file`. */
type GivenByPath = Map<string, Given>

/** A later source wins, whichever of its two ways it uses to give a secret. */
function layer(given: GivenByPath, source: GivenByPath): void {
  for (const path of source.keys()) {
    given.delete(path.endsWith('_file') ? path.slice(0, -'_file'.length) : `${path}_file`)
  }
  for (const [path, value] of source) given.set(path, value)
}

function fromFile(file: string, { problems }: Decoding): GivenByPath {
  const given: GivenByPath = new Map()
  try {
    const root = readYaml(readFileSync(file, 'utf8'), file, problems)
    if (root !== null) gatherGroup(OPTIONS, '', root, given, problems)
  } catch (error) {
    problems.push({ where: file, message: sentence(fileProblem(error, file)) })
  }
  return given
}

function gatherGroup(
  group: Group,
  prefix: string,
  from: Given,
  given: GivenByPath,
  problems: Problem[],
): void {
  if (from.kind === 'scalar' && from.value === null) return
  if (from.kind !== 'map') {
    problems.push({
      where: from.where,
      message: `${prefix === '' ? 'The file' : `"${prefix}"`} must be a section.`,
    })
    return
  }
  for (const { key, where, value } of from.entries) {
    const path = prefix === '' ? key : `${prefix}.${key}`
    const entry = Object.hasOwn(group, key) ? group[key] : undefined
    if (entry !== undefined && !isOption(entry)) gatherGroup(entry, path, value, given, problems)
    else if (entry !== undefined) given.set(path, value)
    else if (isSecretFile(group, key)) given.set(path, value)
    else problems.push(unknownOption(path, where, knownPaths()))
  }
}

function isSecretFile(group: Group, key: string): boolean {
  const entry = key.endsWith('_file') ? group[key.slice(0, -'_file'.length)] : undefined
  return entry !== undefined && isOption(entry) && entry.secret === true
}

function fromEnvironment(env: ConfigSources['env'], { problems }: Decoding): GivenByPath {
  const given: GivenByPath = new Map()
  const byName = new Map<string, { path: string; spec: OptionSpec | null }>()
  for (const { path, spec, environment } of allOptions()) {
    if (environment === null) continue
    byName.set(environment, { path, spec })
    if (spec.secret === true) byName.set(`${environment}_FILE`, { path: `${path}_file`, spec: null })
  }
  for (const [name, text] of Object.entries(env)) {
    // An empty variable is how a compose file passes on what is not set.
    if (!name.startsWith(ENVIRONMENT_PREFIX) || text === undefined || text === '') continue
    const option = byName.get(name)
    if (option === undefined) problems.push(unknownOption(name, 'environment', [...byName.keys()]))
    else {
      const value = environmentValue(option.spec, text, name, problems)
      if (value !== null) given.set(option.path, value)
    }
  }
  return given
}

function environmentValue(
  spec: OptionSpec | null,
  text: string,
  name: string,
  problems: Problem[],
): Given | null {
  const isList = spec?.type === 'texts' || spec?.type === 'choices'
  if (isList && !text.trimStart().startsWith('[')) {
    const items = text.split(',').map((item) => scalarOf(item.trim(), name))
    return { kind: 'list', items, where: name }
  }
  if (isList || spec?.type === 'sections' || spec?.type === 'routes')
    return readYamlValue(text, name, problems)
  return scalarOf(text, name)
}

function scalarOf(text: string, where: string): Given {
  return { kind: 'scalar', value: text, text, where }
}

function decodeGroup(group: Group, prefix: string, given: GivenByPath, decoding: Decoding): unknown {
  const entries = Object.entries(group).map(([key, entry]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`
    if (!isOption(entry)) return [configKey(key, entry), decodeGroup(entry, path, given, decoding)]
    return [configKey(key, entry), decodeOption(entry, path, valueOrFile(path, given, decoding), decoding)]
  })
  return Object.fromEntries(entries) as unknown
}

function valueOrFile(path: string, given: GivenByPath, decoding: Decoding): Given | undefined {
  const value = given.get(path)
  const file = given.get(`${path}_file`)
  if (file === undefined) return value
  if (value === undefined) return readSecretFile(file, path, decoding)
  decoding.problems.push({ where: file.where, message: `Give "${path}" or "${path}_file", not both.` })
  return value
}

/** Options that cannot both be as they are. */
function contradictions(config: Config, given: GivenByPath): Problem[] {
  const problems: Problem[] = []
  const add = (path: string, message: string): void => {
    problems.push({ where: given.get(path)?.where ?? environmentName(path), message })
  }
  const { presence, federation, listeners } = config
  for (const [least, most, isWrong] of [
    ['retry_min', 'retry_max', federation.retryMinMs > federation.retryMaxMs],
    ['watchdog_short', 'watchdog_long', federation.watchdogShortMs > federation.watchdogLongMs],
  ] as const)
    if (isWrong)
      add(`federation.${least}`, `"federation.${least}" must not be longer than "federation.${most}".`)
  if (presence.lastActiveGranularityMs > presence.idleTimeoutMs) {
    add(
      'presence.last_active_granularity',
      '"presence.last_active_granularity" must not be longer than "presence.idle_timeout".',
    )
  }
  if (!/^sqlite:./.test(config.database.url)) {
    add('database.url', '"database.url" must be "sqlite:" and the path of a file.')
  }
  listeners.forEach(({ port, bind, resources }, i) => {
    if (resources.length === 0)
      add('listeners', `"listeners[${i}].resources" is empty: nothing would be served.`)
    const isTaken = listeners
      .slice(0, i)
      .some((other) => port !== 0 && other.port === port && other.bind === bind)
    if (isTaken) add('listeners', `"listeners[${i}]" is a second one on ${bind} port ${port}.`)
  })
  const unreadable = (path: string, file: string): void => {
    const problem = problemOfFile(file)
    if (problem !== null) add(path, sentence(problem))
  }
  for (const { tls } of listeners)
    for (const file of tls === null ? [] : [tls.certFile, tls.keyFile]) unreadable('listeners', file)
  if (federation.caFile !== null) unreadable('federation.ca_file', federation.caFile)
  return problems
}

function problemOfFile(file: string): string | null {
  try {
    readFileSync(file)
    return null
  } catch (error) {
    return fileProblem(error, file)
  }
}

function completed(config: Config): Config {
  const url = config.database.url.replace('{data_dir}', config.dataDir)
  return { ...config, database: { ...config.database, url } }
}

const LOOPBACK = /^(?:127\.|::1$|localhost$)/

/** Allowed, but probably not meant. */
function warningsOf({ listeners, registration, serverName, federation }: Config): string[] {
  const warnings: string[] = []
  if (federation.enabled && !federation.verifyTls)
    warnings.push('federation.verify_tls is off: anybody between here and another server can pose as it.')
  const isPublic = listeners.some(
    ({ bind, resources }) => resources.includes('client') && !LOOPBACK.test(bind),
  )
  if (!isPublic) return warnings
  if (registration.enabled) {
    warnings.push(
      'Anybody who reaches this server can make an account: set registration.enabled to false, or keep the port private.',
    )
  }
  if (/^localhost(?::|$)/.test(serverName)) {
    warnings.push(
      'server_name is localhost on a server that others can reach; it cannot be changed once users exist.',
    )
  }
  return warnings
}

function knownPaths(): string[] {
  const options = allOptions().filter(({ environment }) => environment !== null)
  return [...options.map(({ path }) => path), ...Object.keys(OPTIONS)]
}

function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen)
  return value
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
}
