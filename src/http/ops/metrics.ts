import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { FederationEvent, ObserveFederation } from '../../federation/observe.ts'
import { Answer, ROOT, route, type Route } from '../route.ts'
import type { Done } from '../server.ts'

/** Long polls end in the last ones. */
const SECONDS = [0.002, 0.01, 0.05, 0.2, 1, 5, 30, 300]

/** Counts for Prometheus, in a registry of their own: two servers in one process do not share them. */
interface Metrics {
  readonly observe: (done: Done) => void
  readonly observeFederation: ObserveFederation
  /** The exposition text and its content type. */
  readonly expose: () => Promise<{ readonly text: string; readonly contentType: string }>
}

/** What is asked at the moment of a scrape. */
interface Gauges {
  readonly parked: () => number
  readonly inFlight: () => number
  /** Servers for which something waits or is remembered; those of them that failed. */
  readonly destinations: () => number
  readonly destinationsFailing: () => number
  /** Requests to other servers that have no answer yet. */
  readonly requestsUnderWay: () => number
  readonly remoteUsers: () => number
}

export function createMetrics(gauges: Gauges): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const requests = new Counter({
    name: 'adsum_http_requests_total',
    help: 'Requests answered, by route and status; 499 where the client left first.',
    labelNames: ['method', 'route', 'status'],
    registers,
  })
  const seconds = new Histogram({
    name: 'adsum_http_request_duration_seconds',
    help: 'From the end of the headers to the end of the answer.',
    labelNames: ['method', 'route'],
    buckets: SECONDS,
    registers,
  })
  addGauges(registers, gauges)
  return {
    observe: ({ method, pattern, status, durationMs }) => {
      const labels = { method: knownMethod(method), route: pattern }
      requests.inc({ ...labels, status: String(status) })
      seconds.observe(labels, durationMs / 1000)
    },
    observeFederation: federationCounters(registers),
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
  }
}

function addGauges(registers: Registry[], gauges: Gauges): void {
  const { parked, inFlight, destinations, destinationsFailing, requestsUnderWay, remoteUsers } = gauges
  const known = 'Users of other servers that were spoken of since the start.'
  const failing = 'Other servers that failed when they were last tried.'
  gauge(registers, 'adsum_sync_parked', 'Requests waiting for something to happen.', parked)
  gauge(registers, 'adsum_http_in_flight', 'Requests being received, waiting or being answered.', inFlight)
  gauge(
    registers,
    'adsum_federation_destinations',
    'Other servers that are being told something.',
    destinations,
  )
  gauge(registers, 'adsum_federation_destinations_failing', failing, destinationsFailing)
  gauge(
    registers,
    'adsum_federation_requests_under_way',
    'Requests to other servers that have no answer yet.',
    requestsUnderWay,
  )
  gauge(registers, 'adsum_federation_remote_users', known, remoteUsers)
  gauge(registers, 'process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss())
}

function federationCounters(registers: Registry[]): ObserveFederation {
  const transactions = new Counter({
    name: 'adsum_federation_transactions_sent_total',
    help: 'Transactions sent to other servers, by outcome.',
    labelNames: ['outcome'],
    registers,
  })
  const edus = new Counter({
    name: 'adsum_federation_edus_received_total',
    help: 'EDUs of other servers, by type and outcome.',
    labelNames: ['type', 'outcome'],
    registers,
  })
  const refused = new Counter({
    name: 'adsum_federation_requests_refused_total',
    help: 'Requests that no server proved to be its own, by what was wrong.',
    labelNames: ['by'],
    registers,
  })
  return (event: FederationEvent) => {
    if (event.kind === 'transaction sent') transactions.inc({ outcome: event.outcome })
    else if (event.kind === 'request refused') refused.inc({ by: event.by })
    else edus.inc({ type: event.type, outcome: event.outcome.replace(' ', '_') })
  }
}

/** `GET /metrics`, on listeners with that resource. */
export function metricsRoutes({ metrics }: { readonly metrics: Metrics }): Route[] {
  const scrape = route({
    method: 'GET',
    path: '/metrics',
    under: ROOT,
    auth: 'none',
    resource: 'metrics',
    handle: async () => {
      const { text, contentType } = await metrics.expose()
      return new Answer(200, Buffer.from(text), { 'content-type': contentType })
    },
  })
  return [scrape]
}

function gauge(registers: Registry[], name: string, help: string, value: () => number): void {
  const collect = (): void => made.set(value())
  const made: Gauge = new Gauge({ name, help, registers, collect })
}

/** A label takes its values from a fixed set: clients may make up methods. */
function knownMethod(method: string): string {
  return ['GET', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'HEAD'].includes(method) ? method : 'other'
}
