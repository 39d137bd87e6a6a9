import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Repetitions that one reading of the clock spans, so that the clock costs nothing beside them. */
const BATCH_MIN_MS = 1

/** Nanoseconds of one call: the median over batches, so that what interrupts some of them does not count. */
export function perCall(run: () => void, budgetMs: number): number {
  const perBatch = warmUp(run, budgetMs / 4)
  const batches: number[] = []
  const end = performance.now() + budgetMs
  do {
    const started = performance.now()
    for (let i = 0; i < perBatch; i += 1) run()
    batches.push((performance.now() - started) / perBatch)
  } while (performance.now() < end)
  return percentile(batches, 50) * 1e6
}

/** Gives how many calls make a batch. */
function warmUp(run: () => void, budgetMs: number): number {
  const started = performance.now()
  let calls = 0
  do {
    run()
    calls += 1
  } while (performance.now() - started < budgetMs)
  const eachMs = (performance.now() - started) / calls
  return Math.max(1, Math.ceil(BATCH_MIN_MS / eachMs))
}

/** The smallest value that `share` percent of all do not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((sorted.length * share) / 100) - 1)] ?? 0
}

/** Bytes that what `build` returns keeps in memory. */
export function heldBytes(build: () => unknown): number {
  const before = heapBytes()
  const held = build()
  const bytes = heapBytes() - before
  if (held === undefined) throw new Error('nothing was built')
  return bytes
}

let collect: (() => void) | null = null

function heapBytes(): number {
  if (collect === null) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as () => void
  }
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
