import { realpathSync } from 'node:fs'
import type { DatabaseSync } from 'node:sqlite'
import { CamelCasePlugin, Kysely } from 'kysely'
import type { Store, Tables, Write } from '../../ports/store.ts'
import { positionOf } from '../columns.ts'
import { StoreFailure } from '../failure.ts'
import { CommitQueue } from './commit-queue.ts'
import { closeDatabase, openDatabase } from './database.ts'
import { NodeSqliteDialect } from './dialect.ts'
import { type FileLock, lockDatabase } from './file-lock.ts'
import { migrate, pendingMigrations } from './migrate.ts'
import { createPrivateFile } from './private-file.ts'
import { createReads, type Reads } from './reads.ts'
import { openStreamMark } from './stream-mark.ts'
import { translated } from './translate.ts'
import { Writer } from './writer.ts'

const IN_MEMORY = ':memory:'
/**
 * Opens the database at `path`, making or upgrading it as needed; `:memory:` is one that nobody else sees. One process
 * at a time: a second one is refused (`StoreFailure` with reason `locked`), as is a file of a newer version (`newer`).
 */
export async function openSqliteStore(options: { readonly path: string }): Promise<Store> {
  const { path } = options
  let lock: FileLock | null = null
  let db: DatabaseSync | null = null
  try {
    if (path !== IN_MEMORY) {
      createPrivateFile(path)
      lock = lockDatabase(realpathSync(path))
    }
    db = openDatabase(path)
    await upgrade(db)
    return createStore({ db, path, lock })
  } catch (error) {
    db?.close()
    lock?.release()
    throw translated(error, path)
  }
}

async function upgrade(db: DatabaseSync): Promise<void> {
  const schema = new Kysely<unknown>({ dialect: new NodeSqliteDialect(db) })
  if ((await pendingMigrations(schema)).length > 0) await migrate(schema)
}

function createStore(options: {
  readonly db: DatabaseSync
  readonly path: string
  readonly lock: FileLock | null
}): Store {
  const { db, path, lock } = options
  const text = new Kysely<Tables>({ dialect: new NodeSqliteDialect(db), plugins: [new CamelCasePlugin()] })
  const mark = openStreamMark(db)
  const queue = new CommitQueue({ db, path, lastPosition: mark.read(), savePosition: mark.save })
  const writer = new Writer(db, text)
  let closed = false
  const requireOpen = (): void => {
    if (closed) throw new StoreFailure('closed', 'The store is closed.')
  }
  return {
    ...guarded(createReads({ db, text }), path, requireOpen),
    async commit(writes) {
      requireOpen()
      await queue.add(
        writes.map((write) => writer.step(write)),
        highestPosition(writes),
      )
    },
    async dropTransactions(createdBefore) {
      requireOpen()
      await queue.add([writer.dropTransactions(createdBefore)], 0)
    },
    async dropServerKeys(now) {
      requireOpen()
      await queue.add([writer.dropServerKeys(now)], 0)
    },
    async dropInboundTransactions(before) {
      requireOpen()
      await queue.add([writer.dropInboundTransactions(before)], 0)
    },
    async lastPosition() {
      requireOpen()
      return queue.lastPosition
    },
    async close() {
      if (closed) return
      closed = true
      queue.flush()
      closeDatabase(db)
      lock?.release()
    },
  }
}

/** Reads of an open store only, with their errors translated. */
function guarded(reads: Reads, path: string, requireOpen: () => void): Reads {
  const entries = Object.entries(reads as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)
  const guardedEntries = entries.map(([name, read]) => [
    name,
    async (...args: unknown[]): Promise<unknown> => {
      requireOpen()
      try {
        return await read(...args)
      } catch (error) {
        throw translated(error, path)
      }
    },
  ])
  return Object.fromEntries(guardedEntries) as Reads
}

function highestPosition(writes: readonly Write[]): number {
  return writes.reduce((highest, write) => Math.max(highest, 'put' in write ? positionOf(write.row) : 0), 0)
}
