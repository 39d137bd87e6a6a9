import type { Store } from '../ports/store.ts'
import { openSqliteStore } from '../store/sqlite/open.ts'
import type { Config } from './options.ts'

/** The database that the configuration names. */
export function openStore({ database }: Config): Promise<Store> {
  return openSqliteStore({ path: database.url.slice('sqlite:'.length) })
}
