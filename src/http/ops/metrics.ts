import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { Answer, ROOT, route, type Route } from '../route.ts'
import type { Done } from '../server.ts'

/** Long polls end in the last ones. */
const SECONDS = [0.002, 0.01, 0.05, 0.2, 1, 5, 30, 300]

/** Counts for Prometheus, in a registry of their own: two servers in one process do not share them. */
interface Metrics {
  readonly observe: (done: Done) => void
  /** The exposition text and its content type. */
  readonly expose: () => Promise<{ readonly text: string; readonly contentType: string }>
}

/** What is asked at the moment of a scrape. */
interface Gauges {
  readonly parked: () => number
  readonly inFlight: () => number
}

export function createMetrics({ parked, inFlight }: Gauges): Metrics {
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
  gauge(registers, 'adsum_sync_parked', 'Requests waiting for something to happen.', parked)
  gauge(registers, 'adsum_http_in_flight', 'Requests being received, waiting or being answered.', inFlight)
  gauge(registers, 'process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss())
  return {
    observe: ({ method, pattern, status, durationMs }) => {
      const labels = { method: knownMethod(method), route: pattern }
      requests.inc({ ...labels, status: String(status) })
      seconds.observe(labels, durationMs / 1000)
    },
    expose: async () => ({ text: await registry.metrics(), contentType: registry.contentType }),
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
