/**
 * `npm test`: types, build, lint, formatting, and every test, each step's failure shown and none hiding another. The last line
 * is `N passed, N failed` over all tests and checks.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Outcome {
  passed: number
  failed: number
  skipped: number
}

const CHECKS: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['types', 'tsc', '-b'],
  ['build', 'tsc', '-b', 'tsconfig.build.json'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings'],
  ['formatting', 'prettier', '--check', '--log-level', 'warn', '.'],
]

function check([name, command, ...args]: (typeof CHECKS)[number]): Outcome {
  console.log(`\n— ${name}: ${command} ${args.join(' ')}`)
  const ok = spawnSync(command, args, { stdio: 'inherit' }).status === 0
  console.log(ok ? `${name}: fine` : `${name}: FAILED`)
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
}

interface VitestReport {
  numPassedTests: number
  numFailedTests: number
  numPendingTests: number
  numFailedTestSuites: number
  success: boolean
}

function tests(args: readonly string[]): Outcome {
  console.log('\n— tests: vitest run')
  const folder = mkdtempSync(join(tmpdir(), 'adsum-check-'))
  const outputFile = join(folder, 'report.json')
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${outputFile}`]
  const status = spawnSync('vitest', ['run', ...reporters, ...args], { stdio: 'inherit' }).status
  const report = readReport(outputFile)
  rmSync(folder, { recursive: true })
  // A suite that cannot even be loaded has no tests that could fail: count it as one.
  const broken = report.numFailedTests === 0 && (status !== 0 || !report.success) ? 1 : 0
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken,
    skipped: report.numPendingTests,
  }
}

function readReport(file: string): VitestReport {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as VitestReport
  } catch {
    return {
      numPassedTests: 0,
      numFailedTests: 0,
      numPendingTests: 0,
      numFailedTestSuites: 0,
      success: false,
    }
  }
}

const outcomes = [...CHECKS.map(check), tests(process.argv.slice(2))]
const total = (key: keyof Outcome): number => outcomes.reduce((sum, outcome) => sum + outcome[key], 0)
const skipped = total('skipped') > 0 ? `, ${total('skipped')} skipped` : ''
console.log(`\n${total('passed')} passed, ${total('failed')} failed${skipped}`)
process.exitCode = total('failed') === 0 ? 0 : 1
