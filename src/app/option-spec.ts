import type { ServerName } from '../matrix/ids.ts'

/** What there is to say of one option. */
export interface OptionSpec {
  readonly type: keyof ValueOf | 'choice' | 'choices' | 'section' | 'sections'
  /** As it would be written in a file; absent: must be given. `{data_dir}` stands for that option's value. */
  readonly default?: unknown
  readonly about: string
  /** Never shown; may be read from a file named by `<key>_file`. */
  readonly secret?: true
  /** The least and the greatest value, both allowed, as written in a file. */
  readonly min?: number | string
  readonly max?: number | string
  readonly of?: readonly string[]
  /** The options of a section, or of each of several. */
  readonly keys?: Group
}

export interface Group {
  readonly [key: string]: OptionSpec | Group
}

/** What an option of each type is in the config. */
interface ValueOf {
  readonly text: string
  readonly texts: readonly string[]
  readonly 'server-name': ServerName
  readonly flag: boolean
  readonly count: number
  readonly rate: number
  /** Milliseconds; the config's key ends in `Ms`. */
  readonly duration: number
  /** Bytes. */
  readonly size: number
  /** Server name → `host:port`. */
  readonly routes: ReadonlyMap<ServerName, string>
}

type Camel<Key extends string> = Key extends `${infer Head}_${infer Rest}`
  ? `${Head}${Capitalize<Camel<Rest>>}`
  : Key

/** `idle_timeout`, a duration, is `idleTimeoutMs` in the config: units last. */
type ConfigKey<Key, Spec> = Key extends string
  ? Spec extends { readonly type: 'duration' }
    ? `${Camel<Key>}Ms`
    : Camel<Key>
  : never

type OrNull<Spec> = Spec extends { readonly default: null } ? null : never

type ConfigValue<Spec> = Spec extends { readonly type: infer Type }
  ? | OrNull<Spec>
    | (Type extends keyof ValueOf
        ? ValueOf[Type]
        : Spec extends { readonly type: 'choice'; readonly of: readonly (infer Choice)[] }
          ? Choice
          : Spec extends { readonly type: 'choices'; readonly of: readonly (infer Choice)[] }
            ? readonly Choice[]
            : Spec extends { readonly type: 'section'; readonly keys: infer Keys }
              ? ConfigOf<Keys>
              : Spec extends { readonly type: 'sections'; readonly keys: infer Keys }
                ? readonly ConfigOf<Keys>[]
                : never)
  : ConfigOf<Spec>

/** The type of what a group of options becomes. */
export type ConfigOf<Keys> = {
  readonly [Key in keyof Keys as ConfigKey<Key, Keys[Key]>]: ConfigValue<Keys[Key]>
}

export function isOption(entry: OptionSpec | Group): entry is OptionSpec {
  return typeof entry['type'] === 'string'
}

/** An option with its place: `presence.idle_timeout`. Options inside listeners have no name in the environment. */
export interface PlacedOption {
  readonly path: string
  readonly spec: OptionSpec
  readonly environment: string | null
}

/** The options of a group, in order; those of a section follow it. */
export function placedOptions(group: Group, prefix = '', inList = false): PlacedOption[] {
  return Object.entries(group).flatMap(([key, entry]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`
    if (!isOption(entry)) return placedOptions(entry, path, inList)
    const own = { path, spec: entry, environment: inList ? null : environmentName(path) }
    const inner = entry.keys === undefined ? [] : placedOptions(entry.keys, `${path}${listMark(entry)}`, true)
    return [own].concat(inner)
  })
}

/** `presence.idle_timeout` → `ADSUM_PRESENCE__IDLE_TIMEOUT`. */
export function environmentName(path: string): string {
  return `ADSUM_${path.replaceAll('.', '__').toUpperCase()}`
}

/** The key of the config that `key` of the file becomes. */
export function configKey(key: string, entry: OptionSpec | Group): string {
  const camel = key.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())
  return isOption(entry) && entry.type === 'duration' ? `${camel}Ms` : camel
}

function listMark(spec: OptionSpec): string {
  return spec.type === 'sections' ? '[]' : ''
}
