import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { build, minify, type Rolldown } from 'vite'

/** Bytes of what a page loads that imports this, minified and gzipped. */
async function size(entry: string): Promise<number> {
  const built = (await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'es2022',
      lib: { entry: source(entry), formats: ['es'] },
      // The lists are loaded when a server has them, and measured by themselves.
      rolldownOptions: { external: (id) => id === 'react' || id === './lists.ts' },
    },
  })) as Rolldown.RolldownOutput[]
  const chunks = built.flatMap(({ output }) => output).filter((each) => each.type === 'chunk')
  expect(chunks).toHaveLength(1)
  // A library is built with its white space.
  const { code } = await minify('chunk.js', chunks[0]?.code ?? '')
  return gzipSync(code, { level: 9 }).length
}

function source(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url))
}

// What README.md promises.
for (const [what, entry, bytesMax] of [
  ['@adsum/client', 'index.ts', 8_000],
  ['its presence lists', 'lists.ts', 2_500],
  ['@adsum/client/attach', 'attach.ts', 8_000],
  ['IdleTimer alone', 'idle-timer.ts', 2_000],
  ['@adsum/client/react without React and the core', 'react.ts', 1_000],
] as const)
  test(`${what}: at most ${bytesMax / 1000} kB gzipped`, async () => {
    const bytes = await size(entry)
    expect(bytes).toBeLessThanOrEqual(bytesMax)
    // A bundle that lost its code would be small, too.
    expect(bytes).toBeGreaterThan(bytesMax / 3)
  })
