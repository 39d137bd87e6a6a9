/**
 * Takes the conformance rules out of the specifications: `node scripts/rules.ts <folder with PRESENCE-SPEC.md and ROOMS-SPEC.md>`
 * writes docs/rules/rules.json, which the tests and docs/CONFORMANCE.md are held against.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const SPECIFICATIONS = ['PRESENCE-SPEC.md', 'ROOMS-SPEC.md']
const ROW = /^\| ([PR]-\d{3}[a-z]?) \| (MUST NOT|MUST|SHOULD NOT|SHOULD|MAY) \| (.+?) \| [^|]* \|$/
const HEADING = /^\| +\| +\| \*\*(.+)\*\* \| +\|$/

function rulesOf(file: string): object[] {
  const rules: object[] = []
  let section = ''
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const heading = HEADING.exec(line)
    if (heading !== null) section = heading[1] ?? ''
    const row = ROW.exec(line)
    if (row !== null) rules.push({ id: row[1], level: row[2], section, rule: row[3] })
  }
  return rules
}

const folder = process.argv[2]
if (folder === undefined) throw new Error('usage: node scripts/rules.ts <folder of the specifications>')
const rules = SPECIFICATIONS.flatMap((name) => rulesOf(join(folder, name)))
writeFileSync('docs/rules/rules.json', `${JSON.stringify(rules, null, 1)}\n`)
console.log(`${rules.length} rules`)
