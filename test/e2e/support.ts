import { createClient, type ICreateClientOpts, type MatrixClient } from 'matrix-js-sdk'
import { logger } from 'matrix-js-sdk/lib/logger.js'
import { expect } from 'vitest'
import type { TestServer } from '../support/server.ts'

/** The library's own log would drown the report. */
export function quiet(): void {
  logger.disableAll?.()
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
    ...options,
  })
}

/** Requests that reach the server while the manual clock runs one minute in steps of a second, by path. */
export async function requestsInOneMinute(server: TestServer): Promise<Map<string, number>> {
  const before = server.requests.length
  for (let second = 0; second < 60; second += 1) {
    await server.clock.advance(1_000)
    await server.quiet()
  }
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
