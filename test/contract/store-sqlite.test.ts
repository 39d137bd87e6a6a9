import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { openSqliteStore } from '../../src/store/sqlite/open.ts'
import { storeContract } from './store.ts'

let folder: string
let opened = 0

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'adsum-store-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

storeContract('a SQLite file', () => openSqliteStore({ path: join(folder, `${(opened += 1)}.db`) }))
storeContract('SQLite in memory', () => openSqliteStore({ path: ':memory:' }))
