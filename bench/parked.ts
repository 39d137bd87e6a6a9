import { Crowd } from './support/crowd.ts'
import type { Gauge } from './support/gauge.ts'
import { kibibytes, type Findings, type Row } from './support/table.ts'
import { startBareTarget, startServerTarget, type Target } from './support/target.ts'

export interface ParkedOptions {
  /** Requests that wait at the same time. */
  readonly size: number
}

/** What a waiting `/sync` holds in user space, against a waiting request of bare node:http. */
export async function benchParked({ size }: ParkedOptions): Promise<Findings> {
  const server = await held(await startServerTarget(size + 1), size)
  const bare = await held(await startBareTarget(() => 0), size)
  const compared = (what: string, of: (held: Held) => number, note: string): Row => ({
    what,
    figure: kibibytes(of(server)),
    baseline: kibibytes(of(bare)),
    ratio: of(server) / of(bare),
    note,
  })
  const rows = [
    compared(
      'parked sync: heap and buffers',
      ({ parked }) => parked,
      `${size.toLocaleString('en')} parked, collected`,
    ),
    compared('parked sync: resident', ({ resident }) => resident, 'the same, with what the allocator keeps'),
    {
      what: 'connected user: stays after the poll',
      figure: kibibytes(server.kept),
      note: 'caches of token, device, keys; engine; bounded',
    },
  ]
  return { rows, failures: [] }
}

/** Bytes, each for one user. */
interface Held {
  readonly parked: number
  readonly resident: number
  readonly kept: number
}

/** Parked, gone, and parked again: the second time only what belongs to the waiting itself is new. */
async function held(target: Target, size: number): Promise<Held> {
  const crowd = new Crowd(target, size)
  const collected = (): Promise<Gauge> => target.child.gauge({ collect: true })
  try {
    const before = await collected()
    await crowd.park()
    const first = await collected()
    await crowd.leave()
    const between = await collected()
    await crowd.park()
    const second = await collected()
    return {
      parked: (second.heldBytes - between.heldBytes) / size,
      resident: (first.residentBytes - before.residentBytes) / size,
      kept: (between.heldBytes - before.heldBytes) / size,
    }
  } finally {
    await crowd.close()
    await target.close()
  }
}
