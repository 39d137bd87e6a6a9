import { type Kysely, sql } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { StoreFailure } from '../failure.ts'
import * as initial from './migrations/0001-initial.ts'
import * as presenceLists from './migrations/0002-presence-lists.ts'
import * as erasures from './migrations/0003-erasures.ts'
import * as federation from './migrations/0004-federation.ts'

/** In the order of their names; a published migration is never changed. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-initial': initial,
  '0002-presence-lists': presenceLists,
  '0003-erasures': erasures,
  '0004-federation': federation,
}

const TABLE = 'migrations'

/** The migrations that are still to be run. A database of a newer version is refused. */
export async function pendingMigrations(db: Kysely<unknown>): Promise<string[]> {
  const done = await doneMigrations(db)
  const unknown = done.filter((name) => !Object.hasOwn(MIGRATIONS, name))
  if (unknown.length > 0)
    throw new StoreFailure(
      'newer',
      `The database was written by a newer version of this software (it has ${unknown.join(', ')}, which this ` +
        'version does not know). Use that version, or restore a backup from before the upgrade.',
    )
  return Object.keys(MIGRATIONS).filter((name) => !done.includes(name))
}

/** Runs them in one transaction: after a failure the database is as before. */
export async function migrate(db: Kysely<unknown>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    migrationTableName: TABLE,
    migrationLockTableName: `${TABLE}_lock`,
  })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
}

async function doneMigrations(db: Kysely<unknown>): Promise<string[]> {
  const tables = await sql<{ name: string }>`select name from sqlite_schema where name = ${TABLE}`.execute(db)
  if (tables.rows.length === 0) return []
  const { rows } = await sql<{ name: string }>`select name from ${sql.table(TABLE)} order by name`.execute(db)
  return rows.map(({ name }) => name)
}
