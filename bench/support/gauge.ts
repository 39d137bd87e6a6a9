/**
 * Loaded into a measured process before its own code (`--import`): tells over the IPC channel what the process has used so
 * far, and ends it with whoever started it.
 */
export interface Gauge {
  /** User and system time of the whole process. */
  readonly cpuMs: number
  /** After a collection, if one was asked for: what is really held, outside the heap included. */
  readonly heldBytes: number
  readonly residentBytes: number
}

export interface GaugeRequest {
  readonly id: number
  readonly collect: boolean
}

export interface GaugeReply extends Gauge {
  readonly id: number
}

declare const gc: () => void

process.on('message', ({ id, collect }: GaugeRequest) => {
  if (collect) {
    gc()
    gc()
  }
  const { user, system } = process.cpuUsage()
  const { heapUsed, external, rss } = process.memoryUsage()
  const reply: GaugeReply = {
    id,
    cpuMs: (user + system) / 1_000,
    heldBytes: heapUsed + external,
    residentBytes: rss,
  }
  process.send?.(reply)
})
process.on('disconnect', () => process.exit(1))
// Listening for questions must not keep the process alive.
process.channel?.unref()
