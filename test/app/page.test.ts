import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { isPageFresh } from '../../scripts/page.ts'
import { emptyFolder } from '../support/process.ts'

const BUILT_TS = 1_700_000_000

/** A project whose page was built at `BUILT_TS` (seconds), from sources of a second before. */
function project(): { root: string; touch: (path: string, ts: number) => void } {
  const root = emptyFolder()
  const touch = (path: string, ts: number): void => {
    const file = join(root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, '')
    utimesSync(file, ts, ts)
  }
  const sources = ['web/index.html', 'web/src/main.tsx', 'client/src/index.ts', 'package-lock.json']
  for (const path of sources) touch(path, BUILT_TS - 1)
  touch('web/dist/index.html', BUILT_TS)
  return { root, touch }
}

test('a page that is newer than its sources is fresh', () => {
  expect(isPageFresh(project().root)).toBe(true)
})

test('a page that was never built is not', () => {
  expect(isPageFresh(emptyFolder())).toBe(false)
})

test.each([
  'web/src/main.tsx',
  'web/src/parts/new.tsx',
  'web/src/style.css',
  'web/vite.config.ts',
  'client/src/store.ts',
  'package-lock.json',
])('a change of %s makes it stale', (path) => {
  const { root, touch } = project()
  touch(path, BUILT_TS + 1)
  expect(isPageFresh(root)).toBe(false)
})

test.each([
  'web/src/age.test.ts',
  'web/screenshots/light.png',
  'web/node_modules/.vite/x.js',
  'web/dist/assets/x.js',
  'src/main.ts',
  'client/README.md',
])('a change of %s does not', (path) => {
  const { root, touch } = project()
  touch(path, BUILT_TS + 1)
  expect(isPageFresh(root)).toBe(true)
})
