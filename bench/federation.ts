import type { JsonObject } from '../src/matrix/json.ts'
import { federationWith, populateNeighbours, remoteIdOf, type Neighbours } from './support/neighbours.ts'
import { Crowd } from './support/crowd.ts'
import { Peer, transactionRequest, type SignedTransaction } from './support/peer.ts'
import { plainReceiving, plainSending } from './support/plain-signing.ts'
import { openPoller, type Poller } from './support/poller.ts'
import { userIdOf } from './support/population.ts'
import { statusChange } from './support/requests.ts'
import { micros, perSecond, type Findings, type Row } from './support/table.ts'
import { startServer, type Target } from './support/target.ts'

export interface FederationOptions extends Neighbours {
  /** Of the followers, in the last part. */
  readonly connected: number
  readonly warmUpRounds: number
  /** In each, everybody of the peer changes; everybody of ours is asked for; everybody of ours changes. */
  readonly rounds: number
}

/** As a busy server fills a transaction, each EDU as full as we would send it. */
const PUSHES_PER_EDU = 50
const EDUS_PER_TRANSACTION = 10
const PUSHES_PER_TRANSACTION = PUSHES_PER_EDU * EDUS_PER_TRANSACTION
/** Clients that change at the same time. */
const CLIENTS = 50
/** Changes of this long go together. */
const BATCH_WINDOW = '500ms'
/** What changes cause is over by then: the window, and the write-behind of a second. */
const AFTER_CHANGES_MS = 1_500

interface Bench {
  readonly options: FederationOptions
  readonly peer: Peer
  readonly server: Target
  readonly clients: readonly Poller[]
}

/** What a push from another server, and to one, costs beside parsing, canonical JSON and ed25519. */
export async function benchFederation(options: FederationOptions): Promise<Findings> {
  const peer = await Peer.start()
  const server = await startServer(
    (store) => populateNeighbours(store, options, Date.now()),
    (folder) => federationWith(peer, folder, BATCH_WINDOW),
  )
  const clients = await openClients(server.child.port)
  try {
    // At its start it tells the peer of everybody.
    await peer.told(0, options.told)
    const bench = { options, peer, server, clients }
    const rows = [...(await pushesIn(bench)), ...(await pushesOut(bench)), await pushesThrough(bench)]
    return { rows, failures: [] }
  } finally {
    await Promise.all(clients.map((client) => client.drop()))
    await server.close()
    await peer.close()
  }
}

function openClients(port: number): Promise<Poller[]> {
  const failed = (error: Error): void => {
    throw error
  }
  return Promise.all(Array.from({ length: CLIENTS }, () => openPoller(port, failed)))
}

async function pushesIn({ options, peer, server, clients }: Bench): Promise<Row[]> {
  const { followed, warmUpRounds, rounds } = options
  const spent = { cpuMs: 0, plainMs: 0 }
  let transactions = 0
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    const signed = changesElsewhere(peer, followed, round)
    const cpuMs = await cpuOf(server, () => inTurn(signed.map(transactionRequest), clients.slice(0, 1)))
    const plainMs = plainReceiving(signed.map(({ body }) => body))
    if (round < warmUpRounds) continue
    transactions += signed.length
    spent.cpuMs += cpuMs
    spent.plainMs += plainMs
  }
  const note = `${transactions} transactions of ${EDUS_PER_TRANSACTION} × ${PUSHES_PER_EDU}, one at a time; nobody who follows is connected`
  return rowsOf('in', followed * rounds, { ...spent, note })
}

/** The same with followers who poll, so that some of it is delivered. */
async function pushesThrough({ options, peer, server, clients }: Bench): Promise<Row> {
  const { followed, connected, warmUpRounds, rounds } = options
  const crowd = new Crowd(server, connected)
  try {
    await crowd.park()
    let [cpuMs, deliveries] = [0, 0]
    for (let round = 0; round < warmUpRounds + rounds; round += 1) {
      // Texts that were not there before.
      const signed = changesElsewhere(peer, followed, warmUpRounds + rounds + round)
      const before = crowd.deliveries
      const spentMs = await cpuOf(server, async () => {
        await inTurn(signed.map(transactionRequest), clients.slice(0, 1))
        await crowd.allParked()
      })
      if (round < warmUpRounds) continue
      cpuMs += spentMs
      deliveries += crowd.deliveries - before
    }
    return {
      what: 'federation: one push in, with followers there',
      figure: micros((cpuMs / (followed * rounds)) * 1e6),
      note: `${connected} of them poll; ${Math.round(deliveries / rounds).toLocaleString('en')} deliveries for ${followed.toLocaleString('en')} pushes`,
    }
  } finally {
    await crowd.close()
  }
}

