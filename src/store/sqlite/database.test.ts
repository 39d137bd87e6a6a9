import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { CamelCasePlugin, Kysely, sql } from 'kysely'
import { Migrator } from 'kysely/migration'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PRIMARY_KEYS, type TableName, type Tables } from '../../ports/store.ts'
import { COLUMNS, COLUMNS_BY_NAME } from '../columns.ts'
import { closeDatabase, openDatabase } from './database.ts'
import { NodeSqliteDialect } from './dialect.ts'
import { migrate, pendingMigrations } from './migrate.ts'
import { createReads } from './reads.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'adsum-database-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

async function migrated(path = ':memory:'): Promise<DatabaseSync> {
  const db = openDatabase(path)
  await migrate(new Kysely<unknown>({ dialect: new NodeSqliteDialect(db) }))
  return db
}

test('a commit is on the disk before it is acknowledged: a write-ahead log, synced in full', () => {
  const db = openDatabase(join(folder, 'pragmas.db'))
  expect(db.prepare('pragma journal_mode').get()).toEqual({ journal_mode: 'wal' })
  expect(db.prepare('pragma synchronous').get()).toEqual({ synchronous: 2 })
  closeDatabase(db)
})

describe('migrations', () => {
  const schema = (db: DatabaseSync): Kysely<unknown> => new Kysely({ dialect: new NodeSqliteDialect(db) })

  test('are all run once', async () => {
    const db = openDatabase(':memory:')
    expect(await pendingMigrations(schema(db))).toEqual([
      '0001-initial',
      '0002-presence-lists',
      '0003-erasures',
      '0004-federation',
    ])
    await migrate(schema(db))
    expect(await pendingMigrations(schema(db))).toEqual([])
    await migrate(schema(db))
    db.close()
  })

  test('one that fails leaves nothing behind', async () => {
    const db = openDatabase(':memory:')
    const half = {
      up: async (built: Kysely<unknown>) => {
        await built.schema.createTable('half').addColumn('a', 'text').execute()
        await sql`insert into half values ('x')`.execute(built)
        throw new Error('in the middle')
      },
    }
    const provider = { getMigrations: async () => ({ half }) }
    const { error } = await new Migrator({ db: schema(db), provider }).migrateToLatest()
    expect(error).toMatchObject({ message: 'in the middle' })
    expect(db.prepare(`select name from sqlite_schema where name = 'half'`).all()).toEqual([])
    db.close()
  })

  test('leave strict tables with the columns, the nulls and the keys of the port', async () => {
    const db = await migrated()
    for (const name of Object.keys(COLUMNS) as TableName[]) {
      const table = snakeCase(name)
      const columns = db
        .prepare(`select name, type, "notnull" as required from pragma_table_info(?)`)
        .all(table)
      const expected = Object.entries(COLUMNS_BY_NAME[name]).map(([column, kind]) => ({
        name: snakeCase(column),
        type: kind.startsWith('text') ? 'TEXT' : 'INTEGER',
        required: kind.endsWith('?') ? 0 : 1,
      }))
      expect(columns, table).toEqual(expected)
      expect(db.prepare(`select strict from pragma_table_list where name = ?`).get(table)).toEqual({
        strict: 1,
      })
      expect(uniqueKeys(db, table), table).toContainEqual(PRIMARY_KEYS[name].map(snakeCase))
    }
    db.close()
  })
})

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function uniqueKeys(db: DatabaseSync, table: string): unknown[][] {
  const indexes = db.prepare(`select name from pragma_index_list(?) where "unique" = 1`).all(table)
  return indexes.map(({ name }) =>
    db
      .prepare(`select name from pragma_index_info(?) order by seqno`)
      .all(name as string)
      .map((column) => column['name']),
  )
}

test('every read finds its rows by an index, but for what is loaded or searched whole', async () => {
  const db = await migrated()
  const texts: string[] = []
  const listening = {
    prepare: (text: string) => {
      texts.push(text)
      return db.prepare(text)
    },
  } as unknown as DatabaseSync
  const kysely = new Kysely<Tables>({
    dialect: new NodeSqliteDialect(db),
    plugins: [new CamelCasePlugin()],
  })
  createReads({ db: listening, text: kysely })
  const scans = texts.filter((text) =>
    db
      .prepare(`explain query plan ${text}`)
      .all()
      .some(({ detail }) => String(detail).startsWith('SCAN')),
  )
  const tables = scans.map((text) => String(/ from "(\w+)"/.exec(text)?.[1])).sort()
  expect(texts.length).toBeGreaterThan(25)
  expect(tables).toEqual([
    'accounts',
    'aliases',
    'destinations',
    'erasures',
    'list_outbox',
    'list_peers',
    'memberships',
    'polls',
    'presence',
    'presence_grants',
    'presence_list',
    'rooms',
  ])
  db.close()
})
