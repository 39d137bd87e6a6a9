import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type ParsedNode,
} from 'yaml'

/** A value as the operator gave it, and where: `adsum.yaml:3:5`, or the name in the environment. */
export type Given =
  | { readonly kind: 'scalar'; readonly value: unknown; readonly text: string; readonly where: string }
  | { readonly kind: 'list'; readonly items: readonly Given[]; readonly where: string }
  | { readonly kind: 'map'; readonly entries: readonly GivenEntry[]; readonly where: string }

interface GivenEntry {
  readonly key: string
  readonly where: string
  readonly value: Given
}

/** What is wrong, in a sentence, and where. */
export interface Problem {
  readonly where: string
  readonly message: string
}

/** How deep a file may nest, aliases followed; no option needs more than five. */
const LEVELS_MAX = 8

/** The document of one YAML text, read by the rules of YAML 1.1 (`yes` is true, `<<` merges); null if it is broken or empty. */
export function readYaml(text: string, name: string, problems: Problem[]): Given | null {
  const lines = new LineCounter()
  const document = parseDocument(text, { version: '1.1', lineCounter: lines, prettyErrors: false })
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset)
    return `${name}:${line}:${col}`
  }
  for (const error of document.errors)
    problems.push({ where: at(error.pos[0]), message: sentence(error.message) })
  if (document.errors.length > 0 || document.contents === null) return null
  return new Reader(document, at, problems).read(document.contents, 0)
}

/** The same for a value in the environment, which has no lines: `[{port: 8008}]`. */
export function readYamlValue(text: string, name: string, problems: Problem[]): Given | null {
  const found: Problem[] = []
  const given = readYaml(text, name, found)
  problems.push(...found.map(({ message }) => ({ where: name, message })))
  return given
}

class Reader {
  readonly #document: Document.Parsed
  readonly #at: (offset: number) => string
  readonly #problems: Problem[]

  constructor(document: Document.Parsed, at: (offset: number) => string, problems: Problem[]) {
    this.#document = document
    this.#at = at
    this.#problems = problems
  }

  read(node: ParsedNode | null, level: number, place = ''): Given {
    const where = node === null ? place : this.#at(node.range[0])
    if (node === null) return { kind: 'scalar', value: null, text: '', where }
    if (level > LEVELS_MAX) return this.#refuse(where, 'This is nested too deeply.')
    if (isAlias(node)) {
      const target = node.resolve(this.#document)
      return target === undefined
        ? this.#refuse(where, `There is no anchor "${node.source}".`)
        : this.read(target as ParsedNode, level + 1)
    }
    if (isScalar(node)) return { kind: 'scalar', value: node.value, text: textOf(node), where }
    if (isSeq(node)) {
      return { kind: 'list', items: node.items.map((item) => this.read(item, level + 1, where)), where }
    }
    if (isMap(node)) return { kind: 'map', entries: this.#entries(node.items, level, where), where }
    return this.#refuse(where, 'This has no meaning here.')
  }

  /** Keys of the map itself win over those that `<<` brings in. */
  #entries(pairs: readonly YamlPair[], level: number, place: string): GivenEntry[] {
    const own: GivenEntry[] = []
    const merged: GivenEntry[] = []
    for (const { key, value } of pairs) {
      const where = this.#at(key.range[0])
      const given = this.read(value, level + 1, where || place)
      const name = isScalar(key) ? textOf(key) : ''
      if (name === '<<') merged.push(...mergedEntries(given))
      else own.push({ key: name, where, value: given })
    }
    return [
      ...own,
      ...merged.filter(({ key }, i) => ![...own, ...merged.slice(0, i)].some((e) => e.key === key)),
    ]
  }

  #refuse(where: string, message: string): Given {
    this.#problems.push({ where, message })
    return { kind: 'scalar', value: null, text: '', where }
  }
}

interface YamlPair {
  readonly key: ParsedNode
  readonly value: ParsedNode | null
}

function mergedEntries(given: Given): readonly GivenEntry[] {
  if (given.kind === 'list') return given.items.flatMap(mergedEntries)
  return given.kind === 'map' ? given.entries : []
}

/** What was written, so that a room version `11` or a secret `0123` is the text and not the number. */
function textOf({ value, source }: { value: unknown; source?: string }): string {
  return typeof value === 'string' ? value : (source ?? '')
}

function sentence(message: string): string {
  const first = message.split('\n', 1)[0]?.trim() ?? ''
  return /[.!?]$/.test(first) ? first : `${first}.`
}
