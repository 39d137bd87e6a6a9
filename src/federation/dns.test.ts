import { expect, test } from 'vitest'
import { systemDns } from './dns.ts'

test('this machine is found without a name server', async () => {
  const found = await systemDns().addresses('localhost')
  expect(found.length).toBeGreaterThan(0)
  for (const { address } of found) expect(['127.0.0.1', '::1']).toContain(address)
})
