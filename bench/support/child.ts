import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Gauge, GaugeReply, GaugeRequest } from './gauge.ts'

/** A measured process: serves HTTP on a loopback port of its own and says on its first lines which. */
export interface Child {
  readonly port: number
  gauge(options?: { readonly collect: boolean }): Promise<Gauge>
  /** Asks it to stop, and makes it if it does not. */
  stop(): Promise<void>
}

/** How long a process may take to start, or to stop before it is made to. */
const START_MAX_MS = 60_000
const STOP_MAX_MS = 15_000
/** Of what it says, for the case that it fails. */
const OUTPUT_CHARS_MAX = 10_000

const ADDRESS = /http:\/\/127\.0\.0\.1:(\d+)/

/** Starts a module, given relative to `bench/support`. BENCH_NODE_ARGS adds to Node's options, e.g. `--cpu-prof`. */
export async function startChild(module: string, args: readonly string[] = []): Promise<Child> {
  const path = new URL(module, import.meta.url)
  const gaugeUrl = new URL('gauge.ts', import.meta.url)
  const child = fork(path, args, {
    execArgv: [
      '--expose-gc',
      '--import',
      gaugeUrl.href,
      ...(process.env['BENCH_NODE_ARGS']?.split(' ') ?? []),
    ],
    // What is set for somebody else is no option of the server.
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ADSUM_'))),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const port = await listeningPort(child)
  return { port, gauge: gaugeOf(child), stop: () => stop(child) }
}

function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = ''
    const timer = setTimeout(() => fail('did not start in time'), START_MAX_MS)
    const fail = (what: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new Error(`a measured process ${what}:\n${output}`))
    }
    const read = (chunk: Buffer): void => {
      output = `${output}${chunk.toString()}`.slice(-OUTPUT_CHARS_MAX)
      const port = ADDRESS.exec(output)?.[1]
      if (port === undefined) return
      clearTimeout(timer)
      child.off('exit', exited)
      resolve(Number(port))
    }
    const exited = (): void => fail('ended at once')
    child.once('exit', exited)
    child.stdout?.on('data', read)
    child.stderr?.on('data', read)
  })
}

function gaugeOf(child: ChildProcess): Child['gauge'] {
  const waiting = new Map<number, (reply: GaugeReply) => void>()
  let asked = 0
  child.on('message', (reply: GaugeReply) => {
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
  })
  return ({ collect } = { collect: false }) =>
    new Promise((resolve, reject) => {
      asked += 1
      const request: GaugeRequest = { id: asked, collect }
      waiting.set(asked, resolve)
      child.send(request, (error) => {
        if (error !== null) reject(error)
      })
    })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS)
  await exited
  clearTimeout(timer)
}
