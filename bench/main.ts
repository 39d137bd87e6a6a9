/**
 * `npm run bench [-- --quick] [engine] [fan-out] [parked] [idle] [federation]`: runs all or the named ones and prints one table. Absolute
 * times fail nothing; only an idle minute that is not free does. docs/PERFORMANCE.md says how to read it.
 */
import { availableParallelism, cpus, loadavg } from 'node:os'
import { benchEngine } from './engine.ts'
import { benchFederation } from './federation.ts'
import { benchFanOut } from './fan-out.ts'
import { benchIdle } from './idle.ts'
import { benchParked } from './parked.ts'
import { formatTable, type Findings, type Row } from './support/table.ts'

type Bench = (isQuick: boolean) => Findings | Promise<Findings>

const BENCHES: Readonly<Record<string, Bench>> = {
  engine: (isQuick) =>
    benchEngine({
      roomSizes: isQuick ? [10, 100, 1_000] : [10, 100, 1_000, 10_000, 50_000],
      users: isQuick ? 5_000 : 100_000,
      budgetMs: isQuick ? 10 : 300,
    }),
  'fan-out': (isQuick) =>
    benchFanOut({
      sizes: isQuick ? [200] : [1_000, 5_000],
      warmUpRounds: isQuick ? 2 : 10,
      rounds: isQuick ? 5 : 30,
    }),
  parked: (isQuick) => benchParked({ size: isQuick ? 200 : 5_000 }),
  idle: (isQuick) => benchIdle({ users: isQuick ? 20 : 200, hour: !isQuick }),
  federation: (isQuick) =>
    benchFederation({
      followed: isQuick ? 500 : 5_000,
      followers: isQuick ? 100 : 1_000,
      connected: isQuick ? 10 : 100,
      told: isQuick ? 200 : 2_000,
      warmUpRounds: isQuick ? 1 : 3,
      rounds: isQuick ? 1 : 10,
    }),
}

async function main(args: readonly string[]): Promise<number> {
  const isQuick = args.includes('--quick')
  const named = args.filter((arg) => arg !== '--quick')
  const unknown = named.filter((name) => !Object.hasOwn(BENCHES, name))
  if (unknown.length > 0) {
    process.stderr.write(`There is no bench ${unknown.join(', ')}: ${Object.keys(BENCHES).join(', ')}\n`)
    return 2
  }
  const rows: Row[] = []
  const failures: string[] = []
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (named.length > 0 && !named.includes(name)) continue
    process.stderr.write(`${name} …\n`)
    const found = await bench(isQuick)
    rows.push(...found.rows)
    failures.push(...found.failures)
  }
  process.stdout.write(`\n${machine()}\n\n${formatTable(rows)}\n`)
  for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`)
  return failures.length === 0 ? 0 : 1
}

function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  const load = (loadavg()[0] ?? 0).toFixed(1)
  return `${model}, ${availableParallelism()} cores, load ${load}, Node ${process.versions.node}`
}

// What is temporary goes when the process ends, and measured processes end with it.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
process.exitCode = await main(process.argv.slice(2))
