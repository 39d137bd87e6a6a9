import { readFileSync } from 'node:fs'
import { parseServerName, type ServerName } from '../matrix/ids.ts'
import type { Given, Problem } from './given.ts'
import { nearest } from './nearest.ts'
import { configKey, isOption, type Group, type OptionSpec } from './option-spec.ts'
import { parseDuration, parseSize } from './quantities.ts'

/** Collects the values of options by their path, and everything that is wrong with them. */
export interface Decoding {
  readonly problems: Problem[]
  /** What to say instead of a value that could not be decoded, so that checks of several options skip it. */
  readonly failed: Set<string>
}

/** An option's value, from what was given or from its default; undefined, with a problem noted, if it is not valid. */
export function decodeOption(
  spec: OptionSpec,
  path: string,
  given: Given | undefined,
  decoding: Decoding,
): unknown {
  if (given === undefined || (isNull(given) && spec.default !== undefined)) {
    return spec.default === null ? null : decodeValue(spec, path, asGiven(spec.default), decoding)
  }
  return decodeValue(spec, path, given, decoding)
}

/** A secret from the file that `<key>_file` names: its text without the last line break. */
export function readSecretFile(given: Given, path: string, { problems }: Decoding): Given | undefined {
  if (given.kind !== 'scalar' || given.text === '') {
    problems.push({ where: given.where, message: `"${path}_file" must be the path of a file.` })
    return undefined
  }
  try {
    const text = readFileSync(given.text, 'utf8').replace(/\r?\n$/, '')
    return { kind: 'scalar', value: text, text, where: given.where }
  } catch (error) {
    problems.push({ where: given.where, message: `"${path}_file": ${fileProblem(error, given.text)}` })
    return undefined
  }
}

/** Why a file cannot be read, in a sentence. */
export function fileProblem(error: unknown, file: string): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return `there is no file ${file}.`
  if (code === 'EACCES') return `${file} may not be read by this user.`
  return `${file} cannot be read (${code ?? 'unknown reason'}).`
}

function decodeValue(spec: OptionSpec, path: string, given: Given, decoding: Decoding): unknown {
  if (spec.type === 'section') return decodeSection(spec.keys ?? {}, path, given, decoding)
  if (spec.type === 'sections') return decodeSections(spec, path, given, decoding)
  if (spec.type === 'texts' || spec.type === 'choices') return decodeTexts(spec, path, given, decoding)
  if (spec.type === 'routes') return decodeRoutes(path, given, decoding)
  return decodeScalar(spec, SCALARS[spec.type], path, given, decoding)
}

interface ScalarType {
  readonly expects: (spec: OptionSpec) => string
  /** Undefined if the text is not one. */
  readonly read: (given: { value: unknown; text: string }, spec: OptionSpec) => unknown
}

const SCALARS: Record<
  Exclude<OptionSpec['type'], 'section' | 'sections' | 'texts' | 'choices' | 'routes'>,
  ScalarType
> = {
  text: {
    expects: () => 'a text that is not empty',
    read: ({ text }) => (text === '' ? undefined : text),
  },
  'server-name': {
    expects: () => 'a server name such as example.org or localhost:8008',
    read: ({ text }) => parseServerName(text) ?? undefined,
  },
  choice: {
    expects: ({ of = [] }) => `one of ${listed(of)}`,
    read: ({ text }, { of }) => of?.find((choice) => choice === text),
  },
  flag: { expects: () => 'true or false', read: ({ text }) => flag(text) },
  count: {
    expects: () => 'a whole number',
    read: ({ value, text }) => number(value, text, /^\d{1,15}$/),
  },
  rate: {
    expects: () => 'a number',
    read: ({ value, text }) => number(value, text, /^\d{1,15}(\.\d{1,15})?$/),
  },
  duration: {
    expects: () => 'a duration such as 30s, 5m or 1h',
    read: ({ text }) => parseDuration(text) ?? undefined,
  },
  size: {
    expects: () => 'a size such as 512B, 64KiB or 1MiB',
    read: ({ text }) => parseSize(text) ?? undefined,
  },
}

function decodeSection(keys: Group, path: string, given: Given, decoding: Decoding): unknown {
  if (given.kind !== 'map')
    return refuse(decoding, path, given, `must be a section with ${listed(Object.keys(keys))}`)
  for (const { key, where } of given.entries) {
    if (!Object.hasOwn(keys, key))
      decoding.problems.push(
        unknownOption(
          `${path}.${key}`,
          where,
          Object.keys(keys).map((known) => `${path}.${known}`),
        ),
      )
  }
  const entries = Object.entries(keys).map(([key, spec]) => {
    const found = given.entries.find((entry) => entry.key === key)?.value
    const own = `${path}.${key}`
    if (!isOption(spec))
      return [configKey(key, spec), decodeSection(spec, own, found ?? asGiven({}), decoding)]
    if (found !== undefined || spec.default !== undefined) {
      return [configKey(key, spec), decodeOption(spec, own, found, decoding)]
    }
    return [configKey(key, spec), refuse(decoding, own, given, 'must be given')]
  })
  return Object.fromEntries(entries) as unknown
}

