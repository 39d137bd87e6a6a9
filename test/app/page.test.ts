import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { isPageFresh } from '../../scripts/page.ts'
import { configFile, emptyFolder, runAdsum, startProcess } from '../support/process.ts'

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

test('npm start serves the page, passes its arguments on, and ends at a signal', async () => {
  const cwd = emptyFolder()
  const config = configFile(cwd, { listeners: [{ port: 0, resources: ['client', 'web'] }] })
  const server = await startProcess(['serve', '--config', config], { cwd, script: 'scripts/start.ts' })
  const page = await server.request('GET', '/')
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
  const [, script = ''] = /src="(\/assets\/[^"]+\.js)"/.exec(page.text) ?? []
  expect((await server.request('GET', script)).status).toBe(200)
  expect((await server.ends('SIGTERM')).code).toBe(0)
})

test('npm start with another command only runs that', async () => {
  const ended = await runAdsum(['version'], { cwd: emptyFolder(), script: 'scripts/start.ts' })
  expect([ended.code, ended.stdout]).toEqual([0, expect.stringMatching(/^adsum \S+\n$/)])
})
