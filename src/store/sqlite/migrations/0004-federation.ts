import { type Kysely, sql } from 'kysely'
import { createTable, type TableDefinition } from './ddl.ts'

/** Presence between servers: what waits for others, what is known of them, and which asking an invite belongs to. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('presence').addColumn('refreshed_ts', 'integer').execute()
  const withAsk = db.schema.alterTable('presence_list')
  await withAsk.addColumn('ask', 'integer', (column) => column.notNull().defaultTo(sql`0`)).execute()
  await db.schema.alterTable('presence_grants').addColumn('ask', 'integer').execute()
  for (const [name, definition] of Object.entries(TABLES)) await createTable(db, name, definition)
}

const TABLES: Readonly<Record<string, TableDefinition>> = {
  list_outbox: {
    key: ['observer', 'observed'],
    columns: {
      observer: 'text',
      observed: 'text',
      server_name: 'text',
      kind: 'text',
      ask: 'integer?',
      pos: 'integer',
    },
    byKey: true,
    indexes: [['server_name', 'pos']],
  },
  list_peers: { key: ['server_name'], columns: { server_name: 'text', heard_ts: 'integer' }, byKey: true },
  polls: {
    key: ['server_name', 'user_id'],
    columns: { server_name: 'text', user_id: 'text', wanted: 'integer' },
    byKey: true,
  },
  destinations: {
    key: ['server_name'],
    columns: { server_name: 'text', failures: 'integer', retry_ts: 'integer' },
    byKey: true,
  },
  server_keys: {
    key: ['server_name', 'key_id'],
    columns: {
      server_name: 'text',
      key_id: 'text',
      key: 'text',
      valid_until_ts: 'integer',
      expired_ts: 'integer?',
      fetched_ts: 'integer',
    },
    byKey: true,
  },
  inbound_transactions: {
    key: ['origin', 'txn_id'],
    columns: { origin: 'text', txn_id: 'text', json: 'text', ts: 'integer' },
    byKey: true,
    indexes: [['ts']],
  },
}
