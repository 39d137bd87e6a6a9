/** Rules of the specifications ⇔ tests that name them; what docs/CONFORMANCE.md is made from. */
import { readFileSync } from 'node:fs'
import { sourceFiles } from './tree.ts'
import { WAITING } from './waiting.ts'

export interface Rule {
  readonly id: string
  readonly level: string
  readonly section: string
  readonly rule: string
}

/** A quoted test name that begins with one or more rule ids. */
const RULED_NAME = /\(\s*(['"`])((?:[PR]-\d{3}[a-z]?[ ,]+)+)/g

export function rules(): Rule[] {
  return JSON.parse(readFileSync('docs/rules/rules.json', 'utf8')) as Rule[]
}

/** Rule id → the test files that name it at the head of a test. */
export function testedRules(): Map<string, Set<string>> {
  const tested = new Map<string, Set<string>>()
  for (const { path, text } of sourceFiles('src', 'test')) {
    if (!path.endsWith('.test.ts') && !path.startsWith('test/contract/')) continue
    for (const match of text.matchAll(RULED_NAME)) {
      for (const id of (match[2] ?? '').match(/[PR]-\d{3}[a-z]?/g) ?? []) {
        const files = tested.get(id) ?? new Set<string>()
        tested.set(id, files.add(path))
      }
    }
  }
  return tested
}

/** Why a rule has no test yet, or null. */
export function waitingFor(rule: Rule): string | null {
  for (const [reason, ids] of Object.entries(WAITING)) if (ids.includes(rule.id)) return reason
  return null
}

export function conformancePage(): string {
  const tested = testedRules()
  const all = rules()
  const lines = [
    '# Conformance',
    '',
    'Made by `npm run docs` from the rule tables of the specifications (`docs/rules/rules.json`) and the names of the tests; a test keeps it fresh.',
    'A rule is shown by the tests whose names begin with its id.',
    '',
    summary(all, tested),
    '',
  ]
  for (const section of new Set(all.map((rule) => `${rule.id[0]}|${rule.section}`))) {
    const [letter = '', title = ''] = section.split('|')
    lines.push(
      `## ${letter === 'P' ? 'Presence' : 'Rooms'}: ${title}`,
      '',
      '| Rule | Level | Statement | Shown by |',
      '|---|---|---|---|',
    )
    for (const rule of all) {
      if (rule.section !== title || !rule.id.startsWith(letter)) continue
      lines.push(`| ${rule.id} | ${rule.level} | ${rule.rule} | ${shownBy(rule, tested)} |`)
    }
    lines.push('')
  }
  return lines.join('\n')
}

function summary(all: readonly Rule[], tested: ReadonlyMap<string, unknown>): string {
  const must = all.filter((rule) => rule.level.startsWith('MUST'))
  const shown = must.filter((rule) => tested.has(rule.id)).length
  const waiting = must.filter((rule) => !tested.has(rule.id) && waitingFor(rule) !== null).length
  return `${must.length} MUST rules: ${shown} shown by tests, ${waiting} waiting for later work, ${must.length - shown - waiting} without a test.`
}

function shownBy(rule: Rule, tested: ReadonlyMap<string, ReadonlySet<string>>): string {
  const files = tested.get(rule.id)
  if (files !== undefined)
    return [...files]
      .toSorted()
      .map((file) => `\`${file}\``)
      .join(', ')
  return waitingFor(rule) === null ? '**no test**' : `waiting: ${waitingFor(rule)}`
}