function decodeSections(spec: OptionSpec, path: string, given: Given, decoding: Decoding): unknown {
  if (given.kind !== 'list' || given.items.length === 0) {
    return refuse(decoding, path, given, 'must be a list with at least one section')
  }
  return given.items.map((item, i) => decodeSection(spec.keys ?? {}, `${path}[${i}]`, item, decoding))
}

function decodeTexts(spec: OptionSpec, path: string, given: Given, decoding: Decoding): unknown {
  const of = spec.of === undefined ? 'texts' : listed(spec.of)
  if (given.kind !== 'list') return refuse(decoding, path, given, `must be a list of ${of}`)
  const texts = given.items.map((item) => {
    const isAllowed =
      item.kind === 'scalar' && !isNull(item) && (spec.of?.includes(item.text) ?? item.text !== '')
    return isAllowed ? item.text : refuse(decoding, path, item, `must be a list of ${of}`)
  })
  return [...new Set(texts)]
}

function decodeRoutes(path: string, given: Given, decoding: Decoding): unknown {
  if (given.kind !== 'map') return refuse(decoding, path, given, 'must be a map of server names to host:port')
  const routes = new Map<ServerName, string>()
  for (const { key, value } of given.entries) {
    const own = `${path}.${key}`
    const name = parseServerName(key)
    const target = value.kind === 'scalar' && !isNull(value) ? value.text : ''
    if (name === null) refuse(decoding, own, value, 'must be the route of a server name')
    else if (parseServerName(target) === null || !/:\d+$/.test(target))
      refuse(decoding, own, value, 'must be a host:port')
    else routes.set(name, target)
  }
  return routes
}

function decodeScalar(
  spec: OptionSpec,
  type: ScalarType,
  path: string,
  given: Given,
  decoding: Decoding,
): unknown {
  const value = given.kind === 'scalar' && !isNull(given) ? type.read(given, spec) : undefined
  if (value === undefined) return refuse(decoding, path, given, `must be ${type.expects(spec)}`, spec.secret)
  const least = bound(spec, spec.min)
  const most = bound(spec, spec.max)
  if (typeof value !== 'number' || ((least ?? value) <= value && value <= (most ?? value))) return value
  return refuse(decoding, path, given, `must be between ${spec.min ?? 0} and ${spec.max ?? 'any'}`)
}

/** The words of YAML 1.1, also where no YAML parser has been: in the environment and in quotes. */
function flag(text: string): boolean | undefined {
  if (/^(?:true|yes|on)$/i.test(text)) return true
  return /^(?:false|no|off)$/i.test(text) ? false : undefined
}

function number(value: unknown, text: string, form: RegExp): number | undefined {
  const written = typeof value === 'number' ? String(value) : text
  return form.test(written) ? Number(written) : undefined
}

function bound(spec: OptionSpec, limit: number | string | undefined): number | undefined {
  if (typeof limit !== 'string') return limit
  return (spec.type === 'size' ? parseSize(limit) : parseDuration(limit)) ?? undefined
}

export function unknownOption(path: string, where: string, known: readonly string[]): Problem {
  const hint = nearest(path, known)
  return {
    where,
    message: `"${path}" is not an option.${hint === null ? '' : ` Did you mean "${hint}"?`}`,
  }
}

function refuse(
  { problems, failed }: Decoding,
  path: string,
  given: Given,
  must: string,
  secret = false,
): undefined {
  const shown = given.kind === 'scalar' && !isNull(given) && !secret && !must.endsWith('given')
  problems.push({
    where: given.where,
    message: `"${path}" ${must}${shown ? `, not ${JSON.stringify(given.text)}` : ''}.`,
  })
  failed.add(path)
  return undefined
}

function isNull(given: Given): boolean {
  return given.kind === 'scalar' && given.value === null
}

function listed(names: readonly string[]): string {
  return names.join(', ')
}

/** A default of the table as if a file had said it. */
function asGiven(value: unknown): Given {
  const where = 'default'
  if (Array.isArray(value)) return { kind: 'list', items: value.map(asGiven), where }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, inner]) => ({ key, where, value: asGiven(inner) }))
    return { kind: 'map', entries, where }
  }
  return { kind: 'scalar', value, text: String(value), where }
}
