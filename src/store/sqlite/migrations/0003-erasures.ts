import type { Kysely } from 'kysely'
import { createTable } from './ddl.ts'

/** Whose messages are to be forgotten. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await createTable(db, 'erasures', { key: ['user_id'], columns: { user_id: 'text' }, byKey: true })
}
