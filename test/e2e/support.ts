import { createClient, type ICreateClientOpts, type MatrixClient } from 'matrix-js-sdk'
import type { Logger } from 'matrix-js-sdk/lib/logger.js'
import { expect } from 'vitest'
import type { TestServer } from '../support/server.ts'

/** The library's own log would drown the report. */
const SILENT: Logger = {
  trace: () => {},
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  getChild: () => SILENT,
}

/** Registers through the real endpoint and gives a matrix-js-sdk client that is logged in. */
export async function sdkClient(
  server: TestServer,
  name: string,
  options: Partial<ICreateClientOpts> = {},
): Promise<MatrixClient> {
  const actor = await server.registers(name)
  return createClient({
    baseUrl: server.url,
    userId: actor.userId,
    deviceId: actor.deviceId,
    accessToken: actor.token,
    logger: SILENT,
    ...options,
  })
}

const STEP_MS = 5_000

/**
 * Lets manual time pass in steps, and after each waits until the clients, which live in real time, wait in their polls again:
 * else they would seem to be away while they only catch up.
 */
export async function passes(server: TestServer, ms: number, clients: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    await server.clock.advance(Math.min(STEP_MS, ms - passed))
    await server.parked(clients)
  }
}

/** Requests that reach the server in one minute, by path. */
export async function requestsInOneMinute(server: TestServer, clients: number): Promise<Map<string, number>> {
  const before = server.requests.length
  await passes(server, 60_000, clients)
  const counts = new Map<string, number>()
  for (const { method, path } of server.requests.slice(before)) {
    const key = `${method} ${path}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** Asserts that nothing was asked for more often than a client that polls calmly would. */
export function expectCalm(counts: ReadonlyMap<string, number>, clients: number): void {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  // A poll of 30 s gives two to three a minute for each client; the rest is room for one-off questions.
  expect(total, JSON.stringify([...counts])).toBeLessThanOrEqual(clients * 8)
}