/** Everybody of the peer has another status text. */
function changesElsewhere(peer: Peer, users: number, round: number): SignedTransaction[] {
  const transactions = []
  for (let from = 0; from < users; from += PUSHES_PER_TRANSACTION) {
    const edus: JsonObject[] = []
    for (let at = from; at < Math.min(from + PUSHES_PER_TRANSACTION, users); at += PUSHES_PER_EDU)
      edus.push({
        push: numbers(at, Math.min(at + PUSHES_PER_EDU, users)).map((user) => pushOf(user, round)),
      })
    transactions.push(peer.sign(edus))
  }
  return transactions
}

function pushOf(user: number, round: number): JsonObject {
  return {
    user_id: remoteIdOf(user),
    presence: 'online',
    last_active_ago: 1_000 + user,
    currently_active: true,
    status_msg: `in meeting ${round}`,
  }
}

async function pushesOut(bench: Bench): Promise<Row[]> {
  const { options, peer } = bench
  const { told, warmUpRounds, rounds } = options
  const spent = { cpuMs: 0, plainMs: 0 }
  let transactions = 0
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    peer.bodies.length = 0
    const cpuMs = await askAll(bench)
    const plainMs = plainSending(peer.bodies)
    if (round < warmUpRounds) continue
    transactions += peer.bodies.length
    spent.cpuMs += cpuMs
    spent.plainMs += plainMs
  }
  const note = `answers to a poll of all ${told.toLocaleString('en')}, ${transactions} transactions; the poll and TLS included`
  const rows = rowsOf('out', told * rounds, { ...spent, note })
  return [...rows, await changes(bench)]
}

/** The peer polls everybody of ours whom its users follow, and is told of them at once. */
function askAll({ options, peer, server, clients }: Bench): Promise<number> {
  const { followers, told } = options
  const poll = numbers(followers, followers + told).map((user): string => userIdOf(user))
  const request = transactionRequest(peer.sign([{ push: [], poll }]))
  return cpuOf(server, async () => {
    const before = peer.pushes
    await inTurn([request], clients.slice(0, 1))
    await peer.told(before, told)
  })
}

/** Half of ours change, whom the peer is told of; then the others, of whom nobody is. */
async function changes(bench: Bench): Promise<Row> {
  const { followers, told, warmUpRounds, rounds } = bench.options
  const spent = { told: 0, untold: 0 }
  const before = bench.peer.pushes
  const start = bench.peer.bodies.length
  for (let round = 0; round < warmUpRounds + rounds; round += 1) {
    const toldMs = await change(bench, followers, round)
    const untoldMs = await change(bench, followers + told, round)
    if (round < warmUpRounds) continue
    spent.told += toldMs
    spent.untold += untoldMs
  }
  const { pushes, bodies } = bench.peer
  const each = (ms: number): number => (ms / (told * rounds)) * 1e6
  return {
    what: 'federation: a change that a peer is told',
    figure: micros(each(spent.told)),
    baseline: micros(each(spent.untold)),
    ratio: spent.told / spent.untold,
    note: `against one that nobody is told; ${CLIENTS} clients at once, window ${BATCH_WINDOW}, ${Math.round((pushes - before) / (bodies.length - start))} pushes a transaction`,
  }
}

async function change(
  { options, peer, server, clients }: Bench,
  from: number,
  round: number,
): Promise<number> {
  const { followers, told } = options
  const requests = numbers(from, from + told).map((user) => statusChange(user, round))
  return cpuOf(server, async () => {
    const before = peer.pushes
    const pause = new Promise((resolve) => setTimeout(resolve, AFTER_CHANGES_MS))
    await inTurn(requests, clients)
    if (from === followers) await peer.told(before, told)
    await pause
  })
}

/** Each client asks when its last request was answered. */
async function inTurn(requests: readonly string[], clients: readonly Poller[]): Promise<void> {
  const left = requests.values()
  await Promise.all(
    clients.map(async (client) => {
      for (const request of left) {
        const { status, body } = await client.answer(request)
        if (status !== 200) throw new Error(`a request was answered ${status}: ${body}`)
      }
    }),
  )
}

async function cpuOf({ child }: Bench['server'], run: () => Promise<void>): Promise<number> {
  const before = await child.gauge()
  await run()
  const after = await child.gauge()
  return after.cpuMs - before.cpuMs
}

function rowsOf(
  direction: 'in' | 'out',
  pushes: number,
  { cpuMs, plainMs, note }: { readonly cpuMs: number; readonly plainMs: number; readonly note: string },
): Row[] {
  const rate = (ms: number): number => pushes / (ms / 1_000)
  const each = (ms: number): number => (ms / pushes) * 1e6
  return [
    {
      what: `federation: pushes ${direction} a CPU-second`,
      figure: perSecond(rate(cpuMs)),
      baseline: perSecond(rate(plainMs)),
      ratio: rate(cpuMs) / rate(plainMs),
      note,
    },
    {
      what: `federation: one push ${direction}`,
      figure: micros(each(cpuMs)),
      baseline: micros(each(plainMs)),
      ratio: cpuMs / plainMs,
    },
  ]
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
}
