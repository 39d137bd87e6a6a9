import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Below `node_modules`, so that React is found from there. */
const OUT = join(ROOT, 'node_modules/.cache/client-package-test')

interface Manifest {
  readonly exports: Record<
    string,
    { readonly types: string; readonly default: string; readonly '@adsum/source': string }
  >
  readonly dependencies?: object
}

afterAll(() => rmSync(OUT, { recursive: true, force: true }))

test('what is published builds, has types for every entry and no dependency, and loads in Node', async () => {
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const build = spawnSync(tsc, ['-p', join(ROOT, 'client/tsconfig.build.json'), '--outDir', OUT], {
    encoding: 'utf8',
  })
  expect([build.status, build.stdout]).toEqual([0, ''])
  const manifest = JSON.parse(readFileSync(join(ROOT, 'client/package.json'), 'utf8')) as Manifest
  expect(manifest.dependencies).toBeUndefined()
  const names: Record<string, string[]> = {}
  for (const [entry, files] of Object.entries(manifest.exports)) {
    const built = (file: string): string => join(OUT, file.replace('./dist/', ''))
    expect([
      entry,
      existsSync(built(files.types)),
      existsSync(join(ROOT, 'client', files['@adsum/source'])),
    ]).toEqual([entry, true, true])
    names[entry] = Object.keys((await import(pathToFileURL(built(files.default)).href)) as object).toSorted()
  }
  expect(names).toEqual({
    '.': ['IdleTimer', 'RequestError', 'activeAgoMs', 'createPresenceClient'],
    './attach': ['attachTo'],
    './react': [
      'PresenceProvider',
      'useConnection',
      'useFeatures',
      'useInvites',
      'useOwnPresence',
      'usePresence',
      'usePresenceClient',
      'useRoster',
    ],
  })
})
