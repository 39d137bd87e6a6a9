import { expect, test } from 'vitest'
import type { MatrixError } from '../../matrix/errors.ts'
import type { Answer, Call, Route } from '../route.ts'
import { healthRoutes } from './health.ts'
import { createMetrics, metricsRoutes } from './metrics.ts'

const GAUGES = {
  parked: () => 0,
  inFlight: () => 0,
  destinations: () => 0,
  destinationsFailing: () => 0,
  requestsUnderWay: () => 0,
  remoteUsers: () => 0,
}

function ask(routes: readonly Route[], path: string): unknown {
  return routes.find((route) => route.path === path)?.handle({} as Call)
}

test('/health answers while the process lives, /ready only while it may be sent traffic', () => {
  let isReady = false
  const routes = healthRoutes({ isReady: () => isReady })
  expect(ask(routes, '/health')).toEqual({ status: 'live' })
  expect(() => ask(routes, '/ready')).toThrow(expect.objectContaining({ status: 503 }) as MatrixError)
  isReady = true
  expect(ask(routes, '/ready')).toEqual({ status: 'ready' })
  expect(new Set(routes.map(({ resource }) => resource))).toEqual(new Set(['health']))
})

test('metrics count requests by route and status, and ask the gauges at each scrape', async () => {
  let parked = 3
  const metrics = createMetrics({ ...GAUGES, parked: () => parked, inFlight: () => 4 })
  const observe = (status: number, method = 'GET'): void =>
    metrics.observe({ method, pattern: '/_matrix/client/v3/sync', status, durationMs: 20 })
  observe(200)
  observe(200)
  observe(499, 'BANANA')
  const scrape = async (): Promise<string> => {
    const answer = (await ask(metricsRoutes({ metrics }), '/metrics')) as Answer
    expect(answer.headers['content-type']).toMatch(/^text\/plain/)
    return String(answer.body)
  }
  const first = await scrape()
  expect(first).toContain(
    'adsum_http_requests_total{method="GET",route="/_matrix/client/v3/sync",status="200"} 2',
  )
  expect(first).toContain('method="other",route="/_matrix/client/v3/sync",status="499"} 1')
  expect(first).toContain(
    'adsum_http_request_duration_seconds_sum{method="GET",route="/_matrix/client/v3/sync"} 0.04',
  )
  expect(first).toContain('adsum_sync_parked 3')
  expect(first).toContain('adsum_http_in_flight 4')
  parked = 0
  expect(await scrape()).toContain('adsum_sync_parked 0')
})

test('metrics count what goes to other servers and comes from them, and never name one', async () => {
  const metrics = createMetrics({
    ...GAUGES,
    destinations: () => 5,
    destinationsFailing: () => 2,
    requestsUnderWay: () => 3,
    remoteUsers: () => 700,
  })
  const observe = metrics.observeFederation
  observe({ kind: 'transaction sent', outcome: 'acknowledged' })
  observe({ kind: 'transaction sent', outcome: 'acknowledged' })
  observe({ kind: 'transaction sent', outcome: 'failed' })
  observe({ kind: 'edu received', type: 'm.presence', outcome: 'taken' })
  observe({ kind: 'edu received', type: 'other', outcome: 'left out' })
  observe({ kind: 'request refused', by: 'signature' })
  const { text } = await metrics.expose()
  for (const line of [
    'adsum_federation_transactions_sent_total{outcome="acknowledged"} 2',
    'adsum_federation_transactions_sent_total{outcome="failed"} 1',
    'adsum_federation_edus_received_total{type="m.presence",outcome="taken"} 1',
    'adsum_federation_edus_received_total{type="other",outcome="left_out"} 1',
    'adsum_federation_requests_refused_total{by="signature"} 1',
    'adsum_federation_destinations 5',
    'adsum_federation_destinations_failing 2',
    'adsum_federation_requests_under_way 3',
    'adsum_federation_remote_users 700',
  ])
    expect(text.split('\n')).toContain(line)
})

test('two servers in one process do not share their metrics', async () => {
  const one = createMetrics(GAUGES)
  const other = createMetrics(GAUGES)
  one.observe({ method: 'GET', pattern: '/x', status: 200, durationMs: 1 })
  expect((await one.expose()).text).toContain('route="/x"')
  expect((await other.expose()).text).not.toContain('route="/x"')
})
