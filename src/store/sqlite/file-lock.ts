import { DatabaseSync } from 'node:sqlite'
import { StoreFailure } from '../failure.ts'
import { createPrivateFile } from './private-file.ts'

/** A held lock; the operating system lets it go when the process ends, however it ends. */
export interface FileLock {
  release(): void
}

/**
 * Makes this process the only one that serves the database at `path`. Node cannot lock files, but SQLite can: the lock
 * is an exclusive transaction, never committed, on an empty database beside it.
 */
export function lockDatabase(path: string): FileLock {
  const lockPath = `${path}.lock`
  createPrivateFile(lockPath)
  const db = new DatabaseSync(lockPath, { timeout: 0 })
  try {
    db.exec('begin exclusive')
  } catch (error) {
    db.close()
    throw new StoreFailure(
      'locked',
      `The database ${path} is in use: another process serves it, and only one may.`,
      { cause: error },
    )
  }
  return { release: () => db.close() }
}
