import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { PEER_NAME } from './peer.ts'
import { SERVER_NAME } from './population.ts'

const { publicKey, privateKey } = generateKeyPairSync('ed25519')

/** How long one measurement takes: there is one in each round, so that whatever else the machine does meets both sides. */
const BUDGET_MS = 50

/**
 * What no server can do without for a transaction that it gets: parse the body, write what was signed in its canonical form,
 * verify. As one writes it first, without HTTP, checks or presence. Gives its CPU time.
 */
export function plainReceiving(bodies: readonly string[]): number {
  const signatures = bodies.map((body) => sign(null, signedBytes(JSON.parse(body)), privateKey))
  return cpuMsOf(() => {
    for (const [i, body] of bodies.entries())
      if (!verify(null, signedBytes(JSON.parse(body)), publicKey, signatures[i] as Buffer))
        throw new Error('a signature of the baseline does not fit')
  })
}

/** The same for one that it sends: canonical form, signature, body. */
export function plainSending(bodies: readonly string[]): number {
  const contents = bodies.map((body): unknown => JSON.parse(body))
  return cpuMsOf(() => {
    for (const content of contents) {
      sign(null, signedBytes(content), privateKey).toString('base64')
      Buffer.from(JSON.stringify(content))
    }
  })
}

function signedBytes(content: unknown): Buffer {
  const ends = { origin: PEER_NAME, destination: SERVER_NAME }
  return Buffer.from(canonical({ method: 'PUT', uri: '/_matrix/federation/v1/send/t1', ...ends, content }))
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1))
  return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonical(inner)}`).join(',')}}`
}

/** Of one run, on average over enough of them to be sure. */
function cpuMsOf(run: () => void): number {
  const before = process.cpuUsage()
  for (let runs = 1; ; runs += 1) {
    run()
    const { user, system } = process.cpuUsage(before)
    const spentMs = (user + system) / 1_000
    if (spentMs >= BUDGET_MS) return spentMs / runs
  }
}
