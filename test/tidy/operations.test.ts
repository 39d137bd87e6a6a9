import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { sourceFiles } from '../../scripts/tree.ts'
import { BOUNDS } from '../../src/app/bounds.ts'
import {
  INBOUND_BOUNDS,
  KEY_BOUNDS,
  OUTBOUND_BOUNDS,
  RESOLVER_BOUNDS,
  TRANSPORT_BOUNDS,
} from '../../src/federation/bounds.ts'
import { createMetrics } from '../../src/http/ops/metrics.ts'
import { HTTP_BOUNDS } from '../../src/http/server.ts'

const page = readFileSync('docs/OPERATIONS.md', 'utf8')

/** The cells of the rows of the table with this head, trimmed and without backticks. */
function rowsUnder(head: string): string[][] {
  const cells = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', ''))
  const lines = page.split('\n')
  const at = lines.findIndex((line) => cells(line).join(' ') === head)
  expect(at, head).toBeGreaterThan(0)
  const rest = lines.slice(at + 2)
  return rest
    .slice(
      0,
      rest.findIndex((line) => !line.startsWith('|')),
    )
    .map(cells)
}

test('docs/OPERATIONS.md has every bound with its value', () => {
  const listed = rowsUnder('bound value when it is reached').map(([name, value]) => [name, Number(value)])
  expect(Object.fromEntries(listed)).toEqual({ ...BOUNDS, ...HTTP_BOUNDS })
})

test('docs/OPERATIONS.md has every bound of what goes to and comes from other servers', () => {
  const groups = {
    outbound: OUTBOUND_BOUNDS,
    transport: TRANSPORT_BOUNDS,
    resolver: RESOLVER_BOUNDS,
    keys: KEY_BOUNDS,
    inbound: INBOUND_BOUNDS,
  }
  const bounds = Object.entries(groups).flatMap(([group, values]) =>
    Object.entries(values).map(([name, value]) => [`${group}.${name}`, value]),
  )
  const listed = rowsUnder('bound of federation value when it is reached').map(([name, value]) => [
    name,
    Number(value),
  ])
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(bounds))
})

test('docs/OPERATIONS.md has every metric with its type', async () => {
  const { text } = await createMetrics({
    parked: () => 0,
    inFlight: () => 0,
    destinations: () => 0,
    destinationsFailing: () => 0,
    requestsUnderWay: () => 0,
    remoteUsers: () => 0,
  }).expose()
  const exposed = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
  const listed = rowsUnder('metric type meaning').map(([name, type]) => [name, type])
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(exposed))
})

test('docs/OPERATIONS.md has every line of the log with its level', () => {
  const call = /\blog\.(debug|info|warn|error)\([^;]*?[,?]\s*(?:'([^']+)'|"([^"]+)")/g
  const sources = sourceFiles('src').filter(
    ({ path }) => !path.endsWith('.test.ts') && path !== 'src/app/log.ts',
  )
  const written = sources
    .flatMap(({ text }) => Array.from(text.matchAll(call)))
    // What follows a colon is advice.
    .map(([, level, single, double]) => `${level} ${(single ?? double ?? '').replace(/: "npm .*/, '')}`)
  const listed = rowsUnder('level line what to do').map(([level, line]) => `${level} ${line}`)
  expect(listed.toSorted()).toEqual([...new Set(written)].toSorted())
  // A call that the pattern does not find would be missing on both sides.
  const calls = sources.flatMap(({ text }) => text.match(/\blog\.(?:debug|info|warn|error)\(/g) ?? [])
  expect(written.length).toBe(calls.length)
})
