import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

async function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, ['bench/main.ts', ...args], { cwd: ROOT })
}

/** The first two columns of the table. */
function figures(stdout: string): Map<string, string> {
  const cells = stdout.split('\n').map((line) => line.split(/ {2,}/))
  return new Map(cells.map(([what = '', figure = '']) => [what, figure]))
}

describe('npm run bench', () => {
  test('L-18 P-143 prints one table, and an idle minute has no write and no delivery', async () => {
    const { stdout } = await bench('--quick', 'engine', 'idle')
    const shown = figures(stdout)
    expect([...shown.keys()]).toContain('what')
    expect(shown.get('engine: a visible change, room of 1,000')).toMatch(/µs$/)
    expect(shown.get('engine: who watches a user')).toMatch(/µs$/)
    for (const state of ['online', 'away']) {
      expect(shown.get(`idle minute, ${state}: store writes`)).toBe('0')
      expect(shown.get(`idle minute, ${state}: deliveries`)).toBe('0')
    }
    // The counter counts: one change reaches all of them.
    expect(shown.get('idle, for control: one status change')).toBe('20')
    expect([...shown.keys()].filter((what) => what.startsWith('fan-out'))).toEqual([])
  })

  test('a server and its neighbour tell each other presence, at a cost beside the plain one', async () => {
    const { stdout } = await bench('--quick', 'federation')
    const shown = figures(stdout)
    for (const direction of ['in', 'out']) {
      expect(shown.get(`federation: pushes ${direction} a CPU-second`)).toMatch(/\/s$/)
      expect(shown.get(`federation: one push ${direction}`)).toMatch(/µs$/)
    }
    expect(shown.get('federation: a change that a peer is told')).toMatch(/µs$/)
    expect(shown.get('federation: one push in, with followers there')).toMatch(/µs$/)
    expect([...shown.keys()].filter((what) => what.startsWith('engine'))).toEqual([])
  })

  test('runs only what it knows', async () => {
    await expect(bench('fanout')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('engine, fan-out, parked, idle, federation'),
    })
  })
})
