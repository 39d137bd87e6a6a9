import type { Kysely } from 'kysely'
import { createTable, type TableDefinition } from './ddl.ts'

/** Presence lists: both sides of each pair, what users were told of it, and what they do with invites. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [name, definition] of Object.entries(TABLES)) await createTable(db, name, definition)
}

const TABLES: Readonly<Record<string, TableDefinition>> = {
  presence_list: {
    key: ['observer', 'observed'],
    columns: {
      observer: 'text',
      observed: 'text',
      state: 'text',
      asked_ts: 'integer',
      accepted_pos: 'integer?',
    },
    byKey: true,
    indexes: [['state', 'asked_ts']],
  },
  presence_grants: {
    key: ['observed', 'observer'],
    columns: { observed: 'text', observer: 'text', state: 'text', ts: 'integer' },
    byKey: true,
    indexes: [
      ['state', 'ts'],
      ['observed', 'state'],
    ],
  },
  presence_list_news: {
    key: ['user_id', 'other_id', 'direction'],
    columns: {
      user_id: 'text',
      other_id: 'text',
      direction: 'text',
      state: 'text',
      ts: 'integer',
      pos: 'integer',
    },
    byKey: true,
    indexes: [['user_id', 'pos'], ['ts']],
  },
  invite_policies: { key: ['user_id'], columns: { user_id: 'text', policy: 'text' }, byKey: true },
}
