import { percentile } from './support/measure.ts'
import { Crowd } from './support/crowd.ts'
import { significant, millis, perSecond, type Findings, type Row } from './support/table.ts'
import { startBareTarget, startServerTarget, type Target } from './support/target.ts'

export interface FanOutOptions {
  /** Members of the room, all parked; one bench each. */
  readonly sizes: readonly number[]
  readonly warmUpRounds: number
  readonly rounds: number
}

/** What one change that everybody is told costs the server, against node:http doing nothing but answering. */
export async function benchFanOut({ sizes, warmUpRounds, rounds }: FanOutOptions): Promise<Findings> {
  const rows: Row[] = []
  for (const size of sizes) rows.push(...(await fanOut(size, warmUpRounds, rounds)))
  return { rows, failures: [] }
}

interface Tally {
  readonly target: Target
  readonly crowd: Crowd
  cpuMs: number
  bodyBytes: number
  readonly latenciesMs: number[]
  readonly lastMs: number[]
}

async function fanOut(size: number, warmUpRounds: number, rounds: number): Promise<Row[]> {
  // One more member: the one who changes does not poll.
  const server = tally(await startServerTarget(size + 1), size)
  const bare = tally(await startBareTarget(() => server.bodyBytes), size)
  try {
    for (const { crowd } of [server, bare]) await crowd.park()
    // In turns, so that whatever else the machine does meets both.
    for (let round = 0; round < warmUpRounds + rounds; round += 1) {
      const isCounted = round >= warmUpRounds
      await play(server, round, isCounted)
      await play(bare, round, isCounted)
    }
    return rowsOf(size, rounds, server, bare)
  } finally {
    for (const { crowd, target } of [server, bare]) {
      await crowd.close()
      await target.close()
    }
  }
}

function tally(target: Target, size: number): Tally {
  return { target, crowd: new Crowd(target, size), cpuMs: 0, bodyBytes: 0, latenciesMs: [], lastMs: [] }
}

async function play(side: Tally, round: number, isCounted: boolean): Promise<void> {
  const { child } = side.target
  const before = await child.gauge()
  const { latenciesMs, bodyBytes } = await side.crowd.round(round)
  const after = await child.gauge()
  side.bodyBytes = bodyBytes
  if (!isCounted) return
  side.cpuMs += after.cpuMs - before.cpuMs
  side.latenciesMs.push(...latenciesMs)
  side.lastMs.push(Math.max(...latenciesMs))
}

function rowsOf(size: number, rounds: number, server: Tally, bare: Tally): Row[] {
  const deliveries = size * rounds
  const rate = ({ cpuMs }: Tally): number => deliveries / (cpuMs / 1_000)
  const of = `fan-out to ${size.toLocaleString('en')}`
  const compared = (what: string, of: (side: Tally) => number, unit: (value: number) => string): Row => ({
    what,
    figure: unit(of(server)),
    baseline: unit(of(bare)),
    ratio: of(server) / of(bare),
  })
  return [
    {
      ...compared(`${of}: deliveries a CPU-second`, rate, perSecond),
      note: `window 0, ${rounds} changes, ${server.bodyBytes} B, each polled again; p99 below`,
    },
    compared(
      `${of}: one delivery`,
      (side) => 1e6 / rate(side),
      (value) => `${significant(value)} µs`,
    ),
    compared(`${of}: until a delivery, p50`, ({ latenciesMs }) => percentile(latenciesMs, 50), millis),
    compared(`${of}: until a delivery, p99`, ({ latenciesMs }) => percentile(latenciesMs, 99), millis),
    compared(`${of}: until the last one, p50`, ({ lastMs }) => percentile(lastMs, 50), millis),
    compared(`${of}: until the last one, p99`, ({ lastMs }) => percentile(lastMs, 99), millis),
  ]
}
