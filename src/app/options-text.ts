import { stringify } from 'yaml'
import { configKey, isOption, placedOptions, type Group, type OptionSpec } from './option-spec.ts'
import { allOptions, OPTIONS, type Config } from './options.ts'
import { formatDuration, formatSize } from './quantities.ts'

const HIDDEN = '(hidden)'

/** The configuration in force as a file would say it; secrets are hidden. */
export function dumpConfig(config: Config): string {
  return stringify(dumpGroup(OPTIONS, config))
}

function dumpGroup(group: Group, values: object): unknown {
  const byKey = values as Readonly<Record<string, unknown>>
  const entries = Object.entries(group).map(([key, entry]) => {
    const value = byKey[configKey(key, entry)]
    return [key, isOption(entry) ? dumpValue(entry, value) : dumpGroup(entry, value as object)]
  })
  return Object.fromEntries(entries) as unknown
}

function dumpValue(spec: OptionSpec, value: unknown): unknown {
  if (value === null || value === undefined) return null
  if (spec.secret === true) return HIDDEN
  if (spec.type === 'duration') return formatDuration(value as number)
  if (spec.type === 'size') return formatSize(value as number)
  if (spec.type === 'routes') return Object.fromEntries(value as ReadonlyMap<string, string>)
  if (spec.type === 'section') return dumpGroup(spec.keys ?? {}, value)
  if (spec.type === 'sections') return (value as object[]).map((item) => dumpGroup(spec.keys ?? {}, item))
  return value
}

/** A file to start from: every option with its sentence and its default, commented out. */
export function generateConfig(): string {
  return `# Configuration of Adsum. Everything has a default: take away the # of what you change.\n\n${generateGroup(OPTIONS, '')}`
}

function generateGroup(group: Group, indent: string): string {
  return Object.entries(group)
    .map(([key, entry]) => {
      if (!isOption(entry)) return `${indent}${key}:\n${generateGroup(entry, `${indent}  `)}`
      return `${comment(entry, indent)}${indent}# ${key}:${yamlDefault(entry, indent)}\n`
    })
    .join(indent === '' ? '\n' : '')
}

function comment(spec: OptionSpec, indent: string): string {
  const inner = placedOptions(spec.keys ?? {}, '', true).map(
    ({ path, spec: { about } }) => `${indent}#   ${path}: ${about}\n`,
  )
  return `${indent}# ${spec.about}${allowed(spec)}\n${inner.join('')}`
}

function yamlDefault(spec: OptionSpec, indent: string): string {
  if (spec.type !== 'sections') return ` ${inline(spec.default)}`
  const items = stringify(spec.default).trimEnd()
  return `\n${items.replaceAll(/^/gm, `${indent}#   `)}`
}

/** The choices or the range, in brackets. */
export function allowed(spec: OptionSpec): string {
  if (spec.of !== undefined) return ` (${spec.of.join(', ')})`
  return spec.min === undefined && spec.max === undefined ? '' : ` (${spec.min} to ${spec.max})`
}

/** One line for each option, for `--help`. */
export function optionsHelp(): string {
  const options = allOptions().filter(({ environment }) => environment !== null)
  const width = Math.max(...options.map(({ path }) => path.length))
  const lines = options.map(
    ({ path, spec }) => `  ${path.padEnd(width)}  ${spec.about} [${inline(spec.default)}]`,
  )
  return `
Options of the file; in the environment presence.idle_timeout is ADSUM_PRESENCE__IDLE_TIMEOUT:
${lines.join('\n')}
`
}

/** A default as one would write it on one line. */
export function inline(value: unknown): string {
  if (value === undefined) return 'required'
  return typeof value === 'string'
    ? value
    : JSON.stringify(value).replaceAll('"', '').replaceAll(/[,:]/g, '$& ')
}
