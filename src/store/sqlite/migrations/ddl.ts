import { type CreateTableBuilder, type Kysely, sql } from 'kysely'

/** What a migration says of a new table. `?` marks columns that may be null. */
export interface TableDefinition {
  readonly columns: Readonly<Record<string, 'text' | 'text?' | 'integer' | 'integer?'>>
  readonly key: readonly string[]
  /** Lay the rows in order of the key: for small rows that are found by it. */
  readonly byKey?: boolean
  readonly unique?: readonly (readonly string[])[]
  readonly indexes?: readonly (readonly string[])[]
}

/** Creates a strict table with its indexes. */
export async function createTable(
  db: Kysely<unknown>,
  name: string,
  definition: TableDefinition,
): Promise<void> {
  let table: CreateTableBuilder<string, string> = db.schema.createTable(name)
  for (const [column, kind] of Object.entries(definition.columns)) {
    const type = kind.startsWith('text') ? 'text' : 'integer'
    table = table.addColumn(column, type, (built) => (kind.endsWith('?') ? built : built.notNull()))
  }
  await table
    .addPrimaryKeyConstraint(`${name}_key`, [...definition.key])
    .modifyEnd(definition.byKey === true ? sql`strict, without rowid` : sql`strict`)
    .execute()
  for (const columns of definition.unique ?? []) await createIndex(db, name, columns, true)
  for (const columns of definition.indexes ?? []) await createIndex(db, name, columns, false)
}

async function createIndex(
  db: Kysely<unknown>,
  table: string,
  columns: readonly string[],
  unique: boolean,
): Promise<void> {
  const index = db.schema
    .createIndex(`${table}_by_${columns.join('_')}`)
    .on(table)
    .columns([...columns])
  await (unique ? index.unique() : index).execute()
}
