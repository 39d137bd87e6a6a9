import { expect, test } from 'vitest'
import { importsOf, sourceFiles } from '../../scripts/tree.ts'

/** What each folder of `src` may import besides itself (DESIGN §2); `engine:types` are type-only imports. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  base: [],
  matrix: ['base'],
  engine: ['base', 'matrix'],
  ports: ['base', 'matrix', 'engine:types'],
  service: ['base', 'matrix', 'engine', 'ports'],
  homeserver: ['base', 'matrix', 'engine:types', 'ports'],
  store: ['base', 'matrix', 'engine:types', 'ports'],
  federation: ['base', 'matrix', 'engine:types', 'ports'],
  http: ['base', 'matrix', 'ports', 'service', 'homeserver', 'federation'],
  app: ['base', 'matrix', 'engine', 'ports', 'service', 'homeserver', 'store', 'federation', 'http'],
  main: ['app'],
}

/** Packages stand behind the folders that own them, so that each can be replaced in one place. */
const PACKAGES: Record<string, readonly string[]> = {
  base: [],
  matrix: ['zod'],
  engine: [],
  ports: [],
  service: ['zod'],
  homeserver: ['lru-cache', 'zod'],
  store: ['kysely', 'kysely/migration'],
  federation: ['lru-cache', 'undici', 'zod'],
  http: ['find-my-way', 'zod', 'prom-client'],
  app: ['commander', 'pino', 'yaml', 'zod'],
  main: [],
}

const sources = sourceFiles('src').filter(({ path }) => !path.endsWith('.test.ts'))

function layerOf(path: string): string {
  return path === 'src/main.ts' ? 'main' : (path.split('/')[1] ?? '')
}

test('imports between folders point downwards only', () => {
  const wrong: string[] = []
  for (const file of sources) {
    const from = layerOf(file.path)
    for (const { target, isLocal, isType } of importsOf(file)) {
      if (!isLocal) continue
      const to = layerOf(target)
      const allowed = MAY_IMPORT[from] ?? []
      if (to === from || allowed.includes(to) || (isType && allowed.includes(`${to}:types`))) continue
      wrong.push(`${file.path} imports ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('packages are imported only where the layer table says', () => {
  const wrong: string[] = []
  for (const file of sources) {
    for (const { target, isLocal } of importsOf(file)) {
      if (isLocal || target.startsWith('node:')) continue
      if (!(PACKAGES[layerOf(file.path)] ?? []).includes(target)) wrong.push(`${file.path} imports ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('the client package imports nothing but itself, and React where its hooks are', () => {
  const wrong: string[] = []
  for (const file of sourceFiles('client/src')) {
    if (/\.test\.tsx?$|\/support\//.test(file.path)) continue
    for (const { target, isLocal } of importsOf(file)) {
      const isOwn = isLocal && target.startsWith('client/src/') && !/\.test\.|\/support\//.test(target)
      if (!isOwn && !(target === 'react' && file.path === 'client/src/react.ts'))
        wrong.push(`${file.path} imports ${target}`)
    }
  }
  expect(wrong).toEqual([])
})

test('every folder of src has its row in the table', () => {
  expect(
    [...new Set(sources.map(({ path }) => layerOf(path)))].filter((layer) => !(layer in MAY_IMPORT)),
  ).toEqual([])
})

test('nothing imports in a circle', () => {
  const edges = new Map(
    sources.map((file) => [
      file.path,
      importsOf(file)
        .filter(({ isLocal, isType }) => isLocal && !isType)
        .map(({ target }) => target),
    ]),
  )
  expect(circles(edges)).toEqual([])
})

test('every source file is reachable from main.ts or from a test', () => {
  const all = [
    ...sources,
    ...sourceFiles('src', 'test', 'scripts', 'bench').filter((file) => !sources.includes(file)),
  ]
  const byPath = new Map(all.map((file) => [file.path, file]))
  const roots = all
    .filter(({ path }) => path === 'src/main.ts' || path.endsWith('.test.ts'))
    .map(({ path }) => path)
  const seen = new Set<string>(roots)
  for (const path of seen) {
    const file = byPath.get(path)
    if (file !== undefined) for (const { target, isLocal } of importsOf(file)) if (isLocal) seen.add(target)
  }
  expect(sources.map(({ path }) => path).filter((path) => !seen.has(path))).toEqual([])
})

test('test names in tests only: no source file imports a test or its support', () => {
  const wrong = sources.filter((file) =>
    importsOf(file).some(({ target }) => /^test\/|\.test\.ts$/.test(target)),
  )
  expect(wrong.map(({ path }) => path)).toEqual([])
})

function circles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
    if (done.has(path) || trail.includes(path)) return
    for (const next of edges.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of edges.keys()) visit(path, [])
  return found
}
